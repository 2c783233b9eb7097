/** The laws at the head of `src/core/ring/placement.ts`, against random layouts. */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { nodeId, partitionId } from '../../src/core/identity.ts';
import { loadBounds } from '../../src/core/ring/bounded-loads.ts';
import { fairShares } from '../../src/core/ring/fair-share.ts';
import { type Layout, type LayoutMember, layoutProblems } from '../../src/core/ring/layout.ts';
import { Placement } from '../../src/core/ring/placement.ts';
import { partitionBits } from '../../src/core/ring/token.ts';
import { loadHash64 } from '../../src/env/xxhash.ts';

const hash = await loadHash64();

const membersOf = (zones: number, evenWeights: boolean): fc.Arbitrary<LayoutMember[]> =>
  fc.uniqueArray(
    fc.record({
      id: fc.stringMatching(/^[a-z0-9-]{1,12}$/).map(nodeId),
      zone: fc.integer({ min: 1, max: zones }).map((zone) => `zone-${zone}`),
      weight: evenWeights ? fc.constant(1) : fc.constantFrom(0.1, 0.5, 1, 1, 2, 3, 10),
    }),
    { selector: (member) => member.id, minLength: 1, maxLength: 16 },
  );

const layouts: fc.Arbitrary<Layout> = fc
  .record({ zones: fc.integer({ min: 1, max: 16 }), evenWeights: fc.boolean() })
  .chain(({ zones, evenWeights }) => membersOf(zones, evenWeights))
  .chain((members) =>
    fc.record({
      version: fc.constant(1),
      members: fc.constant(members),
      replication: fc.integer({ min: 1, max: Math.min(members.length, 7) }),
      partitions: fc.constantFrom(1, 8, 256, 1_024),
    }),
  );

const table = (placement: Placement): (readonly string[])[] =>
  Array.from({ length: placement.layout.partitions }, (_, i) => placement.homes(partitionId(i)));

const boundOf = ({ members, partitions, replication }: Layout): Map<string, number | undefined> => {
  const bounds = loadBounds(members, partitions, replication);
  return new Map(members.map(({ id }, i) => [id, bounds[i]]));
};

test('the table in one piece is the table, for every layout', () => {
  fc.assert(
    fc.property(layouts, (layout) => {
      const { replication } = layout;
      const placement = new Placement(layout, replication, hash);
      const { memberIds, homeIndexes } = placement;
      expect(memberIds).toEqual([...memberIds].sort());
      const rebuilt = Array.from({ length: 2 ** partitionBits(layout.partitions) }, (_, i) =>
        Array.from(homeIndexes.subarray(i * replication, (i + 1) * replication), (index) => memberIds[index]),
      );
      expect(rebuilt).toEqual(table(placement));
    }),
    { numRuns: 100 },
  );
});

test('every partition has N different homes, in as many zones as possible', () => {
  fc.assert(
    fc.property(layouts, (layout) => {
      expect(layoutProblems(layout)).toEqual([]);
      const zoneOf = new Map<string, string>(layout.members.map(({ id, zone }) => [id, zone]));
      const zonesMost = Math.min(layout.replication, new Set(zoneOf.values()).size);
      for (const homes of table(new Placement(layout, layout.replication, hash))) {
        if (new Set(homes).size !== layout.replication || homes.length !== layout.replication)
          expect.fail('homes');
        if (new Set(homes.map((id) => zoneOf.get(id))).size !== zonesMost) expect.fail('zones');
        if (!homes.every((id) => zoneOf.has(id))) expect.fail('a home is no member');
      }
    }),
    { numRuns: 300 },
  );
});

test('nobody holds more than (1 + e) of its fair share', () => {
  fc.assert(
    fc.property(layouts, (layout) => {
      const placement = new Placement(layout, layout.replication, hash);
      const bounds = loadBounds(layout.members, layout.partitions, layout.replication);
      const loads = layout.members.map(({ id }) => placement.ownedPartitions(id).length);
      expect(loads.map((load, i) => Math.max(load, bounds[i] as number))).toEqual([...bounds]);
      expect(loads.reduce((sum, load) => sum + load, 0)).toBe(layout.partitions * layout.replication);
    }),
    { numRuns: 600 },
  );
});

test('a bound that is a whole number is not lifted by rounding, whatever the order of the members', () => {
  // Zone 3 holds one copy of each of 1,024 partitions for a weight of 4.2 in all, so the bound of weight 1 is exactly
  // 1.05 x 1,024 / 4.2 = 256. Summed up in the order of the ids, the weights once made that 256.00000000000006.
  const rows: readonly [id: string, zone: string, weight: number, bound: number][] = [
    ['1i1-2e', 'zone-3', 0.5, 128],
    ['40-', 'zone-2', 1, 347],
    ['-z-r-', 'zone-1', 0.1, 35],
    ['8-e---1-s5', 'zone-2', 1, 347],
    ['14', 'zone-1', 1, 347],
    ['-e0et--', 'zone-3', 2, 512],
    ['-k83e82', 'zone-3', 0.1, 26],
    ['u8-1icn', 'zone-3', 0.1, 26],
    ['k3138', 'zone-3', 0.5, 128],
    ['--', 'zone-3', 1, 256],
  ];
  const byId = [...rows].sort(([a], [b]) => (a < b ? -1 : 1));
  for (const order of [rows, byId, byId.toReversed()]) {
    const members = order.map(([id, zone, weight]) => ({ id: nodeId(id), zone, weight }));
    const placement = new Placement({ version: 1, members, replication: 2, partitions: 1_024 }, 2, hash);
    for (const [id, , , bound] of order) {
      expect(placement.ownedPartitions(nodeId(id)).length, id).toBeLessThanOrEqual(bound);
    }
    expect([...loadBounds(members, 1_024, 2)]).toEqual(order.map(([, , , bound]) => bound));
  }
});

test('fair shares add up to all copies, give nobody two of one partition, and keep to the zones', () => {
  fc.assert(
    fc.property(layouts, ({ members, partitions, replication }) => {
      const shares = fairShares(members, partitions, replication);
      const zones = new Map<string, number>();
      let total = 0;
      for (const [i, { zone }] of members.entries()) {
        const share = shares[i] as number;
        expect(share).toBeGreaterThan(0);
        expect(share).toBeLessThanOrEqual(partitions);
        zones.set(zone, (zones.get(zone) ?? 0) + share);
        total += share;
      }
      expect(total).toBeCloseTo(partitions * replication, 6);
      for (const share of zones.values()) {
        if (zones.size >= replication) expect(share).toBeLessThan(partitions + 1e-6);
        else expect(share).toBeGreaterThan(partitions - 1e-6);
      }
    }),
    { numRuns: 600 },
  );
});

test('the order of the members does not matter', () => {
  const shuffled = layouts.chain((layout) =>
    fc
      .shuffledSubarray([...layout.members], { minLength: layout.members.length })
      .map((members): [Layout, Layout] => [layout, { ...layout, members }]),
  );
  fc.assert(
    fc.property(shuffled, ([layout, other]) => {
      const placement = new Placement(layout, layout.replication, hash);
      expect(table(new Placement(other, other.replication, hash))).toEqual(table(placement));
      expect(boundOf(other)).toEqual(boundOf(layout));
    }),
  );
});

test('owned partitions, homes and isHome say the same', () => {
  fc.assert(
    fc.property(layouts, (layout) => {
      const placement = new Placement(layout, layout.replication, hash);
      for (const { id } of layout.members) {
        const owned = placement.ownedPartitions(id);
        const expected = table(placement).flatMap((homes, i) => (homes.includes(id) ? [i] : []));
        expect(owned).toEqual(expected);
        expect(placement.ownedFraction(id)).toBe(owned.length / layout.partitions);
        expect(owned.every((partition) => placement.isHome(partition, id))).toBe(true);
      }
    }),
    { numRuns: 50 },
  );
});

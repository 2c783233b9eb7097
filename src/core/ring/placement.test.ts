import { expect, test } from 'vitest';
import { loadHash64 } from '../../env/xxhash.ts';
import { nodeId, partitionId } from '../identity.ts';
import type { Layout, LayoutMember } from './layout.ts';
import { Placement } from './placement.ts';
import { buildRing, virtualNodeCount, virtualNodeName } from './ring.ts';
import { compareTokens } from './token.ts';

const hash = await loadHash64();
const members = (count: number): LayoutMember[] =>
  Array.from({ length: count }, (_, i) => ({
    id: nodeId(`node-${i + 1}`),
    zone: `zone-${i + 1}`,
    weight: 1,
  }));
const layout = (count: number, partitions: number): Layout => ({
  version: 1,
  members: members(count),
  replication: 3,
  partitions,
});

test('the ring holds every virtual node once, in the order of tokens', () => {
  const three = members(3);
  const ring = buildRing(three, hash);
  expect(ring.size).toBe(480);
  const expected = three
    .flatMap(({ id, weight }, owner) =>
      Array.from({ length: virtualNodeCount(weight) }, (_, i) => ({
        owner,
        token: hash(virtualNodeName(id, i)),
      })),
    )
    .sort((a, b) => compareTokens(a.token, b.token));
  expect([...ring.owner]).toEqual(expected.map(({ owner }) => owner));
  expect([...ring.high]).toEqual(expected.map(({ token }) => token.high));
});

test('a virtual node is named by id, zero byte and four bytes of its index', () => {
  expect([...virtualNodeName(nodeId('ab'), 0x01020304)]).toEqual([0x61, 0x62, 0, 1, 2, 3, 4]);
  expect([virtualNodeCount(1), virtualNodeCount(0.1), virtualNodeCount(10)]).toEqual([160, 16, 1_600]);
});

test('homes are one frozen array for ever, and preference lists go on with all the other nodes', () => {
  const placement = new Placement(layout(10, 64), 3, hash);
  for (let i = 0; i < 64; i++) {
    const partition = partitionId(i);
    const homes = placement.homes(partition);
    expect(placement.homes(partition)).toBe(homes);
    expect(Object.isFrozen(homes)).toBe(true);
    const list = placement.preferenceList(partition);
    expect(list.slice(0, 3)).toEqual(homes);
    expect([...list].sort()).toEqual(
      members(10)
        .map(({ id }) => id)
        .sort(),
    );
    expect(placement.preferenceList(partition)).toBe(list);
  }
});

test('the table in one piece says what the partitions say one by one', () => {
  const placement = new Placement(layout(5, 16), 3, hash);
  expect(placement.memberIds).toEqual(members(5).map(({ id }) => id));
  expect(placement.homeIndexes).toHaveLength(48);
  for (let i = 0; i < 16; i++) {
    const indexes = [...placement.homeIndexes.subarray(i * 3, i * 3 + 3)];
    expect(indexes.map((index) => placement.memberIds[index])).toEqual(placement.homes(partitionId(i)));
  }
});

test('a partition that does not exist is a programming mistake', () => {
  const placement = new Placement(layout(3, 64), 3, hash);
  expect(() => placement.homes(partitionId(64))).toThrow('64');
  expect(() => new Placement(layout(2, 64), 3, hash)).toThrow('node of its own');
});

test('a node that is no member owns nothing', () => {
  const placement = new Placement(layout(3, 64), 2, hash);
  expect(placement.ownedPartitions(nodeId('stranger'))).toEqual([]);
  expect(placement.ownedFraction(nodeId('stranger'))).toBe(0);
});

test('a small cluster has a table of its own that may never change', () => {
  // Data on disk lies where this table says. If this fails, the placement of every existing cluster has changed.
  const placement = new Placement(layout(5, 16), 3, hash);
  const table = Array.from({ length: 16 }, (_, i) =>
    placement
      .homes(partitionId(i))
      .map((id) => id.slice('node-'.length))
      .join(' '),
  );
  expect(table).toMatchInlineSnapshot(`
    [
      "4 1 2",
      "2 1 3",
      "5 3 4",
      "5 2 3",
      "5 2 4",
      "4 3 1",
      "4 1 5",
      "5 1 4",
      "5 3 2",
      "2 3 1",
      "5 1 3",
      "5 2 1",
      "1 2 4",
      "1 3 4",
      "5 3 1",
      "3 2 5",
    ]
  `);
});

/** What every seed's plan is, over 2,000 of them. */

import { expect, test } from 'vitest';
import { checkPlan } from './check-plan.ts';
import { planProfiles } from './draw-profile.ts';
import { planOf } from './generate-plan.ts';
import type { FaultPlan, PlanProfile } from './seed-plan.ts';

const seeds = Array.from({ length: 2000 }, (_, index) => index + 1);
/** As they are drawn, of all profiles. */
const drawn = seeds.map((seed) => planOf(seed));
/** All seeds as if they were mixtures. */
const plans = seeds.map((seed) => planOf(seed, 'mixed'));

test('a seed has one plan, and another seed another', () => {
  expect(planOf(7)).toEqual(planOf(7));
  expect(new Set(plans.map((plan) => JSON.stringify({ ...plan, seed: 0 }))).size).toBe(plans.length);
});

test('every plan is sound', () => {
  for (const plan of [...drawn, ...plans]) expect(checkPlan(plan), `seed ${plan.seed}`).toEqual([]);
});

test('every profile has its share of the seeds, and the mixture of a seed does not depend on it', () => {
  const counts = new Map<PlanProfile, number>();
  for (const { seed, profile } of drawn) {
    if (profile === undefined) throw new Error(`seed ${seed} has no profile`);
    counts.set(profile, (counts.get(profile) ?? 0) + 1);
  }
  expect([...counts.keys()].sort()).toEqual([...planProfiles].sort());
  for (const [profile, count] of counts) expect(count, profile).toBeGreaterThan(20);
  expect(counts.get('mixed')).toBeGreaterThan(700);
  expect(counts.get('deletes')).toBeGreaterThan(250);
  const mixed = drawn.filter(({ profile }) => profile === 'mixed');
  for (const plan of mixed.slice(0, 50)) expect(plan).toEqual(planOf(plan.seed, 'mixed'));
});

const some = seeds.slice(0, 200);

test('what a profile is named after happens in each of its seeds', () => {
  const kinds = (profile: PlanProfile): readonly ReadonlySet<string>[] =>
    some.map((seed) => new Set(planOf(seed, profile).faults.map(({ kind }) => kind)));
  const each = (profile: PlanProfile, ...oneOf: readonly FaultPlan['kind'][]): void => {
    for (const found of kinds(profile)) expect(oneOf.some((kind) => found.has(kind))).toBe(true);
  };
  each('crash', 'crash');
  each('pause', 'suspend');
  each('partition', 'partition');
  each('wiped-disk', 'wipe');
  each('restored-disk', 'restore');
  each('skew', 'clock-jump', 'clock-stop');
  each('slow-peers', 'slow-link', 'slow-disk', 'slow-process');
  for (const found of kinds('quiet')) expect(found.size).toBe(0);
});

test('a long absence is several times the grace, and is one of a single node', () => {
  for (const seed of some) {
    const { faults, repair } = planOf(seed, 'long-absence');
    const graceMs = repair?.graceMs ?? Number.POSITIVE_INFINITY;
    const long = faults.filter((fault) => {
      const forMs = 'downMs' in fault ? fault.downMs : 'forMs' in fault ? fault.forMs : 0;
      return forMs > 1.2 * graceMs;
    });
    expect(long.length, `seed ${seed}`).toBe(1);
  }
});

test('in seeds about deletes tombstones can grow old: time passes, and little is done in it', () => {
  for (const seed of some) {
    const { repair, clients, faults } = planOf(seed, 'deletes');
    expect(repair?.graceMs).toBeLessThanOrEqual(15_000);
    expect(repair?.comparisonMs).toBeLessThanOrEqual(2_000);
    const lastMs = Math.max(...clients.map(({ operations, pauseMs }) => operations * pauseMs));
    expect(lastMs).toBeGreaterThan(19_000);
    expect(lastMs).toBeLessThan(60_000);
    const operations = clients.reduce((sum, client) => sum + client.operations, 0);
    expect(operations).toBeGreaterThan(80);
    expect(operations).toBeLessThan(450);
    expect(faults.length).toBeGreaterThan(2);
  }
});

test('every mixture is large enough to find something', () => {
  for (const plan of plans) {
    const operations = plan.clients.reduce((sum, client) => sum + client.operations, 0);
    expect(operations).toBeGreaterThanOrEqual(500);
    expect(operations).toBeLessThanOrEqual(720);
    expect(plan.faults.length).toBeGreaterThanOrEqual(10);
    expect(plan.faults.length).toBeLessThanOrEqual(60);
    expect(plan.nodes.length).toBeGreaterThanOrEqual(5);
    expect(plan.nodes.length).toBeLessThanOrEqual(7);
    expect(plan.clients.length).toBeGreaterThanOrEqual(6);
    expect(plan.clients.length).toBeLessThanOrEqual(14);
    const keys = new Set(
      plan.clients.flatMap((client) => client.keys.map(({ bucket, key }) => bucket + key)),
    );
    expect(keys.size).toBeLessThanOrEqual(16);
    expect(plan.faults.map(({ atMs }) => atMs)).toEqual(
      plan.faults.map(({ atMs }) => atMs).sort((a, b) => a - b),
    );
  }
});

test('clients have the time for what they are to do, and faults come while they do it', () => {
  for (const plan of plans) {
    const last = plan.faults.at(-1)?.atMs ?? 0;
    expect(last).toBeLessThan(25_000);
    for (const client of plan.clients) {
      expect(client.operations * client.pauseMs).toBeLessThan(19_000);
      expect(client.operations * client.pauseMs).toBeGreaterThan(last / 3);
    }
  }
});

test('all numbers are integers, so that they read and write the same everywhere', () => {
  const visit = (value: unknown): void => {
    if (typeof value === 'number') expect(Number.isSafeInteger(value)).toBe(true);
    else if (typeof value === 'object' && value !== null) Object.values(value).forEach(visit);
  };
  plans.slice(0, 200).forEach(visit);
});

test('seeds differ in the kinds of their faults, and together they have all of them', () => {
  const kinds = plans.map((plan) => new Set(plan.faults.map(({ kind }) => kind)));
  expect(Math.min(...kinds.map((set) => set.size))).toBeLessThanOrEqual(4);
  expect(Math.max(...kinds.map((set) => set.size))).toBeGreaterThanOrEqual(10);
  expect(new Set(kinds.flatMap((set) => [...set])).size).toBe(18);
  expect(new Set(plans.flatMap((plan) => plan.clients.map(({ profile }) => profile))).size).toBe(10);
});

test('disks forget in a quarter of the seeds, bits rot in three of ten, all are down at once in one of ten', () => {
  const share = (has: (faults: readonly FaultPlan[]) => boolean): number =>
    plans.filter((plan) => has(plan.faults)).length / plans.length;
  const forgets = share((faults) => faults.some(({ kind }) => kind === 'wipe' || kind === 'restore'));
  const rots = share((faults) => faults.some(({ kind }) => kind === 'bit-flip'));
  expect(forgets).toBeGreaterThan(0.2);
  expect(forgets).toBeLessThan(0.3);
  expect(rots).toBeGreaterThan(0.25);
  expect(rots).toBeLessThan(0.35);
  const blackouts = plans.filter(isBlackedOut);
  expect(blackouts.length / plans.length).toBeGreaterThan(0.07);
  expect(blackouts.length / plans.length).toBeLessThan(0.13);
  const powerful = blackouts.filter(({ faults }) => faults.filter(losesPower).length >= 5);
  expect(powerful.length).toBeGreaterThan(40);
});

test('a majority is never down for long', () => {
  for (const { seed, nodes, faults } of plans) {
    const long = faults.flatMap((fault) => {
      const ms = 'downMs' in fault ? fault.downMs : isStill(fault) ? fault.forMs : 0;
      return ms > 1000 && 'node' in fault
        ? [{ node: fault.node, fromMs: fault.atMs, toMs: fault.atMs + ms }]
        : [];
    });
    for (const { fromMs } of long) {
      const down = new Set(
        long.filter((other) => other.fromMs <= fromMs && fromMs < other.toMs).map(({ node }) => node),
      );
      expect(down.size, `seed ${seed}`).toBeLessThanOrEqual((nodes.length - 1) / 2);
    }
  }
});

test('clocks jump both ways, by milliseconds and by minutes', () => {
  const jumps = plans.flatMap((plan) =>
    plan.faults.flatMap((fault) => (fault.kind === 'clock-jump' ? [fault.byMs] : [])),
  );
  expect(jumps.some((ms) => ms > 60_000)).toBe(true);
  expect(jumps.some((ms) => ms < -60_000)).toBe(true);
  expect(jumps.filter((ms) => Math.abs(ms) < 10).length).toBeGreaterThan(100);
});

test('networks are cut in every form', () => {
  const forms = new Set(
    plans.flatMap(({ nodes, faults }) =>
      faults.flatMap((fault) => {
        if (fault.kind !== 'partition') return [];
        const left = nodes.length - fault.from.length - fault.to.length;
        const single = fault.from.length === 1 || fault.to.length === 1 ? 'one' : 'many';
        return [`${fault.direction} ${single} ${left === 0 ? 'all' : left === 1 ? 'bridge' : 'ring'}`];
      }),
    ),
  );
  expect([...forms].sort()).toEqual([
    'both many all',
    'both many bridge',
    'both one all',
    'both one bridge',
    'both one ring',
    'one-way many all',
    'one-way one all',
  ]);
});

function isBlackedOut({
  nodes,
  faults,
}: {
  nodes: readonly string[];
  faults: readonly FaultPlan[];
}): boolean {
  return faults.some((first) => {
    const crashed = faults.filter(
      ({ kind, atMs }) => kind === 'crash' && atMs >= first.atMs && atMs < first.atMs + 100,
    );
    return new Set(crashed.map((fault) => ('node' in fault ? fault.node : ''))).size === nodes.length;
  });
}

function losesPower(fault: FaultPlan): boolean {
  return fault.kind === 'crash' && fault.power;
}

function isStill(fault: FaultPlan): fault is FaultPlan & { kind: 'suspend' | 'disk-full' } {
  return fault.kind === 'suspend' || fault.kind === 'disk-full';
}

/** What a run must be like whatever its seed: the same every time, quiet in calm weather, and full of life otherwise. */

import { expect, test } from 'vitest';
import type { WriteAttempt } from '../checkers/history.ts';
import { planOf } from './plan/generate-plan.ts';
import type { SeedPlan } from './plan/seed-plan.ts';
import type { SeedResult } from './seed-result.ts';
import { runSeed } from './simulation.ts';

/** gRPC: INVALID_ARGUMENT, FAILED_PRECONDITION: clients of the workload ask for what has to be refused, too. */
const refusals = new Set([3, 9]);

function calm(plan: SeedPlan): SeedPlan {
  return {
    ...plan,
    network: { ...plan.network, lossPercent: 0, spikePercent: 0, resetPerTenThousand: 0 },
    disk: { ...plan.disk, stallPercent: 0 },
    clocks: plan.nodes.map((node) => ({ node, wallOffsetMicros: 0, driftPpm: 0 })),
    faults: [],
    rarePaths: {},
  };
}

test.each([3, 14, 159])(
  'without faults every operation of seed %i is done, or refused for what it asks',
  async (seed) => {
    const { history, violations, crash, counts } = await runSeed(calm(planOf(seed, 'mixed')));
    expect({ violations, crash }).toEqual({ violations: [], crash: undefined });
    expect(counts.operations).toBeGreaterThan(400);
    const failed = history.keys.flatMap(({ attempts }) =>
      attempts.filter(({ outcome }) => outcome.kind !== 'done' && !refusals.has(outcome.code)),
    );
    expect(failed).toEqual([]);
  },
);

test('a volume put back to a snapshot is found out by the peers, and serves as another replica', async () => {
  const plan = calm(planOf(3, 'mixed'));
  const logged: string[] = [];
  const result = await runSeed(
    {
      ...plan,
      faults: [
        { id: 1, atMs: 8_000, kind: 'restore', node: 'n2', ageMs: 6_000, downMs: 300, belowFileSystem: true },
      ],
    },
    { trace: { add: ({ text }) => logged.push(text) } },
  );
  expect({ violations: result.violations, crash: result.crash }).toEqual({
    violations: [],
    crash: undefined,
  });
  expect(logged.some((text) => text.includes('has been put back to an earlier state'))).toBe(true);
  // Started from the snapshot, refused, and started again with a new replica id.
  expect(result.counts.restarts).toBe(2);
});

test('a seed gives the same run alone and after another, and its trace changes nothing', async () => {
  const first = await runSeed(planOf(7));
  await runSeed(planOf(8));
  let entries = 0;
  const again = await runSeed(planOf(7), {
    trace: {
      add: () => {
        entries++;
      },
    },
  });
  expect(entries).toBeGreaterThan(1_000);
  expect(again.hash).toBe(first.hash);
  expect(again.counts).toEqual(first.counts);
  expect(again.violations).toEqual(first.violations);
});

test('faults bite: of some seeds, writes are acknowledged, refused and unknown, and nodes start again', async () => {
  const results: SeedResult[] = [];
  for (let seed = 100; seed < 106; seed++) results.push(await runSeed(planOf(seed, 'mixed')));
  const sum = (pick: (result: SeedResult) => number): number =>
    results.reduce((total, result) => total + pick(result), 0);
  expect(sum(({ counts }) => counts.acknowledged)).toBeGreaterThan(600);
  expect(sum(({ counts }) => counts.unknown)).toBeGreaterThan(20);
  expect(sum(({ counts }) => counts.notApplied)).toBeGreaterThan(20);
  expect(sum(({ counts }) => counts.restarts)).toBeGreaterThan(3);
  for (const { counts } of results) {
    expect(counts.operations).toBeGreaterThanOrEqual(500);
    expect(counts.faults).toBeGreaterThanOrEqual(10);
  }
  const writes = results.flatMap(({ history }) =>
    history.keys.flatMap(({ attempts }) =>
      attempts.filter((each): each is WriteAttempt => each.kind === 'write'),
    ),
  );
  expect(new Set(writes.map(({ action }) => action))).toEqual(new Set(['put', 'delete', 'touch']));
});

/** Shrinking against failures whose causes are known. */

import { expect, test } from 'vitest';
import { checkPlan } from '../plan/check-plan.ts';
import { planOf } from '../plan/generate-plan.ts';
import type { SeedPlan } from '../plan/seed-plan.ts';
import { shrinkPlan } from './shrink.ts';

const plan = planOf(5);

test('two faults and one client that must meet are all that is left', async () => {
  const [first, second] = [plan.faults[2]?.id, plan.faults[9]?.id];
  const { name } = plan.clients[3] as { name: string };
  const tried: SeedPlan[] = [];
  const fails = async (smaller: SeedPlan): Promise<boolean> => {
    tried.push(smaller);
    const ids = smaller.faults.map(({ id }) => id);
    const client = smaller.clients.find((one) => one.name === name);
    return ids.includes(first as number) && ids.includes(second as number) && (client?.operations ?? 0) >= 7;
  };
  const shrunk = await shrinkPlan(plan, fails, { runsMax: 500 });
  expect(shrunk.faults.map(({ id }) => id)).toEqual([first, second]);
  expect(shrunk.clients.map((client) => [client.name, client.operations, client.keys.length])).toEqual([
    [name, 7, 1],
  ]);
  expect(shrunk.rarePaths).toEqual({});
  expect(shrunk.network.lossPercent).toBe(0);
  expect(
    shrunk.clocks.every(({ driftPpm, wallOffsetMicros }) => driftPpm === 0 && wallOffsetMicros === 0),
  ).toBe(true);
  expect(tried.every((one) => checkPlan(one).length === 0)).toBe(true);
  expect(tried.length).toBeLessThan(150);
});

test('what fails always shrinks to one client with one operation, and no fault', async () => {
  const shrunk = await shrinkPlan(plan, async () => true, { runsMax: 500 });
  expect(shrunk.faults).toEqual([]);
  expect(shrunk.clients.map(({ operations }) => operations)).toEqual([1]);
});

test('what fails only as a whole stays whole', async () => {
  expect(await shrinkPlan(plan, async () => false, { runsMax: 500 })).toBe(plan);
});

test('the search ends when it is told to, with what it has', async () => {
  const runs: number[] = [];
  const onRun = ({ runs: count }: { runs: number }): number => runs.push(count);
  const shrunk = await shrinkPlan(plan, async () => true, { runsMax: 2, onRun });
  expect(runs).toEqual([1, 2]);
  expect(shrunk.faults).toEqual([]);
  expect(shrunk.clients.length).toBeLessThan(plan.clients.length);
  expect(await shrinkPlan(plan, async () => true, { runsMax: 9, isCancelled: () => true })).toBe(plan);
});

import { expect, test } from 'vitest';
import { FakeEnv } from '../test/support/fake-env.ts';
import { BackgroundWork } from './background-work.ts';

const options = { requestsInFlightMax: 100, bytesPerSecond: 1_000_000, keysPerSecond: 1_000, shareMin: 0.05 };

function start(): { env: FakeEnv; work: BackgroundWork; requests: { inFlight: number } } {
  const env = new FakeEnv();
  const requests = { inFlight: 0 };
  const work = new BackgroundWork({ env, requestsInFlight: () => requests.inFlight }, options);
  work.start();
  return { env, work, requests };
}

/** Lets a loop take one key after another, and counts those that it got. */
function takeForEver(work: BackgroundWork, kind: 'urgent' | 'comparison' | 'rebuild'): { keys: number } {
  const taken = { keys: 0 };
  const loop = async (): Promise<void> => {
    for (let round = 0; round < 1_000_000; round++) {
      await work.throttle(kind).take(1, 100);
      taken.keys++;
    }
  };
  void loop();
  return taken;
}

async function pass(env: FakeEnv, durationMs: number): Promise<void> {
  for (let atMs = 0; atMs < durationMs; atMs++) {
    env.advance(1);
    for (let turn = 0; turn < 60; turn++) await Promise.resolve();
  }
}

test('an idle node gives each class its full rate', async () => {
  const { env, work } = start();
  const urgent = takeForEver(work, 'urgent');
  await pass(env, 2_000);
  expect(urgent.keys).toBeGreaterThan(1_900);
  expect(urgent.keys).toBeLessThan(2_200);
  work.stop();
});

test('a node full of requests gives the floor, and the full rate again when they have gone', async () => {
  const { env, work, requests } = start();
  requests.inFlight = 100;
  await pass(env, 200);
  const urgent = takeForEver(work, 'urgent');
  const comparison = takeForEver(work, 'comparison');
  await pass(env, 4_000);
  expect(urgent.keys).toBeGreaterThan(190);
  expect(urgent.keys).toBeLessThan(230);
  expect(comparison.keys).toBeGreaterThan(190);
  expect(comparison.keys).toBeLessThan(230);
  requests.inFlight = 0;
  await pass(env, 4_000);
  const before = urgent.keys;
  await pass(env, 1_000);
  expect(urgent.keys - before).toBeGreaterThan(900);
  // Hints wait for their turn all the time: the comparison goes on, slower.
  expect(comparison.keys).toBeLessThan(urgent.keys);
  work.stop();
});

test('a late event loop counts as load', async () => {
  const { env, work } = start();
  await pass(env, 1_000);
  expect(work.load).toBe(0);
  env.standStill(400);
  await pass(env, 1);
  expect(work.eventLoopDelayMs).toBeGreaterThanOrEqual(300);
  expect(work.load).toBe(1);
  expect(work.view().map(({ share }) => share)).toEqual([
    expect.closeTo(0.05),
    expect.closeTo(0.05),
    expect.closeTo(0.05),
  ]);
  work.stop();
});

test('bytes are held back as keys are, and those behind wait their turn', async () => {
  const { env, work } = start();
  const order: string[] = [];
  const throttle = work.throttle('urgent');
  await throttle.take(1, 1_100_000);
  void throttle.take(1, 1).then(() => order.push('second'));
  void throttle.take(0, 0).then(() => order.push('third'));
  await pass(env, 950);
  expect(order).toEqual([]);
  expect(work.view()[0]).toMatchObject({ kind: 'urgent', waiting: 2, keysTaken: 1, bytesTaken: 1_100_000 });
  await pass(env, 100);
  expect(order).toEqual(['second', 'third']);
  work.stop();
});

test('after a stop nobody waits, and no timer is left', async () => {
  const { env, work } = start();
  const throttle = work.throttle('comparison');
  await throttle.take(100_000, 0);
  let went = 0;
  void throttle.take(1, 0).then(() => went++);
  void throttle.take(1, 0).then(() => went++);
  work.stop();
  await throttle.take(1, 0);
  expect(went).toBe(2);
  expect(env.timersPending).toBe(0);
});

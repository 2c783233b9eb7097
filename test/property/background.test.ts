import fc from 'fast-check';
import { expect, test } from 'vitest';
import { BackgroundGovernor, type NodeLoad } from '../../src/core/background/background-governor.ts';
import { type BackgroundClass, backgroundClasses } from '../../src/core/background/throttle.ts';
import { TokenBucket } from '../../src/core/background/token-bucket.ts';

const waiting: fc.Arbitrary<readonly BackgroundClass[]> = fc.subarray([...backgroundClasses]);
const load: fc.Arbitrary<NodeLoad> = fc.record({
  requestsInFlight: fc.nat(5_000),
  requestsInFlightMax: fc.constant(4_096),
  eventLoopDelayMs: fc.oneof(fc.constant(0), fc.double({ min: 0, max: 2_000, noNaN: true })),
  waiting,
});
const idle: NodeLoad = { requestsInFlight: 0, requestsInFlightMax: 4_096, eventLoopDelayMs: 0, waiting: [] };

test('a bucket that is asked before never gives more than its rate, its burst and one charge', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 1_000_000 }),
      fc.integer({ min: 1, max: 2_000 }),
      fc.array(fc.tuple(fc.nat(3_000), fc.nat(2_000_000)), { minLength: 1, maxLength: 50 }),
      (ratePerSecond, burstMs, steps) => {
        const burst = (ratePerSecond * burstMs) / 1000;
        const bucket = new TokenBucket({ ratePerSecond, burstSeconds: burstMs / 1000 }, 0);
        const charges: { readonly atMs: number; readonly amount: number }[] = [];
        let nowMs = 0;
        for (const [passedMs, amount] of steps) {
          nowMs += passedMs;
          if (bucket.waitMs(nowMs) > 0) continue;
          bucket.charge(amount, nowMs);
          charges.push({ atMs: nowMs, amount });
        }
        for (let from = 0; from < charges.length; from++) {
          let sum = 0;
          for (let to = from; to < charges.length; to++) {
            const { atMs, amount } = charges[to]!;
            sum += amount;
            const allowed = burst + ((atMs - charges[from]!.atMs) / 1000) * ratePerSecond + amount;
            expect(sum).toBeLessThanOrEqual(allowed * (1 + 1e-6) + 1e-3);
          }
        }
      },
    ),
  );
});

test('whoever waits as long as a bucket says finds it open, and not long before', () => {
  fc.assert(
    fc.property(
      fc.double({ min: 0.1, max: 1e9, noNaN: true }),
      fc.array(fc.nat(1_000_000), { minLength: 1, maxLength: 20 }),
      (ratePerSecond, amounts) => {
        const bucket = new TokenBucket({ ratePerSecond }, 0);
        let nowMs = 0;
        for (const amount of amounts) {
          const waitMs = bucket.waitMs(nowMs);
          if (waitMs > 2) expect(bucket.waitMs(nowMs + waitMs - 2)).toBeGreaterThan(0);
          nowMs += Math.max(waitMs - 2, 0) + Math.min(waitMs, 2);
          expect(bucket.waitMs(nowMs)).toBe(0);
          bucket.charge(amount, nowMs);
        }
      },
    ),
  );
});

test('a bucket that is asked whenever it is open gives its rate', () => {
  const bucket = new TokenBucket({ ratePerSecond: 1_000 }, 0);
  let given = 0;
  for (let nowMs = 0; nowMs < 10_000; nowMs++) {
    while (bucket.waitMs(nowMs) === 0) {
      bucket.charge(7, nowMs);
      given += 7;
    }
  }
  expect(given).toBeGreaterThan(9_990);
  expect(given).toBeLessThan(10_120);
});

test('another rate holds from now on, and what is owed stays owed', () => {
  const bucket = new TokenBucket({ ratePerSecond: 100, burstSeconds: 1 }, 0);
  bucket.charge(300, 0);
  expect(bucket.waitMs(0)).toBe(2_000);
  bucket.setRate(1_000, 1_000);
  expect(bucket.waitMs(1_000)).toBe(100);
  bucket.setRate(10, 1_100);
  bucket.charge(1, 1_100);
  expect(bucket.waitMs(1_100)).toBe(100);
});

test('time that seems to go back gives nothing twice', () => {
  const bucket = new TokenBucket({ ratePerSecond: 1_000, burstSeconds: 1 }, 5_000);
  bucket.charge(3_000, 5_000);
  expect(bucket.waitMs(6_000)).toBe(1_000);
  expect(bucket.waitMs(5_500)).toBe(1_000);
  expect(bucket.waitMs(6_000)).toBe(1_000);
});

test('shares keep to the floor, to the full rate, and to the order of urgency', () => {
  fc.assert(
    fc.property(
      fc.double({ min: 0.001, max: 1, noNaN: true }),
      fc.array(fc.tuple(fc.nat(2_000), load), { minLength: 1, maxLength: 40 }),
      (shareMin, steps) => {
        const governor = new BackgroundGovernor({ shareMin }, 0);
        let nowMs = 0;
        for (const [passedMs, seen] of steps) {
          nowMs += passedMs;
          const shares = governor.observe(seen, nowMs);
          expect(governor.load).toBeGreaterThanOrEqual(0);
          expect(governor.load).toBeLessThanOrEqual(1);
          let before = 1;
          for (const kind of backgroundClasses) {
            expect(shares[kind]).toBeLessThanOrEqual(before + 1e-12);
            expect(shares[kind]).toBeGreaterThanOrEqual(shareMin - 1e-12);
            before = shares[kind];
          }
        }
      },
    ),
  );
});

test('more load never means a higher rate', () => {
  fc.assert(
    fc.property(load, fc.nat(5_000), fc.nat(1_000), (less, requests, delayMs) => {
      const more: NodeLoad = {
        ...less,
        requestsInFlight: less.requestsInFlight + requests,
        eventLoopDelayMs: less.eventLoopDelayMs + delayMs,
        waiting: backgroundClasses,
      };
      const calm = new BackgroundGovernor({}, 0).observe(less, 100);
      const busy = new BackgroundGovernor({}, 0).observe(more, 100);
      for (const kind of backgroundClasses) expect(busy[kind]).toBeLessThanOrEqual(calm[kind] + 1e-12);
    }),
  );
});

test('load counts at once, fades when it has gone, and leaves the full rate', () => {
  fc.assert(
    fc.property(fc.array(load, { minLength: 1, maxLength: 20 }), (seen) => {
      const governor = new BackgroundGovernor({}, 0);
      let nowMs = 0;
      for (const one of seen) {
        nowMs += 100;
        governor.observe(one, nowMs);
      }
      let before = governor.load;
      for (let step = 0; step < 300; step++) {
        nowMs += 100;
        governor.observe(idle, nowMs);
        expect(governor.load).toBeLessThanOrEqual(before);
        before = governor.load;
      }
      expect(governor.shares.urgent).toBe(1);
      expect(governor.shares.comparison).toBe(1);
      expect(governor.shares.rebuild).toBeGreaterThan(0.999);
    }),
  );
});

test.each([
  ['an idle node', { ...idle }, 1, 1, 1],
  ['a loop that is at full load', { ...idle, eventLoopDelayMs: 25 }, 0.05, 0.05, 0.05],
  ['a quarter of the requests let in', { ...idle, requestsInFlight: 1_024 }, 0.05, 0.05, 0.05],
  ['hints that wait for their turn', { ...idle, waiting: ['urgent'] as const }, 1, 0.81, 0.43],
  ['half of full load', { ...idle, eventLoopDelayMs: 14 }, 0.842, 0.43, 0.05],
])('%s', (_name, seen, urgent, comparison, rebuild) => {
  const shares = new BackgroundGovernor({}, 0).observe(seen, 100);
  expect(shares.urgent).toBeCloseTo(urgent, 2);
  expect(shares.comparison).toBeCloseTo(comparison, 2);
  expect(shares.rebuild).toBeCloseTo(rebuild, 2);
});

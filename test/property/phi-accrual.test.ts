/** Phi accrual against a dumb twin: a list of times, and Akka's formula as it is published. */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { PhiAccrual, phiMax, phiOf } from '../../src/core/membership/phi-accrual.ts';

/** `PhiAccrualFailureDetector.phi` of Akka 2.6, word for word but for the language. */
function phiOfAkka(timeDiff: number, mean: number, stdDeviation: number): number {
  const y = (timeDiff - mean) / stdDeviation;
  const e = Math.exp(-y * (1.5976 + 0.070566 * y * y));
  return timeDiff > mean ? -Math.log10(e / (1.0 + e)) : -Math.log10(1.0 - 1.0 / (1.0 + e));
}

/** Keeps every time, forgets nothing until asked, and adds up anew each time. */
class Twin {
  #samples: number[];
  #heardMs: number;
  #regularMs: number | undefined;
  readonly #samplesMax: number;
  readonly #deviationMsMin: number;

  constructor(intervalMs: number, samplesMax: number, deviationMsMin: number, nowMs: number) {
    this.#samples = [intervalMs - intervalMs / 4, intervalMs + intervalMs / 4];
    this.#samplesMax = samplesMax;
    this.#deviationMsMin = deviationMsMin;
    this.#heardMs = nowMs;
  }
  heard(nowMs: number, regular: boolean): void {
    this.#heardMs = nowMs;
    if (!regular) return;
    if (this.#regularMs !== undefined) this.#samples.push(nowMs - this.#regularMs);
    this.#samples = this.#samples.slice(-this.#samplesMax);
    this.#regularMs = nowMs;
  }
  interrupt(): void {
    this.#regularMs = undefined;
  }
  restart(nowMs: number): void {
    this.#regularMs = undefined;
    this.#heardMs = nowMs;
  }
  phi(nowMs: number, pauseMs: number): number {
    const mean = this.#samples.reduce((sum, each) => sum + each, 0) / this.#samples.length;
    const variance = this.#samples.reduce((sum, each) => sum + (each - mean) ** 2, 0) / this.#samples.length;
    const deviation = Math.max(this.#deviationMsMin, Math.sqrt(variance));
    return phiOfAkka(nowMs - this.#heardMs, mean + pauseMs, deviation);
  }
}

type Step =
  | { readonly kind: 'heard'; readonly afterMs: number; readonly regular: boolean }
  | { readonly kind: 'interrupt' | 'restart'; readonly afterMs: number };

const afterMs = fc.double({ min: 0, max: 4_000, noNaN: true });
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({ kind: fc.constant('heard' as const), afterMs, regular: fc.boolean() }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constantFrom('interrupt' as const, 'restart' as const), afterMs }),
  },
);

test('is what the twin says, wherever the published formula can say it', () => {
  let compared = 0;
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 60 }),
      fc.integer({ min: 2, max: 12 }),
      fc.double({ min: 1, max: 500, noNaN: true }),
      fc.integer({ min: 10, max: 2_000 }),
      fc.double({ min: 0, max: 5_000, noNaN: true }),
      (steps, samplesMax, deviationMsMin, intervalMs, pauseMs) => {
        const phi = new PhiAccrual({ intervalMs, samplesMax, deviationMsMin }, 1_000);
        const twin = new Twin(intervalMs, samplesMax, deviationMsMin, 1_000);
        let nowMs = 1_000;
        for (const each of steps) {
          nowMs += each.afterMs;
          for (const detector of [phi, twin]) {
            if (each.kind === 'heard') detector.heard(nowMs, each.regular);
            else if (each.kind === 'interrupt') detector.interrupt();
            else detector.restart(nowMs);
          }
          for (const laterMs of [0, 100, 1_000, 5_000]) {
            const expected = twin.phi(nowMs + laterMs, pauseMs);
            const found = phi.phi(nowMs + laterMs, pauseMs);
            expect(found).toBeGreaterThanOrEqual(0);
            expect(found).toBeLessThanOrEqual(phiMax);
            // Beyond, e^-x is too small to be told from 0, or from 1.
            if (expected < 1e-9 || expected > 14) continue;
            compared++;
            expect(Math.abs(found - expected)).toBeLessThan(1e-5 * (1 + expected));
          }
        }
      },
    ),
    { numRuns: 300 },
  );
  expect(compared).toBeGreaterThan(1_000);
});

test('never falls while a silence lasts, and never is anything but a number from 0 to 1,000', () => {
  fc.assert(
    fc.property(
      fc.array(fc.double({ min: 0, max: 1e9, noNaN: true }), { maxLength: 20 }),
      fc.array(fc.double({ min: 0, max: 1e15, noNaN: true }), { minLength: 2, maxLength: 20 }),
      fc.double({ min: 0, max: 1e9, noNaN: true }),
      (intervals, silences, pauseMs) => {
        const phi = new PhiAccrual({ intervalMs: 500 }, 0);
        let nowMs = 0;
        for (const intervalMs of intervals) {
          nowMs += intervalMs;
          phi.heard(nowMs, true);
        }
        let last = 0;
        for (const silentMs of silences.sort((a, b) => a - b)) {
          const found = phi.phi(nowMs + silentMs, pauseMs);
          expect(found).toBeGreaterThanOrEqual(last);
          expect(found).toBeLessThanOrEqual(phiMax);
          last = found;
        }
      },
    ),
  );
});

test.each([
  [Number.NaN, 0],
  [Number.NEGATIVE_INFINITY, 0],
  [Number.POSITIVE_INFINITY, phiMax],
  [-1e200, 0],
  [1e200, phiMax],
  [-40, 0],
  [0, Math.log10(2)],
])('phi of %d deviations is the number %d', (y, expected) => {
  expect(phiOf(y)).toBeCloseTo(expected, 12);
});

test('what adding and taking away rounds off does not pile up', () => {
  const phi = new PhiAccrual({ intervalMs: 500, samplesMax: 100 }, 0);
  const twin = new Twin(500, 100, 100, 0);
  let nowMs = 0;
  for (let i = 0; i < 100_050; i++) {
    // Large ones leave and small ones stay: the worst for a running sum of squares.
    nowMs += i % 1_000 === 0 ? 3e6 : 500 + (i % 7) / 3;
    phi.heard(nowMs, true);
    if (i >= 99_900) twin.heard(nowMs, true);
  }
  expect(phi.phi(nowMs + 2_900, 2_000)).toBeCloseTo(twin.phi(nowMs + 2_900, 2_000), 6);
});

test('a peer that stumbles is given more time, but not ever more', () => {
  const uneven = (deviationMsMax?: number): PhiAccrual => {
    const phi = new PhiAccrual({ intervalMs: 500, ...(deviationMsMax && { deviationMsMax }) }, 0);
    for (let i = 1; i <= 100; i++) phi.heard(i * 1_000 + (i % 2) * 900, true);
    return phi;
  };
  const lastMs = 100_000;
  expect(uneven().phi(lastMs + 5_000, 0)).toBeLessThan(6);
  expect(uneven(500).phi(lastMs + 5_000, 0)).toBeGreaterThan(8);
  expect(uneven(5_000).phi(lastMs + 5_000, 0)).toBe(uneven().phi(lastMs + 5_000, 0));
});

test('as configured, an even peer is suspected 2.9 s after its last answer, and failed 3.0 s after it', () => {
  const phi = new PhiAccrual({ intervalMs: 500 }, 0);
  for (let nowMs = 0; nowMs <= 20_000; nowMs += 500) phi.heard(nowMs, true);
  const reaches = (threshold: number): number => {
    let silentMs = 0;
    while (phi.phi(20_000 + silentMs, 2_000) < threshold) silentMs++;
    return silentMs;
  };
  expect(reaches(5)).toBeGreaterThan(2_850);
  expect(reaches(5)).toBeLessThan(2_950);
  expect(reaches(8)).toBeGreaterThan(2_950);
  expect(reaches(8)).toBeLessThan(3_100);
});

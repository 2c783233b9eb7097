/**
 * How suspicious a silence is (Hayashibara, Défago, Yared, Katayama, "The phi accrual failure detector", SRDS 2004): phi is
 * -log10 of the chance that a sign of life comes still later than now, by the times between those that came before. The
 * normal distribution is approximated as in Akka's PhiAccrualFailureDetector (a logistic curve through a cubic):
 *
 *   y = (t - mean - acceptable pause) / deviation        x = y (1.5976 + 0.070566 y^2)        phi = log10(1 + e^x)
 *
 * Akka computes e^-x and divides, which under- and overflows; the form here is equal and does neither.
 */

import { assert } from '../assert.ts';

/** How times between signs of life are judged. */
export interface PhiAccrualOptions {
  /** Milliseconds between signs of life as they are asked for: what is expected before there are samples. */
  readonly intervalMs: number;
  /** Times remembered. Default 1,000. */
  readonly samplesMax?: number;
  /** The deviation counts as at least this, or a very even peer would be suspected for a hiccup. Default 100 ms. */
  readonly deviationMsMin?: number;
  /** And as at most this, or the death of a peer that stumbles would be noticed ever later. Default: no bound. */
  readonly deviationMsMax?: number;
}

/** Greater values mean nothing more. */
export const phiMax = 1_000;

/** The suspicion against one peer. All times are monotonic milliseconds. */
export class PhiAccrual {
  readonly #samples: Float64Array;
  readonly #deviationMsMin: number;
  readonly #deviationMsMax: number;
  #count = 0;
  #next = 0;
  #sum = 0;
  #squares = 0;
  /** Silence is counted from here. */
  #heardMs: number;
  /** The last sign of life that came by the clock; `undefined`: the next begins anew. */
  #regularMs: number | undefined;

  constructor(options: PhiAccrualOptions, nowMs: number) {
    const { intervalMs, samplesMax = 1_000, deviationMsMin = 100, deviationMsMax } = options;
    assert(samplesMax >= 2, 'a deviation needs two samples');
    assert(deviationMsMin > 0, 'a deviation of nothing would make every delay infinitely unlikely');
    this.#samples = new Float64Array(samplesMax);
    this.#deviationMsMin = deviationMsMin;
    this.#deviationMsMax = Math.max(deviationMsMin, deviationMsMax ?? Number.POSITIVE_INFINITY);
    this.#heardMs = nowMs;
    // As if two had come, a quarter early and a quarter late: Akka begins so.
    this.#add(intervalMs * 0.75);
    this.#add(intervalMs * 1.25);
  }

  /**
   * A sign of life came. `regular`: it was asked for by the clock, and the time since the last such one is a sample; others
   * end the silence only, because they come when somebody wants to know.
   */
  heard(nowMs: number, regular: boolean): void {
    this.#heardMs = Math.max(this.#heardMs, nowMs);
    if (!regular) return;
    if (this.#regularMs !== undefined && nowMs >= this.#regularMs) this.#add(nowMs - this.#regularMs);
    this.#regularMs = nowMs;
  }

  /** The time to the next sign of life says nothing of the peer: it was down, was taken for it, or the stream is a new one. */
  interrupt(): void {
    this.#regularMs = undefined;
  }

  /** This process itself heard nothing until now: silence is counted from here. */
  restart(nowMs: number): void {
    this.interrupt();
    this.#heardMs = Math.max(this.#heardMs, nowMs);
  }

  /** Milliseconds without a sign of life. */
  silentMs(nowMs: number): number {
    return Math.max(0, nowMs - this.#heardMs);
  }

  /** The mean time between signs of life, in milliseconds. */
  get meanMs(): number {
    return this.#sum / this.#count;
  }

  /** From 0 to `phiMax`, when silences of `pauseMs` more than usual are nothing. */
  phi(nowMs: number, pauseMs: number): number {
    const mean = this.meanMs;
    const variance = Math.max(0, this.#squares / this.#count - mean * mean);
    const deviation = Math.min(this.#deviationMsMax, Math.max(this.#deviationMsMin, Math.sqrt(variance)));
    return phiOf((this.silentMs(nowMs) - mean - pauseMs) / deviation);
  }

  #add(intervalMs: number): void {
    if (this.#count === this.#samples.length) {
      const oldest = this.#samples[this.#next] ?? 0;
      this.#sum -= oldest;
      this.#squares -= oldest * oldest;
    } else this.#count++;
    this.#samples[this.#next] = intervalMs;
    this.#sum += intervalMs;
    this.#squares += intervalMs * intervalMs;
    this.#next = (this.#next + 1) % this.#samples.length;
    if (this.#next === 0) this.#addUp();
  }

  /** What adding and taking away has rounded off does not pile up. */
  #addUp(): void {
    this.#sum = 0;
    this.#squares = 0;
    for (const sample of this.#samples) {
      this.#sum += sample;
      this.#squares += sample * sample;
    }
  }
}

/** Phi of a silence that is `y` deviations longer than expected. */
export function phiOf(y: number): number {
  if (Number.isNaN(y)) return 0;
  const x = y * (1.5976 + 0.070566 * y * y);
  // e^x would overflow, e^-x vanish: each is taken where it is small.
  const nats = x > 0 ? x + Math.log1p(Math.exp(-x)) : Math.log1p(Math.exp(x));
  return Math.min(phiMax, nats / Math.LN10);
}

/**
 * How fast a peer has answered lately: a smoothed mean (RFC 6298's weight) to choose replicas by, and a high percentile
 * of a short window to decide when a hedge is worth sending (Dean and Barroso, "The Tail at Scale", 2013).
 */

import { assert } from '../assert.ts';

/** What of the past counts. */
export interface LatencyWindowOptions {
  /** Samples kept. Default 256: enough for a 95th percentile, small enough to sort now and then. */
  readonly samplesMax?: number;
  /** Samples older than this are not counted, so that a slow spell is forgotten. Default 10 s. */
  readonly ageMsMax?: number;
  /** The percentile is computed again after this many new samples. Default 32. */
  readonly refreshEvery?: number;
}

/** Fewer than this say nothing about a tail. */
const samplesForPercentile = 20;

/** Recent latencies of one peer. */
export class LatencyWindow {
  readonly #samples: Float64Array;
  readonly #times: Float64Array;
  readonly #ageMsMax: number;
  readonly #refreshEvery: number;
  #count = 0;
  #next = 0;
  #smoothedMs: number | undefined;
  #percentile: { of: number; valueMs: number | undefined; atMs: number; fresh: number } | undefined;

  constructor(options: LatencyWindowOptions = {}) {
    const samplesMax = options.samplesMax ?? 256;
    assert(samplesMax >= 1, 'a latency window holds at least one sample');
    this.#samples = new Float64Array(samplesMax);
    this.#times = new Float64Array(samplesMax);
    this.#ageMsMax = options.ageMsMax ?? 10_000;
    this.#refreshEvery = options.refreshEvery ?? 32;
  }

  /** Notes that an answer took `latencyMs` and came at `nowMs` (monotonic). */
  add(latencyMs: number, nowMs: number): void {
    this.#samples[this.#next] = latencyMs;
    this.#times[this.#next] = nowMs;
    this.#next = (this.#next + 1) % this.#samples.length;
    if (this.#count < this.#samples.length) this.#count++;
    this.#smoothedMs =
      this.#smoothedMs === undefined ? latencyMs : this.#smoothedMs + (latencyMs - this.#smoothedMs) / 8;
    if (this.#percentile !== undefined) this.#percentile.fresh++;
  }

  /** The smoothed latency in milliseconds, `undefined` before the first sample. */
  get smoothedMs(): number | undefined {
    return this.#smoothedMs;
  }

  /**
   * The latency in milliseconds that `fraction` (0..1) of the window's answers did not exceed, `undefined` while there are
   * fewer than 20 recent ones. May lag behind by `refreshEvery` samples.
   */
  percentile(fraction: number, nowMs: number): number | undefined {
    assert(fraction >= 0 && fraction <= 1, 'a percentile is a fraction between 0 and 1');
    const known = this.#percentile;
    if (
      known !== undefined &&
      known.of === fraction &&
      known.fresh < this.#refreshEvery &&
      nowMs - known.atMs < this.#ageMsMax / 10
    ) {
      return known.valueMs;
    }
    const recent: number[] = [];
    for (let i = 0; i < this.#count; i++) {
      if (nowMs - this.#times[i]! <= this.#ageMsMax) recent.push(this.#samples[i]!);
    }
    recent.sort((a, b) => a - b);
    const valueMs =
      recent.length < samplesForPercentile
        ? undefined
        : (recent[Math.min(recent.length - 1, Math.ceil(fraction * recent.length) - 1)] ?? recent[0]);
    this.#percentile = { of: fraction, valueMs, atMs: nowMs, fresh: 0 };
    return valueMs;
  }
}

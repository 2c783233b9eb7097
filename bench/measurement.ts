/** When operations count, and what is made of them. */

import { LatencyHistogram } from '../src/cli/load-run.ts';

/** Operations count that end within it. Milliseconds since 1970, so that processes agree. */
export interface Window {
  readonly fromMs: number;
  readonly untilMs: number;
}

/** What a driver saw in the window. */
export interface Samples {
  /** That succeeded. */
  readonly operations: number;
  readonly failures: number;
  /** What the first failure said. */
  readonly firstFailure: string | undefined;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
}

/** Milliseconds since 1970, to the microsecond, and never back. */
export function epochMs(): number {
  return performance.timeOrigin + performance.now();
}

/** Collects the latencies of one window. */
export class Recorder {
  readonly #window: Window;
  readonly #latencies = new LatencyHistogram();
  #failures = 0;
  #firstFailure: string | undefined;

  constructor(window: Window) {
    this.#window = window;
  }

  succeeded(endedMs: number, tookMs: number): void {
    if (endedMs >= this.#window.fromMs && endedMs < this.#window.untilMs) this.#latencies.add(tookMs);
  }

  failed(why: string): void {
    this.#failures++;
    this.#firstFailure ??= why;
  }

  samples(): Samples {
    return {
      operations: this.#latencies.count,
      failures: this.#failures,
      firstFailure: this.#firstFailure,
      p50Ms: this.#latencies.quantileMs(0.5),
      p99Ms: this.#latencies.quantileMs(0.99),
      p999Ms: this.#latencies.quantileMs(0.999),
    };
  }
}

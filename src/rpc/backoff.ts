/** Exponential backoff with full jitter: a cluster that lost a node does not knock at its door in step. */

import { assert } from '../core/assert.ts';
import type { Random } from '../env/env.ts';

/** How long to wait before the next attempt. */
export class Backoff {
  readonly #random: Random;
  readonly #msMin: number;
  readonly #msMax: number;
  #ceilingMs: number;

  constructor(
    dependencies: { readonly random: Random },
    options: { readonly msMin: number; readonly msMax: number },
  ) {
    assert(options.msMin > 0 && options.msMin <= options.msMax, 'backoff: 0 < msMin <= msMax');
    this.#random = dependencies.random;
    this.#msMin = options.msMin;
    this.#msMax = options.msMax;
    this.#ceilingMs = options.msMin;
  }

  /** Milliseconds to wait now: uniform in 0..ceiling. The ceiling starts at `msMin` and doubles up to `msMax`. */
  next(): number {
    const delayMs = this.#random.fraction() * this.#ceilingMs;
    this.#ceilingMs = Math.min(this.#msMax, this.#ceilingMs * 2);
    return delayMs;
  }

  /** Starts over: the last attempt worked. */
  reset(): void {
    this.#ceilingMs = this.#msMin;
  }
}

/**
 * A token bucket that may go into debt: work begins while the bucket holds something, and is charged in full. So a cost larger
 * than the burst is possible, and the mean still keeps to the rate.
 *
 * Laws (test/property/background.test.ts): between two moments no more is charged than rate x time + burst + the last charge;
 * whoever waits the time told finds the bucket open.
 */

import { assert } from '../assert.ts';

/** How fast a bucket fills, and how much it holds. */
export interface TokenBucketOptions {
  /** Tokens a second. More than 0. */
  readonly ratePerSecond: number;
  /** How many seconds of its rate the bucket holds when full. Default 0.1. Longer lets more through at once after a pause. */
  readonly burstSeconds?: number;
}

/** Tokens of one kind: bytes, or keys. */
export class TokenBucket {
  readonly #burstSeconds: number;
  #ratePerSecond: number;
  #level: number;
  #atMs: number;

  /** Full at `nowMs` (monotonic). */
  constructor(options: TokenBucketOptions, nowMs: number) {
    assert(options.ratePerSecond > 0, 'a token bucket fills');
    this.#burstSeconds = options.burstSeconds ?? 0.1;
    this.#ratePerSecond = options.ratePerSecond;
    this.#level = this.#burst;
    this.#atMs = nowMs;
  }

  /** Tokens a second, now. */
  get ratePerSecond(): number {
    return this.#ratePerSecond;
  }

  /** Fills by another rate from now on. What is owed stays owed. */
  setRate(ratePerSecond: number, nowMs: number): void {
    assert(ratePerSecond > 0, 'a token bucket fills');
    this.#fill(nowMs);
    this.#ratePerSecond = ratePerSecond;
    this.#level = Math.min(this.#level, this.#burst);
  }

  /** Charges `amount`, which may leave a debt. Ask `waitMs` before. */
  charge(amount: number, nowMs: number): void {
    assert(amount >= 0, 'tokens are taken, not given back');
    this.#fill(nowMs);
    this.#level -= amount;
  }

  /** How long until something may be charged, in milliseconds: 0 is now. */
  waitMs(nowMs: number): number {
    this.#fill(nowMs);
    // Upwards, and a debt so small that it is a rounding error counts as none: or a waiter would come back a moment early for ever.
    if (this.#level >= -1e-9 * this.#ratePerSecond) return 0;
    return Math.max(1, Math.ceil((-this.#level / this.#ratePerSecond) * 1000));
  }

  get #burst(): number {
    return this.#ratePerSecond * this.#burstSeconds;
  }

  #fill(nowMs: number): void {
    const elapsedMs = Math.max(0, nowMs - this.#atMs);
    this.#atMs = Math.max(this.#atMs, nowMs);
    this.#level = Math.min(this.#burst, this.#level + (elapsedMs / 1000) * this.#ratePerSecond);
  }
}

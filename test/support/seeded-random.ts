/** Chance that repeats: the same seed gives the same choices on every machine (mulberry32 over a mixed seed). */

/** A small, fast generator of 32-bit numbers. Good enough to choose a schedule, and no more. */
export class SeededRandom {
  #state: number;

  constructor(seed: number) {
    // Neighbouring seeds must not give neighbouring streams: runs are seeded 1, 2, 3.
    this.#state =
      Math.imul(seed ^ (seed >>> 16), 0x45d9f3b) ^
      Math.imul(Math.floor(seed / 0x1_0000_0000) + 1, 0x9e3779b1);
  }

  /** An unsigned 32-bit integer. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return (mixed ^ (mixed >>> 14)) >>> 0;
  }

  /** An integer from 0 to `bound` - 1. */
  below(bound: number): number {
    return Math.floor((this.next() / 0x1_0000_0000) * bound);
  }

  /** An integer from `least` to `most`, both included. */
  between(least: number, most: number): number {
    return least + this.below(most - least + 1);
  }

  /** True `percent` times in a hundred. */
  percent(percent: number): boolean {
    return this.below(100) < percent;
  }

  /** One of `items`, which may not be empty. */
  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)] as T;
  }
}

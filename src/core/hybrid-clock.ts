/**
 * Hybrid logical clock (Kulkarni, Demirbas et al., 2014) as one integer of microseconds: it follows the wall clock, never
 * goes back, and is always later than what this node has seen. It orders last-write-wins values and is shown as written-at.
 */

/** How far ahead of this machine's clock a peer may be before its time is not adopted, unless configured otherwise: 10 s. */
export const aheadMicrosMax = 10_000_000;

/** The last time there is, in the year 2112: a forged context that names it cannot push a record beyond what a token may say. */
export const timeMicrosMax: number = 2 ** 52;

export class HybridClock {
  readonly #wallMicros: () => number;
  readonly #aheadMax: number;
  #last: number;

  /** `startAt`: the persisted high-water mark, so that a clock set back during a restart does not repeat times. */
  constructor(wallMicros: () => number, startAt: number, aheadMax: number = aheadMicrosMax) {
    this.#wallMicros = wallMicros;
    this.#last = startAt;
    this.#aheadMax = aheadMax;
  }

  /** The latest time given out or adopted. Persist a mark ahead of it. */
  get last(): number {
    return this.#last;
  }

  /** The time that this node would say it is, without giving one out: for comparing clocks. */
  get now(): number {
    return Math.max(this.#wallMicros(), this.#last);
  }

  /**
   * A time later than `after` (a stored version's, or a context's), and later than all before it that were not given out for
   * an `after` too far ahead to adopt. Never above `timeMicrosMax`.
   */
  tick(after: number): number {
    // `after` may lie further ahead than we would adopt: this write must still win, the node's own clock need not follow.
    const own = Math.max(this.#wallMicros(), this.#last + 1);
    if (after < own) {
      this.#last = own;
      return own;
    }
    const later = Math.min(after + 1, timeMicrosMax);
    if (after - this.#wallMicros() <= this.#aheadMax) this.#last = later;
    return later;
  }

  /** Learns a peer's time. False when it is too far ahead, and was not adopted. */
  observe(peerMicros: number): boolean {
    if (peerMicros - this.#wallMicros() > this.#aheadMax) return false;
    if (peerMicros > this.#last) this.#last = peerMicros;
    return true;
  }
}

/**
 * Running time: how long a data store has been served, in milliseconds, over all of its processes together. The ages that
 * decide whether something may be thrown away are measured in it, because a wall clock that jumps by a year must not make
 * anything a year old. While no process runs it stands still, and it never goes faster than real time.
 */

/** A gap between two looks at the clock counts for at most this: beyond it the process was stopped, and heard nobody. */
const gapMsMax = 1_000;

export class RunningTime {
  readonly #monotonicMs: () => number;
  #lookedMs: number;
  #totalMs: number;

  /** `startAtMs`: what was stored of it. It has to be asked at least once a second, or it falls behind. */
  constructor(monotonicMs: () => number, startAtMs: number) {
    this.#monotonicMs = monotonicMs;
    this.#lookedMs = monotonicMs();
    this.#totalMs = startAtMs;
  }

  /** Whole milliseconds, never going back. */
  now(): number {
    const nowMs = this.#monotonicMs();
    this.#totalMs += Math.min(gapMsMax, Math.max(0, nowMs - this.#lookedMs));
    this.#lookedMs = nowMs;
    return Math.floor(this.#totalMs);
  }

  /** From now on at least this: something that was stored is already as late. */
  atLeast(totalMs: number): void {
    if (totalMs > this.#totalMs) this.#totalMs = totalMs;
  }
}

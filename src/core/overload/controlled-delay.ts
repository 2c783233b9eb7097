/**
 * How long something may have waited for its turn and still be worth beginning. A queue that empties now and then only evens out
 * bursts, and may be long; one that has not been empty for a while is standing: more comes than can be done, and whoever waits in
 * it gets an answer that is late for nothing (Nichols and Jacobson, Controlling Queue Delay, ACM Queue 2012; in the form of
 * Maurer, Fail at Scale, ACM Queue 2015).
 */

export interface ControlledDelayOptions {
  /** What waited longer than this in a standing queue is turned down, in milliseconds. */
  readonly standingMsMax: number;
  /** A queue that has not been empty for so long is standing; until then so long a wait is in order. In milliseconds. */
  readonly burstMs: number;
}

export class ControlledDelay {
  readonly #options: ControlledDelayOptions;
  #emptyMs: number;

  constructor(options: ControlledDelayOptions, nowMs: number) {
    this.#options = options;
    this.#emptyMs = nowMs;
  }

  /** Nothing waits at `nowMs`. */
  emptied(nowMs: number): void {
    this.#emptyMs = nowMs;
  }

  /** Whether what has waited since `sinceMs` is turned down at `nowMs`. */
  isTooLate(sinceMs: number, nowMs: number): boolean {
    const { standingMsMax, burstMs } = this.#options;
    const isStanding = nowMs - this.#emptyMs > burstMs;
    return nowMs - sinceMs > (isStanding ? standingMsMax : Math.max(standingMsMax, burstMs));
  }
}

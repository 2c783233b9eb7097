/**
 * How well this node itself hears (Lifeguard: Dadgar, Phillips, Currey, arXiv 1707.00788, section IV): whoever is slow takes
 * others for dead. Its own late timers, helpers that do not even say no, and accusations against itself raise the score; quiet
 * time lowers it. A high score makes this node more patient with everybody.
 */

/** Greatest score: as in memberlist, less one. */
const scoreMax = 7;
/** Patience at the greatest score. */
const factorMax = 2.5;
/** The score falls by one after so much time without a bad sign. */
const recoverMs = 1_000;
/** Signs that come at once are one: a standstill delays all timers. */
const togetherMs = 100;

/** A score from 0 (well) to 7. */
export class LocalHealth {
  #score = 0;
  #changedMs: number;

  constructor(nowMs: number) {
    this.#changedMs = nowMs - togetherMs;
  }

  /** A bad sign: an own timer came late, a helper did not even say that it failed, or others accuse this node. */
  badSign(nowMs: number): void {
    if (nowMs - this.#changedMs < togetherMs && this.#score > 0) return;
    this.#score = Math.min(scoreMax, this.score(nowMs) + 1);
    this.#changedMs = nowMs;
  }

  score(nowMs: number): number {
    const recovered = Math.floor(Math.max(0, nowMs - this.#changedMs) / recoverMs);
    return Math.max(0, this.#score - recovered);
  }

  /** By how much to stretch what is demanded of others: 1 to 2.5. */
  factor(nowMs: number): number {
    return 1 + ((factorMax - 1) * this.score(nowMs)) / scoreMax;
  }
}

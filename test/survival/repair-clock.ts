/**
 * When the last key was repaired: by a hint that was confirmed, or by a comparison. Looking at every key takes longer than
 * repairing them, so it says how soon the replicas were equal, and a look at every key afterwards that they were.
 */

import { pause } from '../chaos/program.ts';
import type { SurvivalCluster } from './survival-cluster.ts';

const everyMs = 250;
const counters = ['kindred_hints_replayed_total', 'kindred_comparison_repaired_keys_total'] as const;

export class RepairClock {
  readonly #cluster: SurvivalCluster;
  readonly #fromMs: number;
  #lastMs: number | undefined;
  #stopped = false;
  #running: Promise<void> = Promise.resolve();

  /** Counts from `fromMs` (`performance.now()`), and looks from now on. */
  constructor(cluster: SurvivalCluster, fromMs: number) {
    this.#cluster = cluster;
    this.#fromMs = fromMs;
  }

  start(): void {
    this.#running = this.#watch();
  }

  /** How long after the beginning the last repair was seen; 0: none was. */
  async stop(): Promise<number> {
    this.#stopped = true;
    await this.#running;
    return this.#lastMs === undefined ? 0 : this.#lastMs - this.#fromMs;
  }

  async #watch(): Promise<void> {
    let before = await this.#count();
    while (!this.#stopped) {
      await pause(everyMs);
      const now = await this.#count();
      // Less: a node started anew.
      if (now !== before) this.#lastMs = performance.now();
      before = now;
    }
  }

  async #count(): Promise<number> {
    const sums = await Promise.all(counters.map((name) => this.#cluster.sum(name)));
    return sums.reduce((sum, value) => sum + value, 0);
  }
}

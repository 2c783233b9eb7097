/** Keys whose replicas should be compared and repaired when there is time: bounded, each key once, a few at a time. */

import type { Bucket } from '../core/bucket.ts';
import { mapKeyOf } from '../core/bytes.ts';

export interface RepairKey {
  readonly bucket: Bucket;
  readonly recordKey: Uint8Array;
}

const runningMax = 16;

export class RepairBacklog {
  readonly #waiting = new Map<string, RepairKey>();
  readonly #running = new Set<string>();
  readonly #waitingMax: number;
  readonly #repair: (key: RepairKey, done: () => void) => void;
  #starting = false;

  /** `repair` must call its `done` once, whatever becomes of it; it may do so before it returns. */
  constructor(waitingMax: number, repair: (key: RepairKey, done: () => void) => void) {
    this.#waitingMax = waitingMax;
    this.#repair = repair;
  }

  get pending(): number {
    return this.#waiting.size + this.#running.size;
  }

  /**
   * Dropped when the backlog is full, or when the key is being repaired right now: the next read of the key finds what is
   * left of the difference.
   */
  add(key: RepairKey): void {
    const name = mapKeyOf(key.recordKey);
    if (this.#running.has(name) || this.#waiting.size >= this.#waitingMax) return;
    this.#waiting.set(name, key);
    this.#next();
  }

  /** One loop, never nested: repairs that end at once (all peers are down) would otherwise pile up the stack. */
  #next(): void {
    if (this.#starting) return;
    this.#starting = true;
    try {
      while (this.#running.size < runningMax) {
        const first = this.#waiting.entries().next();
        if (first.done) return;
        const [name, key] = first.value;
        this.#waiting.delete(name);
        this.#running.add(name);
        this.#repair(key, () => {
          this.#running.delete(name);
          this.#next();
        });
      }
    } finally {
      this.#starting = false;
    }
  }
}

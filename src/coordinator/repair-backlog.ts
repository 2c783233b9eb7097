/** Keys whose replicas should be compared and repaired when there is time: bounded, each key once, a few at a time. */

import type { Bucket } from '../core/bucket.ts';

export interface RepairKey {
  readonly bucket: Bucket;
  readonly recordKey: Uint8Array;
}

const runningMax = 16;

export class RepairBacklog {
  readonly #waiting = new Map<string, RepairKey>();
  readonly #waitingMax: number;
  readonly #repair: (key: RepairKey, done: () => void) => void;
  #running = 0;

  /** `repair` must call its `done` once, whatever becomes of it. */
  constructor(waitingMax: number, repair: (key: RepairKey, done: () => void) => void) {
    this.#waitingMax = waitingMax;
    this.#repair = repair;
  }

  get pending(): number {
    return this.#waiting.size + this.#running;
  }

  /** Dropped when the backlog is full: the next read of the key finds the difference again. */
  add(key: RepairKey): void {
    if (this.#waiting.size >= this.#waitingMax) return;
    this.#waiting.set(Buffer.from(key.recordKey).toString('latin1'), key);
    this.#next();
  }

  #next(): void {
    while (this.#running < runningMax) {
      const first = this.#waiting.entries().next();
      if (first.done) return;
      const [name, key] = first.value;
      this.#waiting.delete(name);
      this.#running++;
      this.#repair(key, () => {
        this.#running--;
        this.#next();
      });
    }
  }
}

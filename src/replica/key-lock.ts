/**
 * One writer per key at a time. The lock covers read, decide and persist: two writes that read the same clock would mint
 * the same dot (riak and Garage lock for the same reason).
 */

/** A Map key of the bytes: one character a byte, made natively. */
export function lockKeyOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}

type Waiter = () => void;

export class KeyLock {
  readonly #held = new Map<string, Waiter[] | undefined>();

  /** Keys locked now. */
  get size(): number {
    return this.#held.size;
  }

  /** Runs `task` alone for its key; first come, first served. Rejects as the task does. */
  async run<T>(key: Uint8Array, task: () => Promise<T>): Promise<T> {
    const name = lockKeyOf(key);
    if (this.#held.has(name)) await this.#queue(name);
    else this.#held.set(name, undefined);
    try {
      return await task();
    } finally {
      const next = this.#held.get(name)?.shift();
      if (next === undefined) this.#held.delete(name);
      else next();
    }
  }

  #queue(name: string): Promise<void> {
    return new Promise((resolve) => {
      const waiting = this.#held.get(name);
      if (waiting === undefined) this.#held.set(name, [resolve]);
      else waiting.push(resolve);
    });
  }
}

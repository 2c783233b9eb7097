/** The engine without a disk: for tests, for the simulator, and as the model that the other two are compared with. */

import { compareBytes, mapKeyOf } from '../core/bytes.ts';
import type { EngineOperation, KeyRange, StorageEngine } from './engine.ts';
import { FailStop } from './engine-failure.ts';

/** Makes an empty engine that forgets everything when it is closed. */
export function openMemoryEngine(): StorageEngine {
  return new MemoryEngine();
}

class MemoryEngine implements StorageEngine {
  readonly kind = 'memory';
  readonly tailDropped = false;
  /** Ascending by key; an entry is replaced, never changed, so that an iteration may hold on to it. */
  readonly #sorted: (readonly [Uint8Array, Uint8Array])[] = [];
  readonly #byKey = new Map<string, Uint8Array>();
  readonly #state = new FailStop('memory');
  #bytes = 0;

  get(key: Uint8Array): Uint8Array | undefined {
    this.#state.check();
    return this.#byKey.get(mapKeyOf(key))?.slice();
  }

  async write(operations: readonly EngineOperation[]): Promise<void> {
    this.#state.check();
    for (const operation of operations) this.#apply(operation);
  }

  async *entries(range: KeyRange): AsyncIterable<readonly [Uint8Array, Uint8Array]> {
    this.#state.check();
    const from = this.#position(range.from);
    const to = Math.min(this.#position(range.to), from + (range.limit ?? Number.POSITIVE_INFINITY));
    for (const [key, value] of this.#sorted.slice(from, to)) {
      yield [key.slice(), value.slice()];
      this.#state.check();
    }
  }

  async sizeBytes(): Promise<number> {
    this.#state.check();
    return this.#bytes;
  }

  async flush(): Promise<void> {
    this.#state.check();
  }

  async close(): Promise<void> {
    if (!this.#state.close()) return;
    this.#sorted.length = 0;
    this.#byKey.clear();
  }

  #apply(operation: EngineOperation): void {
    const mapKey = mapKeyOf(operation.key);
    const old = this.#byKey.get(mapKey);
    const position = this.#position(operation.key);
    if (old !== undefined) this.#bytes -= operation.key.length + old.length;
    if (operation.kind === 'delete') {
      if (old === undefined) return;
      this.#byKey.delete(mapKey);
      this.#sorted.splice(position, 1);
      return;
    }
    const value = operation.value.slice();
    this.#byKey.set(mapKey, value);
    this.#sorted.splice(position, old === undefined ? 0 : 1, [operation.key.slice(), value]);
    this.#bytes += operation.key.length + value.length;
  }

  /** Index of the first entry whose key is not below `key`. */
  #position(key: Uint8Array): number {
    let low = 0;
    let high = this.#sorted.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (compareBytes((this.#sorted[middle] as readonly [Uint8Array, Uint8Array])[0], key) < 0)
        low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

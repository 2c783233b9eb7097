/** The memory engine with a hand on its writes: they wait, fail, or are followed by damage when a test says so. */

import {
  EngineError,
  type EngineOperation,
  type KeyRange,
  type StorageEngine,
} from '../../src/storage/engine.ts';
import { openMemoryEngine } from '../../src/storage/memory.ts';

export class ControlledEngine implements StorageEngine {
  readonly kind = 'memory';
  readonly tailDropped = false;
  /** Set: every write and read fails with it. */
  failure: EngineError | undefined;
  writes = 0;
  syncedWrites = 0;
  readonly #engine: StorageEngine = openMemoryEngine();
  #held: PromiseWithResolvers<void> | undefined;

  /** From now on writes wait until `release`. */
  hold(): void {
    this.#held ??= Promise.withResolvers<void>();
  }

  release(): void {
    this.#held?.resolve();
    this.#held = undefined;
  }

  /** Stores what is under a key of `range` again, as `change` makes it. */
  async replace(
    range: KeyRange,
    change: (value: Uint8Array, key: Uint8Array) => Uint8Array,
  ): Promise<number> {
    let count = 0;
    for await (const [key, value] of this.#engine.entries(range)) {
      await this.#engine.write([{ kind: 'put', key, value: change(value, key) }], { sync: false });
      count++;
    }
    return count;
  }

  /** Another engine that holds what this one does now, as a snapshot of a volume would. */
  async copy(): Promise<ControlledEngine> {
    const copy = new ControlledEngine();
    for await (const [key, value] of this.#engine.entries({
      from: Uint8Array.of(0),
      to: Uint8Array.of(0xff),
    })) {
      await copy.write([{ kind: 'put', key, value }], { sync: true });
    }
    return copy;
  }

  get(key: Uint8Array): Uint8Array | undefined {
    if (this.failure !== undefined) throw this.failure;
    return this.#engine.get(key);
  }

  async write(operations: readonly EngineOperation[], options: { readonly sync: boolean }): Promise<void> {
    this.writes++;
    if (options.sync) this.syncedWrites++;
    await this.#held?.promise;
    if (this.failure !== undefined) throw this.failure;
    await this.#engine.write(operations, options);
  }

  entries(range: KeyRange): AsyncIterable<readonly [Uint8Array, Uint8Array]> {
    return this.#engine.entries(range);
  }

  sizeBytes(): Promise<number> {
    return this.#engine.sizeBytes();
  }

  flush(): Promise<void> {
    return this.#engine.flush();
  }

  close(): Promise<void> {
    return this.#engine.close();
  }
}

/** What a disk that has broken says. */
export function brokenDisk(): EngineError {
  return new EngineError('io-error', 'the disk is broken');
}

/**
 * The memory engine with a memory that fails: a kill leaves what was applied, a loss of power leaves of all that was not synced
 * any part of it, older or newer. Whatever an engine may do is among that, and more.
 */

import type { EngineOperation, KeyRange, StorageEngine } from '../../src/storage/engine.ts';
import { openMemoryEngine } from '../../src/storage/memory.ts';

interface Batch {
  readonly operations: readonly EngineOperation[];
  durable: boolean;
}

export class LossyEngine implements StorageEngine {
  readonly kind = 'memory';
  readonly tailDropped = false;
  readonly #engine: StorageEngine = openMemoryEngine();
  readonly #applied: Batch[] = [];
  readonly #underWay = new Set<Batch>();
  #dead = false;

  /** An engine that holds what a death of the process leaves, or a loss of power; of the rest `survives` is asked. This one is dead. */
  async crash(kind: 'kill' | 'power', survives: () => boolean): Promise<LossyEngine> {
    this.#dead = true;
    const after = new LossyEngine();
    const left = this.#applied.filter(({ durable }) => kind === 'kill' || durable || survives());
    left.push(...[...this.#underWay].filter(survives));
    for (const { operations, durable } of left) {
      await after.#engine.write(operations, { sync: true });
      after.#applied.push({ operations, durable });
    }
    return after;
  }

  get(key: Uint8Array): Uint8Array | undefined {
    return this.#engine.get(key);
  }

  async write(operations: readonly EngineOperation[], options: { readonly sync: boolean }): Promise<void> {
    const batch = { operations, durable: options.sync };
    this.#underWay.add(batch);
    await tick();
    await this.#orNever();
    this.#underWay.delete(batch);
    this.#applied.push(batch);
    await this.#engine.write(operations, options);
    await tick();
    await this.#orNever();
  }

  async *entries(range: KeyRange): AsyncIterable<readonly [Uint8Array, Uint8Array]> {
    for await (const entry of this.#engine.entries(range)) {
      // Walks take time, in which others write.
      await tick();
      await this.#orNever();
      yield entry;
    }
  }

  sizeBytes(): Promise<number> {
    return this.#engine.sizeBytes();
  }

  async flush(): Promise<void> {
    const before = [...this.#applied];
    await tick();
    await this.#orNever();
    for (const batch of before) batch.durable = true;
  }

  close(): Promise<void> {
    return this.#engine.close();
  }

  async #orNever(): Promise<void> {
    if (this.#dead) await new Promise<never>(() => undefined);
  }
}

function tick(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

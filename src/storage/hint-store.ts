/**
 * Hints: records that a replica could not be given because it was away, kept until it has confirmed them (Dynamo, section
 * 4.6). Engine key: 0x02, length of the target's node id as one byte, the id, record key. One hint per target and key: a
 * later one replaces it, and the caller merges before. These bytes may not change.
 */

import { assert } from '../core/assert.ts';
import { equalBytes, mapKeyOf } from '../core/bytes.ts';
import { type NodeId, nodeId } from '../core/identity.ts';
import type { Env } from '../env/env.ts';
import type { StorageEngine } from './engine.ts';
import { GroupCommit } from './group-commit.ts';
import { type Crc32, openValue, sealValue } from './value-envelope.ts';

export interface HintStoreDependencies {
  readonly engine: StorageEngine;
  readonly crc32: Crc32;
  readonly env: Env;
  /** The group commit shared with the other stores of the engine; without it the hint store makes its own. */
  readonly commit?: GroupCommit;
}

export interface HintStoreOptions {
  /** Keys and values of all hints together. Met: `add` answers `full`, and anti-entropy has to repair what is missed. */
  readonly bytesMax: number;
}

/** What became of a hint. `full` is definite: nothing was stored. */
export type HintOutcome =
  | { readonly kind: 'stored' }
  | { readonly kind: 'full'; readonly bytes: number; readonly bytesMax: number };

/** What is kept for one target. */
export interface HintTotals {
  readonly count: number;
  readonly bytes: number;
}

export interface Hint {
  readonly recordKey: Uint8Array;
  readonly record: Uint8Array;
}

const prefix = 0x02;
const allHints = { from: Uint8Array.of(prefix), to: Uint8Array.of(prefix + 1) };
const entriesPerTick = 64;

/** Opens the hints of a store and counts them. Throws EngineError. */
export async function openHintStore(
  deps: HintStoreDependencies,
  options: HintStoreOptions,
): Promise<HintStore> {
  const store = new HintStore(deps, options);
  await store.countStored();
  return store;
}

export class HintStore {
  readonly #engine: StorageEngine;
  readonly #crc32: Crc32;
  readonly #env: Env;
  readonly #commit: GroupCommit;
  readonly #bytesMax: number;
  readonly #totals = new Map<NodeId, { count: number; bytes: number }>();
  /** Sizes that queued writes will leave behind (0: deleted), because the engine does not show them yet. */
  readonly #inFlight = new Map<string, { readonly bytes: number; readonly done: Promise<void> }>();
  #bytes = 0;
  #damaged = 0;

  /** Use `openHintStore`. */
  constructor(deps: HintStoreDependencies, options: HintStoreOptions) {
    this.#engine = deps.engine;
    this.#crc32 = deps.crc32;
    this.#env = deps.env;
    this.#commit = deps.commit ?? new GroupCommit({ engine: deps.engine, env: deps.env });
    this.#bytesMax = options.bytesMax;
  }

  /** Bytes of all hints together, those that are being written included. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Hints that failed their checksum and were dropped; anti-entropy repairs what they stood for. */
  get damagedHints(): number {
    return this.#damaged;
  }

  /** What is kept for each target that has hints. */
  targets(): ReadonlyMap<NodeId, HintTotals> {
    return this.#totals;
  }

  /** Stores the hint on stable storage in place of one for the same target and key. Rejects with EngineError. */
  async add(target: NodeId, recordKey: Uint8Array, record: Uint8Array): Promise<HintOutcome> {
    const key = engineKeyOf(target, recordKey);
    const value = sealValue(this.#crc32, key, record);
    const before = this.#storedBytes(key);
    const after = key.length + value.length;
    if (this.#bytes - before + after > this.#bytesMax) {
      return { kind: 'full', bytes: this.#bytes, bytesMax: this.#bytesMax };
    }
    await this.#write(target, key, value, before, after);
    return { kind: 'stored' };
  }

  /** The stored hint, or `undefined` when there is none or it is damaged. Throws EngineError. */
  get(target: NodeId, recordKey: Uint8Array): Uint8Array | undefined {
    const key = engineKeyOf(target, recordKey);
    const value = this.#engine.get(key);
    return value === undefined ? undefined : openValue(this.#crc32, key, value);
  }

  /** At most `limit` hints of one target in ascending order of record keys. Damaged ones are removed and counted. */
  async *entries(target: NodeId, limit: number): AsyncIterable<Hint> {
    const start = engineKeyOf(target, new Uint8Array());
    let left = limit;
    for await (const [key, value] of this.#engine.entries({ from: start, to: rangeEnd(start) })) {
      if (left <= 0) return;
      const record = openValue(this.#crc32, key, value);
      if (record === undefined) {
        await this.#removeDamaged(target, key, value);
        continue;
      }
      left--;
      yield { recordKey: key.subarray(start.length), record };
    }
  }

  /** Removes a confirmed hint, unless it was replaced since: false then, and the newer one stays. Not synced. */
  async remove(target: NodeId, recordKey: Uint8Array, expectedRecord: Uint8Array): Promise<boolean> {
    const key = engineKeyOf(target, recordKey);
    await this.#settled(key);
    const record = this.get(target, recordKey);
    if (record === undefined || !equalBytes(record, expectedRecord)) return false;
    // Between the read above and the queueing here nothing else runs, so no newer hint can be deleted.
    await this.#write(target, key, undefined, this.#storedBytes(key), 0);
    return true;
  }

  /** Counts what is stored; called once, by `openHintStore`. */
  async countStored(): Promise<void> {
    let count = 0;
    for await (const [key, value] of this.#engine.entries(allHints)) {
      const target = targetOf(key);
      if (target === undefined) this.#damaged++;
      else this.#account(target, 0, key.length + value.length);
      count++;
      if (count % entriesPerTick === 0)
        await new Promise<void>((resolve) => this.#env.timers.endOfTick(resolve));
    }
  }

  async #removeDamaged(target: NodeId, key: Uint8Array, damagedValue: Uint8Array): Promise<void> {
    await this.#settled(key);
    const current = this.#engine.get(key);
    if (current === undefined || !equalBytes(current, damagedValue)) return;
    this.#damaged++;
    await this.#write(target, key, undefined, this.#storedBytes(key), 0);
  }

  async #write(
    target: NodeId,
    key: Uint8Array,
    value: Uint8Array | undefined,
    before: number,
    after: number,
  ): Promise<void> {
    const mapKey = mapKeyOf(key);
    // A hint counts for ANY, so it is synced; a removal that gets lost only means that the hint is sent once more.
    const done =
      value === undefined
        ? this.#commit.write({ kind: 'delete', key }, { sync: false })
        : this.#commit.write({ kind: 'put', key, value }, { sync: true });
    const flight = { bytes: after, done };
    this.#inFlight.set(mapKey, flight);
    this.#account(target, before, after);
    try {
      await done;
    } finally {
      if (this.#inFlight.get(mapKey) === flight) this.#inFlight.delete(mapKey);
    }
  }

  async #settled(key: Uint8Array): Promise<void> {
    for (;;) {
      const flight = this.#inFlight.get(mapKeyOf(key));
      if (flight === undefined) return;
      await flight.done;
    }
  }

  #storedBytes(key: Uint8Array): number {
    const flight = this.#inFlight.get(mapKeyOf(key));
    if (flight !== undefined) return flight.bytes;
    const value = this.#engine.get(key);
    return value === undefined ? 0 : key.length + value.length;
  }

  #account(target: NodeId, before: number, after: number): void {
    this.#bytes += after - before;
    const totals = this.#totals.get(target) ?? { count: 0, bytes: 0 };
    totals.bytes += after - before;
    totals.count += (after > 0 ? 1 : 0) - (before > 0 ? 1 : 0);
    if (totals.count === 0) this.#totals.delete(target);
    else this.#totals.set(target, totals);
  }
}

function engineKeyOf(target: NodeId, recordKey: Uint8Array): Uint8Array {
  const id = new TextEncoder().encode(target);
  assert(id.length > 0 && id.length <= 63, 'length of a node id');
  const key = new Uint8Array(2 + id.length + recordKey.length);
  key[0] = prefix;
  key[1] = id.length;
  key.set(id, 2);
  key.set(recordKey, 2 + id.length);
  return key;
}

/** The target in an engine key, or `undefined` when the key cannot be one of ours. */
function targetOf(key: Uint8Array): NodeId | undefined {
  const length = key[1];
  if (length === undefined || length === 0 || length > 63 || key.length < 2 + length) return undefined;
  return nodeId(new TextDecoder().decode(key.subarray(2, 2 + length)));
}

/** The first key behind all that start with `start` (whose last byte is ASCII, so it can be incremented). */
function rangeEnd(start: Uint8Array): Uint8Array {
  const end = start.slice();
  end[end.length - 1] = (end[end.length - 1] as number) + 1;
  return end;
}

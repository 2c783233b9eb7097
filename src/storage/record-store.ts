/**
 * The records of this replica, by partition and record key (bucket, zero byte, key). Encoded records go in and come out as
 * they are; what a record means is core's business. Engine key: 0x01, partition as two bytes big-endian, record key: a
 * partition is one range, so that it can be compared and handed over in order. These bytes may not change.
 */

import { assert } from '../core/assert.ts';
import { allocateBytes } from '../core/byte-slab.ts';
import type { PartitionId } from '../core/identity.ts';
import type { Env } from '../env/env.ts';
import type { EngineError, StorageEngine } from './engine.ts';
import { GroupCommit } from './group-commit.ts';
import { type Crc32, openValue, sealValue } from './value-envelope.ts';

/** The first byte of every engine key of a record. */
const recordPrefix = 0x01;

/** `damaged` is not `absent`: the replica knew something, and has to get it back from its peers. */
export type StoredRead =
  | { readonly kind: 'found'; readonly record: Uint8Array }
  | { readonly kind: 'absent' }
  | { readonly kind: 'damaged' };

export interface RecordStoreDependencies {
  readonly engine: StorageEngine;
  readonly crc32: Crc32;
  readonly env: Env;
  /** The group commit shared with the other stores of the engine; without it the record store makes its own. */
  readonly commit?: GroupCommit;
}

const absent: StoredRead = { kind: 'absent' };
const damaged: StoredRead = { kind: 'damaged' };
const headerLength = 3;
/** After so many entries an iteration lets the rest of the process run. */
const entriesPerTick = 64;

export class RecordStore {
  readonly #engine: StorageEngine;
  readonly #crc32: Crc32;
  readonly #env: Env;
  readonly #commit: GroupCommit;
  readonly #damageListeners: ((recordKey: Uint8Array) => void)[] = [];
  #damagedReads = 0;

  constructor(deps: RecordStoreDependencies) {
    this.#engine = deps.engine;
    this.#crc32 = deps.crc32;
    this.#env = deps.env;
    this.#commit = deps.commit ?? new GroupCommit({ engine: deps.engine, env: deps.env });
  }

  /** The first failed write, after which reads and writes are refused with it. */
  get failure(): EngineError | undefined {
    return this.#commit.failure;
  }

  /** How many reads met a damaged record since the store was opened. */
  get damagedReads(): number {
    return this.#damagedReads;
  }

  /** Calls `listener` once, when the first write fails: nothing may be acknowledged any more, the node should exit. */
  onFailure(listener: (error: EngineError) => void): void {
    this.#commit.onFailure(listener);
  }

  /** Calls `listener` for every damaged record that is met, with its record key. */
  onDamaged(listener: (recordKey: Uint8Array) => void): void {
    this.#damageListeners.push(listener);
  }

  /** The record as it was last written. The bytes belong to the caller. Throws EngineError: an I/O error is not `absent`. */
  read(partition: PartitionId, recordKey: Uint8Array): StoredRead {
    if (this.#commit.failure !== undefined) throw this.#commit.failure;
    const engineKey = engineKeyOf(partition, recordKey);
    const value = this.#engine.get(engineKey);
    return value === undefined ? absent : this.#open(engineKey, value);
  }

  /**
   * Resolves when the record is stored: with `sync` on stable storage, without when it survives the death of this process.
   * Until then a read may return the old or the new record; src/replica/pending-records.ts keeps the newest. Rejects with EngineError, and from
   * then on everything is refused. The bytes must not change until it resolves.
   */
  write(
    partition: PartitionId,
    recordKey: Uint8Array,
    record: Uint8Array,
    options: { readonly sync: boolean },
  ): Promise<void> {
    const key = engineKeyOf(partition, recordKey);
    return this.#commit.write({ kind: 'put', key, value: sealValue(this.#crc32, key, record) }, options);
  }

  /**
   * Takes a record away for good, as if it had never been. Only for what all replicas of the key agree may be forgotten:
   * src/replica/pending-records.ts. Resolves and rejects as `write` does.
   */
  remove(partition: PartitionId, recordKey: Uint8Array, options: { readonly sync: boolean }): Promise<void> {
    return this.#commit.write({ kind: 'delete', key: engineKeyOf(partition, recordKey) }, options);
  }

  /**
   * Everything of one partition in ascending order of record keys, behind the record key `after` if one is given, as of the
   * moment of the first `next()`.
   */
  async *entries(
    partition: PartitionId,
    after?: Uint8Array,
  ): AsyncIterable<readonly [recordKey: Uint8Array, read: StoredRead]> {
    const from = after === undefined ? partitionStart(partition) : behind(partition, after);
    const range = { from, to: partitionStart(partition + 1) };
    let count = 0;
    for await (const [key, value] of this.#engine.entries(range)) {
      if (this.#commit.failure !== undefined) throw this.#commit.failure;
      yield [key.subarray(headerLength), this.#open(key, value)];
      count++;
      if (count % entriesPerTick === 0) {
        await new Promise<void>((resolve) => this.#env.timers.endOfTick(resolve));
      }
    }
  }

  /** Whether there is no record at all. Rejects with EngineError. */
  async isEmpty(): Promise<boolean> {
    const all = { from: partitionStart(0), to: partitionStart(65_536), limit: 1 };
    for await (const _ of this.#engine.entries(all)) return false;
    return true;
  }

  #open(engineKey: Uint8Array, value: Uint8Array): StoredRead {
    const record = openValue(this.#crc32, engineKey, value);
    if (record !== undefined) return { kind: 'found', record };
    this.#damagedReads++;
    for (const listener of this.#damageListeners) listener(engineKey.subarray(headerLength));
    return damaged;
  }
}

function engineKeyOf(partition: PartitionId, recordKey: Uint8Array): Uint8Array {
  assert(partition >= 0 && partition < 65_536, 'partition fits two bytes');
  const key = allocateBytes(headerLength + recordKey.length);
  key[0] = recordPrefix;
  key[1] = partition >> 8;
  key[2] = partition & 0xff;
  key.set(recordKey, headerLength);
  return key;
}

/** The first engine key that can follow that of `recordKey`. */
function behind(partition: PartitionId, recordKey: Uint8Array): Uint8Array {
  const key = engineKeyOf(partition, recordKey);
  const next = new Uint8Array(key.length + 1);
  next.set(key);
  return next;
}

/** Where a partition's range begins; for the one after the last partition, where the next prefix begins. */
function partitionStart(partition: number): Uint8Array {
  return partition === 65_536
    ? Uint8Array.of(recordPrefix + 1, 0, 0)
    : Uint8Array.of(recordPrefix, partition >> 8, partition & 0xff);
}

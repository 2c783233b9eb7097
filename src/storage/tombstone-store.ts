/**
 * The index of tombstones: when each perishable record arrived here, in running time of this store. Engine key: 0x05, partition
 * as two bytes big-endian, record key. Value: running time as eight bytes, then the digest of the record (8 bytes). And, for
 * partitions in which something was collected, the mark before which hints are refused. Engine key: 0x06, partition. Value:
 * the mark as eight bytes. These bytes may not change.
 *
 * An entry is bound to its record by the digest: it is queued before the record, but a power failure may keep the one without
 * the other (an engine's log may be cut between two files), and the time of an older tombstone must never pass for that of a
 * newer one. An entry whose digest does not fit counts as none.
 */

import { equalBytes } from '../core/bytes.ts';
import { type PartitionId, partitionId } from '../core/identity.ts';
import type { Env } from '../env/env.ts';
import type { StorageEngine } from './engine.ts';
import type { GroupCommit } from './group-commit.ts';
import { number64, readNumber64 } from './number64.ts';
import { type Crc32, openValue, sealValue } from './value-envelope.ts';

export interface TombstoneStoreDependencies {
  readonly engine: StorageEngine;
  readonly crc32: Crc32;
  readonly env: Env;
  readonly commit: GroupCommit;
}

/** One entry of the index. */
export interface TombstoneEntry {
  readonly partition: PartitionId;
  readonly recordKey: Uint8Array;
  readonly arrivedAtMs: number;
  /** Of the record that it is about. */
  readonly digest: Uint8Array;
}

const indexPrefix = 0x05;
const markPrefix = 0x06;
const headerLength = 3;
const digestLength = 8;
const payloadLength = 8 + digestLength;

/** Opens the index. Throws EngineError. */
export async function openTombstoneStore(deps: TombstoneStoreDependencies): Promise<TombstoneStore> {
  const marks = new Map<PartitionId, number>();
  const range = { from: Uint8Array.of(markPrefix), to: Uint8Array.of(markPrefix + 1) };
  for await (const [key, value] of deps.engine.entries(range)) {
    const payload = key.length === headerLength ? openValue(deps.crc32, key, value) : undefined;
    const mark = payload === undefined ? undefined : readNumber64(payload);
    // Damaged: hints cannot be told apart any more, so none is taken there.
    if (key.length === headerLength) marks.set(partitionOfKey(key), mark ?? Number.MAX_SAFE_INTEGER);
  }
  return new TombstoneStore(deps, marks);
}

export class TombstoneStore {
  readonly #deps: TombstoneStoreDependencies;
  readonly #marks: Map<PartitionId, number>;

  /** Use `openTombstoneStore`. */
  constructor(deps: TombstoneStoreDependencies, marks: Map<PartitionId, number>) {
    this.#deps = deps;
    this.#marks = marks;
  }

  /** Queues an entry; what is queued after it is stored after it. Rejects with EngineError. */
  put({ partition, recordKey, arrivedAtMs, digest }: TombstoneEntry): Promise<void> {
    const key = keyOf(indexPrefix, partition, recordKey);
    const payload = new Uint8Array(payloadLength);
    payload.set(number64(arrivedAtMs));
    payload.set(digest, 8);
    const value = sealValue(this.#deps.crc32, key, payload);
    return this.#deps.commit.write({ kind: 'put', key, value }, { sync: false });
  }

  /** Takes an entry away. Rejects with EngineError. */
  remove(partition: PartitionId, recordKey: Uint8Array): Promise<void> {
    const key = keyOf(indexPrefix, partition, recordKey);
    return this.#deps.commit.write({ kind: 'delete', key }, { sync: false });
  }

  /** Since when the record with this digest is here; `undefined`: there is no entry for it. Throws EngineError. */
  arrivedAtMs(partition: PartitionId, recordKey: Uint8Array, digest: Uint8Array): number | undefined {
    const key = keyOf(indexPrefix, partition, recordKey);
    const value = this.#deps.engine.get(key);
    const entry = value === undefined ? undefined : this.#open(key, value);
    return entry !== undefined && equalBytes(entry.digest, digest) ? entry.arrivedAtMs : undefined;
  }

  /**
   * At most `limit` entries in order, behind `after` (from the first: `undefined`); the last one's key to go on behind, or
   * `undefined` at the end. A damaged entry has an arrival that is not known. Rejects with EngineError.
   */
  async page(
    after: Uint8Array | undefined,
    limit: number,
  ): Promise<{ readonly entries: readonly IndexedTombstone[]; readonly last: Uint8Array | undefined }> {
    const from = after === undefined ? Uint8Array.of(indexPrefix) : Uint8Array.of(...after, 0);
    const entries: IndexedTombstone[] = [];
    let last: Uint8Array | undefined;
    const range = { from, to: Uint8Array.of(indexPrefix + 1), limit };
    for await (const [key, value] of this.#deps.engine.entries(range)) {
      last = key;
      if (key.length <= headerLength) continue;
      const entry = this.#open(key, value);
      entries.push({
        partition: partitionOfKey(key),
        recordKey: key.subarray(headerLength),
        arrivedAtMs: entry?.arrivedAtMs,
        digest: entry?.digest,
      });
      if (entries.length >= limit) return { entries, last };
    }
    return { entries, last: undefined };
  }

  /** Hints for the partition that were kept before this mark of this store may be older than what was collected. 0: nothing was. */
  collectedMark(partition: PartitionId): number {
    return this.#marks.get(partition) ?? 0;
  }

  /**
   * Queues a greater mark for a partition; what is removed after it in the queue is removed after it. It holds from now on.
   * Rejects with EngineError.
   */
  raiseCollectedMark(partition: PartitionId, mark: number): Promise<void> {
    if (mark <= this.collectedMark(partition)) return Promise.resolve();
    this.#marks.set(partition, mark);
    const key = keyOf(markPrefix, partition, new Uint8Array());
    const value = sealValue(this.#deps.crc32, key, number64(mark));
    return this.#deps.commit.write({ kind: 'put', key, value }, { sync: true });
  }

  #open(key: Uint8Array, value: Uint8Array): { arrivedAtMs: number; digest: Uint8Array } | undefined {
    const payload = openValue(this.#deps.crc32, key, value);
    if (payload === undefined || payload.length !== payloadLength) return undefined;
    const arrivedAtMs = readNumber64(payload.subarray(0, 8));
    return arrivedAtMs === undefined ? undefined : { arrivedAtMs, digest: payload.slice(8) };
  }
}

/** An entry as a walk over the index finds it. */
export interface IndexedTombstone {
  readonly partition: PartitionId;
  readonly recordKey: Uint8Array;
  /** `undefined`: the entry is damaged. */
  readonly arrivedAtMs: number | undefined;
  readonly digest: Uint8Array | undefined;
}

function keyOf(prefix: number, partition: PartitionId, recordKey: Uint8Array): Uint8Array {
  const key = new Uint8Array(headerLength + recordKey.length);
  key[0] = prefix;
  key[1] = partition >> 8;
  key[2] = partition & 0xff;
  key.set(recordKey, headerLength);
  return key;
}

function partitionOfKey(key: Uint8Array): PartitionId {
  return partitionId(((key[1] as number) << 8) | (key[2] as number));
}

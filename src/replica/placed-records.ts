/**
 * The replica by record key alone: finds the bucket and the partition, for those who hold only bytes (this node's
 * coordinator, and the peers).
 */

import { MalformedError } from '../core/binary.ts';
import type { Bucket } from '../core/bucket.ts';
import { readRecordKey } from '../core/ring/record-key.ts';
import { type Hash64, partitionOf, tokenOf } from '../core/ring/token.ts';
import type { ReadRecord } from './pending-records.ts';
import type { KnownWrite, MergedRecord, PlacedKey, Replica } from './replica.ts';

export interface PlacedRecordsDependencies {
  readonly replica: Replica;
  readonly buckets: ReadonlyMap<string, Bucket>;
  readonly hash64: Hash64;
  readonly partitions: number;
  /** Whether a stored record has to be answered as absent: a tombstone that this replica may forget at any time. */
  readonly isCollectable?: (place: PlacedKey, record: Uint8Array) => boolean;
  /** Whether a hint that was kept when this mark of this node's store had been heard may be older than what was forgotten. */
  readonly isHintOutdated?: (place: PlacedKey, receiverMark: number) => boolean;
}

export class PlacedRecords {
  readonly #deps: PlacedRecordsDependencies;
  /** What was placed last: an operation asks for its key more than once, with the very same array. */
  #last: PlacedKey | undefined;

  constructor(dependencies: PlacedRecordsDependencies) {
    this.#deps = dependencies;
  }

  /** Throws MalformedError for bytes that are no record key or name no bucket of this cluster. */
  place(recordKey: Uint8Array): PlacedKey {
    if (this.#last?.recordKey === recordKey) return this.#last;
    const name = readRecordKey(recordKey);
    if (name === undefined) throw new MalformedError('not a record key');
    const bucket = this.#deps.buckets.get(name.bucket);
    if (bucket === undefined) throw new MalformedError(`no bucket ${JSON.stringify(name.bucket)}`);
    const partition = partitionOf(tokenOf(this.#deps.hash64, recordKey), this.#deps.partitions);
    this.#last = { recordKey, partition, bucket };
    return this.#last;
  }

  /** What this replica answers for the key. Throws EngineError, or MalformedError as `place`. */
  read(recordKey: Uint8Array): ReadRecord {
    const place = this.place(recordKey);
    const read = this.#deps.replica.read(place);
    if (read.kind !== 'found' || this.#deps.isCollectable?.(place, read.record) !== true) return read;
    return { kind: 'absent' };
  }

  /** What is on the disk, also where it is answered as absent. Throws like `read`. */
  readStored(recordKey: Uint8Array): ReadRecord {
    return this.#deps.replica.readDisk(this.place(recordKey));
  }

  /** Whether a hint has to be turned down. Throws MalformedError as `place`. */
  isHintOutdated(recordKey: Uint8Array, receiverMark: number): boolean {
    return this.#deps.isHintOutdated?.(this.place(recordKey), receiverMark) ?? false;
  }

  async merge(
    recordKey: Uint8Array,
    record: Uint8Array,
    options: { readonly sync: boolean; readonly restoreDamaged: boolean },
  ): Promise<MergedRecord> {
    return await this.#deps.replica.merge(this.place(recordKey), record, options);
  }

  findWrite(recordKey: Uint8Array, requestId: Uint8Array): KnownWrite {
    return this.#deps.replica.findWrite(this.place(recordKey), requestId);
  }
}

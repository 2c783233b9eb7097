/**
 * Records that were decided and are on their way to the disk. Writes of one key follow each other without waiting for the
 * disk in between: the next one starts from what the last one decided, and a hundred writes of a hot key share one fsync.
 *
 * Read, decide and enqueue happen in one piece, with no await between them, so two writes can never read the same clock and
 * mint the same dot: that is what stores with threads need a lock for. A write is acknowledged, and its dot leaves the
 * process, only after it is stored, and so after all that it started from. What a reader is given comes from the disk.
 */

import { MalformedError } from '../core/binary.ts';
import type { Bucket } from '../core/bucket.ts';
import type { VersionedRecord } from '../core/causality/record.ts';
import type { PartitionId } from '../core/identity.ts';
import type { EngineError } from '../storage/engine.ts';
import type { StoredRead } from '../storage/record-store.ts';
import { CachedRecord, type RecordCache } from './record-cache.ts';

/** Where records rest. `RecordStore` in production. */
export interface Records {
  /** The first failed write, after which nothing may be read either. */
  readonly failure: EngineError | undefined;
  /** Throws EngineError. */
  read(partition: PartitionId, recordKey: Uint8Array): StoredRead;
  /** Stores in the order of the calls. Rejects with EngineError, and then so does everything after it. */
  write(
    partition: PartitionId,
    recordKey: Uint8Array,
    record: Uint8Array,
    options: { readonly sync: boolean },
  ): Promise<void>;
  /** Takes a record away, in the order of the calls too. Rejects likewise. */
  remove(partition: PartitionId, recordKey: Uint8Array, options: { readonly sync: boolean }): Promise<void>;
}

/** Where a record belongs: all that this layer asks of a `PlacedKey`. */
export interface RecordPlace {
  readonly recordKey: Uint8Array;
  readonly partition: PartitionId;
  readonly bucket: Pick<Bucket, 'replication'>;
}

/** Told of every change of a record, before it is queued for the disk and in one piece with that. The trees in production. */
export interface RecordChanges {
  /** `before` and `after`: the record's bytes, `undefined` for none. `sync`: whether it is stored on stable storage. */
  changed(
    place: RecordPlace,
    before: Uint8Array | 'damaged' | undefined,
    after: Uint8Array | undefined,
    sync: boolean,
  ): void;
  /** Whether the partition is being read from the disk as a whole: then `before` must be what the disk holds, damage included. */
  isWalked(partition: PartitionId): boolean;
}

/** A change on its way to the disk. */
export interface PendingChange {
  readonly place: RecordPlace;
  /** `undefined`: the record is being taken away. */
  readonly bytes: Uint8Array | undefined;
}

/** What became of `PendingRecords.remove`. */
export type RemovedRecord =
  | { readonly kind: 'removed'; readonly stored: Promise<void> }
  /** Nothing is stored for the key. */
  | { readonly kind: 'absent' }
  /** It is being written, fails its checksum, or `mayRemove` said no. */
  | { readonly kind: 'kept' };

/** What this replica holds for a key, counting what is on its way to the disk. */
export type CurrentRecord =
  | {
      readonly kind: 'found';
      readonly record: VersionedRecord;
      readonly bytes: Uint8Array;
      /** Resolves once it is on disk. `undefined`: it is. */
      readonly stored: Promise<void> | undefined;
    }
  | { readonly kind: 'absent' }
  | { readonly kind: 'damaged' };

/** What a reader is given. */
export type ReadRecord = CachedRecord | Exclude<StoredRead, { readonly kind: 'found' }>;

interface Pending extends PendingChange {
  readonly record: VersionedRecord | undefined;
  readonly stored: Promise<void>;
  readonly lasting: boolean;
}

const absent: CurrentRecord = { kind: 'absent' };
const damaged: CurrentRecord = { kind: 'damaged' };

export class PendingRecords {
  readonly #records: Records;
  readonly #changes: RecordChanges;
  readonly #cache: RecordCache;
  readonly #pending = new Map<string, Pending>();

  constructor(records: Records, changes: RecordChanges, cache: RecordCache) {
    this.#records = records;
    this.#changes = changes;
    this.#cache = cache;
  }

  /** Keys with a write on its way to the disk. */
  get size(): number {
    return this.#pending.size;
  }

  /** Whether a change of the record is on its way to the disk. */
  has(recordKey: Uint8Array): boolean {
    return this.#pending.has(nameOf(recordKey));
  }

  /** Throws EngineError. Bytes that pass the store's checksum and still are no record are damaged like any others. */
  current(partition: PartitionId, recordKey: Uint8Array): CurrentRecord {
    const name = nameOf(recordKey);
    const pending = this.#pending.get(name);
    if (pending === undefined) {
      if (this.#changes.isWalked(partition)) this.#cache.delete(name);
      return this.stored(partition, recordKey);
    }
    const { record, bytes, stored } = pending;
    return record === undefined || bytes === undefined ? absent : { kind: 'found', record, bytes, stored };
  }

  /** What is on its way to the disk in a partition: of each key the newest. */
  *changesIn(partition: PartitionId): Iterable<PendingChange> {
    for (const pending of this.#pending.values()) if (pending.place.partition === partition) yield pending;
  }

  /** What is on the disk, as a reader is given it. Throws EngineError. */
  stored(partition: PartitionId, recordKey: Uint8Array): CurrentRecord {
    const read = this.read(partition, recordKey);
    if (read.kind !== 'found') return read.kind === 'absent' ? absent : damaged;
    try {
      return { kind: 'found', record: read.decoded, bytes: read.record, stored: undefined };
    } catch (error) {
      if (error instanceof MalformedError) return damaged;
      throw error;
    }
  }

  /** The same, not decoded yet. Throws EngineError. */
  read(partition: PartitionId, recordKey: Uint8Array): ReadRecord {
    if (this.#records.failure !== undefined) throw this.#records.failure;
    const name = nameOf(recordKey);
    const known = this.#cache.get(name);
    if (known !== undefined) return known;
    const stored = this.#records.read(partition, recordKey);
    if (stored.kind !== 'found') return stored;
    const cached = new CachedRecord(stored.record);
    // While a change is on its way, what was read may be what the disk held before it.
    if (!this.#pending.has(name)) this.#cache.set(name, cached);
    return cached;
  }

  /**
   * The same from the disk, whatever memory holds, which is forgotten: for those who compare replicas or decide what may be forgotten,
   * and have to meet what a disk has lost or damaged while the other replicas can still repair it. Throws EngineError.
   */
  readDisk(partition: PartitionId, recordKey: Uint8Array): ReadRecord {
    this.#cache.delete(nameOf(recordKey));
    return this.read(partition, recordKey);
  }

  /**
   * From now on the key's current record; resolves when it is stored. `current`: what `current()` has just answered, in the same
   * piece. `bytes` must be `record` encoded, and must not change. `lasting`: they may be kept for long, and so may the record, whose
   * values are no part of anything larger, such as the message that they came in.
   */
  write(
    place: RecordPlace,
    current: CurrentRecord,
    record: VersionedRecord,
    bytes: Uint8Array,
    options: { readonly sync: boolean; readonly lasting?: boolean },
  ): Promise<void> {
    this.#changes.changed(place, bytesOf(current), bytes, options.sync);
    const stored = this.#records.write(place.partition, place.recordKey, bytes, options);
    this.#keep({ place, record, bytes, stored, lasting: options.lasting ?? false });
    return stored;
  }

  /**
   * Takes a record away as if it had never been, if it is on the disk and not being written, and `mayRemove` agrees. Throws
   * EngineError. The removal is not synced: one that is lost is made again.
   */
  remove(place: RecordPlace, mayRemove: (record: VersionedRecord) => boolean): RemovedRecord {
    const name = nameOf(place.recordKey);
    if (this.#pending.has(name)) return { kind: 'kept' };
    // What goes for good is looked at on the disk: if it is damaged there, it has to be repaired before anybody may judge it.
    this.#cache.delete(name);
    const current = this.stored(place.partition, place.recordKey);
    if (current.kind === 'absent') return { kind: 'absent' };
    if (current.kind === 'damaged' || !mayRemove(current.record)) return { kind: 'kept' };
    const options = { sync: false };
    this.#changes.changed(place, current.bytes, undefined, options.sync);
    const stored = this.#records.remove(place.partition, place.recordKey, options);
    this.#keep({ place, record: undefined, bytes: undefined, stored, lasting: false });
    return { kind: 'removed', stored };
  }

  /** Whether what is on the disk is damaged, and nothing is on its way to replace it. Throws EngineError. */
  isDamaged({ partition, recordKey }: RecordPlace): boolean {
    const name = nameOf(recordKey);
    if (this.#pending.has(name)) return false;
    this.#cache.delete(name);
    return this.stored(partition, recordKey).kind === 'damaged';
  }

  /**
   * Takes a damaged record away, if it is still damaged on the disk and not being written: for one that no other replica has anything
   * of. False: it is not. Throws EngineError. Not synced: a removal that is lost is made again.
   */
  removeDamaged(place: RecordPlace): boolean {
    if (!this.isDamaged(place)) return false;
    this.#changes.changed(place, 'damaged', undefined, false);
    const stored = this.#records.remove(place.partition, place.recordKey, { sync: false });
    this.#keep({ place, record: undefined, bytes: undefined, stored, lasting: false });
    return true;
  }

  #keep(pending: Pending): void {
    const name = nameOf(pending.place.recordKey);
    this.#pending.set(name, pending);
    this.#cache.delete(name);
    const settled = (): boolean => this.#pending.get(name) === pending && this.#pending.delete(name);
    pending.stored.then(
      () => {
        // With a newer change on its way the disk holds this one or that one.
        if (!settled() || pending.bytes === undefined) return;
        const { bytes, record, lasting } = pending;
        this.#cache.set(
          name,
          lasting ? new CachedRecord(bytes, record) : new CachedRecord(new Uint8Array(bytes)),
        );
      },
      // A failed store refuses everything from then on, so nothing can start from a record that was never stored.
      settled,
    );
  }
}

function bytesOf(current: CurrentRecord): Uint8Array | 'damaged' | undefined {
  return current.kind === 'found' ? current.bytes : current.kind === 'damaged' ? 'damaged' : undefined;
}

let lastNamed: Uint8Array | undefined;
let lastName = '';

/** A Map key of the bytes: one character a byte, made natively. Remembers the last array: each operation asks for its key's name several times. */
export function nameOf(bytes: Uint8Array): string {
  if (bytes === lastNamed) return lastName;
  lastName = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
  lastNamed = bytes;
  return lastName;
}

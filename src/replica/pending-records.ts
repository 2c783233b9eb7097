/**
 * Records that were decided and are on their way to the disk. Writes of one key follow each other without waiting for the
 * disk in between: the next one starts from what the last one decided, and a hundred writes of a hot key share one fsync.
 *
 * Read, decide and enqueue happen in one piece, with no await between them, so two writes can never read the same clock and
 * mint the same dot: that is what stores with threads need a lock for. A write is acknowledged, and its dot leaves the
 * process, only after it is stored, and so after all that it started from. What a reader is given comes from the disk.
 */

import { crc32 } from 'node:zlib';
import { MalformedError } from '../core/binary.ts';
import type { VersionedRecord } from '../core/causality/record.ts';
import { decodeRecord } from '../core/causality/record-codec.ts';
import type { PartitionId } from '../core/identity.ts';
import type { StoredRead } from '../storage/record-store.ts';

/** Where records rest. `RecordStore` in production. */
export interface Records {
  /** Throws EngineError. */
  read(partition: PartitionId, recordKey: Uint8Array): StoredRead;
  /** Stores in the order of the calls. Rejects with EngineError, and then so does everything after it. */
  write(
    partition: PartitionId,
    recordKey: Uint8Array,
    record: Uint8Array,
    options: { readonly sync: boolean },
  ): Promise<void>;
}

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

interface Pending {
  readonly record: VersionedRecord;
  readonly bytes: Uint8Array;
  readonly stored: Promise<void>;
}

const absent: CurrentRecord = { kind: 'absent' };
const damaged: CurrentRecord = { kind: 'damaged' };

export class PendingRecords {
  readonly #records: Records;
  readonly #pending = new Map<string, Pending>();

  constructor(records: Records) {
    this.#records = records;
  }

  /** Keys with a write on its way to the disk. */
  get size(): number {
    return this.#pending.size;
  }

  /** Throws EngineError. Bytes that pass the store's checksum and still are no record are damaged like any others. */
  current(partition: PartitionId, recordKey: Uint8Array): CurrentRecord {
    const pending = this.#pending.get(nameOf(recordKey));
    return pending === undefined ? this.stored(partition, recordKey) : { kind: 'found', ...pending };
  }

  /** What is on the disk, as a reader is given it. Throws EngineError. */
  stored(partition: PartitionId, recordKey: Uint8Array): CurrentRecord {
    const stored = this.#records.read(partition, recordKey);
    switch (stored.kind) {
      case 'absent':
        return absent;
      case 'damaged':
        return damaged;
      case 'found':
        return decoded(stored.record);
    }
  }

  /** From now on the key's current record; resolves when it is stored. `bytes` must be `record` encoded, and must not change. */
  write(
    partition: PartitionId,
    recordKey: Uint8Array,
    record: VersionedRecord,
    bytes: Uint8Array,
    options: { readonly sync: boolean },
  ): Promise<void> {
    const name = nameOf(recordKey);
    const stored = this.#records.write(partition, recordKey, bytes, options);
    const pending: Pending = { record, bytes, stored };
    this.#pending.set(name, pending);
    const settled = (): void => {
      // A failed store refuses everything from then on, so nothing can start from a record that was never stored.
      if (this.#pending.get(name) === pending) this.#pending.delete(name);
    };
    stored.then(settled, settled);
    return stored;
  }
}

function decoded(bytes: Uint8Array): CurrentRecord {
  try {
    return { kind: 'found', record: decodeRecord(bytes, crc32), bytes, stored: undefined };
  } catch (error) {
    if (error instanceof MalformedError) return damaged;
    throw error;
  }
}

/** A Map key of the bytes: one character a byte, made natively. */
export function nameOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}

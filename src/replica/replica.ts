/**
 * This node's copy of the records: reads them, makes new versions as the coordinating replica, and merges what other
 * replicas send. What a write or a merge makes of a record is decided in core/causality; here it is done under the key's
 * lock, and persisted before anybody hears of it.
 */

import { crc32 } from 'node:zlib';
import type { Bucket } from '../core/bucket.ts';
import type { OwnReplica } from '../core/causality/actor.ts';
import {
  type CausalContext,
  contextAfterWrite,
  contextBytesMax,
  contextLength,
  contextOf,
  emptyContext,
} from '../core/causality/context-token.ts';
import { decideWrite, type WriteDecision, type WriteIntent } from '../core/causality/coordinated-write.ts';
import type { Dot } from '../core/causality/dot.ts';
import { receiveRecord } from '../core/causality/received-record.ts';
import { type VersionedRecord, versionOfRequest } from '../core/causality/record.ts';
import { decodeRecord, encodeRecord } from '../core/causality/record-codec.ts';
import type { HybridClock } from '../core/hybrid-clock.ts';
import type { PartitionId } from '../core/identity.ts';
import { EngineError } from '../storage/engine.ts';
import type { StoredRead } from '../storage/record-store.ts';
import { KeyLock } from './key-lock.ts';
import type { RequestMemory } from './request-memory.ts';

/** Where records rest. `RecordStore` in production. */
export interface Records {
  read(partition: PartitionId, recordKey: Uint8Array): StoredRead;
  write(
    partition: PartitionId,
    recordKey: Uint8Array,
    record: Uint8Array,
    options: { readonly sync: boolean },
  ): Promise<void>;
}

/** Who this data store is: its replica id and epochs. `IdentityStore` in production. */
export interface Identity extends OwnReplica {
  /** Resolves once `nextEpoch` can be called again. */
  ensureEpochs(): Promise<void>;
  /** Says durably, once per run, that dots may leave the process before they are fsynced. */
  markBufferedDots(): Promise<void>;
}

export interface ReplicaDependencies {
  readonly records: Records;
  readonly identity: Identity;
  readonly clock: HybridClock;
  readonly requests: RequestMemory;
  readonly wallMicros: () => number;
}

export interface ReplicaOptions {
  readonly recordBytesMax: number;
}

/** A key as this layer needs it: its name, where it is stored, and the rules of its bucket. */
export interface PlacedKey {
  readonly recordKey: Uint8Array;
  readonly partition: PartitionId;
  readonly bucket: Bucket;
}

export type CoordinatedWrite =
  | {
      readonly kind: 'written';
      readonly dot: Dot;
      /** What the writer has seen now. */
      readonly context: CausalContext;
      readonly record: VersionedRecord;
      /** The encoded record, as stored: what the other replicas are sent. */
      readonly bytes: Uint8Array;
      readonly replayed: boolean;
    }
  | {
      readonly kind: 'refused';
      readonly why:
        | Extract<WriteDecision, { kind: 'refused' }>['why']
        | 'record-too-large'
        | 'context-too-large';
      readonly record: VersionedRecord | undefined;
    }
  /** What this replica holds for the key failed its checksum: repair it from the peers first. */
  | { readonly kind: 'damaged' }
  /** The disk failed. `begun`: the write may be there again after a restart, from what reached the log. */
  | { readonly kind: 'storage-failed'; readonly begun: boolean; readonly error: EngineError };

export interface MergedRecord {
  readonly changed: boolean;
  /** Fsynced before this answer. */
  readonly synced: boolean;
}

export class Replica {
  readonly #deps: ReplicaDependencies;
  readonly #options: ReplicaOptions;
  readonly #lock = new KeyLock();

  constructor(dependencies: ReplicaDependencies, options: ReplicaOptions) {
    this.#deps = dependencies;
    this.#options = options;
  }

  /** Keys whose writes are in progress. */
  get keysLocked(): number {
    return this.#lock.size;
  }

  /** The stored record's bytes. Throws EngineError: a failed disk is not an absent key. */
  read(key: PlacedKey): StoredRead {
    return this.#deps.records.read(key.partition, key.recordKey);
  }

  /** Makes a new version as this key's coordinating replica, and persists it. */
  coordinate(
    key: PlacedKey,
    intent: WriteIntent,
    options: {
      readonly sync: boolean;
      /** Go on from nothing where the stored record is damaged. Only after the peers were asked for it. */
      readonly forgetDamaged: boolean;
    },
  ): Promise<CoordinatedWrite> {
    return this.#lock.run(key.recordKey, async () => {
      let begun = false;
      try {
        const stored = this.read(key);
        if (stored.kind === 'damaged' && !options.forgetDamaged) return { kind: 'damaged' };
        const local = stored.kind === 'found' ? decodeRecord(stored.record, crc32) : undefined;
        await this.#deps.identity.ensureEpochs();
        const decision = this.#decide(key, local, intent);
        if (decision.kind === 'refused') return { kind: 'refused', why: decision.why, record: local };

        const { record, dot, context } = decision;
        const bytes = encodeRecord(record, crc32);
        if (decision.kind === 'write') {
          const refusal = this.#oversize(record, bytes, stored);
          if (refusal !== undefined) return { kind: 'refused', why: refusal, record: local };
          if (!options.sync) await this.#deps.identity.markBufferedDots();
        }
        // A replay is written again too: the first attempt may have been buffered, and this one asks for the disk.
        if (decision.kind === 'write' || options.sync) {
          begun = true;
          await this.#deps.records.write(key.partition, key.recordKey, bytes, options);
        }
        if (intent.requestId !== undefined) {
          this.#deps.requests.remember(key.recordKey, intent.requestId, {
            dot,
            fingerprint: fingerprint(intent.value),
          });
        }
        return { kind: 'written', dot, context, record, bytes, replayed: decision.kind === 'replayed' };
      } catch (error) {
        if (error instanceof EngineError) return { kind: 'storage-failed', begun, error };
        throw error;
      }
    });
  }

  /**
   * Keeps what another replica sent: a write, a repair or a hint. Rejects with MalformedError or EngineError. A damaged
   * local record counts as forgotten: what the peers hold replaces it, and the rule of epochs covers what was lost.
   */
  merge(key: PlacedKey, bytes: Uint8Array, options: { readonly sync: boolean }): Promise<MergedRecord> {
    const incoming = decodeRecord(bytes, crc32);
    return this.#lock.run(key.recordKey, async () => {
      this.#remember(key, incoming);
      const stored = this.read(key);
      if (stored.kind === 'found' && sameBytes(stored.record, bytes)) {
        if (options.sync) await this.#deps.records.write(key.partition, key.recordKey, bytes, options);
        return { changed: false, synced: options.sync };
      }
      const local = stored.kind === 'found' ? decodeRecord(stored.record, crc32) : undefined;
      await this.#deps.identity.ensureEpochs();
      const merged = receiveRecord(local, incoming, key.bucket.conflictPolicy, this.#deps.identity);
      const changed = merged !== local;
      if (changed || options.sync) {
        // Holding nothing to merge, the replica stores the bytes as they came.
        const next = merged === incoming ? bytes : encodeRecord(merged, crc32);
        await this.#deps.records.write(key.partition, key.recordKey, next, options);
      }
      return { changed, synced: options.sync };
    });
  }

  /** The dot of the write with this request id, if the record or the short memory knows it. Throws EngineError. */
  findWrite(key: PlacedKey, requestId: Uint8Array): Dot | undefined {
    const stored = this.read(key);
    if (stored.kind === 'found') {
      const version = versionOfRequest(decodeRecord(stored.record, crc32), requestId);
      if (version !== undefined) return version.dot;
    }
    return this.#deps.requests.find(key.recordKey, requestId)?.dot;
  }

  #decide(key: PlacedKey, local: VersionedRecord | undefined, intent: WriteIntent): WriteDecision {
    const { requestId } = intent;
    if (requestId !== undefined && local !== undefined && versionOfRequest(local, requestId) === undefined) {
      const earlier = this.#deps.requests.find(key.recordKey, requestId);
      if (earlier !== undefined) {
        if (earlier.fingerprint !== fingerprint(intent.value)) {
          return { kind: 'refused', why: 'request-id-reused' };
        }
        const { causality } = intent;
        const seen = causality.kind === 'context' ? causality.context : emptyContext;
        const context = contextAfterWrite(seen, earlier.dot, 0);
        return { kind: 'replayed', record: local, dot: earlier.dot, context };
      }
    }
    return decideWrite(local, intent, {
      bucket: key.bucket,
      own: this.#deps.identity,
      nowMicros: this.#deps.wallMicros(),
      tick: (after) => this.#deps.clock.tick(after),
    });
  }

  /** A write that grows a record beyond its bounds is refused; one that shrinks it always passes, or nobody could resolve it. */
  #oversize(
    record: VersionedRecord,
    bytes: Uint8Array,
    stored: StoredRead,
  ): 'record-too-large' | 'context-too-large' | undefined {
    const before = stored.kind === 'found' ? stored.record.length : 0;
    if (bytes.length > this.#options.recordBytesMax && bytes.length > before) return 'record-too-large';
    if (contextLength(contextOf(record)) > contextBytesMax && bytes.length > before)
      return 'context-too-large';
    return undefined;
  }

  #remember(key: PlacedKey, incoming: VersionedRecord): void {
    for (const version of incoming.versions) {
      if (version.requestId === undefined) continue;
      this.#deps.requests.remember(key.recordKey, version.requestId, {
        dot: version.dot,
        fingerprint: fingerprint(version.value),
      });
    }
  }
}

function fingerprint(value: Uint8Array | undefined): string {
  return value === undefined ? 'deletion' : `${value.length}:${crc32(value)}`;
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && Buffer.compare(a, b) === 0;
}

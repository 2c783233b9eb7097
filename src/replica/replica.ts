/**
 * This node's copy of the records: reads them, makes new versions as the coordinating replica, and merges what other
 * replicas send. What a write or a merge makes of a record is decided in core/causality; here it is done in one piece
 * (pending-records.ts), and persisted before anybody hears of it.
 */

import { crc32 } from 'node:zlib';
import type { Bucket } from '../core/bucket.ts';
import type { OwnReplica } from '../core/causality/actor.ts';
import { type CausalContext, contextAfterWrite, emptyContext } from '../core/causality/context-token.ts';
import { decideWrite, type WriteDecision, type WriteIntent } from '../core/causality/coordinated-write.ts';
import type { Dot } from '../core/causality/dot.ts';
import { receiveRecord } from '../core/causality/received-record.ts';
import { type VersionedRecord, versionOfRequest } from '../core/causality/record.ts';
import { exceedsBounds } from '../core/causality/record-bounds.ts';
import { decodeRecord, encodeRecord } from '../core/causality/record-codec.ts';
import { covers } from '../core/causality/vector-clock.ts';
import type { HybridClock } from '../core/hybrid-clock.ts';
import type { PartitionId } from '../core/identity.ts';
import { EngineError } from '../storage/engine.ts';
import {
  type CurrentRecord,
  type PendingChange,
  PendingRecords,
  type ReadRecord,
  type RecordChanges,
  type Records,
  type RemovedRecord,
} from './pending-records.ts';
import type { RecordCache } from './record-cache.ts';
import type { RememberedWrite, RequestMemory } from './request-memory.ts';

/** Who this data store is: its replica id and epochs. `IdentityStore` in production. */
export interface Identity extends OwnReplica {
  /** How often `nextEpoch` can be called now. */
  readonly epochsLeft: number;
  /** Resolves once `nextEpoch` could be called again; others who waited may have been quicker. */
  ensureEpochs(): Promise<void>;
  /** Says durably, once per run, that dots may leave the process before they are fsynced. */
  markBufferedDots(): Promise<void>;
}

export interface ReplicaDependencies {
  readonly records: Records;
  readonly changes: RecordChanges;
  readonly cache: RecordCache;
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

type RefusedWhy =
  | Extract<WriteDecision, { kind: 'refused' }>['why']
  | 'record-too-large'
  | 'context-too-large';

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
      readonly why: RefusedWhy;
      readonly record: VersionedRecord | undefined;
    }
  /** What this replica holds for the key failed its checksum: repair it from the peers first. */
  | { readonly kind: 'damaged' }
  /** `mayBegin` said no: nothing was done. */
  | { readonly kind: 'abandoned' }
  /** The disk failed. `begun`: the write may be there again after a restart, from what reached the log. */
  | { readonly kind: 'storage-failed'; readonly begun: boolean; readonly error: EngineError };

export type MergedRecord =
  | {
      readonly kind: 'merged';
      readonly changed: boolean;
      /** Fsynced before this answer. */
      readonly synced: boolean;
    }
  /** What this replica holds failed its checksum, and what came may know less than what was lost: nothing was stored. */
  | { readonly kind: 'damaged' };

export type KnownWrite =
  | { readonly kind: 'found'; readonly dot: Dot }
  | { readonly kind: 'unseen' }
  /** Whether it was seen cannot be known. */
  | { readonly kind: 'damaged' };

export class Replica {
  readonly #deps: ReplicaDependencies;
  readonly #options: ReplicaOptions;
  readonly #pending: PendingRecords;

  constructor(dependencies: ReplicaDependencies, options: ReplicaOptions) {
    this.#deps = dependencies;
    this.#options = options;
    this.#pending = new PendingRecords(dependencies.records, dependencies.changes, dependencies.cache);
  }

  /** Keys with a write on its way to the disk. */
  get keysPending(): number {
    return this.#pending.size;
  }

  /** Whether a change of the record is on its way to the disk. */
  isPending(recordKey: Uint8Array): boolean {
    return this.#pending.has(recordKey);
  }

  /** What is on its way to the disk in a partition: of each key the newest. */
  changesIn(partition: PartitionId): Iterable<PendingChange> {
    return this.#pending.changesIn(partition);
  }

  /**
   * Takes a record away as if it had never been, if it is on the disk and not being written, and `mayRemove` agrees: for what all
   * replicas of the key may forget. Read, asked and queued in one piece. Throws EngineError.
   */
  remove(key: PlacedKey, mayRemove: (record: VersionedRecord) => boolean): RemovedRecord {
    return this.#pending.remove(key, mayRemove);
  }

  /** See `PendingRecords.isDamaged`. Throws EngineError. */
  isDamaged(key: PlacedKey): boolean {
    return this.#pending.isDamaged(key);
  }

  /** Takes a damaged record away that no other replica has anything of: see `PendingRecords.removeDamaged`. Throws EngineError. */
  removeDamaged(key: PlacedKey): boolean {
    return this.#pending.removeDamaged(key);
  }

  /** The stored record. Throws EngineError: a failed disk is not an absent key. */
  read(key: PlacedKey): ReadRecord {
    return this.#pending.read(key.partition, key.recordKey);
  }

  /** The same from the disk, whatever memory holds: see `PendingRecords.readDisk`. Throws EngineError. */
  readDisk(key: PlacedKey): ReadRecord {
    return this.#pending.readDisk(key.partition, key.recordKey);
  }

  /** Makes a new version as this key's coordinating replica, and persists it. */
  async coordinate(
    key: PlacedKey,
    intent: WriteIntent,
    options: {
      readonly sync: boolean;
      /** Go on from nothing where the stored record is damaged. Only after the peers were asked for it. */
      readonly forgetDamaged: boolean;
      /** Asked right before anything is changed: false when nobody waits for the write any more. */
      readonly mayBegin: () => boolean;
    },
  ): Promise<CoordinatedWrite> {
    let begun = false;
    try {
      if (!options.sync) await this.#deps.identity.markBufferedDots();
      // Checked again after every wait: those who waited for one lease together may use it up.
      while (this.#deps.identity.epochsLeft <= 0) await this.#deps.identity.ensureEpochs();
      // From here to the write nothing is awaited: read, decide and enqueue are one piece.
      if (!options.mayBegin()) return { kind: 'abandoned' };
      const current = this.#pending.current(key.partition, key.recordKey);
      if (current.kind === 'damaged' && !options.forgetDamaged) return { kind: 'damaged' };
      const held = current.kind === 'found' ? current : undefined;
      const decision = this.#decide(key, held?.record, intent);
      const bytes = decision.kind === 'write' ? encodeRecord(decision.record, crc32) : held?.bytes;
      const why = decision.kind === 'refused' ? decision.why : this.#oversize(decision, bytes, held?.bytes);
      if (why !== undefined || decision.kind === 'refused' || bytes === undefined) {
        // The answer shows the record: it must not show what a crash could still undo.
        await held?.stored;
        return { kind: 'refused', why: why as RefusedWhy, record: held?.record };
      }
      const { record, dot, context } = decision;
      // It is there, whatever becomes of the look at the disk.
      if (decision.kind === 'replayed') begun = true;
      // A replay is written again where the disk is asked for: the first attempt may have been buffered.
      if (decision.kind === 'write' || options.sync || !this.#isStored(key, held)) {
        begun = true;
        const stored = this.#pending.write(key, current, record, bytes, options);
        this.#rememberWrite(key, intent, dot, context.writtenAt);
        await stored;
      } else await held?.stored;
      return { kind: 'written', dot, context, record, bytes, replayed: decision.kind === 'replayed' };
    } catch (error) {
      if (error instanceof EngineError) return { kind: 'storage-failed', begun, error };
      throw error;
    }
  }

  /**
   * Keeps what another replica sent: a write, a repair or a hint. Rejects with MalformedError or EngineError.
   *
   * Only a repair may replace a damaged record, because whoever sends it has asked the other replicas; the rule of epochs
   * covers what was lost. A write comes from one coordinator, which may not know all that this replica acknowledged: stored
   * over the damage it would make this replica vouch for less, and two quorums could miss each other.
   */
  async merge(
    key: PlacedKey,
    received: Uint8Array,
    options: { readonly sync: boolean; readonly restoreDamaged: boolean },
  ): Promise<MergedRecord> {
    // A copy: what came is part of a frame, and what is stored stays in memory.
    const bytes = new Uint8Array(received);
    const incoming = decodeRecord(bytes, crc32);
    while (this.#deps.identity.epochsLeft <= 0) await this.#deps.identity.ensureEpochs();
    // From here to the write nothing is awaited: read, decide and enqueue are one piece.
    const current = this.#pending.current(key.partition, key.recordKey);
    if (current.kind === 'damaged' && !options.restoreDamaged) return { kind: 'damaged' };
    const held = current.kind === 'found' ? current : undefined;
    const merged =
      held !== undefined && sameBytes(held.bytes, bytes)
        ? held.record
        : receiveRecord(held?.record, incoming, key.bucket.conflictPolicy, this.#deps.identity);
    const changed = merged !== held?.record;
    // Unchanged, it is written again where the disk is asked for: what is there may have been buffered.
    if (changed || options.sync || !this.#isStored(key, held)) {
      // With nothing to merge, the replica stores the bytes as they came.
      const isIncoming = merged === incoming;
      const next = isIncoming ? bytes : changed ? encodeRecord(merged, crc32) : (held?.bytes ?? bytes);
      const how = { sync: options.sync, lasting: isIncoming };
      const stored = this.#pending.write(key, current, merged, next, how);
      this.#rememberReceived(key, incoming);
      await stored;
    } else await held?.stored;
    return { kind: 'merged', changed, synced: options.sync };
  }

  /**
   * Whether what is held is on the disk or on its way there. What memory holds may have rotted on the disk since, and to acknowledge it
   * once more is to say that it is there. Throws EngineError.
   */
  #isStored(key: PlacedKey, held: Extract<CurrentRecord, { kind: 'found' }> | undefined): boolean {
    return held?.stored !== undefined || !this.isDamaged(key);
  }

  /** The dot of the write with this request id, if the stored record or the short memory knows it. Throws EngineError. */
  findWrite(key: PlacedKey, requestId: Uint8Array): KnownWrite {
    const stored = this.#pending.stored(key.partition, key.recordKey);
    if (stored.kind === 'damaged') return stored;
    const record = stored.kind === 'found' ? stored.record : undefined;
    const version = record === undefined ? undefined : versionOfRequest(record, requestId);
    const dot = version?.dot ?? this.#remembered(key, requestId, record)?.dot;
    return dot === undefined ? { kind: 'unseen' } : { kind: 'found', dot };
  }

  /**
   * An earlier write with this request id that the record has seen, and that was superseded. What is remembered and not in
   * the record's clock is not there: still on its way to the disk, or lost with a damaged record.
   */
  #remembered(
    key: PlacedKey,
    requestId: Uint8Array,
    record: VersionedRecord | undefined,
  ): RememberedWrite | undefined {
    const earlier = this.#deps.requests.find(key.recordKey, requestId);
    return earlier !== undefined && record !== undefined && covers(record.clock, earlier.dot)
      ? earlier
      : undefined;
  }

  #decide(key: PlacedKey, local: VersionedRecord | undefined, intent: WriteIntent): WriteDecision {
    const { requestId } = intent;
    if (requestId !== undefined && local !== undefined && versionOfRequest(local, requestId) === undefined) {
      const earlier = this.#remembered(key, requestId, local);
      if (earlier !== undefined) {
        if (earlier.fingerprint !== fingerprint(intent.value)) {
          return { kind: 'refused', why: 'request-id-reused' };
        }
        const { causality } = intent;
        const seen = causality.kind === 'context' ? causality.context : emptyContext;
        const context = contextAfterWrite(seen, earlier.dot, earlier.writtenAt);
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
    decision: Exclude<WriteDecision, { kind: 'refused' }>,
    bytes: Uint8Array | undefined,
    before: Uint8Array | undefined,
  ): 'record-too-large' | 'context-too-large' | undefined {
    if (bytes === undefined || decision.kind === 'replayed') return undefined;
    return exceedsBounds(decision.record, bytes.length, before?.length ?? 0, this.#options.recordBytesMax);
  }

  #rememberWrite(key: PlacedKey, intent: WriteIntent, dot: Dot, writtenAt: number): void {
    if (intent.requestId === undefined) return;
    this.#deps.requests.remember(key.recordKey, intent.requestId, {
      dot,
      fingerprint: fingerprint(intent.value),
      writtenAt,
    });
  }

  #rememberReceived(key: PlacedKey, incoming: VersionedRecord): void {
    for (const { requestId, dot, value, writtenAt } of incoming.versions) {
      if (requestId === undefined) continue;
      const write = { dot, fingerprint: fingerprint(value), writtenAt };
      this.#deps.requests.remember(key.recordKey, requestId, write);
    }
  }
}

function fingerprint(value: Uint8Array | undefined): string {
  return value === undefined ? 'deletion' : `${value.length}:${crc32(value)}`;
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && Buffer.compare(a, b) === 0;
}

/**
 * Says of single records what core/anti-entropy/tombstone.ts decides, for reads, listings and collection: it knows when a
 * tombstone arrived (the index), what it was compared with (the log), and whose key it is. It follows every write of a record,
 * in one piece with it, so that the index entry is queued before the record.
 */

import { crc32 } from 'node:zlib';
import {
  type Death,
  deathOfEncoded,
  isCollectable,
  isDeletable,
  isSettled,
  type TombstoneRules,
  type TombstoneTimes,
} from '../core/anti-entropy/tombstone.ts';
import type { Bucket } from '../core/bucket.ts';
import { equalBytes, mapKeyOf } from '../core/bytes.ts';
import { decodeRecordClock } from '../core/causality/record-codec.ts';
import type { NodeId, PartitionId } from '../core/identity.ts';
import type { Placement } from '../core/ring/placement.ts';
import { readRecordKey } from '../core/ring/record-key.ts';
import { type Hash64, partitionOf, tokenOf } from '../core/ring/token.ts';
import { digest64 } from '../env/xxhash.ts';
import type { TombstoneStore } from '../storage/tombstone-store.ts';
import type { ComparisonLog, HomesCompared } from './comparison-log.ts';

export interface TombstoneJudgeDependencies {
  readonly self: NodeId;
  readonly hash64: Hash64;
  readonly buckets: ReadonlyMap<string, Pick<Bucket, 'replication'>>;
  readonly placementFor: (replication: number) => Placement;
  readonly store: Pick<TombstoneStore, 'put' | 'remove' | 'arrivedAtMs'>;
  readonly log: Pick<ComparisonLog, 'of' | 'mayBeElsewhere'>;
  /** This store's id. */
  readonly replicaId: number;
  /** Running time of this node's store. */
  readonly runningMs: () => number;
  /** The hybrid clock. */
  readonly hybridMicros: () => number;
  /** Whether a change of the record is on its way to the disk. */
  readonly isPending: (recordKey: Uint8Array) => boolean;
  /** Told of what the store refused in the background. The store's own listeners stop the node. */
  readonly onError: (error: unknown) => void;
}

export interface TombstoneJudgeOptions {
  /** Q. */
  readonly partitions: number;
  /** See `tombstones.grace_ms`. */
  readonly graceMs: number;
}

/** Where a record belongs. */
export interface JudgedPlace {
  readonly recordKey: Uint8Array;
  readonly partition: PartitionId;
  readonly bucket: { readonly replication: number };
}

/** What collection has to know of one record. */
export type TombstoneState =
  /** A version of it lives for ever, or will for long: nothing to collect. */
  | { readonly kind: 'alive' }
  /** It may be collected one day, or is one of those that have to stay. `overdue`: it would be by now, but for a home that was not compared with. */
  | { readonly kind: 'waiting'; readonly overdue: boolean }
  | { readonly kind: 'collectable' }
  /** `collectedMark`: what `TombstoneStore.raiseCollectedMark` has to be told before. */
  | { readonly kind: 'deletable'; readonly collectedMark: number };

/** Arrivals that may still be on their way to the disk are looked through when there are so many, or at a comparison. */
const arrivingMax = 4_096;

export class TombstoneJudge {
  readonly #deps: TombstoneJudgeDependencies;
  readonly #options: TombstoneJudgeOptions;
  /** Tombstones that were on their way to the disk when last looked at, and when they arrived. */
  readonly #arriving = new Map<string, { readonly recordKey: Uint8Array; readonly atMs: number }>();
  readonly #otherHomes = new Map<readonly NodeId[], readonly NodeId[]>();

  constructor(dependencies: TombstoneJudgeDependencies, options: TombstoneJudgeOptions) {
    this.#deps = dependencies;
    this.#options = options;
  }

  /**
   * Follows a change of a record, before it is queued for the disk and in one piece with that. Bytes that are written once more
   * as they were keep their time: they were here.
   */
  changed(
    { recordKey, partition }: JudgedPlace,
    before: Uint8Array | 'damaged' | undefined,
    after: Uint8Array | undefined,
  ): void {
    const { store, onError } = this.#deps;
    if (after === undefined) {
      // Before the record in the queue: a record without an entry counts as just come.
      store.remove(partition, recordKey).catch(onError);
      return;
    }
    if (deathOfEncoded(after) === undefined) return;
    if (before instanceof Uint8Array && equalBytes(before, after)) return;
    this.#arrived(partition, recordKey, digest64(after));
  }

  /**
   * The running time that a comparison which begins now has to give as its start: all that arrived before it is on the disk,
   * where listings are read from. Never later than now.
   */
  comparisonStart(): number {
    this.#dropStored();
    let startMs = this.#deps.runningMs();
    for (const { atMs } of this.#arriving.values()) if (atMs < startMs) startMs = atMs;
    return startMs;
  }

  /**
   * Whether a listing has to leave the record out: it is nothing but deletions and expired values, dead for longer than the
   * grace, and known to be at every other home. A replica that has collected it and one that has not are equal then.
   */
  isAged(recordKey: Uint8Array, record: Uint8Array): boolean {
    const death = deathOfEncoded(record);
    const rules = this.#rules();
    if (death === undefined || !isOldEnough(death, rules)) return false;
    const place = this.#place(recordKey);
    return place !== undefined && isSettled(death, this.#times(place, digest64(record)), rules);
  }

  /** Whether the record has to be answered as absent: see `isCollectable` in core. */
  isCollectable(place: JudgedPlace, record: Uint8Array): boolean {
    const death = deathOfEncoded(record);
    const rules = this.#rules();
    if (death === undefined || !isOldEnough(death, rules)) return false;
    return (
      isCollectable(death, this.#times(place, digest64(record)), rules) &&
      !this.#isKnownElsewhere(place, record)
    );
  }

  /** What collection may do with the record. */
  stateOf(place: JudgedPlace, record: Uint8Array): TombstoneState {
    const death = deathOfEncoded(record);
    if (death === undefined) return { kind: 'alive' };
    const rules = this.#rules();
    if (!isOldEnough(death, rules)) return { kind: 'waiting', overdue: false };
    const times = this.#times(place, digest64(record));
    if (this.#isKnownElsewhere(place, record)) return { kind: 'waiting', overdue: false };
    if (isDeletable(death, times, rules)) return { kind: 'deletable', collectedMark: times.collectedMark };
    if (isCollectable(death, times, rules)) return { kind: 'collectable' };
    const livedMs = rules.nowMs - (times.arrivedAtMs ?? rules.nowMs);
    return {
      kind: 'waiting',
      overdue: livedMs > 2 * rules.graceMs && times.collectableBeforeMs === undefined,
    };
  }

  /** What has been compared of a partition: for collection, which looks at many keys of it. */
  comparedOf(partition: PartitionId, replication: number): HomesCompared {
    return this.#deps.log.of(replication, this.#otherHomesOf(partition, replication));
  }

  #arrived(partition: PartitionId, recordKey: Uint8Array, digest: Uint8Array): void {
    const { store, runningMs, onError } = this.#deps;
    const atMs = runningMs();
    if (this.#arriving.size >= arrivingMax) this.#dropStored();
    const name = mapKeyOf(recordKey);
    // The earlier of two that are both on their way: the later time would let a comparison begin before the first is there.
    if (!this.#arriving.has(name)) this.#arriving.set(name, { recordKey, atMs });
    store.put({ partition, recordKey, arrivedAtMs: atMs, digest }).catch(onError);
  }

  #dropStored(): void {
    for (const [name, { recordKey }] of this.#arriving) {
      if (!this.#deps.isPending(recordKey)) this.#arriving.delete(name);
    }
  }

  /**
   * Whether the record has superseded a write that a store elsewhere has made, and may still keep where nobody has seen it: then
   * nobody may forget that it was superseded. Only writes at ANY leave such dots, when no home could be reached.
   */
  #isKnownElsewhere({ partition, bucket }: JudgedPlace, record: Uint8Array): boolean {
    const { log, replicaId } = this.#deps;
    const homes = this.#otherHomesOf(partition, bucket.replication);
    return decodeRecordClock(record, crc32).some(
      (entry) => entry.replica !== replicaId && log.mayBeElsewhere(entry.replica, homes),
    );
  }

  #rules(): TombstoneRules {
    const { hybridMicros, runningMs } = this.#deps;
    return { graceMs: this.#options.graceMs, nowMicros: hybridMicros(), nowMs: runningMs() };
  }

  #times(place: JudgedPlace, digest: Uint8Array): TombstoneTimes & HomesCompared {
    const { partition, recordKey, bucket } = place;
    const arrivedAtMs = this.#deps.store.arrivedAtMs(partition, recordKey, digest);
    // A store of an earlier release, or an entry that was lost: from now on it is known.
    if (arrivedAtMs === undefined && !this.#arriving.has(mapKeyOf(recordKey))) {
      this.#arrived(partition, recordKey.slice(), digest);
    }
    return { arrivedAtMs, ...this.comparedOf(partition, bucket.replication) };
  }

  #place(recordKey: Uint8Array): JudgedPlace | undefined {
    const bucket = this.#deps.buckets.get(readRecordKey(recordKey)?.bucket ?? '');
    if (bucket === undefined) return undefined;
    const partition = partitionOf(tokenOf(this.#deps.hash64, recordKey), this.#options.partitions);
    return { recordKey, partition, bucket };
  }

  #otherHomesOf(partition: PartitionId, replication: number): readonly NodeId[] {
    const { placementFor, self } = this.#deps;
    const homes = placementFor(replication).homes(partition);
    // The same array for a partition every time, so this is as large as the placement.
    let others = this.#otherHomes.get(homes);
    if (others === undefined) {
      others = homes.filter((home) => home !== self);
      this.#otherHomes.set(homes, others);
    }
    return others;
  }
}

/** Asked before anything is looked up: most tombstones that are read are young. */
function isOldEnough({ deadSinceMicros }: Death, { nowMicros, graceMs }: TombstoneRules): boolean {
  return nowMicros - deadSinceMicros > graceMs * 1_000;
}

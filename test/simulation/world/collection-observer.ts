/**
 * Sees every record that a replica removes from its disk, and judges at that moment what no client could tell in time.
 *
 * `collection-is-safe`: a record is removed only when all its versions have been dead for the grace (by the most hasty clock of
 * the cluster); when this replica has held it as it is for the grace of real time, whatever the clocks say; and when no other
 * home of the key holds, on its disk, anything that the removed record had superseded: with nothing left to tell of the
 * deletion, that would be live again.
 *
 * A home that lost its disk, or came back with an old one, after the record arrived here is not looked at: the fence between
 * stores is there for it, and `deleted-stays-deleted` judges what comes of it. Damaged records say that they are; one may be given up
 * when no other home holds anything of its key.
 */

import { crc32 } from 'node:zlib';
import type { VersionedRecord } from '../../../src/core/causality/record.ts';
import { splitRecordKey } from '../../../src/core/ring/record-key.ts';
import { openValue } from '../../../src/storage/value-envelope.ts';
import { coversParts, partsOf } from '../../checkers/clock-floor.ts';
import type { MemoryLoss, ReplicaState, Violation } from '../../checkers/history.ts';
import { deadSinceMicros, openedRecord, replicaState } from './disk-observer.ts';
import { type DiskCopy, keyPrefix, type SimulatedDisk } from './simulated-disk.ts';

/** What is asked of a disk. */
export type WatchedDisk = Pick<
  SimulatedDisk,
  'onStored' | 'onRecordRemoved' | 'onCopied' | 'onReplaced' | 'entryNow'
>;

export interface CollectionObserverDependencies {
  readonly disks: ReadonlyMap<string, WatchedDisk>;
  readonly homesOf: (bucket: string, key: string) => readonly string[];
  /** Grows while the run goes on. */
  readonly memoryLosses: readonly MemoryLoss[];
  readonly nowMs: () => number;
  /** How far the wall clock of any node has been off so far. */
  readonly clockErrorMsMax: () => number;
}

export interface CollectionObserverOptions {
  /** Of the configuration. */
  readonly graceMs: number;
  /** What a right clock shows at the beginning: microseconds since 1970. */
  readonly microsAtZero: number;
}

/** A hybrid clock may run ahead of its wall clock by as much after a restart (`saveHighWater` in src/node.ts). */
export const hybridAheadMs = 5_600;
/** Clocks that count durations drift, by up to 500 parts per million; and timers are early by a little. */
const roundingMs = 50;
/** When a record that is stored at `sinceMs` has been there for the grace, by the quickest of clocks that count durations. */
export function heldLongEnoughMs(sinceMs: number, graceMs: number): number {
  return sinceMs + graceMs * 0.999 - roundingMs;
}

/** A record, and since when a replica holds it as it is. */
interface Held {
  readonly value: Uint8Array;
  readonly sinceMs: number;
}

/** Where records begin in an engine key. */
const recordHeaderLength = 3;

export class CollectionObserver {
  readonly violations: Violation[] = [];
  /** Records that were removed. */
  collected = 0;
  readonly #deps: CollectionObserverDependencies;
  readonly #options: CollectionObserverOptions;
  /** By node and engine key. */
  readonly #held = new Map<string, Map<string, Held>>();
  /** What was held when a copy of a disk was made: on a disk that is restored from it, it was there since then. */
  readonly #copied = new WeakMap<DiskCopy, ReadonlyMap<string, Held>>();

  constructor(dependencies: CollectionObserverDependencies, options: CollectionObserverOptions) {
    this.#deps = dependencies;
    this.#options = options;
    for (const [node, disk] of dependencies.disks) {
      this.#held.set(node, new Map());
      disk.onStored((key, value) => this.#stored(node, key, value));
      disk.onCopied((copy) => this.#copied.set(copy, new Map(this.#heldBy(node))));
      disk.onReplaced((copy) =>
        this.#held.set(node, new Map(copy === undefined ? [] : this.#copiedHeld(copy))),
      );
      disk.onRecordRemoved((key, sealed) => this.#removed(node, key, sealed));
    }
  }

  #stored(node: string, engineKey: Uint8Array, value: Uint8Array): void {
    if (engineKey[0] !== keyPrefix.record) return;
    const name = latin1(engineKey);
    const held = this.#heldBy(node);
    const before = held.get(name)?.value;
    // Written once more as it was, it was there before.
    if (before !== undefined && Buffer.compare(before, value) === 0) return;
    held.set(name, { value, sinceMs: this.#deps.nowMs() });
  }

  #copiedHeld(copy: DiskCopy): ReadonlyMap<string, Held> {
    const held = this.#copied.get(copy);
    if (held === undefined) throw new Error('a disk was restored from a copy that nobody made');
    return held;
  }

  #heldBy(node: string): Map<string, Held> {
    return this.#held.get(node) ?? new Map();
  }

  #removed(node: string, engineKey: Uint8Array, sealed: Uint8Array): void {
    this.collected++;
    const removed = replicaState(node, engineKey, sealed);
    const bytes = openValue(crc32, engineKey, sealed);
    const record = bytes === undefined ? undefined : openedRecord(bytes);
    const split = splitRecordKey(engineKey.subarray(recordHeaderLength));
    const path = { bucket: split.bucket, key: Buffer.from(split.key).toString('latin1') };
    const violate = (problem: string): void => {
      this.violations.push({
        checker: 'collection-is-safe',
        message: `${node} removed ${path.bucket}/${path.key} from its disk: ${problem}`,
        ...path,
        attempts: [],
        atMs: this.#deps.nowMs(),
      });
    };
    if (record === undefined) {
      this.#heldBy(node).delete(latin1(engineKey));
      const others = this.#deps.homesOf(path.bucket, path.key).filter((home) => home !== node);
      const holder = others.find((home) => this.#couldRepair(home, engineKey));
      if (holder !== undefined) violate(`its record was damaged, and ${holder} holds what could repair it`);
      return;
    }
    const nowMs = this.#deps.nowMs();
    const { graceMs, microsAtZero } = this.#options;
    const since = deadSinceMicros(removed.versions);
    if (since === undefined) {
      violate(`it holds values that live: ${dotsOf(removed)}`);
      return;
    }
    const hastyMs = nowMs + this.#deps.clockErrorMsMax() + hybridAheadMs;
    const deadMs = hastyMs - (since - microsAtZero) / 1_000;
    if (deadMs < graceMs)
      violate(
        `by no clock was it dead for longer than ${Math.round(deadMs)} ms, and the grace is ${graceMs} ms`,
      );
    const storedAtMs = this.#heldBy(node).get(latin1(engineKey))?.sinceMs;
    this.#heldBy(node).delete(latin1(engineKey));
    const heldMs = storedAtMs === undefined ? graceMs : nowMs - storedAtMs;
    if (heldMs < heldLongEnoughMs(0, graceMs))
      violate(`it was stored there ${Math.round(heldMs)} ms ago, and the grace is ${graceMs} ms`);
    this.#lookAtOthers(node, engineKey, record, { ...path, sinceMs: storedAtMs ?? 0, violate });
  }

  /** Whether a home holds a record that is not as good as nothing: one that lives, or has not been dead for the grace. */
  #couldRepair(home: string, engineKey: Uint8Array): boolean {
    const { versions } = replicaState(home, engineKey, this.#deps.disks.get(home)?.entryNow(engineKey));
    if (versions.length === 0) return false;
    const since = deadSinceMicros(versions);
    if (since === undefined) return true;
    const { graceMs, microsAtZero } = this.#options;
    const hastyMs = this.#deps.nowMs() + this.#deps.clockErrorMsMax() + hybridAheadMs;
    return hastyMs - (since - microsAtZero) / 1_000 < graceMs;
  }

  #lookAtOthers(
    node: string,
    engineKey: Uint8Array,
    record: VersionedRecord,
    about: {
      readonly bucket: string;
      readonly key: string;
      readonly sinceMs: number;
      readonly violate: (problem: string) => void;
    },
  ): void {
    const clock = record.clock.map(({ replica, epoch, counter }) => [replica, epoch, counter] as const);
    for (const home of this.#deps.homesOf(about.bucket, about.key)) {
      if (home === node || this.#lostItsDisk(home, about.sinceMs)) continue;
      const sealed = this.#deps.disks.get(home)?.entryNow(engineKey);
      const held = replicaState(home, engineKey, sealed);
      const revived = held.versions.filter(
        ({ dot, value, expiresAtMicros }) =>
          value !== undefined && expiresAtMicros === undefined && coversParts(clock, partsOf(dot)),
      );
      for (const { dot, value } of revived)
        about.violate(`${home} still holds ${dot} ("${value}"), which it had superseded`);
    }
  }

  #lostItsDisk(node: string, sinceMs: number): boolean {
    return this.#deps.memoryLosses.some(
      (loss) =>
        loss.node === node && loss.lost !== 'unsynced' && loss.lost !== 'records' && loss.atMs >= sinceMs,
    );
  }
}

function latin1(engineKey: Uint8Array): string {
  return Buffer.from(engineKey).toString('latin1');
}

function dotsOf({ versions }: ReplicaState): string {
  return versions.map(({ dot, value }) => `${dot} ("${value ?? 'deleted'}")`).join(', ');
}

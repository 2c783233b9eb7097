/**
 * Deletes the tombstones whose time has come: walks over the index in small slices, again and again, and lets everything else
 * go first. What may go is decided by tombstone-judge.ts; the record goes in one piece with its part of the trees, and only if
 * nothing is being written to it.
 */

import type { Throttle } from '../core/background/throttle.ts';
import { MalformedError } from '../core/binary.ts';
import type { Env, Timer } from '../env/env.ts';
import type { StoredRead } from '../storage/record-store.ts';
import type { IndexedTombstone, TombstoneStore } from '../storage/tombstone-store.ts';
import type { ComparisonLog } from './comparison-log.ts';
import type { JudgedPlace, TombstoneJudge } from './tombstone-judge.ts';

/** The records of this node, as collection needs them. */
export interface CollectedRecords<Place extends JudgedPlace> {
  /** Throws MalformedError for a key of no bucket. */
  place(recordKey: Uint8Array): Place;
  /** What is on the disk, collectable or not. Throws EngineError. */
  readStored(place: Place): StoredRead;
  /** Whether a change of it is on its way to the disk. */
  isPending(place: Place): boolean;
  /** Takes the record away unless it is being written. True: it is queued. Throws EngineError. */
  remove(place: Place): boolean;
}

export interface TombstoneCollectionDependencies<Place extends JudgedPlace> {
  readonly env: Env;
  readonly index: Pick<TombstoneStore, 'page' | 'remove' | 'raiseCollectedMark'>;
  readonly judge: Pick<TombstoneJudge, 'stateOf' | 'comparedOf'>;
  readonly log: Pick<ComparisonLog, 'advance'>;
  readonly records: CollectedRecords<Place>;
  readonly runningMs: () => number;
  /** Whether this node is a home of the key: what it holds besides is not its own to collect. */
  readonly isHome: (place: Place) => boolean;
  readonly throttle: Throttle;
  readonly onError: (error: unknown) => void;
}

export interface TombstoneCollectionOptions {
  /** See `tombstones.grace_ms`. */
  readonly graceMs: number;
}

/** Numbers for the metrics. */
export interface CollectionCounters {
  /** Records that were deleted. */
  collected: number;
  /** Walks over the whole index. */
  passes: number;
  /** As the last walk found it. */
  indexed: number;
  collectable: number;
  /** Running time since the oldest of them arrived, in milliseconds. */
  oldestMs: number;
  /** Some wait for a home that was not compared with for twice the grace. */
  overdue: number;
}

const sliceEntries = 128;
/** A walk begins so often, as a part of the grace. */
const passPart = 1 / 32;
const passMsMin = 250;
const lookMs = 500;
const passMsMax = 600_000;

export class TombstoneCollection<Place extends JudgedPlace> {
  readonly counters: CollectionCounters = {
    collected: 0,
    passes: 0,
    indexed: 0,
    collectable: 0,
    oldestMs: 0,
    overdue: 0,
  };
  readonly #deps: TombstoneCollectionDependencies<Place>;
  readonly #passMs: number;
  readonly #graceMs: number;
  #timers: readonly Timer[] = [];
  #running: Promise<void> | undefined;
  #stopped = false;
  /** Records read since the throttle was asked. */
  #keysRead = 0;

  constructor(dependencies: TombstoneCollectionDependencies<Place>, options: TombstoneCollectionOptions) {
    this.#deps = dependencies;
    this.#graceMs = options.graceMs;
    this.#passMs = Math.min(passMsMax, Math.max(passMsMin, options.graceMs * passPart));
  }

  start(): void {
    const { env, runningMs } = this.#deps;
    this.#timers = [
      env.timers.every(this.#passMs, () => this.#begin()),
      // Running time has to be looked at, or it stands still.
      env.timers.every(lookMs, () => void runningMs()),
    ];
  }

  /** Begins nothing more. Resolves when the slice that runs is over: then the store may close. */
  async stop(): Promise<void> {
    this.#stopped = true;
    for (const timer of this.#timers) timer.cancel();
    await this.#running;
  }

  /** One walk over the index, now. Rejects with EngineError. */
  async pass(): Promise<void> {
    const { index, log, runningMs, env } = this.#deps;
    await log.advance();
    const seen = { indexed: 0, collectable: 0, oldestMs: 0, overdue: 0 };
    let after: Uint8Array | undefined;
    do {
      const { entries, last } = await index.page(after, sliceEntries);
      for (const entry of entries) {
        if (this.#stopped) return;
        seen.indexed++;
        seen.oldestMs = Math.max(seen.oldestMs, runningMs() - (entry.arrivedAtMs ?? runningMs()));
        await this.#look(entry, seen);
      }
      after = last;
      // Those that live long, and those that have to stay, are read in every walk.
      if (this.#keysRead > 0) await this.#deps.throttle.take(this.#keysRead, 0);
      this.#keysRead = 0;
      await new Promise<void>((resolve) => env.timers.endOfTick(resolve));
    } while (after !== undefined && !this.#stopped);
    Object.assign(this.counters, seen);
    this.counters.passes++;
  }

  #begin(): void {
    if (this.#running !== undefined || this.#stopped) return;
    this.#running = this.pass()
      .catch(this.#deps.onError)
      .finally(() => {
        this.#running = undefined;
      });
  }

  async #look(entry: IndexedTombstone, seen: { collectable: number; overdue: number }): Promise<void> {
    const { records, judge, index, isHome, throttle } = this.#deps;
    const place = placeOf(records, entry.recordKey);
    if (place === undefined) return;
    // Most entries are too young, and their records need not be read.
    if (!isHome(place) || !this.#mayBeDue(entry, place)) return;
    this.#keysRead++;
    const read = records.readStored(place);
    if (read.kind === 'damaged') return;
    const state = read.kind === 'absent' ? ({ kind: 'alive' } as const) : judge.stateOf(place, read.record);
    switch (state.kind) {
      case 'alive':
        // It was written since, or has gone. What is on its way may have its own entry before it in the queue.
        if (!records.isPending(place)) await index.remove(place.partition, place.recordKey);
        return;
      case 'waiting':
        if (state.overdue) seen.overdue++;
        return;
      case 'collectable':
        seen.collectable++;
        return;
      case 'deletable':
        await throttle.take(1, read.kind === 'found' ? read.record.length : 0);
        await this.#delete(place);
    }
  }

  /** Waited for nothing between the last look and the removal, so that nothing can have changed. */
  async #delete(place: Place): Promise<void> {
    const { records, judge, index } = this.#deps;
    const mark = this.#collectedMark(place);
    if (mark === undefined || this.#stopped) return;
    // First of all: a hint that this deletion makes dangerous must be refused from now on, through a crash too.
    await index.raiseCollectedMark(place.partition, mark);
    const read = records.readStored(place);
    if (read.kind !== 'found') return;
    const state = judge.stateOf(place, read.record);
    if (state.kind !== 'deletable' || state.collectedMark > mark) return;
    if (records.remove(place)) this.counters.collected++;
  }

  #collectedMark(place: Place): number | undefined {
    const read = this.#deps.records.readStored(place);
    if (read.kind !== 'found') return undefined;
    const state = this.#deps.judge.stateOf(place, read.record);
    return state.kind === 'deletable' ? state.collectedMark : undefined;
  }

  #mayBeDue({ arrivedAtMs }: IndexedTombstone, place: Place): boolean {
    if (arrivedAtMs === undefined) return true;
    if (this.#deps.runningMs() - arrivedAtMs < this.#graceMs) return false;
    const { confirmedBeforeMs } = this.#deps.judge.comparedOf(place.partition, place.bucket.replication);
    return confirmedBeforeMs === undefined || arrivedAtMs < confirmedBeforeMs;
  }
}

function placeOf<Place extends JudgedPlace>(
  records: CollectedRecords<Place>,
  recordKey: Uint8Array,
): Place | undefined {
  try {
    return records.place(recordKey);
  } catch (error) {
    if (!(error instanceof MalformedError)) throw error;
    // A bucket that is in the configuration no more: its records are not served, and not collected.
    return undefined;
  }
}

/**
 * Hints: records that a replica could not be given because it was away, kept until it has confirmed them (Dynamo, section
 * 4.6). One hint for each target and key: another record for them is merged into it. Each remembers since when its oldest
 * part waits, and they are handed over in that order. The bytes are in hint-format.ts.
 */

import type { ConflictPolicy } from '../core/bucket.ts';
import { equalBytes, mapKeyOf } from '../core/bytes.ts';
import { mergeRecords } from '../core/causality/record.ts';
import { decodeRecord, encodeRecord } from '../core/causality/record-codec.ts';
import type { NodeId } from '../core/identity.ts';
import type { Env } from '../env/env.ts';
import type { StorageEngine } from './engine.ts';
import { GroupCommit } from './group-commit.ts';
import {
  allHints,
  allOrders,
  decodeHint,
  encodeHint,
  type HintOrder,
  hintKeyOf,
  orderKeyOf,
  orderOf,
  orderRange,
  recordKeyOfHint,
  type StoredHint,
  targetOf,
} from './hint-format.ts';
import { type Crc32, openValue, sealValue } from './value-envelope.ts';

export interface HintStoreDependencies {
  readonly engine: StorageEngine;
  readonly crc32: Crc32;
  readonly env: Env;
  /** The group commit shared with the other stores of the engine; without it the hint store makes its own. */
  readonly commit?: GroupCommit;
}

export interface HintStoreOptions {
  /**
   * Keys and values of all hints together. Met: `keep` answers `full` to what makes them more, and anti-entropy has to repair
   * what is missed. Hints that nobody counts meet it earlier, at nine tenths.
   */
  readonly bytesMax: number;
}

/** What became of a hint. `full` is definite: nothing was stored. */
export type HintOutcome =
  | { readonly kind: 'stored' }
  | { readonly kind: 'full'; readonly bytes: number; readonly bytesMax: number };

/** What is kept for one target. */
export interface HintTotals {
  readonly count: number;
  readonly bytes: number;
}

/** How a hint is kept. */
export interface HintKeeping {
  /** By which it is merged with one that is kept already. */
  readonly policy: ConflictPolicy;
  /** The newest mark that was heard of the target's store. 0: none. */
  readonly receiverMark: number;
  /** Whether a client will be told that it counts: then it does not grow too old. */
  readonly counted: boolean;
  /** Whether this store made all that is in the record. */
  readonly madeHere: boolean;
  /** Whether nothing of the record has ever been sent to anybody. */
  readonly unsent: boolean;
  /** On stable storage when it resolves; without, it survives the death of the process. */
  readonly sync: boolean;
}

/** A hint, and its place in the order of age. */
export interface Hint extends StoredHint {
  readonly recordKey: Uint8Array;
}

interface Flight {
  /** What the engine will show once it is written; `undefined`: nothing. */
  readonly value: Uint8Array | undefined;
  readonly done: Promise<void>;
}

const entriesPerTick = 64;
/** How much of the room hints may fill that no client is told of: the rest is for writes that would be refused without. */
const uncountedShare = 0.9;
/** What is around the payload of an entry: its checksum. */
const checksumLength = 4;
const nothing = new Uint8Array(0);

/** Opens the hints of a store and counts them. Throws EngineError. */
export async function openHintStore(
  deps: HintStoreDependencies,
  options: HintStoreOptions,
): Promise<HintStore> {
  const store = new HintStore(deps, options);
  await store.countStored();
  return store;
}

export class HintStore {
  readonly #engine: StorageEngine;
  readonly #crc32: Crc32;
  readonly #env: Env;
  readonly #commit: GroupCommit;
  readonly #bytesMax: number;
  readonly #totals = new Map<NodeId, { count: number; bytes: number }>();
  /** What queued writes will leave behind, because the engine does not show it yet. */
  readonly #inFlight = new Map<string, Flight>();
  #bytes = 0;
  #damaged = 0;
  readonly #kept = new Map<NodeId, number>();

  /** Use `openHintStore`. */
  constructor(deps: HintStoreDependencies, options: HintStoreOptions) {
    this.#engine = deps.engine;
    this.#crc32 = deps.crc32;
    this.#env = deps.env;
    this.#commit = deps.commit ?? new GroupCommit({ engine: deps.engine, env: deps.env });
    this.#bytesMax = options.bytesMax;
  }

  /** Bytes of all hints together, those that are being written included. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Hints that failed their checksum and were dropped; anti-entropy repairs what they stood for. */
  get damagedHints(): number {
    return this.#damaged;
  }

  /** How many hints have been kept for each target since the store was opened; what was merged into one that was there is not counted. */
  get kept(): ReadonlyMap<NodeId, number> {
    return this.#kept;
  }

  /** What is kept for each target that has hints. */
  targets(): ReadonlyMap<NodeId, HintTotals> {
    return this.#totals;
  }

  /**
   * Keeps the record for the target, merged with what is kept for it already. Reading, merging and queueing are one
   * synchronous piece, so of two at once neither is lost. Rejects with EngineError; throws MalformedError for a record that
   * does not decode where it has to be merged.
   */
  async keep(
    target: NodeId,
    recordKey: Uint8Array,
    record: Uint8Array,
    how: HintKeeping,
  ): Promise<HintOutcome> {
    const key = hintKeyOf(target, recordKey);
    const current = this.#current(key);
    const older = current === undefined ? undefined : this.#opened(key, current);
    if (current !== undefined && older === undefined) this.#damaged++;
    const hint = older === undefined ? this.#newHint(record, how) : this.#mergedHint(older, record, how);
    const value = sealValue(this.#crc32, key, encodeHint(hint));
    const before = current === undefined ? 0 : sizeOf(key, current);
    const after = sizeOf(key, value);
    const bytesMax = how.counted ? this.#bytesMax : Math.floor(this.#bytesMax * uncountedShare);
    if (after > before && this.#bytes - before + after > bytesMax) {
      return { kind: 'full', bytes: this.#bytes, bytesMax };
    }
    // The order before the hint: one that nothing stands for is found and removed, a hint without one would never be sent.
    const order = orderKeyOf(target, { keptAtMicros: hint.keptAtMicros, recordKey });
    const ordered =
      older === undefined ? this.#put(order, sealValue(this.#crc32, order, nothing), how.sync) : undefined;
    const stored = this.#put(key, value, how.sync);
    this.#account(target, before, after);
    if (current === undefined) this.#kept.set(target, (this.#kept.get(target) ?? 0) + 1);
    await Promise.all([ordered, stored]);
    return { kind: 'stored' };
  }

  /** The hint, also one that is still being written, or `undefined` when there is none or it is damaged. Throws EngineError. */
  get(target: NodeId, recordKey: Uint8Array): StoredHint | undefined {
    const key = hintKeyOf(target, recordKey);
    const value = this.#current(key);
    return value === undefined ? undefined : this.#opened(key, value);
  }

  /**
   * At most `limit` places in the order of age of one target's hints, the oldest first, behind `after`. What they stand for
   * may have gone or changed since: see `at`. Fewer than `limit`: there are no more.
   */
  async oldest(target: NodeId, after: HintOrder | undefined, limit: number): Promise<HintOrder[]> {
    const places: HintOrder[] = [];
    for await (const [key] of this.#engine.entries({ ...orderRange(target, after), limit })) {
      const place = orderOf(key);
      if (place !== undefined) places.push(place);
    }
    return places;
  }

  /** The hint at a place that `oldest` told, or `undefined`: then it has gone, or was damaged and is removed. Rejects with EngineError. */
  async at(target: NodeId, place: HintOrder): Promise<Hint | undefined> {
    const { recordKey, keptAtMicros } = place;
    const key = hintKeyOf(target, recordKey);
    const value = this.#current(key);
    const hint = value === undefined ? undefined : this.#opened(key, value);
    if (hint !== undefined && hint.keptAtMicros === keptAtMicros) return { ...hint, recordKey };
    if (value !== undefined && hint === undefined) {
      this.#damaged++;
      await this.#remove(target, recordKey, keptAtMicros);
      return undefined;
    }
    await this.#put(orderKeyOf(target, place), undefined, false);
    return undefined;
  }

  /**
   * Says, on stable storage, that a hint is about to be sent, with the newest mark that was heard of its target's store: until
   * now nobody knew of what is in it. Nothing happens to one that may have been sent before. Rejects with EngineError.
   */
  async aboutToSend(target: NodeId, recordKey: Uint8Array, receiverMark: number): Promise<void> {
    const hint = this.get(target, recordKey);
    if (hint === undefined || !hint.unsent) return;
    const key = hintKeyOf(target, recordKey);
    // Of the same length, so nothing is counted anew.
    const sent = encodeHint({ ...hint, receiverMark, unsent: false });
    await this.#put(key, sealValue(this.#crc32, key, sent), true);
  }

  /** Removes a hint, unless something was merged into it since: false then, and it stays. Not synced. */
  async remove(target: NodeId, recordKey: Uint8Array, expectedRecord: Uint8Array): Promise<boolean> {
    // Between this look and the queueing of the removal nothing else runs, so nothing newer can be removed.
    const hint = this.get(target, recordKey);
    if (hint === undefined || !equalBytes(hint.record, expectedRecord)) return false;
    await this.#remove(target, recordKey, hint.keptAtMicros);
    return true;
  }

  /** Counts what is stored, and puts hints in order that are not; called once, by `openHintStore`. */
  async countStored(): Promise<void> {
    let count = 0;
    const pause = async (): Promise<void> => {
      count++;
      if (count % entriesPerTick === 0)
        await new Promise<void>((resolve) => this.#env.timers.endOfTick(resolve));
    };
    // By target, a sum over the entries that are there, less one over those that should be: 0 when they are the same.
    const differences = new Map<NodeId, number>();
    const add = (target: NodeId, order: Uint8Array, sign: 1 | -1): void => {
      differences.set(target, ((differences.get(target) ?? 0) + sign * (1 + this.#crc32(order))) | 0);
    };
    for await (const [key] of this.#engine.entries(allOrders)) {
      const target = targetOf(key);
      if (target !== undefined) add(target, key, 1);
      await pause();
    }
    for await (const [key, value] of this.#engine.entries(allHints)) {
      const target = targetOf(key);
      if (target === undefined) this.#damaged++;
      else {
        this.#account(target, 0, sizeOf(key, value));
        add(target, this.#orderKeyOf(target, key, value), -1);
      }
      await pause();
    }
    // Hints of an earlier build, rotted entries, or what the power took: an entry that was not synced, with a hint that
    // something synced was merged into later. Counting is not enough: an entry whose hint has gone would hide one.
    for (const target of this.#totals.keys()) {
      if (differences.get(target) !== 0) await this.#putInOrder(target);
    }
  }

  /** The place in the order of a stored hint. A damaged one is first: it is found there, and removed. */
  #orderKeyOf(target: NodeId, key: Uint8Array, value: Uint8Array): Uint8Array {
    const keptAtMicros = this.#opened(key, value)?.keptAtMicros ?? 0;
    return orderKeyOf(target, { keptAtMicros, recordKey: recordKeyOfHint(key) });
  }

  async #putInOrder(target: NodeId): Promise<void> {
    const start = hintKeyOf(target, nothing);
    const end = start.slice();
    end[end.length - 1] = (end[end.length - 1] as number) + 1;
    for await (const [key, value] of this.#engine.entries({ from: start, to: end })) {
      const order = this.#orderKeyOf(target, key, value);
      if (this.#engine.get(order) === undefined)
        await this.#put(order, sealValue(this.#crc32, order, nothing), true);
    }
  }

  #newHint(record: Uint8Array, how: HintKeeping): StoredHint {
    const { receiverMark, counted, madeHere, unsent } = how;
    return { record, keptAtMicros: this.#env.clock.wallMicros(), receiverMark, counted, madeHere, unsent };
  }

  #mergedHint(older: StoredHint, incoming: Uint8Array, how: HintKeeping): StoredHint {
    const record = mergedBytes(older.record, incoming, how, this.#crc32);
    const same = equalBytes(record, older.record);
    return {
      record,
      keptAtMicros: older.keptAtMicros,
      receiverMark: older.receiverMark,
      counted: older.counted || how.counted,
      // What brings something in from elsewhere ends it; what this store made has seen all that is here.
      madeHere: how.madeHere || (older.madeHere && same),
      unsent: how.unsent && older.unsent,
    };
  }

  async #remove(target: NodeId, recordKey: Uint8Array, keptAtMicros: number): Promise<void> {
    const key = hintKeyOf(target, recordKey);
    const value = this.#current(key);
    if (value !== undefined) this.#account(target, sizeOf(key, value), 0);
    // A removal that gets lost only means that the hint is sent once more.
    const removed = this.#put(key, undefined, false);
    await Promise.all([
      removed,
      this.#put(orderKeyOf(target, { keptAtMicros, recordKey }), undefined, false),
    ]);
  }

  async #put(key: Uint8Array, value: Uint8Array | undefined, sync: boolean): Promise<void> {
    const mapKey = mapKeyOf(key);
    const done =
      value === undefined
        ? this.#commit.write({ kind: 'delete', key }, { sync })
        : this.#commit.write({ kind: 'put', key, value }, { sync });
    const flight = { value, done };
    this.#inFlight.set(mapKey, flight);
    try {
      await done;
    } finally {
      if (this.#inFlight.get(mapKey) === flight) this.#inFlight.delete(mapKey);
    }
  }

  /** What is stored under a key once everything queued is written. */
  #current(key: Uint8Array): Uint8Array | undefined {
    const flight = this.#inFlight.get(mapKeyOf(key));
    return flight === undefined ? this.#engine.get(key) : flight.value;
  }

  #opened(key: Uint8Array, value: Uint8Array): StoredHint | undefined {
    const payload = openValue(this.#crc32, key, value);
    return payload === undefined ? undefined : decodeHint(payload);
  }

  #account(target: NodeId, before: number, after: number): void {
    this.#bytes += after - before;
    const totals = this.#totals.get(target) ?? { count: 0, bytes: 0 };
    totals.bytes += after - before;
    totals.count += (after > 0 ? 1 : 0) - (before > 0 ? 1 : 0);
    if (totals.count === 0) this.#totals.delete(target);
    else this.#totals.set(target, totals);
  }
}

/** Bytes of a hint and of its entry in the order, keys included. */
function sizeOf(key: Uint8Array, value: Uint8Array): number {
  return key.length + value.length + key.length + 8 + checksumLength;
}

function mergedBytes(
  older: Uint8Array,
  incoming: Uint8Array,
  { policy }: HintKeeping,
  crc32: Crc32,
): Uint8Array {
  if (equalBytes(older, incoming)) return older;
  const [ours, theirs] = [decodeRecord(older, crc32), decodeRecord(incoming, crc32)];
  const merged = mergeRecords(ours, theirs, policy);
  // The record may be passed on as it is: encoding is canonical.
  if (merged === ours) return older;
  return merged === theirs ? incoming : encodeRecord(merged, crc32);
}

/**
 * The disk of one simulated node. Each life of its process opens an engine on it (`simulated-engine.ts`); what they wrote
 * outlives them as far as was promised. What was not promised is drawn at a crash: a batch that was under way is there as a
 * whole or not at all, and after a power failure any beginning of the batches that no sync covered.
 */

import { crc32 } from 'node:zlib';
import { readRecordKey } from '../../../src/core/ring/record-key.ts';
import {
  type DirectoryMark,
  EngineError,
  type EngineKind,
  type EngineOperation,
  type EngineOptions,
  type OpenEngine,
  type StorageEngine,
} from '../../../src/storage/engine.ts';
import { engineError } from '../../../src/storage/engine-failure.ts';
import { openValue } from '../../../src/storage/value-envelope.ts';
import type { SeededRandom } from '../../support/seeded-random.ts';
import type { EventOwner } from '../kernel/scheduler.ts';
import { concerning } from '../kernel/trace.ts';
import type { DiskWeather } from '../plan/seed-plan.ts';
import { type DiskCopy, DiskState } from './disk-state.ts';
import { type DiskDoor, type DiskTask, SimulatedEngine, type WriteTask } from './simulated-engine.ts';
import { eventKind, type World } from './world.ts';

export type { DiskCopy } from './disk-state.ts';

export interface SimulatedDiskOptions {
  readonly node: string;
  readonly weather: DiskWeather;
}

/** A record as it lies on the disk. */
export interface StoredRecordNow {
  readonly partition: number;
  readonly recordKey: Uint8Array;
  /** The encoded record, or `undefined` when its bytes fail their checksum. */
  readonly record: Uint8Array | undefined;
}

/** First bytes of engine keys: src/storage/{identity,record,hint}-store.ts. */
export const keyPrefix = { identity: 0x00, record: 0x01, hint: 0x02, hintOrder: 0x03 } as const;

const recordHeaderLength = 3;
/** Operations of a batch that a line of the trace names; the others are counted. */
const shownMax = 12;
/** The longest that one write or sync takes. */
const taskMicrosMax = 3_000_000;

export class SimulatedDisk {
  readonly #world: World;
  readonly #node: string;
  readonly #weather: DiskWeather;
  readonly #random: SeededRandom;
  readonly #state = new DiskState();
  readonly #storedListeners: ((key: Uint8Array, value: Uint8Array) => void)[] = [];
  readonly #removedListeners: ((key: Uint8Array, value: Uint8Array) => void)[] = [];
  readonly #hintListeners: ((key: Uint8Array, value: Uint8Array) => void)[] = [];
  readonly #copiedListeners: ((copy: DiskCopy) => void)[] = [];
  readonly #replacedListeners: ((copy: DiskCopy | undefined) => void)[] = [];
  /** The engine that is open, or is being opened. */
  #holder: { readonly owner: EventOwner; engine: SimulatedEngine | undefined } | undefined;
  /** Of the files that are there; any kind may be opened on an empty disk. */
  #kind: EngineKind | undefined;
  #tailDropped = false;
  #slowFactor = 1;
  #full = false;
  #marksMade = 0;
  /** What a process has begun to do with the marks. */
  #marking: (() => void) | undefined;
  #failReadsPercent = 0;
  /** How often it has stalled. */
  #stalls = 0;
  #failNext: { readonly applied: boolean | undefined } | undefined;

  constructor(world: World, options: SimulatedDiskOptions) {
    this.#world = world;
    this.#node = options.node;
    this.#weather = options.weather;
    this.#random = world.randomFor(`disk ${options.node}`);
  }

  /** What a life of the process opens its store with. */
  engineFor(owner: EventOwner): OpenEngine {
    return (options) => this.#open(options, owner);
  }

  /**
   * The process is gone, or with `power` the machine. Its engine becomes inert. Halt the owner first: this only decides
   * what is on the disk.
   */
  crash(power: boolean): void {
    const tasks = this.#holder?.engine?.die() ?? [];
    this.#holder = undefined;
    if (this.#random.percent(50)) this.#marking?.();
    this.#marking = undefined;
    const writes = tasks.filter((task) => task.kind === 'write' && !task.performed) as WriteTask[];
    if (power) this.#losePower(writes);
    else {
      const applied = this.#random.below(writes.length + 1);
      for (let i = 0; i < applied; i++) this.#apply((writes[i] as WriteTask).operations);
      // The last append may have been cut in the middle.
      if (applied < writes.length && this.#random.percent(15)) this.#tearTail();
    }
    this.#note(power ? 'lost power' : 'lost its process', tasks);
  }

  /** An empty disk takes the place of this one. No process may have it open. */
  wipe(): void {
    this.#replace();
  }

  /** What a copy of the files would hold now, unsynced batches too. */
  copy(): DiskCopy {
    const copy = this.#state.copy();
    for (const listener of this.#copiedListeners) listener(copy);
    return copy;
  }

  /** A disk with this content takes the place of this one. No process may have it open. */
  restore(copy: DiskCopy, options: { readonly keepsMarks: boolean } = { keepsMarks: false }): void {
    this.#replace(copy, options.keepsMarks);
  }

  /** The next write fails with `io-error`. `applied`: its batch is there nevertheless; drawn when it is not given. */
  failNextWrite(applied?: boolean): void {
    this.#failNext = { applied };
  }

  /** A failure that was to come does not. */
  forgetFailure(): void {
    this.#failNext = undefined;
  }

  /** So many in a hundred reads of a key fail with `io-error`; 0: none. */
  failReads(percent: number): void {
    this.#failReadsPercent = percent;
  }

  /** While full, writes fail with `disk-full`, and some attempts to open it. */
  setFull(full: boolean): void {
    this.#full = full;
  }

  /** Everything takes so many times as long; 1 is the usual. */
  slow(factor: number): void {
    this.#slowFactor = factor;
  }

  /** Flips one bit in the values of up to so many records (or hints), and returns their keys, as `bucket/key`. */
  flipBits(records: number, prefix: number = keyPrefix.record): readonly string[] {
    const entries = this.#state.range(Uint8Array.of(prefix), Uint8Array.of(prefix + 1));
    const flipped: string[] = [];
    while (flipped.length < records && entries.length > 0) {
      const [entry] = entries.splice(this.#random.below(entries.length), 1);
      if (entry === undefined || entry.value.length === 0) continue;
      const value = entry.value.slice();
      const at = this.#random.below(value.length);
      value[at] = (value[at] as number) ^ (1 << this.#random.below(8));
      this.#state.replaceValue(entry, value);
      this.#trace(() => `a bit of ${nameOf(entry.key)} rotted`, [entry.key]);
      flipped.push(...concernedBy(entry.key));
    }
    return flipped;
  }

  /**
   * Calls `listener` with every engine key and value that is put, at the moment from which a restart of the process would
   * find it.
   */
  onStored(listener: (key: Uint8Array, value: Uint8Array) => void): void {
    this.#storedListeners.push(listener);
  }

  /** Calls `listener` with every record that is deleted, as `onStored` does with what is put. */
  onRecordRemoved(listener: (key: Uint8Array, value: Uint8Array) => void): void {
    this.#removedListeners.push(listener);
  }

  /** The same with hints. */
  onHintRemoved(listener: (key: Uint8Array, value: Uint8Array) => void): void {
    this.#hintListeners.push(listener);
  }

  /** Calls `listener` with every copy that is made. */
  onCopied(listener: (copy: DiskCopy) => void): void {
    this.#copiedListeners.push(listener);
  }

  /** Calls `listener` when another disk takes the place of this one: with the copy that is on it, or empty. */
  onReplaced(listener: (copy: DiskCopy | undefined) => void): void {
    this.#replacedListeners.push(listener);
  }

  /** All records there are, in the order of their keys. */
  recordsNow(): StoredRecordNow[] {
    const range = this.#state.range(Uint8Array.of(keyPrefix.record), Uint8Array.of(keyPrefix.record + 1));
    return range.map(({ key, value }) => ({
      partition: (key[1] as number) * 256 + (key[2] as number),
      recordKey: key.subarray(recordHeaderLength),
      record: openValue(crc32, key, value),
    }));
  }

  /** The value under an engine key that a restart of the process would find. */
  entryNow(key: Uint8Array): Uint8Array | undefined {
    return this.#state.get(key)?.value;
  }

  /** The value under an engine key that a loss of power would leave now, whatever else it took. */
  durableNow(key: Uint8Array): Uint8Array | undefined {
    this.#state.writeBack(this.#world.scheduler.nowMicros);
    return this.#state.durable(key)?.value;
  }

  /** Entries under a prefix of engine keys, in order, as they are stored. */
  entriesNow(prefix: number): { readonly key: Uint8Array; readonly value: Uint8Array }[] {
    return this.#state.range(Uint8Array.of(prefix), Uint8Array.of(prefix + 1));
  }

  /** Whether a process has it open. */
  get isOpen(): boolean {
    return this.#holder !== undefined;
  }

  /** Whether a write is on its way, so that a crash now decides what becomes of it. */
  get isWriting(): boolean {
    return this.#holder?.engine?.isWriting ?? false;
  }

  /** Batches that a power failure now might take. */
  get unsyncedBatches(): number {
    return this.#state.unsyncedBatches;
  }

  #open(options: EngineOptions, owner: EventOwner): Promise<StorageEngine> {
    const held = this.#holder;
    const refusal =
      held !== undefined && held.owner.state !== 'halted'
        ? new EngineError('locked', `the store in ${options.path} is in use by process ${held.owner.name}`)
        : this.#kind !== undefined && this.#kind !== options.kind
          ? new EngineError(
              'other-engine',
              `the store in ${options.path} was made by the ${this.#kind} engine`,
            )
          : this.#full && this.#random.percent(50)
            ? engineError(noSpace(), 'opening the store in', options.path)
            : undefined;
    const holder = { owner, engine: undefined as SimulatedEngine | undefined };
    if (refusal === undefined) this.#holder = holder;
    return new Promise((resolve, reject) => {
      const micros = this.#duration(this.#weather.syncMin, 4 * this.#weather.syncMax);
      this.#later(micros, owner, () => {
        if (refusal !== undefined) {
          reject(refusal);
          return;
        }
        if (this.#holder !== holder) return;
        this.#kind = options.kind;
        const tailDropped = this.#tailDropped && options.kind !== 'btree';
        this.#tailDropped = false;
        holder.engine = new SimulatedEngine(this.#door, owner, {
          kind: options.kind,
          path: options.path,
          tailDropped,
          mark: this.#markFor(owner),
        });
        this.#trace(() => (tailDropped ? 'opened; its log had lost its tail' : 'opened'));
        resolve(holder.engine);
      });
    });
  }

  readonly #door: DiskDoor = {
    perform: (task, owner, over) => this.#perform(task, owner, over),
    get: (key) => {
      if (this.#failReadsPercent > 0 && this.#random.percent(this.#failReadsPercent)) {
        this.#trace(() => `a read of ${nameOf(key)} failed`, [key]);
        throw ioError();
      }
      return this.#state.get(key)?.value;
    },
    range: (range) => this.#state.range(range.from, range.to, range.limit),
    sizeBytes: () => this.#state.bytes,
    closed: (engine) => {
      if (this.#holder?.engine === engine) this.#holder = undefined;
    },
  };

  #perform(task: DiskTask, owner: EventOwner, over: (failure: unknown) => void): void {
    const { writeMin, writeMax, syncMin, syncMax } = this.#weather;
    const sync = task.kind === 'flush' || task.sync;
    const holder = this.#holder;
    const stallsBefore = this.#stalls;
    let micros = task.kind === 'flush' ? 0 : this.#duration(writeMin, writeMax);
    if (sync) micros += this.#duration(syncMin, syncMax);
    const { trace, scheduler } = this.#world;
    const sinceMicros = scheduler.nowMicros;
    const keys = trace === undefined ? [] : keysOf(task);
    const why = trace === undefined ? '' : this.#slowText(this.#stalls > stallsBefore);
    if (task.kind === 'write') this.#trace(() => `writing ${textOf(task)}`, keys);
    this.#later(micros, owner, () => {
      if (this.#holder !== holder) return;
      const failure = task.kind === 'write' ? this.#failureOf(task.operations, sinceMicros) : undefined;
      if (task.kind === 'write') task.performed = true;
      if (failure !== undefined) {
        over(failure);
        return;
      }
      if (task.kind === 'write') this.#apply(task.operations);
      if (sync) this.#state.sync();
      this.#trace(
        () => {
          const did = task.kind === 'write' ? `wrote ${textOf(task)}` : 'flushed';
          return `${did} after ${(micros / 1000).toFixed(1)} ms${why}`;
        },
        keys,
        sinceMicros,
      );
      // Reads may show a batch before its writer hears of it.
      if (this.#random.percent(50)) over(undefined);
      else this.#later(this.#random.below(50), owner, () => over(undefined));
    });
  }

  /** Why the write fails, after drawing what becomes of its batch; `undefined` when the disk is well. */
  #failureOf(operations: readonly EngineOperation[], sinceMicros: number): Error | undefined {
    const planned = this.#failNext;
    this.#failNext = undefined;
    if (planned === undefined && !this.#full) return undefined;
    const applied =
      planned === undefined ? this.#random.percent(25) : (planned.applied ?? this.#random.percent(50));
    if (applied) this.#apply(operations);
    else if (this.#random.percent(50)) this.#tearTail();
    this.#trace(
      () => `a write failed${applied ? ', and its batch is there all the same' : ''}`,
      operations.map(({ key }) => key),
      sinceMicros,
    );
    return planned === undefined ? noSpace() : ioError();
  }

  #markFor(owner: EventOwner): DirectoryMark {
    const found = [...this.#state.marks];
    const change = <T>(micros: number, act: () => T): Promise<T> =>
      new Promise((resolve) => {
        const holder = this.#holder;
        this.#marking = act;
        this.#later(micros, owner, () => {
          if (this.#holder !== holder) return;
          this.#marking = undefined;
          resolve(act());
        });
      });
    return {
      found,
      make: () =>
        change(this.#duration(3 * this.#weather.syncMin, 3 * this.#weather.syncMax), () => {
          const mark = `${this.#node} ${++this.#marksMade}`;
          this.#state.marks.push(mark);
          return mark;
        }),
      settle: () =>
        change(this.#duration(this.#weather.writeMin, this.#weather.writeMax), () => {
          this.#state.marks = this.#state.marks.filter((mark) => !found.includes(mark));
        }),
    };
  }

  #losePower(pending: readonly WriteTask[]): void {
    this.#state.writeBack(this.#world.scheduler.nowMicros);
    const unsynced = this.#state.unsyncedBatches;
    const kept = this.#random.below(unsynced + pending.length + 1);
    const lost = unsynced + pending.length - kept;
    for (let i = 0; i < kept - unsynced; i++) {
      this.#apply((pending[i] as WriteTask).operations);
    }
    this.#state.loseUnsynced(kept);
    if (lost > 0 && this.#random.percent(50)) this.#tearTail();
  }

  #tearTail(): void {
    // LMDB has no log that could lose its tail.
    this.#tailDropped = this.#kind !== 'btree';
  }

  #apply(operations: readonly EngineOperation[]): void {
    const { scheduler } = this.#world;
    const removed = operations.flatMap(({ kind, key }) => {
      const isWatched =
        key[0] === keyPrefix.record || (key[0] === keyPrefix.hint && this.#hintListeners.length > 0);
      if (kind !== 'delete' || !isWatched) return [];
      return this.#state.get(key) ?? [];
    });
    this.#state.apply(operations, scheduler.nowMicros);
    for (const { key, value } of removed) {
      const listeners = key[0] === keyPrefix.record ? this.#removedListeners : this.#hintListeners;
      for (const listener of listeners) listener(key, value);
    }
    for (const operation of operations) {
      scheduler.mix(operation.kind === 'put' ? crc32(operation.value) : 1);
      if (operation.kind === 'delete') continue;
      for (const listener of this.#storedListeners) listener(operation.key, operation.value);
    }
  }

  #replace(copy?: DiskCopy, keepsMarks = false): void {
    if (this.#holder !== undefined && this.#holder.owner.state !== 'halted') {
      throw new Error(`the disk of ${this.#node} is in use by ${this.#holder.owner.name}`);
    }
    this.#holder = undefined;
    this.#tailDropped = false;
    if (copy === undefined) this.#kind = undefined;
    this.#failNext = undefined;
    this.#state.reset(copy, keepsMarks);
    for (const listener of this.#replacedListeners) listener(copy);
  }

  #duration(least: number, most: number): number {
    const isStalled = this.#random.percent(this.#weather.stallPercent);
    if (isStalled) this.#stalls++;
    const stall = isStalled ? this.#weather.stallMicros : 0;
    // A stall on a slow disk would otherwise last minutes, long after all faults have ended.
    return Math.min(this.#random.between(least, most) * this.#slowFactor + stall, taskMicrosMax);
  }

  #later(micros: number, owner: EventOwner, run: () => void): void {
    const { scheduler } = this.#world;
    scheduler.at(scheduler.nowMicros + micros, owner, eventKind.disk, run);
  }

  #note(what: string, tasks: readonly DiskTask[]): void {
    this.#trace(() => {
      const waiting = tasks.map((task) => (task.kind === 'write' ? textOf(task) : 'flush'));
      return waiting.length === 0 ? what : `${what} during: ${waiting.join('; ')}`;
    }, tasks.flatMap(keysOf));
  }

  #slowText(stalled: boolean): string {
    const reasons = [
      stalled ? 'stalled' : '',
      this.#slowFactor > 1 ? `slow disk, ${this.#slowFactor} times` : '',
    ];
    const given = reasons.filter((reason) => reason !== '');
    return given.length === 0 ? '' : ` (${given.join(', ')})`;
  }

  /** `keys`: of the engine, that it concerns. */
  #trace(text: () => string, keys: readonly Uint8Array[] = [], sinceMicros?: number): void {
    const { trace, scheduler } = this.#world;
    if (trace === undefined) return;
    trace.add({
      atMicros: scheduler.nowMicros,
      kind: 'disk',
      at: this.#node,
      text: text(),
      ...concerning(keys.flatMap(concernedBy)),
      ...(sinceMicros === undefined ? {} : { sinceMicros }),
    });
  }
}

function keysOf(task: DiskTask): readonly Uint8Array[] {
  return task.kind === 'write' ? task.operations.map(({ key }) => key) : [];
}

/** `bucket/key` of a record or a hint; nothing else concerns a key. */
function concernedBy(key: Uint8Array): readonly string[] {
  if (key[0] === keyPrefix.record) return [recordName(key.subarray(recordHeaderLength))];
  return key[0] === keyPrefix.hint ? [recordName(key.subarray(2 + (key[1] ?? 0)))] : [];
}

function ioError(): Error {
  return Object.assign(new Error('Input/output error'), { code: 'EIO' });
}

function noSpace(): Error {
  return Object.assign(new Error('No space left on device'), { code: 'ENOSPC' });
}

function textOf(task: WriteTask): string {
  const shown = task.operations.slice(0, shownMax).map(({ kind, key }) => {
    return kind === 'put' ? nameOf(key) : `-${nameOf(key)}`;
  });
  if (task.operations.length > shown.length) shown.push(`${task.operations.length - shown.length} more`);
  return `${shown.join(', ')}${task.sync ? ' (synced)' : ''}`;
}

/** `bucket/key` of a record, `hint n2 bucket/key`, `identity name`. */
function nameOf(key: Uint8Array): string {
  if (key[0] === keyPrefix.record) return recordName(key.subarray(recordHeaderLength));
  const nodeLength = key[1] ?? 0;
  if (key[0] === keyPrefix.hint) {
    return `hint ${utf8(key.subarray(2, 2 + nodeLength))} ${recordName(key.subarray(2 + nodeLength))}`;
  }
  if (key[0] === keyPrefix.hintOrder) {
    // Behind the target, when its oldest part was kept.
    return `place of hint ${utf8(key.subarray(2, 2 + nodeLength))} ${recordName(key.subarray(10 + nodeLength))}`;
  }
  return `identity ${utf8(key.subarray(1))}`;
}

function recordName(recordKey: Uint8Array): string {
  const name = readRecordKey(recordKey);
  return name === undefined ? utf8(recordKey) : `${name.bucket}/${utf8(name.key)}`;
}

function utf8(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

/**
 * The `StorageEngine` that one life of a process opens on a simulated disk. It does one thing at a time, in the order of the
 * calls; each takes virtual time, and until it is over nobody can say whether it happened: a crash decides.
 */

import {
  type DirectoryMark,
  EngineError,
  type EngineKind,
  type EngineOperation,
  type KeyRange,
  type StorageEngine,
} from '../../../src/storage/engine.ts';
import { engineError, FailStop } from '../../../src/storage/engine-failure.ts';
import type { EventOwner } from '../kernel/scheduler.ts';

/** What an engine waits for the disk to do. */
export type DiskTask = WriteTask | FlushTask;

export interface WriteTask {
  readonly kind: 'write';
  readonly operations: readonly EngineOperation[];
  readonly sync: boolean;
  /** The disk has done its part; only the answer is still to come. */
  performed: boolean;
  readonly done: (failure: unknown) => void;
}

interface FlushTask {
  readonly kind: 'flush';
  readonly done: (failure: unknown) => void;
}

/** What an engine needs of the disk that it was opened on. */
export interface DiskDoor {
  /** Does the task in virtual time, then calls `over` in an event of the owner, with the reason if it failed. */
  perform(task: DiskTask, owner: EventOwner, over: (failure: unknown) => void): void;
  get(key: Uint8Array): Uint8Array | undefined;
  range(range: KeyRange): readonly { readonly key: Uint8Array; readonly value: Uint8Array }[];
  sizeBytes(): number;
  closed(engine: SimulatedEngine): void;
}

export interface SimulatedEngineOptions {
  readonly kind: EngineKind;
  readonly path: string;
  readonly tailDropped: boolean;
  readonly mark: DirectoryMark;
}

export class SimulatedEngine implements StorageEngine {
  readonly kind: EngineKind;
  readonly tailDropped: boolean;
  readonly mark: DirectoryMark;
  readonly owner: EventOwner;
  readonly #disk: DiskDoor;
  readonly #path: string;
  readonly #state: FailStop;
  /** The first is under way. */
  readonly #tasks: DiskTask[] = [];
  #idleListeners: (() => void)[] = [];
  #dead = false;

  constructor(disk: DiskDoor, owner: EventOwner, options: SimulatedEngineOptions) {
    this.#disk = disk;
    this.owner = owner;
    this.kind = options.kind;
    this.tailDropped = options.tailDropped;
    this.mark = options.mark;
    this.#path = options.path;
    this.#state = new FailStop(options.path);
  }

  get(key: Uint8Array): Uint8Array | undefined {
    this.#check();
    try {
      return this.#disk.get(key)?.slice();
    } catch (cause) {
      // As LevelDB and LMDB do: what cannot be read is no reason to stop writing.
      throw engineError(cause, 'reading from', this.#path);
    }
  }

  async write(operations: readonly EngineOperation[], options: { readonly sync: boolean }): Promise<void> {
    if (this.#dead) return never();
    this.#state.check();
    const copied = operations.map(
      (operation): EngineOperation =>
        operation.kind === 'put'
          ? { kind: 'put', key: operation.key.slice(), value: operation.value.slice() }
          : { kind: 'delete', key: operation.key.slice() },
    );
    // Every commit of LMDB is a synced one.
    const sync = options.sync || this.kind === 'btree';
    return this.#queue((done) => ({ kind: 'write', operations: copied, sync, performed: false, done }));
  }

  async *entries(range: KeyRange): AsyncIterable<readonly [Uint8Array, Uint8Array]> {
    this.#check();
    for (const { key, value } of this.#disk.range(range)) {
      yield [key.slice(), value.slice()];
      this.#check();
    }
  }

  async sizeBytes(): Promise<number> {
    this.#check();
    return this.#disk.sizeBytes();
  }

  async flush(): Promise<void> {
    if (this.#dead) return never();
    this.#state.check();
    return this.#queue((done) => ({ kind: 'flush', done }));
  }

  async close(): Promise<void> {
    if (this.#dead) return never();
    if (!this.#state.close()) return;
    while (this.#tasks.length > 0) await new Promise<void>((resolve) => this.#idleListeners.push(resolve));
    this.#disk.closed(this);
  }

  get isWriting(): boolean {
    return this.#tasks.some(({ kind }) => kind === 'write');
  }

  /** The process is gone: nothing settles any more. Returns what was handed over and not answered, oldest first. */
  die(): readonly DiskTask[] {
    this.#dead = true;
    return this.#tasks.splice(0);
  }

  #check(): void {
    // A process that is gone reads nothing; whoever gets here holds on to an engine of a life that is over.
    if (this.#dead) throw new EngineError('closed', `the process that had ${this.#path} open is gone`);
    this.#state.check();
  }

  #queue(taskOf: (done: (failure: unknown) => void) => DiskTask): Promise<void> {
    return new Promise((resolve, reject) => {
      const task = taskOf((failure) => {
        if (failure === undefined) resolve();
        else reject(this.#state.fail(failure, task.kind === 'write' ? 'writing to' : 'flushing'));
      });
      this.#tasks.push(task);
      if (this.#tasks.length === 1) this.#next();
    });
  }

  #next(): void {
    const task = this.#tasks[0];
    if (task === undefined) {
      const listeners = this.#idleListeners;
      this.#idleListeners = [];
      for (const listener of listeners) listener();
      return;
    }
    this.#disk.perform(task, this.owner, (failure) => {
      if (this.#dead) return;
      this.#tasks.shift();
      task.done(failure);
      // What waited behind a failed write is not tried: the engine has stopped.
      if (failure !== undefined) for (const later of this.#tasks.splice(0)) later.done(failure);
      this.#next();
    });
  }
}

function never(): Promise<never> {
  return new Promise<never>(() => {});
}

/**
 * Many small writes, few fsyncs: what is queued while one batch is being written becomes the next (group commit, DeWitt et
 * al., SIGMOD 1984). One per engine, shared by everything that writes to it, so that records, hints and the identity wait
 * for the same fsync.
 *
 * Batches are written one after another in the order of `write` calls, so the order per key is the callers' order. The queue
 * needs no bound of its own: each entry is held by a request, and requests are bounded where they enter the node.
 */

import type { Env } from '../env/env.ts';
import { EngineError, type EngineOperation, type StorageEngine } from './engine.ts';
import { engineError } from './engine-failure.ts';

/** What one batch was, for the metrics. */
export interface CommittedBatch {
  readonly operations: number;
  readonly bytes: number;
  readonly sync: boolean;
  /** From the call of the engine until it answered; with `sync` this is what the fsync costs. */
  readonly seconds: number;
}

export interface GroupCommitOptions {
  /** Most operations in one batch. More: fewer fsyncs under load, a longer wait for the first of them. */
  readonly batchOperationsMax: number;
  /** A batch is closed by the operation that reaches this many bytes; one larger operation still is a batch. */
  readonly batchBytesMax: number;
}

const defaults: GroupCommitOptions = { batchOperationsMax: 1024, batchBytesMax: 8 * 2 ** 20 };

interface QueuedWrite {
  readonly operation: EngineOperation;
  readonly sync: boolean;
  readonly resolve: () => void;
  readonly reject: (error: EngineError) => void;
}

export class GroupCommit {
  readonly #engine: StorageEngine;
  readonly #env: Env;
  readonly #observe: ((batch: CommittedBatch) => void) | undefined;
  readonly #options: GroupCommitOptions;
  readonly #failureListeners: ((error: EngineError) => void)[] = [];
  #queue: QueuedWrite[] = [];
  #queuedBytes = 0;
  /** Operations since the start that were queued, and that were written or refused. */
  #queued = 0;
  #settled = 0;
  /** Batches written without a sync, and how many of them a flush has brought to stable storage. One was left by the run before. */
  #unsynced = 1;
  #flushed = 0;
  #settledWaiters: { readonly settled: number; readonly resolve: () => void }[] = [];
  #busy = false;
  #failure: EngineError | undefined;
  #ended: EngineError | undefined;
  #stopping: Promise<void> | undefined;

  constructor(
    deps: {
      readonly engine: StorageEngine;
      readonly env: Env;
      readonly observe?: (batch: CommittedBatch) => void;
    },
    options: Partial<GroupCommitOptions> = {},
  ) {
    this.#engine = deps.engine;
    this.#env = deps.env;
    this.#observe = deps.observe;
    this.#options = { ...defaults, ...options };
  }

  /** The first failed write. From then on every write is refused with it; the node should exit. */
  get failure(): EngineError | undefined {
    return this.#failure;
  }

  /** Bytes of keys and values that wait for a batch. */
  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  /** Calls `listener` once, when the first write fails (at once if it already has). */
  onFailure(listener: (error: EngineError) => void): void {
    if (this.#failure === undefined) this.#failureListeners.push(listener);
    else listener(this.#failure);
  }

  /**
   * Resolves when the operation is stored: with `sync` on stable storage, without when it survives this process. Rejects with
   * EngineError; then it is unknown whether it was stored, and every later write is refused with the same error.
   */
  write(operation: EngineOperation, options: { readonly sync: boolean }): Promise<void> {
    const refused = this.#failure ?? this.#ended;
    if (refused !== undefined) return Promise.reject(refused);
    return new Promise((resolve, reject) => {
      this.#queue.push({ operation, sync: options.sync, resolve, reject });
      this.#queued++;
      this.#queuedBytes += bytesOf(operation);
      if (this.#busy) return;
      this.#busy = true;
      // Not at once: everything of this tick shares the batch.
      this.#env.timers.endOfTick(() => void this.#writeBatches());
    });
  }

  /**
   * Resolves when all that was queued before this call is on stable storage, synced or not. A synced write says that only of
   * itself: with the LSM an older write that was not synced may be lost while a newer one is there. Rejects with EngineError.
   */
  async flush(): Promise<void> {
    const settled = this.#queued;
    if (this.#settled < settled) {
      await new Promise<void>((resolve) => this.#settledWaiters.push({ settled, resolve }));
    }
    const refused = this.#failure ?? this.#ended;
    if (refused !== undefined) throw refused;
    const unsynced = this.#unsynced;
    // What was synced, was that each for itself. A flush that has nothing to do would still cost the LSM a table.
    if (unsynced === this.#flushed) return;
    try {
      await this.#engine.flush();
    } catch (cause) {
      // What was acknowledged as buffered may be lost: nothing is served or acknowledged any more, as after a failed write.
      const error = engineError(cause, 'flushing', 'the store');
      // A write that is under way fails too, and knows why.
      if (error.code !== 'closed' && !this.#busy) this.#fail(error, []);
      throw error;
    }
    this.#flushed = Math.max(this.#flushed, unsynced);
  }

  /**
   * Refuses everything from now on with `error`, as after a failed write; stores `last` before it tells the listeners. For a
   * store that may not be used any more. Nothing happens after a failure.
   */
  async stop(error: EngineError, last: EngineOperation): Promise<void> {
    if (this.#failure !== undefined) return;
    this.#refuseAll(error, []);
    this.#stopping = this.#engine.write([last], { sync: true });
    try {
      await this.#stopping;
    } finally {
      for (const listener of this.#failureListeners) listener(error);
    }
  }

  /**
   * Stores what waits, brings everything to stable storage, and then stores `last`, which may say so. What arrives from now on
   * is refused: stored after that, it could be lost with the power, and `last` would be a lie. Nothing is stored after a
   * failure.
   */
  async end(last: EngineOperation): Promise<void> {
    this.#ended ??= new EngineError('closed', 'the store is being closed');
    await this.#idle();
    // Whoever stopped the store is told when its last word could not be stored.
    await this.#stopping?.catch(() => undefined);
    if (this.#failure !== undefined) return;
    await this.#engine.flush();
    if (this.#failure !== undefined) return;
    await this.#engine.write([last], { sync: true });
  }

  /** Resolves when nothing waits any more, whether it was stored or refused. */
  async #idle(): Promise<void> {
    while (this.#busy) await new Promise<void>((resolve) => this.#env.timers.endOfTick(resolve));
  }

  async #writeBatches(): Promise<void> {
    while (this.#queue.length > 0 && this.#failure === undefined) {
      const { batch, bytes } = this.#nextBatch();
      const sync = batch.some((write) => write.sync);
      const start = this.#env.clock.monotonicMs();
      try {
        await this.#engine.write(
          batch.map((write) => write.operation),
          { sync },
        );
      } catch (cause) {
        this.#fail(engineError(cause, 'writing to', 'the store'), batch);
        break;
      }
      const seconds = (this.#env.clock.monotonicMs() - start) / 1000;
      if (!sync) this.#unsynced++;
      for (const write of batch) write.resolve();
      this.#settle(batch.length);
      this.#observe?.({ operations: batch.length, bytes, sync, seconds });
    }
    this.#busy = false;
  }

  #nextBatch(): { batch: QueuedWrite[]; bytes: number } {
    let count = 0;
    let bytes = 0;
    while (
      count < this.#queue.length &&
      count < this.#options.batchOperationsMax &&
      bytes < this.#options.batchBytesMax
    ) {
      bytes += bytesOf((this.#queue[count] as QueuedWrite).operation);
      count++;
      // Safe: a batch may end anywhere, nobody was promised to share one.
      if (this.#env.rarePath('group-commit-cut-short')) break;
    }
    const batch = this.#queue.splice(0, count);
    this.#queuedBytes -= bytes;
    return { batch, bytes };
  }

  #fail(error: EngineError, batch: readonly QueuedWrite[]): void {
    // A batch that was on its way when the store was stopped has nothing to add to the reason.
    const isFirst = this.#failure === undefined;
    this.#refuseAll(this.#failure ?? error, batch);
    if (isFirst) for (const listener of this.#failureListeners) listener(error);
  }

  #refuseAll(error: EngineError, batch: readonly QueuedWrite[]): void {
    this.#failure = error;
    const refused = [...batch, ...this.#queue];
    this.#queue = [];
    this.#queuedBytes = 0;
    for (const write of refused) write.reject(error);
    this.#settle(refused.length);
  }

  #settle(count: number): void {
    this.#settled += count;
    if (this.#settledWaiters.length === 0) return;
    const due = this.#settledWaiters.filter((waiter) => waiter.settled <= this.#settled);
    this.#settledWaiters = this.#settledWaiters.filter((waiter) => waiter.settled > this.#settled);
    for (const waiter of due) waiter.resolve();
  }
}

function bytesOf(operation: EngineOperation): number {
  return operation.key.length + (operation.kind === 'put' ? operation.value.length : 0);
}

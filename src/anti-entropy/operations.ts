/**
 * Long-running work that an operator starts, and what is remembered of it: bounded, in memory, gone with the process. What
 * an operation does is given as a function; here it has a name, a state, and an end.
 */

import type { Env } from '../env/env.ts';

/** How an operation ended, or that it has not. */
export type OperationState = 'running' | 'done' | 'failed' | 'cancelled';

/** An operation at a moment. */
export interface OperationView {
  readonly id: string;
  readonly kind: string;
  readonly state: OperationState;
  /** 0 to 1. */
  readonly progress: number;
  /** Microseconds since 1970. */
  readonly startedAtMicros: number;
  readonly finishedAtMicros: number | undefined;
  readonly counters: Readonly<Record<string, number>>;
  /** Why it failed. `undefined`: it did not. */
  readonly error: string | undefined;
  /** What it is doing, in a sentence. */
  readonly detail: string;
  readonly scope: OperationScope;
}

/** What an operation was asked to work on. */
export interface OperationScope {
  /** It only looks. */
  readonly dryRun: boolean;
  /** `undefined`: all. */
  readonly bucket: string | undefined;
}

const everything: OperationScope = { dryRun: false, bucket: undefined };

/** What the work of an operation may tell and ask. */
export interface OperationRun {
  /** True once somebody cancelled it, or the node stops: it should end soon. */
  readonly isCancelled: () => boolean;
  /** Says how far it is. */
  readonly report: (progress: number, detail: string, counters: Readonly<Record<string, number>>) => void;
}

/** What becomes of the wish to start one. */
export type Started =
  | { readonly kind: 'started'; readonly operation: OperationView }
  /** One of its kind runs already. */
  | { readonly kind: 'busy'; readonly running: OperationView };

interface Operation {
  view: OperationView;
  cancelled: boolean;
  ended: Promise<void>;
}

/** Operations that are remembered, those that run included. */
const rememberedMax = 100;

export class Operations {
  readonly #env: Env;
  readonly #onError: (error: unknown) => void;
  /** In the order of their starts. */
  readonly #operations = new Map<string, Operation>();
  #count = 0;
  #stopped = false;

  /** `onError`: told of what made an operation fail, besides the operation itself. */
  constructor(env: Env, onError: (error: unknown) => void) {
    this.#env = env;
    this.#onError = onError;
  }

  /** True once the node stops: nothing new begins, and who watches should go. */
  get isStopped(): boolean {
    return this.#stopped;
  }

  /** Starts `work`, unless another operation of its kind runs. It is failed when `work` rejects. */
  start(
    kind: string,
    work: (run: OperationRun) => Promise<void>,
    scope: OperationScope = everything,
  ): Started {
    const running = [...this.#operations.values()].find(
      ({ view }) => view.kind === kind && view.state === 'running',
    );
    if (running !== undefined) return { kind: 'busy', running: running.view };
    const id = `${kind}-${++this.#count}`;
    const operation: Operation = {
      view: {
        id,
        kind,
        state: 'running',
        progress: 0,
        startedAtMicros: this.#env.clock.wallMicros(),
        finishedAtMicros: undefined,
        counters: {},
        error: undefined,
        detail: '',
        scope,
      },
      cancelled: this.#stopped,
      ended: Promise.resolve(),
    };
    this.#operations.set(id, operation);
    this.#forget();
    operation.ended = this.#carryOut(operation, work);
    return { kind: 'started', operation: operation.view };
  }

  get(id: string): OperationView | undefined {
    return this.#operations.get(id)?.view;
  }

  /** Newest first. */
  list(): readonly OperationView[] {
    return [...this.#operations.values()].map(({ view }) => view).reverse();
  }

  /** Asks an operation to stop; it is `cancelled` once it has. `undefined`: there is no such operation. */
  cancel(id: string): OperationView | undefined {
    const operation = this.#operations.get(id);
    if (operation === undefined) return undefined;
    if (operation.view.state === 'running') operation.cancelled = true;
    return operation.view;
  }

  /** Cancels all, and resolves when they have ended. */
  async stop(): Promise<void> {
    this.#stopped = true;
    for (const operation of this.#operations.values()) operation.cancelled = true;
    await Promise.all([...this.#operations.values()].map(({ ended }) => ended));
  }

  async #carryOut(operation: Operation, work: (run: OperationRun) => Promise<void>): Promise<void> {
    let state: OperationState = 'done';
    let error: string | undefined;
    try {
      await work({
        isCancelled: () => operation.cancelled,
        report: (progress, detail, counters) => {
          operation.view = { ...operation.view, progress, detail, counters: { ...counters } };
        },
      });
      if (operation.cancelled) state = 'cancelled';
    } catch (cause) {
      state = 'failed';
      error = cause instanceof Error ? cause.message : String(cause);
      this.#onError(cause);
    }
    operation.view = {
      ...operation.view,
      state,
      error,
      progress: state === 'done' ? 1 : operation.view.progress,
      finishedAtMicros: this.#env.clock.wallMicros(),
    };
  }

  #forget(): void {
    for (const [id, { view }] of this.#operations) {
      if (this.#operations.size <= rememberedMax) return;
      if (view.state !== 'running') this.#operations.delete(id);
    }
  }
}

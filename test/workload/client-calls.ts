/**
 * A client's calls: each is in the history before it is sent and when it has come back, and what its answer teaches is
 * remembered for the key.
 */

import { assert } from '../../src/core/assert.ts';
import { toHex } from '../../src/core/bytes.ts';
import type { Env } from '../../src/env/env.ts';
import type { GetResponse } from '../../src/gen/kindred/v1/kv.ts';
import type { ItemStatus, WriteOptions } from '../../src/gen/kindred/v1/types.ts';
import type { ReadAttempt, WriteAttempt } from '../checkers/history.ts';
import type { ClientPlan } from '../simulation/plan/seed-plan.ts';
import type { SeededRandom } from '../support/seeded-random.ts';
import type { CallResult, ClientTransport } from './client-transport.ts';
import type { CallFailure, HeldContext, HistoryRecorder, WriteAnswer } from './history-recorder.ts';
import {
  deleteMessage,
  getMessage,
  type IntendedRead,
  type IntendedWrite,
  keyOf,
  mutationMessage,
  operationMessage,
  putMessage,
  readOptionsMessage,
  touchMessage,
} from './intended-operation.ts';
import { KnownKey } from './known-key.ts';

export interface ClientCallsDependencies {
  readonly env: Pick<Env, 'clock' | 'timers'>;
  readonly recorder: HistoryRecorder;
  /** One for each node. */
  readonly transports: readonly ClientTransport[];
  readonly random: SeededRandom;
}

export type Reply =
  | { readonly kind: 'done'; readonly context: HeldContext }
  | ({ readonly kind: 'failed' } & CallFailure);

/** gRPC's INTERNAL: an answer that no correct server gives. */
const codeInternal = 13;

export class ClientCalls {
  readonly name: string;
  readonly random: SeededRandom;
  readonly transports: readonly ClientTransport[];
  readonly keys: readonly KnownKey[];
  readonly recorder: HistoryRecorder;
  /** As the plan says it. */
  readonly bufferedPercent: number | undefined;
  readonly #env: Pick<Env, 'clock' | 'timers'>;
  readonly #operations: number;
  #begun = 0;
  #values = 0;
  #requests = 0;
  #wake: (() => void) | undefined;
  #stopped = false;

  constructor(
    {
      name,
      keys,
      operations,
      bufferedPercent,
    }: Pick<ClientPlan, 'name' | 'keys' | 'operations' | 'bufferedPercent'>,
    dependencies: ClientCallsDependencies,
  ) {
    this.name = name;
    this.keys = keys.map((key) => new KnownKey(key));
    this.#operations = operations;
    this.bufferedPercent = bufferedPercent;
    this.random = dependencies.random;
    this.transports = dependencies.transports;
    this.recorder = dependencies.recorder;
    this.#env = dependencies.env;
  }

  /** How many attempts this client has made. */
  get begun(): number {
    return this.#begun;
  }

  /** How many the plan leaves it. */
  get remaining(): number {
    return this.#operations - this.#begun;
  }

  /** A text that no other write has: the client, and how many values it has made. */
  nextValue(): string {
    return `${this.name}/${++this.#values}`;
  }

  /** A number for a request id that this client has not used yet. */
  nextRequest(): number {
    return ++this.#requests;
  }

  /** Ends pauses from now on. */
  stop(): void {
    this.#stopped = true;
    this.#wake?.();
  }

  get stopped(): boolean {
    return this.#stopped;
  }

  pause(ms: number): Promise<void> {
    if (this.#stopped || ms <= 0) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = this.#env.timers.after(ms, () => {
        this.#wake = undefined;
        resolve();
      });
      this.#wake = () => {
        timer.cancel();
        this.#wake = undefined;
        resolve();
      };
    });
  }

  async read(intended: IntendedRead, through: ClientTransport): Promise<Reply> {
    const attempt = this.#beginRead(intended, through);
    const result = await through.get(getMessage(intended), intended);
    return this.#readEnded(intended, attempt, result);
  }

  async write(intended: IntendedWrite, through: ClientTransport): Promise<Reply> {
    const attempt = this.#beginWrite(intended, through);
    switch (intended.action) {
      case 'put':
        return this.#writeEnded(intended, attempt, await through.put(putMessage(intended), intended));
      case 'delete':
        return this.#writeEnded(intended, attempt, await through.delete(deleteMessage(intended), intended));
      case 'touch': {
        const result = await through.touch(touchMessage(intended), intended);
        if (result.kind === 'failed') return this.#writeEnded(intended, attempt, result);
        // Touch does not name the version that it made.
        const answer: WriteAnswer = { ...result.answer, dot: undefined };
        return this.#writeEnded(intended, attempt, { kind: 'answered', answer });
      }
    }
  }

  /** Asks what became of a write; that it cannot tell is no failure worth writing down. True: it has happened. */
  async wasApplied(intended: IntendedWrite, through: ClientTransport): Promise<boolean> {
    const { known, requestId } = intended;
    assert(requestId !== undefined, 'only writes with a request id have an outcome to ask for');
    const result = await through.writeOutcome(
      { key: keyOf(known), requestId, options: undefined },
      { timeoutMs: intended.timeoutMs },
    );
    if (result.kind === 'failed') return false;
    const context = this.recorder.open(known.name, result.answer.context);
    const applied = result.answer.dot !== undefined;
    // It may be of siblings that nobody read: good for `min_context` and for a put that wants them all gone.
    if (applied) known.learnWrite(context);
    return applied;
  }

  /** Reads of one batch share everything but the key. */
  async batchRead(
    keys: readonly KnownKey[],
    options: Omit<IntendedRead, 'known'>,
    through: ClientTransport,
  ): Promise<readonly Reply[]> {
    const intended = keys.map((known): IntendedRead => ({ ...options, known }));
    const attempts = intended.map((each) => this.#beginRead(each, through));
    const replies: (Reply | undefined)[] = new Array<undefined>(keys.length).fill(undefined);
    const end = await through.batchGet(
      { keys: keys.map(keyOf), options: readOptionsMessage(options) },
      options,
      ({ index, status, result }) => {
        replies[index] = this.#readEnded(
          at(intended, index),
          at(attempts, index),
          itemResult(status, result),
        );
      },
    );
    return attempts.map((attempt, index) => {
      return replies[index] ?? this.#readEnded(at(intended, index), attempt, missing(end));
    });
  }

  /**
   * `options`: for items that have none of their own. `ownOptions` has one entry an item. The items' request ids must be
   * those that follow from that of the batch.
   */
  async batchWrite(
    items: readonly IntendedWrite[],
    options: WriteOptions,
    ownOptions: readonly boolean[],
    timeoutMs: number,
    through: ClientTransport,
  ): Promise<readonly Reply[]> {
    const attempts = items.map((item) => this.#beginWrite(item, through));
    const replies: (Reply | undefined)[] = new Array<undefined>(items.length).fill(undefined);
    const mutations = items.map((item, index) => mutationMessage(item, at(ownOptions, index)));
    const end = await through.batchWrite(
      { mutations, options },
      { timeoutMs },
      ({ index, status, result }) => {
        const item = at(items, index);
        const answer = result?.$case === item.action ? result.value : undefined;
        replies[index] = this.#writeEnded(item, at(attempts, index), itemResult(status, answer));
      },
    );
    return attempts.map((attempt, index) => {
      return replies[index] ?? this.#writeEnded(at(items, index), attempt, missing(end));
    });
  }

  /** `ownTimeouts` has one entry an operation: whether it says how long it may take. */
  async pipeline(
    intended: readonly (IntendedRead | IntendedWrite)[],
    ownTimeouts: readonly boolean[],
    timeoutMs: number,
    through: ClientTransport,
  ): Promise<readonly Reply[]> {
    const endings = intended.map((each) => this.#beginEither(each, through));
    const replies: (Reply | undefined)[] = new Array<undefined>(intended.length).fill(undefined);
    const operations = intended.map((each, index) =>
      operationMessage(index + 1, each, at(ownTimeouts, index)),
    );
    const end = await through.pipeline(operations, { timeoutMs }, ({ id, status, result }) => {
      const index = id - 1;
      const each = at(intended, index);
      const asked = 'action' in each ? each.action : 'get';
      replies[index] = at(
        endings,
        index,
      )(itemResult(status, result?.$case === asked ? result.value : undefined));
    });
    return endings.map((ended, index) => replies[index] ?? ended(missing(end)));
  }

  /** Begins an operation of either kind; the result takes how it ended. */
  #beginEither(
    intended: IntendedRead | IntendedWrite,
    through: ClientTransport,
  ): (result: CallResult<object>) => Reply {
    if ('action' in intended) {
      const attempt = this.#beginWrite(intended, through);
      return (result) => {
        if (result.kind === 'failed') return this.#writeEnded(intended, attempt, result);
        const answer = result.answer as WriteAnswer;
        return this.#writeEnded(intended, attempt, { kind: 'answered', answer });
      };
    }
    const attempt = this.#beginRead(intended, through);
    return (result) => this.#readEnded(intended, attempt, result as CallResult<GetResponse>);
  }

  #beginRead(intended: IntendedRead, through: ClientTransport): ReadAttempt {
    this.#begun++;
    const { bucket, key } = intended.known.name;
    return this.recorder.beginRead({
      client: this.name,
      node: through.node,
      bucket,
      key,
      level: intended.level,
      minContext: intended.minContext?.seen,
      final: intended.final,
    });
  }

  #beginWrite(intended: IntendedWrite, through: ClientTransport): WriteAttempt {
    this.#begun++;
    const { causality, expiry, requestId, known } = intended;
    if (causality.kind !== 'context') known.mayHaveAdded();
    const attempt = this.recorder.beginWrite({
      write: intended.firstAttempt,
      client: this.name,
      node: through.node,
      bucket: known.name.bucket,
      key: known.name.key,
      action: intended.action,
      value: intended.value,
      causality: causality.kind === 'blind' ? causality.mode : 'context',
      context: seenBefore(intended),
      level: intended.level,
      sloppy: intended.sloppy,
      durability: intended.durability,
      requestId: requestId === undefined ? undefined : toHex(requestId),
      ttlMs: expiry.kind === 'never' ? undefined : expiry.ms,
    });
    if (requestId !== undefined) intended.firstAttempt ??= attempt.id;
    return attempt;
  }

  #readEnded(intended: IntendedRead, attempt: ReadAttempt, result: CallResult<GetResponse>): Reply {
    if (result.kind === 'failed') {
      this.recorder.readFailed(attempt, result);
      return result;
    }
    const context = this.recorder.readAnswered(attempt, result.answer);
    intended.known.learnRead(context, result.answer.versions.length);
    return { kind: 'done', context };
  }

  #writeEnded(intended: IntendedWrite, attempt: WriteAttempt, result: CallResult<WriteAnswer>): Reply {
    if (result.kind === 'failed') {
      this.recorder.writeFailed(attempt, result);
      return result;
    }
    const context = this.recorder.writeAnswered(attempt, result.answer);
    intended.known.learnWrite(context);
    return { kind: 'done', context };
  }
}

/** What the writer can have seen of the key. A token of another key tells it nothing about this one. */
function seenBefore({ causality }: IntendedWrite): WriteAttempt['context'] {
  if (causality.kind === 'context') return causality.context.seen;
  return causality.kind === 'bad-context' ? { clock: [], dots: [] } : undefined;
}

function at<T>(items: readonly T[], index: number): T {
  assert(index >= 0 && index < items.length, `an answer to item ${index}, which nobody asked for`);
  return items[index] as T;
}

/** How an item of a stream ended. */
function itemResult<A>(status: ItemStatus | undefined, answer: A | undefined): CallResult<A> {
  if (status !== undefined) {
    return { kind: 'failed', code: status.code, message: status.message, detail: status.detail };
  }
  if (answer !== undefined) return { kind: 'answered', answer };
  return {
    kind: 'failed',
    code: codeInternal,
    message: 'an item with neither answer nor status',
    detail: undefined,
  };
}

/** How an item ended that had no answer when the stream ended. */
function missing(end: CallResult<undefined>): CallResult<never> {
  if (end.kind === 'failed') return end;
  return { kind: 'failed', code: codeInternal, message: 'the stream ended without it', detail: undefined };
}

/** One operation of a pipeline, from the call to the answer, over as many attempts as it takes. */

import { MalformedAnswer } from './answer.ts';
import { backoffMs } from './backoff.ts';
import type { Endpoint } from './endpoints.ts';
import {
  errorOf,
  type Failure,
  failureOfCall,
  failureOfItem,
  isRetryable,
  outcomeOf,
  retryAfterMs,
} from './failure.ts';
import type { Operation, OperationResult } from './gen/kindred/v1/kv.ts';
import type { Patience } from './patience.ts';
import type { LaneOperation } from './pipeline-lane.ts';
import { deferred } from './waiting.ts';

/** An operation as the pipeline sees it. */
export interface DispatchedOperation extends LaneOperation {
  /** How often it was sent, or was about to be. */
  attempts: number;
  /** Where it failed last. */
  readonly last: Endpoint | undefined;
  /** Where to send it first, if that can be reached. */
  readonly preferred: () => Endpoint | undefined;
  /** Aborted when nobody waits for it any more. */
  readonly signal: AbortSignal;
  failed(failure: Failure, endpoint: Endpoint | undefined): void;
}

/** What an operation is made of. */
export interface OperationFields<Answer> {
  readonly op: NonNullable<Operation['op']>;
  /** Undefined for reads. */
  readonly requestId: Uint8Array | undefined;
  readonly patience: Patience;
  /** Where to send it first, if that can be reached. */
  readonly preferred: () => Endpoint | undefined;
  /** The answer in a result of this kind of operation. Undefined: it is of another kind. */
  readonly read: (answer: OperationResult['result']) => Answer | undefined;
  /** Bytes of the value. */
  readonly valueSize: number;
}

/** Ids, lengths, options, a context: what a message holds beside the value and the key, on the large side. */
const OVERHEAD_BYTES = 512;

/** One operation of a pipeline, from the call to the answer. */
export class PipelinedOperation<Answer> implements DispatchedOperation {
  readonly op: NonNullable<Operation['op']>;
  readonly size: number;
  readonly preferred: () => Endpoint | undefined;
  attempts = 0;
  last: Endpoint | undefined;
  isDone = false;
  /** Called when it is time for another attempt. */
  onRetry: () => void = () => undefined;
  /** Called when it has succeeded or failed. */
  onEnd: () => void = () => undefined;
  readonly #requestId: Uint8Array | undefined;
  readonly #patience: Patience;
  readonly #read: (answer: OperationResult['result']) => Answer | undefined;
  readonly #result = deferred<Answer>();
  #isUncertain = false;
  /** Whether the attempt under way may have reached a node. */
  #isSent = false;
  #retryTimer: NodeJS.Timeout | undefined;

  constructor(fields: OperationFields<Answer>) {
    this.op = fields.op;
    this.#requestId = fields.requestId;
    this.#patience = fields.patience;
    this.preferred = fields.preferred;
    this.#read = fields.read;
    const { key } = fields.op.value;
    this.size = OVERHEAD_BYTES + (key?.key.length ?? 0) + fields.valueSize;
    const giveUp = (): void =>
      this.#fail(this.#patience.failure({ isSent: this.#isSent, endpoint: undefined }));
    if (this.signal.aborted) queueMicrotask(giveUp);
    else this.signal.addEventListener('abort', giveUp, { once: true });
  }

  get answer(): Promise<Answer> {
    return this.#result.promise;
  }

  get signal(): AbortSignal {
    return this.#patience.signal;
  }

  get remainingMs(): number {
    return this.#patience.remainingMs;
  }

  sent(): void {
    this.#isSent = true;
  }

  answered(result: OperationResult, endpoint: Endpoint): void {
    if (this.isDone) return;
    if (result.status !== undefined) {
      this.failed(failureOfItem(result.status, endpoint.address), endpoint);
      return;
    }
    try {
      const answer = this.#read(result.result);
      if (answer === undefined) throw new MalformedAnswer(`${result.result?.$case} for ${this.op.$case}`);
      this.#result.resolve(answer);
      this.#end();
    } catch (error) {
      this.#fail(failureOfCall(error, undefined, endpoint.address));
    }
  }

  failed(failure: Failure, endpoint: Endpoint | undefined): void {
    if (this.isDone) return;
    const waitMs = backoffMs(this.attempts, Math.random(), retryAfterMs(failure));
    if (this.attempts >= this.#patience.attempts || !isRetryable(failure) || waitMs >= this.remainingMs) {
      this.#fail(failure);
      return;
    }
    this.#isUncertain ||= outcomeOf(failure) === 'UNKNOWN';
    this.#isSent = false;
    this.last = endpoint;
    this.#retryTimer = setTimeout(this.onRetry, waitMs);
  }

  #fail(failure: Failure): void {
    if (this.isDone) return;
    this.#result.reject(
      errorOf(failure, {
        isWrite: this.#requestId !== undefined,
        requestId: this.#requestId,
        attempts: this.attempts,
        isUncertain: this.#isUncertain,
      }),
    );
    this.#end();
  }

  #end(): void {
    this.isDone = true;
    clearTimeout(this.#retryTimer);
    this.#patience[Symbol.dispose]();
    this.onEnd();
  }
}

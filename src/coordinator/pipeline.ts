/**
 * One Pipeline stream: many operations in flight, answered in any order, matched by id. Results that finish in one tick
 * leave in one message.
 *
 * Everything is bounded: beyond `operationsMax` operations (or with too many unsent bytes, or a full node) nothing more is
 * started and nothing more is read, so that HTTP/2's flow control holds the client back. At most one message waits.
 */

import { type Failure, OperationError } from '../core/coordinator/failure.ts';
import type { Env } from '../env/env.ts';
import type { Operation, OperationResult, PipelineRequest, PipelineResponse } from '../gen/kindred/v1/kv.ts';
import type { ItemStatus } from '../gen/kindred/v1/types.ts';
import type { Admission } from '../rpc/admission.ts';
import { microsOfDuration } from '../rpc/conversion.ts';
import { type DeadlineOptions, workMs } from '../rpc/deadline.ts';
import {
  checkMessageBytes,
  invalid,
  pipelineMessageOperationsMax,
  type RequestLimits,
  tooLarge,
} from '../rpc/limits.ts';
import type { DuplexCall, DuplexListener } from '../rpc/service.ts';
import type { Circumstances, ClientOperations } from './client-operations.ts';

export interface PipelineOptions extends DeadlineOptions {
  /** Operations of one stream in flight, results not yet taken by the network included. */
  readonly operationsMax: number;
  readonly limits: RequestLimits;
}

export interface PipelineDependencies {
  readonly env: Env;
  readonly operations: ClientOperations;
  readonly admission: Admission;
}

/** Results are cut into messages of about this size: the usual limit of a client's receive buffer is 4 MiB. */
const messageBytesTarget = 512 * 1024;
/** Finished results that the client has not taken: beyond this nothing new is started. */
const unsentBytesMax = 8 * 1024 * 1024;
/** Gets that one stream begins in one tick: their values are there at the end of it, before any bound could stop them. */
const getsPerTick = 64;
/** What a result weighs besides its values. */
const resultBytes = 128;

type Call = DuplexCall<PipelineRequest, PipelineResponse>;

export class Pipeline implements DuplexListener<PipelineRequest> {
  readonly #deps: PipelineDependencies;
  readonly #options: PipelineOptions;
  readonly #call: Call;
  /** Operations that came and are not started: the rest of the last message. */
  #waiting: readonly Operation[] = [];
  #nextWaiting = 0;
  /** The share of each waiting operation in the bytes of what waits. */
  #waitingBytes = 0;
  readonly #ids = new Set<number>();
  #running = 0;
  #runningGets = 0;
  #getsThisTick = 0;
  #results: OperationResult[] = [];
  #unsentBytes = 0;
  #paused = false;
  #blocked = false;
  #flushing = false;
  #awaitsRoom = false;
  #halfClosed = false;
  #shutdown = false;
  #ended = false;

  constructor(dependencies: PipelineDependencies, call: Call, options: PipelineOptions) {
    this.#deps = dependencies;
    this.#call = call;
    this.#options = options;
  }

  message(request: PipelineRequest, bytes: number): void {
    const { operations } = request;
    if (operations.length === 0) return;
    if (operations.length > pipelineMessageOperationsMax) {
      this.#refuse(tooLarge('operations', operations.length, pipelineMessageOperationsMax, 'items'));
      return;
    }
    try {
      checkMessageBytes(bytes, this.#options.limits.batchBytesMax, 'operations');
    } catch (error) {
      this.#refuse(error);
      return;
    }
    // A message that was on its way when reading stopped joins the rest of the one before it.
    const left = this.#waiting.length - this.#nextWaiting;
    this.#waiting = left > 0 ? [...this.#waiting.slice(this.#nextWaiting), ...operations] : operations;
    this.#nextWaiting = 0;
    this.#waitingBytes = Math.ceil((left * this.#waitingBytes + bytes) / this.#waiting.length);
    this.#advance();
  }

  halfClosed(): void {
    this.#halfClosed = true;
    this.#endIfDone();
  }

  cancelled(): void {
    this.#ended = true;
    this.#waiting = [];
    this.#nextWaiting = 0;
    this.#dropResults();
  }

  drained(): void {
    this.#blocked = false;
    this.#flush();
  }

  shutdown(): void {
    this.#shutdown = true;
    this.#advance();
    this.#endIfDone();
  }

  /** Starts what there is room for, and reads on only when nothing is left waiting. */
  #advance(): void {
    // Once the node shuts down, what waits is only refused: that needs no room.
    while (!this.#ended && this.#nextWaiting < this.#waiting.length && (this.#shutdown || this.#hasRoom())) {
      const operation = this.#waiting[this.#nextWaiting] as Operation;
      const isGet = operation.op?.$case === 'get';
      if (isGet && !this.#shutdown && !this.#mayGet()) break;
      const bytes = this.#waitingBytes + (isGet ? this.#deps.admission.expectedAnswerBytes : 0);
      if (!this.#shutdown && !this.#deps.admission.enter(bytes)) {
        this.#awaitRoom();
        break;
      }
      this.#nextWaiting++;
      this.#start(operation, bytes, isGet);
    }
    const full = this.#nextWaiting < this.#waiting.length || !this.#hasRoom();
    if (this.#ended || full === this.#paused) return;
    this.#paused = full;
    if (full) this.#call.pause();
    else this.#call.resume();
  }

  #hasRoom(): boolean {
    const inFlight = this.#running + this.#results.length;
    if (inFlight >= this.#options.operationsMax) return false;
    // Safe: what is in flight looks for room again when it is done.
    if (inFlight > 0 && this.#deps.env.rarePath('pipeline-of-one')) return false;
    const coming = this.#runningGets * this.#deps.admission.expectedAnswerBytes;
    // One at a time goes on in any case.
    return this.#unsentBytes + (this.#running > 1 ? coming : 0) < unsentBytesMax;
  }

  /** False: the rest begins in the next tick, once it is known how large the answers are. */
  #mayGet(): boolean {
    if (this.#getsThisTick >= getsPerTick) return false;
    if (this.#getsThisTick++ > 0) return true;
    this.#deps.env.timers.endOfTick(() => {
      this.#getsThisTick = 0;
      this.#advance();
    });
    return true;
  }

  #awaitRoom(): void {
    if (this.#awaitsRoom) return;
    this.#awaitsRoom = true;
    this.#deps.admission.onRoom(() => {
      this.#awaitsRoom = false;
      this.#advance();
    });
  }

  #start(operation: Operation, bytes: number, isGet: boolean): void {
    const { operations, admission } = this.#deps;
    const { id } = operation;
    if (this.#shutdown) {
      this.#push(this.#refused(operation, { kind: 'draining' }));
      return;
    }
    if (this.#ids.has(id)) {
      admission.leave(bytes);
      const problem = `${id} is in flight on this stream already: take another`;
      this.#push(this.#refused(operation, invalid('id', problem).failure));
      return;
    }
    let how: Circumstances;
    try {
      how = this.#circumstances(operation);
    } catch (error) {
      admission.leave(bytes);
      this.#push(this.#refused(operation, failureOf(error)));
      return;
    }
    this.#ids.add(id);
    this.#running++;
    if (isGet) this.#runningGets++;
    void operations.execute(operation, how).then((result) => {
      this.#running--;
      if (isGet) {
        this.#runningGets--;
        admission.answered(weightOf(result));
      }
      this.#ids.delete(id);
      // First, so that nobody is let in on bytes that are still in use.
      this.#push(result);
      admission.leave(bytes);
    });
  }

  #circumstances(operation: Operation): Circumstances {
    const { timeout } = operation;
    let leftMs = Number.POSITIVE_INFINITY;
    if (timeout !== undefined) {
      leftMs = microsOfDuration(timeout, 'timeout') / 1000;
      if (leftMs <= 0) throw invalid('timeout', 'must be more than zero');
    }
    const deadlineMs = this.#deps.env.clock.monotonicMs() + workMs(leftMs, this.#options);
    return {
      deadlineMs: Math.min(deadlineMs, this.#call.deadlineMs),
      isRetry: this.#call.isRetry,
      mayForward: true,
      fieldPrefix: '',
    };
  }

  #push(result: OperationResult): void {
    if (this.#ended) return;
    const bytes = weightOf(result);
    this.#results.push(result);
    this.#unsentBytes += bytes;
    this.#deps.admission.hold(bytes);
    if (this.#flushing) return;
    this.#flushing = true;
    this.#deps.env.timers.endOfTick(() => {
      this.#flushing = false;
      this.#flush();
    });
  }

  #flush(): void {
    let from = 0;
    let sentBytes = 0;
    const results = this.#results;
    while (!this.#ended && !this.#blocked && from < results.length) {
      let to = from;
      let bytes = 0;
      while (to < results.length && (to === from || bytes < messageBytesTarget)) {
        bytes += weightOf(results[to++] as OperationResult);
      }
      const all = from === 0 && to === results.length;
      this.#unsentBytes -= bytes;
      sentBytes += bytes;
      // From here on the door counts them.
      this.#blocked = !this.#call.send({ results: all ? results : results.slice(from, to) });
      from = to;
    }
    if (from > 0) this.#results = from === results.length ? [] : results.slice(from);
    if (sentBytes > 0) this.#deps.admission.release(sentBytes);
    this.#advance();
    this.#endIfDone();
  }

  #endIfDone(): void {
    if (this.#ended || this.#running > 0 || this.#results.length > 0) return;
    if (this.#nextWaiting < this.#waiting.length) return;
    if (this.#halfClosed) {
      this.#ended = true;
      this.#call.end();
    } else if (this.#shutdown) {
      this.#ended = true;
      this.#call.fail(this.#refusalOfStream({ kind: 'draining' }, false));
    }
  }

  #dropResults(): void {
    const bytes = this.#unsentBytes;
    this.#results = [];
    this.#unsentBytes = 0;
    if (bytes > 0) this.#deps.admission.release(bytes);
  }

  /** The whole stream is wrong: nothing of this message is done. What runs goes on, unheard. */
  #refuse(error: unknown): void {
    this.#ended = true;
    const endsOthers = this.#running > 0 || this.#results.length > 0;
    this.#dropResults();
    this.#call.fail(this.#refusalOfStream(failureOf(error), endsOthers));
  }

  #refused({ id, op }: Operation, failure: Failure): OperationResult {
    const isWrite = op !== undefined && op.$case !== 'get';
    const hasRequestId = isWrite && (op.value.options?.requestId.length ?? 0) > 0;
    const attempt = { kind: isWrite ? 'write' : 'read', hasRequestId, isRetry: this.#call.isRetry } as const;
    const { item } = this.#deps.operations.refusal('Pipeline', attempt, failure);
    return { id, status: item, result: undefined };
  }

  #refusalOfStream(failure: Failure, endsOthers: boolean): ItemStatus {
    const { isRetry } = this.#call;
    const attempt = { kind: 'write', hasRequestId: false, isRetry, endsOthers } as const;
    return this.#deps.operations.refusal('Pipeline', attempt, failure).item;
  }
}

function failureOf(error: unknown): Failure {
  if (error instanceof OperationError) return error.failure;
  throw error;
}

/** About how many bytes a result will be on the wire: exactly enough to bound memory. */
function weightOf({ status, result }: OperationResult): number {
  if (status !== undefined) return resultBytes + status.message.length + (status.detail?.context.length ?? 0);
  if (result === undefined) return resultBytes;
  let bytes = resultBytes + result.value.context.length;
  if (result.$case === 'get') {
    for (const { body } of result.value.versions) {
      bytes += resultBytes + (body?.$case === 'value' ? body.value.data.length : 0);
    }
  }
  return bytes;
}

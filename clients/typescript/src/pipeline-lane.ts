/** One stream of a pipeline, to one endpoint. */

import type { StubCall } from './attempts.ts';
import type { Endpoint } from './endpoints.ts';
import { type Failure, failureOfCall, streamEnded } from './failure.ts';
import type { Operation, OperationResult, PipelineRequest } from './gen/kindred/v1/kv.ts';
import { wireDuration } from './options.ts';
import { deferred } from './waiting.ts';

/** An operation as a lane sees it. */
export interface LaneOperation {
  readonly op: NonNullable<Operation['op']>;
  /** About how many bytes it takes in a message. */
  readonly size: number;
  /** Nobody waits for it any more. */
  readonly isDone: boolean;
  readonly remainingMs: number;
  /** It is being written: from now on a node may have it. */
  sent(): void;
  answered(result: OperationResult, endpoint: Endpoint): void;
  failed(failure: Failure, endpoint: Endpoint): void;
}

/** What a message holds at most. The server takes 1,000 operations and 4 MiB. */
const OPERATIONS_MAX = 1000;
const BYTES_MAX = 1024 * 1024;

export class Lane {
  readonly #endpoint: Endpoint;
  #queue: LaneOperation[] = [];
  readonly #sent = new Map<number, LaneOperation>();
  readonly #ended: Promise<void>;
  #lastId = 0;
  #wake = deferred();
  #isWakePlanned = false;
  #isEnding = false;

  /** Opens the stream. `onEnd` is called when it has ended, before its operations are told. */
  constructor(endpoint: Endpoint, call: StubCall, onEnd: () => void) {
    this.#endpoint = endpoint;
    this.#ended = this.#run(call, onEnd);
  }

  /** Sends an operation with the others of this turn of the event loop. */
  add(operation: LaneOperation): void {
    this.#queue.push(operation);
    if (this.#isWakePlanned) return;
    this.#isWakePlanned = true;
    setImmediate(() => {
      this.#isWakePlanned = false;
      this.#wakeWriter();
    });
  }

  /** Ends the stream when what was added is sent. Resolves when the server has ended it too. */
  async end(): Promise<void> {
    this.#isEnding = true;
    this.#wakeWriter();
    await this.#ended;
  }

  async #run(call: StubCall, onEnd: () => void): Promise<void> {
    let failure: Failure;
    try {
      for await (const { results } of this.#endpoint.keyValue.pipeline(this.#messages(), call)) {
        for (const result of results) {
          const operation = this.#sent.get(result.id);
          this.#sent.delete(result.id);
          operation?.answered(result, this.#endpoint);
        }
      }
      failure = streamEnded(this.#endpoint.address);
    } catch (error) {
      failure = failureOfCall(error, call.trailer, this.#endpoint.address);
    }
    this.#isEnding = true;
    this.#wakeWriter();
    onEnd();
    for (const operation of this.#sent.values()) operation.failed(failure, this.#endpoint);
    const unsent: Failure = { ...failure, detail: undefined, isUnsent: true };
    for (const operation of this.#queue) operation.failed(unsent, this.#endpoint);
  }

  /** While one message is written the next one gathers. */
  async *#messages(): AsyncGenerator<PipelineRequest, void, undefined> {
    for (;;) {
      const operations = this.#take();
      if (operations.length > 0) yield { operations };
      else if (this.#isEnding) return;
      else await this.#wake.promise;
    }
  }

  /** The next operations of the queue, as many as a message holds. */
  #take(): Operation[] {
    const operations: Operation[] = [];
    let bytes = 0;
    let taken = 0;
    for (const operation of this.#queue) {
      if (
        operations.length > 0 &&
        (operations.length === OPERATIONS_MAX || bytes + operation.size > BYTES_MAX)
      )
        break;
      taken += 1;
      if (operation.isDone) continue;
      this.#lastId += 1;
      this.#sent.set(this.#lastId, operation);
      operation.sent();
      bytes += operation.size;
      const timeout = wireDuration('timeout', Math.max(1, operation.remainingMs));
      operations.push({ id: this.#lastId, op: operation.op, timeout });
    }
    this.#queue = taken === this.#queue.length ? [] : this.#queue.slice(taken);
    return operations;
  }

  #wakeWriter(): void {
    this.#wake.resolve();
    this.#wake = deferred();
  }
}

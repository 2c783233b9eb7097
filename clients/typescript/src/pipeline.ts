/**
 * The fast path: many operations in flight over one stream for each endpoint. What is asked for in one turn of the event
 * loop goes out as one message.
 */

import {
  type GetResult,
  getResultOf,
  type TouchResult,
  touchResultOf,
  type WriteResult,
  writeResultOf,
} from './answer.ts';
import type { Attempts } from './attempts.ts';
import type { Endpoint, Endpoints } from './endpoints.ts';
import { ArgumentRefused } from './error.ts';
import { alreadyClosed, errorOf, noConnection, prepared } from './failure.ts';
import type { Operation, OperationResult } from './gen/kindred/v1/kv.ts';
import type { CallOptions, DeleteOptions, GetOptions, Key, PutOptions, TouchOptions } from './options.ts';
import { Patience } from './patience.ts';
import { Lane } from './pipeline-lane.ts';
import { type DispatchedOperation, PipelinedOperation } from './pipelined-operation.ts';
import { newRequestId, type Requests } from './requests.ts';
import type { Routing } from './routing.ts';
import { Value, type ValueLike } from './value.ts';
import { type Deferred, deferred } from './waiting.ts';

/** How a pipeline behaves. */
export interface PipelineOptions {
  /** How many operations may be under way at once; those beyond it wait their turn. Default: 1,024. */
  readonly inFlight?: number | undefined;
}

/** What a pipeline shares with its client. */
export interface PipelineDependencies {
  readonly endpoints: Endpoints;
  readonly attempts: Attempts;
  readonly requests: Requests;
  readonly routing: Routing | undefined;
}

const IN_FLIGHT_DEFAULT = 1024;
/** The server refuses values above 1 MiB, and ends a stream whose message is above 4 MiB. */
const VALUE_BYTES_MAX = 3 * 1024 * 1024;

/**
 * Many operations in flight. Every method returns a promise of the answer, and sends without waiting for earlier ones. A
 * producer that does not wait for answers waits for {@link Pipeline.ready} before each call, or it fills the memory. Close
 * the pipeline when done, or declare it with `await using`.
 */
export class Pipeline {
  readonly #endpoints: Endpoints;
  readonly #attempts: Attempts;
  readonly #requests: Requests;
  readonly #routing: Routing | undefined;
  readonly #inFlightMax: number;
  readonly #lanes = new Map<Endpoint, Lane>();
  /** Sent, queued in a lane, or waiting for another attempt. */
  readonly #underWay = new Set<DispatchedOperation>();
  /** Beyond what may be under way, in the order of the calls. */
  readonly #waiting = new Set<DispatchedOperation>();
  /** Where the operations of this turn of the event loop go, so that they form one message. */
  #current: Endpoint | undefined;
  #slot: Deferred<void> | undefined;
  #idle: Deferred<void> | undefined;
  #isClosed = false;

  /** Use `Client.pipeline`. */
  constructor(dependencies: PipelineDependencies, options: PipelineOptions = {}) {
    this.#endpoints = dependencies.endpoints;
    this.#attempts = dependencies.attempts;
    this.#requests = dependencies.requests;
    this.#routing = dependencies.routing;
    this.#inFlightMax = options.inFlight ?? IN_FLIGHT_DEFAULT;
    if (!(Number.isInteger(this.#inFlightMax) && this.#inFlightMax > 0)) {
      throw new RangeError('inFlight must be a whole number from 1 on');
    }
  }

  /** Resolves when another operation would be sent at once. */
  get ready(): Promise<void> {
    if (this.#underWay.size < this.#inFlightMax) return Promise.resolve();
    this.#slot ??= deferred();
    return this.#slot.promise;
  }

  /** As `Client.get`. */
  async get(bucket: string, key: Key, options: GetOptions = {}): Promise<GetResult> {
    const value = prepared(false, () => this.#requests.get(bucket, key, options));
    return this.#submit<GetResult>({ $case: 'get', value }, bucket, key, options, undefined, 0, (answer) =>
      answer?.$case === 'get' ? this.#seen(bucket, getResultOf(answer.value)) : undefined,
    );
  }

  /** As `Client.put`. */
  async put(bucket: string, key: Key, content: ValueLike, options: PutOptions = {}): Promise<WriteResult> {
    const requestId = options.requestId ?? newRequestId();
    const value = prepared(true, () => this.#requests.put(bucket, key, content, options, requestId));
    const size = prepared(true, () => sizeOf(Value.of(content)));
    return this.#submit<WriteResult>(
      { $case: 'put', value },
      bucket,
      key,
      options,
      requestId,
      size,
      (answer) => (answer?.$case === 'put' ? this.#seen(bucket, writeResultOf(answer.value)) : undefined),
    );
  }

  /** As `Client.delete`. */
  async delete(bucket: string, key: Key, options: DeleteOptions = {}): Promise<WriteResult> {
    const requestId = options.requestId ?? newRequestId();
    const value = prepared(true, () => this.#requests.delete(bucket, key, options, requestId));
    return this.#submit<WriteResult>(
      { $case: 'delete', value },
      bucket,
      key,
      options,
      requestId,
      0,
      (answer) => (answer?.$case === 'delete' ? this.#seen(bucket, writeResultOf(answer.value)) : undefined),
    );
  }

  /** As `Client.touch`. */
  async touch(bucket: string, key: Key, options: TouchOptions): Promise<TouchResult> {
    const requestId = options.requestId ?? newRequestId();
    const value = prepared(true, () => this.#requests.touch(bucket, key, options, requestId));
    return this.#submit<TouchResult>(
      { $case: 'touch', value },
      bucket,
      key,
      options,
      requestId,
      0,
      (answer) => (answer?.$case === 'touch' ? touchResultOf(answer.value) : undefined),
    );
  }

  /** Waits for the answers of all operations, then ends the streams. No other operation can be begun. */
  async close(): Promise<void> {
    this.#isClosed = true;
    if (this.#underWay.size > 0) {
      this.#idle ??= deferred();
      await this.#idle.promise;
    }
    await Promise.all([...this.#lanes.values()].map((lane) => lane.end()));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Lets direct routing know of the layout that an answer was made with. */
  #seen<Answer extends GetResult | WriteResult>(bucket: string, answer: Answer): Answer {
    this.#routing?.seen(bucket, answer.report.topologyEpoch);
    return answer;
  }

  #submit<Answer>(
    op: NonNullable<Operation['op']>,
    bucket: string,
    key: Key,
    options: CallOptions,
    requestId: Uint8Array | undefined,
    valueSize: number,
    read: (answer: OperationResult['result']) => Answer | undefined,
  ): Promise<Answer> {
    const isWrite = requestId !== undefined;
    if (this.#isClosed) {
      throw errorOf(alreadyClosed('the pipeline'), { isWrite, requestId, attempts: 0, isUncertain: false });
    }
    const patience = prepared(isWrite, () => new Patience(options, this.#attempts.defaults));
    const preferred = (): Endpoint | undefined => this.#routing?.preferred(bucket, key);
    const operation = new PipelinedOperation<Answer>({ op, requestId, patience, preferred, read, valueSize });
    operation.onRetry = () => this.#dispatch(operation);
    operation.onEnd = () => this.#ended(operation);
    if (this.#underWay.size < this.#inFlightMax) this.#begin(operation);
    else this.#waiting.add(operation);
    return operation.answer;
  }

  #begin(operation: DispatchedOperation): void {
    this.#underWay.add(operation);
    this.#dispatch(operation);
  }

  #dispatch(operation: DispatchedOperation): void {
    if (operation.isDone) return;
    const { last } = operation;
    const preferred = last === undefined ? operation.preferred() : undefined;
    const endpoint = preferred ?? this.#next(last);
    if (endpoint?.isConnected === true) this.#send(operation, endpoint);
    else void this.#dispatchWhenConnected(operation, preferred);
  }

  async #dispatchWhenConnected(
    operation: DispatchedOperation,
    preferred: Endpoint | undefined,
  ): Promise<void> {
    const { signal, last } = operation;
    if (preferred !== undefined && (await this.#endpoints.connectedSoon(preferred, signal))) {
      this.#send(operation, preferred);
      return;
    }
    const found = await this.#endpoints.connected(signal, last);
    if (found === 'unreachable') {
      operation.attempts += 1;
      operation.failed(noConnection(this.#endpoints.addresses), last);
    } else if (found !== 'given-up') {
      this.#send(operation, found);
    }
  }

  #send(operation: DispatchedOperation, endpoint: Endpoint): void {
    if (operation.isDone) return;
    operation.attempts += 1;
    this.#laneTo(endpoint).add(operation);
  }

  #next(last: Endpoint | undefined): Endpoint | undefined {
    if (this.#current?.isConnected === true && this.#current !== last) return this.#current;
    const next = this.#endpoints.next(last);
    if (this.#current === undefined && next !== undefined) {
      setImmediate(() => {
        this.#current = undefined;
      });
    }
    this.#current = next;
    return next;
  }

  #laneTo(endpoint: Endpoint): Lane {
    const open = this.#lanes.get(endpoint);
    if (open !== undefined) return open;
    const lane: Lane = new Lane(endpoint, this.#attempts.call(new AbortController().signal), () => {
      if (this.#lanes.get(endpoint) === lane) this.#lanes.delete(endpoint);
    });
    this.#lanes.set(endpoint, lane);
    return lane;
  }

  #ended(operation: DispatchedOperation): void {
    this.#waiting.delete(operation);
    this.#underWay.delete(operation);
    for (const next of this.#waiting) {
      if (this.#underWay.size >= this.#inFlightMax) break;
      this.#waiting.delete(next);
      this.#begin(next);
    }
    if (this.#underWay.size < this.#inFlightMax) {
      this.#slot?.resolve();
      this.#slot = undefined;
    }
    if (this.#underWay.size === 0) this.#idle?.resolve();
  }
}

/** About how many bytes a value takes. One that no message can hold would end the stream, and with it all the others. */
function sizeOf(value: Value): number {
  let bytes = value.data.length + value.contentType.length;
  for (const [name, text] of Object.entries(value.metadata)) bytes += name.length + text.length;
  if (bytes > VALUE_BYTES_MAX) {
    throw new ArgumentRefused(
      'value.data',
      `${bytes} bytes; a pipeline takes at most ${VALUE_BYTES_MAX}`,
      'TOO_LARGE',
    );
  }
  return bytes;
}

/**
 * A client's connection to a node over the simulated network: `ClientTransport`, as a gRPC library would do it. Requests
 * and answers take their time, are lost in partitions, and break with the node. The client gives up at its deadline.
 */

import type { StatusObject } from '@grpc/grpc-js';
import {
  BatchGetRequest,
  BatchGetResponse,
  BatchWriteRequest,
  BatchWriteResponse,
  DeleteRequest,
  DeleteResponse,
  GetRequest,
  GetResponse,
  GetWriteOutcomeRequest,
  GetWriteOutcomeResponse,
  type Operation,
  type OperationResult,
  PipelineRequest,
  PipelineResponse,
  PutRequest,
  PutResponse,
  TouchRequest,
  TouchResponse,
} from '../../../src/gen/kindred/v1/kv.ts';
import { detailsTrailer, errorDetailOf } from '../../../src/rpc/status.ts';
import type { SeededRandom } from '../../support/seeded-random.ts';
import type { CallOptions, CallResult, ClientTransport } from '../../workload/client-transport.ts';
import type { EventOwner } from '../kernel/scheduler.ts';
import type { ServerCall, SimulatedClientPort } from './client-port.ts';
import { eventKind, type World } from './world.ts';

/** What a connection asks of the world between client and node. */
export interface ClientPath {
  readonly node: string;
  /** Of the life that runs now. `undefined`: nobody listens. */
  readonly port: () => SimulatedClientPort | undefined;
  /** Microseconds for so many bytes, or `blocked`. */
  readonly delayTo: (bytes: number) => number | 'blocked';
  readonly delayFrom: (bytes: number) => number | 'blocked';
  /** For the trace: why what was sent last takes so many microseconds. */
  readonly lateTo: (micros: number) => string;
  readonly lateFrom: (micros: number) => string;
}

interface MessageCodec<T> {
  encode(message: T): { finish(): Uint8Array };
  decode(bytes: Uint8Array): T;
}

const service = '/kindred.v1.KeyValueService/';
const unavailable = 14;
const deadlineExceeded = 4;
/** Broken connections on which the library sends a call again by itself, in percent: once, and it says so in a header. */
const libraryRetryPercent = 25;

export class ClientConnection implements ClientTransport {
  readonly node: string;
  readonly #world: World;
  readonly #path: ClientPath;
  readonly #client: string;
  readonly #owner: EventOwner;
  readonly #random: SeededRandom;

  constructor(world: World, path: ClientPath, client: { readonly name: string; readonly owner: EventOwner }) {
    this.node = path.node;
    this.#world = world;
    this.#path = path;
    this.#client = client.name;
    this.#owner = client.owner;
    this.#random = world.randomFor(`connection ${client.name} ${path.node}`);
  }

  get(request: GetRequest, options: CallOptions): Promise<CallResult<GetResponse>> {
    return this.#unary('Get', GetRequest, request, GetResponse, options);
  }

  put(request: PutRequest, options: CallOptions): Promise<CallResult<PutResponse>> {
    return this.#unary('Put', PutRequest, request, PutResponse, options);
  }

  delete(request: DeleteRequest, options: CallOptions): Promise<CallResult<DeleteResponse>> {
    return this.#unary('Delete', DeleteRequest, request, DeleteResponse, options);
  }

  touch(request: TouchRequest, options: CallOptions): Promise<CallResult<TouchResponse>> {
    return this.#unary('Touch', TouchRequest, request, TouchResponse, options);
  }

  writeOutcome(
    request: GetWriteOutcomeRequest,
    options: CallOptions,
  ): Promise<CallResult<GetWriteOutcomeResponse>> {
    return this.#unary('GetWriteOutcome', GetWriteOutcomeRequest, request, GetWriteOutcomeResponse, options);
  }

  batchGet(
    request: BatchGetRequest,
    options: CallOptions,
    onItem: (item: BatchGetResponse) => void,
  ): Promise<CallResult<undefined>> {
    const bytes = encode(BatchGetRequest, request);
    return this.#stream('BatchGet', bytes, [], options, (item) => onItem(BatchGetResponse.decode(item)));
  }

  batchWrite(
    request: BatchWriteRequest,
    options: CallOptions,
    onItem: (item: BatchWriteResponse) => void,
  ): Promise<CallResult<undefined>> {
    const bytes = encode(BatchWriteRequest, request);
    return this.#stream('BatchWrite', bytes, [], options, (item) => onItem(BatchWriteResponse.decode(item)));
  }

  pipeline(
    operations: readonly Operation[],
    options: CallOptions,
    onResult: (result: OperationResult) => void,
  ): Promise<CallResult<undefined>> {
    // A few operations a message, as a client does that sends when its socket lets it.
    const messages: Buffer[] = [];
    for (let from = 0; from < operations.length; ) {
      const to = from + 1 + this.#random.below(4);
      messages.push(encode(PipelineRequest, { operations: operations.slice(from, to) }));
      from = to;
    }
    return this.#stream('Pipeline', Buffer.alloc(0), messages, options, (bytes) => {
      for (const result of PipelineResponse.decode(bytes).results) onResult(result);
    });
  }

  async #unary<Q, A>(
    method: string,
    requestCodec: MessageCodec<Q>,
    request: Q,
    answerCodec: MessageCodec<A>,
    options: CallOptions,
  ): Promise<CallResult<A>> {
    let answer: A | undefined;
    const bytes = encode(requestCodec, request);
    const result = await this.#stream(method, bytes, undefined, options, (message) => {
      answer = answerCodec.decode(message);
    });
    if (result.kind === 'failed') return result;
    if (answer === undefined) return failed(unavailable, 'the call ended without an answer');
    return { kind: 'answered', answer };
  }

  async #stream(
    method: string,
    request: Buffer,
    messages: readonly Buffer[] | undefined,
    options: CallOptions,
    onMessage: (bytes: Uint8Array) => void,
  ): Promise<CallResult<undefined>> {
    const first = await this.#attempt(method, request, messages, options, 0, onMessage);
    const isBroken = first.kind === 'failed' && first.code === unavailable && first.detail === undefined;
    // Transparent retries are for calls of one message, and most libraries make none.
    if (!isBroken || messages !== undefined || !this.#random.percent(libraryRetryPercent)) return first;
    return this.#attempt(method, request, messages, options, 1, onMessage);
  }

  #attempt(
    method: string,
    request: Buffer,
    messages: readonly Buffer[] | undefined,
    { timeoutMs }: CallOptions,
    attempts: number,
    onMessage: (bytes: Uint8Array) => void,
  ): Promise<CallResult<undefined>> {
    const { scheduler, trace } = this.#world;
    return new Promise((resolve) => {
      let over = false;
      let call: ServerCall | undefined;
      let forget: () => unknown = () => {};
      const finish = (result: CallResult<undefined>): void => {
        if (over) return;
        over = true;
        scheduler.cancel(deadline);
        forget();
        trace?.add({
          atMicros: scheduler.nowMicros,
          kind: 'client',
          at: this.#client,
          peer: this.node,
          text:
            result.kind === 'answered'
              ? `${method} answered`
              : `${method} failed: ${result.code} ${result.message}`,
        });
        resolve(result);
      };
      const deadline = scheduler.at(
        scheduler.nowMicros + timeoutMs * 1000,
        this.#owner,
        eventKind.client,
        () => {
          finish(failed(deadlineExceeded, 'the client gave up at its deadline'));
          // The node hears of it, if the network lets it.
          const delay = this.#path.delayTo(16);
          const server = call;
          const owner = this.#path.port()?.owner;
          if (server === undefined || owner === undefined || delay === 'blocked') return;
          scheduler.at(scheduler.nowMicros + delay, owner, eventKind.call, () => server.cancel());
        },
      );
      /** To the client, in order: what is sent later does not arrive earlier. */
      let lastArrival = 0;
      const toClient = (bytes: number, text: string, run: () => void): void => {
        const delay = this.#path.delayFrom(bytes);
        const message = trace === undefined ? 0 : scheduler.nextNumber();
        trace?.add({
          atMicros: scheduler.nowMicros,
          kind: 'client',
          at: this.node,
          peer: this.#client,
          message,
          direction: delay === 'blocked' ? 'lost' : 'sent',
          text,
        });
        if (delay === 'blocked') return;
        const late = trace === undefined ? '' : this.#path.lateFrom(delay);
        lastArrival = Math.max(lastArrival, scheduler.nowMicros + delay);
        scheduler.at(lastArrival, this.#owner, eventKind.answer, () => {
          trace?.add({
            atMicros: scheduler.nowMicros,
            kind: 'client',
            at: this.#client,
            peer: this.node,
            message,
            direction: 'arrived',
            text: `${text}${late}`,
          });
          run();
        });
      };
      const message = trace === undefined ? 0 : scheduler.nextNumber();
      const delay = this.#path.delayTo(request.length);
      trace?.add({
        atMicros: scheduler.nowMicros,
        kind: 'client',
        at: this.#client,
        peer: this.node,
        message,
        direction: delay === 'blocked' ? 'lost' : 'sent',
        text: `${method}${attempts > 0 ? ' (again, by the library)' : ''}`,
      });
      if (delay === 'blocked') return;
      const late = trace === undefined ? '' : this.#path.lateTo(delay);
      const sentMicros = scheduler.nowMicros;
      const target = this.#path.port();
      const arrive = (port: SimulatedClientPort): void => {
        trace?.add({
          atMicros: scheduler.nowMicros,
          kind: 'client',
          at: this.node,
          peer: this.#client,
          message,
          direction: 'arrived',
          text: `${method}${late}`,
        });
        // The header says how long the client still waits, reckoned when it was sent.
        const server = port.begin(
          service + method,
          request,
          { timeoutMs, attempts },
          {
            message: (bytes) => {
              scheduler.mix(bytes.length);
              toClient(bytes.length, `${method} answer`, () => {
                if (!over) onMessage(bytes);
              });
            },
            ended: (status) => {
              const last =
                status === undefined
                  ? ({ kind: 'answered', answer: undefined } as const)
                  : failedWith(status);
              if (status !== undefined) scheduler.mix(status.code);
              toClient(64, `${method} ${status === undefined ? 'ok' : `status ${status.code}`}`, () =>
                finish(last),
              );
            },
          },
        );
        call = server;
        for (const each of messages ?? []) server.receive(each);
        if (messages !== undefined && messages.length > 0) server.receive(undefined);
        // grpc-js ends the call itself when the deadline has passed.
        scheduler.at(sentMicros + delay + timeoutMs * 1000, port.owner, eventKind.call, () =>
          server.cancel(),
        );
      };
      if (target === undefined) {
        scheduler.at(scheduler.nowMicros + 2 * delay, this.#owner, eventKind.answer, () =>
          finish(failed(unavailable, 'connection refused')),
        );
        return;
      }
      scheduler.at(scheduler.nowMicros + delay, target.owner, eventKind.call, () => {
        // The port may have closed while the request was on its way.
        if (this.#path.port() === target) arrive(target);
        else toClient(64, 'connection refused', () => finish(failed(unavailable, 'connection refused')));
      });
      // Dies with the life of the process that it was sent to.
      forget = target.onBreak(() => {
        const back = this.#path.delayFrom(64);
        if (back === 'blocked') return;
        scheduler.at(scheduler.nowMicros + back, this.#owner, eventKind.answer, () =>
          finish(failed(unavailable, 'the connection broke')),
        );
      });
    });
  }
}

function encode<T>(codec: MessageCodec<T>, message: T): Buffer {
  const bytes = codec.encode(message).finish();
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function failed(code: number, message: string): Extract<CallResult<never>, { kind: 'failed' }> {
  return { kind: 'failed', code, message, detail: undefined };
}

function failedWith(status: StatusObject): Extract<CallResult<never>, { kind: 'failed' }> {
  const trailer = status.metadata?.get(detailsTrailer)[0];
  return {
    kind: 'failed',
    code: status.code,
    message: status.details,
    detail: errorDetailOf(trailer as Uint8Array | undefined),
  };
}

/**
 * A client's connection to a real node, on grpc-js. The deadline goes to the server as gRPC's own, so that it answers in
 * time and says what became of a write; a guard of our own comes after it, for a connection that hangs.
 */

import { credentials, Client as GrpcClient, Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { type Channel, createChannel } from 'nice-grpc';
import type { Clock, Timers } from '../../src/env/env.ts';
import {
  type BatchGetRequest,
  type BatchGetResponse,
  type BatchWriteRequest,
  type BatchWriteResponse,
  type DeleteRequest,
  type DeleteResponse,
  type GetRequest,
  type GetResponse,
  type GetWriteOutcomeRequest,
  type GetWriteOutcomeResponse,
  KeyValueServiceDefinition,
  type Operation,
  type OperationResult,
  type PipelineRequest,
  type PipelineResponse,
  type PutRequest,
  type PutResponse,
  type TouchRequest,
  type TouchResponse,
} from '../../src/gen/kindred/v1/kv.ts';
import { detailsTrailer, errorDetailOf } from '../../src/rpc/status.ts';
import type { CallOptions, CallResult, ClientTransport } from './client-transport.ts';

export interface GrpcTransportOptions {
  /** The node's id, for the history. */
  readonly node: string;
  /** `host:port` of its client port, or of a proxy before it. */
  readonly address: string;
}

/** The machine's own: `systemEnv()`. */
export interface GrpcTransportEnv {
  readonly clock: Pick<Clock, 'wallMicros'>;
  readonly timers: Timers;
}

/** What an ended call leaves: what the server said, or the library. */
type Ending = Pick<ServiceError, 'code' | 'details' | 'metadata'>;

interface MessageCodec<T> {
  encode(message: T): { finish(): Uint8Array };
  decode(bytes: Uint8Array): T;
}

interface Method<Request, Answer> {
  readonly name: string;
  readonly requestType: MessageCodec<Request>;
  readonly responseType: MessageCodec<Answer>;
}

interface OpenCall {
  cancel(): void;
}

/** The guard waits so much longer than gRPC's own deadline, whose answer says more. */
const guardMs = 500;
const operationsPerMessage = 4;

const { methods, fullName } = KeyValueServiceDefinition;

const channelOptions = {
  // The history has to know every attempt.
  'grpc.enable_retries': 0,
  'grpc.initial_reconnect_backoff_ms': 50,
  'grpc.max_reconnect_backoff_ms': 200,
  // A connection of its own for each client of a node, as clients in different processes have.
  'grpc.use_local_subchannel_pool': 1,
  'grpc.max_receive_message_length': 32 * 1024 * 1024,
  // Finds out that the other end is gone without a word, before TCP does.
  'grpc.keepalive_time_ms': 2_000,
  'grpc.keepalive_timeout_ms': 2_000,
} as const;

export class GrpcTransport implements ClientTransport {
  readonly node: string;
  readonly #timers: Timers;
  readonly #clock: Pick<Clock, 'wallMicros'>;
  readonly #channel: Channel;
  readonly #client: GrpcClient;

  constructor({ node, address }: GrpcTransportOptions, env: GrpcTransportEnv) {
    this.node = node;
    this.#timers = env.timers;
    this.#clock = env.clock;
    this.#channel = createChannel(address, undefined, channelOptions);
    this.#client = new GrpcClient(address, credentials.createInsecure(), { channelOverride: this.#channel });
  }

  close(): void {
    this.#client.close();
  }

  get(request: GetRequest, options: CallOptions): Promise<CallResult<GetResponse>> {
    return this.#unary(methods.get, request, options);
  }

  put(request: PutRequest, options: CallOptions): Promise<CallResult<PutResponse>> {
    return this.#unary(methods.put, request, options);
  }

  delete(request: DeleteRequest, options: CallOptions): Promise<CallResult<DeleteResponse>> {
    return this.#unary(methods.delete, request, options);
  }

  touch(request: TouchRequest, options: CallOptions): Promise<CallResult<TouchResponse>> {
    return this.#unary(methods.touch, request, options);
  }

  writeOutcome(
    request: GetWriteOutcomeRequest,
    options: CallOptions,
  ): Promise<CallResult<GetWriteOutcomeResponse>> {
    return this.#unary(methods.getWriteOutcome, request, options);
  }

  batchGet(
    request: BatchGetRequest,
    options: CallOptions,
    onItem: (item: BatchGetResponse) => void,
  ): Promise<CallResult<undefined>> {
    return this.#serverStream(methods.batchGet, request, options, onItem);
  }

  batchWrite(
    request: BatchWriteRequest,
    options: CallOptions,
    onItem: (item: BatchWriteResponse) => void,
  ): Promise<CallResult<undefined>> {
    return this.#serverStream(methods.batchWrite, request, options, onItem);
  }

  pipeline(
    operations: readonly Operation[],
    options: CallOptions,
    onResult: (result: OperationResult) => void,
  ): Promise<CallResult<undefined>> {
    const method: Method<PipelineRequest, PipelineResponse> = methods.pipeline;
    return this.#guarded(options, (ended) => {
      const call = this.#client.makeBidiStreamRequest(
        pathOf(method),
        serializer(method.requestType),
        deserializer(method.responseType),
        new Metadata(),
        { deadline: this.#deadline(options) },
      );
      call.on('data', ({ results }: PipelineResponse) => {
        if (!ended.over) for (const result of results) onResult(result);
      });
      call.on('error', (error: ServiceError) => ended.with(failureOf(error)));
      call.on('end', () => ended.with(success));
      for (let from = 0; from < operations.length; from += operationsPerMessage) {
        call.write({ operations: operations.slice(from, from + operationsPerMessage) });
      }
      call.end();
      return call;
    });
  }

  #unary<Q, A>(method: Method<Q, A>, request: Q, options: CallOptions): Promise<CallResult<A>> {
    return this.#guarded<A>(options, (ended) =>
      this.#client.makeUnaryRequest(
        pathOf(method),
        serializer(method.requestType),
        deserializer(method.responseType),
        request,
        new Metadata(),
        { deadline: this.#deadline(options) },
        (error, answer) => {
          if (error !== null) ended.with(failureOf(error));
          else if (answer === undefined) ended.with(ownFailure(status.INTERNAL, 'OK without an answer'));
          else ended.with({ kind: 'answered', answer });
        },
      ),
    );
  }

  #serverStream<Q, A>(
    method: Method<Q, A>,
    request: Q,
    options: CallOptions,
    onMessage: (message: A) => void,
  ): Promise<CallResult<undefined>> {
    return this.#guarded(options, (ended) => {
      const call = this.#client.makeServerStreamRequest(
        pathOf(method),
        serializer(method.requestType),
        deserializer(method.responseType),
        request,
        new Metadata(),
        { deadline: this.#deadline(options) },
      );
      call.on('data', (message: A) => {
        if (!ended.over) onMessage(message);
      });
      call.on('error', (error: ServiceError) => ended.with(failureOf(error)));
      call.on('end', () => ended.with(success));
      return call;
    });
  }

  /** gRPC wants a time of the wall clock. */
  #deadline({ timeoutMs }: CallOptions): number {
    return this.#clock.wallMicros() / 1_000 + timeoutMs;
  }

  /** Makes a call that ends in time, whatever the connection does. */
  #guarded<A>({ timeoutMs }: CallOptions, begin: (ended: CallEnd<A>) => OpenCall): Promise<CallResult<A>> {
    return new Promise((resolve) => {
      const ended = new CallEnd<A>((result) => {
        guard.cancel();
        resolve(result);
      });
      const guard = this.#timers.after(timeoutMs + guardMs, () => {
        ended.with(ownFailure(status.DEADLINE_EXCEEDED, 'nothing came back, not even the deadline'));
        call.cancel();
      });
      const call = begin(ended);
    });
  }
}

/** The end of a call, which comes once. */
class CallEnd<A> {
  #over = false;
  readonly #resolve: (result: CallResult<A>) => void;

  constructor(resolve: (result: CallResult<A>) => void) {
    this.#resolve = resolve;
  }

  get over(): boolean {
    return this.#over;
  }

  with(result: CallResult<A>): void {
    if (this.#over) return;
    this.#over = true;
    this.#resolve(result);
  }
}

const success = { kind: 'answered', answer: undefined } as const;

function pathOf({ name }: { readonly name: string }): string {
  return `/${fullName}/${name}`;
}

function serializer<T>(codec: MessageCodec<T>): (message: T) => Buffer {
  return (message) => {
    const bytes = codec.encode(message).finish();
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  };
}

function deserializer<T>(codec: MessageCodec<T>): (bytes: Buffer) => T {
  return (bytes) => codec.decode(bytes);
}

function failureOf({ code, details, metadata }: Ending): CallResult<never> {
  const trailer = metadata?.get(detailsTrailer)[0];
  const detail = errorDetailOf(typeof trailer === 'string' ? undefined : trailer);
  return { kind: 'failed', code, message: details, detail };
}

function ownFailure(code: status, message: string): CallResult<never> {
  return { kind: 'failed', code, message, detail: undefined };
}

/**
 * `ClientTransport` to the real client service in this process, over a coordination in memory: what a correct store says,
 * without a network. Messages are encoded on the way. Requests and answers may be lost.
 */

import { keyValueService } from '../../src/coordinator/key-value-service.ts';
import type { Bucket } from '../../src/core/bucket.ts';
import type { Env } from '../../src/env/env.ts';
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
  type PipelineResponse,
  type PutRequest,
  type PutResponse,
  type TouchRequest,
  type TouchResponse,
} from '../../src/gen/kindred/v1/kv.ts';
import { Admission } from '../../src/rpc/admission.ts';
import { ContextTokens } from '../../src/rpc/conversion.ts';
import { defaultRequestLimits } from '../../src/rpc/limits.ts';
import type { DuplexCall, DuplexListener, StreamingCall } from '../../src/rpc/service.ts';
import { StatusError } from '../../src/rpc/status.ts';
import type { CallOptions, CallResult, ClientTransport } from '../workload/client-transport.ts';
import { MemoryCoordination } from './memory-coordination.ts';
import type { SeededRandom } from './seeded-random.ts';

export interface InProcessStoreOptions {
  readonly clusterId: string;
  readonly buckets: readonly Bucket[];
  /** Requests and answers that are lost, in percent each. */
  readonly lossPercent: number;
}

/** One store behind any number of doors. */
export class InProcessStore {
  readonly coordination: MemoryCoordination;
  readonly env: Env;
  readonly random: SeededRandom;
  readonly options: InProcessStoreOptions;
  readonly incidents: unknown[] = [];
  // biome-ignore lint/suspicious/noExplicitAny: handlers by the name of their method
  readonly handlers: Readonly<Record<string, any>>;

  constructor(env: Env, random: SeededRandom, options: InProcessStoreOptions) {
    this.env = env;
    this.random = random;
    this.options = options;
    this.coordination = new MemoryCoordination(() => env.clock.wallMicros());
    const service = keyValueService(
      {
        env,
        coordination: this.coordination,
        buckets: new Map(options.buckets.map((bucket) => [bucket.name, bucket])),
        tokens: new ContextTokens(options.clusterId),
        layoutVersion: () => 1,
        observe: {
          answered: () => {},
          failed: () => {},
          refused: () => {},
          siblings: () => {},
          valueBytes: () => {},
          replayed: () => {},
        },
        reportIncident: (error) => {
          this.incidents.push(error);
          return 'incident';
        },
        admission: new Admission({ env }, { requestsInFlightMax: 1000, bytesInFlightMax: 64 * 1024 * 1024 }),
      },
      {
        requestMs: 5_000,
        requestMsMax: 10_000,
        deadlineMarginMs: 20,
        limits: defaultRequestLimits,
        pipelineOperationsMax: 1_000,
      },
    );
    this.handlers = service.service.handlers;
  }
}

type MethodName = keyof typeof KeyValueServiceDefinition.methods;

const deadlineExceeded = 4;

export class InProcessTransport implements ClientTransport {
  readonly node: string;
  readonly #store: InProcessStore;

  constructor(node: string, store: InProcessStore) {
    this.node = node;
    this.#store = store;
  }

  get(request: GetRequest, options: CallOptions): Promise<CallResult<GetResponse>> {
    return this.#unary('get', request, options);
  }

  put(request: PutRequest, options: CallOptions): Promise<CallResult<PutResponse>> {
    return this.#unary('put', request, options);
  }

  delete(request: DeleteRequest, options: CallOptions): Promise<CallResult<DeleteResponse>> {
    return this.#unary('delete', request, options);
  }

  touch(request: TouchRequest, options: CallOptions): Promise<CallResult<TouchResponse>> {
    return this.#unary('touch', request, options);
  }

  writeOutcome(
    request: GetWriteOutcomeRequest,
    options: CallOptions,
  ): Promise<CallResult<GetWriteOutcomeResponse>> {
    return this.#unary('getWriteOutcome', request, options);
  }

  batchGet(
    request: BatchGetRequest,
    options: CallOptions,
    onItem: (item: BatchGetResponse) => void,
  ): Promise<CallResult<undefined>> {
    return this.#serverStream('batchGet', request, options, onItem);
  }

  batchWrite(
    request: BatchWriteRequest,
    options: CallOptions,
    onItem: (item: BatchWriteResponse) => void,
  ): Promise<CallResult<undefined>> {
    return this.#serverStream('batchWrite', request, options, onItem);
  }

  pipeline(
    operations: readonly Operation[],
    options: CallOptions,
    onResult: (result: OperationResult) => void,
  ): Promise<CallResult<undefined>> {
    return this.#call(options, (arrived) => {
      const state: { listener: DuplexListener<unknown> | undefined } = { listener: undefined };
      return new Promise((resolve) => {
        const call: DuplexCall<unknown, PipelineResponse> = {
          ...this.#circumstances('pipeline', options, 0),
          listen: (listener) => {
            state.listener = listener;
          },
          pause: () => {},
          resume: () => {},
          send: (message) => {
            const { results } = this.#passed('pipeline', 'responseType', message) as PipelineResponse;
            arrived(() => {
              for (const result of results) onResult(result);
            });
            return true;
          },
          end: () => resolve(undefined),
          fail: (item) => {
            throw new StatusError(item);
          },
        };
        this.#store.handlers['pipeline'](call);
        const message = this.#passed('pipeline', 'requestType', { operations });
        state.listener?.message(message, 100);
        state.listener?.halfClosed();
      });
    });
  }

  #unary<A>(method: MethodName, request: unknown, options: CallOptions): Promise<CallResult<A>> {
    return this.#call<A>(options, async () => {
      const call = this.#circumstances(method, options, 100);
      const answer = await this.#store.handlers[method](this.#passed(method, 'requestType', request), call);
      return this.#passed(method, 'responseType', answer) as A;
    });
  }

  #serverStream<A>(
    method: MethodName,
    request: unknown,
    options: CallOptions,
    onItem: (item: A) => void,
  ): Promise<CallResult<undefined>> {
    return this.#call(options, async (arrived) => {
      const call: StreamingCall<unknown> = {
        ...this.#circumstances(method, options, 100),
        send: (answer) => {
          const item = this.#passed(method, 'responseType', answer) as A;
          arrived(() => onItem(item));
          return undefined;
        },
        hasRoomFor: () => true,
        onCancel: () => {},
      };
      await this.#store.handlers[method](this.#passed(method, 'requestType', request), call);
      return undefined;
    });
  }

  #circumstances(method: string, { timeoutMs }: CallOptions, requestBytes: number): DuplexCallHead {
    const arrivedMs = this.#store.env.clock.monotonicMs();
    const deadlineMs = arrivedMs + timeoutMs * 0.9;
    return { method, arrivedMs, deadlineMs, requestBytes, isRetry: false, cancelled: false };
  }

  /** What the other end makes of a message. */
  #passed(method: MethodName, side: 'requestType' | 'responseType', message: unknown): unknown {
    const codec = KeyValueServiceDefinition.methods[method][side] as {
      encode(message: unknown): { finish(): Uint8Array };
      decode(bytes: Uint8Array): unknown;
    };
    return codec.decode(codec.encode(message).finish());
  }

  /** There and back, each taking some time, unless it is lost. `arrived` runs its task when that part of an answer is back. */
  #call<A>(
    { timeoutMs }: CallOptions,
    serve: (arrived: (task: () => void) => void) => Promise<A>,
  ): Promise<CallResult<A>> {
    const { env, random, options } = this.#store;
    return new Promise((resolve) => {
      let over = false;
      const finish = (result: CallResult<A>): void => {
        if (over) return;
        over = true;
        deadline.cancel();
        resolve(result);
      };
      const deadline = env.timers.after(timeoutMs, () =>
        finish({ kind: 'failed', code: deadlineExceeded, message: 'deadline', detail: undefined }),
      );
      if (random.percent(options.lossPercent)) return;
      const answerIsLost = random.percent(options.lossPercent);
      const backMs = random.between(1, 10);
      env.timers.after(random.between(1, 10), () => {
        const arrived = (task: () => void): void => {
          if (answerIsLost) return;
          env.timers.after(backMs, () => {
            if (!over) task();
          });
        };
        serve(arrived).then(
          (answer) => arrived(() => finish({ kind: 'answered', answer })),
          (error: unknown) => {
            if (!(error instanceof StatusError)) throw error;
            arrived(() => finish({ kind: 'failed', ...error.item }));
          },
        );
      });
    });
  }
}

type DuplexCallHead = Pick<
  DuplexCall<unknown, unknown>,
  'method' | 'arrivedMs' | 'deadlineMs' | 'requestBytes' | 'isRetry' | 'cancelled'
>;

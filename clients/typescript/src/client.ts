/** The client: operations on keys of a cluster, through any of its nodes. */

import {
  type GetResult,
  getResultOf,
  type TouchResult,
  touchResultOf,
  type WriteOutcomeResult,
  type WriteResult,
  writeOutcomeResultOf,
  writeResultOf,
} from './answer.ts';
import { Attempts, type StubCall } from './attempts.ts';
import { type BatchKey, type BatchResult, type Mutation, runBatch } from './batch.ts';
import { type Endpoint, Endpoints, type TlsOptions } from './endpoints.ts';
import { alreadyClosed, errorOf, prepared } from './failure.ts';
import type {
  BatchGetOptions,
  BatchWriteOptions,
  CallOptions,
  DeleteOptions,
  GetOptions,
  Key,
  PutOptions,
  ReadOptions,
  TouchOptions,
  WriteOptions,
} from './options.ts';
import { wireKey } from './options.ts';
import { Pipeline, type PipelineOptions } from './pipeline.ts';
import { itemRequestId, newRequestId, Requests } from './requests.ts';
import type { Resolver } from './resolver.ts';
import { type KeyPlacement, Routing } from './routing.ts';
import { Session, type SessionOptions } from './session.ts';
import { type Topology, topologyOf, watchTopology } from './topology.ts';
import { type UpdateFunction, type UpdateOptions, type UpdateResult, updateKey } from './update.ts';
import type { ValueLike } from './value.ts';

/** How a client behaves. */
export interface ClientOptions {
  /** Milliseconds for an operation, retries included. Default: 5,000. */
  readonly timeoutMs?: number | undefined;
  /** How often an operation is sent at most. Default: 4. */
  readonly attempts?: number | undefined;
  /** Secures the connections. Default: they are in the clear. */
  readonly tls?: TlsOptions | undefined;
  /** Sent with every call as `authorization: Bearer ...`. A function is asked each time. */
  readonly token?: string | (() => string) | undefined;
  /** For reads that do not say otherwise. */
  readonly read?: Omit<ReadOptions, 'minContext'> | undefined;
  /** For writes that do not say otherwise. */
  readonly write?: Omit<WriteOptions, 'requestId'> | undefined;
  /** What becomes of siblings in an update, by bucket. */
  readonly resolvers?: Readonly<Record<string, Resolver>> | undefined;
  /**
   * Sends each key to a node that holds it, which saves a hop. The client then connects to the addresses that the nodes have
   * in the cluster's configuration. Default: false.
   */
  readonly directRouting?: boolean | undefined;
}

/**
 * Reads and writes keys. It connects when it is first used, and takes its endpoints in turn. Every method may throw
 * {@link KindredError}. Close the client when done, or declare it with `using`.
 */
export class Client {
  readonly #endpoints: Endpoints;
  readonly #attempts: Attempts;
  readonly #requests: Requests;
  readonly #routing: Routing;
  readonly #isRoutedDirectly: boolean;
  readonly #resolvers: ReadonlyMap<string, Resolver>;

  /** `endpoints` are addresses of nodes as `host:port`; some of the cluster's nodes are enough. */
  constructor(endpoints: readonly string[], options: ClientOptions = {}) {
    const { token } = options;
    this.#endpoints = new Endpoints(endpoints, options.tls);
    this.#attempts = new Attempts(this.#endpoints, {
      timeoutMs: options.timeoutMs ?? 5000,
      attempts: options.attempts ?? 4,
      metadata: () =>
        token === undefined
          ? {}
          : { authorization: `Bearer ${typeof token === 'function' ? token() : token}` },
    });
    this.#requests = new Requests(options.read ?? {}, options.write ?? {});
    this.#routing = new Routing(this.#endpoints, this.#attempts);
    this.#isRoutedDirectly = options.directRouting ?? false;
    this.#resolvers = new Map(Object.entries(options.resolvers ?? {}));
  }

  /** Reads a key: one value, several that raced, or none. */
  async get(bucket: string, key: Key, options: GetOptions = {}): Promise<GetResult> {
    const request = prepared(false, () => this.#requests.get(bucket, key, options));
    const result = await this.#run(bucket, key, undefined, options, async ({ keyValue }, call) =>
      getResultOf(await keyValue.get(request, call)),
    );
    this.#routing.seen(bucket, result.report.topologyEpoch);
    return result;
  }

  /** Stores a value. With a context it supersedes exactly what that covers. */
  async put(bucket: string, key: Key, value: ValueLike, options: PutOptions = {}): Promise<WriteResult> {
    const requestId = options.requestId ?? newRequestId();
    const request = prepared(true, () => this.#requests.put(bucket, key, value, options, requestId));
    const result = await this.#run(bucket, key, requestId, options, async ({ keyValue }, call) =>
      writeResultOf(await keyValue.put(request, call)),
    );
    this.#routing.seen(bucket, result.report.topologyEpoch);
    return result;
  }

  /** Deletes a key. A value that raced the delete survives it. */
  async delete(bucket: string, key: Key, options: DeleteOptions = {}): Promise<WriteResult> {
    const requestId = options.requestId ?? newRequestId();
    const request = prepared(true, () => this.#requests.delete(bucket, key, options, requestId));
    return this.#run(bucket, key, requestId, options, async ({ keyValue }, call) =>
      writeResultOf(await keyValue.delete(request, call)),
    );
  }

  /** Changes when a key expires, and nothing else about it. A key that holds siblings cannot be touched. */
  async touch(bucket: string, key: Key, options: TouchOptions): Promise<TouchResult> {
    const requestId = options.requestId ?? newRequestId();
    const request = prepared(true, () => this.#requests.touch(bucket, key, options, requestId));
    return this.#run(bucket, key, requestId, options, async ({ keyValue }, call) =>
      touchResultOf(await keyValue.touch(request, call)),
    );
  }

  /** Tells whether the write with this request id has happened. `options` say how many replicas to ask. */
  async writeOutcome(
    bucket: string,
    key: Key,
    requestId: Uint8Array,
    options: Pick<ReadOptions, 'consistency' | 'replicas'> & CallOptions = {},
  ): Promise<WriteOutcomeResult> {
    const request = prepared(false, () => this.#requests.writeOutcome(bucket, key, requestId, options));
    return this.#run(bucket, key, undefined, options, async ({ keyValue }, call) =>
      writeOutcomeResultOf(await keyValue.getWriteOutcome(request, call)),
    );
  }

  /**
   * Reads up to 1,000 keys. The results come in any order, one for each key, while the loop runs; an item that fails is a
   * result, not an exception. Throws KindredError when the call fails for all that have none.
   */
  async *batchGet(
    keys: readonly BatchKey[],
    options: BatchGetOptions = {},
  ): AsyncGenerator<BatchResult<GetResult>, void, undefined> {
    const request = prepared(false, () => ({
      keys: keys.map(({ bucket, key }) => wireKey(bucket, key)),
      options: this.#requests.wireReadOptions(options),
    }));
    this.#throwIfClosed(undefined);
    yield* runBatch(
      {
        isWrite: false,
        size: keys.length,
        requestId: () => undefined,
        send: (places, { keyValue }, call) =>
          keyValue.batchGet({ ...request, keys: places.flatMap((place) => request.keys[place] ?? []) }, call),
        answer: ({ result }) => (result === undefined ? undefined : getResultOf(result)),
      },
      this.#attempts,
      options,
    );
  }

  /** Makes up to 1,000 writes that have nothing to do with each other. The results come as in {@link batchGet}. */
  async *batchWrite(
    mutations: readonly Mutation[],
    options: BatchWriteOptions = {},
  ): AsyncGenerator<BatchResult<WriteResult>, void, undefined> {
    const batchId = options.requestId ?? newRequestId();
    const requestIds = mutations.map(({ requestId }, place) => requestId ?? itemRequestId(batchId, place));
    const requests = prepared(true, () =>
      mutations.map((mutation, place) =>
        this.#requests.mutation(mutation, options, requestIds[place] as Uint8Array),
      ),
    );
    this.#throwIfClosed(requestIds[0]);
    yield* runBatch(
      {
        isWrite: true,
        size: mutations.length,
        requestId: (place) => requestIds[place],
        send: (places, { keyValue }, call) =>
          keyValue.batchWrite({ mutations: places.flatMap((place) => requests[place] ?? []) }, call),
        answer: ({ result }) => (result === undefined ? undefined : writeResultOf(result.value)),
      },
      this.#attempts,
      options,
    );
  }

  /**
   * Reads a key, resolves its siblings, and writes what `change` makes of it, with the context of the read; what raced with
   * the write is resolved too. `change` may be called again, when another writer came first. Throws ConflictError when there
   * are siblings and no resolver.
   */
  async update(
    bucket: string,
    key: Key,
    change: UpdateFunction,
    options: UpdateOptions = {},
  ): Promise<UpdateResult> {
    return updateKey(
      {
        get: (call) => this.get(bucket, key, call),
        put: (value, call) => this.put(bucket, key, value, call),
        delete: (call) => this.delete(bucket, key, call),
      },
      change,
      {
        ...options,
        resolver: options.resolver ?? this.#resolvers.get(bucket || 'default'),
        timeoutMs: options.timeoutMs ?? this.#attempts.defaults.timeoutMs,
      },
    );
  }

  /** The operations of this client with a memory: reads see the session's own writes and never go back, at any level. */
  session(options: SessionOptions = {}): Session {
    return new Session(this, options);
  }

  /** Many operations in flight over few streams: the fast path. */
  pipeline(options: PipelineOptions = {}): Pipeline {
    return new Pipeline(
      {
        endpoints: this.#endpoints,
        attempts: this.#attempts,
        requests: this.#requests,
        routing: this.#isRoutedDirectly ? this.#routing : undefined,
      },
      options,
    );
  }

  /** The nodes of the cluster. */
  async topology(options: CallOptions = {}): Promise<Topology> {
    this.#throwIfClosed(undefined);
    return this.#attempts.run(
      {
        isWrite: false,
        send: async ({ topology }, call) => topologyOf((await topology.getTopology({}, call)).topology),
      },
      options,
    );
  }

  /**
   * The nodes of the cluster now, and again whenever one changes. Leave the loop or abort the signal to end it; through
   * broken connections it goes on elsewhere.
   */
  async *watchTopology(
    options: Pick<CallOptions, 'signal' | 'attempts'> = {},
  ): AsyncGenerator<Topology, void, undefined> {
    this.#throwIfClosed(undefined);
    const attemptsMax = options.attempts ?? this.#attempts.defaults.attempts;
    yield* watchTopology(this.#endpoints, this.#attempts, { signal: options.signal, attemptsMax });
  }

  /** Where a key lives, as direct routing computes it. */
  async locate(bucket: string, key: Key): Promise<KeyPlacement> {
    this.#throwIfClosed(undefined);
    return this.#routing.place(bucket, key);
  }

  /** Closes the connections as soon as the operations under way are done. No others can be begun. */
  close(): void {
    this.#endpoints.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #run<Answer>(
    bucket: string,
    key: Key,
    requestId: Uint8Array | undefined,
    options: CallOptions,
    send: (endpoint: Endpoint, call: StubCall) => Promise<Answer>,
  ): Promise<Answer> {
    this.#throwIfClosed(requestId);
    const preferred = this.#isRoutedDirectly ? this.#routing.preferred(bucket, key) : undefined;
    return this.#attempts.run({ isWrite: requestId !== undefined, requestId, preferred, send }, options);
  }

  #throwIfClosed(requestId: Uint8Array | undefined): void {
    if (!this.#endpoints.isClosed) return;
    const isWrite = requestId !== undefined;
    throw errorOf(alreadyClosed('the client'), { isWrite, requestId, attempts: 0, isUncertain: false });
  }
}

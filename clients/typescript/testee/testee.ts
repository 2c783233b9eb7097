/** Carries the requests of the conformance runner out with the client. */

import {
  type BatchResult,
  Client,
  type GetResult,
  type Pipeline,
  type Session,
  type TouchResult,
  type WriteResult,
} from '../src/index.ts';
import {
  bytes,
  causality,
  contextJson,
  dotJson,
  errorJson,
  expiry,
  getResultJson,
  type Json,
  mutation,
  readOptions,
  touchOptions,
  touchResultJson,
  UnknownRequest,
  value,
  valueJson,
  writeOptions,
  writeResultJson,
} from './json.ts';
import { changeOf, resolverOf } from './updates.ts';

type Handler = (request: Json, signal: AbortSignal) => Promise<Json> | Json;

/** What carries out an operation on one key: a client, a session or a pipeline. */
type Store = Pick<Client, 'get' | 'put' | 'delete' | 'touch'>;

/** The clients of a conformance run, with their sessions and pipelines, by the names that the runner gives them. */
export class Testee {
  readonly #clients = new Map<string, Client>();
  readonly #sessions = new Map<string, Session>();
  readonly #pipelines = new Map<string, Pipeline>();
  readonly #handlers: Readonly<Record<string, Handler>> = {
    hello: () => ({ language: 'typescript', version: '0.1.0', features: [] }),
    connect: (request) => this.#connect(request),
    close: (request) => this.#closeClient(request),
    get: async (request, signal) => getResultJson(await get(this.#store(request), request, signal)),
    put: async (request, signal) => writeResultJson(await put(this.#store(request), request, signal)),
    delete: async (request, signal) => writeResultJson(await remove(this.#store(request), request, signal)),
    touch: async (request, signal) => touchResultJson(await touch(this.#store(request), request, signal)),
    batchGet: (request, signal) => this.#batchGet(request, signal),
    batchWrite: (request, signal) => this.#batchWrite(request, signal),
    writeOutcome: (request, signal) => this.#writeOutcome(request, signal),
    update: (request, signal) => this.#update(request, signal),
    session: (request) => this.#session(request),
    pipeline: (request) => this.#pipeline(request),
    pipelined: (request, signal) => this.#pipelined(request, signal),
    closePipeline: (request) => this.#closePipeline(request),
    placement: (request) => this.#placement(request),
  };

  /** The `ok` of the answer to a request. Throws what becomes its `error`. */
  async handle(request: Json, signal: AbortSignal): Promise<Json> {
    const { op } = request;
    const handler = Object.hasOwn(this.#handlers, op) ? this.#handlers[op] : undefined;
    if (handler === undefined) throw new UnknownRequest(`no operation "${op}"`);
    return handler(request, signal);
  }

  close(): void {
    for (const client of this.#clients.values()) client.close();
  }

  #store(request: Json): Client | Session {
    return request['session'] === undefined
      ? named(this.#clients, 'client', request)
      : named(this.#sessions, 'session', request);
  }

  #connect(request: Json): Json {
    const { client, endpoints, timeoutMs, attempts, directRouting } = request;
    this.#clients.get(client)?.close();
    this.#clients.set(client, new Client(endpoints, { timeoutMs, attempts, directRouting }));
    return {};
  }

  #closeClient(request: Json): Json {
    named(this.#clients, 'client', request).close();
    this.#clients.delete(request['client']);
    return {};
  }

  async #batchGet(request: Json, signal: AbortSignal): Promise<Json> {
    const keys = request['keys'].map(({ bucket, key }: Json) => ({ bucket, key: bytes(key) }));
    const client = named(this.#clients, 'client', request);
    return collect(client.batchGet(keys, { ...readOptions(request['read']), signal }), getResultJson);
  }

  async #batchWrite(request: Json, signal: AbortSignal): Promise<Json> {
    const mutations = request['mutations'].map(mutation);
    const client = named(this.#clients, 'client', request);
    return collect(
      client.batchWrite(mutations, { ...writeOptions(request['write']), signal }),
      writeResultJson,
    );
  }

  async #writeOutcome(request: Json, signal: AbortSignal): Promise<Json> {
    const { bucket, key, requestId, read } = request;
    const client = named(this.#clients, 'client', request);
    const outcome = await client.writeOutcome(bucket, bytes(key), bytes(requestId), {
      ...readOptions(read),
      signal,
    });
    const context = contextJson(outcome.context);
    return outcome.state === 'applied'
      ? { outcome: 'APPLIED', dot: dotJson(outcome.dot), context }
      : { outcome: 'NOT_SEEN', context };
  }

  async #update(request: Json, signal: AbortSignal): Promise<Json> {
    const { bucket, key, fn, resolver, read, write } = request;
    const updated = await this.#store(request).update(bucket, bytes(key), changeOf(fn), {
      ...(read !== undefined && { read: readOptions(read) }),
      write: writeOptions(write),
      resolver: resolverOf(resolver),
      signal,
    });
    return {
      ...(updated.value !== undefined && { value: valueJson(updated.value) }),
      context: contextJson(updated.context),
      versionsHeld: updated.versionsHeld,
    };
  }

  #session(request: Json): Json {
    this.#sessions.set(request['session'], named(this.#clients, 'client', request).session());
    return {};
  }

  #pipeline(request: Json): Json {
    const { pipeline, inFlight } = request;
    this.#pipelines.set(pipeline, named(this.#clients, 'client', request).pipeline({ inFlight }));
    return {};
  }

  async #pipelined(request: Json, signal: AbortSignal): Promise<Json> {
    const pipeline = named(this.#pipelines, 'pipeline', request);
    const results: Promise<Json>[] = [];
    for (const operation of request['operations'] as readonly Json[]) {
      await pipeline.ready;
      results.push(settled(pipelinedOperation(pipeline, operation, signal)));
    }
    return { results: await Promise.all(results) };
  }

  async #closePipeline(request: Json): Promise<Json> {
    const pipeline = named(this.#pipelines, 'pipeline', request);
    this.#pipelines.delete(request['pipeline']);
    await pipeline.close();
    return {};
  }

  async #placement(request: Json): Promise<Json> {
    const client = named(this.#clients, 'client', request);
    const places = await Promise.all(
      request['keys'].map(({ bucket, key }: Json) => client.locate(bucket, bytes(key))),
    );
    return { homes: places.map(({ homes }) => homes), tokens: places.map(({ token }) => token) };
  }
}

function named<Thing>(things: ReadonlyMap<string, Thing>, kind: string, request: Json): Thing {
  const thing = things.get(request[kind]);
  if (thing === undefined) throw new UnknownRequest(`no ${kind} "${request[kind]}"`);
  return thing;
}

function get(store: Store, request: Json, signal: AbortSignal): Promise<GetResult> {
  const { bucket, key, read } = request;
  return store.get(bucket, bytes(key), { ...readOptions(read), signal });
}

function put(store: Store, request: Json, signal: AbortSignal): Promise<WriteResult> {
  const { bucket, key, write } = request;
  return store.put(bucket, bytes(key), value(request['value']), {
    ...causality(request),
    ...expiry(request),
    ...writeOptions(write),
    signal,
  });
}

function remove(store: Store, request: Json, signal: AbortSignal): Promise<WriteResult> {
  const { bucket, key, write } = request;
  return store.delete(bucket, bytes(key), { ...causality(request), ...writeOptions(write), signal });
}

function touch(store: Store, request: Json, signal: AbortSignal): Promise<TouchResult> {
  const { bucket, key, write } = request;
  return store.touch(bucket, bytes(key), { ...touchOptions(request), ...writeOptions(write), signal });
}

async function pipelinedOperation(store: Store, operation: Json, signal: AbortSignal): Promise<Json> {
  const { get: got, put: stored, delete: deleted, touch: touched } = operation;
  if (got !== undefined) return getResultJson(await get(store, got, signal));
  if (stored !== undefined) return writeResultJson(await put(store, stored, signal));
  if (deleted !== undefined) return writeResultJson(await remove(store, deleted, signal));
  if (touched !== undefined) return touchResultJson(await touch(store, touched, signal));
  throw new UnknownRequest(`no operation in ${JSON.stringify(operation)}`);
}

async function settled(result: Promise<Json>): Promise<Json> {
  try {
    return { ok: await result };
  } catch (error) {
    return { error: errorJson(error) };
  }
}

async function collect<Answer>(
  results: AsyncIterable<BatchResult<Answer>>,
  json: (answer: Answer) => Json,
): Promise<Json> {
  const items: Json[] = [];
  for await (const result of results) {
    const { index } = result;
    items.push(
      result.kind === 'ok' ? { index, ok: json(result.answer) } : { index, error: errorJson(result.error) },
    );
  }
  return { results: items.sort((a, b) => a['index'] - b['index']) };
}

/** Carries the requests of the conformance runner out with the client. */

import { Client } from '../src/index.ts';
import {
  bytes,
  causality,
  contextJson,
  dotJson,
  expiry,
  getResultJson,
  type Json,
  readOptions,
  touchOptions,
  touchResultJson,
  UnknownRequest,
  value,
  writeOptions,
  writeResultJson,
} from './json.ts';

type Handler = (request: Json, signal: AbortSignal) => Promise<Json> | Json;

/** The clients of a conformance run, by the names that the runner gives them. */
export class Testee {
  readonly #clients = new Map<string, Client>();
  readonly #handlers: Readonly<Record<string, Handler>> = {
    hello: () => ({ language: 'typescript', version: '0.1.0', features: [] }),
    connect: (request) => this.#connect(request),
    close: (request) => this.#closeClient(request),
    get: (request, signal) => this.#get(request, signal),
    put: (request, signal) => this.#put(request, signal),
    delete: (request, signal) => this.#delete(request, signal),
    touch: (request, signal) => this.#touch(request, signal),
    writeOutcome: (request, signal) => this.#writeOutcome(request, signal),
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

  #client(request: Json): Client {
    const client = this.#clients.get(request['client']);
    if (client === undefined) throw new UnknownRequest(`no client "${request['client']}"`);
    return client;
  }

  #connect(request: Json): Json {
    const { client, endpoints, timeoutMs, attempts } = request;
    this.#clients.get(client)?.close();
    this.#clients.set(client, new Client(endpoints, { timeoutMs, attempts }));
    return {};
  }

  #closeClient(request: Json): Json {
    this.#client(request).close();
    this.#clients.delete(request['client']);
    return {};
  }

  async #get(request: Json, signal: AbortSignal): Promise<Json> {
    const { bucket, key, read } = request;
    return getResultJson(
      await this.#client(request).get(bucket, bytes(key), { ...readOptions(read), signal }),
    );
  }

  async #put(request: Json, signal: AbortSignal): Promise<Json> {
    const { bucket, key, write } = request;
    return writeResultJson(
      await this.#client(request).put(bucket, bytes(key), value(request['value']), {
        ...causality(request),
        ...expiry(request),
        ...writeOptions(write),
        signal,
      }),
    );
  }

  async #delete(request: Json, signal: AbortSignal): Promise<Json> {
    const { bucket, key, write } = request;
    return writeResultJson(
      await this.#client(request).delete(bucket, bytes(key), {
        ...causality(request),
        ...writeOptions(write),
        signal,
      }),
    );
  }

  async #touch(request: Json, signal: AbortSignal): Promise<Json> {
    const { bucket, key, write } = request;
    return touchResultJson(
      await this.#client(request).touch(bucket, bytes(key), {
        ...touchOptions(request),
        ...writeOptions(write),
        signal,
      }),
    );
  }

  async #writeOutcome(request: Json, signal: AbortSignal): Promise<Json> {
    const { bucket, key, requestId, read } = request;
    const outcome = await this.#client(request).writeOutcome(bucket, bytes(key), bytes(requestId), {
      ...readOptions(read),
      signal,
    });
    const context = contextJson(outcome.context);
    return outcome.state === 'applied'
      ? { outcome: 'APPLIED', dot: dotJson(outcome.dot), context }
      : { outcome: 'NOT_SEEN', context };
  }
}

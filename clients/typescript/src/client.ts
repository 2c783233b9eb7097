/** The client: operations on keys of a cluster, through any of its nodes. */

import { randomFillSync } from 'node:crypto';
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
import { Attempts } from './attempts.ts';
import { Endpoints, type TlsOptions } from './endpoints.ts';
import { prepared } from './failure.ts';
import {
  type CallOptions,
  type DeleteOptions,
  type GetOptions,
  type Key,
  type PutOptions,
  type ReadOptions,
  type TouchOptions,
  type WriteOptions,
  wireCausality,
  wireContext,
  wireExpiry,
  wireKey,
  wireReadOptions,
  wireTouchExpiry,
  wireWriteOptions,
} from './options.ts';
import { Value, type ValueLike } from './value.ts';

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
}

/**
 * Reads and writes keys. It connects when it is first used, and takes its endpoints in turn. Every method may throw
 * {@link KindredError}; close the client when done, or declare it with `using`.
 */
export class Client {
  readonly #endpoints: Endpoints;
  readonly #attempts: Attempts;
  readonly #read: ReadOptions;
  readonly #write: WriteOptions;

  /** `endpoints` are addresses of nodes as `host:port`; some of the cluster's nodes are enough. */
  constructor(endpoints: readonly string[], options: ClientOptions = {}) {
    if (endpoints.length === 0) throw new TypeError('a client needs at least one endpoint');
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
    this.#read = options.read ?? {};
    this.#write = options.write ?? {};
  }

  /** Reads a key: one value, several that raced, or none. */
  async get(bucket: string, key: Key, options: GetOptions = {}): Promise<GetResult> {
    const request = prepared(false, () => ({
      key: wireKey(bucket, key),
      options: wireReadOptions({ ...this.#read, ...options }),
    }));
    return this.#attempts.run(
      {
        isWrite: false,
        send: async ({ keyValue }, stub) => getResultOf(await keyValue.get(request, stub)),
      },
      options,
    );
  }

  /** Stores a value. With a context it supersedes exactly what that covers. */
  async put(bucket: string, key: Key, value: ValueLike, options: PutOptions = {}): Promise<WriteResult> {
    const requestId = options.requestId ?? newRequestId();
    const request = prepared(true, () => ({
      key: wireKey(bucket, key),
      value: Value.of(value),
      causality: wireCausality(options),
      expiry: wireExpiry(options),
      options: wireWriteOptions({ ...this.#write, ...options }, requestId),
    }));
    return this.#attempts.run(
      {
        isWrite: true,
        requestId,
        send: async ({ keyValue }, stub) => writeResultOf(await keyValue.put(request, stub)),
      },
      options,
    );
  }

  /** Deletes a key. A value that raced the delete survives it. */
  async delete(bucket: string, key: Key, options: DeleteOptions = {}): Promise<WriteResult> {
    const requestId = options.requestId ?? newRequestId();
    const request = prepared(true, () => ({
      key: wireKey(bucket, key),
      causality: wireCausality(options),
      options: wireWriteOptions({ ...this.#write, ...options }, requestId),
    }));
    return this.#attempts.run(
      {
        isWrite: true,
        requestId,
        send: async ({ keyValue }, stub) => writeResultOf(await keyValue.delete(request, stub)),
      },
      options,
    );
  }

  /** Changes when a key expires, and nothing else about it. A key that holds siblings cannot be touched. */
  async touch(bucket: string, key: Key, options: TouchOptions): Promise<TouchResult> {
    const requestId = options.requestId ?? newRequestId();
    const request = prepared(true, () => ({
      key: wireKey(bucket, key),
      expiry: wireTouchExpiry(options),
      context: wireContext(options.context),
      options: wireWriteOptions({ ...this.#write, ...options }, requestId),
    }));
    return this.#attempts.run(
      {
        isWrite: true,
        requestId,
        send: async ({ keyValue }, stub) => touchResultOf(await keyValue.touch(request, stub)),
      },
      options,
    );
  }

  /** Tells whether the write with this request id has happened. `options` say how many replicas to ask. */
  async writeOutcome(
    bucket: string,
    key: Key,
    requestId: Uint8Array,
    options: Pick<ReadOptions, 'consistency' | 'replicas'> & CallOptions = {},
  ): Promise<WriteOutcomeResult> {
    const request = prepared(false, () => ({
      key: wireKey(bucket, key),
      requestId,
      options: wireReadOptions({ ...this.#read, ...options }),
    }));
    return this.#attempts.run(
      {
        isWrite: false,
        send: async ({ keyValue }, stub) =>
          writeOutcomeResultOf(await keyValue.getWriteOutcome(request, stub)),
      },
      options,
    );
  }

  /** Closes the connections as soon as the operations under way are done. No others can be begun. */
  close(): void {
    this.#endpoints.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

function newRequestId(): Uint8Array {
  return randomFillSync(new Uint8Array(16));
}

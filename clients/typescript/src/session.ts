/**
 * Sessions: a memory of what was seen of each key, so that reads see the session's own writes and never go back, at any
 * level and through any node.
 */

import type { GetResult, TouchResult, WriteResult } from './answer.ts';
import type { Client } from './client.ts';
import type { Context } from './context.ts';
import { ConflictError } from './error.ts';
import type { CallOptions, Expiry, GetOptions, Key, TouchOptions, WriteOptions } from './options.ts';
import { keyName, type UpdateFunction, type UpdateOptions, type UpdateResult } from './update.ts';
import type { ValueLike } from './value.ts';

/** How a session behaves. */
export interface SessionOptions {
  /**
   * How many keys it remembers. The one used longest ago is forgotten first; then its next read may be older than the last,
   * and its next write is one without a context. Default: 10,000.
   */
  readonly keysMax?: number | undefined;
}

/** What a session needs of a client. */
export type SessionClient = Pick<Client, 'get' | 'put' | 'delete' | 'touch' | 'update'>;

/** What the client's own operations do with a key, except that the session knows the context. */
export interface SessionGetOptions extends Omit<GetOptions, 'minContext'> {}
export interface SessionPutOptions extends Expiry, WriteOptions, CallOptions {}
export interface SessionDeleteOptions extends WriteOptions, CallOptions {}
export interface SessionTouchOptions extends Omit<TouchOptions, 'context'> {}

const KEYS_MAX_DEFAULT = 10_000;

/**
 * The operations of a client, with a memory. Operations on one key go one after the other, in the order of the calls. A
 * write supersedes what the session last saw of its key; of a key that it has not seen, what the bucket says.
 */
export class Session {
  readonly #client: SessionClient;
  readonly #keysMax: number;
  /** In the order of use, the latest last. */
  readonly #contexts = new Map<string, Context>();
  /** The last operation on each key that has one under way. Never rejects. */
  readonly #tails = new Map<string, Promise<void>>();

  /** Use `Client.session`. */
  constructor(client: SessionClient, options: SessionOptions = {}) {
    this.#client = client;
    this.#keysMax = options.keysMax ?? KEYS_MAX_DEFAULT;
  }

  /** Reads a key: never less than the session has seen of it. */
  get(bucket: string, key: Key, options: SessionGetOptions = {}): Promise<GetResult> {
    return this.#inTurn(bucket, key, (minContext) =>
      this.#client.get(bucket, key, { ...options, minContext }),
    );
  }

  /** Stores a value in place of what the session has seen. */
  put(bucket: string, key: Key, value: ValueLike, options: SessionPutOptions = {}): Promise<WriteResult> {
    return this.#inTurn(bucket, key, (context) =>
      this.#client.put(bucket, key, value, { ...options, context }),
    );
  }

  /** Deletes what the session has seen. */
  delete(bucket: string, key: Key, options: SessionDeleteOptions = {}): Promise<WriteResult> {
    return this.#inTurn(bucket, key, (context) => this.#client.delete(bucket, key, { ...options, context }));
  }

  /** Changes when that expires which the session has seen. */
  touch(bucket: string, key: Key, options: SessionTouchOptions): Promise<TouchResult> {
    return this.#inTurn(bucket, key, (context) => this.#client.touch(bucket, key, { ...options, context }));
  }

  /** As `Client.update`, on no less than the session has seen. */
  update(
    bucket: string,
    key: Key,
    change: UpdateFunction,
    options: UpdateOptions = {},
  ): Promise<UpdateResult> {
    return this.#inTurn(bucket, key, (minContext) =>
      this.#client.update(bucket, key, change, { ...options, read: { ...options.read, minContext } }),
    );
  }

  /** Waits for its turn on the key, then runs `operation` with what is remembered, and remembers the answer. */
  async #inTurn<Answer extends { readonly context: Context }>(
    bucket: string,
    key: Key,
    operation: (context: Context | undefined) => Promise<Answer>,
  ): Promise<Answer> {
    const name = keyName(bucket, key);
    const before = this.#tails.get(name);
    const turn = (async (): Promise<Answer> => {
      if (before !== undefined) await before;
      try {
        const answer = await operation(this.#contexts.get(name));
        this.#remember(name, answer.context);
        return answer;
      } catch (error) {
        // It tells what was seen, and a write of the session's may be part of that.
        if (error instanceof ConflictError) this.#remember(name, error.context);
        throw error;
      }
    })();
    const tail = turn.then(ignore, ignore);
    this.#tails.set(name, tail);
    try {
      return await turn;
    } finally {
      if (this.#tails.get(name) === tail) this.#tails.delete(name);
    }
  }

  #remember(name: string, context: Context): void {
    this.#contexts.delete(name);
    this.#contexts.set(name, context);
    if (this.#contexts.size <= this.#keysMax) return;
    const [oldest] = this.#contexts.keys();
    if (oldest !== undefined) this.#contexts.delete(oldest);
  }
}

function ignore(): void {
  // The caller of the operation is told of its failure; those after it in line are not.
}

/** The messages of operations, made of what callers give and what the client adds: its defaults, and request ids. */

import { randomFillSync } from 'node:crypto';
import type { Mutation } from './batch.ts';
import type {
  DeleteRequest,
  GetRequest,
  GetWriteOutcomeRequest,
  PutRequest,
  TouchRequest,
  Mutation as WireMutation,
} from './gen/kindred/v1/kv.ts';
import type {
  ReadOptions as WireReadOptions,
  WriteOptions as WireWriteOptions,
} from './gen/kindred/v1/types.ts';
import {
  type DeleteOptions,
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

/** Makes requests. Every method throws ArgumentRefused for arguments that no server has to see. */
export class Requests {
  readonly #read: ReadOptions;
  readonly #write: WriteOptions;

  /** `read` and `write` hold for requests that do not say otherwise. */
  constructor(read: ReadOptions, write: WriteOptions) {
    this.#read = read;
    this.#write = write;
  }

  get(bucket: string, key: Key, options: ReadOptions): GetRequest {
    return { key: wireKey(bucket, key), options: this.wireReadOptions(options) };
  }

  put(bucket: string, key: Key, value: ValueLike, options: PutOptions, requestId: Uint8Array): PutRequest {
    const { data, contentType, metadata } = Value.of(value);
    return {
      key: wireKey(bucket, key),
      value: { data, contentType, metadata: { ...metadata } },
      causality: wireCausality(options),
      expiry: wireExpiry(options),
      options: this.#wireWriteOptions(options, requestId),
    };
  }

  delete(bucket: string, key: Key, options: DeleteOptions, requestId: Uint8Array): DeleteRequest {
    return {
      key: wireKey(bucket, key),
      causality: wireCausality(options),
      options: this.#wireWriteOptions(options, requestId),
    };
  }

  touch(bucket: string, key: Key, options: TouchOptions, requestId: Uint8Array): TouchRequest {
    return {
      key: wireKey(bucket, key),
      expiry: wireTouchExpiry(options),
      context: wireContext(options.context),
      options: this.#wireWriteOptions(options, requestId),
    };
  }

  writeOutcome(
    bucket: string,
    key: Key,
    requestId: Uint8Array,
    options: ReadOptions,
  ): GetWriteOutcomeRequest {
    return { key: wireKey(bucket, key), requestId, options: this.wireReadOptions(options) };
  }

  /** One write of a batch: its own options, then those of the batch, then those of the client. */
  mutation(mutation: Mutation, batch: WriteOptions, requestId: Uint8Array): WireMutation {
    const { bucket, key } = mutation;
    const options = { ...mutation, ...withDefaults(batch, mutation) };
    return {
      op:
        mutation.kind === 'put'
          ? { $case: 'put', value: this.put(bucket, key, mutation.value, options, requestId) }
          : { $case: 'delete', value: this.delete(bucket, key, options, requestId) },
    };
  }

  wireReadOptions(options: ReadOptions): WireReadOptions {
    return wireReadOptions(withDefaults(this.#read, options));
  }

  #wireWriteOptions(options: WriteOptions, requestId: Uint8Array): WireWriteOptions {
    return wireWriteOptions(withDefaults(this.#write, options), requestId);
  }
}

/**
 * The request id of one item of a batch, as the server itself makes it of the batch's: the item's place, exclusive-or the last
 * four bytes. So a batch that is given an id again counts once, item by item, even if it is then sent in parts.
 */
export function itemRequestId(batchId: Uint8Array, place: number): Uint8Array {
  const id = new Uint8Array(batchId);
  // An id of another length is the server's to refuse.
  if (id.length !== REQUEST_ID_BYTES) return id;
  const last = new DataView(id.buffer, REQUEST_ID_BYTES - 4);
  last.setUint32(0, last.getUint32(0) ^ place);
  return id;
}

const REQUEST_ID_BYTES = 16;

/** 16 random bytes. */
export function newRequestId(): Uint8Array {
  return randomFillSync(new Uint8Array(REQUEST_ID_BYTES));
}

/** What is left out, or undefined, is as the defaults say. A level of the call also replaces a number of the defaults. */
function withDefaults<Options extends ReadOptions | WriteOptions>(
  defaults: Options,
  options: Options,
): Options {
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  const strength =
    options.consistency !== undefined || options.replicas !== undefined
      ? { consistency: options.consistency, replicas: options.replicas }
      : {};
  return { ...defaults, ...given, ...strength };
}

/**
 * Every limit that a request must keep, as data and as checks. A check throws an OperationError that names the field, the
 * limit and what was got. `docs/limits.md` is the same table for users; a test keeps the two in step.
 *
 * Messages never repeat what the client sent, except names that are known to be harmless: keys may be secrets, and text
 * that is not well-formed would spoil the status.
 */

import type { LimitConfig } from '../config/config.ts';
import { contextBytesMax } from '../core/causality/context-token.ts';
import { type InvalidReason, OperationError } from '../core/coordinator/failure.ts';
import { bucketNameLengthMax, isBucketName } from '../core/ring/record-key.ts';
import type { Value } from '../gen/kindred/v1/types.ts';

/** The limits that an operator may set, as the checks need them. */
export type RequestLimits = Pick<
  LimitConfig,
  'keyBytesMax' | 'metadataBytesMax' | 'batchItemsMax' | 'batchBytesMax'
>;

/** The values of semantics.md. A node's configuration may lower them. */
export const defaultRequestLimits: RequestLimits = {
  keyBytesMax: 1024,
  metadataBytesMax: 4096,
  batchItemsMax: 1000,
  batchBytesMax: 4 * 1024 * 1024,
};

/** Longest `Value.content_type`, in bytes of UTF-8. */
export const contentTypeBytesMax = 255;
/** Length of a request id, in bytes: no more, no less. */
export const requestIdBytes = 16;
/** Most levels in `ReadOptions.fallback`: there are not more to name. */
export const fallbackLevelsMax = 9;
/** Most operations in one message of a pipeline. */
export const pipelineMessageOperationsMax = 1000;
/** Longest life of a value that has one: 100 years of 365.25 days, in microseconds. */
export const ttlMicrosMax: number = 100 * 365.25 * 86_400 * 1_000_000;
/** Most buckets in one page of ListBuckets. */
export const bucketPageSizeMax = 1000;

/** One limit, for documentation and tests. */
export interface LimitRow {
  /** The field as ErrorDetail.field names it; of a batch item it stands behind the item's own path. */
  readonly field: string;
  /** The limit in words, as `docs/limits.md` gives it. */
  readonly limit: string;
  readonly code: 'INVALID_ARGUMENT' | 'RESOURCE_EXHAUSTED';
  readonly reason: 'INVALID_REQUEST' | 'TOO_LARGE' | 'CONTEXT_INVALID' | 'NODE_OVERLOADED';
}

/** All limits on what a request may hold. What a connection or a node may hold is in `server.ts`. */
export const limitTable: readonly LimitRow[] = [
  { field: 'key.key', limit: '1 to 1,024 bytes', code: 'INVALID_ARGUMENT', reason: 'TOO_LARGE' },
  {
    field: 'key.bucket',
    limit: '1 to 64 of a-z, 0-9, _, ., -',
    code: 'INVALID_ARGUMENT',
    reason: 'INVALID_REQUEST',
  },
  {
    field: 'value.data',
    limit: "the bucket's max_value_bytes, at most 1,048,576 bytes",
    code: 'INVALID_ARGUMENT',
    reason: 'TOO_LARGE',
  },
  { field: 'value.content_type', limit: '255 bytes', code: 'INVALID_ARGUMENT', reason: 'TOO_LARGE' },
  {
    field: 'value.metadata',
    limit: '4,096 bytes, content_type included',
    code: 'INVALID_ARGUMENT',
    reason: 'TOO_LARGE',
  },
  {
    field: 'options.request_id',
    limit: 'exactly 16 bytes',
    code: 'INVALID_ARGUMENT',
    reason: 'INVALID_REQUEST',
  },
  { field: 'context', limit: '4,096 bytes', code: 'INVALID_ARGUMENT', reason: 'CONTEXT_INVALID' },
  {
    field: 'options.min_context',
    limit: '4,096 bytes',
    code: 'INVALID_ARGUMENT',
    reason: 'CONTEXT_INVALID',
  },
  {
    field: 'ttl',
    limit: 'more than zero, at most 100 years',
    code: 'INVALID_ARGUMENT',
    reason: 'INVALID_REQUEST',
  },
  {
    field: 'expire_time',
    limit: 'from 1970 to 100 years ahead',
    code: 'INVALID_ARGUMENT',
    reason: 'INVALID_REQUEST',
  },
  {
    field: 'options.replicas',
    limit: "1 to the bucket's replication",
    code: 'INVALID_ARGUMENT',
    reason: 'INVALID_REQUEST',
  },
  {
    field: 'options.fallback',
    limit: '9 levels, none stronger than the one before',
    code: 'INVALID_ARGUMENT',
    reason: 'INVALID_REQUEST',
  },
  { field: 'keys', limit: '1 to 1,000 items', code: 'INVALID_ARGUMENT', reason: 'TOO_LARGE' },
  {
    field: 'mutations',
    limit: '1 to 1,000 items, 4,194,304 bytes',
    code: 'INVALID_ARGUMENT',
    reason: 'TOO_LARGE',
  },
  {
    field: 'operations',
    limit: '1,000 in a message, 4,194,304 bytes',
    code: 'INVALID_ARGUMENT',
    reason: 'TOO_LARGE',
  },
  {
    field: 'metadata',
    limit: '8,192 bytes of request headers',
    code: 'RESOURCE_EXHAUSTED',
    reason: 'TOO_LARGE',
  },
];

/** An argument that is not accepted. `field` is its path from the request, in proto names. */
export function invalid(
  field: string,
  problem: string,
  reason: InvalidReason = 'invalid-request',
): OperationError {
  return new OperationError({ kind: 'invalid', reason, field, problem });
}

/** Something longer than allowed. */
export function tooLarge(field: string, got: number, limit: number, unit = 'bytes'): OperationError {
  return invalid(field, `has ${grouped(got)} ${unit}; the limit is ${grouped(limit)} ${unit}`, 'too-large');
}

export function checkKey(key: Uint8Array, limits: RequestLimits, field: string): void {
  if (key.length === 0) throw invalid(field, 'is empty; a key has 1 to 1,024 bytes');
  if (key.length > limits.keyBytesMax) throw tooLarge(field, key.length, limits.keyBytesMax);
}

export function checkBucketName(name: string, field: string): void {
  if (isBucketName(name)) return;
  throw invalid(
    field,
    `is no bucket name: 1 to ${bucketNameLengthMax} of a-z, 0-9, underscore, dot and hyphen`,
  );
}

/** `valueBytesMax`: the bucket's own limit. */
export function checkValue(value: Value, valueBytesMax: number, limits: RequestLimits, field: string): void {
  if (value.data.length > valueBytesMax) throw tooLarge(`${field}.data`, value.data.length, valueBytesMax);
  let about = utf8Length(value.contentType);
  if (about > contentTypeBytesMax) throw tooLarge(`${field}.content_type`, about, contentTypeBytesMax);
  for (const name in value.metadata) {
    about += utf8Length(name) + utf8Length(value.metadata[name] as string);
  }
  if (about > limits.metadataBytesMax) throw tooLarge(`${field}.metadata`, about, limits.metadataBytesMax);
}

/** The id to keep: a copy, because the request's bytes are a view of a whole frame. Empty: there is none. */
export function checkRequestId(id: Uint8Array, field: string): Uint8Array | undefined {
  if (id.length === 0) return undefined;
  if (id.length !== requestIdBytes) {
    throw invalid(field, `has ${grouped(id.length)} bytes; it must have exactly ${requestIdBytes}`);
  }
  // Not `slice`: a Buffer's is another view.
  return new Uint8Array(id);
}

export function checkContextLength(token: Uint8Array, field: string): void {
  if (token.length <= contextBytesMax) return;
  throw invalid(
    field,
    `has ${grouped(token.length)} bytes; the limit is ${grouped(contextBytesMax)} bytes`,
    'context-invalid',
  );
}

export function checkItems(count: number, max: number, field: string): void {
  if (count === 0) throw invalid(field, `is empty; give 1 to ${grouped(max)} items`);
  if (count > max) throw tooLarge(field, count, max, 'items');
}

export function checkMessageBytes(bytes: number, max: number, field: string): void {
  if (bytes > max) throw tooLarge(field, bytes, max);
}

/** An expiry that is a span, in microseconds from now. */
export function checkTtl(micros: number, field: string): void {
  if (!(micros > 0)) throw invalid(field, 'must be more than zero');
  if (micros > ttlMicrosMax) throw invalid(field, 'is more than 100 years; leave it out for "never"');
}

/** An expiry that is a time, in microseconds since 1970. */
export function checkExpireTime(micros: number, nowMicros: number, field: string): void {
  if (!(micros >= 0)) throw invalid(field, 'lies before 1970');
  if (micros > nowMicros + ttlMicrosMax) {
    throw invalid(field, 'lies more than 100 years ahead; leave it out for "never"');
  }
}

/** 1234567 as `1,234,567`, the same on every machine. */
export function grouped(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, ',');
}

function utf8Length(text: string): number {
  return text.length === 0 ? 0 : Buffer.byteLength(text, 'utf8');
}

/**
 * One replica of a key as the coordinator sees it, this node's own and those of its peers behind one type. Calls take a
 * callback instead of returning a promise: three of them are made for every operation.
 */

import { crc32 } from 'node:zlib';
import type { Dot } from '../core/causality/dot.ts';
import type { VersionedRecord } from '../core/causality/record.ts';
import { decodeRecord } from '../core/causality/record-codec.ts';
import type { ReplicaFailureReason } from '../core/coordinator/failure.ts';
import { absentDigest, type Digest } from '../core/coordinator/read-core.ts';
import type { NodeId } from '../core/identity.ts';
import { digest64 } from '../env/xxhash.ts';

export type MergeOrigin = 'write' | 'hint' | 'read-repair';

/** How a record is merged. */
export interface MergeOptions {
  readonly origin: MergeOrigin;
  readonly sync: boolean;
  /** Of a hint: the newest mark of the replica's store that was heard of when the hint was kept. */
  readonly receiverMark?: number;
}

export interface FailedCall {
  readonly kind: 'failed';
  /** `not-sent`, `overloaded`, `refused` and `outdated` prove that the replica did nothing. */
  readonly reason: ReplicaFailureReason;
}

export type ReadAnswer =
  | {
      readonly kind: 'record';
      readonly bytes: Uint8Array | undefined;
      /** The same decoded, from whom has it at hand. */
      readonly record?: VersionedRecord;
    }
  | { readonly kind: 'digest'; readonly digest: Digest }
  | FailedCall;

export type MergeAnswer =
  | { readonly kind: 'merged'; readonly changed: boolean; readonly synced: boolean }
  | FailedCall;

export type FindAnswer =
  | { readonly kind: 'found'; readonly dot: Dot }
  | { readonly kind: 'unseen' }
  | FailedCall;

/** Whether a hint is on the other node's stable storage; `full`: the bound on its hints is met. */
export type KeepAnswer = { readonly kind: 'kept' } | { readonly kind: 'full' } | FailedCall;

export type ForwardAnswer = { readonly kind: 'result'; readonly bytes: Uint8Array } | FailedCall;

export interface ReplicaClient {
  readonly node: NodeId;
  read(
    recordKey: Uint8Array,
    digestOnly: boolean,
    timeoutMs: number,
    done: (answer: ReadAnswer) => void,
  ): void;
  merge(
    recordKey: Uint8Array,
    record: Uint8Array,
    options: MergeOptions,
    timeoutMs: number,
    done: (answer: MergeAnswer) => void,
  ): void;
  /** Has this node, which need not be a replica of the key, keep the record durably for `target`. */
  keepHint(
    target: NodeId,
    recordKey: Uint8Array,
    record: Uint8Array,
    targetMark: number,
    timeoutMs: number,
    done: (answer: KeepAnswer) => void,
  ): void;
  find(
    recordKey: Uint8Array,
    requestId: Uint8Array,
    timeoutMs: number,
    done: (answer: FindAnswer) => void,
  ): void;
  /** Hands the whole operation to this node, which coordinates it: `kindred.v1.Operation` in, `OperationResult` out. */
  forward(operation: Uint8Array, timeoutMs: number, done: (answer: ForwardAnswer) => void): void;
}

/** What an answer says that the replica holds. Throws MalformedError. */
export function recordOf({
  bytes,
  record,
}: Extract<ReadAnswer, { readonly kind: 'record' }>): VersionedRecord | undefined {
  if (record !== undefined || bytes === undefined) return record;
  return decodeRecord(bytes, crc32);
}

/** Bytes of the digest of a record; the digest of nothing has none. */
export const digestLength = 8;

/** The name under which records are compared: xxh64 of their canonical bytes. */
export function digestOfBytes(record: Uint8Array | undefined): Digest {
  if (record === undefined) return absentDigest;
  return digestName(digest64(record));
}

/** Eight digest bytes as a comparable string. */
export function digestName(digest: Uint8Array): Digest {
  return Buffer.from(digest.buffer, digest.byteOffset, digest.byteLength).toString('latin1');
}

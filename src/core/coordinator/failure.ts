/**
 * Why an operation did not answer as asked. Each failure knows what was needed and what was got, and whether a write is
 * certainly not applied. `src/rpc/status.ts` maps them to gRPC in one place; `docs/errors.md` is the table for users.
 */

import type { VersionedRecord } from '../causality/record.ts';
import type { NodeId } from '../identity.ts';

/** `not-applied`: will never become visible. `unknown`: some replica may hold it, and repair may spread it. */
export type WriteOutcome = 'not-a-write' | 'not-applied' | 'unknown';

/**
 * Why one replica did not count. `not-sent`, `overloaded`, `refused` and `outdated` (what it was sent may be older than deletions
 * that it has collected) prove that it did nothing; the others do not.
 */
export type ReplicaFailureReason =
  | 'not-sent'
  | 'lost'
  | 'timed-out'
  | 'overloaded'
  | 'storage-failed'
  | 'record-damaged'
  | 'not-synced'
  | 'refused'
  | 'outdated';

export interface ReplicaFailure {
  readonly node: NodeId;
  readonly reason: ReplicaFailureReason;
}

export type InvalidReason = 'invalid-request' | 'context-invalid' | 'too-large' | 'request-id-reused';

export type Failure =
  /** The request itself is wrong: `field` names the field or limit. */
  | {
      readonly kind: 'invalid';
      readonly reason: InvalidReason;
      readonly field: string;
      readonly problem: string;
    }
  | { readonly kind: 'bucket-unknown'; readonly bucket: string }
  /** Known before anything was sent. */
  | { readonly kind: 'not-enough-replicas'; readonly required: number; readonly alive: number }
  /** Sent; too few answers, in time (`quorum-timeout`) or at all (`replica-failure`). */
  | {
      readonly kind: 'quorum-timeout' | 'replica-failure';
      readonly outcome: WriteOutcome;
      readonly required: number;
      readonly alive: number;
      readonly answered: number;
      readonly failures: readonly ReplicaFailure[];
    }
  | {
      readonly kind: 'context-not-reached';
      readonly required: number;
      readonly alive: number;
      readonly answered: number;
      readonly failures: readonly ReplicaFailure[];
    }
  /** The state of the key forbids it; `record` is that state, and its context lets the client go on. */
  | {
      readonly kind: 'conflict' | 'key-exists' | 'too-many-siblings';
      readonly record: VersionedRecord | undefined;
      readonly problem: string;
    }
  | { readonly kind: 'overloaded'; readonly retryAfterMs: number; readonly problem: string }
  | { readonly kind: 'draining' }
  /** This node's own disk. `unknown` when the write had begun: what is in its log may be there again after a restart. */
  | {
      readonly kind: 'storage-failed' | 'disk-full';
      readonly outcome: WriteOutcome;
      readonly problem: string;
    }
  /** A gRPC library sent a write without a request id again by itself. This attempt did nothing; the first may have. */
  | { readonly kind: 'retried-without-id' }
  /** `node` remembers no operation of this id. */
  | { readonly kind: 'operation-unknown'; readonly node: NodeId }
  /** One of its kind runs already: `problem` says which. */
  | { readonly kind: 'operation-running'; readonly problem: string }
  /** The client cancelled or its deadline passed before the operation began. */
  | { readonly kind: 'expired'; readonly outcome: WriteOutcome };

/** Tells a failure from a decoded message: no message of ours has a field `kind`. */
export function isFailure(value: unknown): value is Failure {
  return typeof value === 'object' && value !== null && 'kind' in value;
}

/** A failure on its way to the client. */
export class OperationError extends Error {
  override readonly name = 'OperationError';
  readonly failure: Failure;
  constructor(failure: Failure) {
    super(failure.kind);
    this.failure = failure;
  }
}

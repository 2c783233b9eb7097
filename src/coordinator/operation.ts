/** One client operation in the store's own terms: what the services hand to the coordinator, and what they get back. */

import type { Bucket, Durability, Handoff } from '../core/bucket.ts';
import type { CausalContext } from '../core/causality/context-token.ts';
import type { WriteIntent } from '../core/causality/coordinated-write.ts';
import type { Dot } from '../core/causality/dot.ts';
import type { VersionedRecord } from '../core/causality/record.ts';
import type { NodeId } from '../core/identity.ts';
import type { ConsistencyLevel, Strength } from '../core/quorum/consistency-level.ts';

export interface ReadOperation {
  readonly bucket: Bucket;
  /** Bucket, zero byte, key: see core/ring/record-key.ts. */
  readonly recordKey: Uint8Array;
  readonly strength: Strength;
  /** Weaker levels that the caller accepts, in order, when `strength` cannot be met in time. */
  readonly fallback: readonly ConsistencyLevel[];
  readonly minContext: CausalContext | undefined;
  /** Monotonic milliseconds at which the coordinator gives up: the client's deadline less the margin for the way back. */
  readonly deadlineMs: number;
}

export interface ReadReport {
  readonly achieved: Strength;
  readonly asked: number;
  readonly answered: number;
  /** Replicas that already held what is answered. */
  readonly agreed: number;
  readonly repairStarted: boolean;
  readonly coordinator: NodeId;
  readonly layoutVersion: number;
}

export interface ReadResult {
  /** `undefined`: never written, as far as the replicas asked know. Deletions and expired versions are still in it. */
  readonly record: VersionedRecord | undefined;
  readonly report: ReadReport;
}

export interface WriteOperation {
  readonly bucket: Bucket;
  readonly recordKey: Uint8Array;
  readonly intent: WriteIntent;
  readonly strength: Strength;
  readonly durability: Durability;
  readonly handoff: Handoff;
  readonly deadlineMs: number;
  /**
   * How a node that is no replica of the key passes the operation on: the encoded `kindred.v1.Operation`. `undefined`: it
   * was passed on already, and is never passed on twice.
   */
  readonly encodeForwarded: (() => Uint8Array) | undefined;
}

export interface WriteReport {
  readonly achieved: Strength;
  readonly acked: number;
  /** Homes that are away and for which a hint was durable at this moment, where hints count. */
  readonly hinted: number;
  readonly synced: number;
  /** The request id was seen before: nothing new was written. */
  readonly replayed: boolean;
  readonly coordinator: NodeId;
  readonly layoutVersion: number;
}

export type WriteResult =
  | {
      readonly kind: 'written';
      readonly dot: Dot;
      /** Covers this write and what it superseded, and no sibling that the writer never read. */
      readonly context: CausalContext;
      /** Versions that the coordinating replica held right after the write. 0: not known. */
      readonly versionsHeld: number;
      readonly report: WriteReport;
    }
  /** Another node carried it out: its encoded `kindred.v1.OperationResult`, answer or error. */
  | { readonly kind: 'forwarded'; readonly result: Uint8Array };

/** One replica's own view of a key, for diagnosis. */
export interface ReplicaView {
  readonly node: NodeId;
  readonly answer:
    | { readonly kind: 'found'; readonly record: VersionedRecord; readonly bytes: number }
    | { readonly kind: 'absent' }
    | { readonly kind: 'damaged' }
    | { readonly kind: 'unreachable'; readonly why: string };
}

/**
 * Where a write with a request id is known: `applied` with its dot, or not seen by the replicas that answered (it may have
 * been superseded and forgotten since).
 */
export type WriteOutcomeResult =
  | { readonly kind: 'applied'; readonly dot: Dot }
  | { readonly kind: 'not-seen' };

/** What the client-facing services need of the coordinator. All methods reject with OperationError. */
export interface Coordination {
  read(operation: ReadOperation): Promise<ReadResult>;
  write(operation: WriteOperation): Promise<WriteResult>;
  /** Asks every home replica, up or not, for what it holds. Never fails as a whole. */
  inspect(recordKey: Uint8Array, replication: number, deadlineMs: number): Promise<readonly ReplicaView[]>;
  findWrite(operation: ReadOperation, requestId: Uint8Array): Promise<WriteOutcomeResult>;
}

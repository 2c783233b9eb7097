/** What a load generator is told, and what it tells: both cross a process boundary. */

import type { ConsistencyLevel, Durability } from '../src/gen/kindred/v1/types.ts';
import type { Samples } from './measurement.ts';
import type { Mix, OperationKind } from './ycsb.ts';

/** Which interface of which system the load goes to. */
export type Target =
  | 'kindred'
  /** Through Pipeline streams, one for each connection. */
  | 'kindred-pipeline'
  /** `grpc.health.v1.Health/Check` of either system. */
  | 'no-op'
  /** The one method of the bare grpc-js server. */
  | 'bare'
  | 'etcd'
  /** Txn of `txnOperations` keys; each counts. */
  | 'etcd-txn'
  /** SET and GET, pipelined. */
  | 'redis'
  /** INSERT and SELECT, prepared, by Cassandra's own driver. */
  | 'cassandra';

/** How many keys one Txn has. */
export const txnOperations = 64;

/**
 * When operations start. `closed`: each when one before it was answered, so that a slow server is asked less. `open`: at
 * random times at a fixed rate, as clients that know nothing of each other; latency counts from the time at which the
 * operation should have started, whether or not it could ("How NOT to measure latency", Tene 2015).
 */
export type Arrivals =
  | { readonly kind: 'closed'; readonly inFlight: number }
  | {
      readonly kind: 'open';
      readonly perSecond: number;
      /** When all connections are full: wait in the client, or give the operation up and count it as shed. */
      readonly whenFull: 'wait' | 'shed';
    }
  /** Writes every key once, as fast as it goes. */
  | { readonly kind: 'each-once'; readonly inFlight: number };

export interface LoadJob {
  readonly kind: 'load';
  readonly target: Target;
  readonly endpoints: readonly string[];
  /** Over all endpoints. */
  readonly connections: number;
  readonly arrivals: Arrivals;
  readonly mix: Mix;
  /** How many there are already (`each-once`: will be). */
  readonly keys: number;
  readonly valueBytes: number;
  /** Of etcd, ONE is a serializable read, and everything else a linearizable one. */
  readonly readLevel: ConsistencyLevel;
  readonly writeLevel: ConsistencyLevel;
  readonly durability: Durability;
  /** Deadline of each call. */
  readonly timeoutMs?: number;
}

/** One second of a load. */
export interface LoadSecond {
  readonly operations: number;
  readonly failures: number;
  readonly p99Ms: number;
}

/** What a generator saw. */
export interface LoadSamples extends Samples {
  readonly p90Ms: number;
  readonly maxMs: number;
  readonly byKind: Readonly<
    Partial<Record<OperationKind, { operations: number; p50Ms: number; p99Ms: number }>>
  >;
  /** By gRPC status code or by what happened to the connection. */
  readonly failuresByCode: Readonly<Record<string, number>>;
  /** Given up before they were sent, because all connections were full. */
  readonly shed: number;
  /** How late operations were sent that did not wait for a connection: the generator's own part of the latency. */
  readonly sendLagP99Ms: number;
  /** CPU of the generator for each operation. */
  readonly generatorCpuMicros: number;
  /** From the beginning of the window, by when operations ended. */
  readonly seconds: readonly LoadSecond[];
}

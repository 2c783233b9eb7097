/** A bucket: the name before the key, and what holds for all keys under it. */

import type { ConsistencyLevel } from './quorum/consistency-level.ts';

/**
 * What an acknowledgement means for the disk. `sync-quorum`: every replica that counts has fsynced. `sync-one`: the
 * coordinating replica has. `buffered`: written, and survives the death of the process but not of the machine.
 */
export type Durability = 'buffered' | 'sync-one' | 'sync-quorum';

/** What becomes of concurrent writes: kept side by side, or only the one with the greatest (written-at, dot). */
export type ConflictPolicy = 'siblings' | 'last-write-wins';

/** What a write without a context supersedes: what the coordinating replica holds, nothing, or it is refused if the key exists. */
export type BlindWrite = 'overwrite' | 'add-sibling' | 'reject';

/** Whether a write counts nodes that stand in for homes which are away (Dynamo's sloppy quorum), or homes only. */
export type Handoff = 'strict' | 'sloppy';

export interface Bucket {
  /** `[a-z0-9_.-]{1,64}`. */
  readonly name: string;
  /** N: replicas of each key. */
  readonly replication: number;
  readonly readLevel: ConsistencyLevel;
  readonly writeLevel: ConsistencyLevel;
  readonly durability: Durability;
  /** Of writes that do not say. */
  readonly handoff: Handoff;
  readonly conflictPolicy: ConflictPolicy;
  readonly blindWrite: BlindWrite;
  /** From this many siblings on, reads and writes of the key are counted and logged. */
  readonly siblingsWarn: number;
  /** A client write that would go beyond this many siblings is refused. Merges never are. */
  readonly siblingsMax: number;
  /** Applied to puts that name no expiry. `undefined`: values live until deleted. */
  readonly ttlMs: number | undefined;
  /** Largest value, in bytes. At most 1 MiB. */
  readonly valueBytesMax: number;
}

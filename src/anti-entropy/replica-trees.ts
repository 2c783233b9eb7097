/**
 * The Merkle trees of this node's records, kept while they are written: one set of trees for each replication that a bucket
 * asks for, because buckets that differ in it have other homes. What a tree is, is core/anti-entropy/merkle-tree.ts.
 */

import type { TreeLevel } from '../core/anti-entropy/merkle-tree.ts';
import type { NodeId, PartitionId } from '../core/identity.ts';

/** One key under a leaf. */
export interface LeafEntry {
  readonly recordKey: Uint8Array;
  /** The digest of its record (`digest64`), or `damaged`: the record fails its checksum, whatever it was. */
  readonly digest: Uint8Array | 'damaged';
}

/** A part of the keys under a leaf. */
export interface LeafListing {
  /** In ascending order of record keys. */
  readonly entries: readonly LeafEntry[];
  /** Whether there are more behind the last of `entries`. */
  readonly more: boolean;
}

/** What a comparison reads of the trees. `ReplicaTrees` in production. */
export interface Trees {
  /** The different N of the buckets, ascending: what to compare, one after another. */
  readonly replications: readonly number[];

  /** Whether the trees of this replication are complete. Until then they are being read from the disk, and say nothing. */
  ready(replication: number): boolean;

  /**
   * The partitions that this node and `peer` are both homes of, ascending; the same array every time, and equal on both nodes.
   * Empty for an unknown peer or replication.
   */
  sharedPartitions(peer: NodeId, replication: number): readonly PartitionId[];

  /**
   * The hashes of one level of the tree over the shared partitions, 8 bytes each (see `treeHashes`). Parents: none at levels 0
   * and 1, group numbers at level 2, partition numbers at level 3, strictly ascending, at most 1,024. `undefined` when the trees are not
   * ready or the question makes no sense. They count every write that this replica has accepted, also what is still on its way
   * to the disk.
   */
  hashes(
    peer: NodeId,
    replication: number,
    level: TreeLevel,
    parents: readonly number[],
  ): Uint8Array | undefined;

  /**
   * The keys under leaves and the digests of their records, read from the disk by one walk over the whole partition, behind the
   * record key `after` (empty: from the first), at most `limit`. Aged deletions are left out. Rejects with EngineError.
   */
  leafEntries(
    replication: number,
    partition: PartitionId,
    leaves: readonly number[],
    after: Uint8Array,
    limit: number,
  ): Promise<LeafListing>;

  /** Reads a partition again and puts its trees right, while it is written. Rejects with EngineError. */
  rebuild(partition: PartitionId): Promise<void>;
}

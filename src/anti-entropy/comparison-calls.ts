/** What peers ask of this node to compare: hashes of its trees, listings of leaves, and that all of it be durable. */

import { leavesPerPartition, type TreeLevel } from '../core/anti-entropy/merkle-tree.ts';
import type { NodeId, PartitionId } from '../core/identity.ts';
import {
  type EndComparison,
  type ListLeaf,
  type ReadTree,
  ReplicaError_Kind,
} from '../gen/kindred/peer/v1/peer.ts';
import type { ReplyBody } from '../rpc/frame-size.ts';
import { type Answer, replicaError } from '../rpc/peer-server.ts';
import { EngineError } from '../storage/engine.ts';
import type { LeafEntry, Trees } from './replica-trees.ts';

export interface ComparisonCallsDependencies {
  readonly trees: Pick<Trees, 'ready' | 'sharedPartitions' | 'hashes' | 'leafEntries'>;
  /** Brings all that was written so far to stable storage, and only then stores a greater time mark: resolves with it. */
  readonly settle: () => Promise<number>;
  /** Told of errors that are bugs here; the peer hears only that the call failed. */
  readonly onUnexpected: (error: unknown) => void;
}

/** Keys of one listing at most. */
const limitMax = 10_000;
const nothing = new Uint8Array(0);

export class ComparisonCalls {
  readonly #deps: ComparisonCallsDependencies;

  constructor(dependencies: ComparisonCallsDependencies) {
    this.#deps = dependencies;
  }

  readTree({ replication, level, parents }: ReadTree, caller: NodeId, answer: Answer): void {
    answer(this.#hashes(replication, level, parents, caller));
  }

  listLeaf(call: ListLeaf, caller: NodeId, answer: Answer): void {
    const { replication, partition, leaves, limit } = call;
    const { trees, onUnexpected } = this.#deps;
    const wrong = this.#wrongListing(call, caller);
    if (wrong !== undefined) {
      answer(replicaError(ReplicaError_Kind.KIND_INVALID, wrong));
      return;
    }
    trees
      // The bytes of a call lie in its frame, which may be used again while the disk is read.
      .leafEntries(replication, partition as PartitionId, leaves, call.after.slice(), limit)
      .then(
        ({ entries, more }): ReplyBody => ({
          $case: 'leafEntries',
          value: { entries: entries.map(wireEntry), more },
        }),
        (error: unknown) => this.#failed(error),
      )
      .then(answer)
      .catch(onUnexpected);
  }

  endComparison(_call: EndComparison, answer: Answer): void {
    const { settle, onUnexpected } = this.#deps;
    settle()
      .then(
        (storedMark): ReplyBody => ({ $case: 'comparisonEnded', value: { storedMark } }),
        (error: unknown) => this.#failed(error),
      )
      .then(answer)
      .catch(onUnexpected);
  }

  #hashes(replication: number, level: number, parents: readonly number[], caller: NodeId): ReplyBody {
    const { trees } = this.#deps;
    if (!trees.ready(replication)) return { $case: 'treeHashes', value: { ready: false, hashes: nothing } };
    const hashes = level <= 3 ? trees.hashes(caller, replication, level as TreeLevel, parents) : undefined;
    if (hashes === undefined) {
      return replicaError(ReplicaError_Kind.KIND_INVALID, `no such nodes at level ${level} of the tree`);
    }
    return { $case: 'treeHashes', value: { ready: true, hashes } };
  }

  #wrongListing({ replication, partition, leaves, limit }: ListLeaf, caller: NodeId): string | undefined {
    if (limit < 1 || limit > limitMax) return `a listing has 1 to ${limitMax} keys, and not ${limit}`;
    const ascending = leaves.every((leaf, index) => index === 0 || leaf > (leaves[index - 1] as number));
    if (leaves.length === 0 || !ascending || (leaves.at(-1) as number) >= leavesPerPartition) {
      return `leaves are numbers below ${leavesPerPartition}, ascending`;
    }
    const shared = this.#deps.trees.sharedPartitions(caller, replication);
    if (!shared.includes(partition as PartitionId))
      return `${caller} and this node do not share partition ${partition}`;
    return undefined;
  }

  #failed(error: unknown): ReplyBody {
    if (error instanceof EngineError) return replicaError(ReplicaError_Kind.KIND_STORAGE_FAILED, error.code);
    this.#deps.onUnexpected(error);
    return replicaError(
      ReplicaError_Kind.KIND_STORAGE_FAILED,
      'unexpected error, see the log of the replica',
    );
  }
}

function wireEntry({ recordKey, digest }: LeafEntry): { key: Uint8Array; digest: Uint8Array } {
  return { key: recordKey, digest: digest === 'damaged' ? nothing : digest };
}

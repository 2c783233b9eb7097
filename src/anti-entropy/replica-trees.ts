/**
 * The Merkle trees of this node's records, kept while they are written: one set of trees for each replication that a bucket
 * asks for, because buckets that differ in it have other homes. What a tree is, is core/anti-entropy/merkle-tree.ts.
 */

import {
  damagedDigest,
  elementHash,
  leafOf,
  PartitionTree,
  type TreeLevel,
  TreeTable,
  treeHashes,
} from '../core/anti-entropy/merkle-tree.ts';
import type { Throttle } from '../core/background/throttle.ts';
import type { Bucket } from '../core/bucket.ts';
import type { NodeId, PartitionId } from '../core/identity.ts';
import type { Placement } from '../core/ring/placement.ts';
import { type Hash64, partitionOf } from '../core/ring/token.ts';
import type { Env, Timer } from '../env/env.ts';
import { digest64 } from '../env/xxhash.ts';
import type { TreeStore } from '../storage/tree-store.ts';
import { BucketTrees } from './bucket-trees.ts';
import {
  type ScannedRecords,
  TreeRebuild,
  type TreeRebuildDependencies,
  type UnstoredChange,
} from './tree-rebuild.ts';

/** One key of a listing. */
export interface LeafEntry {
  readonly recordKey: Uint8Array;
  /** The digest of its record (`digest64`), or `damaged`: the record fails its checksum, whatever it was. */
  readonly digest: Uint8Array | 'damaged';
}

/** A part of the keys under some leaves. */
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

export interface ReplicaTreesDependencies {
  readonly env: Env;
  readonly self: NodeId;
  readonly hash64: Hash64;
  readonly buckets: ReadonlyMap<string, Pick<Bucket, 'replication'>>;
  readonly placementFor: (replication: number) => Placement;
  readonly records: ScannedRecords;
  readonly store: TreeStore;
  /** The newest change of every key of a partition that has one on its way to the disk. */
  readonly changesIn: (partition: PartitionId) => Iterable<UnstoredChange>;
  readonly throttle: Throttle;
  /** Whether a record is only a deletion that a listing has to leave out. */
  readonly isAged: (recordKey: Uint8Array, record: Uint8Array) => boolean;
  /** Told when a partition that was read again has other trees than those that were kept: bits have rotted, or a mistake. */
  readonly onRepaired: (partition: PartitionId) => void;
  /** Told of what the store refused in the background. The store's own listeners stop the node. */
  readonly onError: (error: unknown) => void;
}

export interface ReplicaTreesOptions {
  /** Q. */
  readonly partitions: number;
  /** Every partition is read again about once in this time. */
  readonly rebuildEveryMs: number;
  /** So often is looked for quiet partitions whose trees are not stored. Those count that had no write for one such time. */
  readonly storeEveryMs?: number;
}

/** What the trees of a node are doing. */
export interface TreeProgress {
  readonly partitions: number;
  /** Partitions whose trees are not complete yet. */
  readonly unbuilt: number;
  /** Partitions that wait to be read, and the one that is being read. */
  readonly waiting: number;
  /** Partitions whose trees are stored as they are. */
  readonly stored: number;
  /** Partitions and records read since the start. */
  readonly rebuilt: number;
  readonly keysRead: number;
  /** Partitions that were read again and had other trees than those that were kept. */
  readonly repaired: number;
}

/** The trees of one partition that this node is a home of. */
interface OwnedPartition {
  readonly id: PartitionId;
  /** The trees that this node has to keep complete: those whose replication makes it a home. */
  readonly homeIn: number[];
  readonly trees: PartitionTree[];
  /** Where they are in the tables. */
  slot: number;
  built: boolean;
  /** A copy is stored, or queued to be. */
  stored: boolean;
  /** The look for quiet partitions before the last change. */
  changedAt: number;
  /** Not all that the trees count is known to be on stable storage. */
  unsynced: boolean;
  /** Records of it are known to be damaged. */
  damaged: boolean;
  rebuild: TreeRebuild | undefined;
}

const storeEveryMs = 10_000;
/** Partitions stored at one look: half a mebibyte. */
const storedAtOnce = 1_024;
const listingBytesMax = 2 ** 20;
const millisecondsPerSecond = 1_000;

/** Keeps the trees of one node. `open` before the first write; `start` once the node serves; `stop` before its store is closed. */
export class ReplicaTrees implements Trees {
  readonly replications: readonly number[];
  readonly #deps: ReplicaTreesDependencies;
  readonly #options: Required<ReplicaTreesOptions>;
  readonly #bucketTrees: BucketTrees;
  readonly #rebuildDeps: TreeRebuildDependencies;
  /** By partition; absent: this node is no home of it. */
  readonly #owned: (OwnedPartition | undefined)[] = [];
  readonly #ownedList: readonly OwnedPartition[];
  readonly #tables: readonly TreeTable[];
  /** How many partitions of each tree are not complete. */
  readonly #unbuilt: number[] = [];
  readonly #shared = new Map<string, readonly PartitionId[]>();
  readonly #queue = new Map<PartitionId, PromiseWithResolvers<void>>();
  readonly #timers: Timer[] = [];
  #working: Promise<void> | undefined;
  #storing: Promise<void> | undefined;
  #reading = false;
  #stopped = false;
  #looks = 0;
  #nextRound = 0;
  #rebuilt = 0;
  #keysRead = 0;
  #repaired = 0;

  constructor(dependencies: ReplicaTreesDependencies, options: ReplicaTreesOptions) {
    this.#deps = dependencies;
    this.#options = { storeEveryMs, ...options };
    const { hash64, buckets, placementFor, self } = dependencies;
    this.#bucketTrees = new BucketTrees(buckets, hash64);
    this.replications = this.#bucketTrees.replications;
    this.#rebuildDeps = { ...dependencies, treeOf: (recordKey) => this.#bucketTrees.ofRecord(recordKey) };
    for (const [tree, replication] of this.replications.entries()) {
      const partitions = placementFor(replication).ownedPartitions(self);
      this.#unbuilt.push(partitions.length);
      for (const id of partitions) {
        const owned = this.#owned[id] ?? emptyPartition(id);
        this.#owned[id] = owned;
        owned.homeIn.push(tree);
      }
    }
    this.#ownedList = this.#owned.filter((owned) => owned !== undefined);
    this.#tables = this.replications.map(() => new TreeTable(this.#ownedList.length));
    for (const [slot, owned] of this.#ownedList.entries()) {
      owned.slot = slot;
      for (const table of this.#tables) owned.trees.push(new PartitionTree(table, slot));
    }
  }

  get progress(): TreeProgress {
    let unbuilt = 0;
    let stored = 0;
    for (const owned of this.#ownedList) {
      if (!owned.built) unbuilt++;
      if (owned.stored) stored++;
    }
    return {
      partitions: this.#ownedList.length,
      unbuilt,
      waiting: this.#queue.size + (this.#reading ? 1 : 0),
      stored,
      rebuilt: this.#rebuilt,
      keysRead: this.#keysRead,
      repaired: this.#repaired,
    };
  }

  /** Takes over what is stored. Nothing may be written before it resolves. Rejects with EngineError. */
  async open(): Promise<void> {
    const useless: PartitionId[] = [];
    for await (const { partition, trees } of this.#deps.store.entries(this.#bucketTrees.rules)) {
      const owned = this.#owned[partition];
      if (owned === undefined || trees === undefined || trees.length !== this.replications.length) {
        useless.push(partition);
        continue;
      }
      this.#complete(owned, trees);
      owned.stored = true;
      owned.unsynced = false;
    }
    if (await this.#deps.records.isEmpty()) {
      for (const owned of this.#ownedList) if (!owned.built) this.#complete(owned, owned.trees);
    }
    // At once: a partition of which nobody keeps the trees would be written without the copy being taken away.
    await Promise.all(useless.map((partition) => this.#deps.store.remove(partition)));
  }

  /** Begins to read the partitions whose trees were not stored, and goes on to read all of them now and then. */
  start(): void {
    const { env, onError } = this.#deps;
    const count = this.#ownedList.length;
    if (count === 0) return;
    // Anywhere: a node that is started every day comes to all of them too.
    this.#nextRound = Math.floor(env.random.fraction() * count);
    for (const { id, built } of this.#ownedList) if (!built) this.#enqueue(id);
    const { rebuildEveryMs, storeEveryMs } = this.#options;
    this.#timers.push(
      env.timers.every(Math.max(millisecondsPerSecond, rebuildEveryMs / count), () => this.#rebuildNext()),
      env.timers.every(storeEveryMs, () => {
        this.#looks++;
        // Safe: any partition may be read again at any time.
        if (env.rarePath('tree-read-needlessly')) this.#rebuildNext();
        // Safe: what was just written is queued before the copy, and what is not synced is flushed first.
        const early = env.rarePath('tree-stored-early');
        this.#storing ??= this.#storeQuiet(this.#looks - (early ? 0 : 2))
          .catch(onError)
          .finally(() => {
            this.#storing = undefined;
          });
      }),
    );
  }

  /** Stops reading, and stores what is complete. Writes that come later are followed all the same. */
  async stop(): Promise<void> {
    this.#stopped = true;
    for (const timer of this.#timers.splice(0)) timer.cancel();
    await this.#working;
    await this.#storing;
    try {
      await this.#storeQuiet(this.#looks, Number.POSITIVE_INFINITY);
    } catch (error) {
      // They are read again at the next start.
      this.#deps.onError(error);
    }
  }

  /**
   * Follows a change of a record, before it is queued for the disk and in one piece with that. `before` and `after`: the record's
   * bytes, `undefined` for none. Whatever happens here, the write goes on.
   */
  changed(
    place: {
      readonly recordKey: Uint8Array;
      readonly partition: PartitionId;
      readonly bucket: { readonly replication: number };
    },
    before: Uint8Array | 'damaged' | undefined,
    after: Uint8Array | undefined,
    sync: boolean,
  ): void {
    const owned = this.#owned[place.partition];
    if (owned === undefined || before === after) return;
    if (owned.stored) this.#forget(owned);
    owned.changedAt = this.#looks;
    if (!sync) owned.unsynced = true;
    const { rebuild } = owned;
    // Until its walk begins, a partition that is not built has nothing to be kept.
    if (!owned.built && rebuild === undefined) return;
    const tree = this.#bucketTrees.ofReplication(place.bucket.replication);
    if (tree === undefined) return;
    const table = this.#tables[tree] as TreeTable;
    const { hash64 } = this.#deps;
    const token = hash64(place.recordKey);
    const leaf = leafOf(token, this.#options.partitions);
    if (before !== undefined) {
      const element = elementHash(token, before === 'damaged' ? damagedDigest : hash64(before));
      table.toggle(owned.slot, leaf, element);
      rebuild?.trees[tree]?.toggle(leaf, element);
    }
    if (after !== undefined) {
      const element = elementHash(token, hash64(after));
      table.toggle(owned.slot, leaf, element);
      rebuild?.trees[tree]?.toggle(leaf, element);
    }
    // The trees may count what it was before it was damaged.
    if (before === 'damaged') this.#enqueue(owned.id);
  }

  /** Whether the records of a partition are being read: see `RecordChanges`. */
  isWalked(partition: PartitionId): boolean {
    return this.#owned[partition]?.rebuild !== undefined;
  }

  /** Follows a record that was found damaged: the trees count what it was, and have to show that it is not there. */
  damaged(recordKey: Uint8Array): void {
    const owned = this.#owned[partitionOf(this.#deps.hash64(recordKey), this.#options.partitions)];
    // One look at a partition finds all that is damaged in it; the write that repairs one of them leads to the next look.
    if (owned === undefined || owned.damaged) return;
    owned.damaged = true;
    if (owned.rebuild === undefined) this.#enqueue(owned.id);
  }

  ready(replication: number): boolean {
    const tree = this.#bucketTrees.ofReplication(replication);
    return tree !== undefined && this.#unbuilt[tree] === 0;
  }

  sharedPartitions(peer: NodeId, replication: number): readonly PartitionId[] {
    if (this.#bucketTrees.ofReplication(replication) === undefined) return [];
    const name = `${replication} ${peer}`;
    let shared = this.#shared.get(name);
    if (shared === undefined) {
      const { placementFor, self } = this.#deps;
      const placement = placementFor(replication);
      shared =
        peer === self ? [] : placement.ownedPartitions(peer).filter((id) => placement.isHome(id, self));
      // Whoever asks is a member, so this is bounded by the members.
      if (placement.ownedPartitions(peer).length > 0) this.#shared.set(name, shared);
    }
    return shared;
  }

  hashes(
    peer: NodeId,
    replication: number,
    level: TreeLevel,
    parents: readonly number[],
  ): Uint8Array | undefined {
    const tree = this.#bucketTrees.ofReplication(replication);
    if (tree === undefined || !this.ready(replication)) return undefined;
    const shared = this.sharedPartitions(peer, replication);
    return treeHashes((id) => this.#owned[id]?.trees[tree], shared, level, parents);
  }

  async leafEntries(
    replication: number,
    partition: PartitionId,
    leaves: readonly number[],
    after: Uint8Array,
    limit: number,
  ): Promise<LeafListing> {
    const tree = this.#bucketTrees.ofReplication(replication);
    const entries: LeafEntry[] = [];
    if (tree === undefined) return { entries, more: false };
    const { records, hash64, isAged } = this.#deps;
    const wanted = new Set(leaves);
    let bytes = 0;
    const walk = records.entries(partition, after.length === 0 ? undefined : after);
    for await (const [recordKey, read] of walk) {
      if (this.#bucketTrees.ofRecord(recordKey) !== tree) continue;
      if (!wanted.has(leafOf(hash64(recordKey), this.#options.partitions))) continue;
      if (read.kind === 'absent' || (read.kind === 'found' && isAged(recordKey, read.record))) continue;
      if (entries.length >= limit || bytes >= listingBytesMax) return { entries, more: true };
      entries.push({ recordKey, digest: read.kind === 'found' ? digest64(read.record) : 'damaged' });
      bytes += recordKey.length;
    }
    return { entries, more: false };
  }

  rebuild(partition: PartitionId): Promise<void> {
    if (this.#owned[partition] !== undefined) this.#enqueue(partition);
    return this.#queue.get(partition)?.promise ?? Promise.resolve();
  }

  #enqueue(partition: PartitionId): void {
    if (this.#stopped || this.#queue.has(partition)) return;
    const waiting = Promise.withResolvers<void>();
    // Whoever waits is told; for the others there is `onError`.
    waiting.promise.catch(() => undefined);
    this.#queue.set(partition, waiting);
    this.#working ??= this.#work();
  }

  async #work(): Promise<void> {
    const { env, onError } = this.#deps;
    for (;;) {
      // Before the first, too: whoever queued it goes on, and a look at many small partitions must not keep the node.
      await new Promise<void>((resolve) => env.timers.endOfTick(resolve));
      const [next] = this.#queue;
      if (next === undefined) {
        this.#working = undefined;
        return;
      }
      const [partition, waiting] = next;
      this.#queue.delete(partition);
      this.#reading = true;
      try {
        if (!this.#stopped) await this.#rebuild(this.#owned[partition] as OwnedPartition);
        waiting.resolve();
      } catch (error) {
        waiting.reject(error);
        onError(error);
      } finally {
        this.#reading = false;
      }
    }
  }

  async #rebuild(owned: OwnedPartition): Promise<void> {
    const { partitions } = this.#options;
    const rebuild = new TreeRebuild(owned.id, this.#rebuildDeps, {
      treeCount: this.replications.length,
      partitions,
    });
    owned.rebuild = rebuild;
    try {
      if (!(await rebuild.run(() => this.#stopped))) return;
    } finally {
      owned.rebuild = undefined;
    }
    this.#rebuilt++;
    this.#keysRead += rebuild.keys;
    owned.damaged = rebuild.damaged > 0;
    const { trees } = rebuild;
    if (!owned.built) {
      this.#complete(owned, trees);
      return;
    }
    if (owned.trees.every((tree, at) => tree.equals(trees[at] as PartitionTree))) return;
    if (owned.stored) this.#forget(owned);
    assignAll(owned.trees, trees);
    this.#repaired++;
    this.#deps.onRepaired(owned.id);
  }

  #complete(owned: OwnedPartition, trees: readonly PartitionTree[]): void {
    assignAll(owned.trees, trees);
    owned.built = true;
    for (const tree of owned.homeIn) this.#unbuilt[tree] = (this.#unbuilt[tree] as number) - 1;
  }

  #rebuildNext(): void {
    if (this.#queue.size > 0) return;
    const owned = this.#ownedList[this.#nextRound];
    this.#nextRound = (this.#nextRound + 1) % this.#ownedList.length;
    if (owned !== undefined) this.#enqueue(owned.id);
  }

  /** Takes the stored copy away. Nothing that is queued later can be on the disk without that. */
  #forget(owned: OwnedPartition): void {
    owned.stored = false;
    this.#deps.store.remove(owned.id).catch(this.#deps.onError);
  }

  /** Stores partitions that had no change since the look `before`. Rejects with EngineError. */
  async #storeQuiet(before: number, most: number = storedAtOnce): Promise<void> {
    const quiet: OwnedPartition[] = [];
    for (const owned of this.#ownedList) {
      if (quiet.length >= most) break;
      if (owned.built && !owned.stored && owned.changedAt <= before) quiet.push(owned);
    }
    if (quiet.some((owned) => owned.unsynced)) {
      // What changes from here on marks its partition again.
      for (const owned of quiet) owned.unsynced = false;
      await this.#deps.store.flush();
    }
    const { rules } = this.#bucketTrees;
    const stored = quiet.map((owned) => {
      if (owned.unsynced || owned.stored || owned.changedAt > before) return undefined;
      owned.stored = true;
      return this.#deps.store.put(owned.id, owned.trees, rules);
    });
    await Promise.all(stored);
  }
}

function emptyPartition(id: PartitionId): OwnedPartition {
  return {
    id,
    homeIn: [],
    trees: [],
    slot: 0,
    built: false,
    stored: false,
    // Before the first look: one that is never written is quiet from the start.
    changedAt: -1,
    // What an earlier run left may have reached the kernel only.
    unsynced: true,
    damaged: false,
    rebuild: undefined,
  };
}

function assignAll(trees: readonly PartitionTree[], others: readonly PartitionTree[]): void {
  for (const [at, tree] of trees.entries()) tree.assign(others[at] as PartitionTree);
}

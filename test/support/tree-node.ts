/** What of a node has to do with its trees, over any engine: records, their trees, and the trees as a full look at the disk makes them. */

import { crc32 } from 'node:zlib';
import { ReplicaTrees } from '../../src/anti-entropy/replica-trees.ts';
import {
  damagedDigest,
  elementHash,
  leafOf,
  leavesPerPartition,
} from '../../src/core/anti-entropy/merkle-tree.ts';
import { unthrottled } from '../../src/core/background/throttle.ts';
import type { VersionedRecord } from '../../src/core/causality/record.ts';
import { encodeRecord } from '../../src/core/causality/record-codec.ts';
import { type NodeId, nodeId, type PartitionId, replicaId } from '../../src/core/identity.ts';
import type { Layout } from '../../src/core/ring/layout.ts';
import { Placement } from '../../src/core/ring/placement.ts';
import { recordKeyOf, splitRecordKey } from '../../src/core/ring/record-key.ts';
import { partitionOf } from '../../src/core/ring/token.ts';
import type { Env } from '../../src/env/env.ts';
import { systemEnv } from '../../src/env/system-env.ts';
import { loadHash64 } from '../../src/env/xxhash.ts';
import { nameOf, PendingRecords, type RecordPlace } from '../../src/replica/pending-records.ts';
import { RecordCache } from '../../src/replica/record-cache.ts';
import type { StorageEngine } from '../../src/storage/engine.ts';
import { GroupCommit } from '../../src/storage/group-commit.ts';
import { RecordStore } from '../../src/storage/record-store.ts';
import { TreeStore } from '../../src/storage/tree-store.ts';

const hash64 = await loadHash64();

/** Q. */
export const partitions = 4;
/** Two replications, so that some partitions have one tree to keep and some have two. */
export const buckets: ReadonlyMap<string, { readonly replication: number }> = new Map([
  ['two', { replication: 2 }],
  ['three', { replication: 3 }],
]);
export const self: NodeId = nodeId('n1');
export const peers: readonly NodeId[] = [nodeId('n2'), nodeId('n3')];

const layout: Layout = {
  version: 1,
  members: [self, ...peers].map((id) => ({ id, zone: id, weight: 1 })),
  replication: 3,
  partitions,
};
const placements = new Map([2, 3].map((n) => [n, new Placement(layout, n, hash64)]));
const placementFor = (replication: number): Placement => placements.get(replication) as Placement;

export interface TreeNodeOptions {
  readonly isAged?: (recordKey: Uint8Array) => boolean;
}

export class TreeNode {
  readonly engine: StorageEngine;
  readonly trees: ReplicaTrees;
  readonly records: RecordStore;
  readonly pending: PendingRecords;
  readonly store: TreeStore;
  readonly commit: GroupCommit;
  /** What failed in the background. */
  readonly errors: unknown[] = [];
  /** Partitions whose trees were put right. */
  readonly repaired: PartitionId[] = [];
  readonly #timers: { readonly intervalMs: number; readonly task: () => void }[] = [];
  #version = 0;

  constructor(engine: StorageEngine, options: TreeNodeOptions = {}) {
    const real = systemEnv();
    const env: Env = {
      ...real,
      random: { ...real.random, fraction: () => 0 },
      timers: {
        ...real.timers,
        every: (intervalMs, task) => {
          this.#timers.push({ intervalMs, task });
          return { cancel: () => undefined };
        },
      },
    };
    this.engine = engine;
    this.commit = new GroupCommit({ engine, env });
    const shared = { engine, crc32, env, commit: this.commit };
    this.records = new RecordStore(shared);
    this.store = new TreeStore(shared);
    this.trees = new ReplicaTrees(
      {
        env,
        self,
        hash64,
        buckets,
        placementFor,
        records: this.records,
        store: this.store,
        changesIn: (partition) => this.pending.changesIn(partition),
        throttle: unthrottled,
        isAged: options.isAged ?? (() => false),
        onRepaired: (partition) => this.repaired.push(partition),
        onError: (error) => this.errors.push(error),
      },
      { partitions, rebuildEveryMs: 8_000_000, storeEveryMs: 10_000 },
    );
    const cache = new RecordCache(2 ** 20);
    this.pending = new PendingRecords(this.records, this.trees, cache);
    this.records.onDamaged((recordKey) => {
      cache.delete(nameOf(recordKey));
      this.trees.damaged(recordKey);
    });
  }

  static async open(engine: StorageEngine, options: TreeNodeOptions = {}): Promise<TreeNode> {
    const node = new TreeNode(engine, options);
    await node.trees.open();
    node.trees.start();
    return node;
  }

  /** One look for quiet partitions, or one partition read again in turn. */
  fire(which: 'store' | 'rebuild'): void {
    for (const { intervalMs, task } of this.#timers) {
      if ((intervalMs === 10_000) === (which === 'store')) task();
    }
  }

  put(place: RecordPlace, value: string, options: { readonly sync: boolean }): Promise<void> {
    this.#version++;
    const dot = { replica: replicaId(7), epoch: 1, counter: this.#version };
    const record: VersionedRecord = {
      clock: [dot],
      versions: [
        {
          dot,
          clock: [],
          value: new TextEncoder().encode(value),
          writtenAt: 1,
          expiresAt: undefined,
          requestId: undefined,
        },
      ],
    };
    const current = this.pending.current(place.partition, place.recordKey);
    return this.pending.write(place, current, record, encodeRecord(record, crc32), options);
  }

  /** The leaves of all partitions that this node shares with anybody, as text, for each replication. */
  leaves(): ReadonlyMap<string, string> {
    const all = new Map<string, string>();
    for (const replication of this.trees.replications) {
      for (const peer of peers) {
        const shared = this.trees.sharedPartitions(peer, replication);
        const bytes = this.trees.hashes(peer, replication, 3, shared);
        if (bytes === undefined) throw new Error('the trees are not ready');
        shared.forEach((partition, at) => {
          const size = leavesPerPartition * 8;
          const leaves = bytes.subarray(at * size, (at + 1) * size);
          all.set(`${replication}/${partition}`, leavesText(leaves));
        });
      }
    }
    return all;
  }

  /** The leaves of the same partitions, from a full look at the disk. */
  async leavesOnDisk(): Promise<ReadonlyMap<string, string>> {
    const all = new Map<string, string>();
    for (const replication of this.trees.replications) {
      for (const partition of placementFor(replication).ownedPartitions(self)) {
        const leaves = await this.#leavesOf(partition, replication);
        all.set(`${replication}/${partition}`, leavesText(leaves));
      }
    }
    return all;
  }

  async #leavesOf(partition: PartitionId, replication: number): Promise<Uint8Array> {
    const leaves = new Uint8Array(leavesPerPartition * 8);
    const view = new DataView(leaves.buffer);
    for await (const [recordKey, read] of this.records.entries(partition)) {
      if (buckets.get(splitRecordKey(recordKey).bucket)?.replication !== replication) continue;
      const token = hash64(recordKey);
      const element = elementHash(token, read.kind === 'found' ? hash64(read.record) : damagedDigest);
      const at = 8 * leafOf(token, partitions);
      view.setUint32(at, view.getUint32(at) ^ element.high);
      view.setUint32(at + 4, view.getUint32(at + 4) ^ element.low);
    }
    return leaves;
  }

  /** Resolves when all trees are complete, and no partition is being read. */
  async rest(): Promise<void> {
    do {
      await new Promise((resolve) => setImmediate(resolve));
    } while (this.trees.progress.unbuilt > 0 || this.trees.progress.waiting > 0);
  }
}

/** The place of the key with this number; even numbers are in the bucket of two replicas. */
export function placeOf(key: number): RecordPlace {
  const name = key % 2 === 0 ? 'two' : 'three';
  const recordKey = recordKeyOf(name, new TextEncoder().encode(`key ${key}`));
  const bucket = buckets.get(name) as { readonly replication: number };
  return { recordKey, partition: partitionOf(hash64(recordKey), partitions), bucket };
}

/** Whether this node is a home of a key. */
export function isHomeOf(place: RecordPlace): boolean {
  return placementFor(place.bucket.replication).isHome(place.partition, self);
}

function leavesText(leaves: Uint8Array): string {
  return Buffer.from(leaves).toString('hex').replace(/0{16}/g, '.');
}

/**
 * Replicas that can be compared with each other, in this process: real records, trees, merges and comparisons on engines in
 * memory, and links that carry every call to the other side and count its bytes as they would be on the wire.
 */

import { crc32 } from 'node:zlib';
import { ComparisonCalls } from '../../src/anti-entropy/comparison-calls.ts';
import type { ComparisonLink } from '../../src/anti-entropy/comparison-peer.ts';
import type { ComparisonRunDependencies } from '../../src/anti-entropy/comparison-run.ts';
import { ReplicaTrees } from '../../src/anti-entropy/replica-trees.ts';
import { unthrottled } from '../../src/core/background/throttle.ts';
import type { Bucket } from '../../src/core/bucket.ts';
import { decodeRecord } from '../../src/core/causality/record-codec.ts';
import { HybridClock } from '../../src/core/hybrid-clock.ts';
import { type NodeId, nodeId, partitionId, replicaId } from '../../src/core/identity.ts';
import { Placement } from '../../src/core/ring/placement.ts';
import { recordKeyOf } from '../../src/core/ring/record-key.ts';
import type { Env } from '../../src/env/env.ts';
import { systemEnv } from '../../src/env/system-env.ts';
import { loadHash64 } from '../../src/env/xxhash.ts';
import type { Hello } from '../../src/gen/kindred/peer/v1/peer.ts';
import { ReplicaCalls } from '../../src/replica/peer-calls.ts';
import { nameOf } from '../../src/replica/pending-records.ts';
import { PlacedRecords } from '../../src/replica/placed-records.ts';
import { RecordCache } from '../../src/replica/record-cache.ts';
import { Replica } from '../../src/replica/replica.ts';
import { RequestMemory } from '../../src/replica/request-memory.ts';
import { encodeCalls, encodeReplies } from '../../src/rpc/frame-encoder.ts';
import type { CallBody, ReplyBody } from '../../src/rpc/frame-size.ts';
import type { CallOutcome } from '../../src/rpc/peer-link.ts';
import { GroupCommit } from '../../src/storage/group-commit.ts';
import { openMemoryEngine } from '../../src/storage/memory.ts';
import { RecordStore } from '../../src/storage/record-store.ts';
import { TreeStore } from '../../src/storage/tree-store.ts';

const hash64 = await loadHash64();

export function bucketOf(name: string, replication: number): Bucket {
  return {
    name,
    replication,
    readLevel: 'quorum',
    writeLevel: 'quorum',
    handoff: 'strict',
    durability: 'sync-quorum',
    conflictPolicy: 'siblings',
    blindWrite: 'overwrite',
    siblingsWarn: 25,
    siblingsMax: 100,
    ttlMs: undefined,
    valueBytesMax: 1024,
  };
}

export interface ComparableOptions {
  readonly members: readonly string[];
  readonly partitions: number;
  readonly buckets: readonly Bucket[];
  readonly env?: Env;
  /** Keys for which a deletion counts as aged. */
  readonly isAged?: (recordKey: Uint8Array) => boolean;
}

let replicas = 0;

/** One node's replica, with all that a comparison needs of it. */
export class ComparableReplica {
  readonly id: NodeId;
  readonly records: PlacedRecords;
  readonly store: RecordStore;
  readonly trees: ReplicaTrees;
  readonly env: Env;
  /** Keys that were left to a repair by all replicas. */
  readonly leftToAll: string[] = [];
  /** What calls to others have weighed, on the wire. */
  readonly traffic = { calls: 0, bytes: 0 };
  /** What it tells of its process; another generation is another process. */
  hello: Hello;
  /** What happens to a call before it is carried out: an outcome instead of it, or nothing. */
  intercept: (body: CallBody) => CallOutcome | undefined = () => undefined;
  /** How often all was made durable for a peer. */
  settled = 0;
  readonly #replica: Replica;
  readonly #calls: ReplicaCalls;
  readonly #comparisons: ComparisonCalls;
  readonly #isAged: (recordKey: Uint8Array, record: Uint8Array) => boolean;
  readonly #partitions: number;

  private constructor(id: string, options: ComparableOptions) {
    this.id = nodeId(id);
    this.#partitions = options.partitions;
    const env = options.env ?? systemEnv();
    this.env = env;
    const engine = openMemoryEngine();
    const commit = new GroupCommit({ engine, env });
    this.store = new RecordStore({ engine, crc32, env, commit });
    const buckets = new Map(options.buckets.map((bucket) => [bucket.name, bucket]));
    const layout = {
      version: 1,
      members: options.members.map((member) => ({ id: nodeId(member), zone: member, weight: 1 })),
      replication: Math.max(...options.buckets.map(({ replication }) => replication)),
      partitions: options.partitions,
    };
    const placements = new Map<number, Placement>();
    const placementFor = (replication: number): Placement => {
      const known = placements.get(replication) ?? new Placement(layout, replication, hash64);
      placements.set(replication, known);
      return known;
    };
    const { isAged } = options;
    this.#isAged = (recordKey, record) =>
      isAged?.(recordKey) === true &&
      decodeRecord(record, crc32).versions.every(({ value }) => value === undefined);
    const throwAway = (error: unknown): void => {
      throw error;
    };
    this.trees = new ReplicaTrees(
      {
        env,
        self: this.id,
        hash64,
        buckets,
        placementFor,
        records: this.store,
        store: new TreeStore({ engine, crc32, commit }),
        changesIn: (partition) => this.#replica.changesIn(partition),
        throttle: unthrottled,
        isAged: this.#isAged,
        onRepaired: () => {},
        onError: throwAway,
      },
      { partitions: options.partitions, rebuildEveryMs: 1e9 },
    );
    const cache = new RecordCache(2 ** 20);
    this.store.onDamaged((recordKey) => {
      cache.delete(nameOf(recordKey));
      this.trees.damaged(recordKey);
    });
    const own = replicaId(++replicas);
    this.hello = {
      protocolVersion: 1,
      clusterId: 'test',
      nodeId: id,
      replicaId: own,
      configuration: '',
      softwareVersion: '',
      generation: 1,
      openedAtMark: 0,
      formerReplicaId: 0,
      formerMark: 0,
    };
    this.#replica = new Replica(
      {
        records: this.store,
        changes: this.trees,
        cache,
        identity: {
          replica: own,
          epochFloor: 0,
          nextEpoch: () => 1,
          epochsLeft: 1,
          ensureEpochs: async () => {},
          markBufferedDots: async () => {},
        },
        clock: new HybridClock(() => env.clock.wallMicros(), 0),
        requests: new RequestMemory(() => env.clock.monotonicMs(), { entriesMax: 1, windowMs: 1 }),
        wallMicros: () => env.clock.wallMicros(),
      },
      { recordBytesMax: 1024 * 1024 },
    );
    this.records = new PlacedRecords({
      replica: this.#replica,
      buckets,
      hash64,
      partitions: options.partitions,
    });
    this.#calls = new ReplicaCalls(this.records, throwAway);
    const settle = async (): Promise<number> => {
      await commit.flush();
      this.settled++;
      return this.settled;
    };
    this.#comparisons = new ComparisonCalls({ trees: this.trees, settle, onUnexpected: throwAway });
  }

  static async open(id: string, options: ComparableOptions): Promise<ComparableReplica> {
    const replica = new ComparableReplica(id, options);
    await replica.trees.open();
    return replica;
  }

  /** Makes a new version of a key here, and nowhere else. `undefined` deletes. Resolves with the record. */
  async write(key: string, value: string | undefined, bucket = 'default'): Promise<Uint8Array> {
    const written = await this.#replica.coordinate(
      this.records.place(keyOf(key, bucket)),
      {
        value: value === undefined ? undefined : Buffer.from(value),
        causality: { kind: 'blind', mode: 'overwrite' },
        expiry: { kind: 'never' },
        requestId: undefined,
      },
      { sync: false, forgetDamaged: false, mayBegin: () => true },
    );
    if (written.kind !== 'written') throw new Error(`not written: ${written.kind}`);
    return written.bytes;
  }

  /** Takes in what another replica wrote. */
  async receive(key: string, record: Uint8Array, bucket = 'default'): Promise<void> {
    await this.records.merge(keyOf(key, bucket), record, { sync: false, restoreDamaged: false });
  }

  /** What is stored: record keys and records, `damaged` where one is. */
  async contents(): Promise<Map<string, string>> {
    const all = new Map<string, string>();
    for (let partition = 0; partition < this.#partitions; partition++) {
      for await (const [key, read] of this.store.entries(partitionId(partition))) {
        const what = read.kind === 'found' ? Buffer.from(read.record).toString('base64') : read.kind;
        all.set(Buffer.from(key).toString(), what);
      }
    }
    return all;
  }

  /** What a comparison on this node needs, with links to these others. */
  comparing(...others: readonly ComparableReplica[]): ComparisonRunDependencies {
    return {
      env: this.env,
      trees: this.trees,
      records: this.records,
      linkOf: (peer) => this.#linkTo(others.find(({ id }) => id === peer)!),
      isAged: this.#isAged,
      repairLater: (recordKey) => this.leftToAll.push(Buffer.from(recordKey).toString()),
    };
  }

  #linkTo(other: ComparableReplica): ComparisonLink {
    const { traffic, env, id } = this;
    return {
      get peer() {
        return other.hello;
      },
      call: (body, timeoutMs, callback) => {
        env.timers.endOfTick(() => {
          const instead = other.intercept(body);
          if (instead !== undefined) {
            callback(instead);
            return;
          }
          traffic.calls++;
          traffic.bytes += encodeCalls(1, [{ id: traffic.calls, timeoutMs, call: body }]).length;
          other.#answer(id, body, (reply) => {
            traffic.bytes += encodeReplies([{ id: traffic.calls, reply }]).length;
            env.timers.endOfTick(() => callback({ kind: 'reply', reply }));
          });
        });
      },
    };
  }

  #answer(caller: NodeId, body: CallBody, answer: (reply: ReplyBody) => void): void {
    switch (body.$case) {
      case 'read':
        this.#calls.read(body.value, answer);
        break;
      case 'merge':
        this.#calls.merge(body.value, answer);
        break;
      case 'readTree':
        this.#comparisons.readTree(body.value, caller, answer);
        break;
      case 'listLeaf':
        this.#comparisons.listLeaf(body.value, caller, answer);
        break;
      case 'endComparison':
        this.#comparisons.endComparison(body.value, answer);
        break;
      default:
        throw new Error(`no comparison asks ${body.$case}`);
    }
  }
}

export function keyOf(key: string, bucket = 'default'): Uint8Array {
  return recordKeyOf(bucket, Buffer.from(key));
}

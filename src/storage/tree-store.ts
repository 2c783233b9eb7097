/**
 * The hashes of whole partitions as they were when the partition was quiet, so that a start need not read all records.
 * Engine key: 0x04, partition as two bytes big-endian. Value: a format byte, 8 bytes that name the rules by which records
 * were sorted into trees, the number of trees, and for each a bit for every leaf, the hashes of those that are not empty.
 *
 * A stored copy is never stale, whatever a crash or a loss of power leaves. Who keeps it owes two things for that:
 * - it is put only when all that it counts is on stable storage, or synced in the queue before it;
 * - `remove` is called before the first write to the partition is queued, and is synced: a later write cannot survive without it.
 */

import { leavesPerPartition, PartitionTree, treeHashBytes } from '../core/anti-entropy/merkle-tree.ts';
import { type PartitionId, partitionId } from '../core/identity.ts';
import type { StorageEngine } from './engine.ts';
import type { GroupCommit } from './group-commit.ts';
import { type Crc32, openValue, sealValue } from './value-envelope.ts';

export interface TreeStoreDependencies {
  readonly engine: StorageEngine;
  readonly crc32: Crc32;
  readonly commit: GroupCommit;
}

/** What is kept of one partition: one tree for each replication, in ascending order of these. */
export interface StoredTrees {
  readonly partition: PartitionId;
  /** `undefined`: damaged, of another format, or made under other rules. */
  readonly trees: readonly PartitionTree[] | undefined;
}

const prefix = 0x04;
/** Counts up when the layout of the value or the hashes themselves change. */
const format = 1;
const bitmapBytes = leavesPerPartition / 8;
const rulesBytes = 8;
const headerBytes = 1 + rulesBytes + 2;
const allTrees = { from: Uint8Array.of(prefix), to: Uint8Array.of(prefix + 1) };

export class TreeStore {
  readonly #engine: StorageEngine;
  readonly #crc32: Crc32;
  readonly #commit: GroupCommit;

  constructor(deps: TreeStoreDependencies) {
    this.#engine = deps.engine;
    this.#crc32 = deps.crc32;
    this.#commit = deps.commit;
  }

  /** All that is stored. `rules`: 8 bytes; what was put under others comes without trees. Throws EngineError. */
  async *entries(rules: Uint8Array): AsyncIterable<StoredTrees> {
    for await (const [key, value] of this.#engine.entries(allTrees)) {
      const partition = partitionId(((key[1] as number) << 8) | (key[2] as number));
      const payload = openValue(this.#crc32, key, value);
      yield { partition, trees: payload === undefined ? undefined : decodeTrees(payload, rules) };
    }
  }

  /** Stores the trees of a partition, on stable storage: one fsync for many is less than a flush for what is not synced. Rejects with EngineError. */
  put(partition: PartitionId, trees: readonly PartitionTree[], rules: Uint8Array): Promise<void> {
    const key = engineKeyOf(partition);
    const value = sealValue(this.#crc32, key, encodeTrees(trees, rules));
    return this.#commit.write({ kind: 'put', key, value }, { sync: true });
  }

  /** Takes a stored copy away, on stable storage. Rejects with EngineError. */
  remove(partition: PartitionId): Promise<void> {
    return this.#commit.write({ kind: 'delete', key: engineKeyOf(partition) }, { sync: true });
  }

  /** Brings all that was queued before to stable storage. Rejects with EngineError. */
  flush(): Promise<void> {
    return this.#commit.flush();
  }
}

function engineKeyOf(partition: PartitionId): Uint8Array {
  return Uint8Array.of(prefix, partition >> 8, partition & 0xff);
}

function encodeTrees(trees: readonly PartitionTree[], rules: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(
    headerBytes + trees.length * (bitmapBytes + leavesPerPartition * treeHashBytes),
  );
  const view = new DataView(bytes.buffer);
  bytes[0] = format;
  bytes.set(rules, 1);
  view.setUint16(1 + rulesBytes, trees.length);
  let at = headerBytes;
  for (const tree of trees) {
    const bitmapAt = at;
    at += bitmapBytes;
    for (let leaf = 0; leaf < leavesPerPartition; leaf++) {
      const { high, low } = tree.leaf(leaf);
      if (high === 0 && low === 0) continue;
      const byte = bitmapAt + (leaf >> 3);
      bytes[byte] = (bytes[byte] as number) | (1 << (leaf & 7));
      view.setUint32(at, high);
      view.setUint32(at + 4, low);
      at += treeHashBytes;
    }
  }
  return bytes.subarray(0, at);
}

/** `undefined` for what these rules and this format did not write. */
function decodeTrees(bytes: Uint8Array, rules: Uint8Array): PartitionTree[] | undefined {
  if (bytes.length < headerBytes || bytes[0] !== format) return undefined;
  for (let i = 0; i < rulesBytes; i++) if (bytes[1 + i] !== rules[i]) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const trees: PartitionTree[] = [];
  let at = headerBytes;
  for (let left = view.getUint16(1 + rulesBytes); left > 0; left--) {
    const bitmapAt = at;
    at += bitmapBytes;
    if (at > bytes.length) return undefined;
    const tree = new PartitionTree();
    for (let leaf = 0; leaf < leavesPerPartition; leaf++) {
      if ((((bytes[bitmapAt + (leaf >> 3)] as number) >> (leaf & 7)) & 1) === 0) continue;
      if (at + treeHashBytes > bytes.length) return undefined;
      tree.toggle(leaf, { high: view.getUint32(at), low: view.getUint32(at + 4) });
      at += treeHashBytes;
    }
    trees.push(tree);
  }
  return at === bytes.length ? trees : undefined;
}

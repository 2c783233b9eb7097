/**
 * The Merkle trees by which two replicas find what differs without sending it (Merkle 1987; Dynamo, DeCandia et al. 2007,
 * section 4.7), flat: a partition of the ring is cut into 64 leaves by the next bits of the keys' tokens, and a leaf is one
 * 64-bit number.
 *
 * - An element is hashed from a key's token and the digest of its record; a leaf is the XOR of its elements. So the hash of a
 *   set does not depend on the order in which it came to be, and a change is two XORs: the old element out, the new one in.
 * - A parent is the XOR of its children: a partition of its leaves, a group of 64 partitions of these, the root of all.
 * - Two nodes compare the partitions that both are homes of. They list these alike, so a group needs no name but its number.
 *
 * It finds accidents, not forgeries: whoever chooses records freely can make two sets that hash alike. Nodes compare these
 * hashes, and keep them on disk: how they are made may not change without a new version of the protocol and of the stored form.
 */

import { assert } from '../assert.ts';
import type { PartitionId } from '../identity.ts';
import type { Token } from '../ring/token.ts';

/** Leaves of a partition. With 4,096 partitions a leaf of a million keys is about four. */
export const leavesPerPartition = 64;
/** Shared partitions under one node of level 1. */
export const partitionsPerGroup = 64;
/** Bytes of one hash on the wire and on disk: big-endian. */
export const treeHashBytes = 8;
/** Most parents that one question may name. */
export const treeParentsMax = 1_024;

/** 0: the root. 1: groups of partitions. 2: the partitions of groups. 3: the leaves of partitions. */
export type TreeLevel = 0 | 1 | 2 | 3;

/** A 64-bit hash as two unsigned 32-bit halves. */
export type TreeHash = Token;

/** What stands for the digest of a record that fails its checksum: no two replicas with damage alike must seem equal to an intact one. */
export const damagedDigest: TreeHash = { high: 0x64616d61, low: 0x67656421 };

/** Which of its partition's leaves a key belongs to: the six bits of its token below those that name the partition. */
export function leafOf(token: Token, partitionCount: number): number {
  // Partitions are at most 2^16, so these bits are always in the higher half.
  return (token.high << (31 - Math.clz32(partitionCount))) >>> 26;
}

/** What a key with this token and a record with this digest adds to its leaf. */
export function elementHash(token: Token, digest: TreeHash): TreeHash {
  // Not linear, or the records of two keys of a leaf could be exchanged unnoticed. Murmur3's rounds, in two orders.
  let high = round(0x9e3779b9, token.high);
  high = round(high, digest.low);
  high = round(high, token.low);
  high = round(high, digest.high);
  let low = round(0x85ebca6b, digest.high);
  low = round(low, token.low);
  low = round(low, digest.low);
  low = round(low, token.high);
  return { high: finish(high), low: finish(low) };
}

function round(hash: number, word: number): number {
  const mixed = Math.imul(word, 0xcc9e2d51);
  const next = hash ^ Math.imul((mixed << 15) | (mixed >>> 17), 0x1b873593);
  return (Math.imul((next << 13) | (next >>> 19), 5) + 0xe6546b64) | 0;
}

function finish(hash: number): number {
  let mixed = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}

/** Two words a leaf, high before low. */
const wordsPerPartition = 2 * leavesPerPartition;

/**
 * The leaves of many partitions, one behind the other. A write comes to a partition that none came to just before, so what it costs
 * is the lines of memory that it touches: with an object and an array for each partition they are twice as many.
 */
export class TreeTable {
  readonly #leaves: Uint32Array;
  readonly #partitions: Uint32Array;

  /** Empty trees of so many partitions, numbered from 0: their slots. */
  constructor(slots: number) {
    this.#leaves = new Uint32Array(slots * wordsPerPartition);
    this.#partitions = new Uint32Array(slots * 2);
  }

  /** Adds an element to a leaf, or takes it out again: it is the same. */
  toggle(slot: number, leaf: number, element: TreeHash): void {
    const at = slot * wordsPerPartition + 2 * leaf;
    const leaves = this.#leaves;
    leaves[at] = (leaves[at] as number) ^ element.high;
    leaves[at + 1] = (leaves[at + 1] as number) ^ element.low;
    const partitions = this.#partitions;
    partitions[2 * slot] = (partitions[2 * slot] as number) ^ element.high;
    partitions[2 * slot + 1] = (partitions[2 * slot + 1] as number) ^ element.low;
  }

  leaf(slot: number, leaf: number): TreeHash {
    assert(leaf >= 0 && leaf < leavesPerPartition, 'a partition has 64 leaves');
    const at = slot * wordsPerPartition + 2 * leaf;
    return { high: this.#leaves[at] as number, low: this.#leaves[at + 1] as number };
  }

  /** Of all elements of a partition. */
  hash(slot: number): TreeHash {
    return { high: this.#partitions[2 * slot] as number, low: this.#partitions[2 * slot + 1] as number };
  }
}

/** The leaves of one partition: in a table, or by themselves. A law: `hash` is the XOR of all leaves. */
export class PartitionTree {
  readonly #table: TreeTable;
  readonly #slot: number;

  constructor(table: TreeTable = new TreeTable(1), slot = 0) {
    this.#table = table;
    this.#slot = slot;
  }

  /** Adds an element to a leaf, or takes it out again: it is the same. */
  toggle(leaf: number, element: TreeHash): void {
    this.#table.toggle(this.#slot, leaf, element);
  }

  leaf(index: number): TreeHash {
    return this.#table.leaf(this.#slot, index);
  }

  /** Of all elements of the partition. */
  get hash(): TreeHash {
    return this.#table.hash(this.#slot);
  }

  equals(other: PartitionTree): boolean {
    for (let leaf = 0; leaf < leavesPerPartition; leaf++) {
      const [own, its] = [this.leaf(leaf), other.leaf(leaf)];
      if (own.high !== its.high || own.low !== its.low) return false;
    }
    return true;
  }

  /** Makes this the same as another. */
  assign(other: PartitionTree): void {
    for (let leaf = 0; leaf < leavesPerPartition; leaf++) {
      const [own, its] = [this.leaf(leaf), other.leaf(leaf)];
      this.toggle(leaf, { high: own.high ^ its.high, low: own.low ^ its.low });
    }
  }
}

/** The trees of partitions; one that is missing is empty. */
export type PartitionTrees = (partition: PartitionId) => PartitionTree | undefined;

/** How many groups so many shared partitions make. */
export function groupCount(sharedCount: number): number {
  return Math.ceil(sharedCount / partitionsPerGroup);
}

/** The partitions under a group, ascending. `shared`: the partitions that both nodes are homes of, ascending. */
export function partitionsOfGroup(shared: readonly PartitionId[], group: number): readonly PartitionId[] {
  return shared.slice(group * partitionsPerGroup, (group + 1) * partitionsPerGroup);
}

/**
 * The hashes of one level, 8 bytes each: the children of each parent one after another. Parents are group numbers at level 2
 * and partition numbers at level 3, strictly ascending; at levels 0 and 1 there are none to name. `undefined` when the question
 * makes no sense.
 */
export function treeHashes(
  trees: PartitionTrees,
  shared: readonly PartitionId[],
  level: TreeLevel,
  parents: readonly number[],
): Uint8Array | undefined {
  if (parents.length > treeParentsMax || !isAscending(parents)) return undefined;
  switch (level) {
    case 0: {
      if (parents.length > 0) return undefined;
      const hashes = new HashWriter(1);
      hashes.write(hashOfAll(trees, shared));
      return hashes.bytes;
    }
    case 1: {
      if (parents.length > 0) return undefined;
      const groups = groupCount(shared.length);
      const hashes = new HashWriter(groups);
      for (let group = 0; group < groups; group++) {
        hashes.write(hashOfAll(trees, partitionsOfGroup(shared, group)));
      }
      return hashes.bytes;
    }
    case 2: {
      const groups = groupCount(shared.length);
      if (parents.some((group) => !(Number.isInteger(group) && group >= 0 && group < groups)))
        return undefined;
      const children = parents.flatMap((group) => partitionsOfGroup(shared, group));
      const hashes = new HashWriter(children.length);
      for (const partition of children) hashes.write(trees(partition)?.hash ?? nothing);
      return hashes.bytes;
    }
    case 3: {
      if (parents.some((partition) => !includesSorted(shared, partition))) return undefined;
      const hashes = new HashWriter(parents.length * leavesPerPartition);
      for (const partition of parents) {
        const tree = trees(partition as PartitionId);
        for (let leaf = 0; leaf < leavesPerPartition; leaf++) hashes.write(tree?.leaf(leaf) ?? nothing);
      }
      return hashes.bytes;
    }
  }
}

/** The hash of no element. */
const nothing: TreeHash = { high: 0, low: 0 };

function hashOfAll(trees: PartitionTrees, partitions: readonly PartitionId[]): TreeHash {
  let high = 0;
  let low = 0;
  for (const partition of partitions) {
    const hash = trees(partition)?.hash;
    if (hash === undefined) continue;
    high ^= hash.high;
    low ^= hash.low;
  }
  return { high: high >>> 0, low: low >>> 0 };
}

function isAscending(numbers: readonly number[]): boolean {
  for (let i = 1; i < numbers.length; i++) {
    if (!((numbers[i] as number) > (numbers[i - 1] as number))) return false;
  }
  return true;
}

function includesSorted(sorted: readonly number[], wanted: number): boolean {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle] as number) < wanted) low = middle + 1;
    else high = middle;
  }
  return sorted[low] === wanted;
}

class HashWriter {
  readonly bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(count: number) {
    this.bytes = new Uint8Array(count * treeHashBytes);
    this.#view = new DataView(this.bytes.buffer);
  }

  write(hash: TreeHash): void {
    this.#view.setUint32(this.#at, hash.high);
    this.#view.setUint32(this.#at + 4, hash.low);
    this.#at += treeHashBytes;
  }
}

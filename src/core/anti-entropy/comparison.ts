/**
 * One walk down the Merkle trees of two replicas, to the leaves under which they differ (Merkle 1979; as Dynamo uses it:
 * DeCandia et al., SOSP 2007, section 4.7). It is told the hashes of both sides and says which to ask for next; who asks, and
 * how, is the shell's business.
 *
 * Laws (test/property/comparison.test.ts): it names exactly the leaves whose hashes differ, each once, in ascending order; equal
 * trees cost one question; no question has more than `parentsMax` parents, and what it remembers is bounded by the
 * partitions, not by the keys. Depth first: what was found is repaired while the rest is still to be compared.
 */

import { assert } from '../assert.ts';
import { type TreeLevel, treeHashBytes } from './merkle-tree.ts';

/** The shape of the tree that two replicas hold of what they share. */
export interface TreeShape {
  /** Partitions that both are homes of. At least 1. */
  readonly partitions: number;
  /** Partitions under one node of level 1, but for the last. */
  readonly groupSize: number;
  /** Leaves under a partition. */
  readonly leaves: number;
}

/** What to do next. */
export type ComparisonStep =
  /** Get the hashes of these parents' children from both sides, and tell them. Level 0 and 1 have no parents. */
  | { readonly kind: 'ask'; readonly level: TreeLevel; readonly parents: readonly number[] }
  /** The keys under these leaves differ. `partition`: its place among the partitions that both share. */
  | { readonly kind: 'differ'; readonly partition: number; readonly leaves: readonly number[] }
  | { readonly kind: 'done' };

/** Parents of one question at most, so that its answer has at most 32 KiB with groups of 64 and 64 leaves. */
export const parentsMax = 64;

type Ask = Extract<ComparisonStep, { kind: 'ask' }>;

/** A walk. Call `next`; after each `ask`, call `told` once. */
export class Comparison {
  readonly #shape: TreeShape;
  /** Nodes known to differ whose children are not asked for yet, ascending, by level. */
  readonly #differing: { groups: number[]; partitions: number[] } = { groups: [], partitions: [] };
  readonly #found: Extract<ComparisonStep, { kind: 'differ' }>[] = [];
  #asked: Ask | undefined;
  #begun: 'no' | 'root' | 'groups' | 'descending' = 'no';
  #settled = 0;

  constructor(shape: TreeShape) {
    assert(shape.partitions >= 1, 'nodes that share no partition have nothing to compare');
    assert(shape.groupSize >= 1 && shape.leaves >= 1, 'a tree node has children');
    this.#shape = shape;
  }

  /** How much of what both share is known to be equal or was named as differing: 0 to 1. */
  get progress(): number {
    return this.#settled / this.#shape.partitions;
  }

  /** The next step. Call it again after `told`, or after a `differ` was taken note of. */
  next(): ComparisonStep {
    assert(this.#asked === undefined, 'a question is answered before the next one');
    const found = this.#found.shift();
    if (found !== undefined) return found;
    if (this.#begun === 'no') return this.#ask({ kind: 'ask', level: 0, parents: [] });
    if (this.#begun === 'root') return this.#ask({ kind: 'ask', level: 1, parents: [] });
    const { groups, partitions } = this.#differing;
    // The deepest first: what has been found differing is settled before more is looked for.
    if (partitions.length > 0) {
      return this.#ask({ kind: 'ask', level: 3, parents: partitions.splice(0, parentsMax) });
    }
    if (groups.length > 0) return this.#ask({ kind: 'ask', level: 2, parents: groups.splice(0, parentsMax) });
    return { kind: 'done' };
  }

  /**
   * What both sides answered to the question: the hashes of the children of each parent, one after another. False: one of the
   * answers has not the length that it must have, and the walk is over.
   */
  told(own: Uint8Array, theirs: Uint8Array): boolean {
    const asked = this.#asked;
    assert(asked !== undefined, 'an answer follows a question');
    const expected = this.#childrenOf(asked);
    const bytes = expected.reduce((sum, { count }) => sum + count, 0) * treeHashBytes;
    if (own.length !== bytes || theirs.length !== bytes) return false;
    this.#asked = undefined;
    let offset = 0;
    for (const { first, count } of expected) {
      const differing: number[] = [];
      for (let i = 0; i < count; i++, offset += treeHashBytes) {
        if (!sameHash(own, theirs, offset)) differing.push(first + i);
      }
      this.#learn(asked.level, first, count, differing);
    }
    return true;
  }

  #ask(question: Ask): Ask {
    this.#asked = question;
    return question;
  }

  /** The children of each parent: groups and partitions by their place, leaves by theirs in the partition. */
  #childrenOf({ level, parents }: Ask): readonly { readonly first: number; readonly count: number }[] {
    const { partitions, groupSize, leaves } = this.#shape;
    switch (level) {
      case 0:
        return [{ first: 0, count: 1 }];
      case 1:
        return [{ first: 0, count: Math.ceil(partitions / groupSize) }];
      case 2:
        return parents.map((group) => ({
          first: group * groupSize,
          count: Math.min(groupSize, partitions - group * groupSize),
        }));
      case 3:
        // A leaf's number begins anew in each partition; `first` carries the partition.
        return parents.map((partition) => ({ first: partition * leaves, count: leaves }));
    }
  }

  #learn(level: TreeLevel, first: number, count: number, differing: readonly number[]): void {
    const { partitions, groupSize, leaves } = this.#shape;
    switch (level) {
      case 0:
        this.#begun = differing.length > 0 ? 'root' : 'descending';
        if (differing.length === 0) this.#settled = partitions;
        return;
      case 1:
        this.#begun = 'descending';
        this.#differing.groups.push(...differing);
        this.#settled = partitions;
        for (const group of differing) this.#settled -= Math.min(groupSize, partitions - group * groupSize);
        return;
      case 2:
        this.#settled += count - differing.length;
        this.#differing.partitions.push(...differing);
        return;
      case 3: {
        this.#settled++;
        if (differing.length === 0) return;
        const partition = first / leaves;
        this.#found.push({ kind: 'differ', partition, leaves: differing.map((leaf) => leaf - first) });
        return;
      }
    }
  }
}

function sameHash(a: Uint8Array, b: Uint8Array, offset: number): boolean {
  for (let i = offset; i < offset + treeHashBytes; i++) if (a[i] !== b[i]) return false;
  return true;
}

/**
 * Which tree a record belongs to. Buckets with one replication share a tree, because they share their homes; the trees of a
 * partition are numbered by their replication, ascending.
 */

import type { Bucket } from '../core/bucket.ts';
import { readRecordKey } from '../core/ring/record-key.ts';
import type { Hash64 } from '../core/ring/token.ts';

/** The trees that a set of buckets asks for. */
export class BucketTrees {
  /** The different N of the buckets, ascending: one tree each. */
  readonly replications: readonly number[];
  /** Eight bytes that are others when a record could belong to another tree: stored trees of other buckets are not used. */
  readonly rules: Uint8Array;
  readonly #buckets: ReadonlyMap<string, Pick<Bucket, 'replication'>>;
  readonly #treeOf: ReadonlyMap<number, number>;
  /** The last bucket's name with the zero byte behind it: in a walk one bucket's keys lie together. */
  #lastName: Uint8Array = new Uint8Array();
  #lastTree: number | undefined;

  constructor(buckets: ReadonlyMap<string, Pick<Bucket, 'replication'>>, hash64: Hash64) {
    this.#buckets = buckets;
    this.replications = [...new Set([...buckets.values()].map((bucket) => bucket.replication))].sort(
      (a, b) => a - b,
    );
    this.#treeOf = new Map(this.replications.map((replication, tree) => [replication, tree]));
    const sorted = [...buckets].map(([name, { replication }]) => `${name} ${replication}\n`).sort();
    const { high, low } = hash64(new TextEncoder().encode(sorted.join('')));
    this.rules = new Uint8Array(8);
    const view = new DataView(this.rules.buffer);
    view.setUint32(0, high);
    view.setUint32(4, low);
  }

  /** The tree of a replication; `undefined` if no bucket has it. */
  ofReplication(replication: number): number | undefined {
    return this.#treeOf.get(replication);
  }

  /** The tree of a record; `undefined` if its bucket is not configured any more. */
  ofRecord(recordKey: Uint8Array): number | undefined {
    const last = this.#lastName;
    let same = 0;
    while (same < last.length && last[same] === recordKey[same]) same++;
    if (last.length > 0 && same === last.length) return this.#lastTree;
    const name = readRecordKey(recordKey)?.bucket;
    if (name === undefined) return undefined;
    const replication = this.#buckets.get(name)?.replication;
    this.#lastName = recordKey.slice(0, name.length + 1);
    this.#lastTree = replication === undefined ? undefined : this.#treeOf.get(replication);
    return this.#lastTree;
  }
}

/**
 * Reads a partition from the disk and makes its trees anew, while it is written. What comes of it counts every write that was
 * accepted by then: the records as of one moment, for keys with a write on its way at that moment the newest of these instead,
 * and all that changed since.
 */

import {
  damagedDigest,
  elementHash,
  leafOf,
  PartitionTree,
  type TreeHash,
} from '../core/anti-entropy/merkle-tree.ts';
import type { Throttle } from '../core/background/throttle.ts';
import { mapKeyOf } from '../core/bytes.ts';
import type { PartitionId } from '../core/identity.ts';
import type { Hash64 } from '../core/ring/token.ts';
import type { StoredRead } from '../storage/record-store.ts';

/** The records as they lie on the disk. `RecordStore` in production. */
export interface ScannedRecords {
  /** Whether there is no record at all. Rejects with EngineError. */
  isEmpty(): Promise<boolean>;
  /** In ascending order of record keys, behind `after`, as of the moment of the first `next()`. Throws EngineError. */
  entries(
    partition: PartitionId,
    after?: Uint8Array,
  ): AsyncIterable<readonly [recordKey: Uint8Array, read: StoredRead]>;
}

/** A change that is on its way to the disk. */
export interface UnstoredChange {
  readonly place: { readonly recordKey: Uint8Array; readonly bucket: { readonly replication: number } };
  /** `undefined`: the record is being taken away. */
  readonly bytes: Uint8Array | undefined;
}

export interface TreeRebuildDependencies {
  readonly records: ScannedRecords;
  /** The newest change of every key of a partition that has one on its way to the disk. */
  readonly changesIn: (partition: PartitionId) => Iterable<UnstoredChange>;
  readonly throttle: Throttle;
  readonly hash64: Hash64;
  /** Which tree of its partition a record belongs to. `undefined`: none, its bucket is not configured. */
  readonly treeOf: (recordKey: Uint8Array) => number | undefined;
}

/** So many keys are read before the throttle is asked for the next. */
const keysPerSlice = 256;

/** The trees of one partition that are being made. */
export class TreeRebuild {
  readonly partition: PartitionId;
  readonly trees: readonly PartitionTree[];
  readonly #deps: TreeRebuildDependencies;
  readonly #partitions: number;
  #keys = 0;
  #damaged = 0;

  constructor(
    partition: PartitionId,
    dependencies: TreeRebuildDependencies,
    options: { readonly treeCount: number; readonly partitions: number },
  ) {
    this.partition = partition;
    this.#deps = dependencies;
    this.#partitions = options.partitions;
    this.trees = Array.from({ length: options.treeCount }, () => new PartitionTree());
  }

  /** Records that were read. */
  get keys(): number {
    return this.#keys;
  }

  /** Records among them that failed their checksum. */
  get damaged(): number {
    return this.#damaged;
  }

  /**
   * Reads everything. From the call on every change of the partition must be toggled in `trees` too, by whoever keeps them.
   * Resolves to false when `isStopped` said so. Rejects with EngineError.
   */
  async run(isStopped: () => boolean): Promise<boolean> {
    const { records, throttle } = this.#deps;
    const entries = records.entries(this.partition)[Symbol.asyncIterator]();
    // The first call fixes the moment. Before anything else runs, what is on its way to the disk is noted: the moment may
    // have it or not.
    let next = entries.next();
    const unstored = this.#addUnstored();
    let sliceKeys = 0;
    let sliceBytes = 0;
    try {
      for (;;) {
        const { done, value } = await next;
        if (isStopped()) return false;
        if (done === true) break;
        const [recordKey, read] = value;
        this.#keys++;
        if (unstored.size === 0 || !unstored.has(mapKeyOf(recordKey))) this.#addStored(recordKey, read);
        sliceKeys++;
        sliceBytes += recordKey.length + (read.kind === 'found' ? read.record.length : 0);
        if (sliceKeys === keysPerSlice) {
          await throttle.take(sliceKeys, sliceBytes);
          if (isStopped()) return false;
          sliceKeys = 0;
          sliceBytes = 0;
        }
        next = entries.next();
      }
    } finally {
      await entries.return?.();
    }
    if (sliceKeys > 0) await throttle.take(sliceKeys, sliceBytes);
    return !isStopped();
  }

  #addUnstored(): ReadonlySet<string> {
    const names = new Set<string>();
    for (const { place, bytes } of this.#deps.changesIn(this.partition)) {
      names.add(mapKeyOf(place.recordKey));
      if (bytes !== undefined) this.#add(place.recordKey, this.#deps.hash64(bytes));
    }
    return names;
  }

  #addStored(recordKey: Uint8Array, read: StoredRead): void {
    switch (read.kind) {
      case 'found':
        this.#add(recordKey, this.#deps.hash64(read.record));
        return;
      case 'damaged':
        this.#damaged++;
        this.#add(recordKey, damagedDigest);
        return;
      case 'absent':
        return;
    }
  }

  #add(recordKey: Uint8Array, digest: TreeHash): void {
    const tree = this.#deps.treeOf(recordKey);
    if (tree === undefined) return;
    const token = this.#deps.hash64(recordKey);
    this.trees[tree]?.toggle(leafOf(token, this.#partitions), elementHash(token, digest));
  }
}

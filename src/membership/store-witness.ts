/**
 * What this node remembers of the others' data stores, so that one which was put back to an earlier state below its file
 * system (a snapshot of a volume or of a machine) cannot go on as if nothing had happened. The store itself cannot know; its
 * peers do, because they heard a later mark of it than the one it opened with.
 *
 * A mark is sent only once it is on stable storage and it never falls, so an honest store that opens holds every mark that
 * was ever heard of it: nobody is accused wrongly. What cannot be told: when no peer that runs now had heard of it, and
 * what happened between two marks (1.5 s).
 */

import type { Hello } from '../gen/kindred/peer/v1/peer.ts';

/** One opening of a store: one process. */
interface Opening {
  /** The greatest mark that it said. */
  mark: number;
  /** Decided when it was first heard of, because later openings say greater marks. */
  readonly setBack: string | undefined;
}

/** Stores remembered; those first heard of go first. A cluster has as many as nodes, and one more for each that is replaced. */
const storesMax = 4_096;

/** Openings of one store remembered: more than can still have something under way. */
const openingsMax = 16;

/** Remembers the marks of stores by their replica id. */
export class StoreWitness {
  readonly #stores = new Map<number, Map<number, Opening>>();

  /** Why the caller's store must have been put back to an earlier state, or `undefined`. */
  setBack(hello: Hello): string | undefined {
    const { replicaId, generation, openedAtMark } = hello;
    let openings = this.#stores.get(replicaId);
    if (openings === undefined) {
      dropOldest(this.#stores, storesMax);
      openings = new Map();
      this.#stores.set(replicaId, openings);
    }
    // A greeting may come late, from a process that is gone, after those of the one that followed it: each opening has been
    // judged when it was first heard of, by what was known then, and is not judged again by what others have said since.
    const known = openings.get(generation);
    if (known !== undefined) return known.setBack;
    let greatest = 0;
    for (const { mark } of openings.values()) greatest = Math.max(greatest, mark);
    const seconds = Math.ceil((greatest - openedAtMark) / 1_000_000);
    // 0: it does not say.
    const setBack =
      openedAtMark === 0 || openedAtMark >= greatest
        ? undefined
        : `the data store of ${hello.nodeId} has been put back to an earlier state: it opened about ${seconds} s behind what it had said before`;
    // The one with the greatest mark is kept: it is what the next is judged by.
    for (const [oldest, { mark }] of openings) {
      if (openings.size < openingsMax) break;
      if (mark < greatest) openings.delete(oldest);
    }
    openings.set(generation, { mark: openedAtMark, setBack });
    return setBack;
  }

  /** The caller said that its store holds this mark. */
  heard({ replicaId, generation }: Hello, mark: number): void {
    const opening = this.#stores.get(replicaId)?.get(generation);
    if (opening !== undefined && mark > opening.mark) opening.mark = mark;
  }
}

function dropOldest(stores: Map<number, unknown>, sizeMax: number): void {
  const [oldest] = stores.keys();
  if (stores.size >= sizeMax && oldest !== undefined) stores.delete(oldest);
}

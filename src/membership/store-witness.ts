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

interface Heard {
  generation: number;
  /** The greatest mark of this generation. */
  mark: number;
  /** The greatest mark of the generations before. */
  earlierMark: number;
}

/** Stores remembered; those first heard of go first. A cluster has as many as nodes, and one more for each that is replaced. */
const storesMax = 4_096;

/** Remembers the marks of stores by their replica id. */
export class StoreWitness {
  readonly #stores = new Map<number, Heard>();

  /** Why the caller's store must have been put back to an earlier state, or `undefined`. */
  setBack(hello: Hello): string | undefined {
    const { replicaId, generation, openedAtMark } = hello;
    const heard = this.#stores.get(replicaId);
    if (heard === undefined) {
      const [oldest] = this.#stores.keys();
      if (this.#stores.size >= storesMax && oldest !== undefined) this.#stores.delete(oldest);
      this.#stores.set(replicaId, { generation, mark: openedAtMark, earlierMark: 0 });
      return undefined;
    }
    if (heard.generation !== generation) {
      heard.generation = generation;
      heard.earlierMark = Math.max(heard.earlierMark, heard.mark);
      heard.mark = openedAtMark;
    }
    // 0: it does not say.
    if (openedAtMark === 0 || openedAtMark >= heard.earlierMark) return undefined;
    const seconds = Math.ceil((heard.earlierMark - openedAtMark) / 1_000_000);
    return `the data store of ${hello.nodeId} has been put back to an earlier state: it opened about ${seconds} s behind what it had said before`;
  }

  /** The caller said that its store holds this mark. */
  heard({ replicaId, generation }: Hello, mark: number): void {
    const heard = this.#stores.get(replicaId);
    // What a process that is gone had sent says nothing new of the one that follows it.
    if (heard?.generation === generation && mark > heard.mark) heard.mark = mark;
  }
}

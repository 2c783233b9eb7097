/**
 * What this node remembers of the others' data stores, so that one which was put back to an earlier state below its file
 * system (a snapshot of a volume, or of a machine that starts again) cannot go on as if nothing had happened. The store itself cannot know; its
 * peers do, because they heard a later mark of it than the one it opened with.
 *
 * A mark is sent only once it is on stable storage and it never falls, so an honest store that opens holds every mark that
 * was ever heard of it: nobody is accused wrongly. What cannot be told: when no peer that runs now had heard of it, and
 * what happened between two marks (1.5 s).
 */

import type { Hello } from '../gen/kindred/peer/v1/peer.ts';

/** What was heard of one store. */
interface Heard {
  /** The greatest mark that any process over it has said. */
  greatest: number;
  /** By generation: what was decided of the process when it was first heard of, because later ones say greater marks. */
  readonly verdicts: Map<number, string | undefined>;
}

/** Stores remembered; those first heard of go first. A cluster has as many as nodes, and one more for each that is replaced. */
const storesMax = 4_096;

/** Processes of one store remembered: more than can still have something under way. */
const openingsMax = 16;

/** Remembers the marks of stores by their replica id. */
export class StoreWitness {
  readonly #stores = new Map<number, Heard>();

  /** What is known from before this process: a process of the store told this mark, so it is not judged by it. */
  remember(replicaId: number, generation: number, mark: number): void {
    const heard = this.#stores.get(replicaId) ?? { greatest: 0, verdicts: new Map() };
    dropOldest(this.#stores, storesMax);
    this.#stores.set(replicaId, heard);
    heard.greatest = Math.max(heard.greatest, mark);
    dropOldest(heard.verdicts, openingsMax);
    heard.verdicts.set(generation, undefined);
  }

  /** Why the store of the node that greets, or answers a greeting, must have been put back, or `undefined`. */
  setBack(hello: Hello): string | undefined {
    const { replicaId, generation, openedAtMark } = hello;
    let heard = this.#stores.get(replicaId);
    if (heard === undefined) {
      dropOldest(this.#stores, storesMax);
      heard = { greatest: 0, verdicts: new Map() };
      this.#stores.set(replicaId, heard);
    }
    const { greatest, verdicts } = heard;
    // A greeting may come late, from a process that is gone, after those of the one that followed it: each process has been
    // judged when it was first heard of, by what was known then, and is not judged again by what others have said since.
    if (verdicts.has(generation)) return verdicts.get(generation);
    const seconds = Math.ceil((greatest - openedAtMark) / 1_000_000);
    // 0: it does not say.
    const verdict =
      openedAtMark === 0 || openedAtMark >= greatest
        ? undefined
        : `the data store of ${hello.nodeId} has been put back to an earlier state: it opened about ${seconds} s behind what it had said before`;
    dropOldest(verdicts, openingsMax);
    verdicts.set(generation, verdict);
    heard.greatest = Math.max(greatest, openedAtMark);
    return verdict;
  }

  /** The node said that its store holds this mark. */
  heard({ replicaId, generation }: Hello, mark: number): void {
    const heard = this.#stores.get(replicaId);
    if (heard?.verdicts.has(generation) === true && mark > heard.greatest) heard.greatest = mark;
  }
}

function dropOldest(map: Map<number, unknown>, sizeMax: number): void {
  const [oldest] = map.keys();
  if (map.size >= sizeMax && oldest !== undefined) map.delete(oldest);
}

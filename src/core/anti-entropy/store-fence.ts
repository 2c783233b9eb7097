/**
 * The fence between stores: which states of which stores may still be talked to. Before a tombstone is forgotten, its
 * replica notes the mark that every other home's store held at the comparison it relies on. A store that comes back in an
 * earlier state may hold what the tombstone had superseded, and must not be listened to: it is outdated, and comes back empty.
 *
 * Nobody honest is accused: a mark is told only once it is on stable storage, and no later state of the store has a smaller.
 */

import { type GreetingStore, isSameProcess, type StoreProcess } from './peer-comparisons.ts';

/** What a store must at least hold. */
export interface Fence {
  /** The process that told the mark. */
  readonly process: StoreProcess;
  readonly mark: number;
}

/** The stricter of two fences around one store. */
export function stricterFence(one: Fence | undefined, other: Fence): Fence {
  return one === undefined || other.mark > one.mark ? other : one;
}

/** Around a store that its node has no more: collection has relied on the one that followed it, so no state of it is late enough. */
export function completeFence(replicaId: number): Fence {
  return { process: { replicaId, generation: 0, openedAtMark: 0 }, mark: Number.MAX_SAFE_INTEGER };
}

/**
 * Whether a store that greets is an earlier state than collection has relied on. `fenceOf`: by replica id. `ofNode`: the newest
 * that was relied on of any store of the node that greets. A disk that the node had before may be put back even after its
 * place was taken, under an id of which nothing was relied on; but a node's marks follow its wall clock, from store to store, so
 * its mark is the smaller. A store without a mark is new, and empty.
 */
export function isOutdated(
  store: GreetingStore,
  fenceOf: (replicaId: number) => Fence | undefined,
  ofNode: Fence | undefined,
): boolean {
  if (ofNode !== undefined && store.replicaId !== ofNode.process.replicaId) {
    const hasFormer = store.formerReplicaId !== 0;
    const mark = hasFormer ? store.formerMark : store.openedAtMark;
    if ((hasFormer || mark !== 0) && mark < ofNode.mark) return true;
  }
  const own = fenceOf(store.replicaId);
  if (own !== undefined && !isSameProcess(own.process, store) && store.openedAtMark < own.mark) return true;
  // Whose data it held before was judged when it was first relied on under its own id.
  if (store.formerReplicaId === 0 || own !== undefined) return false;
  const former = fenceOf(store.formerReplicaId);
  return former !== undefined && store.formerMark < former.mark;
}

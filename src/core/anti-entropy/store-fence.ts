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

/** Whether a store that greets is an earlier state than collection has relied on. `fenceOf`: by replica id. */
export function isOutdated(store: GreetingStore, fenceOf: (replicaId: number) => Fence | undefined): boolean {
  const own = fenceOf(store.replicaId);
  if (own !== undefined && !isSameProcess(own.process, store) && store.openedAtMark < own.mark) return true;
  if (store.formerReplicaId === 0) return false;
  const former = fenceOf(store.formerReplicaId);
  return former !== undefined && store.formerMark < former.mark;
}

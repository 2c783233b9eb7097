/**
 * Which actor writes. A data store that forgot a key must not count on from an old number: its new write would look
 * already seen, and be dropped as old (riak_kv#679; the full rule with epochs on replicated writes too is PR#1643, and
 * random model runs lose acknowledged writes under anything weaker).
 */

import type { ReplicaId } from '../identity.ts';
import type { Actor } from './dot.ts';
import { latestOf, type VectorClock } from './vector-clock.ts';

/** This data store, as the rule needs to know it. */
export interface OwnReplica {
  readonly replica: ReplicaId;
  /**
   * Epochs below this are not continued: after an unclean stop with buffered writes, dots may have left the process that
   * the disk forgot. 0: all may be.
   */
  readonly epochFloor: number;
  /** A number never given out before, from the durable lease. */
  nextEpoch(): number;
}

/**
 * True when `incoming` (the clock of a record or of a context) knows more of this replica than its own record does: the
 * proof that it forgot something.
 */
export function provesAmnesia(
  local: VectorClock | undefined,
  incoming: VectorClock,
  replica: ReplicaId,
): boolean {
  const theirs = latestOf(incoming, replica);
  if (theirs === undefined) return false;
  const mine = local === undefined ? undefined : latestOf(local, replica);
  if (mine === undefined) return true;
  return theirs.epoch > mine.epoch || (theirs.epoch === mine.epoch && theirs.counter > mine.counter);
}

/** The actor for a write that this replica coordinates. Opens a new epoch unless it can prove that it remembers the key. */
export function coordinatingActor(
  local: VectorClock | undefined,
  context: VectorClock,
  own: OwnReplica,
): Actor {
  const mine = local === undefined ? undefined : latestOf(local, own.replica);
  if (mine === undefined || mine.epoch < own.epochFloor || provesAmnesia(local, context, own.replica)) {
    return { replica: own.replica, epoch: own.nextEpoch() };
  }
  return mine;
}

/**
 * Vector clocks: sets of dots closed downward. An entry (actor, n) stands for the actor's writes 1..n of this key.
 *
 * A clock is a plain array of dots, one per actor, in ascending order of actors. It is never changed in place. The laws:
 * `joinClocks` is commutative, associative and idempotent; `descends(join(a, b), a)`; a clock descends itself.
 */

import type { ReplicaId } from '../identity.ts';
import { type Actor, compareActors, type Dot } from './dot.ts';

export type VectorClock = readonly Dot[];

export const emptyClock: VectorClock = [];

/** How many writes of `actor` the clock knows. 0 when none. */
export function counterOf(clock: VectorClock, actor: Actor): number {
  for (const entry of clock) {
    if (entry.replica === actor.replica && entry.epoch === actor.epoch) return entry.counter;
  }
  return 0;
}

export function covers(clock: VectorClock, dot: Dot): boolean {
  return counterOf(clock, dot) >= dot.counter;
}

/** True when `a` knows every write that `b` knows. */
export function descends(a: VectorClock, b: VectorClock): boolean {
  if (a === b) return true;
  let i = 0;
  for (const entry of b) {
    while (i < a.length && compareActors(a[i] as Dot, entry) < 0) i++;
    const mine = a[i];
    if (mine === undefined || compareActors(mine, entry) !== 0 || mine.counter < entry.counter) return false;
  }
  return true;
}

export type ClockOrder = 'equal' | 'before' | 'after' | 'concurrent';

export function compareClocks(a: VectorClock, b: VectorClock): ClockOrder {
  const after = descends(a, b);
  const before = descends(b, a);
  if (after && before) return 'equal';
  if (after) return 'after';
  return before ? 'before' : 'concurrent';
}

/** The least clock that descends both. Returns one of the arguments where it is the answer already. */
export function joinClocks(a: VectorClock, b: VectorClock): VectorClock {
  if (descends(a, b)) return a;
  if (descends(b, a)) return b;
  const joined: Dot[] = [];
  let i = 0;
  let j = 0;
  while (i < a.length && j < b.length) {
    const left = a[i] as Dot;
    const right = b[j] as Dot;
    const order = compareActors(left, right);
    if (order < 0) {
      joined.push(left);
      i++;
    } else if (order > 0) {
      joined.push(right);
      j++;
    } else {
      joined.push(left.counter >= right.counter ? left : right);
      i++;
      j++;
    }
  }
  while (i < a.length) joined.push(a[i++] as Dot);
  while (j < b.length) joined.push(b[j++] as Dot);
  return joined;
}

/** The clock that also knows `dot` (and so, by closure, all of its actor's earlier writes). */
export function withDot(clock: VectorClock, dot: Dot): VectorClock {
  const next: Dot[] = [];
  let placed = false;
  for (const entry of clock) {
    const order = placed ? -1 : compareActors(entry, dot);
    if (order === 0) {
      next.push(entry.counter >= dot.counter ? entry : dot);
      placed = true;
    } else {
      if (order > 0) {
        next.push(dot);
        placed = true;
      }
      next.push(entry);
    }
  }
  if (!placed) next.push(dot);
  return next;
}

/** The entry of `replica` with the greatest epoch: how far that data store is known to have gone on this key. */
export function latestOf(clock: VectorClock, replica: ReplicaId): Dot | undefined {
  let latest: Dot | undefined;
  // Ascending by epoch within a replica, so the last match is the greatest.
  for (const entry of clock) if (entry.replica === replica) latest = entry;
  return latest;
}

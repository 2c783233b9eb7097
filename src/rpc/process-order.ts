/**
 * Which of two processes of one node is the later one. A node that lost its power, or the network, leaves connections behind that
 * look alive for some seconds, and frames of a process that is gone may arrive after those of the one that followed it.
 */

import type { Hello } from '../gen/kindred/peer/v1/peer.ts';

/** What a process says of itself and of its store when it greets. */
export type Process = Pick<Hello, 'replicaId' | 'formerReplicaId' | 'openedAtMark' | 'generation'>;

/**
 * Whether the process `one` started before `other`, both of one node. Their stores say it, where they can. Processes of one store
 * are ordered by the mark that it held when they opened it: every start that serves stores a greater one. Equal marks, of a start
 * that died before it had stored its own: false. A store that took a new replica id names the one that it had before, and is taken
 * for the later one; that the disk of before was put back later is not seen here. The wall clock, which may have been put
 * back in between, has no part in that. Only of stores that know nothing of each other (one was emptied or replaced), and of
 * one that had no mark yet, the wall clock at the start decides.
 */
export function startedBefore(one: Process, other: Process): boolean {
  if (one.replicaId === other.replicaId && (one.openedAtMark > 0 || other.openedAtMark > 0))
    return one.openedAtMark < other.openedAtMark;
  // 0: a store that always had its id, as ids never are.
  if (one.formerReplicaId !== 0 && one.formerReplicaId === other.replicaId) return false;
  if (other.formerReplicaId !== 0 && other.formerReplicaId === one.replicaId) return true;
  return one.generation < other.generation;
}

/** Whether both greetings are of the same process. */
export function isSameProcess(one: Process, other: Process): boolean {
  return one.replicaId === other.replicaId && one.generation === other.generation;
}

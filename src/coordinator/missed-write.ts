/** Which homes a write leaves a hint for: those that did not take it, or perhaps did not, and would take it later. */

import type { ReplicaFailureReason } from '../core/coordinator/failure.ts';

const missed: ReadonlySet<ReplicaFailureReason> = new Set<ReplicaFailureReason>([
  'not-sent',
  'lost',
  'timed-out',
  'overloaded',
  'storage-failed',
]);

/** Whether a hint will bring a home what it missed for this reason. One that is damaged or refuses takes repairs only. */
export function hintBrings(reason: ReplicaFailureReason): boolean {
  return missed.has(reason);
}

/** What a replica keeps of a record that another one sent: a write, a repair or a hint are all the same merge. */

import type { ConflictPolicy } from '../bucket.ts';
import { type OwnReplica, provesAmnesia } from './actor.ts';
import { mergeRecords, type VersionedRecord } from './record.ts';
import { withDot } from './vector-clock.ts';

/**
 * The merge of both, and a new epoch of this replica where the sender knows more of it than it does itself. The epoch is
 * a counter of 1 without a version: it says "I was here again", so that no later write continues the forgotten actor.
 */
export function receiveRecord(
  local: VersionedRecord | undefined,
  incoming: VersionedRecord,
  policy: ConflictPolicy,
  own: OwnReplica,
): VersionedRecord {
  const merged = local === undefined ? incoming : mergeRecords(local, incoming, policy);
  if (!provesAmnesia(local?.clock, incoming.clock, own.replica)) return merged;
  const reborn = { replica: own.replica, epoch: own.nextEpoch(), counter: 1 };
  return { clock: withDot(merged.clock, reborn), versions: merged.versions };
}

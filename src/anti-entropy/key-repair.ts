/**
 * Makes one key equal on two replicas: reads what the peer holds, merges it here, and sends back the merge where the peer
 * lacks something. Records are only ever merged, never overwritten, so that it does not matter what is written meanwhile.
 */

import { equalBytes } from '../core/bytes.ts';
import { digest64 } from '../env/xxhash.ts';
import type { StoredRead } from '../storage/record-store.ts';
import type { ComparisonPeer, Unanswered } from './comparison-peer.ts';

/** The replica of this node, as a repair needs it, keys as they come. Throws and rejects with EngineError. */
export interface RepairedRecords {
  /** From the disk, whatever is in memory, and whether or not it is answered as absent. */
  readStored(recordKey: Uint8Array): StoredRead;
  merge(
    recordKey: Uint8Array,
    record: Uint8Array,
    options: { readonly sync: boolean; readonly restoreDamaged: boolean },
  ): Promise<{ readonly kind: 'merged'; readonly changed: boolean } | { readonly kind: 'damaged' }>;
}

/** What was made of a key that two listings told differently. */
export type KeyRepair =
  /** By now both hold the same, or one has collected a deletion that the other is about to. */
  | { readonly kind: 'equal' }
  /** Both hold the merge now, durably. After a look: they differ. */
  | { readonly kind: 'repaired' }
  /** The record of one side is damaged, and one intact copy is no proof that nothing was lost: all replicas must be asked. */
  | { readonly kind: 'damaged' }
  | Unanswered;

export interface KeyRepairDependencies {
  readonly records: RepairedRecords;
  readonly peer: ComparisonPeer;
  /** Whether a record is nothing but deletions so old that replicas may have collected it. */
  readonly isAged: (recordKey: Uint8Array, record: Uint8Array) => boolean;
}

/**
 * Whether one key still differs, without a record crossing the network. What of the two has aged need not be asked: listings
 * leave that out, so that what the peer alone holds has not. Rejects with EngineError.
 */
export async function lookAtKey(
  { records, peer, isAged }: KeyRepairDependencies,
  recordKey: Uint8Array,
): Promise<KeyRepair> {
  const theirs = await peer.look(recordKey);
  if (theirs.kind === 'failed') return theirs;
  const own = records.readStored(recordKey);
  if (theirs.kind === 'damaged' || own.kind === 'damaged') return { kind: 'damaged' };
  if (own.kind === 'absent') return { kind: theirs.kind === 'absent' ? 'equal' : 'repaired' };
  const isEqual =
    theirs.kind === 'found' ? equalBytes(digest64(own.record), theirs.digest) : isAged(recordKey, own.record);
  return { kind: isEqual ? 'equal' : 'repaired' };
}

/** Repairs one key. Rejects with EngineError, or MalformedError for what the peer sent. */
export async function repairKey(
  { records, peer, isAged }: KeyRepairDependencies,
  recordKey: Uint8Array,
): Promise<KeyRepair> {
  const theirs = await peer.read(recordKey);
  if (theirs.kind === 'failed') return theirs;
  const before = records.readStored(recordKey);
  if (theirs.kind === 'damaged' || before.kind === 'damaged') return { kind: 'damaged' };
  if (isSame(before, theirs)) return { kind: 'equal' };
  // What one side has collected must not come back from the other, which has only not come to it yet.
  if (theirs.kind === 'absent' && before.kind === 'found' && isAged(recordKey, before.record))
    return { kind: 'equal' };
  if (before.kind === 'absent' && theirs.kind === 'found' && isAged(recordKey, theirs.record))
    return { kind: 'equal' };

  let changed = false;
  if (theirs.kind === 'found') {
    const merged = await records.merge(recordKey, theirs.record, { sync: true, restoreDamaged: false });
    if (merged.kind === 'damaged') return { kind: 'damaged' };
    changed = merged.changed;
  }
  const own = records.readStored(recordKey);
  if (own.kind === 'damaged') return { kind: 'damaged' };
  if (own.kind === 'found' && !isSame(own, theirs)) {
    const sent = await peer.merge(recordKey, () => {
      const newest = records.readStored(recordKey);
      return newest.kind === 'found' ? newest.record : undefined;
    });
    if (sent.kind !== 'merged') return sent;
    changed = changed || sent.changed;
  }
  return { kind: changed ? 'repaired' : 'equal' };
}

function isSame(a: StoredRead, b: StoredRead): boolean {
  if (a.kind === 'found' && b.kind === 'found') return equalBytes(a.record, b.record);
  return a.kind === 'absent' && b.kind === 'absent';
}

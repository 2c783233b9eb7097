/**
 * The decisions about tombstones under test, as the model calls them, and planted bugs: the same with one rule broken. A
 * model that has never caught anything proves nothing, so every bug here must be found.
 */

import {
  type GreetingStore,
  type PeerComparisons,
  type RipeningComparison,
  ripeComparison,
  stillValid,
} from '../../src/core/anti-entropy/peer-comparisons.ts';
import { type Fence, isOutdated } from '../../src/core/anti-entropy/store-fence.ts';
import {
  type Death,
  isAged,
  isCollectable,
  isDeletable,
  isSettled,
  type TombstoneRules,
  type TombstoneTimes,
} from '../../src/core/anti-entropy/tombstone.ts';

/** What a replica answers, lists and deletes, whom it believes, and what it takes. */
export interface CollectionRules {
  readonly answersAbsent: (death: Death, times: TombstoneTimes, rules: TombstoneRules) => boolean;
  readonly leavesOut: (death: Death, times: TombstoneTimes, rules: TombstoneRules) => boolean;
  readonly mayDelete: (death: Death, times: TombstoneTimes, rules: TombstoneRules) => boolean;
  readonly ripe: (kept: PeerComparisons, nowMs: number, graceMs: number) => RipeningComparison | undefined;
  readonly outdated: (
    store: GreetingStore,
    fenceOf: (replicaId: number) => Fence | undefined,
    ofNode: Fence | undefined,
  ) => boolean;
  readonly stillValid: (kept: PeerComparisons, store: GreetingStore) => PeerComparisons;
  readonly takesHint: (receiverMark: number, collectedMark: number, bornMark: number) => boolean;
  /** Hints grow too old, as a part of the grace of their holder's running time. */
  readonly hintAgePart: number;
  /** Whether an index entry counts for the record that is there. */
  readonly entryCounts: (entryDigest: string, recordDigest: string) => boolean;
  /** Whether the mark that ends a comparison is stored after what was compared, and greater than all before. */
  readonly marksComparisons: boolean;
  /** Whether a store with the data of another serves only once all have judged it. */
  readonly waitsForJudges: boolean;
  /** Whether a process that stood still drops the repairs that it had in its hands. */
  readonly dropsLateRepairs: boolean;
  /** Whether ages are running time, and not the wall clock. */
  readonly runningTime: boolean;
}

/** The rules of the store. */
export const realRules: CollectionRules = {
  answersAbsent: isCollectable,
  leavesOut: isSettled,
  mayDelete: isDeletable,
  ripe: ripeComparison,
  outdated: isOutdated,
  stillValid,
  takesHint: (receiverMark, collectedMark, bornMark) =>
    receiverMark >= collectedMark && (receiverMark === 0 || receiverMark >= bornMark),
  hintAgePart: 1 / 4,
  entryCounts: (entryDigest, recordDigest) => entryDigest === recordDigest,
  marksComparisons: true,
  waitsForJudges: true,
  dropsLateRepairs: true,
  runningTime: true,
};

/**
 * Each is `realRules` with one rule broken. Not among them, because three stores that read from two and forget one at a time
 * show them too seldom (none in 40,000 runs): stores that do not wait for their judges, repairs after a standstill, and ages
 * by the wall clock.
 */
export const plantedBugs: Readonly<Record<string, CollectionRules>> = {
  /** Deleted as soon as the clock says so: riak's delete_mode, Cassandra without repair. */
  'collected-by-the-clock': { ...realRules, mayDelete: (death, _times, rules) => isAged(death, rules) },
  /** Deleted as soon as all have been compared with: nothing is waited for, and no fence stands. */
  'collected-without-waiting': { ...realRules, mayDelete: isSettled },
  /** Stores that come back in an earlier state are welcome. */
  'fence-missing': { ...realRules, outdated: () => false },
  /** Only the ids that were relied on are fenced, and not the stores that the node had before. */
  'older-disks-unfenced': {
    ...realRules,
    outdated: (store, fenceOf) => isOutdated(store, fenceOf, undefined),
  },
  /** What was compared is believed of whatever store the peer comes back with. */
  'comparisons-outlive-their-store': { ...realRules, stillValid: (kept) => kept },
  /** Hints are taken however old they are. */
  'hints-unfenced': { ...realRules, takesHint: () => true, hintAgePart: Number.POSITIVE_INFINITY },
  /** The time of an older tombstone passes for that of the one that is there. */
  'index-not-bound-to-the-record': { ...realRules, entryCounts: () => true },
  /** Reads answer absent what is only old. */
  'aged-instead-of-collectable-in-reads': {
    ...realRules,
    answersAbsent: (death, _times, rules) => isAged(death, rules),
  },
  /** Listings leave out what is only old, wherever it is or is not. */
  'aged-instead-of-settled-in-listings': {
    ...realRules,
    leavesOut: (death, _times, rules) => isAged(death, rules),
  },
  /** The mark that ends a comparison may be one that was stored before it. */
  'comparison-ends-with-an-old-mark': { ...realRules, marksComparisons: false },
};

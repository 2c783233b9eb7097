import { expect, test } from 'vitest';
import {
  collectableBefore,
  comparisonsKeptMax,
  type EndedComparison,
  noComparisons,
  type PeerComparisons,
  relyOn,
  ripeComparison,
  settledComparison,
  stillHolds,
  stillValid,
  withEnded,
  withOwnMark,
} from './peer-comparisons.ts';
import { isOutdated, stricterFence } from './store-fence.ts';

const graceMs = 1_600;
const process = { replicaId: 7, generation: 1, openedAtMark: 50 };
const ended = (startedAtMs: number, over: Partial<EndedComparison> = {}): EndedComparison => ({
  startedAtMs,
  endedAtMs: startedAtMs + 10,
  process,
  peerMark: 100,
  ...over,
});

test('a comparison ripens a grace after its end, half a grace after the mark was noted, and settles an eighth later', () => {
  let kept: PeerComparisons = withEnded(noComparisons, ended(1_000), graceMs);
  expect(withOwnMark(kept, 500, 1_809, graceMs)).toBe(kept);
  kept = withOwnMark(kept, 500, 1_810, graceMs);
  expect(kept.ripening[0]).toMatchObject({ ownMark: 500, ownMarkAtMs: 1_810 });
  expect(withOwnMark(kept, 600, 2_000, graceMs)).toBe(kept);
  expect(ripeComparison(kept, 2_609, graceMs)).toBeUndefined();
  const ripe = ripeComparison(kept, 2_610, graceMs);
  expect(collectableBefore(kept)).toBeUndefined();
  if (ripe === undefined) throw new Error('it is ripe');
  kept = relyOn(kept, ripe, 2_620, graceMs);
  expect(kept.ripening).toEqual([]);
  expect(collectableBefore(kept)).toBe(1_000);
  expect(settledComparison(kept, 2_819, graceMs)).toBeUndefined();
  expect(settledComparison(kept, 2_820, graceMs)).toMatchObject({ startedAtMs: 1_000, ownMark: 500 });
});

test('a mark that is noted late delays: hints that were kept in between are honest', () => {
  const kept = withOwnMark(withEnded(noComparisons, ended(1_000), graceMs), 500, 9_000, graceMs);
  expect(ripeComparison(kept, 9_799, graceMs)).toBeUndefined();
  expect(ripeComparison(kept, 9_800, graceMs)).toBeDefined();
});

test('what is relied on goes on being relied on while later ones ripen', () => {
  let kept: PeerComparisons = noComparisons;
  for (const at of [1_000, 1_050, 1_100, 1_200]) kept = withEnded(kept, ended(at), graceMs);
  expect(kept.ripening.map((each) => each.startedAtMs)).toEqual([1_000, 1_100, 1_200]);
  kept = withOwnMark(kept, 500, 2_100, graceMs);
  const first = ripeComparison(kept, 2_650, graceMs);
  expect(first).toBeUndefined();
  const ripe = ripeComparison(kept, 2_900, graceMs);
  expect(ripe?.startedAtMs).toBe(1_200);
});

test('the lists are bounded', () => {
  let kept: PeerComparisons = noComparisons;
  for (let at = 0; at < 1_000_000; at += 1_000) kept = withEnded(kept, ended(at), graceMs);
  expect(kept.ripening.length).toBe(comparisonsKeptMax);
});

const greeting = { formerReplicaId: 0, formerMark: 0 };

test.each([
  ['the same process again', { ...process, ...greeting }, true],
  ['a later process over the store', { ...process, ...greeting, generation: 2, openedAtMark: 100 }, true],
  ['a store that was put back', { ...process, ...greeting, generation: 2, openedAtMark: 99 }, false],
  ['a new empty store', { replicaId: 8, generation: 2, openedAtMark: 0, ...greeting }, false],
  [
    'a copy of a later state under a new id',
    { replicaId: 8, generation: 2, openedAtMark: 100, formerReplicaId: 7, formerMark: 100 },
    true,
  ],
  [
    'a copy of an earlier state under a new id',
    { replicaId: 8, generation: 2, openedAtMark: 300, formerReplicaId: 7, formerMark: 99 },
    false,
  ],
])('what was compared still holds: %s', (_name, store, holds) => {
  expect(stillHolds(ended(1), store)).toBe(holds);
  const kept = withEnded(noComparisons, ended(1), graceMs);
  expect(stillValid(kept, store) === kept).toBe(holds);
  // The fence says the same, but for an empty store, which is welcome.
  const outdated = isOutdated(store, (id) => (id === 7 ? { process, mark: 100 } : undefined), undefined);
  const isEmpty = store.replicaId === 8 && store.formerReplicaId === 0;
  expect(outdated).toBe(!holds && !isEmpty);
});

test.each([
  ['an older disk of the node, under an id of which nothing was relied on', 6, 99, 0, 0, true],
  ['a copy of one', 9, 99, 6, 99, true],
  ['the store that took a new id over what was relied on', 8, 100, 0, 0, false],
  ['a new and empty store', 9, 0, 0, 0, false],
  ['a new store that was started again', 9, 150, 0, 0, false],
])(
  'of one node, what was relied on fences its other stores: %s',
  (_name, replicaId, openedAtMark, formerReplicaId, formerMark, outdated) => {
    const store = { replicaId, generation: 3, openedAtMark, formerReplicaId, formerMark };
    expect(isOutdated(store, () => undefined, { process, mark: 100 })).toBe(outdated);
  },
);

test('of two fences the stricter stays', () => {
  const low = { process, mark: 1 };
  const high = { process, mark: 2 };
  expect([stricterFence(undefined, low), stricterFence(low, high), stricterFence(high, low)]).toEqual([
    low,
    high,
    high,
  ]);
});

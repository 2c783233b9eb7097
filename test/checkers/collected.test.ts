/** What old tombstones excuse, and what they do not. */

import { expect, test } from 'vitest';
import { acknowledgedNotLost } from './acknowledged-not-lost.ts';
import { mayBeCollected, withCollected } from './collected.ts';
import { deletedStaysDeleted } from './deleted-stays-deleted.ts';
import { clock, dot, HandMadeHistory, seen, version } from './hand-made-history.ts';
import type { KeyHistory, MortalRecord, RunHistory } from './history.ts';
import { quorumReadsNeverGoBack } from './quorum-reads-never-go-back.ts';
import { replicasConverge } from './replicas-converge.ts';

const tombstone: MortalRecord = { dots: [dot('b1')], clock: clock('a2 b1'), mayGoMs: 500 };

function withTombstone(run: RunHistory, mortal: MortalRecord = tombstone): readonly [KeyHistory, RunHistory] {
  const [key] = run.keys;
  if (key === undefined) throw new Error('the history has no key');
  const dying = { ...key, mortal: [mortal] };
  return [dying, { ...run, keys: [dying] }];
}

test('a context is filled with what old tombstones covered, from the moment at which they may be gone', () => {
  const key = { mortal: [tombstone] } as unknown as KeyHistory;
  expect(withCollected(key, seen('c1'), 499)).toEqual(seen('c1'));
  const filled = withCollected(key, seen('a1 c1'), 500);
  expect([...filled.clock].sort()).toEqual([...clock('a2 b1 c1')].sort());
  expect(mayBeCollected(key, dot('a2'), 499)).toBe(false);
  expect(mayBeCollected(key, dot('a2'), 500)).toBe(true);
  expect(mayBeCollected(key, dot('a3'), 500)).toBe(false);
});

/** A value that was deleted, and is not known of any more; `atMs`: since when. */
function forgotten(atMs: number): HandMadeHistory {
  return new HandMadeHistory()
    .put('v1', 0, 5, 'a1')
    .delete(10, 15, 'b1', { context: seen('a1') })
    .read(atMs, atMs + 5, '', []);
}

test('a reader need not hear of what a collected tombstone had covered', () => {
  expect(quorumReadsNeverGoBack(...withTombstone(forgotten(495).run()))).toEqual([]);
  expect(quorumReadsNeverGoBack(...withTombstone(forgotten(490).run()))).not.toEqual([]);
  const smaller = { ...tombstone, dots: [dot('c1')], clock: clock('c1') };
  expect(quorumReadsNeverGoBack(...withTombstone(forgotten(600).run(), smaller))).not.toEqual([]);
});

test('what was deleted and collected is not lost, and what raced the deletion is', () => {
  const gone = forgotten(600).rest('', []);
  expect(acknowledgedNotLost(...withTombstone(gone.run()))).toEqual([]);
  expect(acknowledgedNotLost(...withTombstone(gone.run(), { ...tombstone, mayGoMs: 2_001 }))).not.toEqual([]);
  const raced = forgotten(600)
    .put('v2', 11, 14, 'c1', { context: seen('a1') })
    .rest('', []);
  const [violation, ...others] = acknowledgedNotLost(...withTombstone(raced.run()));
  expect(violation?.message).toContain('put 4');
  expect(others).toEqual([]);
});

test('nothing excuses a value that comes back', () => {
  const back = forgotten(600).read(700, 705, 'a1', [{ dot: 'a1', value: 'v1' }]);
  expect(deletedStaysDeleted(...withTombstone(back.run()))).toHaveLength(1);
  const held = forgotten(600).rest('a1', [{ dot: 'a1', value: 'v1' }], 'n3');
  expect(deletedStaysDeleted(...withTombstone(held.run()))).toHaveLength(1);
});

test('one home has collected an old tombstone, and another has not', () => {
  const state = { record: 'ab', versions: [version({ dot: 'b1' })], clock: clock('a1 b1') };
  const [key] = new HandMadeHistory().run().keys;
  const differ = (isAged: boolean): KeyHistory => ({
    ...(key as KeyHistory),
    replicas: [
      { node: 'n1', record: undefined, versions: [], clock: [] },
      { node: 'n2', ...state, isAged },
    ],
  });
  const run = new HandMadeHistory().run();
  expect(replicasConverge(differ(true), run)).toEqual([]);
  expect(replicasConverge(differ(false), run)).toHaveLength(1);
});

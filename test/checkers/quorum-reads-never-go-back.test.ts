import { expect, test } from 'vitest';
import { done, HandMadeHistory, seen } from './hand-made-history.ts';
import { quorumReadsNeverGoBack } from './quorum-reads-never-go-back.ts';

function violations(history: HandMadeHistory): readonly string[] {
  const run = history.run();
  return run.keys.flatMap((key) => quorumReadsNeverGoBack(key, run).map((violation) => violation.message));
}

const v1 = { dot: 'a1', value: 'v1' };
const v2 = { dot: 'b1', clock: 'a1', value: 'v2' };

test('reads that go forward', () => {
  const history = new HandMadeHistory().read(0, 1, '', []).read(2, 3, 'a1', [v1]).read(4, 5, 'a1 b1', [v2]);
  expect(violations(history)).toEqual([]);
});

test('a read that goes back', () => {
  expect(violations(new HandMadeHistory().read(0, 5, 'a1', [v1]).read(6, 7, '', []))).toEqual([
    'read 1 by reader through n1 (QUORUM, 0 ms - 5 ms) knew 1/1/1, but ' +
      'read 2 by reader through n1 (QUORUM, 6 ms - 7 ms), which began later, does not',
  ]);
});

test('a read at the instant of the answer comes later, one that overlaps does not', () => {
  expect(violations(new HandMadeHistory().read(0, 5, 'a1', [v1]).read(5, 7, '', []))).toHaveLength(1);
  expect(violations(new HandMadeHistory().read(0, 5, 'a1', [v1]).read(4, 7, '', []))).toEqual([]);
});

test('a read below the quorum may go back, and is no floor', () => {
  const one = { level: 'one' } as const;
  expect(violations(new HandMadeHistory().read(0, 5, 'a1', [v1]).read(6, 7, '', [], one))).toEqual([]);
  expect(
    violations(new HandMadeHistory().read(0, 5, 'a1', [v1], one).read(6, 7, '', [], { level: 'all' })),
  ).toEqual([]);
});

test('TWO is a quorum of three', () => {
  const two = { level: 'two' } as const;
  expect(violations(new HandMadeHistory().read(0, 5, 'a1', [v1], two).read(6, 7, '', [], two))).toHaveLength(
    1,
  );
  const homes = ['n1', 'n2', 'n3', 'n4', 'n5'];
  expect(
    violations(new HandMadeHistory({ homes }).read(0, 5, 'a1', [v1], two).read(6, 7, '', [], two)),
  ).toEqual([]);
});

test('a read knows what a quorum acknowledged before', () => {
  expect(violations(new HandMadeHistory().put('v1', 0, 5, 'a1').read(6, 7, '', []))).toHaveLength(1);
  const one = { level: 'one' } as const;
  expect(violations(new HandMadeHistory().put('v1', 0, 5, 'a1', one).read(6, 7, '', []))).toEqual([]);
  expect(
    violations(new HandMadeHistory().put('v1', 0, 5, 'a1', one).read(6, 7, '', [], { level: 'all' })),
  ).toHaveLength(1);
  expect(
    violations(new HandMadeHistory().put('v1', 0, 5, 'a1', { level: 'all' }).read(6, 7, '', [], one)),
  ).toHaveLength(1);
});

test('a single dot is known by itself', () => {
  const write = { outcome: done('a2', seen('', 'a2')) };
  expect(violations(new HandMadeHistory().put('v1', 0, 5, 'a2', write).read(6, 7, 'a1', []))).toHaveLength(1);
  expect(violations(new HandMadeHistory().put('v1', 0, 5, 'a2', write).read(6, 7, 'a2', []))).toEqual([]);
});

test('what was known to be superseded is not shown again', () => {
  const history = new HandMadeHistory()
    .put('v1', 0, 5, 'a1', { level: 'one' })
    .read(6, 7, 'a1 b1', [v2])
    .read(8, 9, 'a1 b1', [v1, v2]);
  expect(violations(history)).toEqual([expect.stringContaining('and that it was superseded')]);
});

test('what had expired for one reader may be shown to another', () => {
  const mortal = { dot: 'a1', value: 'v1', expiresAt: 50 };
  expect(violations(new HandMadeHistory().read(6, 7, 'a1', []).read(8, 9, 'a1', [mortal]))).toEqual([]);
});

test('a twin may hide a retry', () => {
  const id = { write: 1, requestId: 'aa' };
  const history = new HandMadeHistory()
    .put('v1', 0, 5, 'b1', id)
    .put('v1', 1, 5, undefined, id)
    .read(6, 7, 'a1 b1', [v1])
    .read(8, 9, 'a1 b1', [{ dot: 'b1', value: 'v1' }]);
  expect(violations(history)).toEqual([]);
});

test('a disk that was lost between the two excuses a quorum, and not ALL', () => {
  const lost = (level: 'quorum' | 'all', atMs: number): HandMadeHistory =>
    new HandMadeHistory()
      .read(0, 5, 'a1', [v1], { level })
      .read(6, 7, '', [], { level: 'quorum' })
      .loss('n2', atMs, 'everything');
  expect(violations(lost('quorum', 5))).toEqual([]);
  expect(violations(lost('all', 5))).toHaveLength(1);
  expect(violations(lost('quorum', -1))).toHaveLength(1);
  expect(violations(lost('quorum', 8))).toHaveLength(1);
});

test('power takes only what was not fsynced', () => {
  const history = (durability: 'buffered' | 'sync-quorum', synced: number): HandMadeHistory =>
    new HandMadeHistory()
      .put('v1', 0, 2, 'a1', { durability, outcome: done('a1', seen('a1'), { synced }) })
      .read(6, 7, '', [])
      .loss('n2', 5, 'unsynced');
  expect(violations(history('buffered', 0))).toEqual([]);
  expect(violations(history('sync-quorum', 2))).toHaveLength(1);
});

test('rotten records on one replica excuse nothing that a quorum acknowledged', () => {
  const history = new HandMadeHistory().put('v1', 0, 2, 'a1').read(6, 7, '', []).loss('n2', 5, 'records');
  expect(violations(history)).toHaveLength(1);
});

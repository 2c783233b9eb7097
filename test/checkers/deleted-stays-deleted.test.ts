import { expect, test } from 'vitest';
import { deletedStaysDeleted } from './deleted-stays-deleted.ts';
import { HandMadeHistory, seen } from './hand-made-history.ts';
import type { RunHistory } from './history.ts';

function violations(history: HandMadeHistory, more: Partial<RunHistory> = {}): readonly string[] {
  const run = history.run([], more);
  return run.keys.flatMap((key) => deletedStaysDeleted(key, run).map((violation) => violation.message));
}

const v1 = { dot: 'a1', value: 'v1' };

function deleted(): HandMadeHistory {
  return new HandMadeHistory().put('v1', 0, 5, 'a1').delete(10, 15, 'a2', { context: seen('a1') });
}

test('a deleted key is absent, and may be created again', () => {
  const history = deleted()
    .read(20, 21, 'a2', [])
    .put('v3', 30, 35, 'b1', { context: seen('a2') })
    .read(40, 41, 'a2 b1', [{ dot: 'b1', clock: 'a2', value: 'v3' }]);
  expect(violations(history)).toEqual([]);
});

test('a deleted value comes back', () => {
  expect(violations(deleted().read(20, 21, 'a1', [v1]))).toEqual([
    'delete 2 by writer through n1 (QUORUM, 10 ms - 15 ms) superseded 1/1/1 ("v1"), but ' +
      'read 3 by reader through n1 (QUORUM, 20 ms - 21 ms) shows it again',
  ]);
});

test('a deleted value is left on a home', () => {
  expect(violations(deleted().rest('a1', [v1], 'n3'))).toEqual([
    expect.stringContaining('n3 hold it at rest'),
  ]);
});

test('a value that raced the delete survives it', () => {
  const history = deleted()
    .put('v2', 9, 16, 'b1', { context: seen('a1') })
    .read(20, 21, 'a2 b1', [
      { dot: 'b1', clock: 'a1', value: 'v2' },
      { dot: 'a2', clock: 'a1' },
    ]);
  expect(violations(history)).toEqual([]);
});

test('puts are the business of another checker', () => {
  const history = new HandMadeHistory()
    .put('v1', 0, 5, 'a1')
    .put('v2', 10, 15, 'b1', { context: seen('a1') })
    .read(20, 21, 'a1', [v1]);
  expect(violations(history)).toEqual([]);
});

const wallClocks = { microsAtZero: 1_000_000, errorMsMax: 100, errorMsAfterHeal: 0 };
const expiring = { dot: 'a1', value: 'v1', expiresAt: 1_000_000 + 500_000 };

test('a value is not read after its lifetime, by any clock', () => {
  const history = (from: number): HandMadeHistory =>
    new HandMadeHistory().put('v1', 0, 5, 'a1', { ttlMs: 500 }).read(from, from + 1, 'a1', [expiring]);
  expect(violations(history(590), { wallClocks })).toEqual([]);
  expect(violations(history(590))).toEqual([]);
  expect(violations(history(700), { wallClocks })).toEqual([
    expect.stringContaining('the lifetime of 1/1/1 was over for 100 ms or more by every clock'),
  ]);
  expect(violations(history(1100), { wallClocks })).toHaveLength(1);
  expect(violations(history(700))).toEqual([]);
});

test('a value is not gone before its lifetime is over by any clock', () => {
  const history = (from: number): HandMadeHistory =>
    new HandMadeHistory().put('v1', 0, 5, 'a1').read(from, from + 1, 'a1 b1', [
      { dot: 'a1', expiresAt: expiring.expiresAt },
      { dot: 'b1', value: 'v2' },
    ]);
  expect(violations(history(450), { wallClocks })).toEqual([]);
  expect(violations(history(300), { wallClocks })).toEqual([expect.stringContaining('shows it as gone')]);
});

import { expect, test } from 'vitest';
import { done, HandMadeHistory, seen } from './hand-made-history.ts';
import { supersededStaysSuperseded } from './superseded-stays-superseded.ts';

function violations(history: HandMadeHistory): readonly string[] {
  const run = history.run();
  return run.keys.flatMap((key) => supersededStaysSuperseded(key, run).map((violation) => violation.message));
}

const v1 = { dot: 'a1', value: 'v1' };
const v2 = { dot: 'b1', clock: 'a1', value: 'v2' };

function replaced(level: 'one' | 'quorum' | 'all' = 'quorum'): HandMadeHistory {
  return new HandMadeHistory().put('v1', 0, 5, 'a1').put('v2', 10, 15, 'b1', { context: seen('a1'), level });
}

test('only what superseded is read later', () => {
  expect(violations(replaced().read(20, 21, 'a1 b1', [v2]).rest('a1 b1', [v2]))).toEqual([]);
});

test('what was superseded is read again', () => {
  expect(violations(replaced().read(20, 21, 'a1', [v1]))).toEqual([
    'put 2 of "v2" by writer through n1 (QUORUM, 10 ms - 15 ms) superseded 1/1/1 ("v1"), but ' +
      'read 3 by reader through n1 (QUORUM, 20 ms - 21 ms) shows it again',
  ]);
  expect(violations(replaced().read(20, 21, 'a1 b1', [v1, v2]))).toHaveLength(1);
});

test('a read that overlaps the write may show either', () => {
  expect(violations(replaced().read(12, 21, 'a1', [v1]))).toEqual([]);
});

test('levels whose replicas need not meet promise nothing yet', () => {
  expect(violations(replaced().read(20, 21, 'a1', [v1], { level: 'one' }))).toEqual([]);
  expect(violations(replaced('one').read(20, 21, 'a1', [v1]))).toEqual([]);
  expect(violations(replaced('all').read(20, 21, 'a1', [v1], { level: 'one' }))).toHaveLength(1);
});

test('at rest the level does not matter', () => {
  expect(violations(replaced('one').rest('a1 b1', [v1, v2]))).toEqual([
    expect.stringContaining('n1, n2, n3 hold it at rest'),
  ]);
});

test('a blind overwrite supersedes what its answer covers', () => {
  const history = new HandMadeHistory()
    .put('v1', 0, 5, 'a1')
    .put('v2', 10, 15, 'a2', { outcome: done('a2', seen('a2')) })
    .read(20, 21, 'a2', [v1]);
  expect(violations(history)).toHaveLength(1);
});

test('the write itself is not what it superseded', () => {
  const history = new HandMadeHistory()
    .put('v1', 0, 5, 'a1')
    .put('v2', 10, 15, 'a2', { outcome: done('a2', seen('a2')) })
    .read(20, 21, 'a2', [{ dot: 'a2', clock: 'a1', value: 'v2' }]);
  expect(violations(history)).toEqual([]);
});

test('a single dot superseded by its dot alone', () => {
  const history = new HandMadeHistory()
    .put('v1', 0, 5, 'a1', { causality: 'add-sibling' })
    .put('v2', 0, 5, 'a2', { causality: 'add-sibling' })
    .put('v3', 10, 15, 'b1', { context: seen('', 'a2') });
  expect(violations(history.read(20, 21, 'a2 b1', [v1]))).toEqual([]);
  expect(violations(history.read(20, 21, 'a2 b1', [{ dot: 'a2', value: 'v2' }]))).toHaveLength(1);
});

test('with the only copies that superseded gone, what they superseded may be seen', () => {
  const history = replaced().loss('n1', 16, 'everything').read(20, 21, 'a1', [v1]);
  expect(violations(history)).toEqual([]);
  expect(violations(replaced().loss('n1', 5, 'everything').read(20, 21, 'a1', [v1]))).toHaveLength(1);
  expect(violations(replaced().loss('n1', 16, 'everything').rest('a1 b1', [v1]))).toHaveLength(1);
});

test('an unknown outcome supersedes nothing for certain', () => {
  const history = new HandMadeHistory()
    .put('v1', 0, 5, 'a1')
    .put('v2', 10, 15, undefined, { context: seen('a1') })
    .read(20, 21, 'a1', [v1]);
  expect(violations(history)).toEqual([]);
});

test('a touch without a named dot does not supersede itself', () => {
  const history = new HandMadeHistory()
    .put('v1', 0, 5, 'a1')
    .touch(10, 15, undefined, { outcome: done(undefined, seen('a1 b1')) })
    .read(20, 21, 'a1 b1', [{ dot: 'b1', clock: 'a1', value: 'v1' }]);
  expect(violations(history)).toEqual([]);
});

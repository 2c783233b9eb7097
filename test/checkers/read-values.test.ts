import { expect, test } from 'vitest';
import { HandMadeHistory } from './hand-made-history.ts';
import { readValues } from './read-values.ts';

function violations(history: HandMadeHistory, others: readonly HandMadeHistory[] = []): readonly string[] {
  const run = history.run(others.map((other) => other.history()));
  return run.keys.flatMap((key) => readValues(key, run).map((violation) => violation.message));
}

const v1 = { dot: 'a1', value: 'v1' };

test('what was written is read', () => {
  const history = new HandMadeHistory()
    .put('v1', 0, 5, 'a1')
    .witness(v1, 2)
    .read(3, 7, 'a1', [v1])
    .rest('a1', [v1]);
  expect(violations(history)).toEqual([]);
});

test('a value out of nowhere', () => {
  expect(violations(new HandMadeHistory().read(3, 7, 'a1', [v1]))).toEqual([
    'read 1 by reader through n1 (QUORUM, 3 ms - 7 ms) shows "v1", but nobody ever wrote it',
  ]);
  expect(violations(new HandMadeHistory().rest('a1', [v1]))).toEqual([
    expect.stringContaining('n1 holds at rest "v1"'),
  ]);
});

test('a value from the future', () => {
  const history = new HandMadeHistory().read(3, 7, 'a1', [v1]).put('v1', 8, 9, 'a1');
  expect(violations(history)).toEqual([expect.stringContaining('it was written only later')]);
  expect(violations(new HandMadeHistory().put('v1', 8, 9, 'a1').witness(v1, 7))).toHaveLength(1);
});

test('a value of another key, even of the same name in another bucket', () => {
  const other = new HandMadeHistory({ bucket: 'c' }).put('v1', 0, 5, 'a1');
  expect(violations(new HandMadeHistory().read(6, 7, 'a1', [v1]), [other])).toEqual([
    expect.stringContaining('it belongs to c/k, where put 1 of "v1"'),
  ]);
});

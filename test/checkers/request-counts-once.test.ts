import { expect, test } from 'vitest';
import { HandMadeHistory, seen } from './hand-made-history.ts';
import { requestCountsOnce } from './request-counts-once.ts';

function violations(history: HandMadeHistory): readonly string[] {
  const run = history.run();
  return run.keys.flatMap((key) => requestCountsOnce(key, run).map((violation) => violation.message));
}

const id = { write: 1, requestId: 'aa' };
const twins = [
  { dot: 'a1', value: 'v1' },
  { dot: 'b1', value: 'v1' },
];

function retried(): HandMadeHistory {
  return new HandMadeHistory().put('v1', 0, 5, undefined, id).put('v1', 6, 9, 'b1', id);
}

test('one version of a request', () => {
  expect(
    violations(retried().read(10, 11, 'a1 b1', twins.slice(0, 1)).rest('a1 b1', twins.slice(0, 1))),
  ).toEqual([]);
});

test('a reader is shown both', () => {
  expect(violations(retried().read(10, 11, 'a1 b1', twins))).toEqual([
    'put 1, put 2 are one request, but read 3 by reader through n1 (QUORUM, 10 ms - 11 ms) shows it twice, as 1/1/1 and 2/1/1',
  ]);
});

test('both are left at rest', () => {
  expect(violations(retried().rest('a1 b1', twins))).toEqual([
    expect.stringContaining('n1 holds it at rest, with the same clock'),
  ]);
});

test('overwrites that had seen different things both stay, hidden', () => {
  const different = [twins[0], { dot: 'b1', value: 'v1', clock: 'c1' }] as const;
  expect(violations(retried().rest('a1 b1 c1', different as never))).toEqual([]);
  expect(violations(retried().read(10, 11, 'a1 b1 c1', different as never))).toHaveLength(1);
});

test('what is not one request may be there twice', () => {
  const history = new HandMadeHistory()
    .put('v1', 0, 5, 'a1')
    .put('v2', 6, 9, 'b1', { causality: 'add-sibling' });
  expect(
    violations(
      history.read(10, 11, 'a1 b1', [
        { dot: 'a1', value: 'v1' },
        { dot: 'b1', value: 'v2' },
      ]),
    ),
  ).toEqual([]);
});

test('deletions are told by what an observer saw', () => {
  const request = { ...id, context: seen('c1') };
  const history = new HandMadeHistory()
    .delete(0, 5, undefined, request)
    .delete(6, 9, 'b1', request)
    .witness({ dot: 'a1', clock: 'c1' }, 2, { requestId: 'aa' })
    .rest('a1 b1 c1', [
      { dot: 'a1', clock: 'c1' },
      { dot: 'b1', clock: 'c1' },
    ]);
  expect(violations(history)).toHaveLength(1);
});

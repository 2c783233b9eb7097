import { expect, test } from 'vitest';
import { dotNamesOneValue } from './dot-names-one-value.ts';
import { HandMadeHistory } from './hand-made-history.ts';

function violations(history: HandMadeHistory): readonly string[] {
  const run = history.run();
  return run.keys.flatMap((key) => dotNamesOneValue(key, run).map((violation) => violation.message));
}

const v1 = { dot: 'a1', value: 'v1' };

test('one dot, one value, wherever it is seen', () => {
  const history = new HandMadeHistory()
    .put('v1', 0, 5, 'a1')
    .witness(v1, 1)
    .read(6, 7, 'a1', [v1])
    .rest('a1', [v1]);
  expect(violations(history)).toEqual([]);
});

test('two values under one dot on disks', () => {
  const history = new HandMadeHistory().witness(v1, 1).witness({ dot: 'a1', value: 'v2' }, 9, { node: 'n2' });
  expect(violations(history)).toEqual([
    expect.stringMatching(/^1\/1\/1: n2 stored one version at 9 ms: fingerprints/),
  ]);
});

test('two values under one dot in answers', () => {
  const history = new HandMadeHistory().read(1, 2, 'a1', [v1]).read(3, 4, 'a1', [{ dot: 'a1', value: 'v2' }]);
  expect(violations(history)).toEqual([expect.stringContaining('values "v1" and "v2" under one dot')]);
});

test('a value and a deletion under one dot', () => {
  const history = new HandMadeHistory().read(1, 2, 'a1', [v1]).rest('a1', [{ dot: 'a1' }]);
  expect(violations(history)).toEqual([expect.stringContaining('values "v1" and "deletion"')]);
});

test('clocks, times and deadlines belong to the dot', () => {
  const differing = [
    { ...v1, clock: 'b1' },
    { ...v1, writtenAt: 7 },
    { ...v1, expiresAt: 7 },
  ];
  for (const other of differing) {
    expect(violations(new HandMadeHistory().read(1, 2, 'a1', [v1]).read(3, 4, 'a1', [other]))).toHaveLength(
      1,
    );
  }
});

test('a value that expired is the same version', () => {
  const history = new HandMadeHistory()
    .put('v1', 0, 1, 'a1')
    .read(1, 2, 'a1', [{ ...v1, expiresAt: 7 }])
    .read(8, 9, 'a1 b1', [
      { dot: 'a1', expiresAt: 7 },
      { dot: 'b1', value: 'v2' },
    ]);
  expect(violations(history)).toEqual([]);
});

test('a value that shows after the version was seen expired is held to its writer', () => {
  const history = new HandMadeHistory()
    .put('v1', 0, 1, 'a1')
    .read(8, 9, 'a1', [{ dot: 'a1', expiresAt: 7 }])
    .read(10, 11, 'a1', [{ dot: 'a1', value: 'v9', expiresAt: 7 }]);
  expect(violations(history)).toEqual([
    expect.stringContaining('its value is "v9", but it is the dot of put 1'),
  ]);
});

test('two writes answered with one dot', () => {
  expect(violations(new HandMadeHistory().put('v1', 0, 5, 'a1').put('v2', 6, 9, 'a1'))).toEqual([
    expect.stringContaining('were both answered with the dot 1/1/1'),
  ]);
});

test('retries of one write are answered with one dot', () => {
  const id = { write: 1, requestId: 'aa' };
  expect(violations(new HandMadeHistory().put('v1', 0, 5, 'a1', id).put('v1', 6, 9, 'a1', id))).toEqual([]);
});

test('the dot of one write with the value of another', () => {
  const history = new HandMadeHistory().put('v1', 0, 5, 'a1').read(6, 7, 'a1', [{ dot: 'a1', value: 'v2' }]);
  expect(violations(history)).toEqual([
    expect.stringContaining('its value is "v2", but it is the dot of put 1 of "v1"'),
  ]);
  const deletion = new HandMadeHistory().put('v1', 0, 5, 'a1').witness({ dot: 'a1' }, 3);
  expect(violations(deletion)).toEqual([expect.stringContaining('it is a deletion')]);
});

test('a touch carries the value of another write', () => {
  const history = new HandMadeHistory().put('v1', 0, 5, 'a1').touch(6, 9, 'a2');
  expect(
    violations(history.read(10, 11, 'a2', [{ dot: 'a2', clock: 'a1', value: 'v1', expiresAt: 99 }])),
  ).toEqual([]);
});

test('a clock that covers its own dot, an epoch of nothing', () => {
  expect(violations(new HandMadeHistory().read(1, 2, 'a1', [{ ...v1, clock: 'a1' }]))).toEqual([
    expect.stringContaining('its clock covers its own dot'),
  ]);
  expect(violations(new HandMadeHistory().read(1, 2, 'a1', [{ dot: 'a.0.1', value: 'v1' }]))).toHaveLength(1);
});

test('a number that went with the power before anybody saw it may be given again', () => {
  const history = (lossMs: number): HandMadeHistory =>
    new HandMadeHistory()
      .witness(v1, 1)
      .loss('n1', lossMs, 'unsynced')
      .witness({ dot: 'a1', value: 'v2' }, 9);
  expect(violations(history(5))).toEqual([]);
  expect(violations(history(10))).toHaveLength(1);
  expect(violations(history(5).read(2, 3, 'a1', [v1]))).toHaveLength(1);
  const spread = new HandMadeHistory().witness(v1, 1, { alsoStoredBy: 'n2' }).loss('n1', 5, 'unsynced');
  expect(violations(spread.witness({ dot: 'a1', value: 'v2' }, 9))).toHaveLength(1);
});

import { expect, test } from 'vitest';
import { HandMadeHistory } from './hand-made-history.ts';
import { replicasConverge } from './replicas-converge.ts';

function violations(history: HandMadeHistory): readonly string[] {
  const run = history.run();
  return run.keys.flatMap((key) => replicasConverge(key, run).map((violation) => violation.message));
}

const v1 = { dot: 'a1', value: 'v1' };
const v2 = { dot: 'b1', value: 'v2' };
const all = { final: true, level: 'all' } as const;
const quorum = { final: true, level: 'quorum' } as const;

test('equal homes', () => {
  expect(violations(new HandMadeHistory().rest('a1', [v1]))).toEqual([]);
  expect(violations(new HandMadeHistory().rest('', []))).toEqual([]);
});

test('homes that differ, in versions or in the clock alone', () => {
  const versions = new HandMadeHistory().rest('a1', [v1], 'n1').rest('a1', [v1], 'n2').rest('', [], 'n3');
  expect(violations(versions)).toEqual([
    expect.stringMatching(/^the homes differ at rest: n1, n2: .*\{1\/1\/1\}; n3: .*\{\}$/),
  ]);
  expect(violations(new HandMadeHistory().rest('a1', [v1], 'n1').rest('a1 c.2.1', [v1], 'n2'))).toHaveLength(
    1,
  );
});

test('a home that stays damaged', () => {
  const history = new HandMadeHistory().rest('a1', [v1], 'n1').damaged('n2').rest('a1', [v1], 'n3');
  expect(violations(history)).toEqual(['the record is still damaged on n2 at rest: nothing repaired it']);
});

test('final reads after one at ALL agree', () => {
  const agree = new HandMadeHistory().put('v1', 0, 5, 'a1').read(1000, 1001, 'a1', [v1], all);
  expect(violations(agree.read(1002, 1003, 'a1', [v1], quorum))).toEqual([]);
});

test('final reads that do not agree', () => {
  const history = new HandMadeHistory().put('v1', 0, 5, 'a1').put('v2', 0, 5, 'b1');
  history.read(1000, 1001, 'a1 b1', [v1], all).read(1002, 1003, 'a1 b1', [v1, v2], quorum);
  expect(violations(history)).toEqual([expect.stringContaining('2/1/1 is shown only by the second')]);
  history.read(1004, 1005, 'a1 b1', [], quorum);
  expect(violations(history)).toHaveLength(2);
});

test('before the first final read at ALL replicas may differ', () => {
  const history = new HandMadeHistory().put('v1', 0, 5, 'a1', { level: 'one' });
  history.read(1000, 1001, '', [], quorum).read(1002, 1003, 'a1', [v1], quorum);
  expect(violations(history)).toEqual([]);
});

test('a write of unknown outcome may arrive late', () => {
  const history = new HandMadeHistory().put('v1', 0, 5, 'a1').put('v2', 0, 5);
  history.read(1000, 1001, 'a1', [v1], all).read(1002, 1003, 'a1 b1', [v2], all);
  expect(violations(history)).toEqual([]);
});

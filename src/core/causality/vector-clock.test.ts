import { expect, test } from 'vitest';
import { replicaId } from '../identity.ts';
import type { Dot } from './dot.ts';
import {
  type ClockOrder,
  compareClocks,
  counterOf,
  covers,
  descends,
  joinClocks,
  latestOf,
  type VectorClock,
  withDot,
} from './vector-clock.ts';

/** `a1:5`: replica 1 ("a"), epoch 1, counter 5. */
function dot(text: string): Dot {
  const [actor = '', counter = ''] = text.split(':');
  return {
    replica: replicaId(actor.charCodeAt(0) - 96),
    epoch: Number(actor.slice(1)),
    counter: Number(counter),
  };
}

function clock(text: string): VectorClock {
  return text === '' ? [] : text.split(' ').map(dot);
}

test.for<[string, string, ClockOrder, string]>([
  ['', '', 'equal', ''],
  ['', 'a1:1', 'before', 'a1:1'],
  ['a1:1', 'a1:2', 'before', 'a1:2'],
  ['a1:1', 'b1:1', 'concurrent', 'a1:1 b1:1'],
  ['a1:1 c1:3', 'b1:1 c1:2', 'concurrent', 'a1:1 b1:1 c1:3'],
  ['a1:9', 'a2:1', 'concurrent', 'a1:9 a2:1'],
  ['a1:1 b1:1 c1:1', 'b1:1', 'after', 'a1:1 b1:1 c1:1'],
  ['a1:2 b1:1', 'a1:1 b1:2', 'concurrent', 'a1:2 b1:2'],
])('%s and %s are %s, and join to %s', ([left, right, order, joined]) => {
  const [a, b] = [clock(left), clock(right)];
  const reverse: Record<ClockOrder, ClockOrder> = {
    equal: 'equal',
    before: 'after',
    after: 'before',
    concurrent: 'concurrent',
  };
  expect(compareClocks(a, b)).toBe(order);
  expect(compareClocks(b, a)).toBe(reverse[order]);
  expect(descends(a, b)).toBe(order === 'equal' || order === 'after');
  expect(joinClocks(a, b)).toEqual(clock(joined));
  expect(joinClocks(b, a)).toEqual(clock(joined));
});

test('a join that is one of its arguments is that argument', () => {
  const [small, large] = [clock('a1:1'), clock('a1:2 b1:1')];
  expect(joinClocks(small, large)).toBe(large);
  expect(joinClocks(large, small)).toBe(large);
});

test.for<[string, string, string]>([
  ['', 'b1:1', 'b1:1'],
  ['b1:1', 'a1:1', 'a1:1 b1:1'],
  ['b1:1', 'c1:1', 'b1:1 c1:1'],
  ['a1:1 c1:1', 'b1:4', 'a1:1 b1:4 c1:1'],
  ['a1:1 b1:4 c1:1', 'b1:5', 'a1:1 b1:5 c1:1'],
  ['a1:1 b1:4 c1:1', 'b1:3', 'a1:1 b1:4 c1:1'],
  ['a1:1 a3:1', 'a2:1', 'a1:1 a2:1 a3:1'],
])('%s with %s is %s', ([before, added, after]) => {
  const given = clock(before);
  const copy = structuredClone(given);
  expect(withDot(given, dot(added))).toEqual(clock(after));
  expect(given).toEqual(copy);
});

test('a clock covers the earlier writes of its actors, and of no other epoch', () => {
  const known = clock('a1:5 a3:2');
  expect([1, 5, 6].map((counter) => covers(known, dot(`a1:${counter}`)))).toEqual([true, true, false]);
  expect(covers(known, dot('a2:1'))).toBe(false);
  expect(covers(known, dot('b1:1'))).toBe(false);
  expect([counterOf(known, dot('a3:1')), counterOf(known, dot('b1:1'))]).toEqual([2, 0]);
});

test('the latest of a replica is that of its greatest epoch', () => {
  const known = clock('a1:5 a3:2 b1:9');
  expect(latestOf(known, replicaId(1))).toEqual(dot('a3:2'));
  expect(latestOf(known, replicaId(2))).toEqual(dot('b1:9'));
  expect(latestOf(known, replicaId(3))).toBeUndefined();
});

/** Vector clocks against a dumb twin: the set of all dots that a clock stands for. */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { compareActors, type Dot, dotText } from '../../src/core/causality/dot.ts';
import {
  compareClocks,
  covers,
  descends,
  joinClocks,
  latestOf,
  type VectorClock,
  withDot,
} from '../../src/core/causality/vector-clock.ts';
import { replicaId } from '../../src/core/identity.ts';

// Few actors and small counters: clocks that never meet say nothing about each other.
const anyDot = fc
  .tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 2 }), fc.integer({ min: 1, max: 4 }))
  .map(([replica, epoch, counter]): Dot => ({ replica: replicaId(replica), epoch, counter }));
const anyClock = fc.array(anyDot, { maxLength: 8 }).map((dots) => dots.reduce(withDot, [] as VectorClock));

function dotsOf(clock: VectorClock): Set<string> {
  return new Set(
    clock.flatMap((entry) =>
      Array.from({ length: entry.counter }, (_, i) => dotText({ ...entry, counter: i + 1 })),
    ),
  );
}

function union(a: Set<string>, b: Set<string>): Set<string> {
  return new Set([...a, ...b]);
}

function contains(all: Set<string>, some: Set<string>): boolean {
  return [...some].every((dot) => all.has(dot));
}

const law = (name: string, check: (a: VectorClock, b: VectorClock, c: VectorClock) => void): void => {
  test(name, () => fc.assert(fc.property(anyClock, anyClock, anyClock, check), { numRuns: 2000 }));
};

law('a join is the union of the sets', (a, b) => {
  expect(dotsOf(joinClocks(a, b))).toEqual(union(dotsOf(a), dotsOf(b)));
});

law('descends is superset', (a, b) => {
  expect(descends(a, b)).toBe(contains(dotsOf(a), dotsOf(b)));
});

law('the order of clocks is that of the sets', (a, b) => {
  const [after, before] = [contains(dotsOf(a), dotsOf(b)), contains(dotsOf(b), dotsOf(a))];
  const order = after && before ? 'equal' : after ? 'after' : before ? 'before' : 'concurrent';
  expect(compareClocks(a, b)).toBe(order);
});

law('join is commutative, associative and idempotent', (a, b, c) => {
  expect(joinClocks(a, b)).toEqual(joinClocks(b, a));
  expect(joinClocks(joinClocks(a, b), c)).toEqual(joinClocks(a, joinClocks(b, c)));
  expect(joinClocks(a, a)).toBe(a);
});

law('entries stay in ascending order of actors', (a, b) => {
  const joined = joinClocks(a, b);
  for (let i = 1; i < joined.length; i++) {
    expect(compareActors(joined[i - 1] as Dot, joined[i] as Dot)).toBeLessThan(0);
  }
});

test('covers is membership, withDot adds the dot and its past, and latestOf is the greatest epoch', () => {
  fc.assert(
    fc.property(anyClock, anyDot, (clock, dot) => {
      expect(covers(clock, dot)).toBe(dotsOf(clock).has(dotText(dot)));
      expect(dotsOf(withDot(clock, dot))).toEqual(union(dotsOf(clock), dotsOf([dot])));
      const epochs = clock.filter((entry) => entry.replica === dot.replica).map((entry) => entry.epoch);
      expect(latestOf(clock, dot.replica)?.epoch).toBe(epochs.length === 0 ? undefined : Math.max(...epochs));
    }),
    { numRuns: 2000 },
  );
});

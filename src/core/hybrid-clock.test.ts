import { expect, test } from 'vitest';
import { aheadMicrosMax, HybridClock, timeMicrosMax } from './hybrid-clock.ts';

function at(micros: number, startAt = 0): { wall: { micros: number }; clock: HybridClock } {
  const wall = { micros };
  return { wall, clock: new HybridClock(() => wall.micros, startAt) };
}

test('follows the wall, and moves on while it stands', () => {
  const { wall, clock } = at(1000);
  expect([clock.tick(0), clock.tick(0)]).toEqual([1000, 1001]);
  wall.micros = 5000;
  expect(clock.tick(0)).toBe(5000);
  expect(clock.last).toBe(5000);
});

test('does not follow the wall back', () => {
  const { wall, clock } = at(5000);
  clock.tick(0);
  wall.micros = 10;
  expect([clock.tick(0), clock.tick(0)]).toEqual([5001, 5002]);
});

test('goes on from the persisted mark', () => {
  const { clock } = at(10, 9000);
  expect(clock.last).toBe(9000);
  expect(clock.tick(0)).toBe(9001);
});

test.for<[after: number, expected: number]>([
  [999, 1000],
  [1000, 1001],
  [1500, 1501],
])('at 1000 a time later than %i is %i', ([after, expected]) => {
  const { clock } = at(1000);
  expect(clock.tick(after)).toBe(expected);
  expect(clock.last).toBe(expected);
});

test('a peer up to 10 s ahead is adopted, and no further', () => {
  const { clock } = at(1000);
  expect(clock.observe(1000 + aheadMicrosMax)).toBe(true);
  expect(clock.last).toBe(1000 + aheadMicrosMax);
  expect(clock.observe(1001 + aheadMicrosMax)).toBe(false);
  expect(clock.last).toBe(1000 + aheadMicrosMax);
  expect(clock.observe(5)).toBe(true);
  expect(clock.last).toBe(1000 + aheadMicrosMax);
});

test('a write after a stored time far ahead still comes later, and the clock stays', () => {
  const { clock } = at(1000);
  const far = 1001 + aheadMicrosMax;
  expect(clock.tick(far)).toBe(far + 1);
  expect(clock.tick(0)).toBe(1000);
  expect(clock.tick(1000 + aheadMicrosMax)).toBe(far);
  expect(clock.tick(0)).toBe(far + 1);
});

test('gives out nothing that a record cannot hold', () => {
  const { clock } = at(1000);
  expect(clock.tick(Number.MAX_SAFE_INTEGER)).toBe(timeMicrosMax);
  expect(clock.tick(timeMicrosMax - 1)).toBe(timeMicrosMax);
  expect(clock.tick(timeMicrosMax)).toBe(timeMicrosMax);
  expect(clock.tick(0)).toBe(1000);
});

test('how far ahead a peer is believed can be set', () => {
  const clock = new HybridClock(() => 1000, 0, 50);
  expect([clock.observe(1051), clock.observe(1050), clock.last]).toEqual([false, true, 1050]);
});

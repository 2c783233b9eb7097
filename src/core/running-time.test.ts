import { expect, test } from 'vitest';
import { RunningTime } from './running-time.ts';

test('it counts what passes while it is asked, from where it was stored', () => {
  let now = 5_000;
  const running = new RunningTime(() => now, 70_000);
  expect(running.now()).toBe(70_000);
  now += 400;
  expect(running.now()).toBe(70_400);
  now += 1_000;
  expect(running.now()).toBe(71_400);
});

test('of a standstill a second counts, and a clock that goes back counts nothing', () => {
  let now = 0;
  const running = new RunningTime(() => now, 0);
  now += 3_600_000;
  expect(running.now()).toBe(1_000);
  now -= 10;
  expect(running.now()).toBe(1_000);
  now += 10;
  expect(running.now()).toBe(1_010);
});

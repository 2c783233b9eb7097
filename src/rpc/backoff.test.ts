import { expect, test } from 'vitest';
import { Backoff } from './backoff.ts';

test('the ceiling doubles up to the maximum, the delay is a fraction of it, and a success starts over', () => {
  const fractions = [1, 1, 0.5, 1, 1, 0];
  const random = { fraction: () => fractions.shift() ?? 1, id53: () => 1 };
  const backoff = new Backoff({ random }, { msMin: 100, msMax: 500 });
  expect([
    backoff.next(),
    backoff.next(),
    backoff.next(),
    backoff.next(),
    backoff.next(),
    backoff.next(),
  ]).toEqual([100, 200, 200, 500, 500, 0]);
  backoff.reset();
  expect(backoff.next()).toBe(100);
});

import { expect, test } from 'vitest';
import { ControlledDelay } from './controlled-delay.ts';

test('a burst may wait, a standing queue may not', () => {
  const delay = new ControlledDelay({ standingMsMax: 40, burstMs: 100 }, 0);
  expect(delay.isTooLate(0, 90)).toBe(false);
  // Not empty for more than 100 ms.
  expect(delay.isTooLate(100, 130)).toBe(false);
  expect(delay.isTooLate(100, 141)).toBe(true);
  delay.emptied(150);
  expect(delay.isTooLate(100, 160)).toBe(false);
});

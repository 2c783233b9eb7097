import { expect, test } from 'vitest';
import { shownPhi } from './node-view.ts';

test('the tail of phi is shown as nothing, and all else as it is', () => {
  expect([0, 1.3e-15, 9.9e-7].map(shownPhi)).toEqual([0, 0, 0]);
  expect([1e-6, 0.03, 8, 1_000].map(shownPhi)).toEqual([1e-6, 0.03, 8, 1_000]);
});

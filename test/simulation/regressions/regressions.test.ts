/** Every plan that once broke a promise, run again: the store keeps it now. */

import { expect, test } from 'vitest';
import { runSeed } from '../simulation.ts';
import { readRegressions } from '../tool/regressions.ts';

// Read here, so that a file that is none, or a name that is not its file's, fails even without a test of its own.
const regressions = await readRegressions(import.meta.dirname);

test('every regression says what was wrong, and where it was put right', () => {
  expect(new Set(regressions.map(({ name }) => name)).size).toBe(regressions.length);
  expect(regressions.filter(({ fixedIn }) => fixedIn === '').map(({ name }) => name)).toEqual([]);
});

for (const { name, plan } of regressions) {
  test(name, async () => {
    const { violations, crash } = await runSeed(plan);
    expect(crash).toBeUndefined();
    expect(violations).toEqual([]);
  });
}

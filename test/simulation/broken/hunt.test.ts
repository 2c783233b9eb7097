import { expect, test } from 'vitest';
import { allBrokenVersions } from './all-broken-versions.ts';
import foundBy from './found-by.json' with { type: 'json' };
import { hunt } from './hunt.ts';

const seeds = Object.entries<number>(foundBy);
const names = allBrokenVersions.map(({ name }) => name);

/** Versions that need more seeds than this are left to `npm run simulate:broken`. */
const quickMax = 30;
const quick = seeds.filter(([, seed]) => seed <= quickMax);

test('seeds are recorded for versions that exist, and most of them are seen soon', () => {
  expect(names).toEqual(expect.arrayContaining(seeds.map(([name]) => name)));
  expect(quick.length).toBeGreaterThan(names.length / 2);
});

/**
 * In the seed that is recorded. Where the store has changed since, the seed may be another run by now; then some other one
 * has to see it. Each starts a process, of which the machine can carry a few.
 */
test.concurrent.for(quick)(
  '%s is seen in seed %i',
  { timeout: 120_000 },
  async ([version, seed], context) => {
    const sighting =
      (await hunt({ version, from: seed, to: seed })) ?? (await hunt({ version, from: 1, to: 5 * quickMax }));
    context.expect(sighting?.checkers, 'what is broken must be seen').toBeDefined();
  },
);

test('a version that cannot be loaded is an error, not a sighting', async () => {
  await expect(hunt({ version: 'no-such-bug', from: 1, to: 1 })).rejects.toThrow(
    /no broken version is called/,
  );
});

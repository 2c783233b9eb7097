import { expect, test } from 'vitest';
import { allBrokenVersions } from './all-broken-versions.ts';
import foundBy from './found-by.json' with { type: 'json' };
import { hunt } from './hunt.ts';

const seeds = Object.entries<number>(foundBy);
const names = allBrokenVersions.map(({ name }) => name);

test('seeds are recorded for versions that exist', () => {
  expect(names).toEqual(expect.arrayContaining(seeds.map(([name]) => name)));
});

/** Each starts a process, of which the machine can carry two. */
test.concurrent.for(seeds)('%s is seen in seed %i', { timeout: 60_000 }, async ([version, seed], context) => {
  const sighting = await hunt({ version, from: seed, to: seed });
  context.expect(sighting?.checkers, 'what is broken must be seen').toBeDefined();
});

test('a version that cannot be loaded is an error, not a sighting', async () => {
  await expect(hunt({ version: 'no-such-bug', from: 1, to: 1 })).rejects.toThrow(
    /no broken version is called/,
  );
});

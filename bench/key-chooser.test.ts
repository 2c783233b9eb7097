import { expect, test } from 'vitest';
import { keyChooser, scattered, seededRandom, zipfian } from './key-chooser.ts';

const draws = 200_000;

function frequencies(next: () => number): Map<number, number> {
  const counts = new Map<number, number>();
  for (let draw = 0; draw < draws; draw++) {
    const key = next();
    counts.set(key, (counts.get(key) ?? 0) + 1 / draws);
  }
  return counts;
}

test('zipfian ranks have the probabilities that the law gives them', () => {
  const count = 1_000;
  const zeta = Array.from({ length: count }, (_, i) => 1 / (i + 1) ** 0.99).reduce((a, b) => a + b);
  const seen = frequencies(zipfian(count, seededRandom(1)));
  for (const rank of [0, 1]) {
    expect(seen.get(rank)).toBeCloseTo(1 / (rank + 1) ** 0.99 / zeta, 2);
  }
  // The generator is an approximation from the third rank on: sums are what counts.
  const firstTenth = [...seen]
    .filter(([rank]) => rank < count / 10)
    .reduce((sum, [, share]) => sum + share, 0);
  const expected = Array.from({ length: count / 10 }, (_, i) => 1 / (i + 1) ** 0.99 / zeta);
  expect(Math.abs(firstTenth - expected.reduce((a, b) => a + b))).toBeLessThan(0.02);
  expect(Math.max(...seen.keys())).toBeLessThan(count);
});

test('zipfian keys: the hot ones lie apart, and every key exists', () => {
  const seen = frequencies(keyChooser('zipfian', 1_000_003, seededRandom(2)).next);
  const hottest = [...seen].sort((a, b) => b[1] - a[1]).slice(0, 10);
  const keys = hottest.map(([key]) => key).sort((a, b) => a - b);
  for (const [index, key] of keys.entries()) {
    expect(key).toBeGreaterThanOrEqual(0);
    expect(key).toBeLessThan(1_000_003);
    expect(Number.isInteger(key)).toBe(true);
    if (index > 0) expect(key - (keys[index - 1] as number)).toBeGreaterThan(100);
  }
});

test.each([1, 2, 7, 1_000, 65_536, 100_003])('scattering %d ranks is a permutation', (count) => {
  const seen = new Set(Array.from({ length: count }, (_, rank) => scattered(rank, count)));
  expect(seen.size).toBe(count);
  expect(Math.max(...[...seen].slice(0, 1_000))).toBeLessThan(count);
});

test('latest: the newest key is the most frequent, also after keys were added', () => {
  const chooser = keyChooser('latest', 100, seededRandom(4));
  for (let added = 0; added < 50; added++) chooser.added();
  const seen = frequencies(chooser.next);
  const [hottest] = [...seen].sort((a, b) => b[1] - a[1])[0] ?? [];
  expect(hottest).toBe(149);
  expect(Math.min(...seen.keys())).toBeGreaterThanOrEqual(50);
});

test('uniform keys are uniform', () => {
  const seen = frequencies(keyChooser('uniform', 10, seededRandom(5)).next);
  for (let key = 0; key < 10; key++) expect(seen.get(key)).toBeCloseTo(0.1, 1);
});

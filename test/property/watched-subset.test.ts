/** Whom a node listens to: laws of the circle. */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { watchedSubset } from '../../src/core/membership/watched-subset.ts';

const members = fc.uniqueArray(fc.stringMatching(/^[a-z0-9]{1,8}$/), { minLength: 1, maxLength: 90 });
const watchedMax = fc.constantFrom(4, 8, 16, 32);

test('a small cluster listens to everybody, a large one to so many, both ways', () => {
  fc.assert(
    fc.property(members, watchedMax, (nodes, max) => {
      const watchedBy = new Map(nodes.map((node) => [node, new Set(watchedSubset(node, nodes, max))]));
      for (const node of nodes) {
        const watched = watchedBy.get(node) as Set<string>;
        expect(watched.has(node)).toBe(false);
        expect(watched.size).toBe(nodes.length <= 2 * max ? nodes.length - 1 : max);
        // Whoever is listened to listens, too.
        for (const other of watched) expect(watchedBy.get(other)?.has(node)).toBe(true);
      }
    }),
  );
});

test('neither the order of the members nor who asks makes a difference', () => {
  fc.assert(
    fc.property(members, fc.integer(), (nodes, seed) => {
      const shuffled = [...nodes].sort((a, b) => ((a.length * 31 + seed) % 7) - ((b.length * 31 + seed) % 7));
      for (const node of nodes.slice(0, 5)) {
        expect(watchedSubset(node, shuffled, 8)).toEqual(watchedSubset(node, nodes, 8));
      }
    }),
  );
});

test('two that listen to each other have helpers in common, and one more member changes little', () => {
  const nodes = Array.from({ length: 1_000 }, (_, i) => `node-${i}`);
  const before = new Map(nodes.map((node) => [node, new Set(watchedSubset(node, nodes, 32))]));
  for (const [node, watched] of before) {
    for (const other of watched) {
      const common = [...watched].filter((helper) => before.get(other)?.has(helper));
      expect(common.length, `${node} and ${other}`).toBeGreaterThanOrEqual(15);
    }
  }
  const grown = [...nodes, 'one-more'];
  const changed = nodes.filter((node) =>
    watchedSubset(node, grown, 32).some((other) => !before.get(node)?.has(other)),
  );
  expect(changed.length).toBe(32);
});

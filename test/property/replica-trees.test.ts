/**
 * Trees that are kept beside random writes, removals, walks, deaths of the process and losses of power are at rest those of a full
 * look at the disk, and a stored copy is never stale, whatever a crash leaves.
 */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { partitionId } from '../../src/core/identity.ts';
import { LossyEngine } from '../support/lossy-engine.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { isHomeOf, partitions, placeOf, TreeNode } from '../support/tree-node.ts';

type Step =
  | { readonly kind: 'put'; readonly key: number; readonly sync: boolean; readonly wait: boolean }
  | { readonly kind: 'remove'; readonly key: number }
  | { readonly kind: 'ticks'; readonly count: number }
  | { readonly kind: 'look' }
  | { readonly kind: 'read-again'; readonly partition: number }
  | { readonly kind: 'crash'; readonly by: 'kill' | 'power' }
  | { readonly kind: 'restart' };

const key = fc.nat({ max: 40 });
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({ kind: fc.constant('put'), key, sync: fc.boolean(), wait: fc.boolean() }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('remove'), key }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('ticks'), count: fc.integer({ min: 1, max: 12 }) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('look') }) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('read-again'), partition: fc.nat({ max: partitions - 1 }) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('crash'), by: fc.constantFrom('kill', 'power') }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('restart') }) },
);

async function ticks(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
}

/** What is stored of the trees, held against the records beside it. */
async function expectStoredIsTrue(engine: LossyEngine): Promise<number> {
  const node = new TreeNode(engine);
  await node.trees.open();
  const { unbuilt, stored, partitions: owned } = node.trees.progress;
  const truth = await node.leavesOnDisk();
  // Those that are not stored are read, the others are what was stored.
  node.trees.start();
  await node.rest();
  expect(node.leaves()).toEqual(truth);
  expect(node.repaired).toEqual([]);
  expect(unbuilt === 0 || stored + unbuilt === owned).toBe(true);
  return stored;
}

test('trees are those of a full look at the disk', async () => {
  let storedAfterCrashes = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 150 }), fc.nat(), async (steps, seed) => {
      const random = new SeededRandom(seed);
      let engine = new LossyEngine();
      let node = await TreeNode.open(engine);
      let writes: Promise<void>[] = [];
      const settle = async (): Promise<void> => {
        await Promise.all(writes);
        writes = [];
        await node.rest();
        expect(node.leaves()).toEqual(await node.leavesOnDisk());
        expect(node.errors).toEqual([]);
        // A walk in the midst of writes comes to what was kept beside them.
        expect(node.repaired).toEqual([]);
      };
      for (const now of steps) {
        switch (now.kind) {
          case 'put': {
            const place = placeOf(now.key);
            if (!isHomeOf(place)) break;
            const written = node.put(place, `value of ${now.key}`, now);
            if (now.wait) await written;
            else writes.push(written);
            break;
          }
          case 'remove': {
            const removed = node.pending.remove(placeOf(now.key), () => true);
            if (removed.kind === 'removed') writes.push(removed.stored);
            break;
          }
          case 'ticks':
            await ticks(now.count);
            break;
          case 'look':
            node.fire('store');
            break;
          case 'read-again':
            void node.trees.rebuild(partitionId(now.partition)).catch(() => undefined);
            break;
          case 'crash': {
            engine = await engine.crash(now.by, () => random.percent(50));
            writes = [];
            storedAfterCrashes += await expectStoredIsTrue(await engine.crash('kill', () => true));
            engine = await engine.crash('kill', () => true);
            node = await TreeNode.open(engine);
            break;
          }
          case 'restart': {
            await settle();
            await node.trees.stop();
            await node.commit.flush();
            engine = await engine.crash('power', () => false);
            node = new TreeNode(engine);
            await node.trees.open();
            expect(node.trees.progress.unbuilt).toBe(0);
            expect(node.leaves()).toEqual(await node.leavesOnDisk());
            node.trees.start();
            break;
          }
        }
      }
      await settle();
    }),
    { numRuns: 600 },
  );
  // Else nothing was put to the proof.
  expect(storedAfterCrashes).toBeGreaterThan(100);
});

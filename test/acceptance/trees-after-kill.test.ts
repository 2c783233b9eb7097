/** What a killed process leaves of its trees on a real disk is never stale. Of losses of power tells test/property/replica-trees.test.ts. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openLsmEngine } from '../../src/storage/lsm.ts';
import { TreeNode } from '../support/tree-node.ts';

const script = join(import.meta.dirname, '../support/tree-writer-process.ts');
const kills = 6;

test('after a kill the stored trees are true, and the others are made again', async () => {
  const path = await mkdtemp(join(tmpdir(), 'kindred-trees-'));
  let stored = 0;
  let unbuilt = 0;
  try {
    for (let seed = 1; seed <= kills; seed++) {
      const child = spawn(process.execPath, [script, path, String(seed)], { stdio: 'inherit' });
      const [, signal] = (await once(child, 'exit')) as [number | null, string | null];
      expect(signal).toBe('SIGKILL');
      const engine = await openLsmEngine({ path });
      try {
        const node = await TreeNode.open(engine);
        stored += node.trees.progress.stored;
        unbuilt += node.trees.progress.unbuilt;
        await node.rest();
        expect(node.leaves()).toEqual(await node.leavesOnDisk());
        // Also against a walk over those that were not read because they were stored.
        for (let turn = 0; turn < node.trees.progress.partitions; turn++) {
          node.fire('rebuild');
          await node.rest();
        }
        expect(node.repaired).toEqual([]);
        expect(node.errors).toEqual([]);
      } finally {
        await engine.close();
      }
    }
  } finally {
    await rm(path, { recursive: true, force: true });
  }
  // Else nothing was put to the proof.
  expect(stored).toBeGreaterThan(0);
  expect(unbuilt).toBeGreaterThan(0);
}, 60_000);

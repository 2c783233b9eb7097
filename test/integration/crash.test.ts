/** Real processes, real disks, kill -9: nothing acknowledged is lost, and errors stay truthful. */

import { expect, test } from 'vitest';
import { ConsistencyLevel, Durability } from '../../src/gen/kindred/v1/types.ts';
import { CrashWorkload } from '../support/crash-workload.ts';
import { RealCluster, type RealNode, until } from '../support/real-cluster.ts';

const workload = { writers: 24, keysPerWriter: 4 };
const quorum = ConsistencyLevel.CONSISTENCY_LEVEL_QUORUM;
const all = ConsistencyLevel.CONSISTENCY_LEVEL_ALL;

for (const engine of ['lsm', 'btree'] as const) {
  test(`${engine}: kill -9 of any one node under load at QUORUM loses no acknowledged write`, async () => {
    await using cluster = await RealCluster.start({ engine });
    const writers = new CrashWorkload(cluster.nodes, workload);
    writers.start();
    for (const victim of cluster.nodes) {
      await acknowledgedMore(writers, 200);
      await victim.kill('SIGKILL');
      // Two of three go on.
      await acknowledgedMore(writers, 200);
      victim.start();
      await cluster.ready();
    }
    await writers.stop();
    for (const node of cluster.nodes) {
      expect(await writers.check(node, quorum)).toEqual([]);
      expect(await writers.check(node, all)).toEqual([]);
    }
  });

  test(`${engine}: kill -9 of all three at once under load: every acknowledged write is there after the restart`, async () => {
    await using cluster = await RealCluster.start({ engine });
    const writers = new CrashWorkload(cluster.nodes, workload);
    for (let round = 0; round < 3; round++) {
      writers.start();
      await acknowledgedMore(writers, 300);
      await Promise.all(cluster.nodes.map((node) => node.kill('SIGKILL')));
      await writers.stop();
      for (const node of cluster.nodes) node.start();
      await cluster.ready();
      const [first] = cluster.nodes as readonly [RealNode];
      expect(await writers.check(first, quorum)).toEqual([]);
    }
  });
}

test('buffered writes survive kill -9 of the process, though not of the machine', async () => {
  await using cluster = await RealCluster.start();
  const writers = new CrashWorkload(cluster.nodes, {
    ...workload,
    durability: Durability.DURABILITY_BUFFERED,
  });
  writers.start();
  await acknowledgedMore(writers, 500);
  await Promise.all(cluster.nodes.map((node) => node.kill('SIGKILL')));
  await writers.stop();
  for (const node of cluster.nodes) node.start();
  await cluster.ready();
  expect(await writers.check(cluster.nodes[1] as RealNode, quorum)).toEqual([]);
});

test('SIGTERM drains: what is in flight is answered, new calls hear why, and the process exits with 0', async () => {
  await using cluster = await RealCluster.start();
  const [first] = cluster.nodes as readonly [RealNode];
  const writers = new CrashWorkload(cluster.nodes, workload);
  writers.start();
  await acknowledgedMore(writers, 200);
  expect(await first.kill('SIGTERM')).toBe(0);
  await acknowledgedMore(writers, 200);
  await writers.stop();
  expect(await writers.check(cluster.nodes[2] as RealNode, quorum)).toEqual([]);
});

async function acknowledgedMore(writers: CrashWorkload, count: number): Promise<void> {
  const goal = writers.counts.acknowledged + count;
  await until(async () => writers.counts.acknowledged >= goal, 60_000);
}

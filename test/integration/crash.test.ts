/** Real processes, real disks: killed, stopped, wiped, their files damaged. `npm run crash` is the large form of the first two. */

import { rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { ConsistencyLevel, Durability } from '../../src/gen/kindred/v1/types.ts';
import { runFlipRounds } from '../crash/flip-rounds.ts';
import { acknowledgedMore, runKillRounds } from '../crash/kill-rounds.ts';
import { CrashWorkload } from '../support/crash-workload.ts';
import { RealCluster, type RealNode } from '../support/real-cluster.ts';

const seed = Number(process.env['KINDRED_SEED'] ?? 1);
const workload = { writers: 24, keysPerWriter: 4 };
const quorum = ConsistencyLevel.CONSISTENCY_LEVEL_QUORUM;
const all = ConsistencyLevel.CONSISTENCY_LEVEL_ALL;

for (const engine of ['lsm', 'btree'] as const) {
  test(`${engine}: kill -9 of one node under load, then of all: no acknowledged write is lost`, async () => {
    const { wrong, acknowledged } = await runKillRounds({ engine, rounds: 1, seed, acknowledged: 150 });
    expect(wrong).toEqual([]);
    expect(acknowledged).toBeGreaterThan(50);
  });

  test(`${engine}: flipped bits in the files of a node: nothing damaged is served, its peers repair it`, async () => {
    const result = await runFlipRounds({ engine, flips: 8, seed, batchMax: 6 });
    expect(result.wrong).toEqual([]);
    expect(result.flips).toBeGreaterThanOrEqual(8);
    // It would prove nothing if the flips had missed everything that matters.
    expect(result.sound, JSON.stringify(result)).toBeLessThan(result.starts);
  });
}

test('buffered writes survive kill -9 of the process, though not of the machine', async () => {
  await using cluster = await RealCluster.start();
  const writers = new CrashWorkload(cluster.nodes, {
    ...workload,
    durability: Durability.DURABILITY_BUFFERED,
  });
  writers.start();
  await acknowledgedMore(writers, 300);
  await Promise.all(cluster.nodes.map((node) => node.kill('SIGKILL')));
  await writers.stop();
  for (const node of cluster.nodes) node.start();
  await cluster.ready();
  expect(await writers.check(cluster.nodes[1] as RealNode, quorum)).toEqual([]);
});

test('SIGTERM drains; SIGSTOP for 5 s; a wiped disk: all under load, and nothing acknowledged is lost', async () => {
  await using cluster = await RealCluster.start();
  const [first, second, third] = cluster.nodes as readonly [RealNode, RealNode, RealNode];
  const writers = new CrashWorkload(cluster.nodes, workload);
  writers.start();
  await acknowledgedMore(writers, 200);

  // What is in flight is answered, new calls hear why, and the process exits with 0.
  expect(await first.kill('SIGTERM')).toBe(0);
  await acknowledgedMore(writers, 100);
  first.start();
  await cluster.ready();

  // Its sockets stay open and take what is sent: only time tells. The others go on meanwhile.
  second.signal('SIGSTOP');
  const stoppedMs = performance.now();
  await acknowledgedMore(writers, 100);
  expect(performance.now() - stoppedMs).toBeLessThan(20_000);
  await sleep(Math.max(0, 5_000 - (performance.now() - stoppedMs)));
  second.signal('SIGCONT');
  await cluster.ready();

  // An empty directory is a new replica: what it held is on the two others, and reads bring it back.
  const before = replicaIdOf(third);
  expect(await third.kill('SIGKILL')).toBe('SIGKILL');
  rmSync(third.data, { recursive: true });
  await acknowledgedMore(writers, 100);
  third.start();
  await cluster.ready();
  await acknowledgedMore(writers, 100);
  expect(replicaIdOf(third)).not.toBe(before);

  await writers.stop();
  for (const node of cluster.nodes) {
    expect(await writers.check(node, quorum)).toEqual([]);
    expect(await writers.check(node, all)).toEqual([]);
  }
});

/** As it says at its start. */
function replicaIdOf(node: RealNode): string {
  const id = /"replica":"([0-9a-f]+)"/.exec(node.log)?.[1];
  if (id === undefined) throw new Error(`${node.id} did not say its replica id:\n${node.log}`);
  return id;
}

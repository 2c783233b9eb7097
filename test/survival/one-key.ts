/** A million keys, and one that differs on one replica: it is found and repaired, and hardly anything is exchanged for that. */

import { ConsistencyLevel } from '../../src/gen/kindred/v1/types.ts';
import type { RealNode } from '../support/real-cluster.ts';
import { bulkWrite } from './bulk-writer.ts';
import { atMost, type Campaign, shown } from './campaign.ts';
import { differingKeys, untilLevel } from './replica-comparison.ts';
import { SurvivalCluster, waitFor } from './survival-cluster.ts';

const exchangedBytesMax = 64 * 1024;
const awaitedMs = 600_000;
const valueBytes = 20;

export const oneKey: Campaign = {
  name: 'one-key',
  describes: '1,000,000 keys of which one differs on one replica: found and repaired with less than 64 KiB',
  defaults: { seconds: 0, keys: 1_000_000, rounds: 1 },
  async run({ nodes, engine, keys: count, say }) {
    const settings = ['hints.bytes_max=0', 'reads.repair_chance=0', 'anti_entropy.interval_ms=5000'];
    await using cluster = await SurvivalCluster.start({ nodes, engine, settings });
    const startedMs = performance.now();
    let told = 0;
    await bulkWrite({
      through: cluster.nodes,
      keys: numbered(count),
      makeValue: (key) => Buffer.alloc(valueBytes, key),
      level: ConsistencyLevel.CONSISTENCY_LEVEL_ALL,
      buffered: true,
      onProgress(written) {
        if (written < told + count / 10) return;
        told = written;
        say(`${written} of ${count} written after ${Math.round((performance.now() - startedMs) / 1000)} s`);
      },
    });
    const loadSeconds = (performance.now() - startedMs) / 1000;
    const odd = Buffer.from(`million/${Math.floor(count / 2)}`);
    const homes = await cluster.homesOf(odd);
    const number = cluster.nodes.findIndex(({ id }) => id === homes[2]);
    const victim = cluster.node(number);
    const present = homes.slice(0, 2).map((id) => cluster.nodes.find((node) => node.id === id) as RealNode);
    say(`${victim.id} misses a write of ${odd.toString('utf8')}, whose homes are ${homes.join(', ')}`);
    await victim.kill('SIGTERM');
    await bulkWrite({
      through: present,
      keys: [odd],
      makeValue: () => Buffer.from('odd'),
      level: ConsistencyLevel.CONSISTENCY_LEVEL_QUORUM,
    });
    // Its own counts begin anew when it starts.
    const before = await Promise.all(present.map((node) => exchangedBy(cluster, node, victim)));
    cluster.chaos.start(number);
    const backMs = performance.now();
    await victim.ready();
    const differed = await differingKeys(cluster.nodes, [odd]);
    await untilLevel(cluster.nodes, [odd], awaitedMs);
    const levelMs = performance.now() - backMs;
    // Bytes are counted when a comparison has ended.
    await waitFor(
      'the comparison that repaired it has ended',
      awaitedMs,
      async () => (await repairs(cluster)) > 0,
    );
    const perPair = await Promise.all(
      present.map(async (node, index) => {
        const [here, there] = [
          await exchangedBy(cluster, node, victim),
          await exchangedBy(cluster, victim, node),
        ];
        return here - (before[index] as number) + there;
      }),
    );
    return [
      shown('keys', count),
      shown('loading them', loadSeconds, 's', 1),
      shown(
        'the key differed when the node was back',
        differed === 1 ? 'yes' : 'no, it had been repaired by then',
      ),
      shown('found and repaired, after the start of the node', levelMs / 1000, 's', 1),
      shown('keys repaired by comparisons', await repairs(cluster)),
      ...perPair.map((bytes, index) =>
        atMost(
          `exchanged between ${(present[index] as RealNode).id} and ${victim.id} until then`,
          bytes,
          exchangedBytesMax,
          'bytes',
          0,
        ),
      ),
    ];
  },
};

/** Bytes of the comparisons with `peer` that `node` began, in both directions. */
async function exchangedBy(cluster: SurvivalCluster, node: RealNode, peer: RealNode): Promise<number> {
  return (await cluster.metricsOf(node)).sum('kindred_comparison_bytes_total', { peer: peer.id });
}

async function repairs(cluster: SurvivalCluster): Promise<number> {
  return await cluster.sum('kindred_comparison_repaired_keys_total');
}

function* numbered(count: number): Generator<Buffer> {
  for (let index = 0; index < count; index++) yield Buffer.from(`million/${index}`);
}

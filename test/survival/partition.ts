/**
 * Two halves that do not reach each other both take writes of the same keys; after the partition all replicas become equal, and
 * then there is nothing left to repair.
 */

import { NodeState } from '../../src/gen/kindred/v1/topology.ts';
import { ConsistencyLevel } from '../../src/gen/kindred/v1/types.ts';
import { linksBetween } from '../chaos/network.ts';
import { pause } from '../chaos/program.ts';
import { bulkWrite } from './bulk-writer.ts';
import { atLeast, atMost, type Campaign, shown } from './campaign.ts';
import { RepairClock } from './repair-clock.ts';
import { untilLevel } from './replica-comparison.ts';
import { SurvivalCluster, waitFor } from './survival-cluster.ts';

const levelWithinMs = 60_000;
const awaitedMs = 300_000;
const comparisonIntervalMs = 5_000;
const quietRounds = 5;
const locateAtOnce = 32;

export const partition: Campaign = {
  name: 'partition',
  describes:
    '60 s of partition, 10,000 keys written on both sides, hints switched off: equal within 60 s, and then at rest',
  defaults: { seconds: 60, keys: 10_000, rounds: 1 },
  async run({ nodes, engine, seconds, keys: count, say }) {
    const settings = [
      'hints.bytes_max=0',
      'reads.repair_chance=0',
      `anti_entropy.interval_ms=${comparisonIntervalMs}`,
    ];
    await using cluster = await SurvivalCluster.start({ nodes, engine, cuttable: true, settings });
    const few = [0, 1];
    const many = cluster.nodes.map((_, number) => number).slice(2);
    const keys = await splitKeys(cluster, few, count);
    const startedMs = performance.now();
    await cluster.chaos.network.cut([...linksBetween(few, many), ...linksBetween(many, few)]);
    say(`n1 n2 | ${many.map((number) => `n${number + 1}`).join(' ')}`);
    await sidesKnow(cluster, few, many);
    await Promise.all(
      [few, many].map((side) =>
        bulkWrite({
          through: side.map((number) => cluster.node(number)),
          keys,
          makeValue: (key) => Buffer.from(`${key.toString('utf8')} as n${(side[0] as number) + 1} has it`),
          level: ConsistencyLevel.CONSISTENCY_LEVEL_ONE,
          batch: 50,
        }),
      ),
    );
    const writtenMs = performance.now() - startedMs;
    say(`${count} keys were written on both sides in ${Math.round(writtenMs / 1000)} s`);
    await pause(Math.max(0, seconds * 1000 - writtenMs));
    const partitionMs = performance.now() - startedMs;
    const repairedBefore = await cluster.sum('kindred_comparison_repaired_keys_total');
    const clock = new RepairClock(cluster, performance.now());
    clock.start();
    await cluster.chaos.network.heal();
    await allCompared(cluster);
    say('healed, and every pair has been found or made equal; now every key is looked at');
    await untilLevel(cluster.nodes, keys, awaitedMs);
    const levelMs = await clock.stop();
    const repaired = (await cluster.sum('kindred_comparison_repaired_keys_total')) - repairedBefore;
    say(`all replicas were equal after ${(levelMs / 1000).toFixed(1)} s; now five rounds of comparisons`);
    const quiet = await roundsOfComparisons(cluster);
    return [
      shown('partition', partitionMs / 1000, 's', 1),
      shown('keys written on both sides', count),
      atLeast('keys repaired by comparisons', repaired, count, ''),
      atMost(
        'all replicas of all keys equal: last repair, after the heal',
        levelMs / 1000,
        levelWithinMs / 1000,
        's',
      ),
      shown('comparisons in the five rounds after', quiet.comparisons),
      atMost('keys repaired in the five rounds after', quiet.repaired, 0, '', 0),
    ];
  },
};

/** Keys with homes on both sides. */
async function splitKeys(
  cluster: SurvivalCluster,
  few: readonly number[],
  count: number,
): Promise<readonly Buffer[]> {
  const side = new Set(few.map((number) => cluster.node(number).id));
  const keys: Buffer[] = [];
  for (let from = 0; keys.length < count; from += locateAtOnce) {
    const some = Array.from({ length: locateAtOnce }, (_, index) => Buffer.from(`partition/${from + index}`));
    const homes = await Promise.all(some.map((key) => cluster.homesOf(key)));
    for (const [index, key] of some.entries()) {
      const there = (homes[index] as readonly string[]).filter((id) => side.has(id)).length;
      if (there > 0 && there < (homes[index] as readonly string[]).length) keys.push(key);
    }
  }
  return keys.slice(0, count);
}

/** Waits until each side knows that the other is not there: before, writes wait for answers that do not come. */
async function sidesKnow(
  cluster: SurvivalCluster,
  few: readonly number[],
  many: readonly number[],
): Promise<void> {
  const expect = (observers: readonly number[], lost: readonly number[]): Promise<unknown> =>
    Promise.all(
      observers.map((number) => {
        const observer = cluster.node(number);
        return waitFor(`${observer.id} has noticed the partition`, awaitedMs, async () => {
          const states = await cluster.statesSeenBy(observer);
          // Not merely suspect: what is sent to such a node waits in the cut links, and arrives when they heal.
          return lost.every((other) => states.get(cluster.node(other).id) === NodeState.NODE_STATE_FAILED);
        });
      }),
    );
  await Promise.all([expect(few, many), expect(many, few)]);
}

/** Waits until each node has ended one more comparison with each of the others after which both were equal. */
async function allCompared(cluster: SurvivalCluster): Promise<void> {
  const before = await equalComparisons(cluster);
  await waitFor('a comparison of every pair', awaitedMs, async () => {
    await pause(250);
    return (await equalComparisons(cluster)).every((ended, index) => ended > (before[index] as number));
  });
}

/** How many comparisons of each node with each of the others ended with both equal. */
async function equalComparisons(cluster: SurvivalCluster): Promise<readonly number[]> {
  const counts = await Promise.all(
    cluster.nodes.map(async (node) => {
      const samples = await cluster.metricsOf(node);
      return cluster
        .others(node)
        .map((peer) => samples.sum('kindred_comparisons_total', { peer: peer.id, outcome: 'equal' }));
    }),
  );
  return counts.flat();
}

/** Waits until every node has ended five comparisons with each of the others, and tells what they found. */
async function roundsOfComparisons(
  cluster: SurvivalCluster,
): Promise<{ readonly comparisons: number; readonly repaired: number }> {
  const repairs = (): Promise<number> => cluster.sum('kindred_comparison_repaired_keys_total');
  const before = await equalComparisons(cluster);
  const repairsBefore = await repairs();
  let now = before;
  await waitFor('five more comparisons of every pair', awaitedMs, async () => {
    now = await equalComparisons(cluster);
    await pause(500);
    return now.every((ended, index) => ended - (before[index] as number) >= quietRounds);
  });
  const comparisons = now.reduce((sum, ended, index) => sum + ended - (before[index] as number), 0);
  return { comparisons, repaired: (await repairs()) - repairsBefore };
}

/** A node is away while others take writes, and comes back: hints bring it level, and without hints anti-entropy does. */

import { ConsistencyLevel } from '../../src/gen/kindred/v1/types.ts';
import { bulkWrite } from './bulk-writer.ts';
import { atLeast, atMost, type Campaign, type CampaignOptions, type Figure, shown } from './campaign.ts';
import { RepairClock } from './repair-clock.ts';
import { untilLevel } from './replica-comparison.ts';
import { SurvivalCluster, waitFor } from './survival-cluster.ts';

const levelWithinMs = 60_000;
const awaitedMs = 400_000;
const valueBytes = 100;

const withoutComparisons = ['anti_entropy.enabled=false', 'reads.repair_chance=0'];
const withoutHints = ['hints.bytes_max=0', 'reads.repair_chance=0'];

export const hints: Campaign = {
  name: 'hints',
  describes: 'a node is down for 60 s of writes: hints alone bring it level',
  defaults: { seconds: 60, keys: 12_000, rounds: 1 },
  run: (options) => absence(options, withoutComparisons, 'hints'),
};

export const antiEntropy: Campaign = {
  name: 'anti-entropy',
  describes: 'a node is down for 60 s of writes with hints switched off: anti-entropy brings it level',
  defaults: { seconds: 60, keys: 12_000, rounds: 1 },
  run: (options) => absence(options, withoutHints, 'anti-entropy'),
};

async function absence(
  { nodes, engine, seconds, keys: count, say }: CampaignOptions,
  settings: readonly string[],
  by: 'hints' | 'anti-entropy',
): Promise<readonly Figure[]> {
  await using cluster = await SurvivalCluster.start({ nodes, engine, settings });
  const number = nodes - 1;
  const victim = cluster.node(number);
  const others = cluster.others(victim);
  await victim.kill('SIGKILL');
  say(`${victim.id} is killed; ${count} keys are written in ${seconds} s`);
  const keys = Array.from({ length: count }, (_, index) => Buffer.from(`absence/${index}`));
  const startedMs = performance.now();
  await bulkWrite({
    through: others,
    keys,
    makeValue: (key) => Buffer.alloc(valueBytes, key),
    level: ConsistencyLevel.CONSISTENCY_LEVEL_QUORUM,
    perSecond: count / seconds,
    batch: 20,
    onProgress: progress(say, count),
  });
  const writingSeconds = (performance.now() - startedMs) / 1000;
  const pending = await cluster.sum('kindred_hints_pending');
  const backMs = performance.now();
  const clock = new RepairClock(cluster, backMs);
  clock.start();
  cluster.chaos.start(number);
  await victim.ready();
  say(`${victim.id} is back: ${pending} hints wait`);
  if (by === 'hints') {
    await waitFor(
      'no hints are left',
      awaitedMs,
      async () => (await cluster.sum('kindred_hints_pending')) === 0,
    );
    say('no hints are left; now every key is looked at');
  }
  await untilLevel(cluster.nodes, keys, awaitedMs);
  const levelMs = await clock.stop();
  const replayed = await cluster.sum('kindred_hints_replayed_total');
  const repaired = await cluster.sum('kindred_comparison_repaired_keys_total');
  const byHints = by === 'hints';
  return [
    shown('keys written while the node was away', count),
    shown('time of the writes', writingSeconds, 's', 1),
    byHints ? atLeast('hints kept', pending, count / nodes, '') : atMost('hints kept', pending, 0, '', 0),
    shown('hints handed over', replayed),
    byHints
      ? atMost('keys repaired by comparisons', repaired, 0, '', 0)
      : atLeast('keys repaired by comparisons', repaired, count / nodes, ''),
    atMost(
      'all replicas of all keys equal: last repair, after the start of the node',
      levelMs / 1000,
      levelWithinMs / 1000,
      's',
    ),
  ];
}

function progress(say: (line: string) => void, count: number): (written: number) => void {
  let told = 0;
  return (written) => {
    if (written < told + count / 4) return;
    told = written;
    say(`${written} of ${count} written`);
  };
}

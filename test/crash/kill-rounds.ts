/**
 * Rounds of kill -9 under load, on real processes and real disks: one node while the others go on, then all at once. After
 * every round each acknowledged write is looked for, and nothing that was reported as not applied may be found.
 */

import { ConsistencyLevel } from '../../src/gen/kindred/v1/types.ts';
import { CrashWorkload } from '../support/crash-workload.ts';
import { RealCluster, type RealNode, until } from '../support/real-cluster.ts';
import { SeededRandom } from '../support/seeded-random.ts';

export interface KillRoundsOptions {
  readonly engine: 'lsm' | 'btree';
  readonly rounds: number;
  readonly seed: number;
  /** Acknowledgements to wait for before each kill, about. */
  readonly acknowledged: number;
  readonly onRound?: (line: string) => void;
}

export interface KillRoundsResult {
  readonly acknowledged: number;
  readonly unknown: number;
  readonly notApplied: number;
  readonly seconds: number;
  /** What contradicts the contract, a sentence each. */
  readonly wrong: readonly string[];
}

/** Ends at the first round in which something is wrong. */
export async function runKillRounds(options: KillRoundsOptions): Promise<KillRoundsResult> {
  const { engine, rounds, seed, acknowledged, onRound } = options;
  const random = new SeededRandom(seed);
  const startedMs = performance.now();
  await using cluster = await RealCluster.start({ engine });
  const { nodes } = cluster;
  const load = new CrashWorkload(nodes, { writers: 24, keysPerWriter: 4 });
  const wrong: string[] = [];
  for (let round = 1; round <= rounds && wrong.length === 0; round++) {
    load.start();
    await acknowledgedMore(load, random.between(1, acknowledged));
    const victim = random.pick(nodes);
    await victim.kill('SIGKILL');
    // Two of three go on.
    await acknowledgedMore(load, random.between(1, acknowledged));
    victim.start();
    await cluster.ready();
    await acknowledgedMore(load, random.between(1, acknowledged));

    await Promise.all(nodes.map((node) => node.kill('SIGKILL')));
    await load.stop();
    for (const node of nodes) node.start();
    await cluster.ready();
    wrong.push(...(await load.check(random.pick(nodes), ConsistencyLevel.CONSISTENCY_LEVEL_QUORUM)));
    if (round === rounds) wrong.push(...(await checkAtAll(load, nodes)));
    const seconds = Math.round((performance.now() - startedMs) / 1000);
    onRound?.(
      `${engine}: round ${round} of ${rounds}, ${load.counts.acknowledged} acknowledged, ${seconds} s` +
        (wrong.length === 0 ? '' : `: ${wrong.length} WRONG`),
    );
  }
  return { ...load.counts, seconds: (performance.now() - startedMs) / 1000, wrong };
}

async function checkAtAll(load: CrashWorkload, nodes: readonly RealNode[]): Promise<readonly string[]> {
  const wrong = nodes.map((node) => load.check(node, ConsistencyLevel.CONSISTENCY_LEVEL_ALL));
  return (await Promise.all(wrong)).flat();
}

/** Waits until so many more writes were acknowledged. */
export async function acknowledgedMore(load: CrashWorkload, count: number): Promise<void> {
  const goal = load.counts.acknowledged + count;
  await until(async () => load.counts.acknowledged >= goal, 60_000);
}

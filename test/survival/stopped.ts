/** Nodes stand still for some seconds and go on as if nothing had been: nothing that was acknowledged may be lost. */

import { CHAOS_CLUSTER_ID } from '../chaos/chaos-cluster.ts';
import { ChaosLoad } from '../chaos/chaos-load.ts';
import { pause } from '../chaos/program.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { atLeast, atMost, type Campaign, shown } from './campaign.ts';
import { SurvivalCluster } from './survival-cluster.ts';

const betweenMs = 3_000;
const sentencesMax = 10;

export const stopped: Campaign = {
  name: 'stopped',
  describes: 'SIGSTOP of 5 s of one node after the other under load; then every history is judged',
  defaults: { seconds: 5, keys: 0, rounds: 5 },
  async run({ nodes, engine, seconds, rounds, seed, say }) {
    await using cluster = await SurvivalCluster.start({ nodes, engine });
    const load = new ChaosLoad(cluster.nodes, {
      clusterId: CHAOS_CLUSTER_ID,
      random: new SeededRandom(seed),
    });
    try {
      await load.startRound(1);
      for (let round = 0; round < rounds; round++) {
        await pause(betweenMs);
        const victim = cluster.node(round % nodes);
        say(`SIGSTOP of ${victim.id} for ${seconds} s`);
        victim.signal('SIGSTOP');
        await pause(seconds * 1000);
        victim.signal('SIGCONT');
      }
      await pause(betweenMs);
    } finally {
      for (const node of cluster.nodes) node.signal('SIGCONT');
      await load.stop();
    }
    await cluster.allUp(60_000);
    say('final reads at ALL through every node');
    const { lost, untrue, other } = await load.judge();
    for (const sentence of [...lost, ...untrue, ...other].slice(0, sentencesMax)) say(`WRONG: ${sentence}`);
    const { acknowledged, unknown, notApplied, readsDone } = load.counts;
    return [
      shown('pauses', rounds),
      atLeast('writes acknowledged', acknowledged, 100, ''),
      shown('writes with unknown outcome', unknown),
      shown('writes refused', notApplied),
      shown('reads', readsDone),
      atMost('acknowledged writes lost', lost.length, 0, '', 0),
      atMost('untrue answers', untrue.length, 0, '', 0),
      atMost('other violations', other.length, 0, '', 0),
    ];
  },
};

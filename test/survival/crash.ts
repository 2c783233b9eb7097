/** A node dies, or falls silent: how soon does every other node know, and how long can its keys not be written? */

import { pause } from '../chaos/program.ts';
import { AvailabilityProbe } from '../support/availability-probe.ts';
import { atMost, type Campaign, type CampaignOptions, type Figure, shown } from './campaign.ts';
import { StateWatch } from './state-watch.ts';
import { SurvivalCluster, waitFor } from './survival-cluster.ts';

const failedWithinMs = 10_000;
const routedAroundWithinMs = 2_000;
/** Longer than promised: to tell by how much a promise was broken. */
const awaitedMs = 30_000;
const calmMs = 1_000;

export const crash: Campaign = {
  name: 'crash',
  describes: 'kill -9 of one node after the other, and SIGSTOP of each until all have noticed',
  defaults: { seconds: 0, keys: 4, rounds: 5 },
  async run(options) {
    await using cluster = await SurvivalCluster.start(options);
    const watch = new StateWatch(cluster);
    const probe = new AvailabilityProbe(cluster.nodes, { keysPerNode: options.keys });
    watch.start();
    await probe.start();
    try {
      const killed = await rounds(cluster, watch, probe, options, 'SIGKILL');
      const stopped = await rounds(cluster, watch, probe, options, 'SIGSTOP');
      return [...figuresOf('kill -9', killed, true), ...figuresOf('SIGSTOP', stopped, false)];
    } finally {
      for (const node of cluster.nodes) node.signal('SIGCONT');
      await probe.stop();
      await watch.stop();
    }
  },
};

interface Seen {
  /** Until the last of the others saw it FAILED. */
  readonly failedMs: readonly number[];
  /** The longest that a key of the node could not be written. */
  readonly unavailableMs: readonly number[];
}

async function rounds(
  cluster: SurvivalCluster,
  watch: StateWatch,
  probe: AvailabilityProbe,
  { rounds: count, say }: CampaignOptions,
  signal: 'SIGKILL' | 'SIGSTOP',
): Promise<Seen> {
  const failedMs: number[] = [];
  const unavailableMs: number[] = [];
  for (let round = 0; round < count; round++) {
    const number = round % cluster.nodes.length;
    const victim = cluster.node(number);
    const others = cluster.others(victim);
    await pause(calmMs);
    const fromMs = performance.now();
    if (signal === 'SIGKILL') await victim.kill('SIGKILL');
    else victim.signal('SIGSTOP');
    const seen = (): readonly (number | undefined)[] => watch.firstSeenMs(victim, 'failed', fromMs, others);
    await waitFor(`all see ${victim.id} FAILED`, awaitedMs, async () => !seen().includes(undefined));
    failedMs.push(Math.max(...seen().map((ms) => ms as number)));
    // The keys of a silent node may be waited for a little longer than it takes to know of it.
    await pause(2 * calmMs);
    const { longestMs, medianMs } = probe.unavailability(victim, fromMs, performance.now());
    unavailableMs.push(longestMs);
    say(
      `${signal} of ${victim.id}: FAILED everywhere after ${Math.round(failedMs.at(-1) as number)} ms, ` +
        `its keys not written for ${Math.round(longestMs)} ms at most, ${Math.round(medianMs)} ms in the middle`,
    );
    if (signal === 'SIGKILL') cluster.chaos.start(number);
    else victim.signal('SIGCONT');
    await victim.ready();
    await cluster.allUp(60_000);
  }
  return { failedMs, unavailableMs };
}

function figuresOf(what: string, { failedMs, unavailableMs }: Seen, routed: boolean): readonly Figure[] {
  const longest = `${what}: keys of the node not to be written at QUORUM, longest`;
  const unavailable = Math.max(...unavailableMs) / 1000;
  return [
    shown(`${what}: rounds`, failedMs.length),
    atMost(
      `${what}: FAILED at every other node, slowest`,
      Math.max(...failedMs) / 1000,
      failedWithinMs / 1000,
      's',
      2,
    ),
    routed
      ? atMost(longest, unavailable, routedAroundWithinMs / 1000, 's', 2)
      : shown(longest, unavailable, 's', 2),
  ];
}

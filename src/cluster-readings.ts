/** Where the metrics of the cluster get their numbers from: what the parts of a node count and know. */

import type { NodeId } from './core/identity.ts';
import type { ClusterMetrics } from './observe/cluster-metrics.ts';
import type { NodeParts } from './wiring.ts';

/** Gives the metrics their readers. They cost nothing until someone scrapes. */
export function readCluster(metrics: ClusterMetrics, parts: NodeParts): void {
  readMembership(metrics, parts);
  readRepair(metrics, parts);
  readTombstones(metrics, parts);
  readBackground(metrics, parts);
}

function readMembership(metrics: ClusterMetrics, { peers }: NodeParts): void {
  const { liveness, gossip } = peers;
  liveness.onChange(({ node, to }) => metrics.stateChanges(node, to).add());
  metrics.phi.readWith(() => liveness.view().map(({ node, phi }) => [node, phi]));
  metrics.heartbeatAgeSeconds.readWith(() =>
    liveness
      .view()
      .flatMap(({ node, lastHeartbeatAgoMs }) =>
        lastHeartbeatAgoMs === undefined ? [] : [[node, lastHeartbeatAgoMs / 1000] as const],
      ),
  );
  metrics.probes.readWith(() => {
    const { reached, unreached, unanswered } = peers.probes;
    return [
      ['reached', reached],
      ['unreached', unreached],
      ['unanswered', unanswered],
    ];
  });
  metrics.localHealth.readWith(() => peers.healthScore);
  metrics.gossipRounds.readWith(() => gossip.counters.rounds);
  metrics.gossipExchanges.readWith(() => [
    ['answered', gossip.counters.exchanges],
    ['failed', gossip.counters.exchangesFailed],
  ]);
  metrics.gossipBytes.readWith(() => [
    ['sent', gossip.counters.bytesSent],
    ['received', gossip.counters.bytesReceived],
  ]);
  metrics.gossipIgnored.readWith(() => {
    const { counters } = gossip;
    return [
      ['refused-greeting', counters.refused],
      ['malformed-frame', counters.malformedFrames],
      ['unknown-member', counters.unknownMembers],
      ['future-generation', counters.futureGenerations],
      ['own-entries-claimed', counters.ownEntriesClaimed],
      ['refused-delta', counters.refusedDeltas],
    ];
  });
}

function readRepair(metrics: ClusterMetrics, { store, trees, antiEntropy, env }: NodeParts): void {
  metrics.hintsKept.readWith(() => store.hints.kept);
  metrics.hintsOldestSeconds.readWith(async () =>
    [...(await hintAgesMs({ store, env }))].map(([target, ms]) => [target, ms / 1000]),
  );
  metrics.comparisonAgeSeconds.readWith(() => {
    const nowMs = env.clock.monotonicMs();
    return antiEntropy
      .rounds()
      .flatMap(({ peer, equalAtMs }) =>
        equalAtMs === undefined ? [] : [[peer, (nowMs - equalAtMs) / 1000] as const],
      );
  });
  metrics.treePartitions.readWith(() => {
    const { partitions, unbuilt, waiting, stored } = trees.progress;
    return [
      ['owned', partitions],
      ['unbuilt', unbuilt],
      ['waiting', waiting],
      ['stored', stored],
    ];
  });
  metrics.treeRebuilds.readWith(() => trees.progress.rebuilt);
  metrics.treeRebuiltKeys.readWith(() => trees.progress.keysRead);
  metrics.treesRepaired.readWith(() => trees.progress.repaired);
}

/** How long the oldest hint for each replica has waited, in milliseconds. */
export async function hintAgesMs({
  store,
  env,
}: Pick<NodeParts, 'store' | 'env'>): Promise<ReadonlyMap<NodeId, number>> {
  const ages = new Map<NodeId, number>();
  for (const target of store.hints.targets().keys()) {
    for (const place of await store.hints.oldest(target, undefined, placesMax)) {
      // A place may be left of a hint that has gone; and hints of earlier releases do not say since when they wait.
      if (
        place.keptAtMicros === 0 ||
        store.hints.get(target, place.recordKey)?.keptAtMicros !== place.keptAtMicros
      )
        continue;
      ages.set(target, Math.max(0, (env.clock.wallMicros() - place.keptAtMicros) / 1000));
      break;
    }
  }
  return ages;
}

/** Places looked at to find the oldest hint that is still there. */
const placesMax = 16;

function readTombstones(metrics: ClusterMetrics, { tombstones }: NodeParts): void {
  const { counters } = tombstones.collection;
  metrics.tombstones.readWith(() => [
    ['indexed', counters.indexed],
    ['collectable', counters.collectable],
    ['overdue', counters.overdue],
  ]);
  metrics.tombstonesCollected.readWith(() => counters.collected);
  metrics.tombstoneOldestSeconds.readWith(() => counters.oldestMs / 1000);
}

function readBackground(metrics: ClusterMetrics, { background }: NodeParts): void {
  metrics.backgroundShare.readWith(() => background.view().map(({ kind, share }) => [kind, share]));
  metrics.backgroundWaiting.readWith(() => background.view().map(({ kind, waiting }) => [kind, waiting]));
  metrics.backgroundKeys.readWith(() => background.view().map(({ kind, keysTaken }) => [kind, keysTaken]));
  metrics.backgroundBytes.readWith(() => background.view().map(({ kind, bytesTaken }) => [kind, bytesTaken]));
  metrics.backgroundLoad.readWith(() => background.load);
  metrics.eventLoopDelaySeconds.readWith(() => background.eventLoopDelayMs / 1000);
}

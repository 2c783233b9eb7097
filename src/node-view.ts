/** What a node shows of itself and of the cluster as it sees it: topology, status and gauges, from one place. */

import { readCluster } from './cluster-readings.ts';
import type { Config, MemberConfig } from './config/config.ts';
import { softwareVersion } from './config/software-version.ts';
import type { NodeSnapshot } from './coordinator/diagnostic-service.ts';
import type { NodeAddresses, NodeView } from './coordinator/topology-service.ts';
import type { NodeId } from './core/identity.ts';
import type { Metrics } from './observe/metrics.ts';
import type { ClientServer } from './rpc/server.ts';
import type { NodeParts } from './wiring.ts';

const stateNumber = { failed: 0, suspect: 1, up: 2 } as const;

/** One node, this one or another, as this one sees it. */
export function viewOfNode(parts: NodeParts, config: Config, node: NodeId): NodeView {
  const { peers, env, startedAtMicros } = parts;
  if (node === config.node) {
    return {
      state: 'up',
      reason: '',
      phi: 0,
      lastHeartbeatAgoMs: undefined,
      incarnation: peers.incarnation,
      clockAheadMs: 0,
      softwareVersion,
      upSinceMicros: startedAtMicros,
    };
  }
  const seen = peers.liveness.viewOf(node);
  const state = seen?.state ?? 'failed';
  // Heard, but nothing can be sent to it: as good as down for requests.
  const mute = state === 'up' && !peers.isUp(node);
  const ahead = seen?.clockOffsetMicros;
  return {
    state: mute ? 'suspect' : state,
    reason: mute
      ? 'it answers heartbeats, but its data channel is broken'
      : (seen?.reason ?? 'it is no member'),
    phi: shownPhi(seen?.phi ?? 0),
    lastHeartbeatAgoMs: seen?.lastHeartbeatAgoMs,
    incarnation: seen?.incarnation ?? 0,
    // What was measured before it failed says nothing of its clock now.
    clockAheadMs: ahead === undefined || state === 'failed' ? undefined : ahead / 1000,
    softwareVersion: peers.link(node).peer?.softwareVersion,
    upSinceMicros:
      state === 'up' && seen !== undefined ? env.clock.wallMicros() - seen.sinceMs * 1000 : undefined,
  };
}

/** Without the tail of the curve, which is never quite nothing: `1.3e-15` looks as if it meant something. */
export function shownPhi(phi: number): number {
  return phi < 1e-6 ? 0 : phi;
}

export function addressesOfNode(config: Config, node: NodeId): NodeAddresses {
  const { host, clientPort, peerPort } = config.members.find((member) => member.id === node) as MemberConfig;
  const name = host.includes(':') ? `[${host}]` : host;
  return { client: `${name}:${clientPort}`, peer: `${name}:${peerPort}` };
}

/** What needs a person's attention now, a sentence each. */
function alarmsOf(parts: NodeParts, config: Config, unreadyReason: string | undefined): readonly string[] {
  const { peers, store } = parts;
  const alarms: string[] = [];
  if (unreadyReason !== undefined) alarms.push(unreadyReason);
  for (const peer of peers.liveness.view()) {
    const { state, reason } = viewOfNode(parts, config, peer.node as NodeId);
    if (state !== 'up') alarms.push(`${peer.node} is ${state}: ${reason}`);
    const aheadMs = Math.abs(peer.clockOffsetMicros ?? 0) / 1000;
    if (state !== 'failed' && aheadMs > config.clock.aheadMsMax) {
      alarms.push(
        `the clock of ${peer.node} is ${Math.round(aheadMs)} ms away from this node's: set both by NTP`,
      );
    }
  }
  if (store.records.damagedReads > 0) {
    alarms.push(
      `${store.records.damagedReads} reads met a damaged record since the start: check this node's disk`,
    );
  }
  const hintShare = store.hints.bytes / Math.max(1, config.hints.bytesMax);
  if (hintShare > hintShareAlarming) {
    alarms.push(
      `hints fill ${Math.round(100 * hintShare)} % of hints.bytes_max: beyond it they are dropped, and comparisons have to find what they stood for`,
    );
  }
  const { overdue } = parts.tombstones.collection.counters;
  if (overdue > 0) {
    alarms.push(
      `${overdue} tombstones wait for a replica that has not been compared with for twice tombstones.grace_ms: bring it back`,
    );
  }
  return [...alarms, ...comparisonAlarms(parts, config)];
}

/** Hints that fill more of their bound than this are told of. */
const hintShareAlarming = 0.8;
/** A peer that is up should be compared with every interval. After so many without success, and no less than a minute, it is told. */
const intervalsAlarming = 10;
const comparisonMsAlarming = 60_000;

function comparisonAlarms({ antiEntropy, peers, env }: NodeParts, config: Config): readonly string[] {
  if (!config.antiEntropy.enabled) return [];
  const alarmingMs = Math.max(comparisonMsAlarming, intervalsAlarming * config.antiEntropy.intervalMs);
  const nowMs = env.clock.monotonicMs();
  return antiEntropy.rounds().flatMap(({ peer, equalAtMs, lastOutcome }) => {
    const upForMs = peers.liveness.viewOf(peer)?.sinceMs ?? 0;
    const forMs = Math.min(upForMs, equalAtMs === undefined ? Number.POSITIVE_INFINITY : nowMs - equalAtMs);
    // Neither one that is away nor one that has only just come back.
    if (forMs <= alarmingMs || !peers.isUp(peer)) return [];
    if (!antiEntropy.pairs().some((pair) => pair.peer === peer)) return [];
    const last = lastOutcome === undefined ? 'none was begun' : `the last one ended as ${lastOutcome}`;
    return [`no comparison with ${peer} has ended well for ${Math.round(forMs / 60_000)} minutes: ${last}`];
  });
}

/** How long ago the peer that has waited longest was last found equal; of those that were not since the start nothing is known. */
function oldestComparisonMs({ antiEntropy, env }: NodeParts): number | undefined {
  const ages = antiEntropy
    .rounds()
    .flatMap(({ equalAtMs }) => (equalAtMs === undefined ? [] : [env.clock.monotonicMs() - equalAtMs]));
  return ages.length === 0 ? undefined : Math.max(...ages);
}

export function snapshotOf(
  parts: NodeParts,
  config: Config,
  server: Pick<ClientServer, 'requestsInFlight' | 'bytesInFlight' | 'connections'> | undefined,
  unreadyReason: string | undefined,
): NodeSnapshot {
  const { store, coordinator, peers, antiEntropy, trees } = parts;
  const comparedMs = oldestComparisonMs(parts);
  let hints = 0;
  for (const { count } of store.hints.targets().values()) hints += count;
  return {
    gauges: {
      requests_in_flight: server?.requestsInFlight ?? 0,
      request_bytes_in_flight: server?.bytesInFlight ?? 0,
      client_connections: server?.connections ?? 0,
      peer_calls_in_flight: peers.callsInFlight,
      repairs_pending: coordinator.repairsPending,
      hints_pending: hints,
      hint_bytes: store.hints.bytes,
      hints_delivered: parts.replay.delivered,
      damaged_reads: store.records.damagedReads,
      epochs_left: store.identity.epochsLeft,
      comparisons: antiEntropy.counters.comparisonsEqual,
      keys_compared: antiEntropy.counters.keysCompared,
      keys_repaired: antiEntropy.counters.keysRepaired,
      trees_repaired: trees.progress.repaired,
      // 0: comparisons are switched off.
      comparison_interval_ms: config.antiEntropy.enabled ? config.antiEntropy.intervalMs : 0,
      ...(comparedMs !== undefined && { comparison_oldest_ms: comparedMs }),
      tree_partitions_unbuilt: trees.progress.unbuilt,
      event_loop_delay_ms: parts.background.eventLoopDelayMs,
      local_health: peers.healthScore,
    },
    alarms: alarmsOf(parts, config, unreadyReason),
  };
}

/** Gives the gauges their readers. They cost nothing until someone scrapes. */
export function readGauges(
  metrics: Metrics,
  parts: NodeParts,
  server: Pick<ClientServer, 'requestsInFlight'>,
): void {
  const { store, peers, coordinator, recordCache } = parts;
  readCluster(metrics.cluster, parts);
  metrics.recordReads.readWith(() => {
    const { found, missed } = recordCache.counts;
    return [
      ['memory', found],
      ['disk', missed],
    ];
  });
  metrics.recordCacheBytes.readWith(() => recordCache.bytes);
  metrics.hintsPending.readWith(() =>
    [...store.hints.targets()].map(([target, { count }]) => [target, count]),
  );
  metrics.hintsBytes.readWith(() => [...store.hints.targets()].map(([target, { bytes }]) => [target, bytes]));
  metrics.nodeState.readWith(() =>
    peers.liveness.view().map(({ node, state }) => [node, stateNumber[state]]),
  );
  metrics.clockSkewSeconds.readWith(() =>
    peers.liveness.view().map(({ node, clockOffsetMicros }) => [node, (clockOffsetMicros ?? 0) / 1e6]),
  );
  metrics.queueDepth.readWith(() => [
    ['client', server.requestsInFlight],
    ['peer', peers.callsInFlight],
    ['repair', coordinator.repairsPending],
  ]);
  metrics.clusterHealthy.readWith(() => {
    const allUp = peers.liveness.view().every(({ state }) => state === 'up');
    return allUp && store.failure === undefined ? 1 : 0;
  });
}

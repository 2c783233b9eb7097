/** What the nodes of a cluster say of each other and of themselves, put together: the report behind `kindred status`. */

import type { Duration } from '../gen/google/protobuf/duration.ts';
import type { Node } from '../gen/kindred/v1/topology.ts';
import { nodeStateText, timestampText } from './answer-text.ts';
import { ClusterClient } from './client.ts';
import { CallFailure } from './failure.ts';

/** What `status --json` prints. */
export interface StatusReport {
  readonly clusterId: string;
  readonly layoutVersion: number;
  /** The endpoint that told. */
  readonly seenFrom: string;
  readonly healthy: boolean;
  readonly nodes: readonly NodeReport[];
}

/** One node. */
export interface NodeReport {
  readonly id: string;
  readonly address: string;
  readonly zone: string;
  /** As the node asked sees it. */
  readonly state: string;
  readonly ownedFraction: number;
  readonly weight: number;
  readonly version: string;
  readonly upSince: string | null;
  readonly clockSkewMs: number | null;
  /** From the node itself. */
  readonly alarms: readonly string[];
  readonly gauges: Readonly<Record<string, number>>;
  /** How it sees the other nodes; of large clusters only those that are not up. Empty when it does not answer. */
  readonly sees: readonly PeerReport[];
  /** Why it did not answer us; null when it did. */
  readonly error: string | null;
}

/** One node as another one sees it. */
export interface PeerReport {
  readonly id: string;
  readonly state: string;
  /** Why it is in that state, a sentence. */
  readonly reason: string;
  readonly phi: number;
  readonly lastHeartbeatAgoMs: number | null;
  readonly clockSkewMs: number | null;
  readonly incarnation: number;
}

/** At most so many nodes are asked at once for their own words. */
const askedAtOnceMax = 16;
/** Beyond it the report would have a million lines that all say `up`. */
const allPeersMax = 64;
const askMs = 2000;

/** Somebody who waits is told for whom after this. */
const slowMs = 700;

/**
 * Asks one node for the cluster, and every node for what it sees. Throws CallFailure when no endpoint answers. `onSlow` is told
 * who has not answered yet when that takes a while, and nobody (an empty list) when it is over.
 */
export async function clusterStatus(
  client: ClusterClient,
  onSlow: (waitingFor: readonly string[]) => void = () => {},
): Promise<StatusReport> {
  const waitingFor = new Set<string>();
  let told = false;
  const timer = setTimeout(() => {
    told = true;
    onSlow(waitingFor.size === 0 ? client.endpoints : [...waitingFor]);
  }, slowMs);
  try {
    return await gatherStatus(client, waitingFor);
  } finally {
    clearTimeout(timer);
    if (told) onSlow([]);
  }
}

async function gatherStatus(client: ClusterClient, waitingFor: Set<string>): Promise<StatusReport> {
  const { endpoint, topology } = await client.read(async (services, options) => ({
    endpoint: services.endpoint,
    topology: (await services.topology.getTopology({ includeTokens: false }, options)).topology,
  }));
  const members = topology?.nodes ?? [];
  const all = members.length <= allPeersMax;
  const nodes: NodeReport[] = [];
  for (let from = 0; from < members.length; from += askedAtOnceMax) {
    const some = members.slice(from, from + askedAtOnceMax);
    const asked = some.map(async (node) => {
      waitingFor.add(node.id);
      try {
        return await nodeReport(node, all);
      } finally {
        waitingFor.delete(node.id);
      }
    });
    nodes.push(...(await Promise.all(asked)));
  }
  return {
    clusterId: topology?.clusterId ?? '',
    layoutVersion: topology?.epoch ?? 0,
    seenFrom: endpoint,
    healthy: nodes.every((node) => node.state === 'up' && node.alarms.length === 0 && node.error === null),
    nodes,
  };
}

async function nodeReport(node: Node, all: boolean): Promise<NodeReport> {
  const own = await ownWords(node, all);
  return {
    id: node.id,
    address: node.address,
    zone: node.zone,
    state: nodeStateText(node.state),
    ownedFraction: node.ownedFraction,
    weight: node.weight,
    version: node.version,
    upSince: node.upSince === undefined ? null : timestampText(node.upSince),
    clockSkewMs: msOf(node.clockSkew),
    ...own,
  };
}

async function ownWords(
  node: Node,
  all: boolean,
): Promise<Pick<NodeReport, 'alarms' | 'gauges' | 'sees' | 'error'>> {
  const client = new ClusterClient([node.address], { timeoutMs: askMs });
  try {
    const [{ alarms, gauges }, { topology }] = await Promise.all([
      client.read(({ diagnostic }, options) => diagnostic.getNodeStatus({}, options)),
      client.read((services, options) => services.topology.getTopology({ includeTokens: false }, options)),
    ]);
    const sees = (topology?.nodes ?? []).filter(({ id }) => id !== node.id).map(peerReport);
    return { alarms, gauges, sees: all ? sees : sees.filter(({ state }) => state !== 'up'), error: null };
  } catch (error) {
    if (error instanceof CallFailure) return { alarms: [], gauges: {}, sees: [], error: error.message };
    throw error;
  } finally {
    client.close();
  }
}

function peerReport(node: Node): PeerReport {
  return {
    id: node.id,
    state: nodeStateText(node.state),
    reason: node.stateReason,
    phi: node.phi,
    lastHeartbeatAgoMs: msOf(node.lastHeartbeatAgo),
    clockSkewMs: msOf(node.clockSkew),
    incarnation: node.incarnation,
  };
}

function msOf(duration: Duration | undefined): number | null {
  return duration === undefined ? null : duration.seconds * 1000 + duration.nanos / 1e6;
}

/** TopologyService: the nodes of the cluster and where keys live, as this node sees it. */

import type { Bucket } from '../core/bucket.ts';
import { OperationError } from '../core/coordinator/failure.ts';
import type { NodeId } from '../core/identity.ts';
import type { Layout } from '../core/ring/layout.ts';
import type { Placement } from '../core/ring/placement.ts';
import { recordKeyOf } from '../core/ring/record-key.ts';
import { virtualNodeCount, virtualNodeName } from '../core/ring/ring.ts';
import {
  compareTokens,
  type Hash64,
  partitionBits,
  partitionOf,
  tokenOf,
  tokenText,
} from '../core/ring/token.ts';
import type { Timers } from '../env/env.ts';
import {
  type Node,
  NodeState,
  type Topology,
  TopologyServiceDefinition,
  type WatchTopologyResponse,
} from '../gen/kindred/v1/topology.ts';
import type { Key } from '../gen/kindred/v1/types.ts';
import { durationOfMs, timestampOf } from '../rpc/conversion.ts';
import { checkBucketName, checkKey, invalid, type RequestLimits } from '../rpc/limits.ts';
import { type Service, type StreamingCall, service } from '../rpc/service.ts';

/** One node, as this node sees it. */
export interface NodeView {
  readonly state: 'up' | 'suspect' | 'failed';
  /** Why it is in its state, in one sentence. Empty for this node. */
  readonly reason: string;
  /** How suspicious its silence is: 0 to 1,000. */
  readonly phi: number;
  /** Since its last answer to a heartbeat. `undefined`: none, or this node does not listen to it. */
  readonly lastHeartbeatAgoMs: number | undefined;
  /** Grows whenever the node refutes that it is suspected. */
  readonly incarnation: number;
  /** How far its clock is ahead of this node's. `undefined`: not known yet. */
  readonly clockAheadMs: number | undefined;
  /** The release it runs. `undefined`: not known yet. */
  readonly softwareVersion: string | undefined;
  /** Since when it has been up, in microseconds since 1970. `undefined`: it is not. */
  readonly upSinceMicros: number | undefined;
}

/** Addresses of one member, `host:port`. */
export interface NodeAddresses {
  readonly client: string;
  readonly peer: string;
}

export interface TopologyDependencies {
  readonly clusterId: string;
  readonly hash64: Hash64;
  readonly buckets: ReadonlyMap<string, Bucket>;
  /** The layout in use. */
  readonly layout: () => Layout;
  /** The placement for buckets of this replication. */
  readonly placementFor: (replication: number) => Placement;
  readonly viewOf: (node: NodeId) => NodeView;
  /** Calls back whenever the view of a node may have changed, until what it returns is called. */
  readonly onViewChange: (listener: () => void) => () => void;
  readonly timers: Timers;
  readonly addressesOf: (node: NodeId) => NodeAddresses;
}

/** The name and seed of the hash, exactly. Other languages place keys by it: it may never change. */
const hashName = 'xxh64';

const states: Readonly<Record<NodeView['state'], NodeState>> = {
  up: NodeState.NODE_STATE_UP,
  suspect: NodeState.NODE_STATE_SUSPECT,
  failed: NodeState.NODE_STATE_FAILED,
};

export function nodeStateMessage(state: NodeView['state']): NodeState {
  return states[state];
}

export function topologyService(dependencies: TopologyDependencies, limits: RequestLimits): Service {
  const { buckets, hash64, placementFor, viewOf } = dependencies;
  return service(
    TopologyServiceDefinition,
    {
      async getTopology({ includeTokens }) {
        return { topology: topologyMessage(dependencies, includeTokens) };
      },
      watchTopology: ({ includeTokens }, call) => watchTopology(dependencies, includeTokens, call),
      async locate({ key }) {
        const { bucket, recordKey } = namedKey(key, buckets, limits);
        const placement = placementFor(bucket.replication);
        const token = tokenOf(hash64, recordKey);
        const partition = partitionOf(token, placement.layout.partitions);
        return {
          token: tokenText(token),
          replicas: placement.preferenceList(partition).map((node) => ({
            nodeId: node,
            home: placement.isHome(partition, node),
            state: states[viewOf(node).state],
          })),
          topologyEpoch: placement.layout.version,
        };
      },
      async getPlacement({ bucket }) {
        const { replication } = namedBucket(bucket, buckets, 'bucket');
        const placement = placementFor(replication);
        return {
          topologyEpoch: placement.layout.version,
          hash: hashName,
          partitionBits: partitionBits(placement.layout.partitions),
          replication,
          nodes: placement.memberIds.map((id) => ({ id, address: dependencies.addressesOf(id).client })),
          homes: Array.from(placement.homeIndexes),
        };
      },
    },
    { watches: ['WatchTopology'] },
  );
}

/** Changes within this are shown at once: when a host dies, its nodes go one after another. */
const gatherMs = 100;

/** What waits for a slow client is one change, however many there were: it is shown how things are, not how they came about. */
async function watchTopology(
  dependencies: TopologyDependencies,
  includeTokens: boolean,
  call: StreamingCall<WatchTopologyResponse>,
): Promise<void> {
  let shown = '';
  let wake: () => void = () => {};
  let changed = true;
  const stop = dependencies.onViewChange(() => {
    changed = true;
    wake();
  });
  call.onCancel(() => wake());
  try {
    while (!call.cancelled) {
      if (!changed) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
        continue;
      }
      changed = false;
      const topology = topologyMessage(dependencies, includeTokens);
      // By what changes seldom: phi and ages do always.
      const now = topology.nodes.map(({ id, state, incarnation, version }) =>
        [id, state, incarnation, version].join(' '),
      );
      if (now.join() === shown) continue;
      shown = now.join();
      await call.send({ topology });
      await new Promise<void>((resolve) => {
        dependencies.timers.after(gatherMs, resolve);
      });
    }
  } finally {
    stop();
  }
}

function topologyMessage(dependencies: TopologyDependencies, includeTokens: boolean): Topology {
  const layout = dependencies.layout();
  const nodes = layout.members.map((member) => nodeMessage(member.id, dependencies, includeTokens));
  return {
    clusterId: dependencies.clusterId,
    epoch: layout.version,
    hash: hashName,
    nodes: nodes.sort((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0)),
  };
}

/** The bucket and record key that a request names, checked. */
export function namedKey(
  key: Key | undefined,
  buckets: ReadonlyMap<string, Bucket>,
  limits: RequestLimits,
): { readonly bucket: Bucket; readonly recordKey: Uint8Array } {
  if (key === undefined) throw invalid('key', 'is required');
  checkKey(key.key, limits, 'key.key');
  const bucket = namedBucket(key.bucket, buckets, 'key.bucket');
  return { bucket, recordKey: recordKeyOf(bucket.name, key.key) };
}

/** The bucket that a request names in `field`; "default" if it names none. */
function namedBucket(wanted: string, buckets: ReadonlyMap<string, Bucket>, field: string): Bucket {
  const name = wanted === '' ? 'default' : wanted;
  const bucket = buckets.get(name);
  if (bucket !== undefined) return bucket;
  checkBucketName(name, field);
  throw new OperationError({ kind: 'bucket-unknown', bucket: name });
}

/** A member of the layout with all that this node knows of it. */
export function nodeMessage(id: NodeId, dependencies: TopologyDependencies, includeTokens: boolean): Node {
  const layout = dependencies.layout();
  const member = layout.members.find((each) => each.id === id);
  if (member === undefined) throw new Error(`assertion failed: ${id} is a member of the layout`);
  const view = dependencies.viewOf(id);
  const addresses = dependencies.addressesOf(id);
  return {
    id,
    address: addresses.client,
    datacenter: '',
    zone: member.zone,
    state: states[view.state],
    tokens: includeTokens ? tokensOf(id, member.weight, dependencies.hash64) : [],
    ownedFraction: dependencies.placementFor(layout.replication).ownedFraction(id),
    clockSkew: view.clockAheadMs === undefined ? undefined : durationOfMs(view.clockAheadMs),
    version: view.softwareVersion ?? '',
    upSince: view.upSinceMicros === undefined ? undefined : timestampOf(view.upSinceMicros),
    weight: member.weight,
    peerAddress: addresses.peer,
    phi: view.phi,
    lastHeartbeatAgo:
      view.lastHeartbeatAgoMs === undefined ? undefined : durationOfMs(view.lastHeartbeatAgoMs),
    stateReason: view.reason,
    incarnation: view.incarnation,
  };
}

function tokensOf(id: NodeId, weight: number, hash64: Hash64): string[] {
  const tokens = [];
  for (let i = 0; i < virtualNodeCount(weight); i++) tokens.push(hash64(virtualNodeName(id, i)));
  return tokens.sort(compareTokens).map(tokenText);
}

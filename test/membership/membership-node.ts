/**
 * A node that is nothing but a member: heartbeats, failure detector and gossip of src/membership, put together as
 * src/peers.ts does it, without stores and data links. What would break a data link breaks the control stream too, so the
 * one stands for both.
 */

import type { Config } from '../../src/config/config.ts';
import type { Network } from '../../src/env/network.ts';
import type { Hello } from '../../src/gen/kindred/peer/v1/peer.ts';
import { Heartbeat, HeartbeatServer } from '../../src/membership/heartbeat.ts';
import { AccrualLiveness, type LivenessChange } from '../../src/membership/liveness.ts';
import { NodeGossip } from '../../src/node-gossip.ts';
import { peerProtocolVersion } from '../../src/rpc/hello.ts';
import { EventOwner } from '../simulation/kernel/scheduler.ts';
import type { SimulatedClock } from '../simulation/kernel/simulated-clock.ts';
import { SimulatedEnv } from '../simulation/kernel/simulated-env.ts';
import type { SimulatedNetwork } from '../simulation/world/simulated-network.ts';
import type { World } from '../simulation/world/world.ts';
import { type BytesSent, meteredNetwork } from './metered-network.ts';

export interface MembershipNodeDependencies {
  readonly world: World;
  readonly network: SimulatedNetwork;
  readonly clock: SimulatedClock;
  /** What the node has sent in all its lives. */
  readonly sent: BytesSent;
  readonly onChange: (change: LivenessChange) => void;
  /** Entries of these nodes are new to this one. */
  readonly onNews: (nodes: readonly string[]) => void;
}

export interface MembershipNodeOptions {
  readonly config: Config;
  /** Its place among the nodes. */
  readonly index: number;
  /** Its process: 1 is the first. */
  readonly life: number;
}

/** As of a real configuration. */
const layoutDigest = '0123456789abcdef';
/** As `probeShare` in src/peers.ts. */
const probeShare = 0.8;
/** Times between heartbeats that are remembered: more than come in a run, and less memory for a thousand nodes. */
const samplesMax = 256;

/** One life of a node. */
export class MembershipNode {
  readonly id: string;
  readonly liveness: AccrualLiveness;
  readonly gossip: NodeGossip;
  readonly #dependencies: MembershipNodeDependencies;
  readonly #options: MembershipNodeOptions;
  readonly #owner: EventOwner;
  readonly #env: SimulatedEnv;
  readonly #network: Network;
  readonly #heartbeats = new Map<string, Heartbeat>();
  readonly #server: HeartbeatServer;

  constructor(dependencies: MembershipNodeDependencies, options: MembershipNodeOptions) {
    const { config, index, life } = options;
    const { world, network, clock } = dependencies;
    this.id = config.node;
    this.#dependencies = dependencies;
    this.#options = options;
    this.#owner = new EventOwner(this.id, index * 64 + Math.min(life, 63));
    const env = new SimulatedEnv(world, {
      owner: this.#owner,
      clock,
      random: world.randomFor(`node ${this.id} ${life}`),
      rarePathPercent: () => 0,
    });
    this.#env = env;
    this.#network = meteredNetwork(network.endpoint(this.id, this.#owner), dependencies.sent);
    const generation = env.clock.wallMicros();
    const hello = (): Hello => ({
      protocolVersion: peerProtocolVersion,
      clusterId: config.cluster.id,
      nodeId: this.id,
      replicaId: index * 64 + life,
      // In place of its text: of a thousand members it has 100 KB, and a run has many greetings.
      configuration: layoutDigest,
      softwareVersion: '0.0.0',
      generation,
      openedAtMark: 0,
      formerReplicaId: 0,
      formerMark: 0,
    });
    this.gossip = new NodeGossip(
      {
        env,
        network: this.#network,
        hello,
        layoutDigest,
        stateOf: (node) => this.liveness.state(node),
        facts: () => ({ load: '0', hints: '0' }),
      },
      config,
    );
    this.liveness = new AccrualLiveness(
      {
        env,
        board: this.gossip.verdicts,
        askToProbe: (node, helpers) => {
          for (const helper of helpers) this.#heartbeats.get(helper)?.askToProbe([node]);
        },
      },
      {
        self: this.id,
        peers: config.members.map(({ id }) => id).filter((id) => id !== this.id),
        intervalMs: config.heartbeat.intervalMs,
        ...config.failureDetector,
        samplesMax,
      },
    );
    this.liveness.onChange((change) => {
      this.gossip.partnersChanged();
      dependencies.onChange(change);
    });
    this.gossip.onNews((news) => dependencies.onNews(news.map(({ node }) => node)));
    for (const { id, host, peerPort } of config.members) {
      if (!this.liveness.watched.has(id)) continue;
      this.#heartbeats.set(id, this.#heartbeat(id, { host, port: peerPort }, hello));
    }
    const members = new Set<string>(config.members.map(({ id }) => id));
    this.#server = new HeartbeatServer({
      env,
      hello,
      isMember: (node) => members.has(node),
      hybridMicros: () => env.clock.wallMicros(),
      probe: (node, done) =>
        this.#heartbeats.get(node)?.probe(probeShare * config.failureDetector.probeTimeoutMs, done) ?? false,
    });
  }

  async start(): Promise<void> {
    const { members } = this.#options.config;
    const own = members[this.#options.index];
    if (own === undefined) throw new Error(`assertion failed: ${this.id} is a member`);
    await this.#network.listen({ host: own.host, port: own.peerPort }, (channel, stream) => {
      if (channel === 'gossip') this.gossip.accept(stream);
      else this.#server.accept(stream);
    });
    this.liveness.start();
    for (const heartbeat of this.#heartbeats.values()) heartbeat.start();
    this.gossip.start();
  }

  /** The process ends, or its machine does: then nobody is told. */
  kill(silently: boolean): void {
    this.#owner.state = 'halted';
    this.#dependencies.network.kill(this.#owner, { silently });
  }

  #heartbeat(
    peer: string,
    address: { readonly host: string; readonly port: number },
    hello: () => Hello,
  ): Heartbeat {
    const { config } = this.#options;
    const env = this.#env;
    return new Heartbeat(
      {
        network: this.#network,
        env,
        hello,
        hybridMicros: () => env.clock.wallMicros(),
        onProbed: (results) => {
          for (const { nodeId, reachable } of results) this.liveness.probed(nodeId, peer, reachable);
        },
        onAnswer: (sample) => this.liveness.heartbeatAnswered(peer, sample),
        onOpen: () => {
          this.liveness.channelOpened(peer, 'control');
          this.liveness.channelOpened(peer, 'data');
        },
        onBroken: (reason) => {
          this.liveness.channelBroken(peer, 'control', reason);
          this.liveness.channelBroken(peer, 'data', reason);
        },
      },
      {
        peer,
        address,
        intervalMs: config.heartbeat.intervalMs,
        silentMsMax: config.failureDetector.acceptablePauseMs + 2 * config.heartbeat.intervalMs,
        backoffMsMin: config.peers.reconnectMs,
        backoffMsMax: Math.min(2_000, config.peers.reconnectMsMax),
      },
    );
  }
}

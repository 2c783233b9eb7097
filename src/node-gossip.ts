/**
 * What this node tells the others of itself, and what it knows of them by gossip. Part of the composition root, beside
 * peers.ts.
 */

import type { Config, MemberConfig } from './config/config.ts';
import { GossipState, type MemberNews } from './core/membership/gossip-state.ts';
import type { Env, Timer } from './env/env.ts';
import type { FrameStream, Network } from './env/network.ts';
import type { Hello } from './gen/kindred/peer/v1/peer.ts';
import { Gossip } from './membership/gossip.ts';
import { GossipCodec } from './membership/gossip-codec.ts';
import { type GossipCounters, GossipExchange } from './membership/gossip-exchange.ts';
import { GossipServer } from './membership/gossip-server.ts';
import { GossipedVerdicts } from './membership/gossiped-verdicts.ts';
import type { LivenessState } from './membership/liveness.ts';
import type { VerdictBoard } from './membership/verdict-board.ts';

export interface NodeGossipDependencies {
  readonly env: Env;
  readonly network: Network;
  /** This node's greeting. */
  readonly hello: () => Hello;
  /** A short text that is equal where the configuration is: it stands for it in greetings, and is an entry. */
  readonly layoutDigest: string;
  /** Whether a peer is up, as this node sees it. */
  readonly stateOf: (node: string) => LivenessState;
  /** What changes while the node runs, by key: `load`, `hints`. Asked for every few seconds. */
  readonly facts?: () => Readonly<Record<string, string>>;
  readonly onRefused?: (node: string, reason: string) => void;
}

/** Seeds where none are named: the first members by id, the same everywhere. */
const seedsDefault = 3;
/** Facts are told again so often, or less often in large clusters: each one goes to every node. */
const factsEveryMs = { least: 5_000, forEachMember: 50 };

/** Gossip of one node. */
export class NodeGossip {
  /** Where verdicts are told and heard. */
  readonly verdicts: VerdictBoard;
  readonly state: GossipState;
  readonly #dependencies: NodeGossipDependencies;
  readonly #config: Config;
  readonly #exchange: GossipExchange;
  readonly #gossip: Gossip;
  readonly #server: GossipServer;
  readonly #verdicts: GossipedVerdicts;
  readonly #listeners: ((news: readonly MemberNews[]) => void)[] = [];
  #timer: Timer | undefined;

  constructor(dependencies: NodeGossipDependencies, config: Config) {
    this.#dependencies = dependencies;
    this.#config = config;
    const { env, network, layoutDigest, stateOf, onRefused } = dependencies;
    const { members, gossip } = config;
    const ids = members.map(({ id }) => id);
    // Of a thousand members the configuration is a hundred times as long as what is new: its digest does as well.
    const hello = (): Hello => ({ ...dependencies.hello(), configuration: JSON.stringify({ layoutDigest }) });
    this.state = new GossipState({ self: config.node, members: ids, generation: hello().generation });
    this.#verdicts = new GossipedVerdicts(this.state, config.node);
    this.verdicts = this.#verdicts;
    const onNews = (news: readonly MemberNews[]): void => {
      this.#verdicts.noticed(news);
      for (const listener of this.#listeners) listener(news);
    };
    this.#exchange = new GossipExchange(
      { env, state: this.state, codec: new GossipCodec(ids), onNews },
      gossip,
    );
    const known = new Set<string>(ids);
    this.#server = new GossipServer({
      env,
      exchange: this.#exchange,
      hello,
      isMember: (node) => known.has(node),
    });
    this.#gossip = new Gossip(
      {
        env,
        network,
        exchange: this.#exchange,
        hello,
        isFailed: (node) => stateOf(node) === 'failed',
        ...(onRefused !== undefined && { onRefused }),
      },
      {
        peers: members
          .filter(({ id }) => id !== config.node)
          .map(({ id, host, peerPort }) => ({ node: id, host, port: peerPort })),
        seeds: gossip.seeds.length > 0 ? gossip.seeds : ids.slice(0, seedsDefault),
        intervalMs: gossip.intervalMs,
      },
    );
    this.#tellAboutSelf(hello().softwareVersion);
  }

  /** Takes a `gossip` stream that the network accepted. */
  accept(stream: FrameStream): void {
    this.#server.accept(stream);
  }

  start(): void {
    const { least, forEachMember } = factsEveryMs;
    const everyMs = Math.max(least, forEachMember * this.#config.members.length);
    this.#timer = this.#dependencies.env.timers.every(everyMs, () => {
      this.#verdicts.refresh();
      this.#tellFacts();
    });
    this.#tellFacts();
    this.#gossip.start();
  }

  close(): void {
    this.#timer?.cancel();
    this.#gossip.close();
    this.#server.close();
  }

  /** A peer failed or came back. */
  partnersChanged(): void {
    this.#gossip.partnersChanged();
  }

  /** Calls back after entries of others have changed. */
  onNews(listener: (news: readonly MemberNews[]) => void): void {
    this.#listeners.push(listener);
  }

  /** What gossip has done and refused, and what it costs. */
  get counters(): GossipCounters {
    return this.#exchange.counters;
  }

  /** Streams open now, those that peers dialled among them. */
  get streams(): number {
    return this.#gossip.streams + this.#server.streams;
  }

  #tellAboutSelf(softwareVersion: string): void {
    const { members, node } = this.#config;
    const { host, clientPort, peerPort, httpPort, zone } = members.find(
      ({ id }) => id === node,
    ) as MemberConfig;
    this.state.set('address', `${host} ${clientPort} ${peerPort} ${httpPort}`);
    this.state.set('zone', zone);
    this.state.set('version', softwareVersion);
    this.state.set('layout', this.#dependencies.layoutDigest);
  }

  #tellFacts(): void {
    const { facts } = this.#dependencies;
    if (facts === undefined) return;
    for (const [key, value] of Object.entries(facts())) this.state.set(key, value);
  }
}

/**
 * This node's connections to all the others: a data link and a heartbeat to each, both ways, and who is up because of
 * them. Part of the composition root, beside node.ts.
 */

import type { Config, MemberConfig } from './config/config.ts';
import type { HybridClock } from './core/hybrid-clock.ts';
import type { NodeId } from './core/identity.ts';
import type { ProbeCounts } from './core/membership/failure-detector.ts';
import type { Env, Timer } from './env/env.ts';
import type { Listener, Network } from './env/network.ts';
import type { Hello } from './gen/kindred/peer/v1/peer.ts';
import { Heartbeat, HeartbeatServer } from './membership/heartbeat.ts';
import { AccrualLiveness, type Liveness } from './membership/liveness.ts';
import { StoreWitness } from './membership/store-witness.ts';
import { StoredMarks } from './membership/stored-marks.ts';
import { NodeGossip, type NodeGossipDependencies } from './node-gossip.ts';
import type { Logger } from './observe/log.ts';
import { PeerLink } from './rpc/peer-link.ts';
import { type PeerCallHandler, PeerServer } from './rpc/peer-server.ts';

export interface PeersDependencies {
  readonly env: Env;
  readonly network: Network;
  readonly log: Logger;
  readonly clock: HybridClock;
  readonly hello: () => Hello;
  readonly layoutVersion: () => number;
  readonly handler: PeerCallHandler;
  /** The mark that this node's store holds on stable storage. */
  readonly storedMark: () => number;
  /** A peer has proof that this node's store was put back to an earlier state. */
  readonly onSetBack: (reason: string) => void;
  /** Told of every store that greets: why it is older than what has been forgotten here, or `undefined`. */
  readonly outdated: (peer: Hello) => string | undefined;
  /** A peer has forgotten deletions that this node's store has never heard of. */
  readonly onOutdated: (reason: string) => void;
  /** Marks that processes of the peers are known to have told before this process. */
  readonly knownMarks: Iterable<{
    readonly nodeId: NodeId;
    readonly replicaId: number;
    readonly generation: number;
    readonly mark: number;
  }>;
  /** Who has to accept this node's store before it does anything, however long that takes: its data came under another id. */
  readonly judges: ReadonlySet<NodeId>;
  /** A short text that is equal where the configuration is. */
  readonly layoutDigest: string;
  /** What this node gossips of itself while it runs. */
  readonly facts: NonNullable<NodeGossipDependencies['facts']>;
}

/** What is around the largest record in its frame. */
const envelopeBytes = 64 * 1024;
/** Bytes of one peer's background calls under way: nobody waits for them. */
const backgroundBytesMax = 16 * 1024 * 1024;
/** A suspect peer is asked only when nobody better is left: as if it were this much further away. */
const suspectPenaltyMs = 60_000;
/** A starting node waits for its peers so many heartbeat intervals: long for a greeting, and short for a cluster to start. */
const joinIntervals = 2;
/** How often a node that waits for its judges says so. */
const judgesToldMs = 60_000;
/** A helper says no after this part of the time that it is given: as in memberlist. */
const probeShare = 0.8;

export class Peers {
  readonly liveness: Liveness;
  readonly gossip: NodeGossip;
  readonly #deps: PeersDependencies;
  readonly #witness = new StoreWitness();
  readonly #marks = new StoredMarks();
  readonly #config: Config;
  readonly #links = new Map<NodeId, PeerLink>();
  readonly #background = new Map<NodeId, PeerLink>();
  readonly #heartbeats = new Map<NodeId, Heartbeat>();
  readonly #detector: AccrualLiveness;
  readonly #server: PeerServer;
  readonly #backgroundServer: PeerServer;
  readonly #heartbeatServer: HeartbeatServer;
  #listener: Listener | undefined;
  readonly #joined = Promise.withResolvers<void>();
  readonly #onViewChange = new Set<() => void>();
  /** Whose first answer is still awaited. Empty: the node has joined. */
  readonly #awaited = new Set<NodeId>();
  #joinTimer: Timer | undefined;
  #stopped = false;

  constructor(dependencies: PeersDependencies, config: Config) {
    this.#deps = dependencies;
    this.#config = config;
    const { env, hello, layoutVersion, handler, clock, log } = dependencies;
    for (const known of dependencies.knownMarks) {
      this.#witness.remember(known.replicaId, known.generation, known.mark);
      this.#marks.heard({ ...known, formerReplicaId: 0, openedAtMark: 0 }, known.mark);
    }
    const others = config.members.filter((member) => member.id !== config.node);
    this.gossip = new NodeGossip(
      {
        ...dependencies,
        stateOf: (node) => this.#detector.state(node),
        // The other channels say it aloud, and what differs.
        onRefused: (node, reason) =>
          log.debug({ peer: node }, `${node} and this node do not gossip: ${reason}`),
      },
      config,
    );
    this.#detector = new AccrualLiveness(
      {
        env,
        board: this.gossip.verdicts,
        askToProbe: (node, helpers) => {
          for (const helper of helpers) this.#heartbeats.get(helper as NodeId)?.askToProbe([node]);
        },
      },
      {
        self: config.node,
        peers: others.map((member) => member.id),
        intervalMs: config.heartbeat.intervalMs,
        ...config.failureDetector,
      },
    );
    this.liveness = this.#detector;
    const heard = new Set<string>();
    const addresses = new Map<string, string>(
      others.map(({ id, host, peerPort }) => [id, `${host}:${peerPort}`]),
    );
    this.#detector.onChange(({ node, from, to, reason }) => {
      this.gossip.partnersChanged();
      if (to === 'up') {
        heard.add(node);
        log.info({ peer: node, from }, `${node} is up: ${reason}`);
      } else if (heard.has(node)) log.warn({ peer: node, from, to }, `${node} is ${to}: ${reason}`);
      // Nodes of a cluster start one after the other: that the next one is not there yet is no news.
      else log.info({ peer: node }, `waiting for ${node} at ${addresses.get(node)}: ${reason}`);
    });
    this.#detector.onChange(() => this.#viewChanged());
    for (const member of others) this.#connect(member);
    const isMember = (id: string): boolean => config.members.some((member) => member.id === id);
    const serverDependencies = {
      env,
      handler,
      hello,
      isMember,
      layoutVersion,
      setBack: (caller: Hello) => dependencies.outdated(caller) ?? this.#witness.setBack(caller),
      answering: (node: string) => this.#heartbeats.get(node as NodeId)?.peer,
      onGreeted: (node: string) => this.#isThere(node as NodeId),
      onRefused: ({ node, reason }: { readonly node: string; readonly reason: string }) =>
        log.error({ peer: node }, `refused ${node || 'a caller'}: ${reason}`),
      onMalformed: ({ node, message }: { readonly node: string | undefined; readonly message: string }) =>
        log.error({ peer: node }, `cut off ${node ?? 'a caller'}: ${message}`),
    };
    const replyBytesMax = config.peers.frameBytesMax - envelopeBytes;
    this.#server = new PeerServer(serverDependencies, {
      bytesInFlightMax: config.peers.queueBytesMax,
      replyBytesMax,
    });
    this.#backgroundServer = new PeerServer(serverDependencies, {
      bytesInFlightMax: Math.min(config.peers.queueBytesMax, backgroundBytesMax),
      replyBytesMax,
    });
    this.#heartbeatServer = new HeartbeatServer({
      env,
      hello,
      isMember,
      hybridMicros: () => clock.now,
      witness: this.#witness,
      outdated: dependencies.outdated,
      marks: this.#marks,
      storedMark: dependencies.storedMark,
      probe: (node, done) => {
        // Before whoever asked gives up, so that he knows that he was heard.
        const timeoutMs = probeShare * config.failureDetector.probeTimeoutMs;
        return this.#heartbeats.get(node as NodeId)?.probe(timeoutMs, done) ?? false;
      },
    });
  }

  /** Listens, and begins to connect to the others. Throws NetworkError when the address is taken. */
  async start(): Promise<void> {
    const self = this.#config.members.find((member) => member.id === this.#config.node) as MemberConfig;
    const address = { host: this.#config.listen.host, port: self.peerPort };
    this.#listener = await this.#deps.network.listen(address, (channel, stream) => {
      if (channel === 'data') this.#server.accept(stream);
      else if (channel === 'background') this.#backgroundServer.accept(stream);
      else if (channel === 'control') this.#heartbeatServer.accept(stream);
      else this.gossip.accept(stream);
    });
    this.#detector.start();
    for (const link of this.#links.values()) link.start();
    for (const link of this.#background.values()) link.start();
    const { judges, log, env } = this.#deps;
    for (const node of judges.size > 0 ? judges : this.#heartbeats.keys()) this.#awaited.add(node);
    if (judges.size > 0) {
      const tell = (): void =>
        log.warn(
          { waitingFor: [...this.#awaited] },
          `this node serves nobody until ${[...this.#awaited].join(', ')} have seen that its data, which came under another ` +
            'replica id, are not older than deletions that were forgotten. If one of them will not come back, stop this node, ' +
            'and start it with an empty data directory',
        );
      tell();
      this.#joinTimer = env.timers.every(judgesToldMs, tell);
    } else {
      const waitMs = joinIntervals * this.#config.heartbeat.intervalMs;
      this.#joinTimer = env.timers.after(waitMs, () => this.#join());
    }
    for (const heartbeat of this.#heartbeats.values()) heartbeat.start();
    this.gossip.start();
    if (this.#awaited.size === 0) this.#join();
  }

  /**
   * Resolves when every peer has answered the first greeting, refused it or could not be reached, at the latest after two
   * heartbeat intervals. A store that was put back to an earlier state has been found out by then, if any peer that can be
   * reached knows of it; so nothing that makes dots begins before. A store that holds the data of another waits until all judges
   * have accepted it, as long as that takes; then `judged` is true.
   */
  get joined(): Promise<void> {
    return this.#joined.promise;
  }

  /** Whether `joined` has resolved. */
  get hasJoined(): boolean {
    return !this.#stopped && this.#joinTimer !== undefined && this.#awaited.size === 0;
  }

  /** Whether this node may answer calls at all: all judges have accepted its store, if it has any. */
  get judged(): boolean {
    return this.#deps.judges.size === 0 || this.hasJoined;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#join();
    this.#detector.close();
    this.gossip.close();
    for (const heartbeat of this.#heartbeats.values()) heartbeat.close();
    for (const link of this.#links.values()) link.close();
    for (const link of this.#background.values()) link.close();
    this.#server.close();
    this.#backgroundServer.close();
    this.#heartbeatServer.close();
    await this.#listener?.close();
  }

  link(node: NodeId): PeerLink {
    const link = this.#links.get(node);
    if (link === undefined) throw new Error(`assertion failed: ${node} is another member`);
    return link;
  }

  /** Where calls go that no client waits for: hints, comparisons, what they repair. */
  background(node: NodeId): PeerLink {
    const link = this.#background.get(node);
    if (link === undefined) throw new Error(`assertion failed: ${node} is another member`);
    return link;
  }

  /** What became of the probes that helpers were asked for, since the start. */
  get probes(): ProbeCounts {
    return this.#detector.probes;
  }

  /** How badly this node itself hears: 0 (well) to 7. The higher, the more patient it is with others. */
  get healthScore(): number {
    return this.#detector.healthScore;
  }

  /** Calls back whenever a peer's state, or whether anything can be sent to it, has changed; until the returned function is called. */
  onViewChange(listener: () => void): () => void {
    this.#onViewChange.add(listener);
    return () => this.#onViewChange.delete(listener);
  }

  /** What this node has announced when it refuted that it is suspected; 0: never yet. */
  get incarnation(): number {
    return this.#detector.incarnation;
  }

  /** Up and connected: what is sent now can arrive. This node always is. */
  isUp(node: NodeId): boolean {
    if (node === this.#config.node) return true;
    return this.#detector.isUp(node) && (this.#links.get(node)?.connected ?? false);
  }

  latencyMs(node: NodeId): number {
    if (node === this.#config.node) return 0;
    const penaltyMs = this.#detector.state(node) === 'up' ? 0 : suspectPenaltyMs;
    return (this.#links.get(node)?.latencyMs ?? 0) + penaltyMs;
  }

  usualMs(node: NodeId): number | undefined {
    return node === this.#config.node ? undefined : this.#links.get(node)?.latencyMsP95;
  }

  /** The newest mark that the node has said its store holds on stable storage; 0: not known. */
  storedMarkOf(node: NodeId): number {
    return this.#marks.of(node);
  }

  /** Peer calls under way, in and out. */
  get callsInFlight(): number {
    let calls = this.#server.callsInFlight + this.#backgroundServer.callsInFlight;
    for (const link of this.#links.values()) calls += link.callsInFlight;
    for (const link of this.#background.values()) calls += link.callsInFlight;
    return calls;
  }

  #viewChanged(): void {
    for (const listener of [...this.#onViewChange]) listener();
  }

  #join(): void {
    this.#awaited.clear();
    this.#joinTimer?.cancel();
    this.#joined.resolve();
  }

  /** The first attempt to greet the peer is over, however it ended. */
  #answered(node: NodeId): void {
    if (this.#awaited.delete(node) && this.#awaited.size === 0) this.#join();
  }

  /** One channel has found the peer, or the peer has found this node: the others need not wait their long pauses out. */
  #isThere(node: NodeId): void {
    this.#links.get(node)?.redial();
    this.#background.get(node)?.redial();
    this.#heartbeats.get(node)?.redial();
  }

  #connect(member: MemberConfig): void {
    const { env, network, hello, layoutVersion, clock, log, storedMark, onSetBack, onOutdated, outdated } =
      this.#deps;
    const { peers, heartbeat, failureDetector } = this.#config;
    const address = { host: member.host, port: member.peerPort };
    const onRefused = (reason: string): void => {
      log.error({ peer: member.id }, `${member.id} and this node do not talk: ${reason}`);
    };
    const dependencies = {
      network,
      env,
      hello,
      layoutVersion,
      onRefused,
      setBack: (peer: Hello) => outdated(peer) ?? this.#witness.setBack(peer),
    };
    const options = {
      peer: member.id,
      address,
      backoffMsMin: peers.reconnectMs,
      backoffMsMax: peers.reconnectMsMax,
      queueBytesMax: peers.queueBytesMax,
      callBytesMax: peers.frameBytesMax - envelopeBytes,
    };
    const link = new PeerLink(dependencies, options);
    this.#background.set(member.id, new PeerLink(dependencies, { ...options, channel: 'background' }));
    link.onStateChange((state) => {
      if (state.kind === 'connected') {
        this.#detector.channelOpened(member.id, 'data');
        this.#isThere(member.id);
        if (this.#deps.judges.size > 0) this.#answered(member.id);
      } else this.#detector.channelBroken(member.id, 'data', state.message);
      this.#viewChanged();
    });
    this.#links.set(member.id, link);
    if (!this.#detector.watched.has(member.id)) return;
    this.#heartbeats.set(
      member.id,
      new Heartbeat(
        {
          network,
          env,
          hello,
          hybridMicros: () => clock.now,
          storedMark,
          witness: this.#witness,
          marks: this.#marks,
          onProbed: (results) => {
            for (const { nodeId, reachable } of results) {
              this.#detector.probed(nodeId, member.id, reachable);
            }
          },
          onSetBack,
          outdated,
          onOutdated,
          onAnswer: (sample) => {
            this.#detector.heartbeatAnswered(member.id, sample);
            clock.observe(env.clock.wallMicros() + sample.clockOffsetMicros);
          },
          onOpen: () => {
            this.#detector.channelOpened(member.id, 'control');
            this.#isThere(member.id);
            this.#answered(member.id);
          },
          onBroken: (reason) => {
            this.#detector.channelBroken(member.id, 'control', reason);
            if (this.#deps.judges.size === 0) this.#answered(member.id);
          },
        },
        {
          peer: member.id,
          address,
          intervalMs: heartbeat.intervalMs,
          // No longer than a silence that makes a suspect.
          silentMsMax: failureDetector.acceptablePauseMs + 2 * heartbeat.intervalMs,
          backoffMsMin: peers.reconnectMs,
          backoffMsMax: Math.min(2_000, peers.reconnectMsMax),
        },
      ),
    );
  }
}

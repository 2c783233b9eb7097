/**
 * Anti-entropy: compares this node's records with those of every peer it shares partitions with, again and again, and repairs
 * what differs (Demers et al., "Epidemic Algorithms for Replicated Database Maintenance", 1987; Dynamo, section 4.7). It is the
 * net under hints and read repair: it needs nobody to have noticed anything.
 *
 * Here it is decided when: each peer about every `intervalMs`, soon after it comes back, one comparison at a time, and the one
 * that has waited longest first, so that none is forgotten. What a comparison does is comparison-run.ts.
 */

import type { Throttle } from '../core/background/throttle.ts';
import type { NodeId } from '../core/identity.ts';
import type { Timer } from '../env/env.ts';
import type { PeerProcess } from './comparison-peer.ts';
import {
  type ComparisonCounts,
  type ComparisonOutcome,
  type ComparisonRequest,
  type ComparisonRunDependencies,
  noCounts,
  runComparison,
} from './comparison-run.ts';
import type { Trees } from './replica-trees.ts';

/** A comparison that ended well: whatever of the shared partitions both held when it began, both hold durably. */
export interface EndedComparison {
  readonly peer: NodeId;
  readonly replication: number;
  /** Running time of this node's store, in milliseconds: whatever was here by then has been compared. */
  readonly startedAtMs: number;
  /** Who answered from the first question to the end, and the mark that its store held on stable storage then. */
  readonly process: PeerProcess;
  readonly peerMark: number;
}

export interface AntiEntropyDependencies extends ComparisonRunDependencies {
  readonly trees: Pick<Trees, 'replications' | 'ready' | 'sharedPartitions' | 'hashes' | 'leafEntries'>;
  /** All other members. */
  readonly peers: readonly NodeId[];
  readonly isUp: (peer: NodeId) => boolean;
  readonly throttle: Throttle;
  /** What a comparison that begins now has to give as its start, in running time: no wall clock has a part in it. */
  readonly startMs: () => number;
  /** Told of every comparison that ended well. */
  readonly onEqual: (ended: EndedComparison) => void;
  /** Told of every comparison, however it ended. */
  readonly onCompared: (compared: ComparedPeer) => void;
  /** Told when this node's disk failed under a comparison, or something that should not happen did. */
  readonly onError: (error: unknown) => void;
}

export interface AntiEntropyOptions {
  readonly enabled: boolean;
  /** See `anti_entropy.interval_ms`. */
  readonly intervalMs: number;
}

/** How a comparison with a peer went. */
export interface ComparedPeer {
  readonly peer: NodeId;
  readonly replication: number;
  readonly outcome: ComparisonOutcome;
  readonly counts: Readonly<ComparisonCounts>;
  readonly tookMs: number;
}

/** All comparisons of this node since it started. Read only. */
export interface AntiEntropyCounters {
  comparisons: number;
  /** Those after which both sides were equal. */
  comparisonsEqual: number;
  /** Those that came to no end: the peer was away, not ready, or failed. */
  comparisonsFailed: number;
  keysCompared: number;
  keysDiffering: number;
  keysRepaired: number;
  keysLeft: number;
  bytesExchanged: number;
}

/** When a peer was compared with last. */
export interface PeerRound {
  readonly peer: NodeId;
  /** Monotonic milliseconds when all that is shared with it was last found or made equal. `undefined`: not since the start. */
  readonly equalAtMs: number | undefined;
  /** Of the last comparison, however it ended. */
  readonly lastOutcome: ComparisonOutcome['kind'] | undefined;
  readonly lastRepairedKeys: number;
}

/** What somebody asks to compare besides the schedule. */
export type WantedComparison = Pick<
  ComparisonRequest,
  'peer' | 'replication' | 'bucket' | 'dryRun' | 'isStopped'
> & {
  /** `undefined`: that of the schedule. */
  readonly throttle: Throttle | undefined;
};

interface Peer {
  readonly node: NodeId;
  dueMs: number;
  equalAtMs: number | undefined;
  lastOutcome: ComparisonOutcome['kind'] | undefined;
  lastRepairedKeys: number;
}

/** How often it looks for a peer that is due: a fraction of the interval, and neither a busy loop nor a long wait. */
const lookMsMin = 10;
const lookMsMax = 500;
/** Comparisons of a node begin no more often than this on average, however many peers it has. */
const comparisonMsMin = 20;
/** A peer that could not be compared with is due again after this part of the interval. */
const retryPart = 0.25;

export class AntiEntropy {
  readonly counters: AntiEntropyCounters = {
    comparisons: 0,
    comparisonsEqual: 0,
    comparisonsFailed: 0,
    keysCompared: 0,
    keysDiffering: 0,
    keysRepaired: 0,
    keysLeft: 0,
    bytesExchanged: 0,
  };
  readonly #deps: AntiEntropyDependencies;
  readonly #options: AntiEntropyOptions;
  readonly #peers: readonly Peer[];
  #timer: Timer | undefined;
  #stopped = false;
  /** Comparisons that run or wait for their turn, and the end of the last of them. */
  #underWay = 0;
  #turn: Promise<void> = Promise.resolve();

  constructor(dependencies: AntiEntropyDependencies, options: AntiEntropyOptions) {
    this.#deps = dependencies;
    this.#options = options;
    this.#peers = dependencies.peers.map((node) => ({
      node,
      dueMs: Number.POSITIVE_INFINITY,
      equalAtMs: undefined,
      lastOutcome: undefined,
      lastRepairedKeys: 0,
    }));
  }

  /** Begins to compare, at a random moment of the first interval for each peer: nodes that start together must not step together. */
  start(): void {
    if (!this.#options.enabled || this.#stopped) return;
    const { env } = this.#deps;
    const nowMs = env.clock.monotonicMs();
    for (const peer of this.#peers) peer.dueMs = nowMs + env.random.fraction() * this.#options.intervalMs;
    const lookMs = Math.max(lookMsMin, Math.min(lookMsMax, this.#options.intervalMs / 10));
    this.#timer = env.timers.every(lookMs, () => this.#look());
  }

  /** Begins nothing more. Resolves when what runs has come to its end, which it does at its next step: then the store may close. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    await this.#turn;
  }

  /** Compares with a peer that has come back as soon as possible: it missed what was written while it was away. */
  peerIsBack(node: NodeId): void {
    const peer = this.#peers.find((each) => each.node === node);
    const { env } = this.#deps;
    // A little later, and not all at the same moment: hints come first, and they know which keys.
    const dueMs = env.clock.monotonicMs() + (env.random.fraction() * this.#options.intervalMs) / 10;
    if (peer !== undefined && dueMs < peer.dueMs) peer.dueMs = dueMs;
  }

  /** Compares at the next turn, whatever the schedule says. Rejects with EngineError. `counts` is kept up to date meanwhile. */
  async compare(wanted: WantedComparison, counts: ComparisonCounts): Promise<ComparisonOutcome> {
    return await this.#inTurn(async () => await this.#compare(wanted, counts));
  }

  /** Peers and replications under which something is shared: what a full comparison consists of. */
  pairs(): readonly { readonly peer: NodeId; readonly replication: number; readonly partitions: number }[] {
    const { trees } = this.#deps;
    return this.#peers.flatMap(({ node }) =>
      trees.replications.flatMap((replication) => {
        const partitions = trees.sharedPartitions(node, replication).length;
        return partitions === 0 ? [] : [{ peer: node, replication, partitions }];
      }),
    );
  }

  /** Comparisons that run or wait for their turn. */
  get underWay(): number {
    return this.#underWay;
  }

  /** When each peer was compared with last. */
  rounds(): readonly PeerRound[] {
    return this.#peers.map(({ node, equalAtMs, lastOutcome, lastRepairedKeys }) => ({
      peer: node,
      equalAtMs,
      lastOutcome,
      lastRepairedKeys,
    }));
  }

  #look(): void {
    // Who waits for a turn goes first: somebody asked for it.
    if (this.#stopped || this.#underWay > 0) return;
    const { env, isUp, onError } = this.#deps;
    const nowMs = env.clock.monotonicMs();
    let next: Peer | undefined;
    for (const peer of this.#peers) {
      if (peer.dueMs > nowMs || !isUp(peer.node)) continue;
      if (next === undefined || peer.dueMs < next.dueMs) next = peer;
    }
    if (next === undefined) return;
    const peer = next;
    this.#inTurn(() => this.#round(peer)).catch(onError);
  }

  /** Compares all that is shared with a peer, one replication after the other. */
  async #round(peer: Peer): Promise<void> {
    const { env, trees, throttle, onEqual, startMs } = this.#deps;
    // Due again even if this ends with an error: the others have their turn first.
    peer.dueMs = this.#laterMs(retryPart);
    let repaired = 0;
    let worst: ComparisonOutcome['kind'] | undefined;
    for (const replication of trees.replications) {
      if (trees.sharedPartitions(peer.node, replication).length === 0) continue;
      const startedAtMs = startMs();
      const counts = noCounts();
      const isStopped = (): boolean => this.#stopped;
      const wanted = { peer: peer.node, replication, bucket: undefined, dryRun: false, isStopped, throttle };
      const outcome = await this.#compare(wanted, counts);
      repaired += counts.keysRepaired;
      if (outcome.kind === 'equal') {
        onEqual({
          peer: peer.node,
          replication,
          startedAtMs,
          process: outcome.process,
          peerMark: outcome.storedMark,
        });
        worst ??= 'equal';
      } else worst = outcome.kind;
      if (outcome.kind !== 'equal' && outcome.kind !== 'looked') break;
    }
    peer.lastOutcome = worst;
    peer.lastRepairedKeys = repaired;
    if (worst === 'equal') peer.equalAtMs = env.clock.monotonicMs();
    if (worst === undefined || worst === 'equal' || worst === 'looked') peer.dueMs = this.#laterMs(1);
  }

  async #compare(wanted: WantedComparison, counts: ComparisonCounts): Promise<ComparisonOutcome> {
    const { env, onCompared } = this.#deps;
    const { peer, replication } = wanted;
    const startedMs = env.clock.monotonicMs();
    const throttle = wanted.throttle ?? this.#deps.throttle;
    const isStopped = (): boolean => this.#stopped || wanted.isStopped();
    let outcome: ComparisonOutcome | undefined;
    try {
      outcome = await runComparison(this.#deps, { ...wanted, throttle, isStopped }, counts);
    } finally {
      this.#count(outcome, counts);
    }
    onCompared({ peer, replication, outcome, counts, tookMs: env.clock.monotonicMs() - startedMs });
    return outcome;
  }

  #count(outcome: ComparisonOutcome | undefined, counts: ComparisonCounts): void {
    const { counters } = this;
    counters.comparisons++;
    if (outcome?.kind === 'equal') counters.comparisonsEqual++;
    else if (outcome?.kind !== 'looked' && outcome?.kind !== 'stopped') counters.comparisonsFailed++;
    counters.keysCompared += counts.keysCompared;
    counters.keysDiffering += counts.keysDiffering;
    counters.keysRepaired += counts.keysRepaired;
    counters.keysLeft += counts.keysLeft;
    counters.bytesExchanged += counts.bytesExchanged;
  }

  #laterMs(part: number): number {
    const { env } = this.#deps;
    const jitter = 0.75 + env.random.fraction() / 2;
    // Of a thousand peers a hundred would be due every second: every comparison costs the other side an fsync.
    const intervalMs = Math.max(this.#options.intervalMs, this.#peers.length * comparisonMsMin);
    return env.clock.monotonicMs() + part * jitter * intervalMs;
  }

  /** One at a time, in the order of the calls. */
  async #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const before = this.#turn;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#turn = promise;
    this.#underWay++;
    await before;
    try {
      return await work();
    } finally {
      this.#underWay--;
      resolve();
    }
  }
}

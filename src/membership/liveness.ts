/**
 * Who is up, as this node sees it: carries heartbeats, broken channels, probes and gossip to the failure detector of core, and
 * what it decides to everybody who routes.
 */

import { assert } from '../core/assert.ts';
import {
  type DetectorAction,
  FailureDetector,
  type ProbeCounts,
} from '../core/membership/failure-detector.ts';
import type { PeerState, WatchedChannel } from '../core/membership/peer-suspicion.ts';
import type { Env, Timer } from '../env/env.ts';
import { noVerdictBoard, type VerdictBoard } from './verdict-board.ts';

/** `up`: answers. `suspect`: silent for a while, or not heard yet. `failed`: do not count on it. */
export type LivenessState = PeerState;

/** A change of state, and why. */
export interface LivenessChange {
  readonly node: string;
  readonly from: LivenessState;
  readonly to: LivenessState;
  /** One sentence for people. */
  readonly reason: string;
}

/** What is known of one peer. */
export interface PeerLiveness {
  readonly node: string;
  readonly state: LivenessState;
  /** Why it is in its state, in one sentence. */
  readonly reason: string;
  /** How suspicious its silence is: 0 to 1,000 (phi accrual). 0 for peers that this node does not listen to itself. */
  readonly phi: number;
  /** Milliseconds since its last answer to a heartbeat; `undefined` before the first, and where this node does not listen. */
  readonly lastHeartbeatAgoMs: number | undefined;
  /** Microseconds by which its clock is ahead of this node's, at the last answer. */
  readonly clockOffsetMicros: number | undefined;
  /** Smoothed milliseconds from heartbeat to answer. */
  readonly roundTripMs: number | undefined;
  /** Milliseconds that it has been in its state. */
  readonly sinceMs: number;
  /** Grows whenever the peer refutes that it is suspected. */
  readonly incarnation: number;
}

/** Who is up. What everything that routes depends on, whatever detector stands behind it. */
export interface Liveness {
  /** The state of a node. This node is always `up`; a node that is no member is `failed`. */
  state(node: string): LivenessState;
  /** Whether requests may count on the node: true unless it is `failed`. Prefer `up` to `suspect` where there is a choice. */
  isUp(node: string): boolean;
  /** Called after every change. */
  onChange(listener: (change: LivenessChange) => void): void;
  /** All peers, without this node. */
  view(): readonly PeerLiveness[];
  /** One peer. `undefined`: this node, or no member. */
  viewOf(node: string): PeerLiveness | undefined;
}

/** One answered heartbeat. */
export interface HeartbeatSample {
  /** Milliseconds from sending to the answer, on the monotonic clock. */
  readonly roundTripMs: number;
  /** Microseconds by which the peer's clock is ahead. */
  readonly clockOffsetMicros: number;
  /** Sent by the clock: the times between such answers are how the peer is judged. Others are asked for out of turn. */
  readonly regular: boolean;
}

export interface AccrualLivenessDependencies {
  readonly env: Env;
  /** Default: nobody hears verdicts, and none are heard. */
  readonly board?: VerdictBoard;
  /** Asks each of the helpers to probe the node; each answer goes to `probed`. Default: helpers never answer. */
  readonly askToProbe?: (node: string, helpers: readonly string[]) => void;
}

/** When silence means what. What each is for stands at `failureDetector` of the configuration; the defaults are the same. */
export interface AccrualLivenessOptions {
  /** This node. */
  readonly self: string;
  /** All other members. */
  readonly peers: readonly string[];
  /** Between heartbeats. Default 500 ms. */
  readonly intervalMs?: number;
  /** Default 5. */
  readonly suspectPhi?: number;
  /** Default 8. */
  readonly failedPhi?: number;
  /** Default 2 s. */
  readonly acceptablePauseMs?: number;
  /** Default 100 ms. */
  readonly deviationMsMin?: number;
  /** Default 1,000. */
  readonly samplesMax?: number;
  /** Default 500 ms. */
  readonly probeTimeoutMs?: number;
  /** Default 5 s. */
  readonly suspicionMs?: number;
  /** Default 32. */
  readonly watchedMax?: number;
  /** How often silence is looked at. Default 100 ms. */
  readonly lookMs?: number;
  /** This node's own loop stood still if a look comes this much late. Default 1 s. */
  readonly standstillMs?: number;
}

interface Measured {
  clockOffsetMicros: number;
  roundTripMs: number;
}

/** `Liveness` by phi accrual, helpers and verdicts. */
export class AccrualLiveness implements Liveness {
  readonly #dependencies: Required<AccrualLivenessDependencies>;
  readonly #peers: readonly string[];
  readonly #lookMs: number;
  readonly #detector: FailureDetector;
  readonly #measured = new Map<string, Measured>();
  readonly #listeners: ((change: LivenessChange) => void)[] = [];
  #timer: Timer | undefined;

  constructor(dependencies: AccrualLivenessDependencies, options: AccrualLivenessOptions) {
    const deps = { board: noVerdictBoard, askToProbe: () => {}, ...dependencies };
    this.#dependencies = deps;
    this.#peers = options.peers;
    this.#lookMs = options.lookMs ?? 100;
    this.#detector = new FailureDetector(
      { hearsay: deps.board },
      {
        intervalMs: 500,
        suspectPhi: 5,
        failedPhi: 8,
        acceptablePauseMs: 2_000,
        deviationMsMin: 100,
        samplesMax: 1_000,
        probeTimeoutMs: 500,
        suspicionMs: 5_000,
        watchedMax: 32,
        lookMs: this.#lookMs,
        standstillMs: 1_000,
        ...options,
      },
      this.#nowMs,
    );
    deps.board.onNews((nodes) => this.#act(this.#detector.heardOf(nodes, this.#nowMs)));
  }

  /** The peers that this node listens to itself: heartbeats go to these. */
  get watched(): ReadonlySet<string> {
    return this.#detector.watched;
  }

  /** What this node has announced. */
  get incarnation(): number {
    return this.#detector.incarnation;
  }

  /** What became of the probes that helpers were asked for, since the start. */
  get probes(): ProbeCounts {
    return this.#detector.probed;
  }

  /** How badly this node itself hears: 0 (well) to 7. The higher, the more patient it is with others. */
  get healthScore(): number {
    return this.#detector.healthScore(this.#nowMs);
  }

  /** Begins to judge. */
  start(): void {
    assert(this.#timer === undefined, 'liveness is started once');
    this.#detector.start(this.#nowMs);
    this.#timer = this.#dependencies.env.timers.every(this.#lookMs, () =>
      this.#act(this.#detector.look(this.#nowMs)),
    );
  }

  /** Judges no more. */
  close(): void {
    this.#timer?.cancel();
  }

  state(node: string): LivenessState {
    return this.#detector.state(node);
  }

  isUp(node: string): boolean {
    return this.#detector.state(node) !== 'failed';
  }

  onChange(listener: (change: LivenessChange) => void): void {
    this.#listeners.push(listener);
  }

  view(): readonly PeerLiveness[] {
    return this.#peers.map((node) => this.viewOf(node) as PeerLiveness);
  }

  viewOf(node: string): PeerLiveness | undefined {
    const nowMs = this.#nowMs;
    const judgement = this.#detector.judgement(node, nowMs);
    if (judgement === undefined) return undefined;
    const { state, reason, phi, heardMs, changedMs, incarnation } = judgement;
    const measured = this.#measured.get(node);
    return {
      node,
      state,
      reason,
      phi,
      lastHeartbeatAgoMs: heardMs === undefined ? undefined : nowMs - heardMs,
      clockOffsetMicros: measured?.clockOffsetMicros,
      roundTripMs: measured?.roundTripMs,
      sinceMs: nowMs - changedMs,
      incarnation,
    };
  }

  /** A peer answered a heartbeat. */
  heartbeatAnswered(node: string, sample: HeartbeatSample): void {
    if (!this.#detector.watched.has(node)) return;
    const { clockOffsetMicros, roundTripMs } = sample;
    const measured = this.#measured.get(node);
    if (measured === undefined) this.#measured.set(node, { clockOffsetMicros, roundTripMs });
    else {
      measured.clockOffsetMicros = clockOffsetMicros;
      measured.roundTripMs += (roundTripMs - measured.roundTripMs) / 8;
    }
    this.#act(this.#detector.answered(node, sample.regular, this.#nowMs));
  }

  /** A channel to the peer works (again). Evidence against a break, not yet that the peer is up. */
  channelOpened(node: string, channel: WatchedChannel): void {
    this.#detector.opened(node, channel);
  }

  /**
   * A channel to the peer was refused or broke. One alone means little; with both broken, the peer's process is gone or
   * unreachable: it is suspected at once, and failed unless helpers reach it.
   */
  channelBroken(node: string, channel: WatchedChannel, reason: string): void {
    this.#act(this.#detector.broke(node, channel, reason, this.#nowMs));
  }

  /** A helper that was asked to probe a node says whether it reached it. */
  probed(node: string, helper: string, reached: boolean): void {
    this.#act(this.#detector.probeEnded(node, helper, reached, this.#nowMs));
  }

  get #nowMs(): number {
    return this.#dependencies.env.clock.monotonicMs();
  }

  #act(actions: readonly DetectorAction[]): void {
    const { board, askToProbe } = this.#dependencies;
    for (const action of actions) {
      switch (action.kind) {
        case 'changed':
          for (const listener of this.#listeners) listener(action);
          break;
        case 'probe':
          askToProbe(action.node, action.through);
          break;
        case 'publish':
          board.publish(action.verdicts);
          break;
        case 'announce':
          board.announce(action.incarnation);
          break;
      }
    }
  }
}

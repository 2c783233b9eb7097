/**
 * Who is up, as this node sees it. The plain time-out detector: direct heartbeats feed it, silence makes a peer suspect
 * and then failed, and a peer whose connections all broke is failed at once.
 *
 * Detection decides routing and hints, never ownership: to be wrong costs time, not data.
 */

import { assert } from '../core/assert.ts';
import type { Env, Timer } from '../env/env.ts';
import type { PeerChannel } from '../env/network.ts';

/** `up`: answers. `suspect`: silent for a while, or not heard yet. `failed`: do not count on it. */
export type LivenessState = 'up' | 'suspect' | 'failed';

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
  /** Milliseconds since its last answer to a heartbeat; `undefined` before the first. */
  readonly lastHeartbeatAgoMs: number | undefined;
  /** Microseconds by which its clock is ahead of this node's, at the last answer. */
  readonly clockOffsetMicros: number | undefined;
  /** Smoothed milliseconds from heartbeat to answer. */
  readonly roundTripMs: number | undefined;
  /** Milliseconds that it has been in its state. */
  readonly sinceMs: number;
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
}

/** One answered heartbeat. */
export interface HeartbeatSample {
  /** Milliseconds from sending to the answer, on the monotonic clock. */
  readonly roundTripMs: number;
  /** Microseconds by which the peer's clock is ahead. */
  readonly clockOffsetMicros: number;
}

/** When silence means what. */
export interface TimeoutLivenessOptions {
  /** This node. */
  readonly self: string;
  /** All other members. */
  readonly peers: readonly string[];
  /** Silence until a peer is suspect. Default 1 s; at least two heartbeat intervals, or one lost heartbeat is news. */
  readonly suspectAfterMs?: number;
  /** Silence until a peer is failed. Default 2 s: shorter fails over faster and more often for nothing. */
  readonly failedAfterMs?: number;
  /** How often silence is looked at. Default 100 ms. */
  readonly checkMs?: number;
  /** This node's own loop stood still if a check comes this much late. Default 1 s. */
  readonly standstillMs?: number;
}

interface Peer {
  readonly node: string;
  state: LivenessState;
  changedMs: number;
  /** Silence is counted from here: the last answer, or when counting began anew. */
  silentSinceMs: number;
  heardMs: number | undefined;
  clockOffsetMicros: number | undefined;
  roundTripMs: number | undefined;
  readonly broken: Record<PeerChannel, boolean>;
}

/** `Liveness` by time-outs. */
export class TimeoutLiveness implements Liveness {
  readonly #env: Env;
  readonly #options: Required<TimeoutLivenessOptions>;
  readonly #peers = new Map<string, Peer>();
  readonly #listeners: ((change: LivenessChange) => void)[] = [];
  #timer: Timer | undefined;
  #checkedMs: number;
  /** Nobody is judged before this. */
  #judgeFromMs = 0;

  constructor(dependencies: { readonly env: Env }, options: TimeoutLivenessOptions) {
    this.#env = dependencies.env;
    this.#options = {
      suspectAfterMs: 1_000,
      failedAfterMs: 2_000,
      checkMs: 100,
      standstillMs: 1_000,
      ...options,
    };
    assert(
      this.#options.suspectAfterMs <= this.#options.failedAfterMs,
      'a peer is suspect before it is failed: suspectAfterMs <= failedAfterMs',
    );
    const nowMs = this.#env.clock.monotonicMs();
    this.#checkedMs = nowMs;
    for (const node of options.peers) {
      assert(node !== options.self, 'a node is no peer of itself');
      this.#peers.set(node, {
        node,
        // Not `up`, because nothing was heard; not `failed`, because nothing was tried.
        state: 'suspect',
        changedMs: nowMs,
        silentSinceMs: nowMs,
        heardMs: undefined,
        clockOffsetMicros: undefined,
        roundTripMs: undefined,
        broken: { data: false, control: false, background: false, gossip: false },
      });
    }
  }

  /** Begins to judge. */
  start(): void {
    assert(this.#timer === undefined, 'liveness is started once');
    const nowMs = this.#env.clock.monotonicMs();
    this.#checkedMs = nowMs;
    for (const peer of this.#peers.values()) peer.silentSinceMs = nowMs;
    this.#timer = this.#env.timers.every(this.#options.checkMs, () => this.#check());
  }

  /** Judges no more. */
  close(): void {
    this.#timer?.cancel();
  }

  state(node: string): LivenessState {
    if (node === this.#options.self) return 'up';
    return this.#peers.get(node)?.state ?? 'failed';
  }

  isUp(node: string): boolean {
    return this.state(node) !== 'failed';
  }

  onChange(listener: (change: LivenessChange) => void): void {
    this.#listeners.push(listener);
  }

  view(): readonly PeerLiveness[] {
    const nowMs = this.#env.clock.monotonicMs();
    return [...this.#peers.values()].map((peer) => ({
      node: peer.node,
      state: peer.state,
      lastHeartbeatAgoMs: peer.heardMs === undefined ? undefined : nowMs - peer.heardMs,
      clockOffsetMicros: peer.clockOffsetMicros,
      roundTripMs: peer.roundTripMs,
      sinceMs: nowMs - peer.changedMs,
    }));
  }

  /** A peer answered a heartbeat: it is up. */
  heartbeatAnswered(node: string, sample: HeartbeatSample): void {
    const peer = this.#peers.get(node);
    if (peer === undefined) return;
    const nowMs = this.#env.clock.monotonicMs();
    peer.silentSinceMs = nowMs;
    peer.heardMs = nowMs;
    peer.broken.control = false;
    peer.clockOffsetMicros = sample.clockOffsetMicros;
    peer.roundTripMs =
      peer.roundTripMs === undefined
        ? sample.roundTripMs
        : peer.roundTripMs + (sample.roundTripMs - peer.roundTripMs) / 8;
    this.#change(peer, 'up', 'it answered a heartbeat');
  }

  /** A channel to the peer works (again). Evidence against a break, not yet that the peer is up. */
  channelOpened(node: string, channel: PeerChannel): void {
    const peer = this.#peers.get(node);
    if (peer !== undefined) peer.broken[channel] = false;
  }

  /**
   * A channel to the peer was refused or broke. One alone means little; with both broken, the peer's process is gone or
   * unreachable, and waiting for the time-out would only cost requests.
   */
  channelBroken(node: string, channel: PeerChannel, reason: string): void {
    const peer = this.#peers.get(node);
    if (peer === undefined) return;
    peer.broken[channel] = true;
    if (!peer.broken.data || !peer.broken.control) return;
    this.#noticeStandstill();
    if (this.#env.clock.monotonicMs() < this.#judgeFromMs) return;
    this.#change(peer, 'failed', `both channels are broken: ${reason}`);
  }

  #check(): void {
    this.#noticeStandstill();
    const nowMs = this.#env.clock.monotonicMs();
    this.#checkedMs = nowMs;
    if (nowMs < this.#judgeFromMs) return;
    const { suspectAfterMs, failedAfterMs } = this.#options;
    for (const peer of this.#peers.values()) {
      const silentMs = nowMs - peer.silentSinceMs;
      if (peer.state === 'failed') continue;
      if (silentMs >= failedAfterMs)
        this.#change(peer, 'failed', `no heartbeat answered for ${Math.round(silentMs)} ms`);
      else if (peer.broken.data && peer.broken.control)
        this.#change(peer, 'failed', 'both channels are broken');
      else if (silentMs >= suspectAfterMs && peer.state === 'up') {
        this.#change(peer, 'suspect', `no heartbeat answered for ${Math.round(silentMs)} ms`);
      }
    }
  }

  /**
   * While this node's own loop stood still nothing could be heard, and the answers that came meanwhile are still unread. So
   * silence is counted anew, and nobody is judged until a fresh heartbeat could have been answered.
   */
  #noticeStandstill(): void {
    const nowMs = this.#env.clock.monotonicMs();
    if (nowMs - this.#checkedMs <= this.#options.checkMs + this.#options.standstillMs) return;
    this.#checkedMs = nowMs;
    this.#judgeFromMs = nowMs + this.#options.suspectAfterMs;
    for (const peer of this.#peers.values()) peer.silentSinceMs = nowMs;
  }

  #change(peer: Peer, to: LivenessState, reason: string): void {
    const from = peer.state;
    if (from === to) return;
    peer.state = to;
    peer.changedMs = this.#env.clock.monotonicMs();
    for (const listener of this.#listeners) listener({ node: peer.node, from, to, reason });
  }
}

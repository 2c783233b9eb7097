/**
 * Who is up, as one node sees it. It listens to its peers itself (`peer-suspicion.ts`); in a large cluster only to its
 * neighbours (`watched-subset.ts`), and takes for the rest what their own neighbours say (`verdict.ts`). It judges nobody when it
 * stood still itself, is patient when it is slow itself, and refutes what is said of it.
 *
 * Detection decides routing and hints, never ownership: to be wrong costs time, not data.
 */

import { assert } from '../assert.ts';
import { LocalHealth } from './local-health.ts';
import {
  type LookContext,
  type PeerState,
  PeerSuspicion,
  type SuspicionOptions,
  type SuspicionStep,
  type WatchedChannel,
} from './peer-suspicion.ts';
import { type HeardVerdict, stateByVerdicts, type Verdict, verdictsMax } from './verdict.ts';
import { watchedSubset } from './watched-subset.ts';

export interface FailureDetectorOptions extends SuspicionOptions {
  /** This node. */
  readonly self: string;
  /** All other members. */
  readonly peers: readonly string[];
  /** In a cluster of more than twice this a node listens to so many others only. */
  readonly watchedMax: number;
  /** `look` is called this often. */
  readonly lookMs: number;
  /** This process stood still if a look comes this much late. */
  readonly standstillMs: number;
}

/** What gossip knows. */
export interface Hearsay {
  /** The incarnation that a node has announced last; 0: none. */
  incarnationOf(node: string): number;
  /** What others than this node say of a node. */
  verdictsOn(node: string): Iterable<HeardVerdict>;
}

/** What the detector wants done, in this order. */
export type DetectorAction =
  | {
      readonly kind: 'changed';
      readonly node: string;
      readonly from: PeerState;
      readonly to: PeerState;
      /** One sentence for people. */
      readonly reason: string;
    }
  /** Ask each of the helpers to probe the node, and tell `probeEnded`. */
  | { readonly kind: 'probe'; readonly node: string; readonly through: readonly string[] }
  /** Tell everybody what this node found out about others, in place of what it said before. */
  | { readonly kind: 'publish'; readonly verdicts: readonly Verdict[] }
  /** Tell everybody that this node lives. */
  | { readonly kind: 'announce'; readonly incarnation: number };

/** One peer, as this node sees it. */
export interface PeerJudgement {
  readonly state: PeerState;
  /** Why, in one sentence. */
  readonly reason: string;
  /** Since when. */
  readonly changedMs: number;
  /** How suspicious its silence is: 0 to 1,000. 0 for one that this node does not listen to. */
  readonly phi: number;
  /** When it answered last. `undefined`: never, or this node does not listen to it. */
  readonly heardMs: number | undefined;
  /** What it has announced last. */
  readonly incarnation: number;
}

/** Probes by helpers. */
export interface ProbeCounts {
  /** The helper reached the peer. */
  readonly reached: number;
  /** It did not. */
  readonly unreached: number;
  /** The helper said nothing in time. */
  readonly unanswered: number;
}

interface Watched {
  readonly suspicion: PeerSuspicion;
  /** The incarnation that is accused while it is not up. */
  accusedIncarnation: number;
  accusedMs: number;
}

interface Unwatched {
  state: PeerState;
  reason: string;
  changedMs: number;
}

/** Helpers asked at once. */
const helpersMax = 2;
/** An own timer so much late is a bad sign. */
const timerLateMs = 250;
/** What is only hearsay is weighed again so often: whoever said it may have failed since. */
const weighMs = 1_000;

/** Tells who is up. All times are monotonic milliseconds. */
export class FailureDetector {
  readonly #options: FailureDetectorOptions;
  readonly #hearsay: Hearsay;
  readonly #health: LocalHealth;
  readonly #watchedNodes: ReadonlySet<string>;
  readonly #watched = new Map<string, Watched>();
  readonly #unwatched = new Map<string, Unwatched>();
  /** Who listens to a peer, where not everybody does to everybody. */
  readonly #listenersOf = new Map<string, ReadonlySet<string>>();
  #actions: DetectorAction[] = [];
  #lookedMs: number;
  #weighedMs: number;
  /** Nobody is judged before this. */
  #judgeFromMs = 0;
  /** Where the next turn of helpers begins: elsewhere at each node, because all may notice the same failure at once. */
  #nextHelper: number;
  readonly #probed = { reached: 0, unreached: 0, unanswered: 0 };
  #incarnation = 0;
  #verdictsChanged = false;
  #published = '';

  constructor(dependencies: { readonly hearsay: Hearsay }, options: FailureDetectorOptions, nowMs: number) {
    const { self, peers, watchedMax, suspectPhi, failedPhi } = options;
    assert(suspectPhi <= failedPhi, 'a peer is suspect before it is failed: suspectPhi <= failedPhi');
    assert(!peers.includes(self), 'a node is no peer of itself');
    this.#options = options;
    this.#hearsay = dependencies.hearsay;
    this.#health = new LocalHealth(nowMs);
    this.#lookedMs = nowMs;
    this.#weighedMs = nowMs;
    this.#nextHelper = peers.filter((node) => node < self).length;
    const members = [self, ...peers];
    const watched = new Set(watchedSubset(self, members, watchedMax));
    this.#watchedNodes = watched;
    for (const node of peers) {
      if (watched.has(node)) {
        const suspicion = new PeerSuspicion(options, nowMs);
        this.#watched.set(node, { suspicion, accusedIncarnation: 0, accusedMs: 0 });
        // The circle looks the same from both sides: whom it listens to is who listens to it.
        if (watched.size < peers.length) {
          this.#listenersOf.set(node, new Set(watchedSubset(node, members, watchedMax)));
        }
      } else {
        this.#unwatched.set(node, {
          state: 'up',
          reason: 'nobody who listens to it complains',
          changedMs: nowMs,
        });
      }
    }
  }

  /** Whom this node listens to itself. */
  get watched(): ReadonlySet<string> {
    return this.#watchedNodes;
  }

  /** What this node has announced. */
  get incarnation(): number {
    return this.#incarnation;
  }

  /** What became of the probes that helpers were asked for, since the start. */
  get probed(): ProbeCounts {
    return this.#probed;
  }

  /** How badly this node hears itself: 0 (well) to 7. */
  healthScore(nowMs: number): number {
    return this.#health.score(nowMs);
  }

  /** This node is always up; a node that is no member is failed. */
  state(node: string): PeerState {
    if (node === this.#options.self) return 'up';
    return this.#watched.get(node)?.suspicion.state ?? this.#unwatched.get(node)?.state ?? 'failed';
  }

  /** What is thought of a peer. `undefined` for this node and for strangers. */
  judgement(node: string, nowMs: number): PeerJudgement | undefined {
    const incarnation = this.#hearsay.incarnationOf(node);
    const watched = this.#watched.get(node);
    if (watched !== undefined) {
      const { state, reason, changedMs, heardMs } = watched.suspicion;
      const phi = watched.suspicion.phi(nowMs, this.#health.factor(nowMs));
      return { state, reason, changedMs, phi, heardMs, incarnation };
    }
    const unwatched = this.#unwatched.get(node);
    return unwatched && { ...unwatched, phi: 0, heardMs: undefined, incarnation };
  }

  /** Counting begins now: what was before is nobody's silence. */
  start(nowMs: number): void {
    this.#lookedMs = nowMs;
    for (const { suspicion } of this.#watched.values()) suspicion.restart(nowMs);
  }

  /** A peer answered a heartbeat; `regular`: one that the clock sent. */
  answered(node: string, regular: boolean, nowMs: number): readonly DetectorAction[] {
    this.#noticeStandstill(nowMs);
    const peer = this.#watched.get(node);
    if (peer !== undefined) {
      this.#follow(node, peer, peer.suspicion.answered(nowMs, regular, this.#health.factor(nowMs)), nowMs);
    }
    return this.#take();
  }

  opened(node: string, channel: WatchedChannel): void {
    this.#watched.get(node)?.suspicion.opened(channel);
  }

  /** A channel to a peer was refused or broke. */
  broke(node: string, channel: WatchedChannel, reason: string, nowMs: number): readonly DetectorAction[] {
    this.#noticeStandstill(nowMs);
    const peer = this.#watched.get(node);
    if (peer !== undefined) {
      peer.suspicion.broke(channel, reason);
      this.#judge(node, peer, nowMs);
    }
    return this.#take();
  }

  /** A helper tells what became of its probe. */
  probeEnded(node: string, helper: string, reached: boolean, nowMs: number): readonly DetectorAction[] {
    this.#noticeStandstill(nowMs);
    const peer = this.#watched.get(node);
    if (peer?.suspicion.awaits(helper) === true && nowMs >= this.#judgeFromMs) {
      this.#probed[reached ? 'reached' : 'unreached']++;
      const step = peer.suspicion.probed(helper, reached, nowMs, this.#health.factor(nowMs));
      this.#follow(node, peer, step, nowMs);
    }
    return this.#take();
  }

  /** Gossip brought news about these nodes. */
  heardOf(nodes: Iterable<string>, nowMs: number): readonly DetectorAction[] {
    for (const node of nodes) {
      if (node === this.#options.self) this.#refute(nowMs);
      const watched = this.#watched.get(node);
      if (watched !== undefined && this.#hearsay.incarnationOf(node) > watched.accusedIncarnation) {
        watched.suspicion.refuted();
      }
      const unwatched = this.#unwatched.get(node);
      if (unwatched !== undefined) this.#weigh(node, unwatched, nowMs);
    }
    return this.#take();
  }

  /** Judges everybody by the silence until now. */
  look(nowMs: number): readonly DetectorAction[] {
    const lateMs = nowMs - this.#lookedMs - this.#options.lookMs;
    if (!this.#noticeStandstill(nowMs) && lateMs >= timerLateMs) this.#health.badSign(nowMs);
    this.#lookedMs = nowMs;
    for (const [node, peer] of this.#watched) this.#judge(node, peer, nowMs);
    if (nowMs - this.#weighedMs >= weighMs) {
      this.#weighedMs = nowMs;
      for (const [node, unwatched] of this.#unwatched) {
        if (unwatched.state !== 'up') this.#weigh(node, unwatched, nowMs);
      }
      for (const [node, peer] of this.#watched) this.#accuseAgain(node, peer, nowMs);
    }
    return this.#take();
  }

  #judge(node: string, peer: Watched, nowMs: number): void {
    if (nowMs < this.#judgeFromMs) return;
    for (const helper of peer.suspicion.takeSilentHelpers(nowMs)) {
      this.#probed.unanswered++;
      // A helper that is down cannot say no; of one that is up, silence means that this node does not hear well.
      if (this.state(helper) === 'up') this.#health.badSign(nowMs);
    }
    const context: LookContext = {
      patience: this.#health.factor(nowMs),
      helpers: () => this.#helpersFor(node),
    };
    const step = peer.suspicion.look(nowMs, context);
    this.#follow(node, peer, step, nowMs);
    // Both channels broken: the same look that suspects it begins to ask.
    if (step.kind === 'changed' && peer.suspicion.state === 'suspect') {
      this.#follow(node, peer, peer.suspicion.look(nowMs, context), nowMs);
    }
  }

  #follow(node: string, peer: Watched, step: SuspicionStep, nowMs: number): void {
    if (step.kind === 'nothing') return;
    if (step.kind === 'probe') {
      this.#actions.push({ kind: 'probe', node, through: step.through });
      return;
    }
    const { state, reason } = peer.suspicion;
    this.#actions.push({ kind: 'changed', node, from: step.from, to: state, reason });
    peer.accusedIncarnation = this.#hearsay.incarnationOf(node);
    peer.accusedMs = nowMs;
    this.#verdictsChanged = true;
  }

  /** Up, in reach, and they listen to the node themselves; others in turn, so that a bad one is not asked each time. */
  #helpersFor(node: string): readonly string[] {
    const listeners = this.#listenersOf.get(node);
    const able = [...this.#watched]
      .filter(
        ([helper, { suspicion }]) =>
          helper !== node &&
          suspicion.state === 'up' &&
          suspicion.controlOpen &&
          (listeners === undefined || listeners.has(helper)),
      )
      .map(([helper]) => helper);
    const first = this.#nextHelper++;
    const asked = Math.min(helpersMax, able.length);
    return Array.from({ length: asked }, (_, i) => able[(first + i) % able.length] as string);
  }

  /**
   * While this process stood still nothing could be heard, and what came meanwhile is still unread. So silence is counted anew,
   * and nobody is judged until fresh heartbeats could have been answered.
   */
  #noticeStandstill(nowMs: number): boolean {
    const { lookMs, standstillMs, acceptablePauseMs } = this.#options;
    if (nowMs - this.#lookedMs <= lookMs + standstillMs) return false;
    this.#lookedMs = nowMs;
    this.#judgeFromMs = nowMs + acceptablePauseMs;
    this.#health.badSign(nowMs);
    for (const { suspicion } of this.#watched.values()) suspicion.restart(nowMs);
    return true;
  }

  #weigh(node: string, unwatched: Unwatched, nowMs: number): void {
    const hearsay = this.#hearsay;
    const credible = (by: string): boolean => this.state(by) !== 'failed';
    const { state, by } = stateByVerdicts(hearsay.verdictsOn(node), hearsay.incarnationOf(node), credible);
    if (state === unwatched.state) return;
    const named = by.length > 3 ? `${by.slice(0, 3).join(', ')} and ${by.length - 3} more` : by.join(', ');
    const from = unwatched.state;
    unwatched.state = state;
    unwatched.changedMs = nowMs;
    unwatched.reason =
      state === 'up' ? 'nobody who listens to it complains any more' : `${named} found it ${state}`;
    this.#actions.push({ kind: 'changed', node, from, to: state, reason: unwatched.reason });
  }

  #refute(nowMs: number): void {
    let accused = -1;
    for (const verdict of this.#hearsay.verdictsOn(this.#options.self)) {
      if (verdict.incarnation > accused) accused = verdict.incarnation;
    }
    if (accused < this.#incarnation) return;
    this.#incarnation = accused + 1;
    this.#health.badSign(nowMs);
    this.#actions.push({ kind: 'announce', incarnation: this.#incarnation });
  }

  /** A peer that has refuted and is silent here all the same is accused again, but not more often than a suspicion takes. */
  #accuseAgain(node: string, peer: Watched, nowMs: number): void {
    if (peer.suspicion.state === 'up' || nowMs - peer.accusedMs < this.#options.suspicionMs) return;
    const incarnation = this.#hearsay.incarnationOf(node);
    if (incarnation <= peer.accusedIncarnation) return;
    peer.accusedIncarnation = incarnation;
    peer.accusedMs = nowMs;
    this.#verdictsChanged = true;
  }

  #verdicts(): readonly Verdict[] {
    const verdicts: Verdict[] = [];
    for (const [node, { suspicion, accusedIncarnation }] of this.#watched) {
      const { state } = suspicion;
      if (state === 'up' || verdicts.length === verdictsMax) continue;
      // A peer that has only not been heard yet, because this node is new, is not accused.
      if (state === 'suspect' && suspicion.heardMs === undefined) continue;
      verdicts.push({ node, state, incarnation: accusedIncarnation });
    }
    return verdicts;
  }

  #take(): readonly DetectorAction[] {
    if (this.#verdictsChanged) {
      this.#verdictsChanged = false;
      const verdicts = this.#verdicts();
      const text = verdicts.map(({ node, state, incarnation }) => `${node} ${state} ${incarnation}`).join();
      if (text !== this.#published) this.#actions.push({ kind: 'publish', verdicts });
      this.#published = text;
    }
    const actions = this.#actions;
    this.#actions = [];
    return actions;
  }
}

/**
 * What one node thinks of one peer that it listens to: UP, SUSPECT, FAILED, and why. Only what this node hears itself counts
 * for it, and what helpers found out that it asked to probe (SWIM, section 3.1).
 *
 *   UP       -> SUSPECT   phi reaches the first threshold, or both channels are broken
 *   SUSPECT  -> UP        an answered heartbeat
 *   SUSPECT  -> FAILED    phi has reached the second threshold or both channels are broken, and
 *                         no helper reached it, or helpers do and this node has not for all of `suspicionMs`
 *   FAILED   -> UP        answered heartbeats in a row: one, and one more for each time that it came back within a minute
 */

import { PhiAccrual } from './phi-accrual.ts';

/** `up`: answers. `suspect`: silent for a while, or not heard yet. `failed`: do not count on it. */
export type PeerState = 'up' | 'suspect' | 'failed';

/** The channels that every peer has open to every other at all times. */
export type WatchedChannel = 'data' | 'control';

/** When silence means what. */
export interface SuspicionOptions {
  /** Milliseconds between heartbeats. */
  readonly intervalMs: number;
  /** Silence is suspicious from this phi. */
  readonly suspectPhi: number;
  /** And a failure, if helpers agree, from this. */
  readonly failedPhi: number;
  /** Milliseconds by which any answer may be late without suspicion. */
  readonly acceptablePauseMs: number;
  /** The times between answers deviate by at least this. */
  readonly deviationMsMin: number;
  /** Times between answers that are remembered. */
  readonly samplesMax: number;
  /** Helpers answer within this. */
  readonly probeTimeoutMs: number;
  /** A peer that helpers reach, but this node does not, is failed after this. */
  readonly suspicionMs: number;
}

/** What a look at a peer depends on besides the peer. */
export interface LookContext {
  /** By how much to stretch pauses and time-outs: 1 or more. */
  readonly patience: number;
  /** Other nodes to ask, the first choice first. Called when a probe begins. */
  readonly helpers: () => readonly string[];
}

/** What follows from a look or an event. */
export type SuspicionStep =
  | { readonly kind: 'nothing' }
  /** The state is another now. */
  | { readonly kind: 'changed'; readonly from: PeerState }
  /** Ask these nodes to probe the peer. */
  | { readonly kind: 'probe'; readonly through: readonly string[] };

interface Probe {
  readonly untilMs: number;
  readonly through: readonly string[];
  readonly silent: Set<string>;
  reachedBy: string | undefined;
  /** The time to answer is over, and whoever did not answer has been told of. */
  over: boolean;
}

const nothing: SuspicionStep = { kind: 'nothing' };
/** Comebacks are remembered for this long. */
const comebackMs = 60_000;
/** Answers in a row that are asked for at most. */
const answersAskedMax = 5;
/** A silence of so many acceptable pauses is too long however unevenly the peer answered before, and however patient this node is. */
const pausesMax = 4;

/** One peer, as this node hears it. All times are monotonic milliseconds. */
export class PeerSuspicion {
  readonly #options: SuspicionOptions;
  readonly #phi: PhiAccrual;
  readonly #broken: Record<WatchedChannel, boolean> = { data: false, control: false };
  #brokenBecause = '';
  #state: PeerState = 'suspect';
  #reason = 'it has not been heard yet';
  #changedMs: number;
  #heardMs: number | undefined;
  /** Since when phi or broken channels say that it failed. */
  #accusedMs: number | undefined;
  #probe: Probe | undefined;
  #answersInRow = 0;
  #comebacks: number[] = [];

  constructor(options: SuspicionOptions, nowMs: number) {
    this.#options = options;
    this.#changedMs = nowMs;
    const deviationMsMax = options.acceptablePauseMs / 4;
    this.#phi = new PhiAccrual({ ...options, deviationMsMax }, nowMs);
  }

  get state(): PeerState {
    return this.#state;
  }

  /** Why it is in its state, in one sentence. */
  get reason(): string {
    return this.#reason;
  }

  /** Since when it has been in its state. */
  get changedMs(): number {
    return this.#changedMs;
  }

  /** When it last answered. `undefined`: never. */
  get heardMs(): number | undefined {
    return this.#heardMs;
  }

  /** Whether heartbeats can be sent to it. */
  get controlOpen(): boolean {
    return !this.#broken.control && this.#heardMs !== undefined;
  }

  phi(nowMs: number, patience: number): number {
    return this.#phi.phi(nowMs, this.#options.acceptablePauseMs * patience);
  }

  /** It answered a heartbeat. `regular`: one of those that the clock sends. */
  answered(nowMs: number, regular: boolean, patience: number): SuspicionStep {
    // The silence of a peer that was down, or was taken for it, is no sample of how it answers.
    if (this.phi(nowMs, patience) >= this.#options.suspectPhi) {
      this.#phi.interrupt();
      this.#answersInRow = 0;
    }
    this.#phi.heard(nowMs, regular);
    this.#broken.control = false;
    this.#accusedMs = undefined;
    this.#probe = undefined;
    const known = this.#heardMs !== undefined;
    this.#heardMs = nowMs;
    if (this.#state === 'up') return nothing;
    if (this.#state === 'suspect') return this.#change('up', 'it answered a heartbeat', nowMs);
    this.#answersInRow++;
    this.#comebacks = this.#comebacks.filter((atMs) => nowMs - atMs < comebackMs);
    const asked = Math.min(answersAskedMax, 1 + this.#comebacks.length);
    if (this.#answersInRow < asked) {
      this.#reason = `it came back ${this.#comebacks.length} times in the last minute, and has answered ${this.#answersInRow} of ${asked} heartbeats in a row`;
      return nothing;
    }
    // A peer that starts after this node has not come back.
    if (known) this.#comebacks.push(nowMs);
    const reason = asked === 1 ? 'it answered a heartbeat' : `it answered ${asked} heartbeats in a row`;
    return this.#change('up', reason, nowMs);
  }

  /** A channel to it works (again). Evidence against a break, not yet that it is up. */
  opened(channel: WatchedChannel): void {
    this.#broken[channel] = false;
  }

  /** A channel was refused or broke. One alone means little; both: its process is gone, or cannot be reached. */
  broke(channel: WatchedChannel, reason: string): void {
    this.#broken[channel] = true;
    this.#brokenBecause = reason;
    if (channel === 'control') {
      this.#phi.interrupt();
      this.#answersInRow = 0;
    }
  }

  /** This process itself stood still: what it did not hear meanwhile says nothing. */
  restart(nowMs: number): void {
    this.#phi.restart(nowMs);
    this.#accusedMs = undefined;
    this.#probe = undefined;
  }

  /** Whether the helper was asked to probe the peer and has not said yet what became of it. */
  awaits(helper: string): boolean {
    return this.#probe?.silent.has(helper) ?? false;
  }

  /** A helper says whether it reached the peer. */
  probed(helper: string, reached: boolean, nowMs: number, patience: number): SuspicionStep {
    const probe = this.#probe;
    if (probe === undefined || !probe.silent.delete(helper)) return nothing;
    if (reached) probe.reachedBy ??= helper;
    else if (probe.silent.size === 0 && probe.reachedBy === undefined) return this.#fail(nowMs, patience);
    return nothing;
  }

  /** The peer said itself, through others, that it lives: as good as a helper that reached it. */
  refuted(): void {
    if (this.#probe !== undefined) this.#probe.reachedBy ??= 'it refutes, so somebody';
  }

  /** Helpers that let the time of a probe pass without a word, told once. */
  takeSilentHelpers(nowMs: number): readonly string[] {
    const probe = this.#probe;
    if (probe === undefined || probe.over || nowMs < probe.untilMs) return [];
    probe.over = true;
    return [...probe.silent];
  }

  /** Judges by the silence until now. To be called often. */
  look(nowMs: number, context: LookContext): SuspicionStep {
    if (this.#state === 'failed') return nothing;
    const { suspectPhi, failedPhi, suspicionMs, acceptablePauseMs } = this.#options;
    const { patience } = context;
    const broken = this.#bothBroken;
    const silentMs = this.#phi.silentMs(nowMs);
    // The usual case, at little cost: phi is below 0.31 then.
    if (this.#state === 'up' && !broken && silentMs < acceptablePauseMs) return nothing;
    const tooLong = silentMs >= pausesMax * acceptablePauseMs;
    const phi = this.phi(nowMs, patience);
    if (this.#state === 'up') {
      if (broken || tooLong || phi >= suspectPhi)
        return this.#change('suspect', this.#silence(nowMs, patience), nowMs);
      return nothing;
    }
    if (!broken && !tooLong && phi < failedPhi) {
      this.#accusedMs = undefined;
      return nothing;
    }
    this.#accusedMs ??= nowMs;
    const probe = this.#probe;
    if (probe === undefined) return this.#startProbe(nowMs, context);
    if (probe.reachedBy === undefined) {
      return nowMs >= probe.untilMs ? this.#fail(nowMs, patience) : nothing;
    }
    if (nowMs - this.#accusedMs >= suspicionMs) return this.#fail(nowMs, patience);
    this.#reason = `${this.#silence(nowMs, patience)}, but ${probe.reachedBy} reaches it`;
    return nowMs >= probe.untilMs ? this.#startProbe(nowMs, context) : nothing;
  }

  get #bothBroken(): boolean {
    return this.#broken.data && this.#broken.control;
  }

  #startProbe(nowMs: number, { helpers, patience }: LookContext): SuspicionStep {
    const through = helpers();
    const untilMs = nowMs + this.#options.probeTimeoutMs * patience;
    const silent = new Set(through);
    this.#probe = { untilMs, through, silent, reachedBy: undefined, over: false };
    // Without helpers the time passes all the same: a broken connection may be mended in it.
    return through.length === 0 ? nothing : { kind: 'probe', through };
  }

  #fail(nowMs: number, patience: number): SuspicionStep {
    const { through, reachedBy } = this.#probe as Probe;
    const silence = this.#silence(nowMs, patience);
    const others =
      reachedBy !== undefined
        ? `${reachedBy} reaches it, but this node has not for too long`
        : through.length === 0
          ? 'no other node is up to ask'
          : through.length === 1
            ? `${through[0]} does not reach it either`
            : `neither ${through.slice(0, -1).join(', ')} nor ${through.at(-1)} reaches it`;
    this.#probe = undefined;
    this.#accusedMs = undefined;
    this.#answersInRow = 0;
    return this.#change('failed', `${silence}, and ${others}`, nowMs);
  }

  #silence(nowMs: number, patience: number): string {
    if (this.#bothBroken) return `both channels are broken (${this.#brokenBecause})`;
    const phi = this.phi(nowMs, patience).toFixed(1);
    return `no heartbeat answered for ${Math.round(this.#phi.silentMs(nowMs))} ms (phi ${phi})`;
  }

  #change(to: PeerState, reason: string, nowMs: number): SuspicionStep {
    const from = this.#state;
    this.#state = to;
    this.#reason = reason;
    this.#changedMs = nowMs;
    return { kind: 'changed', from };
  }
}

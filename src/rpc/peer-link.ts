/**
 * The outgoing side of the data channel to one peer: calls in, outcomes out. Everything queued in one tick travels in one
 * frame; every call ends in exactly one outcome, and the outcome says whether the peer may have carried it out.
 *
 * Nothing is ever sent twice: a call that was on the way when the stream broke is `lost`, and whoever asked decides.
 */

import { assert } from '../core/assert.ts';
import { LatencyWindow } from '../core/coordinator/latency-window.ts';
import type { Env, Timer } from '../env/env.ts';
import type { FrameStream, Network, NetworkError } from '../env/network.ts';
import {
  ExchangeRequest,
  ExchangeResponse,
  type Hello,
  type ReplicaCall,
} from '../gen/kindred/peer/v1/peer.ts';
import { Backoff } from './backoff.ts';
import { encodeCalls } from './frame-encoder.ts';
import { type CallBody, callBytes, type ReplyBody } from './frame-size.ts';
import { wrongPeer } from './hello.ts';

/** Why a call was not sent. The peer certainly did not carry it out. */
export type NotSentReason =
  | 'not-connected' // no stream, or the one there was broke while the call was queued
  | 'queue-full' // too many calls or bytes wait already
  | 'too-large' // above the largest frame
  | 'closed'; // the link was closed by this node

/** Why it is not known whether a sent call was carried out. */
export type LostReason =
  | 'reset' // the stream broke before the reply
  | 'malformed' // the peer sent what makes no sense
  | 'closed'; // the link was closed by this node

/** How a call ended. */
export type CallOutcome =
  | { readonly kind: 'reply'; readonly reply: ReplyBody }
  | { readonly kind: 'not-sent'; readonly reason: NotSentReason }
  /** Sent; unknown whether it was carried out. */
  | { readonly kind: 'lost'; readonly reason: LostReason }
  /** No reply in time. `sent` false: it was certainly not carried out. */
  | { readonly kind: 'timed-out'; readonly sent: boolean };

/** Why a link is not connected. */
export type DisconnectReason =
  | 'unreachable' // nobody answers at the address
  | 'reset' // the stream broke: the peer's process died or the network did
  | 'refused' // the peer, or this node, found that they must not talk
  | 'malformed' // the peer sent what makes no sense, and was cut off
  | 'silent' // connected, but no answer to the greeting, or to any call, in time
  | 'closed'; // by this node

/** Whether calls can be sent. */
export type LinkState =
  | { readonly kind: 'connected'; readonly peer: Hello }
  | { readonly kind: 'disconnected'; readonly reason: DisconnectReason; readonly message: string };

/** What a link has done since it was made. Read only. */
export interface PeerLinkCounters {
  connects: number;
  disconnects: number;
  refusals: number;
  framesSent: number;
  framesReceived: number;
  bytesSent: number;
  bytesReceived: number;
  callsSent: number;
  replies: number;
  notSent: number;
  lost: number;
  timedOut: number;
  /** Replies to calls that had already ended, or that never were. */
  unknownReplies: number;
  malformedFrames: number;
}

/** What a link needs. */
export interface PeerLinkDependencies {
  readonly network: Network;
  readonly env: Env;
  /** This node's greeting, asked for at each connection. */
  readonly hello: () => Hello;
  /** The layout that this node places keys by, now. */
  readonly layoutVersion: () => number;
  /** Told once for each distinct reason that a peer, or this node, refuses to talk. */
  readonly onRefused?: (reason: string) => void;
  /** Why the store of the peer that answers must have been put back to an earlier state, or `undefined`. */
  readonly setBack?: (hello: Hello) => string | undefined;
}

/** Where a link goes, and its bounds. */
export interface PeerLinkOptions {
  /** Node id that must answer at the address. */
  readonly peer: string;
  readonly address: { readonly host: string; readonly port: number };
  /** Default `data`. `background`: for calls that no client waits for. */
  readonly channel?: 'data' | 'background';
  /** First reconnection comes after up to this. Default 100 ms. */
  readonly backoffMsMin?: number;
  /** And later ones after up to this. Default 5 s: longer costs time after a peer returns, shorter knocks more often. */
  readonly backoffMsMax?: number;
  /** A refused greeting is tried again after half to all of this. Default 5 s. */
  readonly refusedRetryMs?: number;
  /** Connecting and greeting must be over after this. Default 3 s. */
  readonly helloTimeoutMs?: number;
  /**
   * A connection on which calls wait and nothing has come for this long is given up. Default 5 s: keepalive pings say that
   * the connection lives, but not that this stream does.
   */
  readonly silentMsMax?: number;
  /** Bytes of calls that wait for the stream. Default 16 MiB; above: `not-sent`, `queue-full`. */
  readonly queueBytesMax?: number;
  /** Calls queued or waiting for their reply. Default 16,384; above: `not-sent`, `queue-full`. */
  readonly callsInFlightMax?: number;
  /** A frame is cut when it reaches this. Default 256 KiB: larger frames delay small calls behind them. */
  readonly frameBytesMax?: number;
  /** Largest single call. Default 12 MiB; must stay below the network's largest frame. */
  readonly callBytesMax?: number;
  /** How late a time-out may be noticed. Default 10 ms. */
  readonly deadlineStepMs?: number;
}

interface Call {
  readonly id: number;
  readonly body: CallBody;
  readonly bytes: number;
  readonly startedMs: number;
  readonly deadlineMs: number;
  readonly callback: (outcome: CallOutcome) => void;
  state: 'queued' | 'sent' | 'ended';
}

type Connection =
  | { readonly kind: 'idle' }
  | { readonly kind: 'waiting'; readonly timer: Timer }
  | {
      readonly kind: 'greeting';
      readonly stream: FrameStream;
      readonly timer: Timer;
      readonly sinceMs: number;
    }
  | { readonly kind: 'open'; readonly stream: FrameStream; readonly peer: Hello }
  | { readonly kind: 'closed' };

/** A look at the deadlines that comes so much late means that this process stood still. */
const standstillMs = 1_000;
const refusalsRemembered = 100;
/** ReplicaCall.timeout_ms is a uint32. */
const timeoutMsMax = 0xffff_ffff;

/** Calls to one peer. */
export class PeerLink {
  readonly #network: Network;
  readonly #env: Env;
  readonly #hello: () => Hello;
  readonly #layoutVersion: () => number;
  readonly #onRefused: ((reason: string) => void) | undefined;
  readonly #setBack: ((hello: Hello) => string | undefined) | undefined;
  readonly #options: Required<PeerLinkOptions>;
  readonly #backoff: Backoff;
  readonly #latency = new LatencyWindow();
  readonly #stateListeners: ((state: LinkState) => void)[] = [];
  readonly #refusals = new Set<string>();
  readonly #counters: PeerLinkCounters = {
    connects: 0,
    disconnects: 0,
    refusals: 0,
    framesSent: 0,
    framesReceived: 0,
    bytesSent: 0,
    bytesReceived: 0,
    callsSent: 0,
    replies: 0,
    notSent: 0,
    lost: 0,
    timedOut: 0,
    unknownReplies: 0,
    malformedFrames: 0,
  };
  /** Queued or sent, by id: oldest first. */
  readonly #calls = new Map<number, Call>();
  #queue: Call[] = [];
  #queuedBytes = 0;
  #nextId = 1;
  #connection: Connection = { kind: 'idle' };
  #writable = false;
  #flushPlanned = false;
  #failed: { readonly callback: (outcome: CallOutcome) => void; readonly outcome: CallOutcome }[] = [];
  #deadlineTimer: Timer | undefined;
  /** Since when calls have waited without a word from the peer, pauses between calls left out. */
  #unansweredSinceMs: number | undefined;
  /** How long they had waited when the last of them timed out. */
  #unansweredMs = 0;
  /** The peer was asked whether it hears at all, since it last spoke. */
  #probed = false;
  /** When deadlines were last looked at. */
  #watchedMs = 0;
  /** No deadline comes before this. */
  #earliestDeadlineMs = Number.POSITIVE_INFINITY;
  #greetingMs: number | undefined;

  constructor(dependencies: PeerLinkDependencies, options: PeerLinkOptions) {
    this.#network = dependencies.network;
    this.#env = dependencies.env;
    this.#hello = dependencies.hello;
    this.#layoutVersion = dependencies.layoutVersion;
    this.#onRefused = dependencies.onRefused;
    this.#setBack = dependencies.setBack;
    this.#options = {
      backoffMsMin: 100,
      backoffMsMax: 5_000,
      channel: 'data',
      refusedRetryMs: 5_000,
      helloTimeoutMs: 3_000,
      silentMsMax: 5_000,
      queueBytesMax: 16 * 1024 * 1024,
      callsInFlightMax: 16_384,
      frameBytesMax: 256 * 1024,
      callBytesMax: 12 * 1024 * 1024,
      deadlineStepMs: 10,
      ...options,
    };
    this.#backoff = new Backoff(this.#env, {
      msMin: this.#options.backoffMsMin,
      msMax: this.#options.backoffMsMax,
    });
  }

  /** Begins to connect, and goes on trying until `close`. */
  start(): void {
    assert(this.#connection.kind === 'idle', 'a link is started once');
    this.#dial();
  }

  /** Ends the link. What is queued becomes `not-sent`, what is sent becomes `lost`, at the end of this tick. */
  close(): void {
    const before = this.#connection;
    if (before.kind === 'closed') return;
    this.#connection = { kind: 'closed' };
    if (before.kind === 'waiting' || before.kind === 'greeting') before.timer.cancel();
    if (before.kind === 'greeting' || before.kind === 'open') before.stream.close();
    this.#deadlineTimer?.cancel();
    this.#deadlineTimer = undefined;
    this.#env.timers.endOfTick(() => this.#endAll('closed', 'closed'));
    if (before.kind === 'open') this.#left('closed', 'closed by this node');
  }

  /**
   * The caller knows that the peer is there: the next attempt comes after the first pause, not after one grown long while
   * it was away. Nothing happens while connected.
   */
  redial(): void {
    this.#backoff.reset();
    if (this.#connection.kind !== 'waiting') return;
    this.#connection.timer.cancel();
    this.#dialAfter(this.#backoff.next());
  }

  /** Whether calls can be sent now. */
  get connected(): boolean {
    return this.#connection.kind === 'open';
  }

  /** Who answered at the last connection, while connected. */
  get peer(): Hello | undefined {
    return this.#connection.kind === 'open' ? this.#connection.peer : undefined;
  }

  /** Calls queued or waiting for their reply. */
  get callsInFlight(): number {
    return this.#calls.size;
  }

  /** Smoothed milliseconds from a read to its reply (before the first: of the greeting). `undefined` before any connection. */
  get latencyMs(): number | undefined {
    return this.#latency.smoothedMs ?? this.#greetingMs;
  }

  /** Milliseconds that 95 % of the recent reads did not exceed; `undefined` while too few are known. When to hedge. */
  get latencyMsP95(): number | undefined {
    return this.#latency.percentile(0.95, this.#env.clock.monotonicMs());
  }

  get counters(): Readonly<PeerLinkCounters> {
    return this.#counters;
  }

  /** Called on every change between connected and not. */
  onStateChange(listener: (state: LinkState) => void): void {
    this.#stateListeners.push(listener);
  }

  /**
   * Sends a call, with everything else that is queued in this tick. `callback` is called exactly once, never before this
   * returns. The bytes in `body` must not change until then. While there is no connection the call fails at the end of
   * this tick: a caller with other replicas to ask should not wait.
   */
  call(body: CallBody, timeoutMs: number, callback: (outcome: CallOutcome) => void): void {
    assert(timeoutMs >= 0, 'a call has a timeout in milliseconds');
    const bytes = callBytes(body);
    const refusal = this.#refusalOf(bytes);
    if (refusal !== undefined) {
      this.#counters.notSent++;
      this.#fail(callback, { kind: 'not-sent', reason: refusal });
      return;
    }
    const startedMs = this.#env.clock.monotonicMs();
    const deadlineMs = startedMs + timeoutMs;
    const call: Call = { id: this.#nextId++, body, bytes, startedMs, deadlineMs, callback, state: 'queued' };
    this.#calls.set(call.id, call);
    this.#queue.push(call);
    this.#queuedBytes += bytes;
    if (deadlineMs < this.#earliestDeadlineMs) this.#earliestDeadlineMs = deadlineMs;
    this.#watchDeadlines();
    this.#planFlush();
  }

  #refusalOf(bytes: number): NotSentReason | undefined {
    if (this.#connection.kind === 'closed') return 'closed';
    if (this.#connection.kind !== 'open') return 'not-connected';
    if (bytes > this.#options.callBytesMax) return 'too-large';
    if (this.#calls.size >= this.#options.callsInFlightMax) return 'queue-full';
    // A call that is alone may exceed the bound: it could never be sent otherwise.
    if (this.#queuedBytes > 0 && this.#queuedBytes + bytes > this.#options.queueBytesMax) return 'queue-full';
    return undefined;
  }

  /** Callbacks come from the loop, never from inside `call`: the caller is still sending to the other replicas. */
  #fail(callback: (outcome: CallOutcome) => void, outcome: CallOutcome): void {
    this.#failed.push({ callback, outcome });
    if (this.#failed.length > 1) return;
    this.#env.timers.endOfTick(() => {
      const failed = this.#failed;
      this.#failed = [];
      for (const { callback, outcome } of failed) callback(outcome);
    });
  }

  // ---- Sending

  #planFlush(): void {
    if (this.#flushPlanned || !this.#writable) return;
    this.#flushPlanned = true;
    const flush = (): void => {
      this.#flushPlanned = false;
      this.#flush();
    };
    this.#env.timers.endOfTick(() => {
      // Safe: nobody waits less than a round trip, and the order of the queue stays.
      if (this.#env.rarePath('peer-flush-late')) this.#env.timers.endOfTick(flush);
      else flush();
    });
  }

  #flush(): void {
    const connection = this.#connection;
    if (connection.kind !== 'open') return;
    const queue = this.#queue;
    const nowMs = this.#env.clock.monotonicMs();
    let taken = 0;
    while (this.#writable && taken < queue.length) {
      const calls: ReplicaCall[] = [];
      let frameBytes = 0;
      for (; taken < queue.length; taken++) {
        const call = queue[taken]!;
        if (call.state !== 'queued') continue;
        // Rare path, safe: calls are matched by id, whatever frame they are in.
        const full =
          frameBytes + call.bytes > this.#options.frameBytesMax || this.#env.rarePath('peer-frame-cut-short');
        if (calls.length > 0 && full) break;
        frameBytes += call.bytes;
        call.state = 'sent';
        calls.push({ id: call.id, timeoutMs: remainingMs(call, nowMs), call: call.body });
      }
      if (calls.length === 0) break;
      this.#queuedBytes -= frameBytes;
      const frame = encodeCalls(this.#layoutVersion(), calls);
      this.#counters.framesSent++;
      this.#counters.callsSent += calls.length;
      this.#counters.bytesSent += frame.byteLength;
      this.#unansweredSinceMs ??= nowMs - this.#unansweredMs;
      this.#writable = connection.stream.send(frame);
    }
    this.#queue = taken === queue.length ? [] : queue.slice(taken);
  }

  // ---- Receiving

  #receive(stream: FrameStream, frame: Uint8Array): void {
    const connection = this.#connection;
    if ((connection.kind !== 'greeting' && connection.kind !== 'open') || connection.stream !== stream)
      return;
    // Whatever it says, it lives; what else is under way has from now on.
    this.#unansweredSinceMs = this.#calls.size > 0 ? this.#env.clock.monotonicMs() : undefined;
    this.#unansweredMs = 0;
    this.#probed = false;
    this.#counters.framesReceived++;
    this.#counters.bytesReceived += frame.byteLength;
    let response: ExchangeResponse;
    try {
      response = ExchangeResponse.decode(frame);
    } catch (error) {
      this.#cutOff(stream, `a frame that does not decode: ${(error as Error).message}`);
      return;
    }
    if (connection.kind === 'greeting') {
      this.#greeted(connection, response);
      return;
    }
    if (response.hello !== undefined) {
      this.#cutOff(stream, 'a second answer to the greeting');
      return;
    }
    const nowMs = this.#env.clock.monotonicMs();
    for (const { id, reply } of response.replies) {
      const call = this.#calls.get(id);
      if (call?.state !== 'sent') {
        this.#counters.unknownReplies++;
        continue;
      }
      this.#calls.delete(id);
      call.state = 'ended';
      if (reply === undefined) {
        // A kind of reply that this version does not know: the peer did something, and we cannot tell what.
        this.#counters.lost++;
        call.callback({ kind: 'lost', reason: 'malformed' });
        continue;
      }
      this.#counters.replies++;
      if (call.body.$case === 'read') this.#latency.add(nowMs - call.startedMs, nowMs);
      call.callback({ kind: 'reply', reply });
    }
  }

  // ---- Deadlines

  #watchDeadlines(): void {
    if (this.#deadlineTimer !== undefined) return;
    this.#watchedMs = this.#env.clock.monotonicMs();
    this.#deadlineTimer = this.#env.timers.after(this.#options.deadlineStepMs, () => {
      this.#deadlineTimer = undefined;
      this.#expire();
      this.#giveUpSilent();
      if (this.#calls.size > 0) this.#watchDeadlines();
    });
  }

  #expire(): void {
    const nowMs = this.#env.clock.monotonicMs();
    // Most steps end here: calls end long before their deadlines, and the earliest is rarely reached.
    if (nowMs < this.#earliestDeadlineMs) return;
    const expired: Call[] = [];
    let earliestMs = Number.POSITIVE_INFINITY;
    for (const call of this.#calls.values()) {
      if (call.deadlineMs <= nowMs) expired.push(call);
      else if (call.deadlineMs < earliestMs) earliestMs = call.deadlineMs;
    }
    this.#earliestDeadlineMs = earliestMs;
    let dequeued = false;
    const sent = expired.map((call) => {
      const wasSent = call.state === 'sent';
      if (!wasSent) {
        this.#queuedBytes -= call.bytes;
        dequeued = true;
      }
      call.state = 'ended';
      this.#calls.delete(call.id);
      return wasSent;
    });
    // Behind a stream that takes nothing, ended calls would pile up.
    if (dequeued) this.#queue = this.#queue.filter((call) => call.state === 'queued');
    this.#counters.timedOut += expired.length;
    expired.forEach((call, index) => {
      call.callback({ kind: 'timed-out', sent: sent[index] === true });
    });
  }

  /** Calls may take long, and a peer that works on one is not silent: what it answers at once tells the two apart. */
  #probe(): void {
    this.#probed = true;
    const nothing = { key: new Uint8Array(), requestId: new Uint8Array() };
    // Any outcome will do: an answer has come then, and the rest is what this is there to find out.
    this.call({ $case: 'find', value: nothing }, this.#options.silentMsMax, () => {});
  }

  #giveUpSilent(): void {
    const connection = this.#connection;
    const sinceMs = this.#unansweredSinceMs;
    if (connection.kind !== 'open' || sinceMs === undefined) return;
    const nowMs = this.#env.clock.monotonicMs();
    if (nowMs - this.#watchedMs > this.#options.deadlineStepMs + standstillMs) {
      // This process has stood still, and the answers may lie in its sockets.
      this.#unansweredSinceMs = nowMs;
      return;
    }
    const silentMs = nowMs - sinceMs;
    if (silentMs < this.#options.silentMsMax) {
      if (this.#calls.size > 0) {
        if (!this.#probed && silentMs >= this.#options.silentMsMax / 2) this.#probe();
        return;
      }
      this.#unansweredMs = silentMs;
      this.#unansweredSinceMs = undefined;
      return;
    }
    this.#abandon(
      connection.stream,
      'silent',
      `${this.#address()} has answered nothing for ${Math.round(silentMs)} ms`,
    );
  }

  // ---- Connecting

  #dialAfter(delayMs: number): void {
    this.#connection = { kind: 'waiting', timer: this.#env.timers.after(delayMs, () => this.#dial()) };
  }

  #dial(): void {
    const stream = this.#network.dial(this.#options.address, this.#options.channel);
    const timer = this.#env.timers.after(this.#options.helloTimeoutMs, () => {
      this.#abandon(
        stream,
        'silent',
        `no greeting from ${this.#address()} in ${this.#options.helloTimeoutMs} ms`,
      );
    });
    this.#connection = { kind: 'greeting', stream, timer, sinceMs: this.#env.clock.monotonicMs() };
    stream.onFrame((frame) => this.#receive(stream, frame));
    stream.onDrain(() => {
      if (this.#connection.kind !== 'open' || this.#connection.stream !== stream) return;
      this.#writable = true;
      this.#flush();
    });
    stream.onClose((error) => this.#streamClosed(stream, error));
    stream.send(
      ExchangeRequest.encode({
        layoutVersion: this.#layoutVersion(),
        calls: [],
        hello: this.#hello(),
      }).finish(),
    );
  }

  #greeted(connection: Connection & { kind: 'greeting' }, { hello, replies }: ExchangeResponse): void {
    if (hello === undefined || replies.length > 0) {
      this.#cutOff(connection.stream, 'a first frame that is not the answer to the greeting');
      return;
    }
    let refusal = hello.accepted
      ? wrongPeer(hello.self, this.#options.peer, this.#address())
      : hello.refusal || 'refused without a reason';
    if (refusal === undefined && hello.self !== undefined) refusal = this.#setBack?.(hello.self);
    if (refusal !== undefined || hello.self === undefined) {
      this.#refused(connection.stream, refusal ?? 'no self');
      return;
    }
    connection.timer.cancel();
    this.#backoff.reset();
    this.#greetingMs = this.#env.clock.monotonicMs() - connection.sinceMs;
    this.#connection = { kind: 'open', stream: connection.stream, peer: hello.self };
    this.#writable = true;
    this.#counters.connects++;
    this.#tell({ kind: 'connected', peer: hello.self });
  }

  #refused(stream: FrameStream, reason: string): void {
    this.#counters.refusals++;
    if (!this.#refusals.has(reason) && this.#refusals.size < refusalsRemembered) {
      this.#refusals.add(reason);
      this.#onRefused?.(reason);
    }
    this.#abandon(stream, 'refused', reason);
  }

  #cutOff(stream: FrameStream, what: string): void {
    this.#counters.malformedFrames++;
    this.#abandon(stream, 'malformed', `${this.#address()} sent ${what}`);
  }

  /** Gives a stream up from this side. */
  #abandon(stream: FrameStream, reason: DisconnectReason, message: string): void {
    this.#disconnected(stream, reason, message);
    stream.close();
  }

  #streamClosed(stream: FrameStream, error: NetworkError | undefined): void {
    const reason: DisconnectReason = error?.code === 'unreachable' ? 'unreachable' : 'reset';
    this.#disconnected(stream, reason, error?.message ?? `${this.#address()} closed the stream`);
  }

  #disconnected(stream: FrameStream, reason: DisconnectReason, message: string): void {
    const before = this.#connection;
    if ((before.kind !== 'greeting' && before.kind !== 'open') || before.stream !== stream) return;
    if (before.kind === 'greeting') before.timer.cancel();
    this.#writable = false;
    this.#unansweredSinceMs = undefined;
    this.#unansweredMs = 0;
    this.#probed = false;
    const delayMs =
      reason === 'refused'
        ? this.#options.refusedRetryMs * (0.5 + this.#env.random.fraction() / 2)
        : this.#backoff.next();
    this.#dialAfter(delayMs);
    // State first: a coordinator that hears of a lost call must not choose this peer again.
    this.#left(reason, message);
    this.#endAll('not-connected', reason === 'malformed' ? 'malformed' : 'reset');
  }

  #left(reason: DisconnectReason, message: string): void {
    this.#counters.disconnects++;
    this.#tell({ kind: 'disconnected', reason, message });
  }

  #endAll(notSent: NotSentReason, lost: LostReason): void {
    const calls = [...this.#calls.values()];
    this.#calls.clear();
    this.#queue = [];
    this.#queuedBytes = 0;
    this.#earliestDeadlineMs = Number.POSITIVE_INFINITY;
    const wasQueued = calls.map((call) => call.state === 'queued');
    for (const call of calls) call.state = 'ended';
    calls.forEach((call, index) => {
      if (wasQueued[index] === true) {
        this.#counters.notSent++;
        call.callback({ kind: 'not-sent', reason: notSent });
      } else {
        this.#counters.lost++;
        call.callback({ kind: 'lost', reason: lost });
      }
    });
  }

  #tell(state: LinkState): void {
    for (const listener of this.#stateListeners) listener(state);
  }

  #address(): string {
    return `${this.#options.address.host}:${this.#options.address.port}`;
  }
}

/** At least 1, because 0 says that the deadline has passed; the link's own timer will say that soon enough. */
function remainingMs(call: Call, nowMs: number): number {
  return Math.max(1, Math.min(timeoutMsMax, Math.floor(call.deadlineMs - nowMs)));
}

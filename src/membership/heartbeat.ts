/**
 * Signs of life between two nodes, on the control channel: this node asks every peer directly, and believes nobody else's
 * word. The answers give the round trip, and the offset between the two clocks as NTP estimates it (RFC 5905, section 8).
 *
 * The same streams carry probes (SWIM, section 3.1): whoever does not hear a node asks others for a sign of life from it.
 */

import { assert } from '../core/assert.ts';
import type { Env, Timer } from '../env/env.ts';
import type { FrameStream, Network } from '../env/network.ts';
import {
  HeartbeatRequest,
  HeartbeatResponse,
  type Hello,
  type ProbeResult,
} from '../gen/kindred/peer/v1/peer.ts';
import { Backoff } from '../rpc/backoff.ts';
import { encodeMessage } from '../rpc/encode-message.ts';
import { refusalOf, wrongPeer } from '../rpc/hello.ts';
import type { HeartbeatSample } from './liveness.ts';
import type { StoreWitness } from './store-witness.ts';
import type { StoredMarks } from './stored-marks.ts';

/** What the asking side needs. */
export interface HeartbeatDependencies {
  readonly network: Network;
  readonly env: Env;
  /** This node's greeting, asked for at each connection. */
  readonly hello: () => Hello;
  /** This node's hybrid clock, in microseconds. */
  readonly hybridMicros: () => number;
  /** The mark that this node's store holds on stable storage; 0 without one. */
  readonly storedMark?: () => number;
  readonly onAnswer: (sample: HeartbeatSample) => void;
  /** Judges what the peer says of its own store. */
  readonly witness?: StoreWitness;
  /** Where to note the marks that the peer says. */
  readonly marks?: StoredMarks;
  /** The peer tells what became of probes that `askToProbe` asked for. */
  readonly onProbed?: (results: readonly ProbeResult[]) => void;
  /** The peer has proof that this node's store was put back to an earlier state. */
  readonly onSetBack?: (reason: string) => void;
  /** Why the peer's store is older than what has been forgotten here, or `undefined`. */
  readonly outdated?: (peer: Hello) => string | undefined;
  /** What this node's store holds is older than what the peer has forgotten. */
  readonly onOutdated?: (reason: string) => void;
  readonly onOpen?: (peer: Hello) => void;
  /** The channel was refused or broke. Told at every attempt that fails. */
  readonly onBroken?: (reason: string) => void;
  /** Told once for each distinct reason that the peer, or this node, refuses to talk. */
  readonly onRefused?: (reason: string) => void;
}

/** Whom to ask, and how often. */
export interface HeartbeatOptions {
  /** Node id that must answer at the address. */
  readonly peer: string;
  readonly address: { readonly host: string; readonly port: number };
  /** Default 500 ms: shorter notices failures sooner and costs a frame each time and peer. */
  readonly intervalMs?: number;
  /** First reconnection comes after up to this. Default 100 ms. */
  readonly backoffMsMin?: number;
  /** And later ones after up to this. Default 2 s. */
  readonly backoffMsMax?: number;
  /** Connecting and greeting must be over after this. Default 3 s. */
  readonly helloTimeoutMs?: number;
  /**
   * A connection on which no heartbeat was answered for this long is given up for a new one. Default 3 s: after an
   * interruption TCP waits about as long again before it tries, and a new connection tries at once.
   */
  readonly silentMsMax?: number;
}

/** Nodes in one request for probes, and probes under way for one peer. In the proto file. */
const probesMax = 16;
/** Who waits for a sign of life from one peer: when it falls silent, all that listen to it may ask the same helper. */
const waitingMax = 256;
/** Unanswered heartbeats whose times are remembered. At 500 ms half a minute: older answers say nothing. */
const outstandingMax = 64;
const refusalsRemembered = 100;
/** A beat that comes so much late means that this process stood still. */
const standstillMs = 1_000;

interface Sent {
  readonly sequence: number;
  /** By the clock, and not because somebody wants to know. */
  readonly regular: boolean;
  readonly monotonicMs: number;
  readonly wallMicros: number;
}

/** Somebody who waits for a sign of life. */
interface Waiting {
  readonly sinceMs: number;
  readonly timer: Timer;
  readonly done: (reached: boolean) => void;
}

/** Asks one peer for signs of life. */
export class Heartbeat {
  readonly #dependencies: HeartbeatDependencies;
  readonly #options: Required<HeartbeatOptions>;
  readonly #backoff: Backoff;
  readonly #refusals = new Set<string>();
  readonly #outstanding: (Sent | undefined)[] = new Array<Sent | undefined>(outstandingMax).fill(undefined);
  #stream: FrameStream | undefined;
  #greeted: Hello | undefined;
  #writable = false;
  #sequence = 0;
  readonly #waiting = new Set<Waiting>();
  /** When the last heartbeat was answered. */
  #answeredMs = 0;
  /** Of the greeting while there is none, of the next heartbeat or the next attempt. */
  #timer: Timer | undefined;
  #closed = false;
  #malformedFrames = 0;

  constructor(dependencies: HeartbeatDependencies, options: HeartbeatOptions) {
    this.#dependencies = dependencies;
    this.#options = {
      intervalMs: 500,
      backoffMsMin: 100,
      backoffMsMax: 2_000,
      helloTimeoutMs: 3_000,
      silentMsMax: 3_000,
      ...options,
    };
    this.#backoff = new Backoff(dependencies.env, {
      msMin: this.#options.backoffMsMin,
      msMax: this.#options.backoffMsMax,
    });
  }

  /** Which process answers at the peer's address on the connection that there is now; `undefined` while none has. */
  get peer(): Hello | undefined {
    return this.#greeted;
  }

  /** Begins to ask, and goes on trying until `close`. */
  start(): void {
    assert(this.#stream === undefined && !this.#closed, 'a heartbeat is started once');
    this.#dial();
  }

  /** Asks no more. */
  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    for (const { timer } of this.#waiting) timer.cancel();
    this.#waiting.clear();
    this.#stream?.close();
    this.#stream = undefined;
  }

  /**
   * Asks for a sign of life out of turn, and calls back once: true at the first answer to what was sent since, false after
   * `timeoutMs`. Returns false when too many wait already: then it never calls back.
   */
  probe(timeoutMs: number, done: (reached: boolean) => void): boolean {
    if (this.#closed || this.#waiting.size >= waitingMax) return false;
    const { env } = this.#dependencies;
    const waiting: Waiting = {
      sinceMs: env.clock.monotonicMs(),
      timer: env.timers.after(timeoutMs, () => {
        this.#waiting.delete(waiting);
        done(false);
      }),
      done,
    };
    this.#waiting.add(waiting);
    if (this.#greeted !== undefined) this.#send(undefined, { regular: false });
    else this.redial();
    return true;
  }

  /** Asks the peer to probe these nodes, at most 16; results come to `onProbed`. False: it cannot be asked now. */
  askToProbe(nodes: readonly string[]): boolean {
    if (this.#greeted === undefined || !this.#writable) return false;
    this.#send(undefined, { regular: false, probe: nodes.slice(0, probesMax) });
    return true;
  }

  /** The caller knows that the peer is there: the next attempt comes after the first pause. As `PeerLink.redial`. */
  redial(): void {
    this.#backoff.reset();
    if (this.#stream !== undefined || this.#closed || this.#timer === undefined) return;
    this.#dialAfter(this.#backoff.next());
  }

  /** Frames that made no sense; each ended its stream. */
  get malformedFrames(): number {
    return this.#malformedFrames;
  }

  #dialAfter(delayMs: number): void {
    this.#timer?.cancel();
    this.#timer = this.#dependencies.env.timers.after(delayMs, () => this.#dial());
  }

  #dial(): void {
    const { network, env } = this.#dependencies;
    const stream = network.dial(this.#options.address, 'control');
    this.#stream = stream;
    this.#greeted = undefined;
    this.#writable = true;
    this.#sequence = 0;
    this.#outstanding.fill(undefined);
    this.#timer = env.timers.after(this.#options.helloTimeoutMs, () =>
      this.#abandon(`no greeting from ${this.#address()} in ${this.#options.helloTimeoutMs} ms`),
    );
    stream.onFrame((frame) => {
      if (this.#stream === stream) this.#receive(frame);
    });
    stream.onDrain(() => {
      if (this.#stream === stream) this.#writable = true;
    });
    stream.onClose((error) => {
      if (this.#stream === stream) this.#broken(error?.message ?? `${this.#address()} closed the stream`);
    });
    this.#send(this.#dependencies.hello(), { regular: true });
  }

  /** The greeting is the first heartbeat, so that a returned peer is up after one round trip. */
  #send(
    hello: Hello | undefined,
    { regular, probe = [] }: { readonly regular: boolean; readonly probe?: string[] },
  ): void {
    const { env, hybridMicros, storedMark } = this.#dependencies;
    const sequence = ++this.#sequence;
    const { clock } = env;
    const sent = { sequence, regular, monotonicMs: clock.monotonicMs(), wallMicros: clock.wallMicros() };
    this.#outstanding[sequence % outstandingMax] = sent;
    const request = { sequence, sentAt: hybridMicros(), hello, storedMark: storedMark?.() ?? 0, probe };
    const frame = encodeMessage(HeartbeatRequest, request);
    // While the stream takes nothing, more heartbeats would only wait behind each other.
    if (this.#writable) this.#writable = this.#stream?.send(frame) ?? false;
  }

  #receive(frame: Uint8Array): void {
    let response: HeartbeatResponse;
    try {
      response = HeartbeatResponse.decode(frame);
    } catch (error) {
      this.#malformedFrames++;
      this.#abandon(`${this.#address()} sent a frame that does not decode: ${(error as Error).message}`);
      return;
    }
    const peer = this.#greeted ?? this.#greetedBy(response);
    if (peer === undefined) return;
    this.#dependencies.witness?.heard(peer, response.storedMark);
    this.#dependencies.marks?.answered(peer, response.storedMark);
    if (response.probed.length > 0) this.#dependencies.onProbed?.(response.probed.slice(0, probesMax));
    const sent = this.#outstanding[response.sequence % outstandingMax];
    // Too old, or never asked: says nothing about now.
    if (sent === undefined || sent.sequence !== response.sequence) return;
    this.#outstanding[response.sequence % outstandingMax] = undefined;
    this.#answeredMs = this.#dependencies.env.clock.monotonicMs();
    const { env, onAnswer } = this.#dependencies;
    const middleMicros = (sent.wallMicros + env.clock.wallMicros()) / 2;
    onAnswer({
      roundTripMs: env.clock.monotonicMs() - sent.monotonicMs,
      clockOffsetMicros: Math.round(response.answeredAt - middleMicros),
      regular: sent.regular,
    });
    for (const waiting of this.#waiting) {
      if (waiting.sinceMs > sent.monotonicMs) continue;
      this.#waiting.delete(waiting);
      waiting.timer.cancel();
      waiting.done(true);
    }
  }

  #greetedBy({ hello }: HeartbeatResponse): Hello | undefined {
    if (hello === undefined) {
      this.#malformedFrames++;
      this.#abandon(`${this.#address()} sent a first frame that is not the answer to the greeting`);
      return undefined;
    }
    let refusal = hello.accepted
      ? wrongPeer(hello.self, this.#options.peer, this.#address())
      : hello.refusal || 'refused without a reason';
    // Whoever dialled: what the other end says of its store is judged.
    if (refusal === undefined && hello.self !== undefined) {
      const { outdated, witness } = this.#dependencies;
      refusal = outdated?.(hello.self) ?? witness?.setBack(hello.self);
    }
    if (refusal !== undefined || hello.self === undefined) {
      const reason = refusal ?? 'no self';
      if (!this.#refusals.has(reason) && this.#refusals.size < refusalsRemembered) {
        this.#refusals.add(reason);
        this.#dependencies.onRefused?.(reason);
      }
      // The store stops for good by this word: only the peer itself is believed, not whoever answers at its address.
      const isPeer =
        hello.self?.nodeId === this.#options.peer &&
        hello.self.clusterId === this.#dependencies.hello().clusterId;
      if (isPeer && hello.outdated) this.#dependencies.onOutdated?.(reason);
      else if (isPeer && hello.setBack) this.#dependencies.onSetBack?.(reason);
      this.#abandon(`refused: ${reason}`);
      return undefined;
    }
    this.#greeted = hello.self;
    this.#backoff.reset();
    this.#dependencies.onOpen?.(hello.self);
    this.#beat();
    // Sent before they began to wait, the greeting says too little to them.
    if (this.#waiting.size > 0) this.#send(undefined, { regular: false });
    return hello.self;
  }

  #beat(): void {
    this.#timer?.cancel();
    const { env } = this.#dependencies;
    this.#answeredMs = env.clock.monotonicMs();
    let lastMs = this.#answeredMs;
    this.#timer = env.timers.every(this.#options.intervalMs, () => {
      const nowMs = env.clock.monotonicMs();
      // This process has stood still, and the answers may lie in its sockets: it judges nobody by that.
      if (nowMs - lastMs > this.#options.intervalMs + standstillMs) this.#answeredMs = nowMs;
      lastMs = nowMs;
      const silentMs = nowMs - this.#answeredMs;
      if (silentMs < this.#options.silentMsMax) this.#send(undefined, { regular: true });
      else this.#abandon(`${this.#address()} has answered no heartbeat for ${Math.round(silentMs)} ms`);
    });
  }

  #abandon(reason: string): void {
    const stream = this.#stream;
    this.#broken(reason);
    stream?.close();
  }

  #broken(reason: string): void {
    this.#stream = undefined;
    this.#greeted = undefined;
    this.#timer?.cancel();
    if (this.#closed) return;
    this.#dialAfter(this.#backoff.next());
    this.#dependencies.onBroken?.(reason);
  }

  #address(): string {
    return `${this.#options.address.host}:${this.#options.address.port}`;
  }
}

/** What the answering side needs. */
export interface HeartbeatServerDependencies {
  readonly env: Env;
  /** This node's greeting. */
  readonly hello: () => Hello;
  /** Whether a node id is in the configuration. */
  readonly isMember: (nodeId: string) => boolean;
  /** This node's hybrid clock, in microseconds. */
  readonly hybridMicros: () => number;
  /** What is known of the stores of the peers. */
  readonly witness?: StoreWitness;
  /** Why the store of a caller is older than what has been forgotten here, or `undefined`. */
  readonly outdated?: (caller: Hello) => string | undefined;
  /** Where to note the marks that callers say. */
  readonly marks?: StoredMarks;
  /** The mark that this node's store holds on stable storage; 0 without one. */
  readonly storedMark?: () => number;
  /**
   * Asks a node for a sign of life, and calls back once, later. Returns false when it does not, and never will call back: for a
   * node that this one does not listen to. Default: none is ever asked.
   */
  readonly probe?: (node: string, done: (reached: boolean) => void) => boolean;
}

/** Bounds of the answering side. */
export interface HeartbeatServerOptions {
  /** The greeting must have come after this. Default 3 s. */
  readonly helloTimeoutMs?: number;
  /** Streams at once, greeted or not. Default 4,096. */
  readonly streamsMax?: number;
}

/** Answers the heartbeats of peers. */
export class HeartbeatServer {
  readonly #dependencies: HeartbeatServerDependencies;
  readonly #options: Required<HeartbeatServerOptions>;
  readonly #streams = new Set<FrameStream>();
  #malformedFrames = 0;

  constructor(dependencies: HeartbeatServerDependencies, options: HeartbeatServerOptions = {}) {
    this.#dependencies = dependencies;
    this.#options = { helloTimeoutMs: 3_000, streamsMax: 4_096, ...options };
  }

  /** Frames that made no sense; each ended its stream. */
  get malformedFrames(): number {
    return this.#malformedFrames;
  }

  /** Takes a `control` stream that the network accepted. */
  accept(stream: FrameStream): void {
    if (this.#streams.size >= this.#options.streamsMax) {
      stream.close();
      return;
    }
    this.#streams.add(stream);
    let caller: Hello | undefined;
    let writable = true;
    const probing = new Set<string>();
    const end = (): void => {
      timer.cancel();
      this.#streams.delete(stream);
      stream.close();
    };
    const timer = this.#dependencies.env.timers.after(this.#options.helloTimeoutMs, end);
    stream.onDrain(() => {
      writable = true;
    });
    stream.onClose(end);
    stream.onFrame((frame) => {
      let request: HeartbeatRequest;
      try {
        request = HeartbeatRequest.decode(frame);
      } catch {
        this.#malformedFrames++;
        end();
        return;
      }
      const { hello, isMember, witness, outdated: outdatedOf } = this.#dependencies;
      const greeted = caller !== undefined;
      const mismatch = greeted ? undefined : refusalOf(request.hello, hello(), isMember);
      const judged = greeted || mismatch !== undefined ? undefined : request.hello;
      const outdated = judged === undefined ? undefined : outdatedOf?.(judged);
      const setBack = judged === undefined ? undefined : witness?.setBack(judged);
      const refusal = mismatch ?? outdated ?? setBack;
      // A caller that takes no answers gets none: its next heartbeats are as good as this one.
      if (!writable) return;
      writable = stream.send(
        this.#response({
          sequence: request.sequence,
          hello: greeted
            ? undefined
            : {
                accepted: refusal === undefined,
                refusal: refusal ?? '',
                self: hello(),
                setBack: setBack !== undefined,
                outdated: outdated !== undefined,
              },
        }),
      );
      if (refusal !== undefined) {
        end();
        return;
      }
      caller ??= request.hello;
      if (caller !== undefined) {
        witness?.heard(caller, request.storedMark);
        this.#dependencies.marks?.heard(caller, request.storedMark);
      }
      timer.cancel();
      for (const node of request.probe.slice(0, probesMax)) {
        if (probing.has(node) || probing.size >= probesMax) continue;
        const asked = this.#dependencies.probe?.(node, (reachable) => {
          probing.delete(node);
          if (!writable || !this.#streams.has(stream)) return;
          writable = stream.send(this.#response({ sequence: 0, probed: [{ nodeId: node, reachable }] }));
        });
        // What is never answered must not count as under way for ever.
        if (asked === true) probing.add(node);
      }
    });
  }

  #response(change: Partial<HeartbeatResponse> & Pick<HeartbeatResponse, 'sequence'>): Uint8Array {
    const { hybridMicros, storedMark } = this.#dependencies;
    return encodeMessage(HeartbeatResponse, {
      answeredAt: hybridMicros(),
      hello: undefined,
      storedMark: storedMark?.() ?? 0,
      probed: [],
      ...change,
    });
  }

  /** Closes all streams. */
  close(): void {
    for (const stream of [...this.#streams]) stream.close();
  }
}

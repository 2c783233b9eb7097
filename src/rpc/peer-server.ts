/**
 * The incoming side of the data channel: greets peers, gives their calls to the replica, and sends the replies of one tick
 * in one frame. What it holds for a peer is bounded; above the bound it answers OVERLOADED rather than remember more.
 */

import { assert, unreachable } from '../core/assert.ts';
import type { Env, Timer } from '../env/env.ts';
import type { FrameStream } from '../env/network.ts';
import {
  type EndComparison,
  ExchangeRequest,
  ExchangeResponse,
  type FindWrite,
  type ForwardedOperation,
  type Hello,
  type KeepHint,
  type ListLeaf,
  type MergeRecord,
  type ReadRecord,
  type ReadTree,
  type ReplicaCall,
  ReplicaError_Kind,
  type ReplicaReply,
} from '../gen/kindred/peer/v1/peer.ts';
import { encodeReplies } from './frame-encoder.ts';
import { callBytes, type ReplyBody, replyBytes } from './frame-size.ts';
import { refusalOf } from './hello.ts';
import { isSameProcess, startedBefore } from './process-order.ts';

/** Gives the reply to a call. Exactly once, now or later. */
export type Answer = (reply: ReplyBody) => void;

/** What is known of a call besides its content. */
export interface CallContext {
  /** Node id of the caller. */
  readonly node: string;
  /** On the monotonic clock: when nobody waits for the reply any more. */
  readonly deadlineMs: number;
}

/**
 * What peers may ask of this node. `bytes` in a call alias its frame: copy what is kept. Every call is answered exactly
 * once; a failure is a reply too (`replicaError`).
 */
export interface PeerCallHandler {
  read(call: ReadRecord, context: CallContext, answer: Answer): void;
  merge(call: MergeRecord, context: CallContext, answer: Answer): void;
  forwarded(call: ForwardedOperation, context: CallContext, answer: Answer): void;
  find(call: FindWrite, context: CallContext, answer: Answer): void;
  keepHint(call: KeepHint, context: CallContext, answer: Answer): void;
  readTree(call: ReadTree, context: CallContext, answer: Answer): void;
  listLeaf(call: ListLeaf, context: CallContext, answer: Answer): void;
  endComparison(call: EndComparison, context: CallContext, answer: Answer): void;
}

/** What the incoming side has done since it was made. Read only. */
export interface PeerServerCounters {
  accepted: number;
  refused: number;
  superseded: number;
  framesReceived: number;
  framesSent: number;
  calls: number;
  overloaded: number;
  expired: number;
  wrongLayout: number;
  malformedFrames: number;
}

/** What the incoming side needs. */
export interface PeerServerDependencies {
  readonly env: Env;
  readonly handler: PeerCallHandler;
  /** This node's greeting. */
  readonly hello: () => Hello;
  /** Whether a node id is in the configuration. */
  readonly isMember: (nodeId: string) => boolean;
  /** The layout that this node places keys by, now. */
  readonly layoutVersion: () => number;
  /** Why the caller's data store must have been put back to an earlier state, or `undefined`. */
  readonly setBack?: (hello: Hello) => string | undefined;
  /** The process that answers at the node's address on the connection that there is (which may be half dead), where one is known. */
  readonly answering?: (node: string) => Hello | undefined;
  /** Told of every peer whose greeting was accepted: it is there. */
  readonly onGreeted?: (node: string) => void;
  /** Told once for each distinct refusal. */
  readonly onRefused?: (refusal: { readonly node: string; readonly reason: string }) => void;
  /** Told of every stream that was cut off because its frames made no sense. */
  readonly onMalformed?: (fault: { readonly node: string | undefined; readonly message: string }) => void;
}

/** Bounds of the incoming side. */
export interface PeerServerOptions {
  /** Calls of one stream that may be under way. Default 16,384; more: OVERLOADED. */
  readonly callsInFlightMax?: number;
  /** Bytes of one stream's calls under way and replies waiting. Default 64 MiB; more: OVERLOADED. */
  readonly bytesInFlightMax?: number;
  /** A frame of replies is cut when it reaches this. Default 256 KiB. */
  readonly frameBytesMax?: number;
  /** Largest single reply. Default 12 MiB; must stay below the network's largest frame. A larger one becomes an error. */
  readonly replyBytesMax?: number;
  /** The greeting must have come after this. Default 3 s. */
  readonly helloTimeoutMs?: number;
  /** Streams at once, greeted or not. Default 4,096. */
  readonly streamsMax?: number;
}

/** A failed call as a reply. */
export function replicaError(kind: ReplicaError_Kind, message: string, layoutVersion = 0): ReplyBody {
  return { $case: 'error', value: { kind, message, layoutVersion } };
}

const refusalsRemembered = 1_000;
/** Replies that wait may exceed `bytesInFlightMax` by refusals of calls; a peer that drives them this far is cut off. */
const hardBoundFactor = 2;

/** Accepts the data streams of peers. */
export class PeerServer {
  readonly #dependencies: PeerServerDependencies;
  readonly #options: Required<PeerServerOptions>;
  readonly #streams = new Set<IncomingStream>();
  /** By node: the process whose place was given to the one that answers at the node's address. */
  readonly #displaced = new Map<string, Hello>();
  readonly #byNode = new Map<string, IncomingStream>();
  readonly #refusals = new Set<string>();
  readonly #counters: PeerServerCounters = {
    accepted: 0,
    refused: 0,
    superseded: 0,
    framesReceived: 0,
    framesSent: 0,
    calls: 0,
    overloaded: 0,
    expired: 0,
    wrongLayout: 0,
    malformedFrames: 0,
  };

  constructor(dependencies: PeerServerDependencies, options: PeerServerOptions = {}) {
    this.#dependencies = dependencies;
    this.#options = {
      callsInFlightMax: 16_384,
      bytesInFlightMax: 64 * 1024 * 1024,
      frameBytesMax: 256 * 1024,
      replyBytesMax: 12 * 1024 * 1024,
      helloTimeoutMs: 3_000,
      streamsMax: 4_096,
      ...options,
    };
  }

  get counters(): Readonly<PeerServerCounters> {
    return this.#counters;
  }

  /** Calls under way, of all peers. */
  get callsInFlight(): number {
    let calls = 0;
    for (const stream of this.#streams) calls += stream.callsInFlight;
    return calls;
  }

  /** Takes a `data` stream that the network accepted. */
  accept(stream: FrameStream): void {
    if (this.#streams.size >= this.#options.streamsMax) {
      stream.close();
      return;
    }
    this.#streams.add(
      new IncomingStream(stream, this.#dependencies, this.#options, this.#counters, {
        greet: (incoming, hello) => this.#greet(incoming, hello),
        closed: (incoming) => {
          this.#streams.delete(incoming);
          if (incoming.node !== undefined && this.#byNode.get(incoming.node) === incoming) {
            this.#byNode.delete(incoming.node);
          }
        },
      }),
    );
  }

  /** Closes all streams. Replies that are ready are sent; calls under way are not waited for. */
  close(): void {
    for (const stream of [...this.#streams]) stream.close();
  }

  /** The reason to refuse, or `undefined` after taking the caller in. */
  #greet(incoming: IncomingStream, hello: Hello | undefined): string | undefined {
    const { hello: self, isMember, onGreeted, onRefused, setBack } = this.#dependencies;
    let reason = refusalOf(hello, self(), isMember);
    // It is told on the control channel that it must stop; here it is only kept from handing out dots.
    if (reason === undefined && hello !== undefined) reason = setBack?.(hello);
    const earlier = hello === undefined ? undefined : this.#byNode.get(hello.nodeId);
    if (
      reason === undefined &&
      hello !== undefined &&
      earlier?.hello !== undefined &&
      this.#isOlder(hello, earlier.hello)
    ) {
      reason = `a newer process of ${hello.nodeId} is connected: two processes run with one node id`;
    }
    if (reason === undefined && hello !== undefined) {
      this.#counters.accepted++;
      this.#byNode.set(hello.nodeId, incoming);
      if (earlier !== undefined) {
        // A node has one data stream: the earlier one is what its broken connection or its last life left behind.
        this.#counters.superseded++;
        earlier.close();
      }
      onGreeted?.(hello.nodeId);
      return undefined;
    }
    this.#counters.refused++;
    const node = hello?.nodeId ?? '';
    const key = `${node}\n${reason}`;
    if (!this.#refusals.has(key) && this.#refusals.size < refusalsRemembered) {
      this.#refusals.add(key);
      onRefused?.({ node, reason: reason ?? '' });
    }
    return reason;
  }

  /** Where nothing says so, it is not: the connection that is made last is the one that lives. */
  #isOlder(hello: Hello, connected: Hello): boolean {
    const { nodeId } = hello;
    const answering = this.#dependencies.answering?.(nodeId);
    const answers = answering !== undefined && isSameProcess(hello, answering);
    const displaced = this.#displaced.get(nodeId);
    // Two processes that both live would take the place of each other for ever.
    if (displaced !== undefined && isSameProcess(hello, displaced) && !answers) return true;
    if (!startedBefore(hello, connected)) return false;
    // One store is sure of its own order. Between two, the clock of a machine whose disk was emptied may have been put back, or the
    // disk of before may be in it again; and what was left connected looks alive for a while.
    if (!answers || hello.replicaId === connected.replicaId) return true;
    this.#displaced.set(nodeId, connected);
    return false;
  }
}

/** What a stream asks of the server it belongs to. */
interface Owner {
  greet(incoming: IncomingStream, hello: Hello | undefined): string | undefined;
  closed(incoming: IncomingStream): void;
}

class IncomingStream {
  node: string | undefined;
  /** Once it is accepted. */
  hello: Hello | undefined;
  callsInFlight = 0;
  readonly #stream: FrameStream;
  readonly #dependencies: PeerServerDependencies;
  readonly #options: Required<PeerServerOptions>;
  readonly #counters: PeerServerCounters;
  readonly #owner: Owner;
  readonly #helloTimer: Timer;
  #callBytesInFlight = 0;
  #replies: ReplicaReply[] = [];
  #replySizes: number[] = [];
  #replyBytesWaiting = 0;
  #writable = true;
  #flushPlanned = false;
  #ended = false;

  constructor(
    stream: FrameStream,
    dependencies: PeerServerDependencies,
    options: Required<PeerServerOptions>,
    counters: PeerServerCounters,
    owner: Owner,
  ) {
    this.#stream = stream;
    this.#dependencies = dependencies;
    this.#options = options;
    this.#counters = counters;
    this.#owner = owner;
    this.#helloTimer = dependencies.env.timers.after(options.helloTimeoutMs, () => this.close());
    stream.onFrame((frame) => this.#receive(frame));
    stream.onDrain(() => {
      this.#writable = true;
      this.#flush();
    });
    stream.onClose(() => this.#end());
  }

  close(): void {
    if (this.#ended) return;
    this.#flush();
    this.#end();
    this.#stream.close();
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#helloTimer.cancel();
    this.#replies = [];
    this.#replySizes = [];
    this.#owner.closed(this);
  }

  #receive(frame: Uint8Array): void {
    if (this.#ended) return;
    this.#counters.framesReceived++;
    let request: ExchangeRequest;
    try {
      request = ExchangeRequest.decode(frame);
    } catch (error) {
      this.#cutOff(`a frame that does not decode: ${(error as Error).message}`);
      return;
    }
    if (this.node === undefined) {
      this.#greeted(request);
      return;
    }
    if (request.hello !== undefined) {
      this.#cutOff('a second greeting');
      return;
    }
    const receivedMs = this.#dependencies.env.clock.monotonicMs();
    const layoutVersion = this.#dependencies.layoutVersion();
    for (const call of request.calls) {
      if (this.#ended) return;
      this.#counters.calls++;
      if (request.layoutVersion !== layoutVersion)
        this.#wrongLayout(call.id, request.layoutVersion, layoutVersion);
      else this.#start(call, receivedMs);
    }
  }

  #greeted({ hello, calls }: ExchangeRequest): void {
    if (calls.length > 0) {
      this.#cutOff('calls before its greeting was accepted');
      return;
    }
    const refusal = this.#owner.greet(this, hello);
    const accepted = refusal === undefined && hello !== undefined;
    const self = this.#dependencies.hello();
    const answer = { accepted, refusal: refusal ?? '', self, setBack: false, outdated: false };
    this.#send(ExchangeResponse.encode({ replies: [], hello: answer }).finish());
    if (!accepted) {
      this.close();
      return;
    }
    this.#helloTimer.cancel();
    this.node = hello.nodeId;
    this.hello = hello;
  }

  #wrongLayout(id: number, theirs: number, ours: number): void {
    this.#counters.wrongLayout++;
    const message = `placed by layout ${theirs}, this node is at ${ours}`;
    this.#reply(id, replicaError(ReplicaError_Kind.KIND_WRONG_LAYOUT, message, ours));
  }

  #start({ id, timeoutMs, call }: ReplicaCall, receivedMs: number): void {
    if (call === undefined) {
      this.#reply(
        id,
        replicaError(ReplicaError_Kind.KIND_INVALID, 'a kind of call that this node does not know'),
      );
      return;
    }
    const deadlineMs = receivedMs + timeoutMs;
    const { env, handler } = this.#dependencies;
    // Calls ahead of it in the same frame may have taken long.
    if (timeoutMs === 0 || env.clock.monotonicMs() >= deadlineMs) {
      this.#counters.expired++;
      this.#reply(id, replicaError(ReplicaError_Kind.KIND_EXPIRED, `not started within ${timeoutMs} ms`));
      return;
    }
    const bytes = callBytes(call);
    const held = this.#callBytesInFlight + this.#replyBytesWaiting;
    if (
      this.callsInFlight >= this.#options.callsInFlightMax ||
      // A call that is alone may exceed the bound: it could never be carried out otherwise.
      (held > 0 && held + bytes > this.#options.bytesInFlightMax) ||
      // Safe: nothing was begun, and the peer is told so.
      env.rarePath('replica-overloaded')
    ) {
      this.#counters.overloaded++;
      const message = `${this.callsInFlight} calls and ${held} bytes of this peer are under way`;
      this.#reply(id, replicaError(ReplicaError_Kind.KIND_OVERLOADED, message));
      return;
    }
    this.callsInFlight++;
    this.#callBytesInFlight += bytes;
    let answered = false;
    const answer: Answer = (reply) => {
      assert(!answered, 'a peer call is answered once');
      answered = true;
      this.callsInFlight--;
      this.#callBytesInFlight -= bytes;
      this.#reply(id, reply);
    };
    const context: CallContext = { node: this.node ?? '', deadlineMs };
    switch (call.$case) {
      case 'read':
        handler.read(call.value, context, answer);
        break;
      case 'merge':
        handler.merge(call.value, context, answer);
        break;
      case 'forwarded':
        handler.forwarded(call.value, context, answer);
        break;
      case 'find':
        handler.find(call.value, context, answer);
        break;
      case 'keepHint':
        handler.keepHint(call.value, context, answer);
        break;
      case 'readTree':
        handler.readTree(call.value, context, answer);
        break;
      case 'listLeaf':
        handler.listLeaf(call.value, context, answer);
        break;
      case 'endComparison':
        handler.endComparison(call.value, context, answer);
        break;
      default:
        unreachable(call);
    }
  }

  #reply(id: number, result: ReplyBody): void {
    // The peer is gone: it already counts the call as lost.
    if (this.#ended) return;
    let reply = result;
    let bytes = replyBytes(reply);
    const waiting = this.#replyBytesWaiting;
    // A frame above the network's limit would break the stream, and lose every other call that is under way on it.
    if (bytes > this.#options.replyBytesMax) {
      const message = `the answer has ${bytes} bytes, a peer is sent at most ${this.#options.replyBytesMax}`;
      reply = replicaError(ReplicaError_Kind.KIND_INVALID, message);
      bytes = replyBytes(reply);
    }
    // Small calls can ask for large records. Only a read may be refused after the fact: it changed nothing.
    if (reply.$case === 'stored' && waiting > 0 && waiting + bytes > this.#options.bytesInFlightMax) {
      this.#counters.overloaded++;
      reply = replicaError(
        ReplicaError_Kind.KIND_OVERLOADED,
        `${waiting} bytes of replies to this peer wait`,
      );
      bytes = replyBytes(reply);
    }
    this.#replies.push({ id, reply });
    this.#replySizes.push(bytes);
    this.#replyBytesWaiting += bytes;
    if (this.#replyBytesWaiting > this.#options.bytesInFlightMax * hardBoundFactor) {
      this.#cutOff(`calls without taking the replies: ${this.#replyBytesWaiting} bytes wait`);
      return;
    }
    if (this.#flushPlanned || !this.#writable) return;
    this.#flushPlanned = true;
    this.#dependencies.env.timers.endOfTick(() => {
      this.#flushPlanned = false;
      this.#flush();
    });
  }

  #flush(): void {
    if (this.#ended) return;
    const replies = this.#replies;
    const sizes = this.#replySizes;
    let taken = 0;
    while (this.#writable && taken < replies.length) {
      const from = taken;
      let frameBytes = 0;
      while (
        taken < replies.length &&
        (taken === from || frameBytes + sizes[taken]! <= this.#options.frameBytesMax)
      ) {
        frameBytes += sizes[taken]!;
        taken++;
        // Safe: replies are matched by id, whatever frame they are in.
        if (this.#dependencies.env.rarePath('peer-replies-cut-short')) break;
      }
      this.#replyBytesWaiting -= frameBytes;
      this.#send(
        encodeReplies(from === 0 && taken === replies.length ? replies : replies.slice(from, taken)),
      );
    }
    this.#replies = taken === replies.length ? [] : replies.slice(taken);
    this.#replySizes = taken === replies.length ? [] : sizes.slice(taken);
  }

  #send(frame: Uint8Array): void {
    this.#counters.framesSent++;
    this.#writable = this.#stream.send(frame);
  }

  #cutOff(what: string): void {
    this.#counters.malformedFrames++;
    this.#dependencies.onMalformed?.({ node: this.node, message: `sent ${what}` });
    this.#end();
    this.#stream.close();
  }
}

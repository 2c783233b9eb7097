/**
 * The door: what every call on the client port goes through before a service sees it. It refuses while the node drains or
 * is full, cuts deadlines, decodes, and turns whatever a handler throws into the status of the error contract.
 *
 * It stands directly on grpc-js and not on nice-grpc's server, which tells a handler neither the deadline nor the size of
 * the request, decodes before anything can be refused, and costs an async generator for every unary call.
 *
 * No call starts in the tick in which it arrived: HEADERS and RST_STREAM sent together (CVE-2023-44487) cost no work.
 */

import { constants, type ServerHttp2Stream } from 'node:http2';
import type {
  handleBidiStreamingCall,
  handleServerStreamingCall,
  handleUnaryCall,
  Metadata,
  ServerDuplexStream,
  ServerUnaryCall,
  ServerWritableStream,
  StatusObject,
  sendUnaryData,
} from '@grpc/grpc-js';
import type { Failure } from '../core/coordinator/failure.ts';
import type { Env } from '../env/env.ts';
import type { ErrorReason, ItemStatus, WriteOptions } from '../gen/kindred/v1/types.ts';
import type { Admission } from './admission.ts';
import { type DeadlineOptions, workMs } from './deadline.ts';
import { encodeMessage } from './encode-message.ts';
import { grouped } from './limits.ts';
import { type MessageSink, Outlet } from './outlet.ts';
import type { Call, DuplexCall, DuplexListener, MessageType, StreamingCall } from './service.ts';
import {
  type Attempt,
  grpcStatusOf,
  itemStatusOf,
  itemStatusOfError,
  type ReportIncident,
} from './status.ts';

export interface DoorOptions extends DeadlineOptions {
  /** Request headers of one call, in bytes. */
  readonly headerBytesMax: number;
}

export interface DoorDependencies {
  readonly env: Env;
  /** Shared with the pipelines, which count their operations themselves. */
  readonly admission: Admission;
  /** Logs a defect and returns the id that the client is told. */
  readonly reportIncident: ReportIncident;
  /** Counts a call that ended at the door. */
  readonly refused: (method: string, code: number, reason: ErrorReason) => void;
}

/** What the door needs to know of one method. */
export interface DoorMethod {
  readonly name: string;
  readonly writes: boolean;
  /** A stream of answers that goes on until the client has enough. */
  readonly watches: boolean;
  readonly alwaysOn: boolean;
  // biome-ignore lint/suspicious/noExplicitAny: checked by `service`
  readonly requestType: MessageType<any>;
  // biome-ignore lint/suspicious/noExplicitAny: likewise
  readonly responseType: MessageType<any>;
}

type Bytes = Buffer;
type SurfaceCall = Pick<ServerUnaryCall<Bytes, unknown>, 'metadata' | 'getDeadline'>;
/** The one message of a call that has no stream of them. */
type AskedWith = { readonly request?: Bytes };

/** How long a refused client should wait: two thirds to four thirds of this, so that they do not all come back at once. */
const retryAfterMs = 75;
/** Calls that begin in one tick. Their reads are there at the end of it, so the bounds are looked at once for so many. */
const callsPerTick = 32;
/** Fewer begin when their answers would weigh more than this together, but never less than `callsPerTickMin`. */
const bytesPerTick = 32 * 1024 * 1024;
const callsPerTickMin = 4;
/** What an answer weighs besides its bytes. */
const answerBytes = 512;
/** Streams of answers without an end, all clients together: each costs some memory, and work at every change. */
const watchesMax = 1_000;
/** Bytes of the answers of one batch that are held or being made. */
const streamBytesMax = 4 * 1024 * 1024;
/** Longest request of a service that is always on: those are not counted, and ask with a name at most. */
const alwaysOnBytesMax = 4096;
/** How often a node that is full looks for clients that do not take their answers. */
const stalledCheckMs = 1_000;

export class Door {
  readonly admission: Admission;
  readonly #options: DoorOptions;
  readonly #dependencies: DoorDependencies;
  #draining = false;
  #ready: Runnable[] = [];
  readonly #duplexes = new Set<OpenDuplex>();
  readonly #watches = new Set<Watch>();
  /** Calls with answers that their clients have not taken. */
  readonly #leaving = new Set<Leaving>();
  #checksStalled = false;

  constructor(dependencies: DoorDependencies, options: DoorOptions) {
    this.#dependencies = dependencies;
    this.#options = options;
    this.admission = dependencies.admission;
    this.admission.onRefused(() => this.#checkStalledLater());
  }

  get draining(): boolean {
    return this.#draining;
  }

  /** Refuses new calls from now on, and asks open streams to finish. */
  startDraining(): void {
    if (this.#draining) return;
    this.#draining = true;
    for (const duplex of [...this.#duplexes]) duplex.shutdown();
    for (const watch of [...this.#watches]) watch.shutdown();
  }

  unary<Q, A>(
    method: DoorMethod,
    handler: (request: Q, call: Call) => Promise<A>,
  ): handleUnaryCall<Bytes, Bytes> {
    return (call, callback) => this.#soon(new OpenUnary(this, method, handler, call, callback));
  }

  serverStream<Q, A>(
    method: DoorMethod,
    handler: (request: Q, call: StreamingCall<A>) => Promise<void>,
  ): handleServerStreamingCall<Bytes, Bytes> {
    return (call) => this.#soon(new OpenStream(this, method, handler, call));
  }

  duplex<Q, A>(
    method: DoorMethod,
    handler: (call: DuplexCall<Q, A>) => void,
  ): handleBidiStreamingCall<Bytes, Bytes> {
    return (call) => this.#soon(new OpenDuplex(this, method, handler as (call: never) => void, call));
  }

  #soon(call: Runnable): void {
    this.#ready.push(call);
    if (this.#ready.length === 1) this.#dependencies.env.timers.endOfTick(() => this.#runReady());
  }

  #runReady(): void {
    const ready = this.#ready;
    const fitting = Math.floor(bytesPerTick / Math.max(1, this.admission.expectedAnswerBytes));
    const end = Math.min(ready.length, callsPerTick, Math.max(callsPerTickMin, fitting));
    this.#ready = ready.length > end ? ready.slice(end) : [];
    if (this.#ready.length > 0) this.#dependencies.env.timers.endOfTick(() => this.#runReady());
    for (let i = 0; i < end; i++) (ready[i] as Runnable).run();
  }

  get clock(): Env['clock'] {
    return this.#dependencies.env.clock;
  }

  /** Monotonic milliseconds at which to give up a call. A stream that names no deadline has none. */
  giveUpMs(call: SurfaceCall, nowMs: number, endless: boolean): number {
    const deadline = call.getDeadline();
    if (deadline === Number.POSITIVE_INFINITY) {
      return endless ? Number.POSITIVE_INFINITY : nowMs + workMs(deadline, this.#options);
    }
    const leftMs = Number(deadline) - this.clock.wallMicros() / 1000;
    return nowMs + (endless ? leftMs : workMs(leftMs, this.#options));
  }

  /** Why a call may not begin. `undefined`: it may. */
  refusal(method: DoorMethod, call: SurfaceCall): Failure | undefined {
    if (this.#draining && !method.alwaysOn) return { kind: 'draining' };
    const bytes = headerBytes(call.metadata);
    if (bytes > this.#options.headerBytesMax) {
      return {
        kind: 'invalid',
        reason: 'too-large',
        field: 'metadata',
        problem: `${grouped(bytes)} bytes of request headers; the limit is ${grouped(this.#options.headerBytesMax)} bytes`,
      };
    }
    return undefined;
  }

  overloaded(): Failure {
    this.#checkStalledLater();
    const { requests, bytes } = this.admission;
    return {
      kind: 'overloaded',
      retryAfterMs: this.#retryAfterMs(),
      problem: `the node works on ${grouped(requests)} requests, holds ${grouped(bytes)} bytes of requests and answers, and takes no more; nothing was done`,
    };
  }

  tooManyWatches(): Failure {
    return {
      kind: 'overloaded',
      retryAfterMs: this.#retryAfterMs(),
      problem: `${grouped(watchesMax)} streams of changes are open on this node, and it opens no more: watch through another`,
    };
  }

  #retryAfterMs(): number {
    return Math.ceil(retryAfterMs * (2 / 3 + (this.#dependencies.env.random.fraction() * 2) / 3));
  }

  /** Decodes, or says why not. */
  decode<Q>(method: DoorMethod, bytes: Uint8Array): Q | Failure {
    if (method.alwaysOn && bytes.length > alwaysOnBytesMax) {
      return {
        kind: 'invalid',
        reason: 'too-large',
        field: 'message',
        problem: `${grouped(bytes.length)} bytes; the limit of this service is ${grouped(alwaysOnBytesMax)} bytes`,
      };
    }
    try {
      return method.requestType.decode(bytes);
    } catch {
      return {
        kind: 'invalid',
        reason: 'invalid-request',
        field: 'message',
        problem: 'does not parse as the request of this method: compare the proto files of client and server',
      };
    }
  }

  refuse(
    method: DoorMethod,
    failure: Failure,
    of: SurfaceCall & AskedWith,
    endsOthers = false,
  ): StatusObject {
    const item = itemStatusOf(failure, { ...attemptOf(method, of), endsOthers });
    this.#dependencies.refused(
      method.name,
      item.code,
      (item.detail as NonNullable<ItemStatus['detail']>).reason,
    );
    return grpcStatusOf(item);
  }

  failed(method: DoorMethod, error: unknown, of: SurfaceCall & AskedWith): StatusObject {
    return grpcStatusOf(itemStatusOfError(error, attemptOf(method, of), this.#dependencies.reportIncident));
  }

  encode(method: DoorMethod, answer: unknown): Bytes {
    const bytes = encodeMessage(method.responseType, answer);
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  outlet(call: MessageSink, drained: () => void): Outlet {
    const stream = streamOf(call);
    const leaving: { sinceMs: number; readonly stream: CallStream } = { sinceMs: 0, stream };
    const { admission } = this;
    let held = 0;
    const outlet = new Outlet(call, {
      hasEnded: () => stream.writableEnded,
      drained,
      hold: (bytes) => {
        admission.hold(bytes);
        if (held === 0) {
          leaving.sinceMs = this.clock.monotonicMs();
          this.#leaving.add(leaving);
        }
        held += bytes;
      },
      release: (bytes) => {
        held -= bytes;
        if (held === 0) this.#leaving.delete(leaving);
        else leaving.sinceMs = this.clock.monotonicMs();
        admission.release(bytes);
      },
    });
    return outlet;
  }

  /** The call's answer is on its way from now on. */
  startLeaving(call: Leaving): void {
    this.#leaving.add(call);
  }

  left(call: Leaving): void {
    this.#leaving.delete(call);
  }

  #checkStalledLater(): void {
    if (this.#checksStalled) return;
    this.#checksStalled = true;
    this.#dependencies.env.timers.after(stalledCheckMs, () => {
      this.#checksStalled = false;
      this.#resetStalled();
    });
  }

  /** A full node gives up the answers that nobody took for as long as any call may last. */
  #resetStalled(): void {
    if (!this.admission.tight) return;
    const beforeMs = this.clock.monotonicMs() - this.#options.requestMsMax;
    for (const { sinceMs, stream } of this.#leaving) {
      if (sinceMs < beforeMs) stream.close(constants.NGHTTP2_CANCEL);
    }
    this.#checkStalledLater();
  }

  opened(duplex: OpenDuplex): void {
    this.#duplexes.add(duplex);
  }

  closed(duplex: OpenDuplex): void {
    this.#duplexes.delete(duplex);
  }

  /** False: there are too many already. */
  startWatch(watch: Watch): boolean {
    if (this.#watches.size >= watchesMax) return false;
    this.#watches.add(watch);
    return true;
  }

  endWatch(watch: Watch): void {
    this.#watches.delete(watch);
  }
}

/** A stream of answers that goes on until its client has enough, or the node drains. */
interface Watch {
  shutdown(): void;
}

type CallStream = Pick<ServerHttp2Stream, 'writableEnded' | 'close'>;

/** A call with an answer that its client has not taken. */
interface Leaving {
  /** Monotonic milliseconds at which the client last took something, or the answer was made. */
  readonly sinceMs: number;
  readonly stream: CallStream;
}

function streamOf(call: object): CallStream {
  // No public member of grpc-js tells whether it has ended the call itself. `server.test.ts` notices when this one goes.
  return (call as { readonly call: { readonly stream: CallStream } }).call.stream;
}

interface Runnable {
  run(): void;
}

function attemptOf(method: DoorMethod, { metadata, request }: SurfaceCall & AskedWith): Attempt {
  if (!method.writes) return readAttempt;
  // Only what may have been applied has to say whether it may be sent again: nearly no refusal decodes anything.
  if (!isRetry(metadata)) return writeAttempt;
  return { ...writeAttempt, isRetry: true, hasRequestId: hasRequestId(method, request) };
}

/** Whether every write of the message has a request id. False where that cannot be told. */
function hasRequestId(method: DoorMethod, request: Bytes | undefined): boolean {
  if (request === undefined) return false;
  try {
    const { options } = method.requestType.decode(request) as { readonly options?: Partial<WriteOptions> };
    return (options?.requestId?.length ?? 0) > 0;
  } catch {
    return false; // no message at all, which the client is told
  }
}

const readAttempt: Attempt = {
  kind: 'read',
  hasRequestId: false,
  isRetry: false,
  layoutVersion: 0,
  encodeContext: undefined,
};
const writeAttempt: Attempt = {
  kind: 'write',
  hasRequestId: false,
  isRetry: false,
  layoutVersion: 0,
  encodeContext: undefined,
};

const previousAttemptsHeader = 'grpc-previous-rpc-attempts';

function isRetry(metadata: Metadata): boolean {
  const values = metadata.get(previousAttemptsHeader);
  return values.length > 0 && Number(values[0]) > 0;
}

function headerBytes(metadata: Metadata): number {
  const headers = metadata.toHttp2Headers();
  let bytes = 0;
  for (const name in headers) {
    const values = headers[name];
    if (Array.isArray(values)) for (const value of values) bytes += name.length + value.length;
    else bytes += name.length + String(values ?? '').length;
  }
  return bytes;
}

function isFailure(decoded: unknown): decoded is Failure {
  // No message of ours has a field `kind`.
  return typeof decoded === 'object' && decoded !== null && 'kind' in decoded;
}

class OpenUnary<Q, A> implements Call, Leaving, Runnable {
  readonly method: string;
  readonly arrivedMs: number;
  readonly requestBytes: number;
  deadlineMs = 0;
  isRetry = false;
  sinceMs = 0;
  readonly #door: Door;
  readonly #method: DoorMethod;
  readonly #handler: (request: Q, call: Call) => Promise<A>;
  readonly #call: ServerUnaryCall<Bytes, Bytes>;
  readonly #callback: sendUnaryData<Bytes>;

  constructor(
    door: Door,
    method: DoorMethod,
    handler: (request: Q, call: Call) => Promise<A>,
    call: ServerUnaryCall<Bytes, Bytes>,
    callback: sendUnaryData<Bytes>,
  ) {
    this.#door = door;
    this.#method = method;
    this.#handler = handler;
    this.#call = call;
    this.#callback = callback;
    this.method = method.name;
    this.arrivedMs = door.clock.monotonicMs();
    this.requestBytes = call.request.length;
  }

  get cancelled(): boolean {
    return this.#call.cancelled;
  }

  get stream(): CallStream {
    return streamOf(this.#call);
  }

  run(): void {
    const call = this.#call;
    if (call.cancelled) return;
    const door = this.#door;
    const method = this.#method;
    const refusal = door.refusal(method, call);
    if (refusal !== undefined) {
      this.#callback(door.refuse(method, refusal, call));
      return;
    }
    const { admission } = door;
    const counted = !method.alwaysOn;
    const reserved = this.requestBytes + (method.writes ? 0 : admission.expectedAnswerBytes);
    if (counted && !admission.enter(reserved)) {
      this.#callback(door.refuse(method, door.overloaded(), call));
      return;
    }
    this.deadlineMs = door.giveUpMs(call, this.arrivedMs, false);
    this.isRetry = isRetry(call.metadata);
    const request = door.decode<Q>(method, call.request);
    if (isFailure(request)) {
      if (counted) admission.leave(reserved);
      this.#callback(door.refuse(method, request, call));
      return;
    }
    this.#handler(request, this).then(
      (answer) => {
        if (counted) admission.leave(reserved);
        this.#answer(answer);
      },
      (error: unknown) => {
        if (counted) admission.leave(reserved);
        this.#callback(door.failed(method, error, call));
      },
    );
  }

  #answer(answer: A): void {
    const call = this.#call;
    if (call.cancelled) return;
    const door = this.#door;
    const method = this.#method;
    const { admission } = door;
    const mayRefuse = !method.writes && !method.alwaysOn;
    // A full node does not even encode what would be refused.
    if (mayRefuse && !admission.hasRoomFor(admission.expectedAnswerBytes)) {
      this.#callback(door.refuse(method, door.overloaded(), call));
      return;
    }
    let encoded: Bytes;
    try {
      encoded = door.encode(method, answer);
    } catch (error) {
      this.#callback(door.failed(method, error, call));
      return;
    }
    const held = encoded.length + this.requestBytes + answerBytes;
    if (mayRefuse) {
      admission.answered(encoded.length);
      // What was written is always told. What was read can be read again.
      if (!admission.hasRoomFor(held)) {
        this.#callback(door.refuse(method, door.overloaded(), call));
        return;
      }
    }
    admission.hold(held);
    this.sinceMs = door.clock.monotonicMs();
    door.startLeaving(this);
    // grpc-js says so at every end of a call, a good one included.
    call.once('cancelled', () => {
      door.left(this);
      admission.release(held);
    });
    this.#callback(null, encoded);
  }
}

class OpenStream<Q, A> implements StreamingCall<A>, Runnable {
  readonly method: string;
  readonly arrivedMs: number;
  readonly requestBytes: number;
  deadlineMs = 0;
  isRetry = false;
  readonly #door: Door;
  readonly #method: DoorMethod;
  readonly #handler: (request: Q, call: StreamingCall<A>) => Promise<void>;
  readonly #call: ServerWritableStream<Bytes, Bytes>;
  readonly #outlet: Outlet;
  /** One for all who wait to send. */
  #room: Promise<void> | undefined;
  #resume: () => void = () => {};
  /** The node drains, and the client of this watch has been told. */
  #stopped = false;
  readonly #onCancel: (() => void)[] = [];

  constructor(
    door: Door,
    method: DoorMethod,
    handler: (request: Q, call: StreamingCall<A>) => Promise<void>,
    call: ServerWritableStream<Bytes, Bytes>,
  ) {
    this.#door = door;
    this.#method = method;
    this.#handler = handler;
    this.#call = call;
    this.#outlet = door.outlet(call, () => this.#makeRoom());
    this.method = method.name;
    this.arrivedMs = door.clock.monotonicMs();
    this.requestBytes = call.request.length;
    call.once('cancelled', () => {
      this.#outlet.close();
      this.#over();
    });
  }

  get cancelled(): boolean {
    return this.#call.cancelled || this.#stopped;
  }

  /** Ends a watch: what it would show next, another node can show. */
  shutdown(): void {
    this.#stopped = true;
    this.#outlet.end(this.#door.refuse(this.#method, { kind: 'draining' }, this.#call));
    this.#over();
  }

  #over(): void {
    this.#makeRoom();
    for (const cancelled of this.#onCancel.splice(0)) cancelled();
  }

  #makeRoom(): void {
    this.#room = undefined;
    this.#resume();
  }

  send(answer: A): Promise<void> | undefined {
    const encoded = this.#door.encode(this.#method, answer);
    const { writes, watches, alwaysOn } = this.#method;
    if (!writes && !watches && !alwaysOn) this.#door.admission.answered(encoded.length);
    if (this.#outlet.send(encoded)) return undefined;
    this.#room ??= new Promise((resolve) => {
      this.#resume = resolve;
    });
    return this.#room;
  }

  hasRoomFor(pending: number): boolean {
    const { admission } = this.#door;
    const bytes = (pending + 1) * admission.expectedAnswerBytes;
    return this.#outlet.heldBytes + bytes <= streamBytesMax && admission.hasRoomFor(bytes);
  }

  onCancel(cancelled: () => void): void {
    this.#onCancel.push(cancelled);
  }

  run(): void {
    const call = this.#call;
    if (call.cancelled) return;
    const door = this.#door;
    const method = this.#method;
    const refusal = door.refusal(method, call);
    if (refusal !== undefined) {
      call.emit('error', door.refuse(method, refusal, call));
      return;
    }
    const bytes = this.requestBytes;
    const counted = !method.alwaysOn && !method.watches;
    if (counted && !door.admission.enter(bytes)) {
      call.emit('error', door.refuse(method, door.overloaded(), call));
      return;
    }
    if (method.watches && !door.startWatch(this)) {
      call.emit('error', door.refuse(method, door.tooManyWatches(), call));
      return;
    }
    const leave = (): void => {
      if (counted) door.admission.leave(bytes);
      else door.endWatch(this);
    };
    this.deadlineMs = door.giveUpMs(call, this.arrivedMs, !counted);
    this.isRetry = isRetry(call.metadata);
    const request = door.decode<Q>(method, call.request);
    if (isFailure(request)) {
      leave();
      call.emit('error', door.refuse(method, request, call));
      return;
    }
    this.#handler(request, this).then(
      () => {
        leave();
        this.#outlet.end(undefined);
      },
      (error: unknown) => {
        leave();
        this.#outlet.end(door.failed(method, error, call));
      },
    );
  }
}

// biome-ignore lint/suspicious/noExplicitAny: the message types are those of the handler, checked by `service`
class OpenDuplex implements DuplexCall<any, any>, Runnable {
  readonly method: string;
  readonly arrivedMs: number;
  readonly requestBytes = 0;
  deadlineMs = 0;
  isRetry = false;
  readonly #door: Door;
  readonly #method: DoorMethod;
  readonly #handler: (call: never) => void;
  readonly #call: ServerDuplexStream<Bytes, Bytes>;
  readonly #outlet: Outlet;
  #listener: DuplexListener<unknown> | undefined;
  /** A message has come. */
  #delivered = false;
  #ended = false;

  constructor(
    door: Door,
    method: DoorMethod,
    handler: (call: never) => void,
    call: ServerDuplexStream<Bytes, Bytes>,
  ) {
    this.#door = door;
    this.#method = method;
    this.#handler = handler;
    this.#call = call;
    this.#outlet = door.outlet(call, () => this.#listener?.drained());
    this.method = method.name;
    this.arrivedMs = door.clock.monotonicMs();
  }

  get cancelled(): boolean {
    return this.#call.cancelled;
  }

  run(): void {
    const call = this.#call;
    if (call.cancelled) return;
    const door = this.#door;
    const refusal = door.refusal(this.#method, call);
    if (refusal !== undefined) {
      call.emit('error', door.refuse(this.#method, refusal, call));
      return;
    }
    this.deadlineMs = door.giveUpMs(call, this.arrivedMs, true);
    this.isRetry = isRetry(call.metadata);
    door.opened(this);
    call.on('cancelled', () => {
      door.closed(this);
      this.#ended = true;
      this.#outlet.close();
      this.#listener?.cancelled();
    });
    this.#handler(this as never);
  }

  listen(listener: DuplexListener<unknown>): void {
    const call = this.#call;
    const door = this.#door;
    this.#listener = listener;
    call.on('end', () => {
      if (!this.#ended) listener.halfClosed();
    });
    // Attached last: from here on messages come.
    call.on('data', (bytes: Bytes) => {
      if (this.#ended) return;
      const request = door.decode(this.#method, bytes);
      if (isFailure(request)) {
        // What the messages before it asked for may be under way, and goes on unheard.
        this.#finish(door.refuse(this.#method, request, call, this.#delivered));
        return;
      }
      this.#delivered = true;
      listener.message(request, bytes.length);
    });
  }

  pause(): void {
    this.#call.pause();
  }

  resume(): void {
    this.#call.resume();
  }

  send(answer: unknown): boolean {
    return this.#ended || this.#outlet.send(this.#door.encode(this.#method, answer));
  }

  end(): void {
    this.#finish(undefined);
  }

  fail(item: ItemStatus): void {
    this.#finish(grpcStatusOf(item));
  }

  shutdown(): void {
    this.#listener?.shutdown();
  }

  #finish(status: StatusObject | undefined): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#door.closed(this);
    this.#outlet.end(status);
    // What the client still sends is read and thrown away, so that its half of the stream can close.
    this.#call.resume();
  }
}

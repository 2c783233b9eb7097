/**
 * The door: what every call on the client port goes through before a service sees it. It refuses while the node drains or
 * is full, cuts deadlines, decodes, and turns whatever a handler throws into the status of the error contract.
 *
 * It stands directly on grpc-js and not on nice-grpc's server, which tells a handler neither the deadline nor the size of
 * the request, decodes before anything can be refused, and costs an async generator for every unary call.
 *
 * No call starts in the tick in which it arrived: HEADERS and RST_STREAM sent together (CVE-2023-44487) cost no work.
 */

import { constants } from 'node:http2';
import type { StatusObject } from '@grpc/grpc-js';
import type { Failure } from '../core/coordinator/failure.ts';
import { ControlledDelay } from '../core/overload/controlled-delay.ts';
import { FairQueue } from '../core/overload/fair-queue.ts';
import type { Env } from '../env/env.ts';
import type { ErrorReason, ItemStatus, WriteOptions } from '../gen/kindred/v1/types.ts';
import type { Admission } from './admission.ts';
import { type DeadlineOptions, workMs } from './deadline.ts';
import { encodeMessage } from './encode-message.ts';
import { grouped } from './limits.ts';
import { type MessageSink, Outlet } from './outlet.ts';
import type { MessageType } from './service.ts';
import {
  type Attempt,
  grpcStatusOf,
  itemStatusOf,
  itemStatusOfError,
  type ReportIncident,
} from './status.ts';
import { type CallHead, type CallStream, streamOf } from './unary-exchange.ts';

export interface DoorOptions extends DeadlineOptions {
  /** Request headers of one call, in bytes. */
  readonly headerBytesMax: number;
  /** What has waited longer than this for its turn, while more comes than is done, is turned down. In milliseconds. */
  readonly queueMsMax: number;
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

/** How long a refused client should wait: two thirds to four thirds of this, so that they do not all come back at once. */
const retryAfterMs = 75;
/** Calls that begin in one tick. Their reads are there at the end of it, so the bounds are looked at once for so many. */
const callsPerTick = 32;
/**
 * And so many are turned down: all that have waited too long, or nearly, because what comes in one tick must be gone in one. With fewer,
 * a tick of a standing queue is spent on refusals alone, and nothing is served any more.
 */
const shedPerTick = 1_024;
/** So many times to come back are drawn from, for those that have waited too long. */
const lateSteps = 16;
/** A queue that has been empty within this time is no overload: a burst, or a collection of garbage. */
const burstMs = 100;
/** Fewer begin when their answers would weigh more than this together, but never less than `callsPerTickMin`. */
const bytesPerTick = 32 * 1024 * 1024;
const callsPerTickMin = 4;
/** Streams of answers without an end, all clients together: each costs some memory, and work at every change. */
const watchesMax = 1_000;
/** Longest request of a service that is always on: those are not counted, and ask with a name at most. */
const alwaysOnBytesMax = 4096;
/** How often a node that is full looks for clients that do not take their answers. */
const stalledCheckMs = 1_000;

export class Door {
  readonly admission: Admission;
  readonly #options: DoorOptions;
  readonly #dependencies: DoorDependencies;
  #draining = false;
  /** Calls of services that are always on: first, and never turned down. */
  #urgent: Waiting[] = [];
  readonly #waiting = new FairQueue<Waiting>();
  readonly #delay: ControlledDelay;
  #runs = false;
  readonly #duplexes = new Set<EndedByDraining>();
  readonly #watches = new Set<EndedByDraining>();
  /** Calls with answers that their clients have not taken. */
  readonly #leaving = new Set<Leaving>();
  #checksStalled = false;
  /** Refusals of what has waited too long, by the time to come back. */
  readonly #late: ReadonlyMap<Attempt, Late[]> = new Map<Attempt, Late[]>([
    [readAttempt, []],
    [writeAttempt, []],
  ]);

  constructor(dependencies: DoorDependencies, options: DoorOptions) {
    this.#dependencies = dependencies;
    this.#options = options;
    const { queueMsMax } = options;
    this.#delay = new ControlledDelay(
      { standingMsMax: queueMsMax, burstMs: Math.max(burstMs, queueMsMax) },
      this.clock.monotonicMs(),
    );
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

  /** Begins a call at the end of this tick, or later when others wait. */
  begin(call: Waiting, { alwaysOn }: DoorMethod): void {
    if (alwaysOn) this.#urgent.push(call);
    else {
      if (this.#waiting.size === 0) this.#delay.emptied(call.arrivedMs);
      this.#waiting.push(call.connection, call);
    }
    this.#runLater();
  }

  #runLater(): void {
    if (this.#runs) return;
    this.#runs = true;
    this.#dependencies.env.timers.endOfTick(() => {
      this.#runs = false;
      this.#runSome();
    });
  }

  #runSome(): void {
    const urgent = this.#urgent;
    this.#urgent = [];
    for (const call of urgent) call.run();
    const nowMs = this.clock.monotonicMs();
    const fitting = Math.floor(bytesPerTick / Math.max(1, this.admission.expectedAnswerBytes));
    const runsMax = Math.min(callsPerTick, Math.max(callsPerTickMin, fitting));
    let shed = 0;
    for (let run = 0; run < runsMax && shed < shedPerTick; ) {
      const call = this.#waiting.take();
      if (call === undefined) break;
      if (call.shed !== undefined && this.#delay.isTooLate(call.arrivedMs, nowMs)) {
        call.shed();
        shed++;
      } else {
        call.run();
        run++;
      }
    }
    if (this.#waiting.size > 0) this.#runLater();
  }

  get clock(): Env['clock'] {
    return this.#dependencies.env.clock;
  }

  /** Monotonic milliseconds at which to give up a call. A stream that names no deadline has none. */
  giveUpMs(head: CallHead, arrivedMs: number, endless: boolean): number {
    const deadline = head.deadlineEpochMs();
    if (deadline === Number.POSITIVE_INFINITY) {
      return endless ? Number.POSITIVE_INFINITY : arrivedMs + workMs(deadline, this.#options);
    }
    // What is left now, which may be long after it arrived.
    const leftMs = deadline - this.clock.wallMicros() / 1000;
    return this.clock.monotonicMs() + (endless ? leftMs : workMs(leftMs, this.#options));
  }

  /** Why a call may not begin. `undefined`: it may. */
  refusal(method: DoorMethod, head: CallHead): Failure | undefined {
    if (this.#draining && !method.alwaysOn) return { kind: 'draining' };
    const bytes = head.headerBytes();
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

  /** For a call whose deadline passed before it began. */
  expired(method: DoorMethod): Failure {
    return { kind: 'expired', outcome: method.writes ? 'not-applied' : 'not-a-write' };
  }

  /**
   * The refusal of a call that has waited too long. Under overload there are many more of these than of answers, and what one of them
   * costs is taken from those: all that say the same are one object, which is encoded once (`UnaryCall.fail`).
   */
  refuseLate(method: DoorMethod, head: CallHead, request: Bytes): StatusObject {
    const attempt = attemptOf(method, head, request);
    const shared = this.#late.get(attempt);
    const step = Math.floor(this.#dependencies.env.random.fraction() * lateSteps);
    let late = shared?.[step];
    if (late === undefined) {
      const item = itemStatusOf(
        {
          kind: 'overloaded',
          retryAfterMs: retryAfterOf((step + 0.5) / lateSteps),
          problem: `more requests come than this node does: this one has waited for more than ${grouped(this.#options.queueMsMax)} ms; nothing was done`,
        },
        attempt,
      );
      late = { item, status: grpcStatusOf(item) };
      if (shared !== undefined) shared[step] = late;
    }
    this.#count(method, late.item);
    return late.status;
  }

  tooManyWatches(): Failure {
    return {
      kind: 'overloaded',
      retryAfterMs: this.#retryAfterMs(),
      problem: `${grouped(watchesMax)} streams of changes are open on this node, and it opens no more: watch through another`,
    };
  }

  #retryAfterMs(): number {
    return retryAfterOf(this.#dependencies.env.random.fraction());
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

  /** `request`: the one message of a call that has no stream of them. */
  refuse(
    method: DoorMethod,
    failure: Failure,
    head: CallHead,
    request?: Bytes,
    endsOthers = false,
  ): StatusObject {
    const item = itemStatusOf(failure, { ...attemptOf(method, head, request), endsOthers });
    this.#count(method, item);
    return grpcStatusOf(item);
  }

  #count(method: DoorMethod, { code, detail }: ItemStatus): void {
    this.#dependencies.refused(method.name, code, (detail as NonNullable<typeof detail>).reason);
  }

  failed(method: DoorMethod, error: unknown, head: CallHead, request?: Bytes): StatusObject {
    return grpcStatusOf(
      itemStatusOfError(error, attemptOf(method, head, request), this.#dependencies.reportIncident),
    );
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

  opened(duplex: EndedByDraining): void {
    this.#duplexes.add(duplex);
  }

  closed(duplex: EndedByDraining): void {
    this.#duplexes.delete(duplex);
  }

  /** False: there are too many already. */
  startWatch(watch: EndedByDraining): boolean {
    if (this.#watches.size >= watchesMax) return false;
    this.#watches.add(watch);
    return true;
  }

  endWatch(watch: EndedByDraining): void {
    this.#watches.delete(watch);
  }
}

/** A stream that goes on until its client has enough, or the node drains. */
export interface EndedByDraining {
  shutdown(): void;
}

/** A call with an answer that its client has not taken. */
export interface Leaving {
  /** Monotonic milliseconds at which the client last took something, or the answer was made. */
  readonly sinceMs: number;
  readonly stream: CallStream;
}

/** A call that begins at the end of the tick in which it came, or later when many wait. */
export interface Waiting {
  /** Whose it is: the connections share the node fairly. */
  readonly connection: object;
  /** Monotonic milliseconds. */
  readonly arrivedMs: number;
  run(): void;
  /** Turns it down, because it has waited too long. Calls without it are begun in any case. */
  shed?(): void;
}

interface Late {
  readonly item: ItemStatus;
  readonly status: StatusObject;
}

/** `chance` in 0..1 spreads those that were refused together. In milliseconds. */
function retryAfterOf(chance: number): number {
  return Math.ceil(retryAfterMs * (2 / 3 + (chance * 2) / 3));
}

function attemptOf(method: DoorMethod, head: CallHead, request: Bytes | undefined): Attempt {
  if (!method.writes) return readAttempt;
  // Only what may have been applied has to say whether it may be sent again: nearly no refusal decodes anything.
  if (!head.isRetry()) return writeAttempt;
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

/**
 * A unary call in its plain form, straight on a stream: POST, `application/grpc` or `application/grpc+proto`, no compression, one
 * message. The protocol is https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md, and the words are those of grpc-js.
 *
 * It does not end at its deadline by itself: the node gives up before, and the client's reset says when nobody waits any more.
 */

import { type Metadata, type StatusObject, status } from '@grpc/grpc-js';
import type { Clock } from '../../env/env.ts';
import { type CallStream, previousAttemptsHeader, type UnaryExchange } from '../unary-exchange.ts';
import { encodeFields, type Field, RepeatedFields } from './hpack-encoder.ts';
import type { RequestHead } from './request-head.ts';
import type { Http2Stream, Session, StreamReceiver } from './stream.ts';

/** What the head of a plain call says: the same for all calls with this head. */
export interface UnaryPlan {
  readonly take: (exchange: UnaryExchange) => void;
  readonly timeoutMs: number;
  readonly headerBytes: number;
  readonly isRetry: boolean;
}

const plainTimeout = /^(\d{1,8})([HMSmun])$/;
const unitMs: Readonly<Record<string, number>> = {
  H: 3_600_000,
  M: 60_000,
  S: 1_000,
  m: 1,
  u: 1e-3,
  n: 1e-6,
};

/** Headers that HTTP/2 and gRPC need for themselves: not counted as the client's. */
const ownHeaders: ReadonlySet<string> = new Set([
  'grpc-timeout',
  'grpc-encoding',
  'grpc-accept-encoding',
  'accept-encoding',
  'te',
  'content-type',
]);

/** How to serve a request as a plain call; `undefined`: it is none. */
export function unaryPlan(
  { method, path, fields }: RequestHead,
  routes: ReadonlyMap<string, (exchange: UnaryExchange) => void>,
): UnaryPlan | undefined {
  const take = routes.get(path);
  if (take === undefined || method !== 'POST') return undefined;
  let isGrpc = false;
  let timeoutMs = Number.POSITIVE_INFINITY;
  let headerBytes = 0;
  let isRetry = false;
  for (const { kind, name, value } of fields) {
    if (kind === 'pseudo') continue;
    if (!ownHeaders.has(name)) headerBytes += name.length + value.length;
    switch (name) {
      case 'content-type':
        if (value !== 'application/grpc' && value !== 'application/grpc+proto') return undefined;
        isGrpc = true;
        break;
      case 'grpc-encoding':
        if (value !== 'identity') return undefined;
        break;
      case 'grpc-timeout': {
        const match = plainTimeout.exec(value);
        // Said twice, or in no form that is known: grpc-js has an answer to everything.
        if (match === null || timeoutMs !== Number.POSITIVE_INFINITY) return undefined;
        timeoutMs = Number(match[1]) * (unitMs[match[2] as string] as number);
        break;
      }
      case previousAttemptsHeader:
        isRetry = Number(value) > 0;
        break;
      default:
    }
  }
  return isGrpc ? { take, timeoutMs, headerBytes, isRetry } : undefined;
}

/** Flag of compression and length. */
const prefixBytes = 5;
const noBytes: Buffer = Buffer.alloc(0);

/** The form that grpc-js answers in. */
const answerFields: readonly Field[] = [
  [':status', '200'],
  ['content-type', 'application/grpc+proto'],
  ['grpc-accept-encoding', 'identity,deflate,gzip'],
  ['grpc-encoding', 'identity'],
];
const answerHeading = new RepeatedFields(answerFields);
const okTrailers = new RepeatedFields([
  ['grpc-status', '0'],
  ['grpc-message', 'OK'],
]);

export interface UnaryCallDependencies {
  readonly stream: Http2Stream;
  readonly session: Session;
  readonly clock: Clock;
}

export class UnaryCall implements UnaryExchange, StreamReceiver, CallStream {
  request: Buffer = noBytes;
  readonly #stream: Http2Stream;
  readonly #session: Session;
  readonly #plan: UnaryPlan;
  readonly #arrivedEpochMs: number;
  readonly #messageBytesMax: number;
  /** What came of the request, and how much of it that is: mostly all of it at once. */
  #received: Buffer = noBytes;
  #receivedBytes = 0;
  #answered = false;
  #over = false;
  #onOver: (() => void) | undefined;

  constructor({ stream, session, clock }: UnaryCallDependencies, plan: UnaryPlan, messageBytesMax: number) {
    this.#stream = stream;
    this.#session = session;
    this.#plan = plan;
    this.#arrivedEpochMs = clock.wallMicros() / 1000;
    this.#messageBytesMax = messageBytesMax;
  }

  // ---- the request ----

  body(bytes: Buffer): void {
    if (this.#answered) return;
    if (this.#receivedBytes === 0) this.#received = bytes;
    else this.#append(bytes);
    this.#receivedBytes += bytes.length;
    if (this.#receivedBytes < prefixBytes) {
      this.#stream.credit(bytes.length);
      return;
    }
    const announced = this.#received.readUInt32BE(1);
    if (announced > this.#messageBytesMax) {
      this.#refuse(
        status.RESOURCE_EXHAUSTED,
        `Received message larger than max (${announced} vs. ${this.#messageBytesMax})`,
      );
    } else if (this.#receivedBytes > prefixBytes + announced) {
      this.#refuse(status.UNIMPLEMENTED, 'Received a second request message for a unary method');
    } else if (this.#receivedBytes < prefixBytes + announced) this.#stream.credit(bytes.length);
  }

  /** Copies each byte a few times at most, and keeps one array and not one for each frame: frames may have a byte each. */
  #append(bytes: Buffer): void {
    const needed = this.#receivedBytes + bytes.length;
    if (this.#received.length < needed) {
      const whole = this.#receivedBytes < prefixBytes ? needed : prefixBytes + this.#received.readUInt32BE(1);
      const larger = Buffer.allocUnsafe(Math.max(needed, Math.min(whole, 2 * this.#received.length)));
      this.#received.copy(larger, 0, 0, this.#receivedBytes);
      this.#received = larger;
    }
    bytes.copy(this.#received, this.#receivedBytes);
  }

  halfClosed(): void {
    if (this.#answered) return;
    const all = this.#received.subarray(0, this.#receivedBytes);
    this.#received = noBytes;
    if (all.length < prefixBytes || all.length < prefixBytes + all.readUInt32BE(1)) {
      this.#refuse(status.UNIMPLEMENTED, 'Received no request message for a unary method');
    } else if (all[0] !== 0) {
      this.#refuse(status.INTERNAL, 'Received a compressed message without a grpc-encoding');
    } else {
      this.request = all.subarray(prefixBytes);
      this.#plan.take(this);
    }
  }

  over(): void {
    this.#over = true;
    this.#received = noBytes;
    const listener = this.#onOver;
    this.#onOver = undefined;
    listener?.();
  }

  // ---- what the door asks ----

  get connection(): object {
    return this.#session;
  }

  get stream(): CallStream {
    return this;
  }

  get writableEnded(): boolean {
    return this.#stream.closed;
  }

  /** Gives up what the client does not take. An answer that is on its way already goes with the connection only. */
  close(code: number): void {
    if (!this.#stream.closed) this.#stream.close(code);
    else if (!this.#over) this.#session.socket.destroy();
  }

  get cancelled(): boolean {
    return this.#stream.closed;
  }

  headerBytes(): number {
    return this.#plan.headerBytes;
  }

  isRetry(): boolean {
    return this.#plan.isRetry;
  }

  deadlineEpochMs(): number {
    return this.#arrivedEpochMs + this.#plan.timeoutMs;
  }

  onceOver(listener: () => void): void {
    if (this.#over) listener();
    else this.#onOver = listener;
  }

  // ---- the answer ----

  answer(message: Buffer): void {
    if (this.#answered || this.cancelled) return;
    this.#answered = true;
    const stream = this.#stream;
    if (stream.answer(answerHeading, message, okTrailers)) return;
    // It has to wait for the client, or is too large for a frame.
    const framed = Buffer.allocUnsafe(prefixBytes + message.length);
    framed[0] = 0;
    framed.writeUInt32BE(message.length, 1);
    framed.set(message, prefixBytes);
    stream.respond(answerHeading, false);
    stream.write(framed);
    stream.finish(okTrailers);
  }

  fail(status: StatusObject): void {
    if (this.#answered || this.cancelled) return;
    let block = failureBlocks.get(status);
    if (block === undefined) {
      block = failureBlock(status.code, status.details, fieldsOf(status.metadata));
      failureBlocks.set(status, block);
    }
    this.#fail(block);
  }

  #refuse(code: status, details: string): void {
    this.#received = noBytes;
    if (!this.#answered && !this.cancelled) this.#fail(failureBlock(code, details, []));
  }

  /** Trailers only. */
  #fail(block: Buffer): void {
    this.#answered = true;
    this.#stream.respond(block, true);
  }
}

/** As they are sent. A node that has too much to do refuses thousands of calls with one status. */
const failureBlocks = new WeakMap<StatusObject, Buffer>();

function failureBlock(code: status, details: string, more: readonly Field[]): Buffer {
  return encodeFields([
    ...answerFields,
    ['grpc-status', String(code)],
    ['grpc-message', encodeURI(details)],
    ...more,
  ]);
}

function fieldsOf(metadata: Metadata): Field[] {
  const fields: Field[] = [];
  const headers = metadata.toHttp2Headers();
  for (const name in headers) {
    const values = headers[name];
    for (const value of Array.isArray(values) ? values : [values]) fields.push([name, String(value)]);
  }
  return fields;
}

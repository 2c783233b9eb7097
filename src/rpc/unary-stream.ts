/**
 * Unary calls straight on node:http2, beside grpc-js on the same connections: what grpc-js builds for every call (metadata,
 * decoders, listeners, a stream on top of the stream) costs as much as HTTP/2 itself. ADR 20 has the figures.
 *
 * Only the plain form is served here: POST, `application/grpc` or `application/grpc+proto`, no compression, one message. Every
 * other stream (other methods, compression, an odd time-out) goes to grpc-js, as if this file did not exist. The protocol is
 * https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md.
 *
 * grpc-js ends a call at its deadline by itself; this file does not: the node gives up before, and the client's reset says when
 * nobody waits any more.
 */

import type { Http2Server, IncomingHttpHeaders, OutgoingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import { type Server, type StatusObject, status } from '@grpc/grpc-js';
import type { Clock } from '../env/env.ts';
import { nobody, previousAttemptsHeader, type UnaryExchange } from './unary-exchange.ts';

export interface UnaryStreamOptions {
  readonly messageBytesMax: number;
}

export interface UnaryStreamDependencies {
  readonly clock: Clock;
  /** By path, who takes a call once its request is complete. */
  readonly routes: ReadonlyMap<string, (exchange: UnaryExchange) => void>;
}

/** What is used of grpc-js that is not public. `server.test.ts` notices when it goes. */
interface GrpcInternals {
  readonly http2Servers: ReadonlyMap<Http2Server, unknown>;
  /** Counts the stream as a sign of life, for the bound on idle connections. */
  onStreamOpened(stream: ServerHttp2Stream): void;
}

/** Takes the plain unary calls of these routes away from grpc-js. Call it once its connection injector exists. */
export function serveUnaryStreams(
  grpc: Server,
  dependencies: UnaryStreamDependencies,
  options: UnaryStreamOptions,
): void {
  const internals = grpc as unknown as GrpcInternals;
  for (const http2 of internals.http2Servers.keys()) {
    const others = http2.listeners('stream') as ((
      stream: ServerHttp2Stream,
      headers: IncomingHttpHeaders,
    ) => void)[];
    http2.removeAllListeners('stream');
    http2.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
      const take = isPlain(headers) ? dependencies.routes.get(headers[':path'] as string) : undefined;
      if (take === undefined) {
        for (const other of others) other(stream, headers);
        return;
      }
      internals.onStreamOpened(stream);
      new UnaryStream(stream, headers, dependencies.clock, options.messageBytesMax, take).listen();
    });
  }
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

function isPlain(headers: IncomingHttpHeaders): boolean {
  const type = headers['content-type'];
  if (type !== 'application/grpc' && type !== 'application/grpc+proto') return false;
  if (headers[':method'] !== 'POST') return false;
  const encoding = headers['grpc-encoding'];
  if (encoding !== undefined && encoding !== 'identity') return false;
  const timeout = headers['grpc-timeout'];
  return timeout === undefined || plainTimeout.test(timeout as string);
}

/** Flag of compression and length. */
const prefixBytes = 5;
const noBytes = Buffer.alloc(0);

/** The form that grpc-js answers in. */
const answerHeaders: OutgoingHttpHeaders = {
  ':status': 200,
  'content-type': 'application/grpc+proto',
  'grpc-accept-encoding': 'identity,deflate,gzip',
  'grpc-encoding': 'identity',
};
const withTrailers = { waitForTrailers: true };
const okTrailers: OutgoingHttpHeaders = { 'grpc-status': '0', 'grpc-message': 'OK' };

/** Headers that HTTP/2 and gRPC need for themselves: not counted as the client's. */
const ownHeaders: ReadonlySet<string> = new Set([
  'grpc-timeout',
  'grpc-encoding',
  'grpc-accept-encoding',
  'accept-encoding',
  'te',
  'content-type',
]);

class UnaryStream implements UnaryExchange {
  request: Buffer = noBytes;
  readonly stream: ServerHttp2Stream;
  readonly #headers: IncomingHttpHeaders;
  readonly #arrivedEpochMs: number;
  readonly #messageBytesMax: number;
  readonly #take: (exchange: UnaryExchange) => void;
  /** What came of the request: mostly all of it at once. */
  #received: Buffer | undefined;
  #more: Buffer[] | undefined;
  #receivedBytes = 0;
  #answered = false;
  #over = false;
  #onOver: (() => void) | undefined;

  constructor(
    stream: ServerHttp2Stream,
    headers: IncomingHttpHeaders,
    clock: Clock,
    messageBytesMax: number,
    take: (exchange: UnaryExchange) => void,
  ) {
    this.stream = stream;
    this.#headers = headers;
    this.#arrivedEpochMs = clock.wallMicros() / 1000;
    this.#messageBytesMax = messageBytesMax;
    this.#take = take;
  }

  listen(): void {
    const { stream } = this;
    // A broken stream is told by its close, which follows.
    stream.on('error', ignore);
    stream.on('close', () => this.#closed());
    stream.on('data', (bytes: Buffer) => this.#receive(bytes));
    stream.on('end', () => this.#halfClosed());
  }

  // ---- the request ----

  #receive(bytes: Buffer): void {
    if (this.#answered) return;
    this.#receivedBytes += bytes.length;
    if (this.#received === undefined) this.#received = bytes;
    else {
      this.#more ??= [this.#received];
      this.#more.push(bytes);
      // The prefix may have been cut: it is looked at again once it is whole.
      if (this.#received.length < prefixBytes) this.#received = Buffer.concat(this.#more);
    }
    if (this.#received.length < prefixBytes) return;
    const announced = this.#received.readUInt32BE(1);
    if (announced > this.#messageBytesMax) {
      this.#refuse(
        status.RESOURCE_EXHAUSTED,
        `Received message larger than max (${announced} vs. ${this.#messageBytesMax})`,
      );
    } else if (this.#receivedBytes > prefixBytes + announced) {
      this.#refuse(status.UNIMPLEMENTED, 'Received a second request message for a unary method');
    }
  }

  #halfClosed(): void {
    if (this.#answered || this.cancelled) return;
    const all = this.#more === undefined ? this.#received : Buffer.concat(this.#more);
    this.#more = undefined;
    this.#received = undefined;
    if (all === undefined || all.length < prefixBytes || all.length < prefixBytes + all.readUInt32BE(1)) {
      this.#refuse(status.UNIMPLEMENTED, 'Received no request message for a unary method');
      return;
    }
    if (all[0] !== 0) {
      this.#refuse(status.INTERNAL, 'Received a compressed message without a grpc-encoding');
      return;
    }
    this.request = all.subarray(prefixBytes);
    this.#take(this);
  }

  #refuse(code: status, details: string): void {
    this.#fail(code, details, undefined);
  }

  // ---- what the door asks ----

  get connection(): object {
    return this.stream.session ?? nobody;
  }

  get cancelled(): boolean {
    return this.#over || this.stream.destroyed;
  }

  headerBytes(): number {
    const headers = this.#headers;
    let bytes = 0;
    for (const name in headers) {
      if (name.charCodeAt(0) === colon || ownHeaders.has(name)) continue;
      const values = headers[name];
      if (Array.isArray(values)) for (const value of values) bytes += name.length + value.length;
      else bytes += name.length + (values as string).length;
    }
    return bytes;
  }

  isRetry(): boolean {
    const attempts = this.#headers[previousAttemptsHeader];
    return attempts !== undefined && Number(attempts) > 0;
  }

  deadlineEpochMs(): number {
    const timeout = this.#headers['grpc-timeout'] as string | undefined;
    if (timeout === undefined) return Number.POSITIVE_INFINITY;
    const [, count, unit] = plainTimeout.exec(timeout) as unknown as [string, string, string];
    return this.#arrivedEpochMs + Number(count) * (unitMs[unit] as number);
  }

  onceOver(listener: () => void): void {
    if (this.#over) listener();
    else this.#onOver = listener;
  }

  // ---- the answer ----

  answer(message: Buffer): void {
    if (this.#answered || this.cancelled) return;
    this.#answered = true;
    const { stream } = this;
    const framed = Buffer.allocUnsafe(prefixBytes + message.length);
    framed[0] = 0;
    framed.writeUInt32BE(message.length, 1);
    framed.set(message, prefixBytes);
    stream.respond(answerHeaders, withTrailers);
    stream.once('wantTrailers', sendOkTrailers);
    stream.end(framed);
  }

  fail({ code, details, metadata }: StatusObject): void {
    this.#fail(code, details, metadata.toHttp2Headers());
  }

  /** Trailers only. What the client still sends is read and dropped. */
  #fail(code: status, details: string, metadata: OutgoingHttpHeaders | undefined): void {
    if (this.#answered || this.cancelled) return;
    this.#answered = true;
    const headers = {
      ...answerHeaders,
      'grpc-status': code,
      'grpc-message': encodeURI(details),
      ...metadata,
    };
    this.stream.respond(headers, { endStream: true });
  }

  #closed(): void {
    this.#over = true;
    const listener = this.#onOver;
    this.#onOver = undefined;
    listener?.();
  }
}

const colon = 58;

function ignore(): void {}

function sendOkTrailers(this: ServerHttp2Stream): void {
  this.sendTrailers(okTrailers);
}

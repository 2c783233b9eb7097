/**
 * A stream as grpc-js wants it: what it uses of node:http2's ServerHttp2Stream, as a Duplex of ours. Whatever is no plain unary
 * call is served by grpc-js through this.
 */

import type { OutgoingHttpHeaders } from 'node:http2';
import { Duplex } from 'node:stream';
import { errorCodes } from './frame.ts';
import { encodeFields, type Field } from './hpack-encoder.ts';
import type { RequestHead } from './request-head.ts';
import type { Http2Stream, Session, StreamReceiver } from './stream.ts';

export class SurfaceStream extends Duplex implements StreamReceiver {
  readonly session: Session;
  /** Why the stream is over, as an error code of HTTP/2. */
  rstCode: number = errorCodes.none;
  readonly #stream: Http2Stream;
  /** Bytes that came, and for which the client was given no room again. */
  #uncredited = 0;
  #hasResponded = false;
  #hasEnded = false;
  #waitsForTrailers = false;

  constructor(stream: Http2Stream, session: Session) {
    // Destroyed when its last frame has left, and not when the last byte was written.
    super({ autoDestroy: false });
    this.#stream = stream;
    this.session = session;
    // A write after the end, or after the client has gone: the stream's close, which follows, says all there is to say.
    this.on('error', () => {});
  }

  // ---- what the client does ----

  body(bytes: Buffer): void {
    this.#uncredited += bytes.length;
    if (this.destroyed || this.push(bytes)) this.#credit();
  }

  halfClosed(): void {
    this.push(null);
  }

  over(code: number): void {
    this.rstCode = code;
    this.destroy();
  }

  // ---- what grpc-js does ----

  respond(
    headers: OutgoingHttpHeaders,
    options: { endStream?: boolean; waitForTrailers?: boolean } = {},
  ): void {
    if (this.#hasResponded || this.destroyed) return;
    this.#hasResponded = true;
    this.#waitsForTrailers = options.waitForTrailers === true;
    this.#hasEnded = options.endStream === true;
    this.#stream.respond(encodeFields(fieldsOf(headers)), this.#hasEnded);
    if (this.#hasEnded) this.end();
  }

  sendTrailers(headers: OutgoingHttpHeaders): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#stream.finish(encodeFields(fieldsOf(headers)));
  }

  close(code: number = errorCodes.none): void {
    this.#stream.close(code);
  }

  // ---- Duplex ----

  override _read(): void {
    this.#credit();
  }

  override _write(bytes: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    this.#stream.write(bytes, () => done());
  }

  override _final(done: (error?: Error | null) => void): void {
    if (this.#waitsForTrailers && !this.#hasEnded) this.emit('wantTrailers');
    if (!this.#hasEnded) {
      this.#hasEnded = true;
      this.#stream.finish('none');
    }
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#stream.close(error === null ? errorCodes.cancel : errorCodes.internal);
    done(error);
  }

  #credit(): void {
    const bytes = this.#uncredited;
    this.#uncredited = 0;
    if (bytes > 0) this.#stream.credit(bytes);
  }
}

/** Headers as node:http2 gives them: of one name once, joined. */
export function headersOf({ fields }: RequestHead): Record<string, string> {
  const headers: Record<string, string> = Object.create(null) as Record<string, string>;
  for (const { name, value } of fields) {
    const before = headers[name];
    if (before === undefined) headers[name] = value;
    else if (!onceOnly.has(name)) headers[name] = `${before}${name === 'cookie' ? '; ' : ', '}${value}`;
  }
  return headers;
}

/** Of these the first counts. */
const onceOnly: ReadonlySet<string> = new Set([
  'content-type',
  'content-length',
  'grpc-timeout',
  'te',
  'user-agent',
  'authorization',
  'host',
]);

function fieldsOf(headers: OutgoingHttpHeaders): Field[] {
  const pseudo: Field[] = [];
  const fields: Field[] = [];
  for (const name in headers) {
    const values = headers[name];
    if (values === undefined) continue;
    for (const value of Array.isArray(values) ? values : [values]) {
      (name.startsWith(':') ? pseudo : fields).push([name, String(value)]);
    }
  }
  return [...pseudo, ...fields];
}

/** One stream of a connection (RFC 9113, section 5): its states, both its windows, and what it has to send. */

import type { Socket } from 'node:net';
import { errorCodes, initialWindow, windowMax } from './frame.ts';
import type { HeaderBlock, HpackEncoder } from './hpack-encoder.ts';
import type { Output } from './output.ts';

/** Who serves a stream: told what the client does with it. */
export interface StreamReceiver {
  /** Bytes of the body, which nobody else will change. Whoever has done with them calls `credit`, so that more may come. */
  body(bytes: Buffer): void;
  /** The client sends no more. */
  halfClosed(): void;
  /** The stream is over: its last frame has left, or it was reset. Called once, and last. */
  over(code: number): void;
}

/** A connection, as those know it who serve its streams: whose calls they are, and where from. */
export interface Session {
  readonly socket: Socket;
}

/** What a stream uses of its connection. */
export interface StreamHost {
  readonly output: Output;
  readonly encoder: HpackEncoder;
  /** What the client lets the connection send: its window, and its largest frame. */
  sendWindow: number;
  readonly frameBytesMax: number;
  /** Streams wait to send already, or so much is on its way that all must. */
  readonly isBusy: boolean;
  /** Sends of this stream what may be sent now, and the rest later. */
  send(stream: Http2Stream): void;
  /** The stream needs no place among the open ones any more. */
  forget(stream: Http2Stream): void;
}

interface Piece {
  readonly bytes: Uint8Array;
  sent: number;
  readonly taken: (() => void) | undefined;
}

/** Why a stream does not go on sending. */
export type Sent = 'more' | 'nothing' | 'blocked';

/** Bytes are credited back in steps of this, and not one frame at a time. */
const creditStep = initialWindow >> 1;

export class Http2Stream {
  readonly id: number;
  /** What the client may send before it hears of more room. */
  receiveWindow: number = initialWindow;
  /** What this server may send. Negative after the client has made its windows smaller. */
  sendWindow: number;
  /** What the request's content-length leaves to come. `undefined`: it had none. */
  bodyLeft: number | undefined;
  /** The client sends no more. */
  isHalfClosed = false;
  /** Nothing is received or sent any more. */
  closed = false;
  receiver: StreamReceiver = nobody;
  readonly #host: StreamHost;
  #heading: HeaderBlock | undefined;
  #headingEnds = false;
  #pieces: Piece[] | undefined;
  #trailers: HeaderBlock | 'none' | undefined;
  #credited = 0;

  constructor(host: StreamHost, id: number, sendWindow: number) {
    this.#host = host;
    this.id = id;
    this.sendWindow = sendWindow;
  }

  // ---- what it sends ----

  /** A whole answer at once, if it may leave now. The message gets its gRPC prefix. */
  answer(heading: HeaderBlock, message: Uint8Array, trailers: HeaderBlock): boolean {
    const host = this.#host;
    const length = message.length + 5;
    if (
      host.isBusy ||
      length > this.sendWindow ||
      length > host.sendWindow ||
      length > host.frameBytesMax ||
      this.closed
    ) {
      return false;
    }
    const { output, encoder } = host;
    this.sendWindow -= length;
    host.sendWindow -= length;
    output.headers(this.id, encoder.encode(heading), host.frameBytesMax, false);
    output.message(this.id, message);
    output.headers(this.id, encoder.encode(trailers), host.frameBytesMax, true);
    this.#ended();
    return true;
  }

  respond(heading: HeaderBlock, endStream: boolean): void {
    this.#heading = heading;
    this.#headingEnds = endStream;
    this.#send();
  }

  /** `taken` is called when the bytes are on their way, or will never be. */
  write(bytes: Uint8Array, taken?: () => void): void {
    if (this.closed) taken?.();
    else {
      this.#pieces ??= [];
      this.#pieces.push({ bytes, sent: 0, taken });
      this.#send();
    }
  }

  /** Ends the stream after what was written. */
  finish(trailers: HeaderBlock | 'none'): void {
    this.#trailers = trailers;
    this.#send();
  }

  /** One frame of what is to be sent. */
  step(): Sent {
    const host = this.#host;
    const { output } = host;
    if (this.closed) return 'nothing';
    if (this.#heading !== undefined) {
      const block = host.encoder.encode(this.#heading);
      this.#heading = undefined;
      output.headers(this.id, block, host.frameBytesMax, this.#headingEnds);
      if (!this.#headingEnds) return 'more';
      this.#ended();
      return 'nothing';
    }
    const piece = this.#pieces?.[0];
    if (piece !== undefined) {
      const left = piece.bytes.length - piece.sent;
      const length = Math.max(0, Math.min(left, this.sendWindow, host.sendWindow, host.frameBytesMax));
      if (length <= 0 && left > 0) return 'blocked';
      if (length > 0) output.data(this.id, piece.bytes, piece.sent, piece.sent + length, false);
      piece.sent += length;
      this.sendWindow -= length;
      host.sendWindow -= length;
      if (length === left) {
        this.#pieces?.shift();
        if (output.isCongested && piece.taken !== undefined) output.onceTaken(piece.taken);
        else piece.taken?.();
      }
      return 'more';
    }
    if (this.#trailers === undefined) return 'nothing';
    if (this.#trailers === 'none') output.data(this.id, noBytes, 0, 0, true);
    else output.headers(this.id, host.encoder.encode(this.#trailers), host.frameBytesMax, true);
    this.#ended();
    return 'nothing';
  }

  #send(): void {
    if (!this.closed) this.#host.send(this);
  }

  #ended(): void {
    // 8.1: a whole answer before the whole request ends the stream without blame.
    if (!this.isHalfClosed) this.#host.output.reset(this.id, errorCodes.none);
    this.closed = true;
    this.#host.forget(this);
    this.#host.output.onceTaken(() => this.#over(errorCodes.none));
  }

  /** Resets the stream (5.4.2). The name is that of node:http2. */
  close(code: number = errorCodes.none): void {
    if (this.closed) return;
    this.#host.output.reset(this.id, code);
    this.abandon(code);
  }

  /** For `UnaryExchange`: a stream that is not closed has not ended. */
  get writableEnded(): boolean {
    return this.closed;
  }

  /** The client has reset the stream, or the connection is gone: nothing more is sent. */
  abandon(code: number): void {
    if (this.closed) return;
    this.closed = true;
    this.#host.forget(this);
    this.#over(code);
  }

  #over(code: number): void {
    const pieces = this.#pieces;
    this.#pieces = undefined;
    const { receiver } = this;
    this.receiver = nobody;
    receiver.over(code);
    for (const { taken } of pieces ?? []) taken?.();
  }

  // ---- what it receives ----

  /** Room for so many bytes again. */
  credit(bytes: number): void {
    if (this.isHalfClosed || this.closed) return;
    this.#credited += bytes;
    if (this.#credited < creditStep) return;
    const increment = Math.min(this.#credited, windowMax - this.receiveWindow);
    this.#credited = 0;
    this.receiveWindow += increment;
    this.#host.output.windowUpdate(this.id, increment);
  }
}

const noBytes = new Uint8Array(0);
const nobody: StreamReceiver = { body() {}, halfClosed() {}, over() {} };

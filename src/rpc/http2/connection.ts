/**
 * The server's side of one HTTP/2 connection (RFC 9113) for gRPC, straight on a socket: node:http2 costs 30 us of CPU for a unary
 * call, which is most of a small read (ADR 21). Server push and priorities are not there (both are deprecated or optional).
 *
 * Everything that a client may make grow has a bound: a header block, the streams, what waits for the socket (`output.ts`), what
 * is received ahead of its reader (the windows), and what costs work but carries no request (`flood-guard.ts`).
 */

import type { Socket } from 'node:net';
import type { Env } from '../../env/env.ts';
import { ConnectionLife, type LifeOptions } from './connection-life.ts';
import { FloodGuard } from './flood-guard.ts';
import {
  ConnectionError,
  errorCodes,
  FrameReader,
  flags,
  frameBytesMax,
  frameTypes,
  initialWindow,
  protocolError,
  settings,
  sizeError,
  windowMax,
  withoutPadding,
} from './frame.ts';
import { HpackDecoder, listBytesMax } from './hpack-decoder.ts';
import { HpackEncoder } from './hpack-encoder.ts';
import { OpenBlock } from './open-block.ts';
import { Output } from './output.ts';
import { readSettings } from './peer-settings.ts';
import { areTrailers, HeadReader, type RequestHead } from './request-head.ts';
import { ResetMemory } from './reset-memory.ts';
import { Http2Stream, type Session, type StreamHost } from './stream.ts';
import { Turns } from './turns.ts';

export interface ConnectionOptions extends LifeOptions {
  /** Streams open at once. */
  readonly streamsMax: number;
}

export interface ConnectionDependencies {
  readonly env: Env;
  readonly socket: Socket;
  /** A client has opened a stream: gives it its receiver. */
  readonly serve: (stream: Http2Stream, head: RequestHead, session: Session) => void;
}

/** Room for all streams together: what comes is passed on at once, and the streams' own windows bound what waits. */
const connectionWindow = 1024 * 1024;
/** Frames up to this size are sent, if the client takes them. */
const sentFrameBytesMax = 64 * 1024;
/** Less room than this at a time is counted as a frame that asks for nothing. */
const smallIncrement = 1_024;
/** A client has this long to close the connection once it has all. */
const lingerMs = 1_000;

export class Connection implements StreamHost, Session {
  readonly output: Output;
  readonly encoder: HpackEncoder = new HpackEncoder();
  sendWindow: number = initialWindow;
  frameBytesMax: number = frameBytesMax;
  readonly #env: Env;
  readonly socket: Socket;
  readonly #serve: ConnectionDependencies['serve'];
  readonly #streamsMax: number;
  readonly #ageGraceMs: number;
  readonly #reader: FrameReader;
  readonly #decoder = new HpackDecoder();
  readonly #heads = new HeadReader(this.#decoder);
  readonly #streams = new Map<number, Http2Stream>();
  readonly #turns: Turns;
  readonly #resets: ResetMemory;
  readonly #guard: FloodGuard;
  readonly #life: ConnectionLife;
  /** When the bytes came that are being read. */
  #nowMs: number;
  #receiveWindow = connectionWindow;
  #streamWindow = initialWindow;
  #block: OpenBlock | undefined;
  #isGreeted = false;
  #lastStreamId = 0;
  /** The last stream that is still served, once that was told. */
  #servedUntil = Number.POSITIVE_INFINITY;
  #isClosing = false;
  #isOver = false;

  constructor({ env, socket, serve }: ConnectionDependencies, options: ConnectionOptions) {
    this.#env = env;
    this.socket = socket;
    this.#serve = serve;
    this.#streamsMax = options.streamsMax;
    this.#ageGraceMs = options.ageGraceMs;
    this.#nowMs = env.clock.monotonicMs();
    this.#resets = new ResetMemory(2 * options.streamsMax);
    this.#guard = new FloodGuard(this.#nowMs);
    this.#reader = new FrameReader((type, frameFlags, id, bytes, start, end) =>
      this.#frame(type, frameFlags, id, bytes, start, end),
    );
    this.output = new Output({
      socket,
      timers: env.timers,
      onTaken: () => this.#turns.run(),
      onOverflow: () => socket.destroy(),
    });
    this.#turns = new Turns(this.output);
    this.#life = new ConnectionLife(
      {
        env,
        ping: (data) => this.output.ping(data, false),
        shutdown: (reason) => this.shutdown(reason),
        destroy: () => socket.destroy(),
      },
      options,
    );
    socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    socket.on('end', () => {
      this.#gone();
      // What still waits for a client that says nothing more is not waited for.
      this.#env.timers.after(lingerMs, () => socket.destroy());
    });
    socket.on('close', () => this.#gone());
    this.#greet();
  }

  #greet(): void {
    this.output.settings([
      [settings.maxConcurrentStreams, this.#streamsMax],
      [settings.maxHeaderListSize, listBytesMax],
    ]);
    this.output.windowUpdate(0, connectionWindow - initialWindow);
  }

  /** Ends the connection once its calls are done: those that are on their way to it included (6.8). */
  shutdown(reason: string): void {
    if (this.#isClosing || this.#isOver) return;
    this.#isClosing = true;
    this.output.goaway(windowMax, errorCodes.none, reason);
    // What the client sent before it heard of that has come when it answers this.
    this.#life.whenHeard(() => {
      this.#servedUntil = this.#lastStreamId;
      this.output.goaway(this.#lastStreamId, errorCodes.none, reason);
      this.#endIfDone();
    });
  }

  #endIfDone(): void {
    if (this.#servedUntil !== Number.POSITIVE_INFINITY && this.#streams.size === 0) this.#end();
  }

  /** The last word, and then nothing. */
  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#reader.stop();
    this.#life.stop();
    this.output.flush();
    const { timers } = this.#env;
    const destroy = (): void => void this.socket.destroy();
    // Not destroyed at once: bytes of the client's that nobody has read would take back what was sent last.
    this.socket.end(() => timers.after(lingerMs, destroy));
    timers.after(this.#ageGraceMs, destroy);
  }

  #gone(): void {
    this.#isOver = true;
    this.#reader.stop();
    this.#life.stop();
    for (const stream of [...this.#streams.values()]) stream.abandon(errorCodes.cancel);
    this.output.drop();
  }

  /** 5.4.1 */
  #fail({ code, message }: ConnectionError): void {
    if (this.#isOver) return;
    this.output.goaway(this.#lastStreamId, code, message);
    for (const stream of [...this.#streams.values()]) stream.abandon(code);
    this.#end();
  }

  // ---- what is sent ----

  get isBusy(): boolean {
    return this.#turns.isBusy;
  }

  send(stream: Http2Stream): void {
    this.#turns.join(stream);
  }

  forget(stream: Http2Stream): void {
    this.#turns.leave(stream);
    this.#streams.delete(stream.id);
    if (!stream.isHalfClosed) this.#resets.add(stream.id);
    if (this.#streams.size === 0) {
      this.#life.idle();
      this.#endIfDone();
    }
  }

  // ---- what is received ----

  #receive(chunk: Buffer): void {
    if (this.#isOver) return;
    this.#nowMs = this.#env.clock.monotonicMs();
    this.#life.active(this.#nowMs);
    try {
      this.#reader.read(chunk);
    } catch (error) {
      if (!(error instanceof ConnectionError)) throw error;
      this.#fail(error);
    }
  }

  #frame(type: number, frameFlags: number, id: number, bytes: Buffer, start: number, end: number): void {
    if (this.#block !== undefined && (type !== frameTypes.continuation || id !== this.#block.streamId)) {
      throw protocolError('a header block was interrupted');
    }
    if (!this.#isGreeted) {
      if (type !== frameTypes.settings || (frameFlags & flags.ack) !== 0) {
        throw protocolError('the first frame is not SETTINGS');
      }
      this.#isGreeted = true;
    }
    switch (type) {
      case frameTypes.data:
        this.#data(frameFlags, id, bytes, start, end);
        break;
      case frameTypes.headers:
        this.#headers(frameFlags, id, bytes, start, end);
        break;
      case frameTypes.priority:
        this.#priority(id, bytes, start, end);
        break;
      case frameTypes.reset:
        this.#resetByClient(id, bytes, start, end);
        break;
      case frameTypes.settings:
        this.#settings(frameFlags, id, bytes, start, end);
        break;
      case frameTypes.pushPromise:
        throw protocolError('clients push nothing');
      case frameTypes.ping:
        this.#ping(frameFlags, id, bytes, start, end);
        break;
      case frameTypes.goaway:
        this.#goaway(id, start, end);
        break;
      case frameTypes.windowUpdate:
        this.#windowUpdate(id, bytes, start, end);
        break;
      case frameTypes.continuation:
        this.#continuation(frameFlags, id, bytes, start, end);
        break;
      default:
        // 4.1: unknown types are ignored.
        this.#guard.idleFrame(this.#nowMs);
    }
  }

  /** 6.1 */
  #data(frameFlags: number, id: number, bytes: Buffer, start: number, end: number): void {
    const length = end - start;
    this.#receiveWindow -= length;
    if (this.#receiveWindow < 0) {
      throw new ConnectionError(errorCodes.flowControl, 'more than the window of the connection');
    }
    const body = withoutPadding(frameFlags, id, bytes, start, end);
    const endStream = (frameFlags & flags.endStream) !== 0;
    // The connection's window only bounds what is on its way.
    if (this.#receiveWindow < connectionWindow / 2) {
      this.output.windowUpdate(0, connectionWindow - this.#receiveWindow);
      this.#receiveWindow = connectionWindow;
    }
    const stream = this.#streamOf(id);
    if (stream === undefined) return;
    stream.receiveWindow -= length;
    if (stream.receiveWindow < 0) {
      stream.close(errorCodes.flowControl);
      return;
    }
    const bodyBytes = body.end - body.start;
    if (bodyBytes === 0 && !endStream) this.#guard.idleFrame(this.#nowMs);
    if (stream.bodyLeft !== undefined) {
      stream.bodyLeft -= bodyBytes;
      // 8.1.1: a body that is not as long as announced.
      if (stream.bodyLeft < 0 || (endStream && stream.bodyLeft > 0)) {
        stream.close(errorCodes.protocol);
        return;
      }
    }
    if (length > bodyBytes) stream.credit(length - bodyBytes);
    if (bodyBytes > 0) stream.receiver.body(bytes.subarray(body.start, body.end));
    if (endStream && !stream.closed) {
      stream.isHalfClosed = true;
      stream.receiver.halfClosed();
    }
  }

  /** 6.2 */
  #headers(frameFlags: number, id: number, bytes: Buffer, start: number, end: number): void {
    const body = withoutPadding(frameFlags, id, bytes, start, end);
    let dependsOnItself = false;
    if ((frameFlags & flags.priority) !== 0) {
      if (body.end - body.start < 5) throw sizeError('HEADERS');
      dependsOnItself = (bytes.readUInt32BE(body.start) & windowMax) === id;
      body.start += 5;
    }
    if ((frameFlags & flags.endHeaders) !== 0) {
      this.#headerBlock(id, frameFlags, dependsOnItself, bytes, body.start, body.end);
    } else {
      this.#block = new OpenBlock(id, frameFlags, dependsOnItself);
      this.#block.add(bytes.subarray(body.start, body.end));
    }
  }

  /** 6.10 */
  #continuation(frameFlags: number, id: number, bytes: Buffer, start: number, end: number): void {
    const block = this.#block;
    if (block === undefined) throw protocolError('CONTINUATION of nothing');
    block.add(bytes.subarray(start, end));
    if ((frameFlags & flags.endHeaders) === 0) return;
    this.#block = undefined;
    const whole = block.whole();
    this.#headerBlock(id, block.flags, block.dependsOnItself, whole, 0, whole.length);
  }

  #headerBlock(
    id: number,
    frameFlags: number,
    dependsOnItself: boolean,
    bytes: Buffer,
    start: number,
    end: number,
  ): void {
    const endStream = (frameFlags & flags.endStream) !== 0;
    if (id <= this.#lastStreamId || (id & 1) === 0) {
      // Decoded whatever comes of the stream: the table is the connection's.
      const fields = this.#decoder.decode(bytes, start, end);
      const areWell = endStream && !dependsOnItself && fields !== undefined && areTrailers(fields);
      this.#trailers(id, areWell);
      return;
    }
    this.#lastStreamId = id;
    const head = this.#heads.read(bytes, start, end);
    // 6.8: after the last word nothing begins.
    if (id > this.#servedUntil) return;
    if (this.#streams.size >= this.#streamsMax) this.#refuse(id, errorCodes.refusedStream);
    else if (head === 'too-large') this.#refuse(id, errorCodes.enhanceYourCalm);
    else if (head === 'malformed' || dependsOnItself || (endStream && (head.contentLength ?? 0) > 0)) {
      this.#refuse(id, errorCodes.protocol);
    } else this.#open(id, head, endStream);
  }

  #open(id: number, head: RequestHead, endStream: boolean): void {
    const stream = new Http2Stream(this, id, this.#streamWindow);
    stream.bodyLeft = head.contentLength;
    this.#streams.set(id, stream);
    this.#life.busy();
    this.#serve(stream, head, this);
    if (endStream && !stream.closed) {
      stream.isHalfClosed = true;
      stream.receiver.halfClosed();
    }
  }

  /** 8.1: trailers say nothing that gRPC asks of clients. */
  #trailers(id: number, areWell: boolean): void {
    const stream = this.#streamOf(id);
    if (stream === undefined) return;
    if (!areWell || (stream.bodyLeft ?? 0) > 0) {
      stream.close(errorCodes.protocol);
      return;
    }
    stream.isHalfClosed = true;
    stream.receiver.halfClosed();
  }

  /** A stream that never opens. What it costs is counted: nobody has to open streams that are refused. */
  #refuse(id: number, code: number): void {
    this.#guard.reset(this.#nowMs);
    this.output.reset(id, code);
    this.#resets.add(id);
  }

  /** 6.3 */
  #priority(id: number, bytes: Buffer, start: number, end: number): void {
    if (id === 0) throw protocolError('PRIORITY of the connection');
    if (end - start !== 5) throw sizeError('PRIORITY');
    if ((bytes.readUInt32BE(start) & windowMax) === id) {
      throw protocolError('a stream that depends on itself');
    }
    this.#guard.idleFrame(this.#nowMs);
  }

  /** 6.4 */
  #resetByClient(id: number, bytes: Buffer, start: number, end: number): void {
    if (end - start !== 4) throw sizeError('RST_STREAM');
    if (id === 0 || this.#isIdle(id)) throw protocolError('RST_STREAM of a stream that never was');
    this.#guard.reset(this.#nowMs);
    const stream = this.#streams.get(id);
    if (stream === undefined) return;
    stream.isHalfClosed = true;
    stream.abandon(bytes.readUInt32BE(start));
  }

  /** 6.5 */
  #settings(frameFlags: number, id: number, bytes: Buffer, start: number, end: number): void {
    if (id !== 0) throw protocolError('SETTINGS of a stream');
    if ((frameFlags & flags.ack) !== 0) {
      if (end > start) throw sizeError('SETTINGS');
      return;
    }
    this.#guard.idleFrame(this.#nowMs);
    const asked = readSettings(bytes, start, end);
    if (asked.headerTableBytes !== undefined) this.encoder.limitTable(asked.headerTableBytes);
    if (asked.frameBytesMax !== undefined)
      this.frameBytesMax = Math.min(asked.frameBytesMax, sentFrameBytesMax);
    if (asked.initialWindow !== undefined) this.#resizeWindows(asked.initialWindow);
    this.output.settingsAck();
  }

  /** 6.9.2: the windows of all streams change by as much, and may become negative. */
  #resizeWindows(window: number): void {
    const change = window - this.#streamWindow;
    this.#streamWindow = window;
    for (const stream of this.#streams.values()) this.#widen(stream, change);
  }

  #widen(stream: Http2Stream, increment: number): void {
    stream.sendWindow += increment;
    if (stream.sendWindow > windowMax) stream.close(errorCodes.flowControl);
    else if (increment > 0 && stream.sendWindow > 0) this.send(stream);
  }

  /** 6.7 */
  #ping(frameFlags: number, id: number, bytes: Buffer, start: number, end: number): void {
    if (id !== 0) throw protocolError('PING of a stream');
    if (end - start !== 8) throw sizeError('PING');
    this.#guard.idleFrame(this.#nowMs);
    const data = bytes.subarray(start, end);
    if ((frameFlags & flags.ack) === 0) this.output.ping(data, true);
    else this.#life.answered(data);
  }

  /** 6.8 */
  #goaway(id: number, start: number, end: number): void {
    if (id !== 0) throw protocolError('GOAWAY of a stream');
    if (end - start < 8) throw sizeError('GOAWAY');
    // The client opens no more streams; should it all the same, it has been told that they are not served.
    this.output.goaway(this.#lastStreamId, errorCodes.none, '');
    this.#servedUntil = Math.min(this.#servedUntil, this.#lastStreamId);
    this.#endIfDone();
  }

  /** 6.9 */
  #windowUpdate(id: number, bytes: Buffer, start: number, end: number): void {
    if (end - start !== 4) throw sizeError('WINDOW_UPDATE');
    const increment = bytes.readUInt32BE(start) & windowMax;
    if (id === 0) {
      if (increment === 0) throw protocolError('WINDOW_UPDATE of nothing');
      this.sendWindow += increment;
      if (this.sendWindow > windowMax) {
        throw new ConnectionError(errorCodes.flowControl, 'the window of the connection is too large');
      }
      // A byte at a time is no room, and each time all that wait are looked through.
      if (increment < smallIncrement) this.#guard.idleFrame(this.#nowMs);
      this.#turns.run();
      return;
    }
    if (this.#isIdle(id)) throw protocolError('WINDOW_UPDATE of a stream that never was');
    const stream = this.#streams.get(id);
    if (stream === undefined) return;
    if (increment === 0) stream.close(errorCodes.protocol);
    else this.#widen(stream, increment);
  }

  // ---- rules for many frames ----

  #isIdle(id: number): boolean {
    return id > this.#lastStreamId || (id & 1) === 0;
  }

  /** The stream that may receive DATA, or HEADERS after its first; `undefined` when there is nothing to do (5.1). */
  #streamOf(id: number): Http2Stream | undefined {
    const stream = this.#streams.get(id);
    if (stream?.isHalfClosed === false) return stream;
    if (this.#isIdle(id)) throw protocolError('a stream that never was');
    if (stream !== undefined) {
      stream.close(errorCodes.streamClosed);
      return undefined;
    }
    // On its way when the stream was reset here, or after the last word.
    if (this.#resets.has(id) || id > this.#servedUntil) return undefined;
    this.#guard.idleFrame(this.#nowMs);
    throw new ConnectionError(errorCodes.streamClosed, 'the stream is closed');
  }
}

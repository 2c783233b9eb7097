/**
 * A gRPC connection that costs little: HTTP/2 frames (RFC 9113) written to a socket and read from it, without streams, events
 * or header objects. A call takes this client a few microseconds, node:http2 several times that, and the load generators
 * share the cores with the servers. Flow control is kept; what a benchmark does not need is missing: TLS, priorities, retries.
 */

import { connect, type Socket } from 'node:net';
import { grpcStatus, HeaderEncoder, type HeaderFields } from './hpack-static.ts';

/** Who waits for the answer of one stream. */
export interface StreamListener {
  /** Some bytes of the answer: gRPC messages with their prefixes, cut anywhere. Valid until it returns. */
  data(chunk: Buffer): void;
  /** The last call. `undefined`: the gRPC status is OK; else why not: `8`, `RST_STREAM 7`, `connection closed`. */
  end(failure: string | undefined): void;
}

const frameData = 0;
const frameHeaders = 1;
const frameReset = 3;
const frameSettings = 4;
const framePing = 6;
const frameGoAway = 7;
const frameWindowUpdate = 8;
const flagEndStream = 1;
const flagAck = 1;
const flagEndHeaders = 4;
const flagPadded = 8;
const flagPriority = 32;
const settingHeaderTableSize = 1;
const settingConcurrentStreamsMax = 3;
const settingInitialWindowSize = 4;
const headBytes = 9;
const dataBytesMax = 16_384;
const windowBytesMax = 2 ** 31 - 1;
/** What is granted for answers is renewed when so much of it is used. */
const renewBytes = 2 ** 29;
const connectMsMax = 10_000;

interface Stream {
  readonly listener: StreamListener;
  /** What may still be sent on it. */
  sendWindow: number;
  received: number;
}

interface Unsent {
  readonly id: number;
  readonly data: Buffer;
  offset: number;
  readonly end: boolean;
}

/** One connection to one server. */
export class Http2Connection {
  readonly #socket: Socket;
  readonly #encoder = new HeaderEncoder();
  readonly #streams = new Map<number, Stream>();
  readonly #unsent: Unsent[] = [];
  #nextId = 1;
  #streamsMax = 100;
  #initialWindow = 65_535;
  #sendWindow = 65_535;
  #received = 0;
  #rest: Buffer | undefined;
  #corked = false;
  #ready: (() => void) | undefined;
  #closed: string | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (chunk) => this.#read(chunk));
    socket.on('error', (error) => this.#end(error.message));
    socket.on('close', () => this.#end('connection closed'));
    socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
    const settings = Buffer.alloc(12);
    settings.writeUInt16BE(settingHeaderTableSize, 0);
    settings.writeUInt16BE(settingInitialWindowSize, 6);
    settings.writeUInt32BE(windowBytesMax, 8);
    socket.write(Buffer.concat([frameHead(settings.length, frameSettings, 0, 0), settings]));
    socket.write(windowUpdate(0, windowBytesMax - 65_535));
  }

  /** Connects to `host:port`, and resolves when the server has said what it allows. */
  static async open(endpoint: string): Promise<Http2Connection> {
    const [host = '', port] = endpoint.split(':');
    const socket = connect(Number(port), host);
    const connection = new Http2Connection(socket);
    await new Promise<void>((resolve, reject) => {
      const giveUp = setTimeout(() => socket.destroy(), connectMsMax);
      connection.#ready = () => {
        clearTimeout(giveUp);
        if (connection.#closed === undefined) resolve();
        else reject(new Error(`${endpoint}: ${connection.#closed}`));
      };
    });
    return connection;
  }

  /** How many more streams may be opened now. */
  get free(): number {
    return this.#closed === undefined ? this.#streamsMax - this.#streams.size : 0;
  }

  /** Opens a stream and sends `message`, which has its gRPC prefix. `end`: nothing else follows. */
  start(fields: HeaderFields, message: Buffer, end: boolean, listener: StreamListener): number {
    const id = this.#nextId;
    this.#nextId += 2;
    const stream = { listener, sendWindow: this.#initialWindow, received: 0 };
    this.#streams.set(id, stream);
    const block = this.#encoder.block(fields);
    const { length } = message;
    if (length > dataBytesMax || length > this.#sendWindow || length > stream.sendWindow) {
      this.#send(Buffer.concat([frameHead(block.length, frameHeaders, flagEndHeaders, id), block]));
      this.write(id, message, end);
      return id;
    }
    // Nearly all calls: both frames in one piece.
    const frames = Buffer.allocUnsafe(2 * headBytes + block.length + length);
    writeFrameHead(frames, 0, block.length, frameHeaders, flagEndHeaders, id);
    block.copy(frames, headBytes);
    writeFrameHead(frames, headBytes + block.length, length, frameData, end ? flagEndStream : 0, id);
    message.copy(frames, 2 * headBytes + block.length);
    this.#sendWindow -= length;
    stream.sendWindow -= length;
    this.#send(frames);
    return id;
  }

  /** Sends more on a stream. */
  write(id: number, data: Buffer, end: boolean): void {
    this.#unsent.push({ id, data, offset: 0, end });
    if (this.#unsent.length === 1 || this.#sendWindow > 0) this.#pump();
  }

  /** Reads no more: what the server sends stays in the sockets. */
  stopReading(): void {
    this.#socket.pause();
  }

  close(): void {
    this.#socket.destroy();
  }

  /** Sends what the windows allow. */
  #pump(): void {
    let kept = 0;
    for (const unsent of this.#unsent) {
      if (!this.#sendSome(unsent)) this.#unsent[kept++] = unsent;
    }
    this.#unsent.length = kept;
  }

  /** True when nothing is left of it. */
  #sendSome(unsent: Unsent): boolean {
    const stream = this.#streams.get(unsent.id);
    if (stream === undefined) return true;
    const { data } = unsent;
    for (;;) {
      const left = data.length - unsent.offset;
      const bytes = Math.min(left, this.#sendWindow, stream.sendWindow, dataBytesMax);
      if (bytes < left && bytes <= 0) return false;
      const last = bytes === left;
      this.#send(frameHead(bytes, frameData, last && unsent.end ? flagEndStream : 0, unsent.id));
      this.#send(bytes === data.length ? data : data.subarray(unsent.offset, unsent.offset + bytes));
      unsent.offset += bytes;
      this.#sendWindow -= bytes;
      stream.sendWindow -= bytes;
      if (last) return true;
    }
  }

  /** What is sent in one turn of the event loop leaves in one system call. */
  #send(bytes: Buffer): void {
    if (!this.#corked) {
      this.#corked = true;
      this.#socket.cork();
      setImmediate(() => {
        this.#corked = false;
        this.#socket.uncork();
      });
    }
    this.#socket.write(bytes);
  }

  #read(chunk: Buffer): void {
    let bytes = this.#rest === undefined ? chunk : Buffer.concat([this.#rest, chunk]);
    let at = 0;
    while (bytes.length - at >= headBytes) {
      const end = at + headBytes + bytes.readUIntBE(at, 3);
      if (end > bytes.length) break;
      const type = bytes[at + 3] as number;
      const flags = bytes[at + 4] as number;
      const id = bytes.readUInt32BE(at + 5) & 0x7fffffff;
      this.#frame(type, flags, id, bytes.subarray(at + headBytes, end));
      at = end;
    }
    bytes = bytes.subarray(at);
    this.#rest = bytes.length === 0 ? undefined : bytes;
  }

  #frame(type: number, flags: number, id: number, payload: Buffer): void {
    switch (type) {
      case frameData:
        this.#data(flags, id, payload);
        break;
      case frameHeaders:
        if ((flags & flagEndHeaders) === 0) this.#fail('a header block in several frames');
        else if ((flags & flagEndStream) !== 0) this.#trailer(id, unpadded(flags, payload));
        break;
      case frameReset:
        this.#endStream(id, `RST_STREAM ${payload.readUInt32BE(0)}`);
        break;
      case frameSettings:
        if ((flags & flagAck) === 0) this.#settings(payload);
        break;
      case framePing:
        if ((flags & flagAck) === 0) {
          this.#send(Buffer.concat([frameHead(payload.length, framePing, flagAck, 0), payload]));
        }
        break;
      case frameGoAway:
        // Streams that were begun are still answered; no others may be opened.
        this.#streamsMax = 0;
        break;
      case frameWindowUpdate:
        this.#windowUpdate(id, payload.readUInt32BE(0));
        break;
      default:
    }
  }

  #data(flags: number, id: number, payload: Buffer): void {
    this.#received += payload.length;
    if (this.#received > renewBytes) {
      this.#send(windowUpdate(0, this.#received));
      this.#received = 0;
    }
    const stream = this.#streams.get(id);
    if (stream === undefined) return;
    stream.received += payload.length;
    if (stream.received > renewBytes) {
      this.#send(windowUpdate(id, stream.received));
      stream.received = 0;
    }
    stream.listener.data(unpadded(flags, payload));
    if ((flags & flagEndStream) !== 0) this.#endStream(id, 'no trailer');
  }

  #trailer(id: number, block: Buffer): void {
    const status = grpcStatus(block);
    this.#endStream(id, status === 0 ? undefined : status === undefined ? 'no grpc-status' : String(status));
  }

  #settings(payload: Buffer): void {
    for (let at = 0; at + 6 <= payload.length; at += 6) {
      const value = payload.readUInt32BE(at + 2);
      const setting = payload.readUInt16BE(at);
      if (setting === settingConcurrentStreamsMax) this.#streamsMax = value;
      if (setting === settingInitialWindowSize) {
        for (const stream of this.#streams.values()) stream.sendWindow += value - this.#initialWindow;
        this.#initialWindow = value;
      }
    }
    this.#send(frameHead(0, frameSettings, flagAck, 0));
    this.#pump();
    this.#ready?.();
  }

  #windowUpdate(id: number, bytes: number): void {
    const stream = this.#streams.get(id);
    if (id === 0) this.#sendWindow += bytes;
    else if (stream !== undefined) stream.sendWindow += bytes;
    if (this.#unsent.length > 0) this.#pump();
  }

  #endStream(id: number, failure: string | undefined): void {
    const stream = this.#streams.get(id);
    this.#streams.delete(id);
    stream?.listener.end(failure);
  }

  #fail(why: string): void {
    this.#socket.destroy();
    this.#end(why);
  }

  #end(why: string): void {
    if (this.#closed !== undefined) return;
    this.#closed = why;
    this.#ready?.();
    for (const id of [...this.#streams.keys()]) this.#endStream(id, why);
  }
}

function frameHead(length: number, type: number, flags: number, id: number): Buffer {
  const head = Buffer.allocUnsafe(headBytes);
  writeFrameHead(head, 0, length, type, flags, id);
  return head;
}

function writeFrameHead(
  into: Buffer,
  at: number,
  length: number,
  type: number,
  flags: number,
  id: number,
): void {
  into.writeUIntBE(length, at, 3);
  into[at + 3] = type;
  into[at + 4] = flags;
  into.writeUInt32BE(id, at + 5);
}

function windowUpdate(id: number, bytes: number): Buffer {
  const frame = Buffer.concat([frameHead(4, frameWindowUpdate, 0, id), Buffer.alloc(4)]);
  frame.writeUInt32BE(bytes, headBytes);
  return frame;
}

function unpadded(flags: number, payload: Buffer): Buffer {
  if ((flags & (flagPadded | flagPriority)) === 0) return payload;
  const padding = (flags & flagPadded) === 0 ? 0 : (payload[0] as number) + 1;
  const from = (padding === 0 ? 0 : 1) + ((flags & flagPriority) === 0 ? 0 : 5);
  return payload.subarray(from, payload.length - Math.max(0, padding - 1));
}

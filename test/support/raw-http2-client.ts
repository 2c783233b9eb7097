/** An HTTP/2 client that sends what a test writes, and keeps what it is answered, frame by frame. */

import { connect, type Socket } from 'node:net';
import { FrameReader } from '../../src/rpc/http2/frame.ts';
import { HpackDecoder } from '../../src/rpc/http2/hpack-decoder.ts';
import { frame, frameTypes, preface } from './raw-http2.ts';

export interface ReceivedFrame {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  readonly payload: Buffer;
}

export class RawHttp2Client {
  readonly socket: Socket;
  readonly frames: ReceivedFrame[] = [];
  closed = false;

  /** Connects, and says the first words with these settings. */
  constructor(port: number, settings: readonly (readonly [id: number, value: number])[] = []) {
    this.socket = connect(port, '127.0.0.1');
    this.socket.on('error', () => {});
    this.socket.on('close', () => {
      this.closed = true;
    });
    const reader = new FrameReader((type, flags, streamId, bytes, start, end) => {
      this.frames.push({ type, flags, streamId, payload: Buffer.from(bytes.subarray(start, end)) });
    });
    // A server has no preface of its own.
    reader.read(preface);
    this.socket.on('data', (chunk: Buffer) => reader.read(chunk));
    const body = Buffer.concat(
      settings.map(([id, value]) => {
        const pair = Buffer.alloc(6);
        pair.writeUInt16BE(id, 0);
        pair.writeUInt32BE(value, 2);
        return pair;
      }),
    );
    this.socket.write(preface);
    this.send(frameTypes.settings, 0, 0, body);
  }

  send(type: number, flags: number, streamId: number, payload: Uint8Array): void {
    this.socket.write(frame(type, flags, streamId, payload));
  }

  widen(streamId: number, increment: number): void {
    this.send(frameTypes.windowUpdate, 0, streamId, uint32(increment));
  }

  of(type: number, streamId?: number): ReceivedFrame[] {
    return this.frames.filter(
      (each) => each.type === type && (streamId === undefined || each.streamId === streamId),
    );
  }

  /** The body of a stream, as far as it came. */
  body(streamId: number): Buffer {
    return Buffer.concat(this.of(frameTypes.data, streamId).map(({ payload }) => payload));
  }

  /** How a stream was reset, or `undefined`. */
  resetCode(streamId: number): number | undefined {
    return this.of(frameTypes.reset, streamId)[0]?.payload.readUInt32BE(0);
  }

  /** The codes of the server's GOAWAY frames. */
  get goawayCodes(): number[] {
    return this.of(frameTypes.goaway).map(({ payload }) => payload.readUInt32BE(4));
  }

  /** All headers and trailers, in the order in which they came. */
  get headers(): Record<string, string>[] {
    const decoder = new HpackDecoder();
    return this.of(frameTypes.headers).map(({ payload, streamId }) => ({
      stream: String(streamId),
      ...Object.fromEntries(
        (decoder.decode(payload, 0, payload.length) ?? []).map(({ name, value }) => [name, value]),
      ),
    }));
  }
}

export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0, 0);
  return bytes;
}

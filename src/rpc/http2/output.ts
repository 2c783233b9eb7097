/**
 * What a connection sends, written to its socket once a tick. It is bounded: streams stop at `congestedBytes` and wait for the
 * socket, and what is sent without being asked for (answers to PING and SETTINGS, resets) ends the connection at
 * `outputBytesMax`: its client asks and does not read.
 */

import type { Socket } from 'node:net';
import type { Timers } from '../../env/env.ts';
import { flags, frameHeadBytes, frameTypes } from './frame.ts';

const congestedBytes = 256 * 1024;
const outputBytesMax = 512 * 1024;
const firstBufferBytes = 4096;
/** A larger buffer is not kept. */
const keptBufferBytes = 64 * 1024;

export interface OutputDependencies {
  readonly socket: Pick<Socket, 'write' | 'writableLength' | 'destroyed'>;
  readonly timers: Timers;
  /** Called when the socket has taken what was written. */
  readonly onTaken: () => void;
  /** Called when more waits than may: the socket must be destroyed. */
  readonly onOverflow: () => void;
}

export class Output {
  readonly #socket: OutputDependencies['socket'];
  readonly #timers: Timers;
  readonly #onTaken: () => void;
  readonly #onOverflow: () => void;
  #buffer = noBytes;
  #length = 0;
  #isFlushing = false;
  /** Who wants to hear that the socket has taken what is in the buffer. */
  #waiting: (() => void)[] = [];

  constructor({ socket, timers, onTaken, onOverflow }: OutputDependencies) {
    this.#socket = socket;
    this.#timers = timers;
    this.#onTaken = onTaken;
    this.#onOverflow = onOverflow;
  }

  /** So much waits for the socket that streams must wait too. */
  get isCongested(): boolean {
    return this.#length + this.#socket.writableLength >= congestedBytes;
  }

  /** Calls back when the socket has taken what was sent up to now, or has been destroyed. */
  onceTaken(listener: () => void): void {
    this.#waiting.push(listener);
    this.#flushLater();
  }

  // ---- frames ----

  headers(streamId: number, block: Buffer, frameBytesMax: number, endStream: boolean): void {
    const first = Math.min(block.length, frameBytesMax);
    const whole = first === block.length;
    this.#frame(
      frameTypes.headers,
      (endStream ? flags.endStream : 0) | (whole ? flags.endHeaders : 0),
      streamId,
      first,
    );
    this.#bytes(block, 0, first);
    for (let at = first; at < block.length; at += frameBytesMax) {
      const end = Math.min(block.length, at + frameBytesMax);
      this.#frame(frameTypes.continuation, end === block.length ? flags.endHeaders : 0, streamId, end - at);
      this.#bytes(block, at, end);
    }
  }

  data(streamId: number, bytes: Uint8Array, start: number, end: number, endStream: boolean): void {
    this.#frame(frameTypes.data, endStream ? flags.endStream : 0, streamId, end - start);
    this.#bytes(bytes, start, end);
  }

  /** One DATA frame with a whole gRPC message: a flag of compression, the length, the message. */
  message(streamId: number, message: Uint8Array): void {
    const { length } = message;
    this.#frame(frameTypes.data, 0, streamId, length + 5);
    this.#reserve(length + 5);
    this.#buffer[this.#length++] = 0;
    this.#uint32(length);
    this.#buffer.set(message, this.#length);
    this.#length += length;
  }

  settings(pairs: readonly (readonly [id: number, value: number])[]): void {
    this.#frame(frameTypes.settings, 0, 0, pairs.length * 6);
    for (const [id, value] of pairs) {
      this.#reserve(6);
      this.#buffer[this.#length++] = id >> 8;
      this.#buffer[this.#length++] = id;
      this.#uint32(value);
    }
  }

  settingsAck(): void {
    this.#frame(frameTypes.settings, flags.ack, 0, 0);
  }

  ping(data: Uint8Array, ack: boolean): void {
    this.#frame(frameTypes.ping, ack ? flags.ack : 0, 0, 8);
    this.#bytes(data, 0, 8);
  }

  reset(streamId: number, code: number): void {
    this.#frame(frameTypes.reset, 0, streamId, 4);
    this.#uint32(code);
  }

  windowUpdate(streamId: number, increment: number): void {
    this.#frame(frameTypes.windowUpdate, 0, streamId, 4);
    this.#uint32(increment);
  }

  goaway(lastStreamId: number, code: number, reason: string): void {
    const text = Buffer.from(reason, 'latin1');
    this.#frame(frameTypes.goaway, 0, 0, 8 + text.length);
    this.#uint32(lastStreamId);
    this.#uint32(code);
    this.#bytes(text, 0, text.length);
  }

  /** Writes what there is now, and not at the end of the tick. */
  flush(): void {
    if (this.#socket.destroyed) {
      this.drop();
      return;
    }
    const length = this.#length;
    const waiting = this.#waiting;
    if (waiting.length > 0) this.#waiting = [];
    if (length === 0) {
      for (const listener of waiting) listener();
      return;
    }
    const buffer = this.#buffer;
    this.#length = 0;
    this.#buffer = noBytes;
    this.#socket.write(buffer.subarray(0, length), () => {
      for (const listener of waiting) listener();
      this.#onTaken();
    });
    // The kernel has it all: the buffer may be written to again.
    if (this.#socket.writableLength === 0 && buffer.length <= keptBufferBytes) this.#buffer = buffer;
  }

  /** Nobody will read what there is, and nothing is written any more. */
  drop(): void {
    this.#length = 0;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const listener of waiting) listener();
  }

  // ---- bytes ----

  #frame(type: number, frameFlags: number, streamId: number, length: number): void {
    this.#reserve(frameHeadBytes + length);
    const buffer = this.#buffer;
    let at = this.#length;
    buffer[at++] = length >> 16;
    buffer[at++] = length >> 8;
    buffer[at++] = length;
    buffer[at++] = type;
    buffer[at++] = frameFlags;
    this.#length = at;
    this.#uint32(streamId);
    this.#flushLater();
  }

  #uint32(value: number): void {
    const buffer = this.#buffer;
    let at = this.#length;
    buffer[at++] = value >> 24;
    buffer[at++] = value >> 16;
    buffer[at++] = value >> 8;
    buffer[at++] = value;
    this.#length = at;
  }

  #bytes(bytes: Uint8Array, start: number, end: number): void {
    this.#buffer.set(start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end), this.#length);
    this.#length += end - start;
  }

  #reserve(bytes: number): void {
    const needed = this.#length + bytes;
    if (needed <= this.#buffer.length) return;
    if (needed + this.#socket.writableLength > outputBytesMax) {
      this.#length = 0; // nobody will ever read it
      this.#onOverflow();
    }
    let size = Math.max(firstBufferBytes, this.#buffer.length);
    while (size < this.#length + bytes) size *= 2;
    const larger = Buffer.allocUnsafeSlow(size);
    larger.set(this.#buffer.subarray(0, this.#length));
    this.#buffer = larger;
  }

  #flushLater(): void {
    if (this.#isFlushing) return;
    this.#isFlushing = true;
    this.#timers.endOfTick(() => {
      this.#isFlushing = false;
      this.flush();
    });
  }
}

const noBytes: Buffer = Buffer.alloc(0);

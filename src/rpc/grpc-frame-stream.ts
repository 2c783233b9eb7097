/** Either end of one gRPC stream between nodes, as frames with checksums: the part that both ends share. */

import type { Http2Stream } from 'node:http2';
import { crc32 } from 'node:zlib';
import { assert } from '../core/assert.ts';
import type { Env, Timer } from '../env/env.ts';
import { type FrameStream, NetworkError } from '../env/network.ts';
import { type MessageFault, MessageReader, prefixBytes } from './message-reader.ts';

export interface FrameStreamOptions {
  readonly frameBytesMax: number;
  readonly sendBytesMax: number;
  readonly closeGraceMs: number;
}

/** Behind each frame on the wire, little-endian. */
const checksumBytes = 4;

/**
 * The frame as a gRPC message, with its CRC-32 behind it. TCP's own sum of 16 bits lets one damaged segment in tens of thousands
 * pass (Stone and Partridge, SIGCOMM 2000), and what a proxy or a switch breaks in its memory it sums up anew. Records have a
 * checksum of their own, but the contexts, dots and errors around them do not.
 */
function sealed(frame: Uint8Array): Buffer {
  const end = prefixBytes + frame.byteLength;
  const bytes = Buffer.allocUnsafe(end + checksumBytes);
  bytes[0] = 0;
  bytes.writeUInt32BE(frame.byteLength + checksumBytes, 1);
  bytes.set(frame, prefixBytes);
  bytes.writeUInt32LE(crc32(frame), end);
  return bytes;
}

/** The frame without its checksum; `undefined` when it is not what was sent. */
function opened(bytes: Buffer): Uint8Array | undefined {
  const length = bytes.byteLength - checksumBytes;
  if (length < 0) return undefined;
  // A plain Uint8Array, so that no code behind the network can come to depend on Buffer's methods.
  const frame = new Uint8Array(bytes.buffer, bytes.byteOffset, length);
  return crc32(frame) === bytes.readUInt32LE(length) ? frame : undefined;
}

/** What an end does that the other does not. */
export interface StreamEnd {
  /** Where the other end is, for messages. */
  readonly peer: string;
  /** Breaks the stream off, without a word if need be. */
  cut(): void;
  /** Called once, when nothing is sent or received any more. */
  finished(): void;
}

export class GrpcFrameStream implements FrameStream {
  readonly #stream: Http2Stream;
  readonly #end: StreamEnd;
  readonly #env: Env;
  readonly #options: FrameStreamOptions;
  readonly #drainListeners: (() => void)[] = [];
  readonly #closeListeners: ((error: NetworkError | undefined) => void)[] = [];
  #frameListener: ((frame: Uint8Array) => void) | undefined;
  /** Given to HTTP/2 and not yet to the kernel. Its own mark is far below the size of a frame. */
  #pendingBytes = 0;
  #held = false;
  /** Something went through to the other end, or came from there. */
  #reached = false;
  #closing = false;
  #breaking: NetworkError | undefined;
  #finished = false;
  #grace: Timer | undefined;

  constructor(stream: Http2Stream, end: StreamEnd, env: Env, options: FrameStreamOptions) {
    this.#stream = stream;
    this.#end = end;
    this.#env = env;
    this.#options = options;
    // What it says is said again by `close`, or was found out by the session.
    stream.on('error', () => {});
  }

  get reached(): boolean {
    return this.#reached;
  }

  get closing(): boolean {
    return this.#closing;
  }

  send(frame: Uint8Array): boolean {
    if (this.#closing || this.#finished) return false;
    const bytes = frame.byteLength;
    if (bytes > this.#options.frameBytesMax) {
      this.breakOff(
        new NetworkError(
          'frame-too-large',
          `a frame of ${bytes} bytes was to be sent to ${this.#end.peer}; the limit is ${this.#options.frameBytesMax}`,
        ),
      );
      return false;
    }
    this.#pendingBytes += bytes;
    this.#stream.write(sealed(frame), (error) => this.#written(bytes, error ?? undefined));
    if (this.#pendingBytes > this.#options.sendBytesMax) this.#held = true;
    return !this.#held;
  }

  onFrame(listener: (frame: Uint8Array) => void): void {
    assert(this.#frameListener === undefined, 'a frame stream has one frame listener');
    this.#frameListener = listener;
    const reader = new MessageReader(this.#options.frameBytesMax + checksumBytes, (message) =>
      this.#receive(message, listener),
    );
    let faulty = false;
    this.#stream.on('data', (chunk: Buffer) => {
      this.#reached = true;
      if (faulty || this.#finished || this.#closing || this.#breaking !== undefined) return;
      const fault = reader.read(chunk);
      if (fault === undefined) return;
      faulty = true;
      this.breakOff(this.#faultError(fault));
    });
  }

  onDrain(listener: () => void): void {
    this.#drainListeners.push(listener);
  }

  onClose(listener: (error: NetworkError | undefined) => void): void {
    this.#closeListeners.push(listener);
  }

  close(): void {
    if (this.#closing || this.#finished) return;
    this.endAfterQueued();
    // Unread frames would keep the end of the stream from being seen.
    this.#stream.resume();
    this.#grace = this.#env.timers.after(this.#options.closeGraceMs, () => {
      this.#end.cut();
      this.finish(undefined);
    });
  }

  /** Sends what is queued and then the end. */
  endAfterQueued(): void {
    this.#closing = true;
    this.#stream.end();
  }

  /** Resolves when the stream has closed. */
  closed(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#finished) resolve();
      else this.onClose(() => resolve());
    });
  }

  /** The stream cannot go on. */
  breakOff(error: NetworkError): void {
    this.#breaking ??= error;
    this.#end.cut();
    // Not inside `send`: the caller is in the midst of its own bookkeeping.
    this.#env.timers.endOfTick(() => this.finish(error));
  }

  /** The stream is over. The first end counts; one that this side asked for is no error. */
  finish(error: NetworkError | undefined): void {
    if (this.#finished) return;
    this.#finished = true;
    this.#grace?.cancel();
    this.#end.finished();
    const reason = this.#breaking ?? (this.#closing ? undefined : error);
    for (const listener of this.#closeListeners) listener(reason);
  }

  #receive(message: Buffer, listener: (frame: Uint8Array) => void): void {
    // The listener of an earlier frame of the same chunk may have ended it.
    if (this.#finished || this.#closing || this.#breaking !== undefined) return;
    const frame = opened(message);
    if (frame !== undefined) {
      listener(frame);
      return;
    }
    const text = `a frame from ${this.#end.peer} was damaged on its way: its checksum does not match`;
    this.breakOff(new NetworkError('frame-damaged', text));
  }

  #written(bytes: number, error: Error | undefined): void {
    this.#pendingBytes -= bytes;
    if (error === undefined) this.#reached = true;
    // Half, so that a full queue is refilled in large steps rather than frame by frame.
    if (!this.#held || this.#pendingBytes > this.#options.sendBytesMax / 2) return;
    this.#held = false;
    if (this.#closing || this.#finished) return;
    for (const listener of this.#drainListeners) listener();
  }

  #faultError(fault: MessageFault): NetworkError {
    const { peer } = this.#end;
    switch (fault.kind) {
      case 'too-large': {
        const limit = this.#options.frameBytesMax;
        return new NetworkError(
          'frame-too-large',
          `a frame of ${fault.bytes} bytes came from ${peer}; the limit is ${limit}`,
        );
      }
      case 'compressed':
        return new NetworkError('frame-damaged', `a frame from ${peer} is marked as compressed`);
    }
  }
}

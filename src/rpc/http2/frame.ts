/** Frames of HTTP/2 (RFC 9113, sections 4, 6 and 7): their numbers, and how a connection's bytes are cut into them. */

export const frameTypes = {
  data: 0,
  headers: 1,
  priority: 2,
  reset: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;

export const flags = { ack: 1, endStream: 1, endHeaders: 4, padded: 8, priority: 32 } as const;

export const errorCodes = {
  none: 0,
  protocol: 1,
  internal: 2,
  flowControl: 3,
  streamClosed: 5,
  frameSize: 6,
  refusedStream: 7,
  cancel: 8,
  compression: 9,
  enhanceYourCalm: 11,
} as const;

export const settings = {
  headerTableSize: 1,
  enablePush: 2,
  maxConcurrentStreams: 3,
  initialWindowSize: 4,
  maxFrameSize: 5,
  maxHeaderListSize: 6,
} as const;

export const frameHeadBytes = 9;
/** SETTINGS_MAX_FRAME_SIZE where nothing else was said; this server never says anything else. */
export const frameBytesMax = 16_384;
/** The window of a connection, and of a stream where SETTINGS say nothing else. */
export const initialWindow = 65_535;
export const windowMax: number = 2 ** 31 - 1;

/** The client's first bytes (section 3.4). */
const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');

/** Ends the connection (section 5.4.1). Thrown while its bytes are read, and caught where that began. */
export class ConnectionError extends Error {
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

/** Takes one frame: its payload is `bytes` from `start` to `end`, and nobody else will write there. */
export type TakeFrame = (
  type: number,
  flags: number,
  streamId: number,
  bytes: Buffer,
  start: number,
  end: number,
) => void;

/** Cuts what a client sends into frames. A frame that lies in one piece is not copied. */
export class FrameReader {
  readonly #take: TakeFrame;
  #prefaceSeen = 0;
  /** The frame that is not whole yet: only its head at first, and then with room for all of it. */
  #partial = Buffer.allocUnsafe(0);
  #partialBytes = 0;
  #stopped = false;

  constructor(take: TakeFrame) {
    this.#take = take;
  }

  /** Takes no more frames, not even those that were read already. */
  stop(): void {
    this.#stopped = true;
  }

  read(chunk: Buffer): void {
    let at = this.#prefaceSeen < preface.length ? this.#readPreface(chunk) : 0;
    while (at < chunk.length && !this.#stopped) {
      if (this.#partialBytes > 0 || chunk.length - at < frameHeadBytes) {
        at = this.#complete(chunk, at);
        continue;
      }
      const end = at + frameHeadBytes + lengthAt(chunk, at);
      if (end > chunk.length) {
        at = this.#complete(chunk, at);
        continue;
      }
      this.#frame(chunk, at, end);
      at = end;
    }
  }

  #readPreface(chunk: Buffer): number {
    const more = Math.min(preface.length - this.#prefaceSeen, chunk.length);
    if (preface.compare(chunk, 0, more, this.#prefaceSeen, this.#prefaceSeen + more) !== 0) {
      throw new ConnectionError(errorCodes.protocol, 'not HTTP/2');
    }
    this.#prefaceSeen += more;
    return more;
  }

  /** Adds to the frame that is not whole. Never more than once per byte: small pieces of a large frame are no way to keep a server busy. */
  #complete(chunk: Buffer, start: number): number {
    let at = start;
    if (this.#partialBytes < frameHeadBytes) {
      if (this.#partialBytes === 0) this.#partial = Buffer.allocUnsafe(frameHeadBytes);
      at += this.#add(chunk, at, frameHeadBytes);
      if (this.#partialBytes < frameHeadBytes) return at;
      const head = this.#partial;
      this.#partial = Buffer.allocUnsafe(frameHeadBytes + lengthAt(head, 0));
      head.copy(this.#partial);
    }
    const whole = this.#partial.length;
    at += this.#add(chunk, at, whole);
    if (this.#partialBytes === whole) {
      this.#partialBytes = 0;
      this.#frame(this.#partial, 0, whole);
    }
    return at;
  }

  #add(chunk: Buffer, at: number, until: number): number {
    const more = Math.min(until - this.#partialBytes, chunk.length - at);
    chunk.copy(this.#partial, this.#partialBytes, at, at + more);
    this.#partialBytes += more;
    return more;
  }

  #frame(bytes: Buffer, at: number, end: number): void {
    const streamId =
      (((bytes[at + 5] as number) & 0x7f) << 24) |
      ((bytes[at + 6] as number) << 16) |
      ((bytes[at + 7] as number) << 8) |
      (bytes[at + 8] as number);
    this.#take(bytes[at + 3] as number, bytes[at + 4] as number, streamId, bytes, at + frameHeadBytes, end);
  }
}

function lengthAt(bytes: Buffer, at: number): number {
  const length = ((bytes[at] as number) << 16) | ((bytes[at + 1] as number) << 8) | (bytes[at + 2] as number);
  if (length > frameBytesMax) throw new ConnectionError(errorCodes.frameSize, 'a frame is too large');
  return length;
}

/** A mistake that ends the connection (RFC 9113, 5.4.1). */
export function protocolError(message: string): ConnectionError {
  return new ConnectionError(errorCodes.protocol, message);
}

export function sizeError(frame: string): ConnectionError {
  return new ConnectionError(errorCodes.frameSize, `${frame} of a wrong length`);
}

/** Where the own bytes of a frame are that may be padded: DATA or HEADERS (6.1). Throws ConnectionError. */
export function withoutPadding(
  frameFlags: number,
  id: number,
  bytes: Buffer,
  start: number,
  end: number,
): { start: number; end: number } {
  if (id === 0) throw protocolError('DATA or HEADERS of the connection');
  if ((frameFlags & flags.padded) === 0) return { start, end };
  if (end === start) throw sizeError('a padded frame');
  const padding = bytes[start] as number;
  if (padding >= end - start) throw protocolError('more padding than frame');
  return { start: start + 1, end: end - padding };
}

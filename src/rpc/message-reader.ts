/**
 * Cuts what comes on an HTTP/2 stream into gRPC messages: a flag of compression, four bytes of length (big-endian), the message
 * (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md). A message that lies in one piece is not copied.
 */

/** Flag of compression and length. */
export const prefixBytes = 5;

/** Why what came is no message. */
export type MessageFault =
  | { readonly kind: 'too-large'; readonly bytes: number }
  /** Nobody asked for compression. */
  | { readonly kind: 'compressed' };

export class MessageReader {
  readonly #bytesMax: number;
  readonly #onMessage: (message: Buffer) => void;
  /** What came of the message that is not whole yet, and how much of it. */
  #pieces: Buffer[] = [];
  #bytes = 0;
  /** Length of that message with its prefix. `undefined`: its prefix is not whole. */
  #needed: number | undefined;

  /** `bytesMax`: of one message. `onMessage` is called for each, in order; the bytes alias what was read. */
  constructor(bytesMax: number, onMessage: (message: Buffer) => void) {
    this.#bytesMax = bytesMax;
    this.#onMessage = onMessage;
  }

  /** Takes what has come. A fault is final: nothing may be read after it. */
  read(chunk: Buffer): MessageFault | undefined {
    let rest = chunk;
    if (this.#bytes > 0) {
      if (this.#needed === undefined) {
        // A cut prefix is rare: join what there is, and go on as if it had come so.
        rest = Buffer.concat([...this.#pieces, chunk]);
        this.#pieces = [];
        this.#bytes = 0;
      } else {
        const missing = this.#needed - this.#bytes;
        if (chunk.length < missing) {
          this.#keep(chunk);
          return undefined;
        }
        this.#pieces.push(chunk.subarray(0, missing));
        const message = Buffer.concat(this.#pieces, this.#needed).subarray(prefixBytes);
        this.#pieces = [];
        this.#bytes = 0;
        this.#needed = undefined;
        rest = chunk.subarray(missing);
        this.#onMessage(message);
      }
    }
    while (rest.length >= prefixBytes) {
      const length = rest.readUInt32BE(1);
      if (length > this.#bytesMax) return { kind: 'too-large', bytes: length };
      if (rest[0] !== 0) return { kind: 'compressed' };
      const end = prefixBytes + length;
      if (rest.length < end) {
        this.#needed = end;
        break;
      }
      this.#onMessage(rest.subarray(prefixBytes, end));
      rest = rest.subarray(end);
    }
    if (rest.length > 0) this.#keep(rest);
    return undefined;
  }

  #keep(piece: Buffer): void {
    this.#pieces.push(piece);
    this.#bytes += piece.length;
  }
}

/** What a client has seen of one key, as the opaque token that the server made of it. */

/**
 * Covers the versions that an answer showed. Give it to the next write of the same key, which then supersedes exactly
 * those, or to a read as `minContext`, which then answers no older state. It belongs to one key of one cluster; keep it,
 * send it to another process as text, but do not look inside.
 */
export class Context {
  readonly #bytes: Uint8Array;

  private constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** A context from the bytes of {@link Context.bytes}. */
  static fromBytes(bytes: Uint8Array): Context {
    // `slice` of a Buffer would share its memory.
    return new Context(new Uint8Array(bytes));
  }

  /** A context from the text of {@link Context.toString}. */
  static parse(text: string): Context {
    return new Context(Buffer.from(text, 'base64url'));
  }

  /** The token, at most 4 KiB. Do not change it. */
  get bytes(): Uint8Array {
    return this.#bytes;
  }

  /** Whether both are the same token. Two tokens that differ may still mean the same. */
  equals(other: Context): boolean {
    return Buffer.compare(this.#bytes, other.#bytes) === 0;
  }

  /** The token in base64url, fit for a header or a URL. */
  toString(): string {
    return Buffer.from(this.#bytes).toString('base64url');
  }

  /** As {@link Context.toString}, so that a context survives JSON. */
  toJSON(): string {
    return this.toString();
  }
}

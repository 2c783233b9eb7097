/** What is stored under a key. */

/** Facts about a value, kept and returned by the store, never interpreted by it. */
export interface ValueAttributes {
  /** What the content is, for example `application/json`; at most 255 bytes. */
  readonly contentType?: string | undefined;
  /** Names and texts; together with `contentType` at most 4 KiB. */
  readonly metadata?: Readonly<Record<string, string>> | undefined;
}

/** Bytes with a content type and metadata. */
export class Value {
  /** At most 1 MiB, or what the bucket allows. Empty after a read with `omitData`. */
  readonly data: Uint8Array;
  readonly contentType: string;
  readonly metadata: Readonly<Record<string, string>>;

  /** A string is stored as UTF-8. */
  constructor(data: Uint8Array | string, attributes: ValueAttributes = {}) {
    // Callers in JavaScript: the encoder would make something of anything.
    if (typeof data !== 'string' && !(data instanceof Uint8Array)) {
      throw new TypeError('a value is a string or a Uint8Array; for others there is Value.json');
    }
    this.data = typeof data === 'string' ? new TextEncoder().encode(data) : data;
    this.contentType = attributes.contentType ?? '';
    this.metadata = attributes.metadata ?? {};
  }

  /** A value that holds `content` as JSON, with the content type that says so. */
  static json(content: unknown, metadata?: Readonly<Record<string, string>>): Value {
    return new Value(JSON.stringify(content), { contentType: 'application/json', metadata });
  }

  /** The value itself, or one that holds these bytes or this text. */
  static of(content: ValueLike): Value {
    return content instanceof Value ? content : new Value(content);
  }

  /** The content as UTF-8 text. */
  text(): string {
    return new TextDecoder().decode(this.data);
  }

  /** The content parsed as JSON. Throws SyntaxError if it is none; nothing checks that it is a `Content`. */
  json<Content = unknown>(): Content {
    return JSON.parse(this.text()) as Content;
  }

  /** Whether both hold the same bytes, content type and metadata. */
  equals(other: Value): boolean {
    const names = Object.keys(this.metadata);
    return (
      Buffer.compare(this.data, other.data) === 0 &&
      this.contentType === other.contentType &&
      names.length === Object.keys(other.metadata).length &&
      names.every((name) => this.metadata[name] === other.metadata[name])
    );
  }
}

/** What can be stored: a value, or just its bytes, or a text that becomes UTF-8. */
export type ValueLike = Value | Uint8Array | string;

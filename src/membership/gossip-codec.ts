/**
 * Frames of gossip. The bytes are those of `GossipRequest` and `GossipResponse` in peer.proto (`gossip-codec.test.ts` holds
 * the generated code to it), written and read in one pass: every second a node of a large cluster says how far it knows a
 * thousand members, and hears it from another, and mostly nothing is new. So digests come as bytes, for comparing them with
 * this node's own before anybody reads them.
 */

import { MalformedError, varintLength } from '../core/binary.ts';
import {
  deltaOverheadBytes,
  digestBytes,
  entriesMax,
  entryBytes,
  keyBytesMax,
  type MemberDelta,
  type MemberDigest,
  type StateEntry,
  utf8Bytes,
  valueBytesMax,
} from '../core/membership/gossip-message.ts';
import { Hello, HelloReply } from '../gen/kindred/peer/v1/peer.ts';

/** What a frame of either direction says. Digests are still encoded: {@link GossipCodec.decodeDigests}. */
export interface GossipFrame<Greeting> {
  readonly hello?: Greeting | undefined;
  readonly digests?: Uint8Array | undefined;
  readonly deltas?: readonly MemberDelta[] | undefined;
}

/** More members than any cluster has: a frame with more is refused. */
const membersMax = 16_384;
/** Texts that are kept once for all entries that have them: keys, zones, versions. */
const sharedMax = 1_024;
const sharedCharactersMax = 32;

/** Encodes and decodes for a node that knows these members: their names are compared, not decoded. */
export class GossipCodec {
  /** Members and their names in UTF-8, in the order in which digests usually come. */
  readonly #nodes: readonly string[];
  readonly #names: Uint8Array;
  /** Where the name of each member ends among all of them. */
  readonly #nameEnds: Uint32Array;
  readonly #shared = new Map<string, string>();

  constructor(members: readonly string[]) {
    this.#nodes = [...members].sort();
    this.#names = Buffer.from(this.#nodes.join(''));
    let end = 0;
    this.#nameEnds = Uint32Array.from(this.#nodes, (node) => {
      end += utf8Bytes(node);
      return end;
    });
  }

  /** The body of a `Digests`. */
  encodeDigests(digests: readonly MemberDigest[]): Uint8Array {
    let size = 0;
    for (const digest of digests) size += digestBytes(digest);
    const writer = new FrameWriter(size);
    for (const { node, generation, version } of digests) {
      writer.open(1, textBytes(node) + numberBytes(generation) + numberBytes(version));
      writer.text(1, node);
      writer.number(2, generation);
      writer.number(3, version);
    }
    return writer.finish();
  }

  /** The digests of a frame. Throws MalformedError. */
  decodeDigests(bytes: Uint8Array): readonly MemberDigest[] {
    const reader = new FrameReader(bytes);
    const digests: MemberDigest[] = [];
    let expected = 0;
    while (reader.more()) {
      if (!reader.field(1, lengthDelimited)) continue;
      if (digests.length === membersMax) throw new MalformedError('digests of too many members');
      const outer = reader.enter();
      let node = '';
      let generation = 0;
      let version = 0;
      while (reader.more()) {
        if (reader.field(1, lengthDelimited)) {
          const from = expected === 0 ? 0 : this.#nameEnds[expected - 1];
          const to = this.#nameEnds[expected];
          if (from !== undefined && to !== undefined && reader.skipIf(this.#names, from, to)) {
            node = this.#nodes[expected] as string;
          } else {
            node = reader.text(keyBytesMax);
            expected = Math.max(0, this.#nodes.indexOf(node));
          }
          expected++;
        } else if (reader.field(2, varint)) generation = reader.number();
        else if (reader.field(3, varint)) version = reader.number();
      }
      reader.leave(outer);
      digests.push({ node, generation, version });
    }
    return digests;
  }

  /** A `GossipRequest`. */
  encodeRequest({ hello, digests, deltas }: GossipFrame<Hello>): Uint8Array {
    const greeting = hello === undefined ? undefined : Hello.encode(hello).finish();
    return encodeFrame(greeting, [2, digests], [3, deltas]);
  }

  /** A `GossipResponse`: its digests are what the answering node wants. */
  encodeResponse({ hello, digests, deltas }: GossipFrame<HelloReply>): Uint8Array {
    const greeting = hello === undefined ? undefined : HelloReply.encode(hello).finish();
    return encodeFrame(greeting, [3, digests], [2, deltas]);
  }

  /** Throws MalformedError. */
  decodeRequest(frame: Uint8Array): GossipFrame<Hello> {
    const { greeting, second, third } = fieldsOf(frame);
    return {
      hello: greeting === undefined ? undefined : greetingOf(Hello, greeting),
      digests: second,
      deltas: third === undefined ? undefined : this.#decodeDeltas(third),
    };
  }

  /** Throws MalformedError. */
  decodeResponse(frame: Uint8Array): GossipFrame<HelloReply> {
    const { greeting, second, third } = fieldsOf(frame);
    return {
      hello: greeting === undefined ? undefined : greetingOf(HelloReply, greeting),
      digests: third,
      deltas: second === undefined ? undefined : this.#decodeDeltas(second),
    };
  }

  #decodeDeltas(bytes: Uint8Array): readonly MemberDelta[] {
    const reader = new FrameReader(bytes);
    const deltas: MemberDelta[] = [];
    while (reader.more()) {
      if (!reader.field(1, lengthDelimited)) continue;
      if (deltas.length === membersMax) throw new MalformedError('deltas of too many members');
      const outer = reader.enter();
      let node = '';
      let generation = 0;
      const entries: StateEntry[] = [];
      while (reader.more()) {
        if (reader.field(1, lengthDelimited)) node = this.#share(reader.text(keyBytesMax));
        else if (reader.field(2, varint)) generation = reader.number();
        else if (reader.field(3, lengthDelimited)) {
          if (entries.length === entriesMax) throw new MalformedError('too many entries of a member');
          entries.push(this.#decodeEntry(reader));
        }
      }
      reader.leave(outer);
      deltas.push({ node, generation, entries });
    }
    return deltas;
  }

  #decodeEntry(reader: FrameReader): StateEntry {
    const outer = reader.enter();
    let key = '';
    let value = '';
    let version = 0;
    while (reader.more()) {
      if (reader.field(1, lengthDelimited)) key = this.#share(reader.text(keyBytesMax));
      else if (reader.field(2, lengthDelimited)) value = this.#share(reader.text(valueBytesMax));
      else if (reader.field(3, varint)) version = reader.number();
    }
    reader.leave(outer);
    if (key === '' || version === 0) throw new MalformedError('an entry without a key or a version');
    return { key, value, version };
  }

  #share(text: string): string {
    if (text.length > sharedCharactersMax) return text;
    const known = this.#shared.get(text);
    if (known !== undefined) return known;
    if (this.#shared.size >= sharedMax) this.#shared.clear();
    this.#shared.set(text, text);
    return text;
  }
}

const varint = 0;
const lengthDelimited = 2;

type Part = readonly [field: number, content: Uint8Array | readonly MemberDelta[] | undefined];

function encodeFrame(greeting: Uint8Array | undefined, ...parts: readonly Part[]): Uint8Array {
  // Fields in ascending order, as every encoder writes them.
  parts = [...parts].sort(([a], [b]) => a - b);
  let size = greeting === undefined ? 0 : fieldBytes(greeting.length);
  for (const [, content] of parts) {
    if (content === undefined) continue;
    size += fieldBytes(content instanceof Uint8Array ? content.length : deltasBytes(content));
  }
  const writer = new FrameWriter(size);
  if (greeting !== undefined) writer.bytes(1, greeting);
  for (const [field, content] of parts) {
    if (content instanceof Uint8Array) writer.bytes(field, content);
    else if (content !== undefined) {
      writer.open(field, deltasBytes(content));
      for (const delta of content) writeDelta(writer, delta);
    }
  }
  return writer.finish();
}

function writeDelta(writer: FrameWriter, delta: MemberDelta): void {
  writer.open(1, deltaBodyBytes(delta));
  writer.text(1, delta.node);
  writer.number(2, delta.generation);
  for (const { key, value, version } of delta.entries) {
    writer.open(3, textBytes(key) + textBytes(value) + numberBytes(version));
    writer.text(1, key);
    writer.text(2, value);
    writer.number(3, version);
  }
}

function deltasBytes(deltas: readonly MemberDelta[]): number {
  let bytes = 0;
  for (const delta of deltas) bytes += fieldBytes(deltaBodyBytes(delta));
  return bytes;
}

function deltaBodyBytes({ node, generation, entries }: MemberDelta): number {
  // The overhead has room for the longest length in front; here it is counted by itself.
  let bytes = deltaOverheadBytes(node, generation) - deltaOverheadBytes('', 0);
  for (const entry of entries) bytes += entryBytes(entry);
  return bytes;
}

function fieldBytes(bodyBytes: number): number {
  return 1 + varintLength(bodyBytes) + bodyBytes;
}

function textBytes(text: string): number {
  return text === '' ? 0 : fieldBytes(utf8Bytes(text));
}

function numberBytes(value: number): number {
  return value === 0 ? 0 : 1 + varintLength(value);
}

function fieldsOf(frame: Uint8Array): {
  readonly greeting: Uint8Array | undefined;
  readonly second: Uint8Array | undefined;
  readonly third: Uint8Array | undefined;
} {
  const reader = new FrameReader(frame);
  let greeting: Uint8Array | undefined;
  let second: Uint8Array | undefined;
  let third: Uint8Array | undefined;
  while (reader.more()) {
    if (reader.field(1, lengthDelimited)) greeting = reader.view();
    else if (reader.field(2, lengthDelimited)) second = reader.view();
    else if (reader.field(3, lengthDelimited)) third = reader.view();
  }
  return { greeting, second, third };
}

function greetingOf<T>(message: { decode(bytes: Uint8Array): T }, bytes: Uint8Array): T {
  try {
    return message.decode(bytes);
  } catch (cause) {
    throw new MalformedError('the greeting does not decode', { cause });
  }
}

/** Texts up to this many bytes are written byte by byte. */
const shortBytes = 32;

/** Writes protobuf into a buffer of known size. */
class FrameWriter {
  readonly #buffer: Buffer;
  #at = 0;

  constructor(size: number) {
    this.#buffer = Buffer.allocUnsafeSlow(size);
  }

  /** The beginning of a nested message of so many bytes. */
  open(field: number, bodyBytes: number): void {
    this.#buffer[this.#at++] = field * 8 + lengthDelimited;
    this.#varint(bodyBytes);
  }

  bytes(field: number, bytes: Uint8Array): void {
    this.open(field, bytes.length);
    this.#buffer.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  text(field: number, text: string): void {
    if (text === '') return;
    const bytes = utf8Bytes(text);
    this.open(field, bytes);
    if (bytes === text.length && bytes <= shortBytes) {
      // Names and keys: a call out of JavaScript would take longer than this.
      for (let i = 0; i < bytes; i++) this.#buffer[this.#at++] = text.charCodeAt(i);
    } else this.#at += this.#buffer.write(text, this.#at, 'utf8');
  }

  number(field: number, value: number): void {
    if (value === 0) return;
    this.#buffer[this.#at++] = field * 8 + varint;
    this.#varint(value);
  }

  finish(): Uint8Array {
    if (this.#at !== this.#buffer.length) throw new Error('assertion failed: a frame was measured wrongly');
    return this.#buffer;
  }

  #varint(value: number): void {
    let rest = value;
    // Four bytes of seven bits at a time are below 2^31, where shifts are right and fast.
    while (rest >= 0x1000_0000) {
      const low = rest % 0x1000_0000;
      rest = (rest - low) / 0x1000_0000;
      for (let shift = 0; shift < 28; shift += 7) this.#buffer[this.#at++] = ((low >>> shift) & 0x7f) | 0x80;
    }
    while (rest >= 0x80) {
      this.#buffer[this.#at++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.#buffer[this.#at++] = rest;
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** Reads protobuf in place. Fields that nobody asks for are skipped. */
class FrameReader {
  readonly #bytes: Uint8Array;
  #at = 0;
  #end: number;
  /** Of the field that comes next, or 0 when it has been read. */
  #tag = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#end = bytes.length;
  }

  /** Whether another field comes in this message. Skips the last one if nobody took it. */
  more(): boolean {
    if (this.#tag !== 0) this.#skip();
    if (this.#at === this.#end) return false;
    this.#tag = this.#varint();
    if (this.#tag < 8) throw new MalformedError('a field without a number');
    return true;
  }

  /** Whether the next field is this one; then the caller reads it. */
  field(number: number, wireType: number): boolean {
    if (this.#tag !== number * 8 + wireType) return false;
    this.#tag = 0;
    return true;
  }

  /** Goes into a nested message. Returns what `leave` needs. */
  enter(): number {
    const outer = this.#end;
    this.#end = this.#lengthEnd();
    return outer;
  }

  leave(outer: number): void {
    this.#end = outer;
  }

  number(): number {
    return this.#varint();
  }

  text(bytesMax: number): string {
    const bytes = this.view();
    if (bytes.length > bytesMax) throw new MalformedError(`a text of more than ${bytesMax} bytes`);
    try {
      return utf8.decode(bytes);
    } catch (cause) {
      throw new MalformedError('a text that is not UTF-8', { cause });
    }
  }

  view(): Uint8Array {
    const end = this.#lengthEnd();
    const view = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return view;
  }

  /** Reads the text that comes if it is this part of `expected`; else nothing happens. */
  skipIf(expected: Uint8Array, from: number, to: number): boolean {
    const length = to - from;
    const at = this.#at + 1;
    // One byte of length: names are shorter than 128 bytes.
    if (length >= 0x80 || this.#bytes[this.#at] !== length || at + length > this.#end) return false;
    for (let i = 0; i < length; i++) if (this.#bytes[at + i] !== expected[from + i]) return false;
    this.#at = at + length;
    return true;
  }

  #lengthEnd(): number {
    const length = this.#varint();
    const end = this.#at + length;
    if (end > this.#end) throw new MalformedError('truncated');
    return end;
  }

  #skip(): void {
    const wireType = this.#tag % 8;
    this.#tag = 0;
    if (wireType === varint) this.#varint();
    else if (wireType === lengthDelimited) this.#at = this.#lengthEnd();
    else if (wireType === 1 || wireType === 5) {
      this.#at += wireType === 1 ? 8 : 4;
      if (this.#at > this.#end) throw new MalformedError('truncated');
    } else throw new MalformedError(`wire type ${wireType}`);
  }

  #varint(): number {
    let value = 0;
    let scale = 1;
    for (let i = 0; i < 8; i++) {
      if (this.#at >= this.#end) throw new MalformedError('truncated');
      const byte = this.#bytes[this.#at++] as number;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        if (value > Number.MAX_SAFE_INTEGER) break;
        return value;
      }
      scale *= 0x80;
    }
    throw new MalformedError('an integer of more than 53 bits');
  }
}

/**
 * Reading and writing of the store's own formats: little-endian, minimal varints of up to 53 bits. Every read checks
 * its bounds; what does not parse exactly is refused with `MalformedError`.
 */

import { allocateBytes } from './byte-slab.ts';

/** Bytes that are not what their format says. Never a programming mistake: they came from a disk or a network. */
export class MalformedError extends Error {
  override readonly name = 'MalformedError';
}

/** A checksum over a range of bytes, passed in because core imports nothing (CRC-32, IEEE polynomial). */
export type Crc32 = (bytes: Uint8Array) => number;

const twoTo32 = 0x1_0000_0000;

export function varintLength(value: number): number {
  let length = 1;
  let rest = value;
  while (rest >= 0x80) {
    rest = Math.floor(rest / 0x80);
    length++;
  }
  return length;
}

/** Appends to a buffer of known size. The caller has measured: writing past the end is a programming mistake. */
export class ByteWriter {
  readonly bytes: Uint8Array;
  #at = 0;

  constructor(size: number) {
    this.bytes = allocateBytes(size);
  }

  get length(): number {
    return this.#at;
  }

  u8(value: number): void {
    this.bytes[this.#at++] = value;
  }

  u32(value: number): void {
    const { bytes } = this;
    const at = this.#at;
    bytes[at] = value;
    bytes[at + 1] = value >>> 8;
    bytes[at + 2] = value >>> 16;
    bytes[at + 3] = value >>> 24;
    this.#at = at + 4;
  }

  u64(value: number): void {
    this.u32(value % twoTo32);
    this.u32(Math.floor(value / twoTo32));
  }

  varint(value: number): void {
    let rest = value;
    while (rest >= 0x80) {
      this.bytes[this.#at++] = (rest % 0x80) + 0x80;
      rest = Math.floor(rest / 0x80);
    }
    this.bytes[this.#at++] = rest;
  }

  raw(bytes: Uint8Array): void {
    this.bytes.set(bytes, this.#at);
    this.#at += bytes.length;
  }
}

export class ByteReader {
  readonly #bytes: Uint8Array;
  readonly #end: number;
  #at: number;

  constructor(bytes: Uint8Array, from = 0, end: number = bytes.length) {
    this.#bytes = bytes;
    this.#at = from;
    this.#end = end;
  }

  get remaining(): number {
    return this.#end - this.#at;
  }

  u8(): number {
    if (this.#at >= this.#end) throw new MalformedError('truncated');
    return this.#bytes[this.#at++] as number;
  }

  u32(): number {
    if (this.remaining < 4) throw new MalformedError('truncated');
    const bytes = this.#bytes;
    const at = this.#at;
    this.#at = at + 4;
    return (
      ((bytes[at] as number) |
        ((bytes[at + 1] as number) << 8) |
        ((bytes[at + 2] as number) << 16) |
        ((bytes[at + 3] as number) << 24)) >>>
      0
    );
  }

  /** An unsigned integer below 2^53 in eight bytes. */
  u53(): number {
    const low = this.u32();
    const high = this.u32();
    if (high >= 0x20_0000) throw new MalformedError('integer of more than 53 bits');
    return high * twoTo32 + low;
  }

  varint(): number {
    let value = 0;
    let scale = 1;
    for (let length = 1; length <= 8; length++) {
      const byte = this.u8();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        // Minimal form only: equal values must be equal bytes.
        if (byte === 0 && length > 1) throw new MalformedError('integer in a longer form than needed');
        if (value > Number.MAX_SAFE_INTEGER) throw new MalformedError('integer of more than 53 bits');
        return value;
      }
      scale *= 0x80;
    }
    throw new MalformedError('integer of more than 53 bits');
  }

  /** A view of the next `length` bytes: it aliases the input. */
  view(length: number): Uint8Array {
    if (length > this.remaining) throw new MalformedError('truncated');
    const from = this.#at;
    this.#at = from + length;
    return this.#bytes.subarray(from, from + length);
  }
}

/**
 * What nodes tell each other of the members, and how many bytes of a message it takes (`Digests` and `Deltas` of
 * peer.proto). The bounds are part of the protocol: what exceeds them is refused by whoever receives it.
 */

import { varintLength } from '../binary.ts';

/** One thing that a member says of itself. Values are text; what it means depends on the key. */
export interface StateEntry {
  readonly key: string;
  readonly value: string;
  /** Grows with every entry that the member writes, from 1. */
  readonly version: number;
}

/** How far a member is known: everything up to `version` in the life `generation`. Both 0: nothing. */
export interface MemberDigest {
  readonly node: string;
  readonly generation: number;
  readonly version: number;
}

/** News of one member, versions ascending: all from the version that was asked for, or a beginning of them. */
export interface MemberDelta {
  readonly node: string;
  readonly generation: number;
  readonly entries: readonly StateEntry[];
}

/** Longest key of an entry, in bytes. */
export const keyBytesMax: number = 64;
/** Longest value of an entry, in bytes. */
export const valueBytesMax: number = 4 * 1024;
/** Most keys that one member may have. */
export const entriesMax: number = 64;

/** Bytes of a digest inside its message. */
export function digestBytes({ node, generation, version }: MemberDigest): number {
  return nested(textField(node) + numberField(generation) + numberField(version));
}

/** Bytes of an entry inside its delta. */
export function entryBytes({ key, value, version }: StateEntry): number {
  return nested(textField(key) + textField(value) + numberField(version));
}

/** Bytes of a delta inside its message, but for its entries. At most, because its length is written with it. */
export function deltaOverheadBytes(node: string, generation: number): number {
  return lengthPrefixMax + textField(node) + numberField(generation);
}

/** Bytes of a text in UTF-8. */
export function utf8Bytes(text: string): number {
  let bytes = text.length;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) continue;
    // Halves of a surrogate pair count two each.
    bytes += unit < 0x800 || (unit >= 0xd800 && unit < 0xe000) ? 1 : 2;
  }
  return bytes;
}

/** A tag, and a length below 2 MiB. */
const lengthPrefixMax = 4;

function nested(bytes: number): number {
  return 1 + varintLength(bytes) + bytes;
}

function textField(text: string): number {
  return text === '' ? 0 : nested(utf8Bytes(text));
}

function numberField(value: number): number {
  return value === 0 ? 0 : 1 + varintLength(value);
}

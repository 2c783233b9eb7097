/**
 * The bytes of a hint on disk. Engine keys: 0x02, length of the target's node id as one byte, the id, record key; and, for
 * the order of age, 0x03, length, id, kept-at as eight bytes, record key, under which nothing is stored. These bytes may not
 * change: see docs/internals/storage-format.md.
 */

import { assert } from '../core/assert.ts';
import { type NodeId, nodeId } from '../core/identity.ts';

/** A hint as it is stored. */
export interface StoredHint {
  /** The encoded record that the target has to get. */
  readonly record: Uint8Array;
  /** Wall clock when its oldest part was kept, microseconds since 1970. 0: not known, and older than any other. */
  readonly keptAtMicros: number;
  /** The newest mark that was heard of the target's store when its oldest part was kept. 0: none. */
  readonly receiverMark: number;
  /** Whether a client was told that it counts: then it may be the only copy, and does not grow too old. */
  readonly counted: boolean;
  /** Whether this store made all that is in it, under dots of its own (ADR 7). */
  readonly madeHere: boolean;
  /** Whether nothing of it has ever been sent to anybody: then nobody can have deleted it, and collected the deletion. */
  readonly unsent: boolean;
}

/** What an entry of the order says. */
export interface HintOrder {
  readonly keptAtMicros: number;
  readonly recordKey: Uint8Array;
}

const hintPrefix = 0x02;
const orderPrefix = 0x03;
const format = 2;
/** A record alone, as hints were stored first: every record begins with its own format. */
const bareRecordFormat = 1;
const flagCounted = 1;
const flagMadeHere = 2;
const flagUnsent = 4;
const headerLength = 1 + 1 + 8 + 8;
const keptAtLength = 8;
const nodeIdLengthMax = 63;

/** Where all hints are. */
export const allHints: { readonly from: Uint8Array; readonly to: Uint8Array } = {
  from: Uint8Array.of(hintPrefix),
  to: Uint8Array.of(hintPrefix + 1),
};

/** Where the order of all hints is. */
export const allOrders: { readonly from: Uint8Array; readonly to: Uint8Array } = {
  from: Uint8Array.of(orderPrefix),
  to: Uint8Array.of(orderPrefix + 1),
};

/** The engine key of a hint. */
export function hintKeyOf(target: NodeId, recordKey: Uint8Array): Uint8Array {
  return keyOf(hintPrefix, target, recordKey);
}

/** The engine key of a hint's entry in the order of age. */
export function orderKeyOf(target: NodeId, { keptAtMicros, recordKey }: HintOrder): Uint8Array {
  const behind = new Uint8Array(keptAtLength + recordKey.length);
  setU53(behind, 0, keptAtMicros);
  behind.set(recordKey, keptAtLength);
  return keyOf(orderPrefix, target, behind);
}

/** The entries of one target in the order of age: from `after` on, without it. */
export function orderRange(
  target: NodeId,
  after: HintOrder | undefined,
): { readonly from: Uint8Array; readonly to: Uint8Array } {
  const start = keyOf(orderPrefix, target, new Uint8Array());
  const to = start.slice();
  // Its last byte is ASCII, so it can be incremented.
  to[to.length - 1] = (to[to.length - 1] as number) + 1;
  if (after === undefined) return { from: start, to };
  const last = orderKeyOf(target, after);
  const from = new Uint8Array(last.length + 1);
  from.set(last);
  return { from, to };
}

/** The target in an engine key of a hint or of the order, or `undefined` when the key cannot be one of ours. */
export function targetOf(key: Uint8Array): NodeId | undefined {
  const length = key[1];
  if (length === undefined || length === 0 || length > nodeIdLengthMax || key.length < 2 + length)
    return undefined;
  return nodeId(new TextDecoder().decode(key.subarray(2, 2 + length)));
}

/** The record key in an engine key of a hint. */
export function recordKeyOfHint(key: Uint8Array): Uint8Array {
  return key.subarray(2 + (key[1] as number));
}

/** What an engine key of the order says, or `undefined` when it cannot be one of ours. */
export function orderOf(key: Uint8Array): HintOrder | undefined {
  const from = 2 + (key[1] ?? 0);
  if (key.length < from + keptAtLength) return undefined;
  return { keptAtMicros: getU53(key, from), recordKey: key.subarray(from + keptAtLength) };
}

/** The payload of a hint. */
export function encodeHint(hint: StoredHint): Uint8Array {
  const payload = new Uint8Array(headerLength + hint.record.length);
  payload[0] = format;
  payload[1] =
    (hint.counted ? flagCounted : 0) | (hint.madeHere ? flagMadeHere : 0) | (hint.unsent ? flagUnsent : 0);
  setU53(payload, 2, hint.keptAtMicros);
  setU53(payload, 10, hint.receiverMark);
  payload.set(hint.record, headerLength);
  return payload;
}

/** The hint in a payload whose checksum was right, or `undefined` when it is none. The record is a view of it. */
export function decodeHint(payload: Uint8Array): StoredHint | undefined {
  if (payload[0] === bareRecordFormat) {
    return {
      record: payload,
      keptAtMicros: 0,
      receiverMark: 0,
      counted: true,
      madeHere: true,
      unsent: false,
    };
  }
  if (payload[0] !== format || payload.length < headerLength) return undefined;
  const flags = payload[1] as number;
  return {
    keptAtMicros: getU53(payload, 2),
    receiverMark: getU53(payload, 10),
    counted: (flags & flagCounted) !== 0,
    madeHere: (flags & flagMadeHere) !== 0,
    unsent: (flags & flagUnsent) !== 0,
    record: payload.subarray(headerLength),
  };
}

function keyOf(prefix: number, target: NodeId, behind: Uint8Array): Uint8Array {
  const id = new TextEncoder().encode(target);
  assert(id.length > 0 && id.length <= nodeIdLengthMax, 'length of a node id');
  const key = new Uint8Array(2 + id.length + behind.length);
  key[0] = prefix;
  key[1] = id.length;
  key.set(id, 2);
  key.set(behind, 2 + id.length);
  return key;
}

/** Big-endian, so that the order of the bytes is the order of the numbers. */
function setU53(bytes: Uint8Array, at: number, value: number): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  view.setUint32(at, Math.floor(value / 2 ** 32));
  view.setUint32(at + 4, value % 2 ** 32);
}

function getU53(bytes: Uint8Array, at: number): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return view.getUint32(at) * 2 ** 32 + view.getUint32(at + 4);
}

/**
 * Encodes frames of calls and replies in one pass into one allocation. The generated encoder builds each nested message in
 * an array of its own and copies it into the next: of a record of 10 KiB that was four copies and, worse, four arrays for
 * the collector, which took a third of a sending node's time. The bytes are those of `ExchangeRequest` and
 * `ExchangeResponse` in peer.proto; `frame-encoder.test.ts` holds the generated code to it.
 */

import { assert, unreachable } from '../core/assert.ts';
import {
  ComparisonEnded,
  EndComparison,
  FoundWrite,
  HintKept,
  LeafEntries,
  ListLeaf,
  ReadTree,
  type ReplicaCall,
  ReplicaError,
  type ReplicaReply,
  TreeHashes,
} from '../gen/kindred/peer/v1/peer.ts';
import { type CallBody, callBytes, type ReplyBody, replyBytes } from './frame-size.ts';

/** Layout version, and a margin. */
const frameOverheadBytes = 32;

/** An encoded ExchangeRequest without a greeting. */
export function encodeCalls(layoutVersion: number, calls: readonly ReplicaCall[]): Uint8Array {
  let capacity = frameOverheadBytes;
  for (const { call } of calls) capacity += call === undefined ? frameOverheadBytes : callBytes(call);
  const frame = new Frame(capacity);
  frame.number(1, layoutVersion);
  for (const { id, timeoutMs, call } of calls) {
    const bodyBytes = call === undefined ? 0 : callBodyBytes(call);
    const nestedBytes = call === undefined ? 0 : 1 + varintBytes(bodyBytes) + bodyBytes;
    frame.open(2, numberBytes(id) + numberBytes(timeoutMs) + nestedBytes);
    frame.number(1, id);
    frame.number(2, timeoutMs);
    if (call !== undefined) writeCall(frame, call, bodyBytes);
  }
  return frame.finish();
}

/** An encoded ExchangeResponse without the answer to a greeting. */
export function encodeReplies(replies: readonly ReplicaReply[]): Uint8Array {
  let capacity = frameOverheadBytes;
  for (const { reply } of replies) capacity += reply === undefined ? frameOverheadBytes : replyBytes(reply);
  const frame = new Frame(capacity);
  for (const { id, reply } of replies) {
    if (reply === undefined) {
      frame.open(1, numberBytes(id));
      frame.number(1, id);
    } else writeReply(frame, id, reply);
  }
  return frame.finish();
}

function callBodyBytes(call: CallBody): number {
  switch (call.$case) {
    case 'read':
      return bytesBytes(call.value.key) + flagBytes(call.value.digestOnly);
    case 'merge': {
      const { key, record, origin, sync, receiverMark } = call.value;
      const fields = bytesBytes(key) + bytesBytes(record) + numberBytes(origin) + flagBytes(sync);
      return fields + fixedBytes(receiverMark);
    }
    case 'forwarded':
      return bytesBytes(call.value.operation);
    case 'find':
      return bytesBytes(call.value.key) + bytesBytes(call.value.requestId);
    case 'keepHint': {
      const { target, key, record, targetMark } = call.value;
      return textBytes(target) + bytesBytes(key) + bytesBytes(record) + fixedBytes(targetMark);
    }
    // Rare and small, so they may be encoded twice.
    case 'readTree':
    case 'listLeaf':
    case 'endComparison':
      return encodedRareCall(call).byteLength;
    default:
      return unreachable(call);
  }
}

function writeCall(frame: Frame, call: CallBody, bodyBytes: number): void {
  switch (call.$case) {
    case 'read':
      frame.open(3, bodyBytes);
      frame.bytes(1, call.value.key);
      frame.flag(2, call.value.digestOnly);
      break;
    case 'merge':
      frame.open(4, bodyBytes);
      frame.bytes(1, call.value.key);
      frame.bytes(2, call.value.record);
      frame.number(3, call.value.origin);
      frame.flag(5, call.value.sync);
      frame.fixed(6, call.value.receiverMark);
      break;
    case 'forwarded':
      frame.open(5, bodyBytes);
      frame.bytes(1, call.value.operation);
      break;
    case 'find':
      frame.open(6, bodyBytes);
      frame.bytes(1, call.value.key);
      frame.bytes(2, call.value.requestId);
      break;
    case 'keepHint':
      frame.open(7, bodyBytes);
      frame.bytes(1, new TextEncoder().encode(call.value.target));
      frame.bytes(2, call.value.key);
      frame.bytes(3, call.value.record);
      frame.fixed(4, call.value.targetMark);
      break;
    case 'readTree':
      frame.openWith(8, encodedRareCall(call));
      break;
    case 'listLeaf':
      frame.openWith(9, encodedRareCall(call));
      break;
    case 'endComparison':
      frame.openWith(10, encodedRareCall(call));
      break;
    default:
      unreachable(call);
  }
}

type RareCall = Extract<CallBody, { readonly $case: 'readTree' | 'listLeaf' | 'endComparison' }>;

function encodedRareCall(call: RareCall): Uint8Array {
  switch (call.$case) {
    case 'readTree':
      return ReadTree.encode(call.value).finish();
    case 'listLeaf':
      return ListLeaf.encode(call.value).finish();
    case 'endComparison':
      return EndComparison.encode(call.value).finish();
    default:
      return unreachable(call);
  }
}

function writeReply(frame: Frame, id: number, reply: ReplyBody): void {
  const openReply = (bodyBytes: number): void => {
    frame.open(1, numberBytes(id) + 1 + varintBytes(bodyBytes) + bodyBytes);
    frame.number(1, id);
  };
  switch (reply.$case) {
    case 'stored': {
      const { record, digest, found } = reply.value;
      const bodyBytes = bytesBytes(record) + bytesBytes(digest) + flagBytes(found);
      openReply(bodyBytes);
      frame.open(2, bodyBytes);
      frame.bytes(1, record);
      frame.bytes(2, digest);
      frame.flag(3, found);
      break;
    }
    case 'merged': {
      const bodyBytes = flagBytes(reply.value.changed) + flagBytes(reply.value.synced);
      openReply(bodyBytes);
      frame.open(3, bodyBytes);
      frame.flag(1, reply.value.changed);
      frame.flag(2, reply.value.synced);
      break;
    }
    case 'operationResult':
      openReply(reply.value.byteLength);
      frame.openWith(4, reply.value);
      break;
    case 'error': {
      const body = ReplicaError.encode(reply.value).finish();
      openReply(body.byteLength);
      frame.openWith(5, body);
      break;
    }
    case 'found': {
      const body = FoundWrite.encode(reply.value).finish();
      openReply(body.byteLength);
      frame.openWith(6, body);
      break;
    }
    case 'hintKept': {
      const body = HintKept.encode(reply.value).finish();
      openReply(body.byteLength);
      frame.openWith(7, body);
      break;
    }
    case 'treeHashes': {
      const body = TreeHashes.encode(reply.value).finish();
      openReply(body.byteLength);
      frame.openWith(8, body);
      break;
    }
    case 'leafEntries': {
      const body = LeafEntries.encode(reply.value).finish();
      openReply(body.byteLength);
      frame.openWith(9, body);
      break;
    }
    case 'comparisonEnded': {
      const body = ComparisonEnded.encode(reply.value).finish();
      openReply(body.byteLength);
      frame.openWith(10, body);
      break;
    }
    default:
      unreachable(reply);
  }
}

/** Size of a varint field with a one-byte tag. Proto3 leaves out what has its default. */
function numberBytes(value: number): number {
  return value === 0 ? 0 : 1 + varintBytes(value);
}

/** Size of a fixed64 field with a one-byte tag. */
function fixedBytes(value: number): number {
  return value === 0 ? 0 : 9;
}

function textBytes(value: string): number {
  return value === '' ? 0 : bytesBytes(new TextEncoder().encode(value));
}

function flagBytes(value: boolean): number {
  return value ? 2 : 0;
}

function bytesBytes(value: Uint8Array): number {
  return value.byteLength === 0 ? 0 : 1 + varintBytes(value.byteLength) + value.byteLength;
}

function varintBytes(value: number): number {
  let bytes = 1;
  for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) bytes++;
  return bytes;
}

const varintType = 0;
const fixed64Type = 1;
const lengthType = 2;

/** Bytes being written. Field numbers are below 16: a tag is one byte. */
class Frame {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(capacity: number) {
    // From Node's pool where it is small: every array of its own costs a collection later.
    this.#bytes = Buffer.allocUnsafe(capacity);
  }

  number(field: number, value: number): void {
    if (value === 0) return;
    this.#bytes[this.#at++] = (field << 3) | varintType;
    this.#varint(value);
  }

  flag(field: number, value: boolean): void {
    if (!value) return;
    this.#bytes[this.#at++] = (field << 3) | varintType;
    this.#bytes[this.#at++] = 1;
  }

  fixed(field: number, value: number): void {
    if (value === 0) return;
    assert(Number.isSafeInteger(value) && value > 0, 'numbers on the wire are integers from 0 below 2^53');
    this.#bytes[this.#at++] = (field << 3) | fixed64Type;
    const view = new DataView(this.#bytes.buffer, this.#bytes.byteOffset + this.#at, 8);
    view.setUint32(0, value % 2 ** 32, true);
    view.setUint32(4, Math.floor(value / 2 ** 32), true);
    this.#at += 8;
  }

  bytes(field: number, value: Uint8Array): void {
    if (value.byteLength > 0) this.openWith(field, value);
  }

  /** Begins a nested message of known size. */
  open(field: number, size: number): void {
    this.#bytes[this.#at++] = (field << 3) | lengthType;
    this.#varint(size);
  }

  /** A field with this content, even if it is empty: a member of a oneof is present all the same. */
  openWith(field: number, content: Uint8Array): void {
    this.open(field, content.byteLength);
    this.#bytes.set(content, this.#at);
    this.#at += content.byteLength;
  }

  finish(): Uint8Array {
    // Writes past the end of a typed array vanish: the bound of the size must never be wrong.
    assert(this.#at <= this.#bytes.byteLength, 'a frame has the size that was computed for it');
    return new Uint8Array(this.#bytes.buffer, this.#bytes.byteOffset, this.#at);
  }

  #varint(value: number): void {
    assert(Number.isSafeInteger(value) && value >= 0, 'numbers on the wire are integers from 0 below 2^53');
    let rest = value;
    for (; rest >= 128; rest = Math.floor(rest / 128)) this.#bytes[this.#at++] = (rest % 128) | 128;
    this.#bytes[this.#at++] = rest;
  }
}

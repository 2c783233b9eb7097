/** A connection as a load generator sees it: operations go in, and each is answered once. */

import type { OperationKind } from './ycsb.ts';

/** `failure`: a gRPC status code, or what else happened; `undefined` when all is well. */
export type Done = (failure: string | undefined) => void;

export interface Lane {
  /** How many more operations it takes now. */
  readonly free: number;
  /** Sends one operation on key number `key` (a Txn: on as many keys from that one on as it has). */
  send(kind: OperationKind, key: number, done: Done): void;
  /** Answers stay in the sockets from now on. */
  stopReading(): void;
  close(): void;
}

/** A read that found less than a value has failed, whatever its status says. */
export const nothingFound = 'nothing found';

const contextField = 3;

/** The context in an encoded GetResponse: what a write needs that supersedes what was read. */
export function contextOf(answer: Buffer): Buffer {
  let at = 0;
  while (at < answer.length) {
    const tag = answer[at++] as number;
    if ((tag & 7) === 0) {
      while ((answer[at++] as number) >= 0x80);
      continue;
    }
    const [length, from] = varint(answer, at);
    if (tag >> 3 === contextField) return answer.subarray(from, from + length);
    at = from + length;
  }
  throw new Error('a GetResponse without a context');
}

/** A number of at most 32 bits, and where it ends. */
export function varint(bytes: Buffer, from: number): readonly [value: number, end: number] {
  let value = 0;
  let scale = 1;
  let at = from;
  for (;;) {
    const byte = bytes[at++] as number;
    value += (byte & 0x7f) * scale;
    if (byte < 0x80) return [value, at];
    scale *= 128;
  }
}

/** Bytes that `writeVarint` writes. */
export function varintBytes(value: number): number {
  let bytes = 1;
  for (let left = value; left >= 0x80; left = Math.floor(left / 128)) bytes++;
  return bytes;
}

/** Where it ends. */
export function writeVarint(into: Buffer, from: number, value: number): number {
  let at = from;
  let left = value;
  for (; left >= 0x80; left = Math.floor(left / 128)) into[at++] = (left % 128) | 0x80;
  into[at++] = left;
  return at;
}

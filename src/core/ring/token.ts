/**
 * The token of a key: its position on the ring 0..2^64 (Dynamo, DeCandia et al. 2007, section 4.2), and the partition
 * that the position falls in (the paper's strategy 3: Q equal cuts, section 6.2).
 */

import { assert } from '../assert.ts';
import { type PartitionId, partitionId } from '../identity.ts';

/** A position on the ring as two unsigned 32-bit halves: a 64-bit integer does not fit a number, and a bigint is slow. */
export interface Token {
  readonly high: number;
  readonly low: number;
}

/**
 * xxh64 with seed 0. It is handed in because core imports no package; `loadHash64` makes the real one. Every node, and
 * every client that places keys itself, must use the same function for as long as a cluster's data lives.
 */
export type Hash64 = (bytes: Uint8Array) => Token;

/** The most partitions a ring may be cut into: a partition's number fits 16 bits on disk and on the wire. */
export const partitionCountMax = 65_536;

/** The token of a record key (see `recordKeyOf`). On disk and in other languages' clients: this may never change. */
export function tokenOf(hash: Hash64, recordKey: Uint8Array): Token {
  return hash(recordKey);
}

/** Order around the ring from 0: negative, zero or positive. */
export function compareTokens(a: Token, b: Token): number {
  return a.high !== b.high ? a.high - b.high : a.low - b.low;
}

/** Sixteen lower-case hexadecimal digits, the form in which tokens are shown and published. */
export function tokenText(token: Token): string {
  return token.high.toString(16).padStart(8, '0') + token.low.toString(16).padStart(8, '0');
}

/** Whether a ring can be cut into this many partitions: a power of two from 1 to 65,536. */
export function isPartitionCount(count: number): boolean {
  return Number.isInteger(count) && count >= 1 && count <= partitionCountMax && (count & (count - 1)) === 0;
}

/** How many top bits of a token are the number of its partition: 0 to 16. */
export function partitionBits(partitionCount: number): number {
  assert(isPartitionCount(partitionCount), `${partitionCount} partitions is no power of two from 1 to 65536`);
  return 31 - Math.clz32(partitionCount);
}

/** The partition that a token falls in: its top log2(partitionCount) bits. */
export function partitionOf(token: Token, partitionCount: number): PartitionId {
  assert(isPartitionCount(partitionCount), `${partitionCount} partitions is no power of two from 1 to 65536`);
  // A shift by 32 shifts by nothing in JavaScript, so one partition is a case of its own.
  return partitionId(partitionCount === 1 ? 0 : token.high >>> (Math.clz32(partitionCount) + 1));
}

/** Versions of a key: what a write said, and what its writer had seen. */

import type { Value } from './value.ts';

/** The name of one write, given by the replica that coordinated it and never used again. */
export interface Dot {
  /** The random id of the replica's data store, 1 to 2^53 - 1. */
  readonly replica: number;
  readonly epoch: number;
  /** Counts the writes of one key, replica and epoch, from 1. */
  readonly counter: number;
}

interface Written {
  readonly dot: Dot;
  /**
   * What the writer had seen, sorted by (replica, epoch): an entry stands for the counters 1 to its own. Of two versions
   * the one came before the other if the other's clock covers its dot.
   */
  readonly clock: readonly Dot[];
  /** When it was written, by the clock of the coordinating replica. {@link writtenAtMicros} is exact. */
  readonly writtenAt: Date;
  /** Microseconds since 1970, below 2^53. */
  readonly writtenAtMicros: number;
  /** When it stops being served. Undefined: never. */
  readonly expireTime: Date | undefined;
}

/** A version that holds a value. */
export interface ValueVersion extends Written {
  readonly kind: 'value';
  readonly value: Value;
}

/** A delete that raced with other writes, or a value that has expired. */
export interface DeletedVersion extends Written {
  readonly kind: 'deleted';
}

/** One of the concurrent versions ("siblings") of a key. */
export type Version = ValueVersion | DeletedVersion;

/** Order by (replica, epoch, counter), as the server sorts versions: negative, zero or positive. */
export function compareDots(a: Dot, b: Dot): number {
  return a.replica - b.replica || a.epoch - b.epoch || a.counter - b.counter;
}

/** Order by time of writing, then by dot: the greatest is what the store itself takes for the latest. */
export function compareWritten(a: Version, b: Version): number {
  return a.writtenAtMicros - b.writtenAtMicros || compareDots(a.dot, b.dot);
}

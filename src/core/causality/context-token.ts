/**
 * The context that a client gets with every answer and sends back with its next write: opaque to it, and bound to one
 * key of one cluster, because a clock of another key would supersede values that nobody read.
 *
 * Format 1: u8 format, 8 bytes binding, varint latest written-at, the clock, the single dots in the form of a clock, u32
 * CRC-32. The checksum finds damage; it is no signature (see SECURITY.md).
 */

import { ByteReader, ByteWriter, type Crc32, MalformedError, varintLength } from '../binary.ts';
import { equalBytes } from '../bytes.ts';
import { timeMicrosMax } from '../hybrid-clock.ts';
import { type Dot, sameDot } from './dot.ts';
import type { VersionedRecord } from './record.ts';
import { clockLength, readClock, writeClock } from './record-codec.ts';
import { counterOf, covers, descends, emptyClock, type VectorClock, withDot } from './vector-clock.ts';

const format = 1;
const crcLength = 4;
const bindingLength = 8;

/**
 * A token is no signature, so its numbers are bounded where a forged one would leave the store none to go on from: no key is
 * written 2^48 times.
 */
const counterMax = 2 ** 48;

/** Largest token, in bytes: about 300 actors. */
export const contextBytesMax = 4096;

export interface CausalContext {
  readonly clock: VectorClock;
  /**
   * Single dots seen beyond the clock, ascending, at most one an actor. A write's answer must cover the write itself and
   * not its actor's earlier siblings that the writer never read: (actor, 5) in the clock would cover (actor, 4) too.
   */
  readonly dots: readonly Dot[];
  /** Greatest written-at among the versions seen: a last-write-wins write with this context comes after them. */
  readonly writtenAt: number;
}

export const emptyContext: CausalContext = { clock: emptyClock, dots: [], writtenAt: 0 };

/** Everything that the record has seen. Absent keys have a context too: that of nothing. */
export function contextOf(record: VersionedRecord | undefined): CausalContext {
  if (record === undefined) return emptyContext;
  let writtenAt = 0;
  for (const version of record.versions) if (version.writtenAt > writtenAt) writtenAt = version.writtenAt;
  return { clock: record.clock, dots: [], writtenAt };
}

/** What a writer has seen once its write is done: what it had seen before, and this write. */
export function contextAfterWrite(seen: CausalContext, written: Dot, writtenAt: number): CausalContext {
  const latest = Math.max(seen.writtenAt, writtenAt);
  const isNext = counterOf(seen.clock, written) === written.counter - 1;
  if (isNext) return { clock: withDot(seen.clock, written), dots: seen.dots, writtenAt: latest };
  if (covers(seen.clock, written)) return { clock: seen.clock, dots: seen.dots, writtenAt: latest };
  // Of one actor's single dots the latest is enough: a writer that goes on from its own write superseded the one before.
  return { clock: seen.clock, dots: withDot(seen.dots, written), writtenAt: latest };
}

/** True when the writer with this context had seen the write. */
export function contextCovers(context: CausalContext, dot: Dot): boolean {
  return covers(context.clock, dot) || context.dots.some((single) => sameDot(single, dot));
}

/** True when a record with this clock has seen all that the context has. */
export function clockReaches(clock: VectorClock, context: CausalContext): boolean {
  return descends(clock, context.clock) && context.dots.every((single) => covers(clock, single));
}

/** The least clock that covers the context. Says what is known to exist, not what was read. */
export function closureOf(context: CausalContext): VectorClock {
  return context.dots.reduce(withDot, context.clock);
}

/** Length in bytes of the token for `context`. */
export function contextLength(context: CausalContext): number {
  return (
    1 +
    bindingLength +
    varintLength(context.writtenAt) +
    clockLength(context.clock) +
    clockLength(context.dots) +
    crcLength
  );
}

/** `binding`: 8 bytes of a hash over cluster, bucket and key. */
export function encodeContext(context: CausalContext, binding: Uint8Array, crc32: Crc32): Uint8Array {
  const writer = new ByteWriter(contextLength(context));
  writer.u8(format);
  writer.raw(binding);
  writer.varint(context.writtenAt);
  writeClock(writer, context.clock);
  writeClock(writer, context.dots);
  writer.u32(crc32(writer.bytes.subarray(0, writer.length)));
  return writer.bytes;
}

export type DecodedContext =
  | { readonly kind: 'context'; readonly context: CausalContext }
  | { readonly kind: 'invalid'; readonly problem: string };

/** Never throws: a token comes from a client, and what is wrong with it is an answer. */
export function decodeContext(token: Uint8Array, binding: Uint8Array, crc32: Crc32): DecodedContext {
  if (token.length > contextBytesMax) return invalid(`${token.length} bytes (at most ${contextBytesMax})`);
  if (token.length < 1 + bindingLength + 3 + crcLength) return invalid('truncated');
  if (token[0] !== format) return invalid('made by another version of Kindred, or damaged');
  const bodyLength = token.length - crcLength;
  if (crc32(token.subarray(0, bodyLength)) >>> 0 !== new ByteReader(token, bodyLength).u32()) {
    return invalid('damaged: its checksum does not match');
  }
  if (!equalBytes(token.subarray(1, 1 + bindingLength), binding)) {
    return invalid('it belongs to another key, bucket or cluster');
  }
  try {
    const reader = new ByteReader(token, 1 + bindingLength, bodyLength);
    const writtenAt = reader.varint();
    const clock = readClock(reader);
    const dots = readClock(reader);
    if (reader.remaining !== 0) return invalid('damaged: bytes after its end');
    if (writtenAt > timeMicrosMax) return invalid('its time is out of bounds');
    if ([...clock, ...dots].some((entry) => entry.counter > counterMax))
      return invalid('a counter is out of bounds');
    return { kind: 'context', context: { clock, dots, writtenAt } };
  } catch (error) {
    if (error instanceof MalformedError) return invalid(`damaged: ${error.message}`);
    throw error;
  }
}

function invalid(problem: string): DecodedContext {
  return { kind: 'invalid', problem };
}

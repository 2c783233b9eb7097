/**
 * Reads LevelDB's log files (the write-ahead log and the MANIFEST) to judge them before LevelDB opens them. LevelDB drops
 * what it cannot read and opens all the same, as if those writes had never been: acknowledged writes would be forgotten, and
 * older values served, without a word. Format: leveldb doc/log_format.md.
 */

import { crc32c } from './crc32c.ts';

/**
 * `whole`: every byte is accounted for. `torn`: it ends inside an entry and nothing readable follows, as a power failure
 * leaves it. `damaged`: something unreadable stands before something readable.
 */
export interface LogFile {
  readonly state: 'whole' | 'torn' | 'damaged';
  /** The entries before the first unreadable one. */
  readonly entries: readonly Uint8Array[];
}

const blockLength = 32_768;
const headerLength = 7;
const maskDelta = 0xa282ead8;

const full = 1;
const first = 2;
const last = 4;

/** Parses a whole log file. */
export function readLog(bytes: Uint8Array): LogFile {
  const entries: Uint8Array[] = [];
  let fragments: Uint8Array[] | undefined;
  let at = 0;
  while (at < bytes.length) {
    const blockEnd = Math.min(bytes.length, at - (at % blockLength) + blockLength);
    if (blockEnd - at < headerLength) {
      // The rest of a block that has no room for a header is padding; at the end of the file it is a cut-off header.
      if (blockEnd === bytes.length && blockEnd % blockLength !== 0) return { state: 'torn', entries };
      at = blockEnd;
      continue;
    }
    const type = bytes[at + 6] as number;
    const payloadEnd = fragmentEnd(bytes, at, blockEnd);
    const opens = type === full || type === first;
    if (payloadEnd === undefined || opens !== (fragments === undefined))
      return { state: brokenState(bytes, at), entries };
    const payload = bytes.subarray(at + headerLength, payloadEnd);
    if (type === full) entries.push(payload);
    else if (type === first) fragments = [payload];
    else fragments?.push(payload);
    if (type === last) {
      entries.push(concatenate(fragments ?? []));
      fragments = undefined;
    }
    at = payloadEnd;
  }
  return { state: fragments === undefined ? 'whole' : 'torn', entries };
}

/** A LevelDB checksum as it is stored: rotated and shifted, so that sums over data that holds sums stay useful. */
export function maskedCrc32c(bytes: Uint8Array, from: number, to: number): number {
  const crc = crc32c(bytes, from, to);
  return (((crc >>> 15) | (crc << 17)) + maskDelta) >>> 0;
}

/** Where the payload of the fragment at `at` ends, or `undefined` when there is no intact fragment. */
function fragmentEnd(bytes: Uint8Array, at: number, blockEnd: number): number | undefined {
  const type = bytes[at + 6] as number;
  if (type < full || type > last) return undefined;
  const payloadEnd = at + headerLength + ((bytes[at + 4] as number) | ((bytes[at + 5] as number) << 8));
  if (payloadEnd > blockEnd) return undefined;
  const stored = new DataView(bytes.buffer, bytes.byteOffset + at, 4).getUint32(0, true);
  return maskedCrc32c(bytes, at + 6, payloadEnd) === stored ? payloadEnd : undefined;
}

/** Torn if no intact fragment follows the broken one, wherever it might begin: its length may be what is broken. */
function brokenState(bytes: Uint8Array, at: number): 'torn' | 'damaged' {
  for (let probe = at + 1; probe + headerLength <= bytes.length; probe++) {
    const blockEnd = Math.min(bytes.length, probe - (probe % blockLength) + blockLength);
    if (blockEnd - probe >= headerLength && fragmentEnd(bytes, probe, blockEnd) !== undefined)
      return 'damaged';
  }
  return 'torn';
}

function concatenate(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

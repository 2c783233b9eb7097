/**
 * The canonical bytes of a record, on disk and between replicas. Equal records are equal bytes, so a digest of the bytes
 * compares replicas, and repair falls silent (riak_kv#1189 hashed an unordered map, and repaired for ever).
 *
 * Format 1, all of it fixed for ever: a new layout takes a new first byte.
 *
 *     u8 format = 1
 *     varint actors, then each: u64 replica, varint epoch, varint counter       the record's clock, ascending
 *     varint versions, then each, ascending by dot:
 *       varint actor index, varint counter                                      the dot
 *       u8 flags                                                                1 deletion, 2 request id, 4 expiry
 *       varint entries, then each: varint actor index, varint counter           the version's clock
 *       varint written-at, [16 bytes request id], [varint expires-at]
 *       [varint length, value]                                                  absent for a deletion
 *     u32 CRC-32 of everything before it
 */

import { ByteReader, ByteWriter, type Crc32, MalformedError, varintLength } from '../binary.ts';
import type { ReplicaId } from '../identity.ts';
import { compareActors, compareDots, type Dot } from './dot.ts';
import type { Version, VersionedRecord } from './record.ts';
import type { VectorClock } from './vector-clock.ts';

const format = 1;
const crcLength = 4;
const requestIdLength = 16;
const flagDeletion = 1;
const flagRequestId = 2;
const flagExpiry = 4;

/** Counters above this are refused on the way in, so that `counter + 1` always stays an exact integer. */
const counterMax = 2 ** 52;
const epochMax = 0xffff_ffff;
/** More actors or versions than any record within its size limit can need: a decoder bound, not a policy. */
const actorsMax = 100_000;
const versionsMax = 100_000;

export function encodeRecord(record: VersionedRecord, crc32: Crc32): Uint8Array {
  const { clock, versions } = record;
  const writer = new ByteWriter(encodedLength(record));
  writer.u8(format);
  writeClock(writer, clock);
  writer.varint(versions.length);
  for (const version of versions) writeVersion(writer, clock, version);
  const body = writer.bytes.subarray(0, writer.length);
  writer.u32(crc32(body));
  return writer.bytes;
}

/** Decodes and checks everything: format, checksum, order, I1. Values alias `bytes`. Throws MalformedError. */
export function decodeRecord(bytes: Uint8Array, crc32: Crc32): VersionedRecord {
  const reader = openChecked(bytes, crc32);
  const clock = readClock(reader);
  const count = reader.varint();
  if (count > versionsMax) throw new MalformedError(`record of ${count} versions`);
  const versions: Version[] = [];
  for (let i = 0; i < count; i++) {
    const version = readVersion(reader, clock);
    const previous = versions[i - 1];
    if (previous !== undefined && compareDots(previous.dot, version.dot) >= 0) {
      throw new MalformedError('versions out of order');
    }
    versions.push(version);
  }
  if (reader.remaining !== 0) throw new MalformedError('bytes after the last version');
  return { clock, versions };
}

/** Only the clock of an encoded record, for those who store it without looking further. Checks the checksum. */
export function decodeRecordClock(bytes: Uint8Array, crc32: Crc32): VectorClock {
  return readClock(openChecked(bytes, crc32));
}

/** Exact length of `encodeRecord(record)` in bytes. */
export function encodedLength(record: VersionedRecord): number {
  const { clock, versions } = record;
  let length = 1 + crcLength + varintLength(clock.length) + varintLength(versions.length);
  for (const entry of clock) length += 8 + varintLength(entry.epoch) + varintLength(entry.counter);
  for (const version of versions) {
    length += varintLength(indexOf(clock, version.dot)) + varintLength(version.dot.counter) + 1;
    length += varintLength(version.clock.length);
    for (const entry of version.clock) {
      length += varintLength(indexOf(clock, entry)) + varintLength(entry.counter);
    }
    length += varintLength(version.writtenAt);
    if (version.requestId !== undefined) length += requestIdLength;
    if (version.expiresAt !== undefined) length += varintLength(version.expiresAt);
    if (version.value !== undefined) length += varintLength(version.value.length) + version.value.length;
  }
  return length;
}

export function clockLength(clock: VectorClock): number {
  let length = varintLength(clock.length);
  for (const entry of clock) length += 8 + varintLength(entry.epoch) + varintLength(entry.counter);
  return length;
}

export function writeClock(writer: ByteWriter, clock: VectorClock): void {
  writer.varint(clock.length);
  for (const entry of clock) {
    writer.u64(entry.replica);
    writer.varint(entry.epoch);
    writer.varint(entry.counter);
  }
}

/** Throws MalformedError unless the entries are in ascending order of actors and within their bounds. */
export function readClock(reader: ByteReader): VectorClock {
  const count = reader.varint();
  if (count > actorsMax) throw new MalformedError(`clock of ${count} entries`);
  const clock: Dot[] = [];
  for (let i = 0; i < count; i++) {
    const entry = {
      replica: reader.u53() as ReplicaId,
      epoch: reader.varint(),
      counter: reader.varint(),
    };
    if (entry.replica === 0 || entry.epoch === 0 || entry.epoch > epochMax)
      throw new MalformedError('no such actor');
    if (entry.counter === 0 || entry.counter > counterMax) throw new MalformedError('counter out of bounds');
    const previous = clock[i - 1];
    if (previous !== undefined && compareActors(previous, entry) >= 0) {
      throw new MalformedError('clock out of order');
    }
    clock.push(entry);
  }
  return clock;
}

function openChecked(bytes: Uint8Array, crc32: Crc32): ByteReader {
  const bodyLength = bytes.length - crcLength;
  if (bodyLength < 3) throw new MalformedError('truncated');
  if (bytes[0] !== format)
    throw new MalformedError(`record format ${bytes[0]} (this version reads ${format})`);
  const stored = new ByteReader(bytes, bodyLength).u32();
  if (crc32(bytes.subarray(0, bodyLength)) >>> 0 !== stored)
    throw new MalformedError('checksum does not match');
  return new ByteReader(bytes, 1, bodyLength);
}

function writeVersion(writer: ByteWriter, clock: VectorClock, version: Version): void {
  const { value, requestId, expiresAt } = version;
  writer.varint(indexOf(clock, version.dot));
  writer.varint(version.dot.counter);
  writer.u8(
    (value === undefined ? flagDeletion : 0) |
      (requestId === undefined ? 0 : flagRequestId) |
      (expiresAt === undefined ? 0 : flagExpiry),
  );
  writer.varint(version.clock.length);
  for (const entry of version.clock) {
    writer.varint(indexOf(clock, entry));
    writer.varint(entry.counter);
  }
  writer.varint(version.writtenAt);
  if (requestId !== undefined) writer.raw(requestId);
  if (expiresAt !== undefined) writer.varint(expiresAt);
  if (value !== undefined) {
    writer.varint(value.length);
    writer.raw(value);
  }
}

function readVersion(reader: ByteReader, clock: VectorClock): Version {
  const dot = readEntry(reader, clock);
  const flags = reader.u8();
  if (flags > (flagDeletion | flagRequestId | flagExpiry)) throw new MalformedError(`version flags ${flags}`);
  const seen = readVersionClock(reader, clock);
  const writtenAt = reader.varint();
  const requestId = flags & flagRequestId ? reader.view(requestIdLength) : undefined;
  const expiresAt = flags & flagExpiry ? reader.varint() : undefined;
  const value = flags & flagDeletion ? undefined : reader.view(reader.varint());
  return { dot, clock: seen, value, writtenAt, expiresAt, requestId };
}

function readVersionClock(reader: ByteReader, clock: VectorClock): VectorClock {
  const count = reader.varint();
  if (count > clock.length) throw new MalformedError('version knows more actors than its record');
  const entries: Dot[] = [];
  for (let i = 0; i < count; i++) {
    const entry = readEntry(reader, clock);
    const previous = entries[i - 1];
    if (previous !== undefined && compareActors(previous, entry) >= 0) {
      throw new MalformedError('version clock out of order');
    }
    entries.push(entry);
  }
  return entries;
}

/** A dot by the index of its actor in the record's clock, which must cover it (I1). */
function readEntry(reader: ByteReader, clock: VectorClock): Dot {
  const known = clock[reader.varint()];
  const counter = reader.varint();
  if (known === undefined || counter === 0 || counter > known.counter) {
    throw new MalformedError('a dot that the clock does not cover');
  }
  return counter === known.counter ? known : { replica: known.replica, epoch: known.epoch, counter };
}

function indexOf(clock: VectorClock, dot: Dot): number {
  for (let i = 0; i < clock.length; i++) {
    const entry = clock[i] as Dot;
    if (entry.replica === dot.replica && entry.epoch === dot.epoch) return i;
  }
  throw new Error('assertion failed: the record clock covers every dot in it (I1)');
}

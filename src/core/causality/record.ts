/**
 * The record of a key: its concurrent versions (siblings) and the clock of all that it has seen. Dotted version vector
 * sets (Almeida, Baquero, Goncalves, Preguica, Fonte, "Scalable and Accurate Causality Tracking", 2014) with explicit dots.
 *
 * I1: every version's dot and clock are covered by the record's clock. I2: a dot names one write, for ever.
 * I3: a dot that the clock covers and that no version carries was superseded.
 *
 * `mergeRecords` is commutative and idempotent, and its result descends both arguments: replicas that keep exchanging end
 * equal. It is associative too, but for retries of one request: a retry that arrives after its twin was superseded stays,
 * and one that arrived before is dropped with it. Replicas exchange whole records, never bare versions: a
 * version without its record leaves holes in the clock, and a hole silently discards a value (I3).
 */

import type { ConflictPolicy } from '../bucket.ts';
import { equalBytes } from '../bytes.ts';
import { compareDots, type Dot, sameDot } from './dot.ts';
import { covers, joinClocks, type VectorClock, withDot } from './vector-clock.ts';

export interface Version {
  /** This write. */
  readonly dot: Dot;
  /**
   * What the writer had seen: its context, without this write. X came before Y iff Y's clock covers X's dot. The dot stays
   * outside, because (actor, 5) inside a clock would claim to have seen (actor, 4), which may be a sibling.
   */
  readonly clock: VectorClock;
  /** The value as the shell encoded it, opaque here. `undefined`: a deletion. */
  readonly value: Uint8Array | undefined;
  /** Hybrid clock, microseconds since 1970. Orders nothing but last-write-wins buckets. */
  readonly writtenAt: number;
  /** Microseconds since 1970. Past it the version reads as a deletion with the same dot; the bytes do not change. */
  readonly expiresAt: number | undefined;
  /** 16 bytes chosen by the client, the same for every retry of one write. */
  readonly requestId: Uint8Array | undefined;
}

export interface VersionedRecord {
  /** The join of all that was ever seen of this key. */
  readonly clock: VectorClock;
  /** Ascending by dot. */
  readonly versions: readonly Version[];
}

/** What both replicas hold, together. Returns one of the arguments where it is the answer already. */
export function mergeRecords(
  a: VersionedRecord,
  b: VersionedRecord,
  policy: ConflictPolicy,
): VersionedRecord {
  if (a === b) return a;
  const clock = joinClocks(a.clock, b.clock);
  const versions =
    policy === 'last-write-wins'
      ? lastWritten([...a.versions, ...b.versions])
      : collapseRetries(survivors(a, b));
  if (clock === a.clock && sameVersions(versions, a.versions)) return a;
  if (sameClock(clock, b.clock) && sameVersions(versions, b.versions)) return b;
  return { clock, versions };
}

/** The record after a write: `version` supersedes exactly what its writer had seen, and joins the rest. */
export function addVersion(
  local: VersionedRecord | undefined,
  version: Version,
  hasSeen: (dot: Dot) => boolean,
  policy: ConflictPolicy,
): VersionedRecord {
  const known = local === undefined ? version.clock : joinClocks(local.clock, version.clock);
  const kept = local === undefined ? [] : local.versions.filter((held) => !hasSeen(held.dot));
  const all = [...kept, version];
  const versions = policy === 'last-write-wins' ? lastWritten(all) : collapseRetries(sortByDot(all));
  return { clock: withDot(known, version.dot), versions };
}

/** True when the version is a value at time `nowMicros`: neither a deletion nor expired. */
export function isLive(version: Version, nowMicros: number): boolean {
  return version.value !== undefined && (version.expiresAt === undefined || version.expiresAt > nowMicros);
}

/** Order of last-write-wins: written-at, then the dot. Total, because dots are unique. */
export function compareWritten(a: Version, b: Version): number {
  return a.writtenAt - b.writtenAt || compareDots(a.dot, b.dot);
}

/** The version that carries this request id, if the record holds it. */
export function versionOfRequest(record: VersionedRecord, requestId: Uint8Array): Version | undefined {
  return record.versions.find(
    (version) => version.requestId !== undefined && equalBytes(version.requestId, requestId),
  );
}

/**
 * The versions that a reader is shown, and counts: of one request the smallest dot, whatever its retries had seen. The
 * record's clock covers those left out, so that a write with the reader's context supersedes them too.
 */
export function distinctVersions(record: VersionedRecord): readonly Version[] {
  const { versions } = record;
  if (versions.length < 2) return versions;
  return versions.filter((version, index) => {
    for (let i = 0; i < index; i++) if (sameRequest(versions[i] as Version, version)) return false;
    return true;
  });
}

/**
 * How many versions a reader is shown beside and with a write: more than one, and writes raced. 0, not known, when the
 * record does not hold the write any more: what superseded it is no news of its race.
 */
export function versionsBeside(record: VersionedRecord, written: Dot): number {
  if (!record.versions.some((version) => sameDot(version.dot, written))) return 0;
  return distinctVersions(record).length;
}

/** Versions of each side that the other also holds or has not seen. */
function survivors(a: VersionedRecord, b: VersionedRecord): Version[] {
  const kept = a.versions.filter((version) => holds(b, version.dot) || !covers(b.clock, version.dot));
  for (const version of b.versions) {
    if (!holds(a, version.dot) && !covers(a.clock, version.dot)) kept.push(version);
  }
  return sortByDot(kept);
}

/**
 * Of retries that had seen the same only the smallest dot stays. The smallest, and not the first seen: every replica that
 * holds any two of them then drops the same one, so no two replicas can each drop the other's copy.
 *
 * Retries that had not seen the same (blind overwrites, each of what its replica held) must both stay: the first may be
 * superseded by a write that the second supersedes. With two such requests, dropping either way round ends with nothing.
 */
function collapseRetries(sorted: Version[]): readonly Version[] {
  if (sorted.length < 2) return sorted;
  return sorted.filter((version, index) => {
    for (let i = 0; i < index; i++) {
      const earlier = sorted[i] as Version;
      if (sameRequest(earlier, version) && sameClock(earlier.clock, version.clock)) return false;
    }
    return true;
  });
}

/**
 * The greatest of all versions, whatever the clocks say: a maximum is associative, and causal removal mixed with it would
 * not be (the later write may carry the smaller time when its coordinator had not seen the other).
 */
function lastWritten(versions: readonly Version[]): readonly Version[] {
  let last = versions[0];
  for (const version of versions) if (compareWritten(version, last as Version) > 0) last = version;
  return last === undefined ? [] : [last];
}

function sameRequest(a: Version, b: Version): boolean {
  return a.requestId !== undefined && b.requestId !== undefined && equalBytes(a.requestId, b.requestId);
}

function holds(record: VersionedRecord, dot: Dot): boolean {
  return record.versions.some((version) => sameDot(version.dot, dot));
}

function sortByDot(versions: Version[]): Version[] {
  return versions.sort((a, b) => compareDots(a.dot, b.dot));
}

function sameVersions(a: readonly Version[], b: readonly Version[]): boolean {
  return (
    a.length === b.length && a.every((version, index) => sameDot(version.dot, (b[index] as Version).dot))
  );
}

function sameClock(a: VectorClock, b: VectorClock): boolean {
  return a.length === b.length && a.every((dot, index) => sameDot(dot, b[index] as Dot));
}

/** True when two versions would write the same: the test that a retry is a retry and not another write under one id. */
export function sameBody(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return equalBytes(a, b);
}

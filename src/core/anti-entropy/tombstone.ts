/**
 * When the record of a deleted key may be forgotten. Forgotten too early, an old value that some replica, message or hint
 * still has would be live again, because nothing is left that had superseded it (Dynamo section 4.7 leaves it open; riak_kv
 * and Cassandra trust clocks and operators). Expired values are the same thing: they read as deletions.
 *
 * Four words, each implying the one before it, but for `aged`, which the clock alone decides:
 * - perishable: all versions are deletions or carry an expiry. Only such records are ever collected.
 * - aged: dead for longer than the grace by the hybrid clock. Says nothing about the other replicas.
 * - confirmed: compared with every other home since it arrived here, so that all hold it. Aged and confirmed, it is left out
 *   of listings: replicas that have collected it and those that have not do not repair each other.
 * - collectable: and a grace of running time has passed since (peer-comparisons.ts), so that no message or hint from before is
 *   still on its way, and the stores compared with are fenced. It is answered as absent.
 * - deletable: and a while longer, so that the other homes answer absent too before the first one deletes.
 *
 * Times: `...Micros` are the hybrid clock's, `...Ms` running time of this store (running-time.ts).
 */

import { ByteReader } from '../binary.ts';
import type { VersionedRecord } from '../causality/record.ts';

/** When a record died, and for how long it was to live. */
export interface Death {
  /** Since when all its versions read as deletions; perhaps in the future. 0: it has no version at all. */
  readonly deadSinceMicros: number;
  /** The longest time to live among its versions. 0: only deletions. */
  readonly ttlMicros: number;
}

/** The death of a record, or `undefined` when a version of it lives for ever. */
export function deathOf({ versions }: Pick<VersionedRecord, 'versions'>): Death | undefined {
  let deadSinceMicros = 0;
  let ttlMicros = 0;
  for (const { value, writtenAt, expiresAt } of versions) {
    if (value !== undefined && expiresAt === undefined) return undefined;
    // A deletion that carries an expiry is dead from the beginning.
    const died = value === undefined ? writtenAt : (expiresAt as number);
    if (died > deadSinceMicros) deadSinceMicros = died;
    if (died - writtenAt > ttlMicros) ttlMicros = died - writtenAt;
  }
  return { deadSinceMicros, ttlMicros };
}

/**
 * `deathOf` of an encoded record (record-codec.ts, format 1) without decoding it: every read asks. The bytes must have passed
 * their checksum; what does not parse is not perishable, and whoever decodes it finds it damaged. Throws MalformedError.
 */
export function deathOfEncoded(bytes: Uint8Array): Death | undefined {
  const reader = new ByteReader(bytes);
  if (reader.u8() !== encodedFormat) return undefined;
  for (let left = reader.varint(); left > 0; left--) {
    reader.view(8);
    reader.varint();
    reader.varint();
  }
  let deadSinceMicros = 0;
  let ttlMicros = 0;
  for (let left = reader.varint(); left > 0; left--) {
    reader.varint();
    reader.varint();
    const flags = reader.u8();
    const isDeletion = (flags & flagDeletion) !== 0;
    if (!isDeletion && (flags & flagExpiry) === 0) return undefined;
    for (let entries = reader.varint(); entries > 0; entries--) {
      reader.varint();
      reader.varint();
    }
    const writtenAt = reader.varint();
    if (flags & flagRequestId) reader.view(requestIdLength);
    const expiresAt = flags & flagExpiry ? reader.varint() : writtenAt;
    if (!isDeletion) reader.view(reader.varint());
    const died = isDeletion ? writtenAt : expiresAt;
    if (died > deadSinceMicros) deadSinceMicros = died;
    if (died - writtenAt > ttlMicros) ttlMicros = died - writtenAt;
  }
  return { deadSinceMicros, ttlMicros };
}

/** As in record-codec.ts, where they may not change. */
const encodedFormat = 1;
const flagDeletion = 1;
const flagRequestId = 2;
const flagExpiry = 4;
const requestIdLength = 16;

/** What an index entry and the comparisons say of one tombstone. */
export interface TombstoneTimes {
  /** Since when the record is here as it is. `undefined`: not known, and then it is as if it had just come. */
  readonly arrivedAtMs: number | undefined;
  /** Begun after it: all that was here then has since reached every other home. `undefined`: some home was never compared with. */
  readonly confirmedBeforeMs: number | undefined;
  /** And a grace has passed since, and the fence stands. */
  readonly collectableBeforeMs: number | undefined;
  /** And a while longer. */
  readonly deletableBeforeMs: number | undefined;
}

export interface TombstoneRules {
  readonly graceMs: number;
  /** The hybrid clock. */
  readonly nowMicros: number;
  /** Running time of this store. */
  readonly nowMs: number;
}

const microsPerMs = 1_000;

/** Dead for longer than the grace, by the clock. */
export function isAged({ deadSinceMicros }: Death, { graceMs, nowMicros }: TombstoneRules): boolean {
  return nowMicros - deadSinceMicros > graceMs * microsPerMs;
}

/** Aged, and every other home holds it, or has collected it: no replica has to be sent it. */
export function isSettled(death: Death, times: TombstoneTimes, rules: TombstoneRules): boolean {
  return isAged(death, rules) && isBefore(times.arrivedAtMs, times.confirmedBeforeMs);
}

/** Nothing older than it is anywhere, nor can come: it may be answered as absent. */
export function isCollectable(death: Death, times: TombstoneTimes, rules: TombstoneRules): boolean {
  return hasPassed(death, times, times.collectableBeforeMs, rules);
}

/** The other homes have had time to find it collectable: it may be deleted. */
export function isDeletable(death: Death, times: TombstoneTimes, rules: TombstoneRules): boolean {
  return hasPassed(death, times, times.deletableBeforeMs, rules);
}

function hasPassed(
  death: Death,
  times: TombstoneTimes,
  beforeMs: number | undefined,
  rules: TombstoneRules,
): boolean {
  if (!isAged(death, rules) || !isBefore(times.arrivedAtMs, beforeMs)) return false;
  // The clock says that it has expired; a clock may be wrong by years. This store's own running time must say so as well.
  const livedMs = rules.nowMs - (times.arrivedAtMs as number);
  return livedMs >= death.ttlMicros / microsPerMs + rules.graceMs;
}

/** Strictly: what arrived in the same moment may have come after the first hash was read. */
function isBefore(arrivedAtMs: number | undefined, beforeMs: number | undefined): boolean {
  return arrivedAtMs !== undefined && beforeMs !== undefined && arrivedAtMs < beforeMs;
}

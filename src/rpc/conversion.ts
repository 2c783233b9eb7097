/**
 * Between the messages of the client API and the store's own values, once each way. The coordinator's services call this
 * at the door; nothing behind them knows protobuf, but for the value, which stays the encoded `kindred.v1.Value`.
 */

import { crc32 } from 'node:zlib';
import { ByteWriter, varintLength } from '../core/binary.ts';
import type { BlindWrite, Bucket, Durability, Handoff } from '../core/bucket.ts';
import {
  type CausalContext,
  contextOf,
  decodeContext,
  encodeContext,
} from '../core/causality/context-token.ts';
import type { Causality, Expiry } from '../core/causality/coordinated-write.ts';
import type { Dot } from '../core/causality/dot.ts';
import {
  compareWritten,
  distinctVersions,
  isLive,
  type Version,
  type VersionedRecord,
} from '../core/causality/record.ts';
import type { VectorClock } from '../core/causality/vector-clock.ts';
import { OperationError } from '../core/coordinator/failure.ts';
import { type ConsistencyLevel, requirementOf, type Strength } from '../core/quorum/consistency-level.ts';
import { digest64 } from '../env/xxhash.ts';
import type { Duration } from '../gen/google/protobuf/duration.ts';
import type { Timestamp } from '../gen/google/protobuf/timestamp.ts';
import { type GetResponse, GetResponse_State } from '../gen/kindred/v1/kv.ts';
import {
  Value,
  BlindWrite as WireBlindWrite,
  ConflictMode as WireConflictMode,
  type Dot as WireDot,
  Durability as WireDurability,
  Handoff as WireHandoff,
  ConsistencyLevel as WireLevel,
  type VectorClock as WireVectorClock,
  type Version as WireVersion,
} from '../gen/kindred/v1/types.ts';
import { encodeMessage, finish, takeWriter } from './encode-message.ts';
import { checkContextLength, checkExpireTime, checkTtl, fallbackLevelsMax, invalid } from './limits.ts';

// ---- values --------------------------------------------------------------------------------

/** The stored form of a value: its message with the metadata sorted by name, so that equal values are equal bytes. */
export function encodeValue(value: Value): Uint8Array {
  const names = Object.keys(value.metadata);
  if (names.length === 0 && value.contentType === '') return encodeData(value.data);
  if (names.length < 2) return encodeMessage(Value, value);
  const writer = takeWriter();
  if (value.data.length > 0) writer.uint32(10).bytes(value.data);
  if (value.contentType !== '') writer.uint32(18).string(value.contentType);
  for (const name of names.sort(compareText)) {
    writer.uint32(26).fork();
    writer.uint32(10).string(name);
    writer.uint32(18).string(value.metadata[name] as string);
    writer.join();
  }
  return finish(writer);
}

/** A value that is nothing but data, in one copy. */
function encodeData(data: Uint8Array): Uint8Array {
  const { length } = data;
  if (length === 0) return noBytes;
  const writer = new ByteWriter(1 + varintLength(length) + length);
  writer.u8(10);
  writer.varint(length);
  writer.raw(data);
  return writer.bytes;
}

/** By UTF-16 code unit: the same on every machine, whatever its locale. */
function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

// ---- names, clocks, times ------------------------------------------------------------------

export function dotMessage(dot: Dot): WireDot {
  return { replica: dot.replica, epoch: dot.epoch, counter: dot.counter };
}

export function clockMessage(clock: VectorClock): WireVectorClock {
  return { entries: clock.map(dotMessage) };
}

export function timestampOf(micros: number): Timestamp {
  const seconds = Math.floor(micros / 1_000_000);
  return { seconds, nanos: (micros - seconds * 1_000_000) * 1000 };
}

export function durationOfMs(ms: number): Duration {
  const seconds = Math.trunc(ms / 1000);
  return { seconds, nanos: Math.round((ms - seconds * 1000) * 1_000_000) };
}

const nanosMax = 999_999_999;

/** Microseconds, rounded up so that a positive span stays positive. */
export function microsOfDuration(duration: Duration, field: string): number {
  const { seconds, nanos } = duration;
  if (Math.abs(nanos) > nanosMax || (seconds > 0 && nanos < 0) || (seconds < 0 && nanos > 0)) {
    throw invalid(field, 'is no duration: nanos must be below a second and of the sign of seconds');
  }
  return seconds * 1_000_000 + Math.ceil(nanos / 1000);
}

/** Microseconds since 1970. */
export function microsOfTimestamp(timestamp: Timestamp, field: string): number {
  const { seconds, nanos } = timestamp;
  if (nanos < 0 || nanos > nanosMax) throw invalid(field, 'is no timestamp: nanos must be 0 to 999,999,999');
  return seconds * 1_000_000 + Math.floor(nanos / 1000);
}

type WireExpiry =
  | { readonly $case: 'ttl'; readonly value: Duration }
  | { readonly $case: 'expireTime'; readonly value: Timestamp }
  | { readonly $case: 'keepExpiry' | 'never'; readonly value: boolean }
  | undefined;

/** The expiry of a put: what it says, or the bucket's default. A span becomes a time here, once. */
export function expiryOf(wire: WireExpiry, bucket: Bucket, nowMicros: number): Expiry {
  if (wire === undefined) {
    if (bucket.ttlMs === undefined) return { kind: 'never' };
    return { kind: 'at', micros: nowMicros + bucket.ttlMs * 1000 };
  }
  switch (wire.$case) {
    case 'ttl': {
      const micros = microsOfDuration(wire.value, 'ttl');
      checkTtl(micros, 'ttl');
      return { kind: 'at', micros: nowMicros + micros };
    }
    case 'expireTime': {
      const micros = microsOfTimestamp(wire.value, 'expire_time');
      checkExpireTime(micros, nowMicros, 'expire_time');
      return { kind: 'at', micros };
    }
    case 'keepExpiry':
      if (!wire.value) throw invalid('keep_expiry', 'must be true when set; leave it out instead');
      return { kind: 'keep' };
    case 'never':
      if (!wire.value) throw invalid('never', 'must be true when set; leave it out instead');
      return { kind: 'never' };
  }
}

// ---- levels and choices --------------------------------------------------------------------

const levels: readonly (ConsistencyLevel | undefined)[] = [
  undefined,
  'any',
  'one',
  'two',
  'three',
  'quorum',
  'all',
  'local-one',
  'local-quorum',
  'each-quorum',
];

/** `undefined` for UNSPECIFIED. */
export function levelOf(wire: number, field: string): ConsistencyLevel | undefined {
  if (wire === 0) return undefined;
  const level = levels[wire];
  if (level === undefined) throw unknownChoice(field, 'consistency level');
  return level;
}

export function levelMessage(level: ConsistencyLevel): WireLevel {
  return levels.indexOf(level) as WireLevel;
}

/** An explicit number of replicas has no name. */
export function achievedMessage(strength: Strength): WireLevel {
  return strength.kind === 'level' ? levelMessage(strength.level) : WireLevel.CONSISTENCY_LEVEL_UNSPECIFIED;
}

const levelTexts: Readonly<Record<ConsistencyLevel, string>> = {
  any: 'ANY',
  one: 'ONE',
  two: 'TWO',
  three: 'THREE',
  quorum: 'QUORUM',
  all: 'ALL',
  'local-one': 'LOCAL_ONE',
  'local-quorum': 'LOCAL_QUORUM',
  'each-quorum': 'EACH_QUORUM',
};

/** `QUORUM`, or `2` for an explicit number: the `level` label of metrics and logs. */
export function strengthText(strength: Strength): string {
  return strength.kind === 'level' ? levelTexts[strength.level] : String(strength.count);
}

type WireStrength =
  | { readonly $case: 'consistency'; readonly value: WireLevel }
  | { readonly $case: 'replicas'; readonly value: number }
  | undefined;

const strengthOfLevel: Readonly<Record<ConsistencyLevel, Strength>> = {
  any: { kind: 'level', level: 'any' },
  one: { kind: 'level', level: 'one' },
  two: { kind: 'level', level: 'two' },
  three: { kind: 'level', level: 'three' },
  quorum: { kind: 'level', level: 'quorum' },
  all: { kind: 'level', level: 'all' },
  'local-one': { kind: 'level', level: 'local-one' },
  'local-quorum': { kind: 'level', level: 'local-quorum' },
  'each-quorum': { kind: 'level', level: 'each-quorum' },
};

/** The strength of a request: what it says, or the bucket's default. Refused when N replicas cannot give it. */
export function strengthOf(wire: WireStrength, bucket: Bucket, operation: 'read' | 'write'): Strength {
  let strength: Strength;
  let field = 'options.consistency';
  if (wire?.$case === 'replicas') {
    field = 'options.replicas';
    strength = { kind: 'replicas', count: wire.value };
  } else {
    const level = wire === undefined ? undefined : levelOf(wire.value, field);
    strength = strengthOfLevel[level ?? (operation === 'read' ? bucket.readLevel : bucket.writeLevel)];
  }
  const requirement = requirementOf(strength, bucket.replication, operation);
  if (requirement.kind === 'invalid') throw invalid(field, requirement.problem);
  return strength;
}

const noFallback: readonly ConsistencyLevel[] = [];

/** The weaker levels that a read accepts. None may ask for more replicas than the one before it. */
export function fallbackOf(
  wire: readonly WireLevel[],
  strength: Strength,
  bucket: Bucket,
): readonly ConsistencyLevel[] {
  if (wire.length === 0) return noFallback;
  const field = 'options.fallback';
  if (wire.length > fallbackLevelsMax) {
    throw invalid(field, `has ${wire.length} levels; the limit is ${fallbackLevelsMax}`);
  }
  let before = answersOf(strength, bucket, field);
  return wire.map((value, index) => {
    const level = levelOf(value, field);
    if (level === undefined) throw invalid(field, `[${index}] is UNSPECIFIED: name a level`);
    const answers = answersOf(strengthOfLevel[level], bucket, field);
    if (answers > before) {
      throw invalid(
        field,
        `[${index}] needs ${answers} replicas, more than the ${before} of the level before it: list weaker levels only`,
      );
    }
    before = answers;
    return level;
  });
}

function answersOf(strength: Strength, bucket: Bucket, field: string): number {
  const requirement = requirementOf(strength, bucket.replication, 'read');
  if (requirement.kind === 'invalid') throw invalid(field, requirement.problem);
  return requirement.answers;
}

export function durabilityOf(wire: WireDurability, bucket: Bucket): Durability {
  switch (wire) {
    case WireDurability.DURABILITY_UNSPECIFIED:
      return bucket.durability;
    case WireDurability.DURABILITY_BUFFERED:
      return 'buffered';
    case WireDurability.DURABILITY_SYNC_ONE:
      return 'sync-one';
    case WireDurability.DURABILITY_SYNC_QUORUM:
      return 'sync-quorum';
    default:
      throw unknownChoice('options.durability', 'durability');
  }
}

export function durabilityMessage(durability: Durability): WireDurability {
  switch (durability) {
    case 'buffered':
      return WireDurability.DURABILITY_BUFFERED;
    case 'sync-one':
      return WireDurability.DURABILITY_SYNC_ONE;
    case 'sync-quorum':
      return WireDurability.DURABILITY_SYNC_QUORUM;
  }
}

export function handoffOf(wire: WireHandoff, bucket: Bucket): Handoff {
  switch (wire) {
    case WireHandoff.HANDOFF_UNSPECIFIED:
      return bucket.handoff;
    case WireHandoff.HANDOFF_STRICT:
      return 'strict';
    case WireHandoff.HANDOFF_SLOPPY:
      return 'sloppy';
    default:
      throw unknownChoice('options.handoff', 'hand-off');
  }
}

export function handoffMessage(handoff: Handoff): WireHandoff {
  return handoff === 'sloppy' ? WireHandoff.HANDOFF_SLOPPY : WireHandoff.HANDOFF_STRICT;
}

export function blindWriteOf(wire: WireBlindWrite, bucket: Bucket): BlindWrite {
  switch (wire) {
    case WireBlindWrite.BLIND_WRITE_UNSPECIFIED:
      return bucket.blindWrite;
    case WireBlindWrite.BLIND_WRITE_OVERWRITE:
      return 'overwrite';
    case WireBlindWrite.BLIND_WRITE_ADD_SIBLING:
      return 'add-sibling';
    case WireBlindWrite.BLIND_WRITE_REJECT:
      return 'reject';
    default:
      throw unknownChoice('blind', 'blind write');
  }
}

export function blindWriteMessage(mode: BlindWrite): WireBlindWrite {
  switch (mode) {
    case 'overwrite':
      return WireBlindWrite.BLIND_WRITE_OVERWRITE;
    case 'add-sibling':
      return WireBlindWrite.BLIND_WRITE_ADD_SIBLING;
    case 'reject':
      return WireBlindWrite.BLIND_WRITE_REJECT;
  }
}

export type ConflictMode = 'return-all' | 'pick-latest' | 'fail';

export function conflictModeOf(wire: WireConflictMode): ConflictMode {
  switch (wire) {
    case WireConflictMode.CONFLICT_MODE_UNSPECIFIED:
    case WireConflictMode.CONFLICT_MODE_RETURN_ALL:
      return 'return-all';
    case WireConflictMode.CONFLICT_MODE_PICK_LATEST:
      return 'pick-latest';
    case WireConflictMode.CONFLICT_MODE_FAIL:
      return 'fail';
    default:
      throw unknownChoice('options.on_conflict', 'conflict mode');
  }
}

function unknownChoice(field: string, what: string): OperationError {
  return invalid(field, `is no ${what} that this server knows: see the proto file`);
}

// ---- contexts ------------------------------------------------------------------------------

/** Context tokens of one cluster. Each is bound to its key by eight bytes of xxh64 over cluster id, zero byte, record key. */
export class ContextTokens {
  readonly #prefix: Buffer;

  constructor(clusterId: string) {
    this.#prefix = Buffer.from(`${clusterId}\0`, 'utf8');
  }

  encode(context: CausalContext, recordKey: Uint8Array): Uint8Array {
    return encodeContext(context, this.#binding(recordKey), crc32);
  }

  /** Throws `context-invalid` with the reason. An empty token: `undefined`, as if there were none. */
  decode(token: Uint8Array, recordKey: Uint8Array, field: string): CausalContext | undefined {
    if (token.length === 0) return undefined;
    checkContextLength(token, field);
    const decoded = decodeContext(token, this.#binding(recordKey), crc32);
    if (decoded.kind === 'context') return decoded.context;
    throw invalid(
      field,
      `is not a context of this key: ${decoded.problem}. Use one from an answer about this very key`,
      'context-invalid',
    );
  }

  #binding(recordKey: Uint8Array): Uint8Array {
    const bound = Buffer.allocUnsafe(this.#prefix.length + recordKey.length);
    bound.set(this.#prefix);
    bound.set(recordKey, this.#prefix.length);
    return digest64(bound);
  }
}

type WireCausality =
  | { readonly $case: 'context'; readonly value: Uint8Array }
  | { readonly $case: 'blind'; readonly value: WireBlindWrite }
  | undefined;

/** What a put or a delete supersedes. An empty context is as if unset. */
export function causalityOf(
  wire: WireCausality,
  bucket: Bucket,
  recordKey: Uint8Array,
  tokens: ContextTokens,
): Causality {
  if (wire?.$case === 'context') {
    const context = tokens.decode(wire.value, recordKey, 'context');
    if (context !== undefined) return { kind: 'context', context, exact: false };
  }
  const mode = wire?.$case === 'blind' ? blindWriteOf(wire.value, bucket) : bucket.blindWrite;
  return { kind: 'blind', mode };
}

// ---- answers -------------------------------------------------------------------------------

/** One version as clients see it. Expired ones show as the deletions that they are. */
export function versionMessage(version: Version, nowMicros: number, omitData: boolean): WireVersion {
  const { value, expiresAt } = version;
  let body: WireVersion['body'];
  if (value === undefined || !isLive(version, nowMicros)) body = { $case: 'deleted', value: {} };
  else {
    const decoded = Value.decode(value);
    if (omitData) decoded.data = noBytes;
    body = { $case: 'value', value: decoded };
  }
  return {
    body,
    dot: dotMessage(version.dot),
    clock: clockMessage(version.clock),
    writtenAt: timestampOf(version.writtenAt),
    expireTime: expiresAt === undefined ? undefined : timestampOf(expiresAt),
  };
}

const noBytes = new Uint8Array(0);

/** What a record is to a reader at a time. */
export type ReadState =
  | { readonly kind: 'absent' }
  | { readonly kind: 'found'; readonly version: Version }
  /** Several concurrent versions, at least one of them live. A deletion that raced is one of them. */
  | { readonly kind: 'conflict'; readonly versions: readonly Version[] };

export function readStateOf(record: VersionedRecord | undefined, nowMicros: number): ReadState {
  if (record === undefined) return absent;
  const versions = distinctVersions(record);
  const first = versions[0];
  if (first !== undefined && versions.length === 1) {
    return isLive(first, nowMicros) ? { kind: 'found', version: first } : absent;
  }
  if (!versions.some((version) => isLive(version, nowMicros))) return absent;
  return { kind: 'conflict', versions };
}

const absent: ReadState = { kind: 'absent' };

/** The live version written last, ties broken by dot: the same choice on every node. */
export function latestOf(versions: readonly Version[], nowMicros: number): Version | undefined {
  let latest: Version | undefined;
  for (const version of versions) {
    if (!isLive(version, nowMicros)) continue;
    if (latest === undefined || compareWritten(version, latest) > 0) latest = version;
  }
  return latest;
}

export interface ReadView {
  readonly recordKey: Uint8Array;
  readonly nowMicros: number;
  readonly onConflict: ConflictMode;
  readonly omitData: boolean;
}

/** The answer of a read. Throws `conflict` when the reader asked for one version and there are several. */
export function getResponseOf(
  record: VersionedRecord | undefined,
  report: GetResponse['report'],
  view: ReadView,
  tokens: ContextTokens,
): GetResponse {
  const { nowMicros, omitData } = view;
  const state = readStateOf(record, nowMicros);
  const context = tokens.encode(contextOf(record), view.recordKey);
  if (state.kind === 'absent')
    return { state: GetResponse_State.STATE_ABSENT, versions: [], context, report };
  if (state.kind === 'found') {
    const versions = [versionMessage(state.version, nowMicros, omitData)];
    return { state: GetResponse_State.STATE_FOUND, versions, context, report };
  }
  if (view.onConflict === 'fail') {
    throw new OperationError({
      kind: 'conflict',
      record,
      problem: `the key holds ${state.versions.length} concurrent versions`,
    });
  }
  if (view.onConflict === 'pick-latest') {
    const latest = latestOf(state.versions, nowMicros) as Version;
    return {
      state: GetResponse_State.STATE_FOUND,
      versions: [versionMessage(latest, nowMicros, omitData)],
      context,
      report,
    };
  }
  const versions = state.versions.map((version) => versionMessage(version, nowMicros, omitData));
  return { state: GetResponse_State.STATE_CONFLICT, versions, context, report };
}

/** The options of calls, and the messages that are made of them. */

import type { Context } from './context.ts';
import { ArgumentRefused } from './error.ts';
import type { Duration } from './gen/google/protobuf/duration.ts';
import type { Timestamp } from './gen/google/protobuf/timestamp.ts';
import type { PutRequest, TouchRequest } from './gen/kindred/v1/kv.ts';
import {
  BlindWrite as WireBlindWrite,
  ConflictMode as WireConflictMode,
  Durability as WireDurability,
  Handoff as WireHandoff,
  type Key as WireKey,
  ConsistencyLevel as WireLevel,
  type ReadOptions as WireReadOptions,
  type WriteOptions as WireWriteOptions,
} from './gen/kindred/v1/types.ts';

/** A key: 1 to 1,024 bytes. A string means its UTF-8. */
export type Key = string | Uint8Array;

/** How many of a key's N replicas must have answered; see the table of levels in the README of Kindred. */
export type ConsistencyLevel =
  | 'ANY'
  | 'ONE'
  | 'TWO'
  | 'THREE'
  | 'QUORUM'
  | 'ALL'
  | 'LOCAL_ONE'
  | 'LOCAL_QUORUM'
  | 'EACH_QUORUM';

/** What a read does with several versions: answer all, answer the one written last, or fail with CONFLICT. */
export type ConflictMode = 'RETURN_ALL' | 'PICK_LATEST' | 'FAIL';

/** What a write without a context does with what is there: supersede it, stay beside it, or be refused. */
export type BlindWrite = 'OVERWRITE' | 'ADD_SIBLING' | 'REJECT';

/** Whether nodes that stand in for absent replicas count. */
export type Handoff = 'STRICT' | 'SLOPPY';

/** What a replica must have done with a write before its acknowledgement counts. */
export type Durability = 'BUFFERED' | 'SYNC_ONE' | 'SYNC_QUORUM';

/** What every call takes. */
export interface CallOptions {
  /** Gives the operation up when aborted. A write that was under way then has the outcome UNKNOWN. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds for the whole operation, retries included. Default: that of the client. */
  readonly timeoutMs?: number | undefined;
  /** How often the operation is sent at most. Default: that of the client. */
  readonly attempts?: number | undefined;
}

/** How to read. What is left out is as the bucket says. */
export interface ReadOptions {
  /** How many replicas must answer, as a level. Not together with `replicas`. */
  readonly consistency?: ConsistencyLevel | undefined;
  /** The same as a number, 1 to N. */
  readonly replicas?: number | undefined;
  /** The answer includes what this context covers, or the read fails with CONTEXT_NOT_REACHED. */
  readonly minContext?: Context | undefined;
  readonly onConflict?: ConflictMode | undefined;
  /** Leaves the data of values out. */
  readonly omitData?: boolean | undefined;
  /** Weaker levels that will do, in this order, when the one asked for cannot be met. `report.achieved` tells. */
  readonly fallback?: readonly ConsistencyLevel[] | undefined;
}

/** How to write. What is left out is as the bucket says. */
export interface WriteOptions {
  /** How many replicas must acknowledge, as a level. Not together with `replicas`. */
  readonly consistency?: ConsistencyLevel | undefined;
  /** The same as a number, 1 to N. */
  readonly replicas?: number | undefined;
  readonly handoff?: Handoff | undefined;
  readonly durability?: Durability | undefined;
  /**
   * 16 random bytes that name this write: it counts once, however often it is sent. Default: new ones for each call. Give
   * those of `KindredError.requestId` to try a write of unknown outcome again.
   */
  readonly requestId?: Uint8Array | undefined;
}

/** What a write supersedes: what `context` covers, or what `blind` says. Not both; neither: as the bucket says. */
export interface Causality {
  /** From an earlier answer about this key. */
  readonly context?: Context | undefined;
  readonly blind?: BlindWrite | undefined;
}

/** When a value expires: at most one of these. None: as the bucket says. */
export interface Expiry {
  /** Milliseconds from the write on. */
  readonly ttlMs?: number | undefined;
  readonly expireTime?: Date | undefined;
  /** When that expires which the write supersedes. */
  readonly keepExpiry?: boolean | undefined;
}

export interface GetOptions extends ReadOptions, CallOptions {}
export interface PutOptions extends Causality, Expiry, WriteOptions, CallOptions {}
export interface DeleteOptions extends Causality, WriteOptions, CallOptions {}

/** Exactly one of `ttlMs`, `expireTime` and `never`. */
export interface TouchOptions extends WriteOptions, CallOptions {
  /** Touch only what this covers. */
  readonly context?: Context | undefined;
  /** Milliseconds from now on. */
  readonly ttlMs?: number | undefined;
  readonly expireTime?: Date | undefined;
  /** The key does not expire. */
  readonly never?: boolean | undefined;
}

/** The same for every item; `minContext` belongs to one key and is not among them. */
export interface BatchGetOptions extends Omit<ReadOptions, 'minContext'>, CallOptions {}
/** For items that do not say otherwise. Each item gets a request id of its own, made of the one given here if there is one. */
export interface BatchWriteOptions extends WriteOptions, CallOptions {}

export function keyBytes(key: Key): Uint8Array {
  if (typeof key === 'string') return Buffer.from(key);
  if (key instanceof Uint8Array) return key;
  throw new ArgumentRefused('key.key', 'a key is a string or a Uint8Array');
}

export function wireKey(bucket: string, key: Key): WireKey {
  return { bucket, key: keyBytes(key) };
}

function wireLevel(field: string, level: ConsistencyLevel): WireLevel {
  return enumValue(field, WireLevel, `CONSISTENCY_LEVEL_${level}`);
}

export function wireReadOptions(options: ReadOptions): WireReadOptions {
  return {
    strength: wireStrength(options),
    minContext: wireContext(options.minContext),
    onConflict: enumValue(
      'options.on_conflict',
      WireConflictMode,
      `CONFLICT_MODE_${options.onConflict ?? 'UNSPECIFIED'}`,
    ),
    omitData: options.omitData ?? false,
    fallback: (options.fallback ?? []).map((level) => wireLevel('options.fallback', level)),
  };
}

export function wireWriteOptions(options: WriteOptions, requestId: Uint8Array): WireWriteOptions {
  return {
    strength: wireStrength(options),
    handoff: enumValue('options.handoff', WireHandoff, `HANDOFF_${options.handoff ?? 'UNSPECIFIED'}`),
    durability: enumValue(
      'options.durability',
      WireDurability,
      `DURABILITY_${options.durability ?? 'UNSPECIFIED'}`,
    ),
    requestId,
  };
}

export function wireContext(context: Context | undefined): Uint8Array {
  return context?.bytes ?? noBytes;
}

export function wireCausality(options: Causality): PutRequest['causality'] {
  const { context, blind } = options;
  if (context !== undefined && blind !== undefined) {
    throw new ArgumentRefused('causality', 'give a context or a blind mode, not both');
  }
  if (context !== undefined) return { $case: 'context', value: context.bytes };
  if (blind !== undefined)
    return { $case: 'blind', value: enumValue('blind', WireBlindWrite, `BLIND_WRITE_${blind}`) };
  return undefined;
}

export function wireExpiry(options: Expiry): PutRequest['expiry'] {
  const { ttlMs, expireTime, keepExpiry = false } = options;
  if (countDefined(ttlMs, expireTime) + Number(keepExpiry) > 1) {
    throw new ArgumentRefused('expiry', 'give one of ttlMs, expireTime and keepExpiry');
  }
  if (ttlMs !== undefined) return { $case: 'ttl', value: wireDuration('ttl', ttlMs) };
  if (expireTime !== undefined)
    return { $case: 'expireTime', value: wireTimestamp('expire_time', expireTime) };
  return keepExpiry ? { $case: 'keepExpiry', value: true } : undefined;
}

export function wireTouchExpiry(options: TouchOptions): TouchRequest['expiry'] {
  const { ttlMs, expireTime, never = false } = options;
  if (countDefined(ttlMs, expireTime) + Number(never) !== 1) {
    throw new ArgumentRefused('expiry', 'give exactly one of ttlMs, expireTime and never');
  }
  if (ttlMs !== undefined) return { $case: 'ttl', value: wireDuration('ttl', ttlMs) };
  if (expireTime !== undefined)
    return { $case: 'expireTime', value: wireTimestamp('expire_time', expireTime) };
  return { $case: 'never', value: true };
}

const noBytes = new Uint8Array(0);

function wireStrength(options: {
  readonly consistency?: ConsistencyLevel | undefined;
  readonly replicas?: number | undefined;
}): WireReadOptions['strength'] {
  const { consistency, replicas } = options;
  if (consistency !== undefined && replicas !== undefined) {
    throw new ArgumentRefused('options.strength', 'give consistency or replicas, not both');
  }
  if (consistency !== undefined)
    return { $case: 'consistency', value: wireLevel('options.consistency', consistency) };
  if (replicas === undefined) return undefined;
  // The encoder would send another number in its place.
  if (!Number.isInteger(replicas) || replicas < 0 || replicas > 0xff_ff_ff_ff) {
    throw new ArgumentRefused('options.replicas', `${replicas} is no number of replicas`);
  }
  return { $case: 'replicas', value: replicas };
}

/** Milliseconds, with fractions, as a message. */
export function wireDuration(field: string, milliseconds: number): Duration {
  if (!Number.isFinite(milliseconds))
    throw new ArgumentRefused(field, `${milliseconds} is no number of milliseconds`);
  const seconds = Math.trunc(milliseconds / 1000);
  return { seconds, nanos: Math.trunc((milliseconds - seconds * 1000) * 1e6) };
}

function wireTimestamp(field: string, time: Date): Timestamp {
  const milliseconds = time.getTime();
  if (Number.isNaN(milliseconds)) throw new ArgumentRefused(field, 'the date is invalid');
  const seconds = Math.floor(milliseconds / 1000);
  return { seconds, nanos: (milliseconds - seconds * 1000) * 1e6 };
}

/** The encoder would send what it does not know as 0, and the server take that for the default. */
function enumValue<Table extends Readonly<Record<string, number>>, Name extends keyof Table & string>(
  field: string,
  table: Table,
  name: Name,
): Table[Name] {
  const value = Object.hasOwn(table, name) ? table[name] : undefined;
  if (value === undefined) throw new ArgumentRefused(field, `${name} does not exist`);
  return value;
}

function countDefined(...values: readonly unknown[]): number {
  return values.filter((value) => value !== undefined).length;
}

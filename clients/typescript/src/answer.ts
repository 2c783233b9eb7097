/** What the server answers, in the form in which callers get it. */

import { Context } from './context.ts';
import type { Timestamp } from './gen/google/protobuf/timestamp.ts';
import {
  type DeleteResponse,
  type GetResponse,
  GetResponse_State,
  type GetWriteOutcomeResponse,
  GetWriteOutcomeResponse_Outcome,
  type PutResponse,
  type TouchResponse,
} from './gen/kindred/v1/kv.ts';
import {
  type Dot as WireDot,
  ConsistencyLevel as WireLevel,
  type ReadReport as WireReadReport,
  type Value as WireValue,
  type Version as WireVersion,
  type WriteReport as WireWriteReport,
} from './gen/kindred/v1/types.ts';
import type { ConsistencyLevel } from './options.ts';
import { Value } from './value.ts';
import type { Dot, ValueVersion, Version } from './version.ts';

/** How a read came to its answer. */
export interface ReadReport {
  /** The level that was met. Undefined: a number of replicas was asked for. */
  readonly achieved: ConsistencyLevel | undefined;
  readonly replicasAsked: number;
  readonly replicasAnswered: number;
  /** How many held the state that was answered already. */
  readonly replicasAgreed: number;
  readonly repairStarted: boolean;
  /** The id of the node that coordinated the read. */
  readonly coordinator: string;
  /** The version of the cluster's layout. */
  readonly topologyEpoch: number;
}

/** How far a write had come when it was answered. It goes on to all replicas. */
export interface WriteReport {
  /** The level that was met. Undefined: a number of replicas was asked for. */
  readonly achieved: ConsistencyLevel | undefined;
  /** How many replicas had acknowledged. */
  readonly acked: number;
  /** How many hints were stored for replicas that are away. */
  readonly hinted: number;
  /** How many of `acked` came after an fsync. */
  readonly synced: number;
  /** The request id was known already: this is the answer of the earlier write. */
  readonly replayed: boolean;
  /** The id of the node that coordinated the write. */
  readonly coordinator: string;
  /** The version of the cluster's layout. */
  readonly topologyEpoch: number;
}

interface ReadAnswer {
  /** Covers all that is stored, deletions included. */
  readonly context: Context;
  readonly report: ReadReport;
}

/** One value. */
export interface Found extends ReadAnswer {
  readonly state: 'found';
  readonly value: Value;
  /** The value with its dot, clock and times. */
  readonly version: ValueVersion;
}

/** Several versions that raced, at least one of them a value. Merge them, and put the result with `context`. */
export interface Conflict extends ReadAnswer {
  readonly state: 'conflict';
  /** Sorted by dot. */
  readonly versions: readonly Version[];
}

/** Never written, deleted or expired. The context lets the next write supersede the deletion. */
export interface Absent extends ReadAnswer {
  readonly state: 'absent';
}

/** What a read found. */
export type GetResult = Found | Conflict | Absent;

/** A put or a delete that was done. */
export interface WriteResult {
  /** Covers this write and what it superseded. */
  readonly context: Context;
  /** The name of the version that this write made. */
  readonly dot: Dot;
  /**
   * How many versions the coordinating replica held right after the write, deletions included. More than 1: writes raced,
   * so read and resolve. 0: not known.
   */
  readonly versionsHeld: number;
  readonly report: WriteReport;
}

/** A touch that was done. */
export interface TouchResult {
  /** False: the key was absent, and nothing was written. */
  readonly applied: boolean;
  readonly context: Context;
  /** Undefined when not applied. */
  readonly report: WriteReport | undefined;
}

/** What is known of an earlier write: `not-seen` may mean that it is still on its way, or was superseded since. */
export type WriteOutcomeResult =
  | { readonly state: 'applied'; readonly dot: Dot; readonly context: Context }
  | { readonly state: 'not-seen'; readonly context: Context };

export function getResultOf(response: GetResponse): GetResult {
  const context = Context.fromBytes(response.context);
  const report = readReportOf(response.report);
  const versions = response.versions.map(versionOf);
  switch (response.state) {
    case GetResponse_State.STATE_ABSENT:
      return { state: 'absent', context, report };
    case GetResponse_State.STATE_CONFLICT:
      return { state: 'conflict', versions, context, report };
    case GetResponse_State.STATE_FOUND: {
      const version = versions[0];
      if (version?.kind === 'value')
        return { state: 'found', value: version.value, version, context, report };
      break;
    }
    default:
  }
  throw new MalformedAnswer(`state ${response.state} with ${versions.length} versions`);
}

export function writeResultOf(response: PutResponse | DeleteResponse): WriteResult {
  return {
    context: Context.fromBytes(response.context),
    dot: dotOf(response.dot),
    versionsHeld: response.versionsHeld,
    report: writeReportOf(response.report),
  };
}

export function touchResultOf(response: TouchResponse): TouchResult {
  const { applied, report } = response;
  return {
    applied,
    context: Context.fromBytes(response.context),
    report: report === undefined ? undefined : writeReportOf(report),
  };
}

export function writeOutcomeResultOf(response: GetWriteOutcomeResponse): WriteOutcomeResult {
  const context = Context.fromBytes(response.context);
  if (response.outcome === GetWriteOutcomeResponse_Outcome.OUTCOME_APPLIED) {
    return { state: 'applied', dot: dotOf(response.dot), context };
  }
  return { state: 'not-seen', context };
}

/** The server answered what its contract does not allow. */
export class MalformedAnswer extends Error {
  override readonly name = 'MalformedAnswer';
}

function versionOf(version: WireVersion): Version {
  const writtenAtMicros = version.writtenAt === undefined ? 0 : microsOf(version.writtenAt);
  const written = {
    dot: dotOf(version.dot),
    clock: version.clock?.entries ?? [],
    writtenAt: new Date(writtenAtMicros / 1000),
    writtenAtMicros,
    expireTime: version.expireTime === undefined ? undefined : new Date(microsOf(version.expireTime) / 1000),
  };
  return version.body?.$case === 'value'
    ? { kind: 'value', value: storedValue(version.body.value), ...written }
    : { kind: 'deleted', ...written };
}

function storedValue({ data, contentType, metadata }: WireValue): Value {
  // The decoder hands out Buffers; a plain Uint8Array over the same memory has no methods that surprise.
  return new Value(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), { contentType, metadata });
}

function dotOf(dot: WireDot | undefined): Dot {
  if (dot === undefined) throw new MalformedAnswer('no dot');
  return dot;
}

function microsOf({ seconds, nanos }: Timestamp): number {
  return seconds * 1e6 + Math.floor(nanos / 1000);
}

function readReportOf(report: WireReadReport | undefined): ReadReport {
  if (report === undefined) throw new MalformedAnswer('no report');
  return { ...report, achieved: levelNames.get(report.achieved) };
}

function writeReportOf(report: WireWriteReport | undefined): WriteReport {
  if (report === undefined) throw new MalformedAnswer('no report');
  return { ...report, achieved: levelNames.get(report.achieved) };
}

const levelNames: ReadonlyMap<number, ConsistencyLevel> = new Map(
  Object.entries(WireLevel)
    .filter(([, level]) => level > 0)
    .map(([name, level]) => [level, name.slice('CONSISTENCY_LEVEL_'.length) as ConsistencyLevel]),
);

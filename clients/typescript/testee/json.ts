/** The conformance protocol's JSON for the types of the client: bytes are base64, 64-bit numbers decimal text. */

import type { Mutation } from '../src/index.ts';
import {
  ConflictError,
  Context,
  type Dot,
  type GetResult,
  KindredError,
  type ReadReport,
  Value,
  type Version,
  type WriteReport,
  type WriteResult,
} from '../src/index.ts';
import type { Causality, Expiry, ReadOptions, TouchOptions, WriteOptions } from '../src/options.ts';

/** A JSON object from the runner. Fields are read where they are used. */
// biome-ignore lint/suspicious/noExplicitAny: the runner's cases are checked by the runner
export type Json = Readonly<Record<string, any>>;

/** A request that the protocol does not have. */
export class UnknownRequest extends Error {
  override readonly name = 'UnknownRequest';
}

export function bytes(base64: string): Uint8Array {
  return new Uint8Array(Buffer.from(base64, 'base64'));
}

function base64(data: Uint8Array): string {
  return Buffer.from(data).toString('base64');
}

function context(text: string | undefined): Context | undefined {
  return text === undefined ? undefined : Context.fromBytes(bytes(text));
}

export function contextJson(covered: Context): string {
  return base64(covered.bytes);
}

export function value(json: Json): Value {
  return new Value(bytes(json['data'] ?? ''), {
    contentType: json['contentType'],
    metadata: json['metadata'],
  });
}

export function valueJson(stored: Value): Json {
  return { data: base64(stored.data), contentType: stored.contentType, metadata: stored.metadata };
}

export function readOptions(json: Json = {}): ReadOptions {
  return {
    consistency: json['consistency'],
    replicas: json['replicas'],
    minContext: context(json['minContext']),
    onConflict: json['onConflict'],
    omitData: json['omitData'],
    fallback: json['fallback'],
  };
}

export function writeOptions(json: Json = {}): WriteOptions {
  return {
    consistency: json['consistency'],
    replicas: json['replicas'],
    handoff: json['handoff'],
    durability: json['durability'],
    requestId: json['requestId'] === undefined ? undefined : bytes(json['requestId']),
  };
}

export function causality(json: Json): Causality {
  return { context: context(json['context']), blind: json['blind'] };
}

export function expiry(json: Json): Expiry {
  return { ...moment(json), keepExpiry: json['keepExpiry'] };
}

/** An item of a batch, `{put: {...}}` or `{delete: {...}}`. */
export function mutation(json: Json): Mutation {
  const { put, delete: deleted } = json;
  const body: Json = put ?? deleted;
  const common = {
    bucket: body['bucket'],
    key: bytes(body['key']),
    ...causality(body),
    ...writeOptions(body['write']),
  };
  return put === undefined
    ? { kind: 'delete', ...common }
    : { kind: 'put', ...common, value: value(body['value']), ...expiry(body) };
}

export function touchOptions(json: Json): TouchOptions {
  return { ...moment(json), never: json['never'], context: context(json['context']) };
}

function moment(json: Json): Pick<Expiry, 'ttlMs' | 'expireTime'> {
  const { ttlMs, expireTimeMs } = json;
  return {
    ttlMs: ttlMs === undefined ? undefined : Number(ttlMs),
    expireTime: expireTimeMs === undefined ? undefined : new Date(Number(expireTimeMs)),
  };
}

export function getResultJson(result: GetResult): Json {
  const versions =
    result.state === 'found' ? [result.version] : result.state === 'conflict' ? result.versions : [];
  return {
    state: result.state.toUpperCase(),
    versions: versions.map(versionJson),
    context: contextJson(result.context),
    report: readReportJson(result.report),
  };
}

export function writeResultJson(result: WriteResult): Json {
  return {
    context: contextJson(result.context),
    dot: dotJson(result.dot),
    versionsHeld: result.versionsHeld,
    report: writeReportJson(result.report),
  };
}

export function touchResultJson(result: {
  readonly applied: boolean;
  readonly context: Context;
  readonly report: WriteReport | undefined;
}): Json {
  const { applied, report } = result;
  return {
    applied,
    context: contextJson(result.context),
    ...(report !== undefined && { report: writeReportJson(report) }),
  };
}

export function dotJson(dot: Dot): Json {
  return { replica: String(dot.replica), epoch: dot.epoch, counter: String(dot.counter) };
}

export function errorJson(error: unknown): Json {
  if (error instanceof UnknownRequest) return { code: 'UNIMPLEMENTED', message: error.message };
  if (!(error instanceof KindredError)) {
    return {
      code: 'UNKNOWN',
      message: error instanceof Error ? (error.stack ?? error.message) : String(error),
    };
  }
  const { detail } = error;
  return {
    code: error.code,
    message: error.message,
    reason: error.reason ?? '',
    outcome: error.outcome,
    safeToRetry: error.safeToRetry,
    attempts: error.attempts,
    hasDetail: detail !== undefined,
    required: detail?.required ?? 0,
    alive: detail?.alive ?? 0,
    answered: detail?.answered ?? 0,
    failures: (detail?.failures ?? []).map(({ nodeId, reason }) => ({ nodeId, reason: reason ?? '' })),
    field: detail?.field ?? '',
    ...(detail?.context !== undefined && { context: contextJson(detail.context) }),
    ...(detail?.retryAfterMs !== undefined && { retryAfterMs: detail.retryAfterMs }),
    ...(error instanceof ConflictError && {
      kind: 'conflict',
      versions: error.versions.map(versionJson),
      context: contextJson(error.context),
    }),
  };
}

function versionJson(version: Version): Json {
  return {
    ...(version.kind === 'value' ? valueJson(version.value) : { deleted: true }),
    dot: dotJson(version.dot),
    clock: version.clock.map(dotJson),
    writtenAtMs: String(version.writtenAt.getTime()),
    ...(version.expireTime !== undefined && { expireTimeMs: String(version.expireTime.getTime()) }),
  };
}

function readReportJson(report: ReadReport): Json {
  return {
    ...report,
    achieved: report.achieved ?? 'UNSPECIFIED',
    topologyEpoch: String(report.topologyEpoch),
  };
}

function writeReportJson(report: WriteReport): Json {
  return {
    ...report,
    achieved: report.achieved ?? 'UNSPECIFIED',
    topologyEpoch: String(report.topologyEpoch),
  };
}

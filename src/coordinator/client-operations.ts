/**
 * The operations on one key as clients ask for them: checked, turned into the store's own terms, handed to the
 * coordinator, and answered. Unary calls, batches, pipelines and operations that another node passed on all come here.
 *
 * Every method rejects with StatusError only: the status is complete, and has been counted.
 */

import type { Bucket } from '../core/bucket.ts';
import {
  type CausalContext,
  contextAfterWrite,
  contextOf,
  emptyContext,
} from '../core/causality/context-token.ts';
import type { WriteIntent } from '../core/causality/coordinated-write.ts';
import type { Dot } from '../core/causality/dot.ts';
import { versionOfRequest } from '../core/causality/record.ts';
import { type Failure, OperationError } from '../core/coordinator/failure.ts';
import { quorumOf, requirementOf, type Strength } from '../core/quorum/consistency-level.ts';
import { recordKeyOf } from '../core/ring/record-key.ts';
import type { Env } from '../env/env.ts';
import {
  type DeleteRequest,
  type DeleteResponse,
  type GetRequest,
  type GetResponse,
  type GetWriteOutcomeRequest,
  type GetWriteOutcomeResponse,
  GetWriteOutcomeResponse_Outcome,
  Operation,
  OperationResult,
  type PutRequest,
  type PutResponse,
  type TouchRequest,
  type TouchResponse,
} from '../gen/kindred/v1/kv.ts';
import type { Key, ReadOptions, WriteOptions } from '../gen/kindred/v1/types.ts';
import {
  achievedMessage,
  type ContextTokens,
  causalityOf,
  conflictModeOf,
  dotMessage,
  durabilityOf,
  encodeValue,
  expiryOf,
  fallbackOf,
  getResponseOf,
  handoffOf,
  readStateOf,
  strengthOf,
  strengthText,
} from '../rpc/conversion.ts';
import { encodeMessage } from '../rpc/encode-message.ts';
import {
  checkBucketName,
  checkKey,
  checkRequestId,
  checkValue,
  invalid,
  type RequestLimits,
} from '../rpc/limits.ts';
import { type Attempt, itemStatusOfError, type ReportIncident, StatusError } from '../rpc/status.ts';
import type {
  Coordination,
  ReadOperation,
  ReadReport,
  ReadResult,
  WriteOperation,
  WriteReport,
  WriteResult,
} from './operation.ts';
import type { RequestObserver } from './request-observer.ts';

export interface ClientOperationsDependencies {
  readonly env: Env;
  readonly coordination: Coordination;
  /** All buckets of the configuration, by name. */
  readonly buckets: ReadonlyMap<string, Bucket>;
  readonly tokens: ContextTokens;
  /** The version of the layout in use, for errors. */
  readonly layoutVersion: () => number;
  readonly observe: RequestObserver;
  readonly reportIncident: ReportIncident;
}

/** How an operation came. */
export interface Circumstances {
  /** Monotonic milliseconds. */
  readonly deadlineMs: number;
  /** The client's gRPC library sent it before, by itself. */
  readonly isRetry: boolean;
  /** False when another node passed it on: that happens once. */
  readonly mayForward: boolean;
  /**
   * Where the operation stands in its request, for the field in errors: empty, `mutations[3].put.` before the field, or
   * `keys[3]` in place of `key`.
   */
  readonly fieldPrefix: string;
}

type Kind = NonNullable<Operation['op']>['$case'];
type AnswerOf<K extends Kind> = Extract<
  NonNullable<OperationResult['result']>,
  { readonly $case: K }
>['value'];

/** A touch whose key is written to meanwhile reads it again this often. */
const touchAttemptsMax = 5;

export class ClientOperations {
  readonly #deps: ClientOperationsDependencies;
  readonly #limits: RequestLimits;

  constructor(dependencies: ClientOperationsDependencies, limits: RequestLimits) {
    this.#deps = dependencies;
    this.#limits = limits;
  }

  async get(request: GetRequest, how: Circumstances): Promise<GetResponse> {
    const run = new Run('Get', 'read', false, this.#deps.env.clock.monotonicMs());
    try {
      const { options } = request;
      const read = this.#read(run, request.key, options, how);
      const view = {
        recordKey: read.recordKey,
        nowMicros: this.#deps.env.clock.wallMicros(),
        onConflict: conflictModeOf(options?.onConflict ?? 0),
        omitData: options?.omitData ?? false,
      };
      const { record, report } = await this.#deps.coordination.read(read);
      const answer = getResponseOf(record, readReportMessage(report), view, this.#deps.tokens);
      this.#deps.observe.siblings(answer.versions.length);
      this.#answered(run);
      return answer;
    } catch (error) {
      throw this.#failed(run, error, how);
    }
  }

  async put(request: PutRequest, how: Circumstances): Promise<PutResponse> {
    const { options } = request;
    const run = this.#startWrite('Put', options);
    try {
      const { bucket, recordKey } = this.#name(run, request.key);
      const { value } = request;
      if (value === undefined) throw invalid('value', 'is required; an empty Value stores zero bytes');
      checkValue(value, bucket.valueBytesMax, this.#limits, 'value');
      const { tokens, env, observe } = this.#deps;
      const intent: WriteIntent = {
        value: encodeValue(value),
        causality: causalityOf(request.causality, bucket, recordKey, tokens),
        expiry: expiryOf(request.expiry, bucket, env.clock.wallMicros()),
        requestId: checkRequestId(options?.requestId ?? noBytes, 'options.request_id'),
      };
      const operation = this.#write(run, bucket, recordKey, intent, options, how, () =>
        encodeOperation({ $case: 'put', value: request }),
      );
      const result = await this.#deps.coordination.write(operation);
      if (result.kind === 'forwarded') return this.#forwarded(run, result, 'put');
      observe.valueBytes(value.data.length);
      if (result.report.replayed) observe.replayed();
      this.#answered(run);
      return {
        context: tokens.encode(result.context, recordKey),
        dot: dotMessage(result.dot),
        report: writeReportMessage(result.report),
        versionsHeld: result.versionsHeld,
      };
    } catch (error) {
      throw this.#failed(run, error, how);
    }
  }

  async delete(request: DeleteRequest, how: Circumstances): Promise<DeleteResponse> {
    const { options } = request;
    const run = this.#startWrite('Delete', options);
    try {
      const { bucket, recordKey } = this.#name(run, request.key);
      const { tokens, observe } = this.#deps;
      const intent: WriteIntent = {
        value: undefined,
        causality: causalityOf(request.causality, bucket, recordKey, tokens),
        expiry: { kind: 'never' },
        requestId: checkRequestId(options?.requestId ?? noBytes, 'options.request_id'),
      };
      const operation = this.#write(run, bucket, recordKey, intent, options, how, () =>
        encodeOperation({ $case: 'delete', value: request }),
      );
      const result = await this.#deps.coordination.write(operation);
      if (result.kind === 'forwarded') return this.#forwarded(run, result, 'delete');
      if (result.report.replayed) observe.replayed();
      this.#answered(run);
      return {
        context: tokens.encode(result.context, recordKey),
        dot: dotMessage(result.dot),
        report: writeReportMessage(result.report),
        versionsHeld: result.versionsHeld,
      };
    } catch (error) {
      throw this.#failed(run, error, how);
    }
  }

  /**
   * Reads the key, and writes the same value with another expiry, exactly over what was read. A write that comes between
   * makes the second step fail, and both are done again. What it writes depends on what it reads, so a retry is recognised
   * before it reads: by then the key may hold something else.
   */
  async touch(request: TouchRequest, how: Circumstances): Promise<TouchResponse> {
    const { options } = request;
    const run = this.#startWrite('Touch', options);
    try {
      const { bucket, recordKey } = this.#name(run, request.key);
      const { coordination, tokens, env } = this.#deps;
      if (request.expiry === undefined) throw invalid('expiry', 'is required: ttl, expire_time or never');
      const expiry = expiryOf(request.expiry, bucket, env.clock.wallMicros());
      const context = tokens.decode(request.context, recordKey, 'context');
      const requestId = checkRequestId(options?.requestId ?? noBytes, 'options.request_id');
      if (requestId !== undefined) {
        const replayed = await this.#replayedTouch(run, bucket, recordKey, request, requestId, context, how);
        if (replayed !== undefined) return replayed;
      }
      for (let attempt = 1; ; attempt++) {
        const write = this.#write(run, bucket, recordKey, undefined, options, how, () =>
          encodeOperation({ $case: 'touch', value: request }),
        );
        const { record } = await coordination.read({
          bucket,
          recordKey,
          strength: touchReadStrength(write.strength, bucket),
          fallback: [],
          // A context that the caller got must not lie ahead of what is touched.
          minContext: context,
          deadlineMs: how.deadlineMs,
        });
        const state = readStateOf(record, env.clock.wallMicros());
        const seen = contextOf(record);
        if (state.kind === 'absent') {
          this.#answered(run);
          return { applied: false, context: tokens.encode(seen, recordKey), report: undefined };
        }
        if (state.kind === 'conflict') {
          const problem = `the key holds ${state.versions.length} concurrent versions, and only one can be touched`;
          throw new OperationError({ kind: 'conflict', record, problem });
        }
        const intent: WriteIntent = {
          value: state.version.value,
          causality: { kind: 'context', context: context ?? seen, exact: true },
          expiry,
          requestId,
        };
        let result: WriteResult;
        try {
          result = await coordination.write({ ...write, intent });
        } catch (error) {
          const moved = error instanceof OperationError && error.failure.kind === 'conflict';
          // With a context of the caller's the answer is what it asked for: the key has moved on.
          if (!moved || context !== undefined || attempt === touchAttemptsMax) throw error;
          continue;
        }
        if (result.kind === 'forwarded') return this.#forwarded(run, result, 'touch');
        this.#answered(run);
        return {
          applied: true,
          context: tokens.encode(result.context, recordKey),
          report: writeReportMessage(result.report),
        };
      }
    } catch (error) {
      throw this.#failed(run, error, how);
    }
  }

  /** The answer to a touch whose request id is known already. */
  async #replayedTouch(
    run: Run,
    bucket: Bucket,
    recordKey: Uint8Array,
    { options }: TouchRequest,
    requestId: Uint8Array,
    context: CausalContext | undefined,
    how: Circumstances,
  ): Promise<TouchResponse | undefined> {
    const { coordination, tokens, env, observe, layoutVersion } = this.#deps;
    const { strength } = this.#write(run, bucket, recordKey, undefined, options, how, () => noBytes);
    const nowMs = env.clock.monotonicMs();
    const read: ReadOperation = {
      bucket,
      recordKey,
      strength: touchReadStrength(strength, bucket),
      fallback: [],
      minContext: undefined,
      // A replica that says nothing must leave time for the touch itself.
      deadlineMs: nowMs + (how.deadlineMs - nowMs) / 2,
    };
    const found = await coordination.findWrite(read, requestId);
    if (found.kind === 'not-seen') return undefined;
    // Reading repairs too: what the first attempt left on one replica gets to the others.
    const current = await this.#readAfterFound({ ...read, deadlineMs: how.deadlineMs });
    const latest = contextOf(current?.record).writtenAt;
    observe.replayed();
    this.#answered(run);
    return {
      applied: true,
      context: tokens.encode(contextAfterWrite(context ?? emptyContext, found.dot, latest), recordKey),
      // Only that one replica knows of it is certain here; which level the first attempt reached is not.
      report: {
        achieved: 0,
        acked: 1,
        hinted: 0,
        synced: 0,
        replayed: true,
        coordinator: current?.report.coordinator ?? '',
        topologyEpoch: layoutVersion(),
      },
    };
  }

  /** What the key holds, or `undefined`: that a write was found is worth telling without it. */
  async #readAfterFound(read: ReadOperation): Promise<ReadResult | undefined> {
    try {
      return await this.#deps.coordination.read(read);
    } catch (error) {
      if (error instanceof OperationError) return undefined;
      throw error;
    }
  }

  async writeOutcome(request: GetWriteOutcomeRequest, how: Circumstances): Promise<GetWriteOutcomeResponse> {
    const run = new Run('GetWriteOutcome', 'read', false, this.#deps.env.clock.monotonicMs());
    try {
      const requestId = checkRequestId(request.requestId, 'request_id');
      if (requestId === undefined)
        throw invalid('request_id', 'is required: the 16 bytes that the write carried');
      const { coordination, tokens } = this.#deps;
      const asked = this.#read(run, request.key, request.options, how);
      const found = await coordination.findWrite(asked, requestId);
      const read: ReadOperation = { ...asked, fallback: [], minContext: undefined };
      let dot: Dot | undefined;
      let context: CausalContext;
      if (found.kind === 'applied') {
        dot = found.dot;
        const held = contextOf((await this.#readAfterFound(read))?.record);
        context = contextAfterWrite(held, dot, held.writtenAt);
      } else {
        const { record } = await coordination.read(read);
        // It may have arrived meanwhile.
        dot = record === undefined ? undefined : versionOfRequest(record, requestId)?.dot;
        context = contextOf(record);
      }
      this.#answered(run);
      return {
        outcome:
          dot === undefined
            ? GetWriteOutcomeResponse_Outcome.OUTCOME_NOT_SEEN
            : GetWriteOutcomeResponse_Outcome.OUTCOME_APPLIED,
        dot: dot === undefined ? undefined : dotMessage(dot),
        context: tokens.encode(context, asked.recordKey),
      };
    } catch (error) {
      throw this.#failed(run, error, how);
    }
  }

  /** Carries out one operation of a pipeline, or one that another node passed on. Never rejects. */
  async execute(operation: Operation, how: Circumstances): Promise<OperationResult> {
    const { id, op } = operation;
    try {
      switch (op?.$case) {
        case 'get':
          return { id, status: undefined, result: { $case: 'get', value: await this.get(op.value, how) } };
        case 'put':
          return { id, status: undefined, result: { $case: 'put', value: await this.put(op.value, how) } };
        case 'delete':
          return {
            id,
            status: undefined,
            result: { $case: 'delete', value: await this.delete(op.value, how) },
          };
        case 'touch':
          return {
            id,
            status: undefined,
            result: { $case: 'touch', value: await this.touch(op.value, how) },
          };
        case undefined:
          throw this.refusal(
            '',
            readAttempt,
            invalid('op', 'is required: get, put, delete or touch').failure,
          );
      }
    } catch (error) {
      const item = itemStatusOfError(error, readAttempt, this.#deps.reportIncident);
      return { id, status: item, result: undefined };
    }
  }

  /** The status of an operation that is not even begun, counted. */
  refusal(
    method: string,
    attempt: Pick<Attempt, 'kind' | 'hasRequestId' | 'isRetry' | 'endsOthers'>,
    failure: Failure,
  ): StatusError {
    const { kind, hasRequestId } = attempt;
    const run = new Run(method, kind, hasRequestId, this.#deps.env.clock.monotonicMs());
    return this.#failed(run, new OperationError(failure), { ...attempt, fieldPrefix: '' });
  }

  #startWrite(method: string, options: WriteOptions | undefined): Run {
    const hasRequestId = options !== undefined && options.requestId.length > 0;
    return new Run(method, 'write', hasRequestId, this.#deps.env.clock.monotonicMs());
  }

  #name(run: Run, key: Key | undefined): { readonly bucket: Bucket; readonly recordKey: Uint8Array } {
    if (key === undefined) throw invalid('key', 'is required');
    checkKey(key.key, this.#limits, 'key.key');
    const name = key.bucket === '' ? 'default' : key.bucket;
    const bucket = this.#deps.buckets.get(name);
    if (bucket === undefined) {
      checkBucketName(name, 'key.bucket');
      throw new OperationError({ kind: 'bucket-unknown', bucket: name });
    }
    const recordKey = recordKeyOf(name, key.key);
    run.bucket = name;
    run.recordKey = recordKey;
    return { bucket, recordKey };
  }

  #read(run: Run, key: Key | undefined, options: ReadOptions | undefined, how: Circumstances): ReadOperation {
    const { bucket, recordKey } = this.#name(run, key);
    const strength = strengthOf(options?.strength, bucket, 'read');
    run.level = strengthText(strength);
    const read: ReadOperation = {
      bucket,
      recordKey,
      strength,
      fallback: options === undefined ? [] : fallbackOf(options.fallback, strength, bucket),
      minContext:
        options === undefined
          ? undefined
          : this.#deps.tokens.decode(options.minContext, recordKey, 'options.min_context'),
      deadlineMs: how.deadlineMs,
    };
    this.#checkTime(run, how);
    return read;
  }

  #write(
    run: Run,
    bucket: Bucket,
    recordKey: Uint8Array,
    intent: WriteIntent | undefined,
    options: WriteOptions | undefined,
    how: Circumstances,
    encodeForwarded: () => Uint8Array,
  ): WriteOperation {
    const strength = strengthOf(options?.strength, bucket, 'write');
    run.level = strengthText(strength);
    const durability = durabilityOf(options?.durability ?? 0, bucket);
    if (how.isRetry && !run.hasRequestId) throw new OperationError({ kind: 'retried-without-id' });
    this.#checkTime(run, how);
    return {
      bucket,
      recordKey,
      intent: intent ?? nothing,
      strength,
      durability,
      handoff: handoffOf(options?.handoff ?? 0, bucket),
      deadlineMs: how.deadlineMs,
      encodeForwarded: how.mayForward ? encodeForwarded : undefined,
    };
  }

  /** An operation whose client has stopped waiting is not begun. */
  #checkTime(run: Run, how: Circumstances): void {
    if (how.deadlineMs > run.startedMs) return;
    throw new OperationError({
      kind: 'expired',
      outcome: run.kind === 'write' ? 'not-applied' : 'not-a-write',
    });
  }

  /** Another node's result, answered as if it were ours. */
  #forwarded<K extends Kind>(
    run: Run,
    result: Extract<WriteResult, { readonly kind: 'forwarded' }>,
    kind: K,
  ): AnswerOf<K> {
    const { status, result: answer } = OperationResult.decode(result.result);
    if (status !== undefined && status.code !== 0) throw new StatusError(status);
    if (answer?.$case !== kind)
      throw new Error(`a forwarded ${kind} was answered with ${answer?.$case ?? 'nothing'}`);
    this.#answered(run);
    return answer.value as AnswerOf<K>;
  }

  #answered(run: Run): void {
    const { env, observe } = this.#deps;
    observe.answered(run.method, run.bucket, run.level, (env.clock.monotonicMs() - run.startedMs) / 1000);
  }

  #failed(
    run: Run,
    error: unknown,
    how: Pick<Circumstances, 'fieldPrefix' | 'isRetry'> & Pick<Attempt, 'endsOthers'>,
  ): StatusError {
    const { tokens, env, observe, layoutVersion, reportIncident } = this.#deps;
    const { recordKey } = run;
    const attempt: Attempt = {
      kind: run.kind,
      hasRequestId: run.hasRequestId,
      isRetry: how.isRetry,
      endsOthers: how.endsOthers ?? false,
      layoutVersion: layoutVersion(),
      encodeContext:
        recordKey === undefined ? undefined : (record) => tokens.encode(contextOf(record), recordKey),
    };
    const item = itemStatusOfError(prefixed(error, how.fieldPrefix), attempt, reportIncident);
    const seconds = (env.clock.monotonicMs() - run.startedMs) / 1000;
    observe.failed(run.method, run.bucket, run.level, item, seconds);
    return new StatusError(item);
  }
}

/** One operation while it is carried out: what its metrics and its error will need. */
class Run {
  readonly method: string;
  readonly kind: Attempt['kind'];
  readonly hasRequestId: boolean;
  readonly startedMs: number;
  bucket = '';
  level = '';
  recordKey: Uint8Array | undefined = undefined;

  constructor(method: string, kind: Attempt['kind'], hasRequestId: boolean, startedMs: number) {
    this.method = method;
    this.kind = kind;
    this.hasRequestId = hasRequestId;
    this.startedMs = startedMs;
  }
}

const noBytes = new Uint8Array(0);
const readAttempt: Attempt = {
  kind: 'read',
  hasRequestId: false,
  isRetry: false,
  layoutVersion: 0,
  encodeContext: undefined,
};

/** Stands in until a touch has read what it writes. */
const nothing: WriteIntent = {
  value: undefined,
  causality: { kind: 'blind', mode: 'reject' },
  expiry: { kind: 'never' },
  requestId: undefined,
};

function prefixed(error: unknown, prefix: string): unknown {
  if (prefix === '' || !(error instanceof OperationError) || error.failure.kind !== 'invalid') return error;
  const { field } = error.failure;
  const full = prefix.endsWith('.') ? prefix + field : field.replace(/^key\b/, prefix);
  return new OperationError({ ...error.failure, field: full });
}

function encodeOperation(op: NonNullable<Operation['op']>): Uint8Array {
  return encodeMessage(Operation, { id: 0, op, timeout: undefined });
}

/** A touch copies the value it read, so it reads as if by QUORUM at least. */
function touchReadStrength(write: Strength, bucket: Bucket): Strength {
  const n = bucket.replication;
  const requirement = requirementOf(write, n, 'write');
  const answers = requirement.kind === 'required' ? requirement.answers : 0;
  return { kind: 'replicas', count: Math.max(answers, quorumOf(n)) };
}

function readReportMessage(report: ReadReport): GetResponse['report'] {
  return {
    achieved: achievedMessage(report.achieved),
    replicasAsked: report.asked,
    replicasAnswered: report.answered,
    replicasAgreed: report.agreed,
    repairStarted: report.repairStarted,
    coordinator: report.coordinator,
    topologyEpoch: report.layoutVersion,
  };
}

function writeReportMessage(report: WriteReport): PutResponse['report'] {
  return {
    achieved: achievedMessage(report.achieved),
    acked: report.acked,
    hinted: report.hinted,
    synced: report.synced,
    replayed: report.replayed,
    coordinator: report.coordinator,
    topologyEpoch: report.layoutVersion,
  };
}

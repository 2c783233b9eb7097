/** What callers are told of operations that failed. */

import { Status } from 'nice-grpc-common';
import { Context } from './context.ts';
import {
  type ErrorDetail as WireDetail,
  type ErrorReason as WireReason,
  ErrorReason as WireReasons,
} from './gen/kindred/v1/types.ts';
import type { Version } from './version.ts';

/** The name of a gRPC status code, for example `UNAVAILABLE`. */
export type StatusCode = keyof typeof Status;

/** Why the server refused or gave up, for example `NOT_ENOUGH_REPLICAS`; the README of Kindred has the table. */
export type ErrorReason = Exclude<
  keyof typeof WireReasons extends infer Name
    ? Name extends `ERROR_REASON_${infer Rest}`
      ? Rest
      : never
    : never,
  'UNSPECIFIED'
>;

/**
 * What became of the write: `NOT_APPLIED`, it did not happen and never will; `UNKNOWN`, it may have happened, or may yet
 * become visible; `NONE`, the operation was a read. `APPLIED` occurs in a {@link ConflictError} only.
 */
export type WriteOutcome = 'NONE' | 'NOT_APPLIED' | 'UNKNOWN' | 'APPLIED';

/** A replica that did not do its part. */
export interface ReplicaFailure {
  readonly nodeId: string;
  readonly reason: ErrorReason | undefined;
}

/** What the server said of a failure, beyond the code. */
export interface ErrorDetail {
  readonly reason: ErrorReason | undefined;
  /** How many replicas the level needs. 0: does not apply. */
  readonly required: number;
  /** How many replicas of the key were up. */
  readonly alive: number;
  /** How many had answered or acknowledged. */
  readonly answered: number;
  readonly failures: readonly ReplicaFailure[];
  /** The field that was not accepted, for example `key.key`. Empty: none. */
  readonly field: string;
  /** With TOO_MANY_SIBLINGS, CONFLICT and KEY_EXISTS: covers what is stored. */
  readonly context: Context | undefined;
  /** How long to wait before another attempt. Undefined: no need to. */
  readonly retryAfterMs: number | undefined;
  /** The version of the cluster's layout that was used. 0: does not apply. */
  readonly topologyEpoch: number;
}

/** What a {@link KindredError} is made of. */
export interface ErrorFields {
  readonly code: StatusCode;
  readonly outcome: WriteOutcome;
  readonly safeToRetry: boolean;
  readonly attempts: number;
  readonly endpoint: string | undefined;
  readonly detail: ErrorDetail | undefined;
  readonly requestId: Uint8Array | undefined;
}

/**
 * An operation failed, after all the attempts that were allowed and safe. When the caller's signal ended it, `code` is
 * `CANCELLED`, `name` is `AbortError` as elsewhere in JavaScript, and `cause` is the reason of the signal.
 */
export class KindredError extends Error {
  override readonly name: string;
  /** The gRPC status of the last attempt. */
  readonly code: StatusCode;
  /** What became of the write, over all attempts. Never guessed: in doubt it is UNKNOWN. */
  readonly outcome: WriteOutcome;
  /** Whether the same message, with the same request id, may be sent again without a second effect. */
  readonly safeToRetry: boolean;
  /** How often the operation was sent, or was about to be. 0: its arguments were refused here. */
  readonly attempts: number;
  /** Where the last attempt went. Undefined: to no node. */
  readonly endpoint: string | undefined;
  /** What the server said. Undefined: it said nothing, as when a connection breaks. */
  readonly detail: ErrorDetail | undefined;
  /** The id under which a write was sent: give it to the same write to try it again. */
  readonly requestId: Uint8Array | undefined;

  constructor(message: string, fields: ErrorFields, options?: ErrorOptions) {
    super(message, options);
    this.name = fields.code === 'CANCELLED' ? 'AbortError' : 'KindredError';
    this.code = fields.code;
    this.outcome = fields.outcome;
    this.safeToRetry = fields.safeToRetry;
    this.attempts = fields.attempts;
    this.endpoint = fields.endpoint;
    this.detail = fields.detail;
    this.requestId = fields.requestId;
  }

  /** Which failure of its class it is. Undefined: the server gave no reason, or one that this client does not know. */
  get reason(): ErrorReason | undefined {
    return this.detail?.reason;
  }
}

/**
 * An update met siblings that nobody resolves: the key has no resolver, or its resolver threw (the `cause`), or the writers
 * raced more often than `updateAttempts` allows. Merge `versions` and put the result with `context`. With the outcome
 * `APPLIED` the value that the update's function returned was written, and is among the siblings.
 */
export class ConflictError extends KindredError {
  override readonly name: string = 'ConflictError';
  readonly versions: readonly Version[];
  readonly context: Context;

  constructor(
    message: string,
    conflict: {
      readonly versions: readonly Version[];
      readonly context: Context;
      readonly outcome: 'NOT_APPLIED' | 'APPLIED';
      readonly attempts: number;
    },
    options?: ErrorOptions,
  ) {
    super(
      message,
      {
        code: 'FAILED_PRECONDITION',
        outcome: conflict.outcome,
        safeToRetry: false,
        attempts: conflict.attempts,
        endpoint: undefined,
        detail: undefined,
        requestId: undefined,
      },
      options,
    );
    this.versions = conflict.versions;
    this.context = conflict.context;
  }

  override get reason(): ErrorReason {
    return 'CONFLICT';
  }
}

/** An argument that is refused before anything is sent. Becomes a {@link KindredError} where it is known who calls. */
export class ArgumentRefused extends Error {
  override readonly name = 'ArgumentRefused';
  readonly field: string;
  readonly reason: ErrorReason;

  constructor(field: string, problem: string, reason: ErrorReason = 'INVALID_REQUEST') {
    super(`${field}: ${problem}`);
    this.field = field;
    this.reason = reason;
  }

  /** What the caller gets. */
  toError(isWrite: boolean): KindredError {
    return new KindredError(this.message, {
      code: 'INVALID_ARGUMENT',
      outcome: isWrite ? 'NOT_APPLIED' : 'NONE',
      safeToRetry: true,
      attempts: 0,
      endpoint: undefined,
      detail: {
        reason: this.reason,
        required: 0,
        alive: 0,
        answered: 0,
        failures: [],
        field: this.field,
        context: undefined,
        retryAfterMs: undefined,
        topologyEpoch: 0,
      },
      requestId: undefined,
    });
  }
}

/** The name of a numeric status code; UNKNOWN for one that gRPC does not have. */
export function statusCodeOf(code: number): StatusCode {
  return (Status[code] as StatusCode | undefined) ?? 'UNKNOWN';
}

/** The public form of the server's detail. */
export function errorDetailOf(detail: WireDetail): ErrorDetail {
  const { retryAfter } = detail;
  return {
    reason: reasonOf(detail.reason),
    required: detail.required,
    alive: detail.alive,
    answered: detail.answered,
    failures: detail.failures.map(({ nodeId, reason }) => ({ nodeId, reason: reasonOf(reason) })),
    field: detail.field,
    context: detail.context.length === 0 ? undefined : Context.fromBytes(detail.context),
    retryAfterMs: retryAfter === undefined ? undefined : retryAfter.seconds * 1000 + retryAfter.nanos / 1e6,
    topologyEpoch: detail.topologyEpoch,
  };
}

const reasons: ReadonlyMap<number, ErrorReason> = new Map(
  Object.entries(WireReasons)
    .filter(([, value]) => value > 0)
    .map(([name, value]) => [value, name.slice('ERROR_REASON_'.length) as ErrorReason]),
);

function reasonOf(reason: WireReason): ErrorReason | undefined {
  return reasons.get(reason);
}

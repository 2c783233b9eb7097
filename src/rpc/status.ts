/**
 * The error contract: what each failure is as a gRPC status and as an ErrorDetail, in one place. `docs/errors.md` is the
 * table for users, checked against this file.
 *
 * The rule behind it: UNAVAILABLE is said only where nothing was applied, because service configurations, proxies and
 * people retry it. What may have been applied is DEADLINE_EXCEEDED or ABORTED (INTERNAL for a defect).
 */

import { Metadata, type StatusObject, status } from '@grpc/grpc-js';
import type { VersionedRecord } from '../core/causality/record.ts';
import {
  type Failure,
  OperationError,
  type ReplicaFailureReason,
  type WriteOutcome,
} from '../core/coordinator/failure.ts';
import { Status } from '../gen/google/rpc/status.ts';
import {
  ErrorDetail,
  ErrorReason,
  type ItemStatus,
  WriteOutcome as WireOutcome,
} from '../gen/kindred/v1/types.ts';
import { durationOfMs } from './conversion.ts';

/** The operation that failed, as far as its status depends on it. */
export interface Attempt {
  readonly kind: 'read' | 'write';
  /** Whether a write may be sent again without a second effect. */
  readonly hasRequestId: boolean;
  /** The client's gRPC library had sent it before, by itself: what an earlier attempt did is not known. */
  readonly isRetry: boolean;
  /** It ends a stream, on which other operations may have been applied whose results will not be told. */
  readonly endsOthers?: boolean;
  /** The version of the layout in use; 0 when the failure has nothing to do with it. */
  readonly layoutVersion: number;
  /** The token for what the key holds, for failures that the client can resolve. */
  readonly encodeContext: ((record: VersionedRecord | undefined) => Uint8Array) | undefined;
}

/** A failure in its final form, on its way through a service to the client. */
export class StatusError extends Error {
  override readonly name = 'StatusError';
  readonly item: ItemStatus;
  constructor(item: ItemStatus) {
    super(item.message);
    this.item = item;
  }
}

interface Shape {
  readonly code: status;
  readonly reason: ErrorReason;
  readonly outcome: WriteOutcome;
  readonly message: string;
  readonly retryAfterMs?: number;
}

/** The status of a failure for one operation. */
export function itemStatusOf(failure: Failure, attempt: Attempt): ItemStatus {
  return withDoubt(ownStatusOf(failure, attempt), attempt);
}

/**
 * A gRPC library that repeats a call tells its user of the last attempt only. So a write that this attempt certainly did not
 * apply is unknown then, whatever the reason: an earlier attempt may have gone to a node that was not draining or full, or
 * that has another configuration, or may itself be what this one met (KEY_EXISTS, CONFLICT). Not seeing its request id
 * proves nothing: the replica that was asked may not have received it yet. And the status of a stream is all that is told
 * of the operations on it that have no result.
 */
function withDoubt(item: ItemStatus, attempt: Attempt): ItemStatus {
  const { code, message, detail } = item;
  const { isRetry, endsOthers } = attempt;
  if (!isRetry && endsOthers !== true) return item;
  if (detail?.writeOutcome !== WireOutcome.WRITE_OUTCOME_NOT_APPLIED) return item;
  return {
    code: code === status.DEADLINE_EXCEEDED ? code : status.ABORTED,
    message: isRetry
      ? `your gRPC client sent this write again by itself, and this attempt did nothing: ${message}. Of all its attempts: ${advice('unknown', attempt)}`
      : `${message}. This ended the stream, and operations on it that have no result may have been applied: send those with a request_id again, and read the keys of the others`,
    detail: {
      ...detail,
      writeOutcome: WireOutcome.WRITE_OUTCOME_UNKNOWN,
      safeToRetry: attempt.hasRequestId,
    },
  };
}

/** The status of this attempt, as if there were no other. */
function ownStatusOf(failure: Failure, attempt: Attempt): ItemStatus {
  const shape = shapeOf(failure, attempt);
  const isWrite = attempt.kind === 'write';
  const unknown = isWrite && shape.outcome === 'unknown';
  const detail: ErrorDetail = {
    reason: shape.reason,
    writeOutcome: isWrite
      ? unknown
        ? WireOutcome.WRITE_OUTCOME_UNKNOWN
        : WireOutcome.WRITE_OUTCOME_NOT_APPLIED
      : WireOutcome.WRITE_OUTCOME_UNSPECIFIED,
    safeToRetry: !unknown || attempt.hasRequestId,
    retryAfter: shape.retryAfterMs === undefined ? undefined : durationOfMs(shape.retryAfterMs),
    required: 'required' in failure ? failure.required : 0,
    alive: 'alive' in failure ? failure.alive : 0,
    answered: 'answered' in failure ? failure.answered : 0,
    failures:
      'failures' in failure
        ? failure.failures.map(({ node, reason }) => ({ nodeId: node, reason: replicaReasons[reason] }))
        : [],
    topologyEpoch: attempt.layoutVersion,
    context:
      'record' in failure && attempt.encodeContext !== undefined
        ? attempt.encodeContext(failure.record)
        : noBytes,
    field: failure.kind === 'invalid' ? failure.field : '',
  };
  return { code: shape.code, message: shape.message, detail };
}

const noBytes = new Uint8Array(0);

const replicaReasons: Readonly<Record<ReplicaFailureReason, ErrorReason>> = {
  'not-sent': ErrorReason.ERROR_REASON_REPLICA_FAILURE,
  lost: ErrorReason.ERROR_REASON_REPLICA_FAILURE,
  'timed-out': ErrorReason.ERROR_REASON_QUORUM_TIMEOUT,
  overloaded: ErrorReason.ERROR_REASON_NODE_OVERLOADED,
  'storage-failed': ErrorReason.ERROR_REASON_STORAGE_FAILED,
  'record-damaged': ErrorReason.ERROR_REASON_STORAGE_FAILED,
  'not-synced': ErrorReason.ERROR_REASON_REPLICA_FAILURE,
  refused: ErrorReason.ERROR_REASON_REPLICA_FAILURE,
  outdated: ErrorReason.ERROR_REASON_REPLICA_FAILURE,
};

function shapeOf(failure: Failure, attempt: Attempt): Shape {
  const isWrite = attempt.kind === 'write';
  switch (failure.kind) {
    case 'invalid': {
      const message = `${failure.field}: ${failure.problem}`;
      const { reason } = failure;
      if (reason === 'too-large' && resourceFields.has(failure.field)) {
        return notApplied(status.RESOURCE_EXHAUSTED, ErrorReason.ERROR_REASON_TOO_LARGE, message);
      }
      return notApplied(status.INVALID_ARGUMENT, invalidReasons[reason], message);
    }
    case 'bucket-unknown':
      return notApplied(
        status.NOT_FOUND,
        ErrorReason.ERROR_REASON_BUCKET_UNKNOWN,
        `no bucket "${failure.bucket}": name one of ListBuckets, or add it to the configuration of every node`,
      );
    case 'not-enough-replicas':
      return notApplied(
        status.UNAVAILABLE,
        ErrorReason.ERROR_REASON_NOT_ENOUGH_REPLICAS,
        `the level needs ${replicas(failure.required)}, ${failure.alive} of the key's are up; nothing was sent. ` +
          'Try again later, or accept a weaker level',
      );
    case 'quorum-timeout':
      return {
        code: status.DEADLINE_EXCEEDED,
        reason: ErrorReason.ERROR_REASON_QUORUM_TIMEOUT,
        outcome: failure.outcome,
        message:
          `${failure.answered} of the ${failure.required} replicas needed answered in time. ` +
          advice(failure.outcome, attempt),
      };
    case 'replica-failure':
      return {
        code: status.ABORTED,
        reason: ErrorReason.ERROR_REASON_REPLICA_FAILURE,
        outcome: failure.outcome,
        message:
          `${failure.answered} of the ${failure.required} replicas needed answered, and too many of the others failed. ` +
          advice(failure.outcome, attempt),
      };
    case 'context-not-reached':
      return notApplied(
        status.UNAVAILABLE,
        ErrorReason.ERROR_REASON_CONTEXT_NOT_REACHED,
        'no replica that answered has received all that the context covers. Try again, or read the key again',
      );
    case 'conflict':
      return notApplied(
        status.FAILED_PRECONDITION,
        ErrorReason.ERROR_REASON_CONFLICT,
        `${failure.problem}. Read them, merge, and put with the context`,
      );
    case 'key-exists':
      return notApplied(
        status.FAILED_PRECONDITION,
        ErrorReason.ERROR_REASON_KEY_EXISTS,
        `${failure.problem}. Put with the context of this error to replace it`,
      );
    case 'too-many-siblings':
      return notApplied(
        status.FAILED_PRECONDITION,
        ErrorReason.ERROR_REASON_TOO_MANY_SIBLINGS,
        failure.problem,
      );
    case 'overloaded':
      return {
        code: status.RESOURCE_EXHAUSTED,
        reason: ErrorReason.ERROR_REASON_NODE_OVERLOADED,
        outcome: 'not-applied',
        message: `${failure.problem}. Try again after ${Math.ceil(failure.retryAfterMs)} ms, or ask another node`,
        retryAfterMs: failure.retryAfterMs,
      };
    case 'draining':
      return notApplied(
        status.UNAVAILABLE,
        ErrorReason.ERROR_REASON_NODE_DRAINING,
        'the node is shutting down; nothing was done. Ask another node',
      );
    case 'storage-failed': {
      const unknown = isWrite && failure.outcome === 'unknown';
      return {
        code: unknown ? status.ABORTED : status.UNAVAILABLE,
        reason: ErrorReason.ERROR_REASON_STORAGE_FAILED,
        outcome: failure.outcome,
        message: `${failure.problem}. ${unknown ? advice('unknown', attempt) : 'Ask another node'}`,
      };
    }
    case 'disk-full': {
      const unknown = isWrite && failure.outcome === 'unknown';
      return {
        code: unknown ? status.ABORTED : status.RESOURCE_EXHAUSTED,
        reason: ErrorReason.ERROR_REASON_DISK_FULL,
        outcome: failure.outcome,
        message: `${failure.problem}. ${unknown ? advice('unknown', attempt) : 'Free space on the node, or ask another'}`,
      };
    }
    case 'operation-unknown':
      return notApplied(
        status.NOT_FOUND,
        ErrorReason.ERROR_REASON_OPERATION_UNKNOWN,
        `${failure.node} knows no such operation: it remembers the last 100 since its start`,
      );
    case 'operation-running':
      return notApplied(
        status.FAILED_PRECONDITION,
        ErrorReason.ERROR_REASON_OPERATION_RUNNING,
        `${failure.problem}. Wait for it, or cancel it`,
      );
    case 'expired':
      return {
        code: status.DEADLINE_EXCEEDED,
        reason: ErrorReason.ERROR_REASON_QUORUM_TIMEOUT,
        outcome: failure.outcome,
        message: `the deadline passed before the operation could finish. ${advice(failure.outcome, attempt)}`,
      };
    case 'retried-without-id':
      return {
        code: status.ABORTED,
        reason: ErrorReason.ERROR_REASON_RETRY_UNSAFE,
        outcome: 'unknown',
        message:
          'your gRPC client sent this write again by itself, and it has no request_id: the first attempt may have been ' +
          'applied. Set options.request_id, or turn off the retry policy for writes',
      };
  }
}

/** Fields whose limit is one of this node's resources and not of the request alone. */
const resourceFields: ReadonlySet<string> = new Set(['record', 'metadata']);

const invalidReasons: Readonly<
  Record<Extract<Failure, { readonly kind: 'invalid' }>['reason'], ErrorReason>
> = {
  'invalid-request': ErrorReason.ERROR_REASON_INVALID_REQUEST,
  'context-invalid': ErrorReason.ERROR_REASON_CONTEXT_INVALID,
  'too-large': ErrorReason.ERROR_REASON_TOO_LARGE,
  'request-id-reused': ErrorReason.ERROR_REASON_REQUEST_ID_REUSED,
};

function notApplied(code: status, reason: ErrorReason, message: string): Shape {
  return { code, reason, outcome: 'not-applied', message };
}

function replicas(count: number): string {
  return count === 1 ? '1 replica' : `${count} replicas`;
}

function advice(outcome: WriteOutcome, attempt: Attempt): string {
  if (attempt.kind === 'read') return 'Try again, or accept a weaker level';
  if (outcome !== 'unknown') return 'The write was not applied: try again';
  return attempt.hasRequestId
    ? 'The write may have been applied: send it again with the same request_id, or ask GetWriteOutcome'
    : 'The write may have been applied: read the key before you send it again, and give writes a request_id';
}

/** Writes what went wrong to the log, under an id that the client is told instead of it. */
export type ReportIncident = (error: unknown) => string;

/** The status of whatever was thrown. What is no failure of the contract is a defect, and its text stays here. */
export function itemStatusOfError(
  error: unknown,
  attempt: Attempt,
  reportIncident: ReportIncident,
): ItemStatus {
  // Another node, which carried out this attempt, does not know of the earlier ones.
  if (error instanceof StatusError) return withDoubt(error.item, attempt);
  if (error instanceof OperationError) return itemStatusOf(error.failure, attempt);
  const unknown = attempt.kind === 'write';
  return {
    code: status.INTERNAL,
    message: `internal error ${reportIncident(error)}: the log of the node says more under this id`,
    detail: {
      reason: ErrorReason.ERROR_REASON_UNSPECIFIED,
      writeOutcome: unknown ? WireOutcome.WRITE_OUTCOME_UNKNOWN : WireOutcome.WRITE_OUTCOME_UNSPECIFIED,
      safeToRetry: !unknown || attempt.hasRequestId,
      retryAfter: undefined,
      required: 0,
      alive: 0,
      answered: 0,
      failures: [],
      topologyEpoch: attempt.layoutVersion,
      context: noBytes,
      field: '',
    },
  };
}

/** The trailer that carries the detail, as google.rpc.Status. */
export const detailsTrailer = 'grpc-status-details-bin';
/** The trailer that tells gRPC clients how long to wait. */
export const pushbackTrailer = 'grpc-retry-pushback-ms';

const errorDetailType = 'type.googleapis.com/kindred.v1.ErrorDetail';

/** What grpc-js sends at the end of a call that failed. */
export function grpcStatusOf(item: ItemStatus): StatusObject {
  const metadata = new Metadata();
  const { code, detail } = item;
  // A lone surrogate in it would turn the whole status into UNKNOWN.
  const details = item.message.toWellFormed();
  if (detail !== undefined) {
    const packed = Status.encode({
      code,
      message: details,
      details: [{ typeUrl: errorDetailType, value: ErrorDetail.encode(detail).finish() }],
    }).finish();
    metadata.set(detailsTrailer, Buffer.from(packed.buffer, packed.byteOffset, packed.byteLength));
    if (detail.retryAfter !== undefined) {
      const { seconds, nanos } = detail.retryAfter;
      metadata.set(pushbackTrailer, String(Math.ceil(seconds * 1000 + nanos / 1_000_000)));
    }
  }
  return { code, details, metadata };
}

/**
 * The client's half: the ErrorDetail in the bytes of the trailer `grpc-status-details-bin`. `undefined` when they hold
 * none: the status then comes from gRPC itself or from something in between, and the outcome of a write is unknown.
 */
export function errorDetailOf(trailer: Uint8Array | undefined): ErrorDetail | undefined {
  if (trailer === undefined) return undefined;
  try {
    const packed = Status.decode(trailer).details.find((any) => any.typeUrl === errorDetailType);
    return packed === undefined ? undefined : ErrorDetail.decode(packed.value);
  } catch {
    return undefined; // made by somebody else
  }
}

/** `QUORUM_TIMEOUT` for the reason of a detail, empty for none: the `reason` label of metrics. */
export function reasonText(reason: ErrorReason): string {
  return reasonNames.get(reason) ?? '';
}

const reasonNames: ReadonlyMap<number, string> = new Map(
  Object.entries(ErrorReason)
    .filter(([, value]) => value > 0)
    .map(([name, value]) => [value, name.replace('ERROR_REASON_', '')]),
);

/** `OK`, `UNAVAILABLE`: the `code` label of metrics. */
export function codeText(code: number): string {
  return status[code] ?? String(code);
}

/**
 * What the failure of one attempt means: what became of the write, and whether another attempt may be made. One rule above
 * all: a write is called NOT_APPLIED only when that is certain.
 */

import { ClientError, type Metadata } from 'nice-grpc';
import {
  ArgumentRefused,
  errorDetailOf,
  KindredError,
  type StatusCode,
  statusCodeOf,
  type WriteOutcome,
} from './error.ts';
import { Status } from './gen/google/rpc/status.ts';
import {
  ErrorDetail,
  ErrorReason,
  type ItemStatus,
  WriteOutcome as WireOutcome,
} from './gen/kindred/v1/types.ts';

/** How one attempt failed. */
export interface Failure {
  readonly code: StatusCode;
  readonly message: string;
  readonly detail: ErrorDetail | undefined;
  readonly endpoint: string | undefined;
  /** No node can have received anything of it. */
  readonly isUnsent: boolean;
  /** The caller gave up, or time did: no more attempts. */
  readonly isFinal: boolean;
  readonly cause: unknown;
}

/** The failure that a call ended with. `trailer` is what the server sent last. */
export function failureOfCall(error: unknown, trailer: Metadata | undefined, endpoint: string): Failure {
  if (!(error instanceof ClientError)) {
    return {
      code: 'INTERNAL',
      message: error instanceof Error ? error.message : String(error),
      detail: undefined,
      endpoint,
      isUnsent: false,
      isFinal: true,
      cause: error,
    };
  }
  const detail = readDetail(trailer?.get(DETAILS_TRAILER));
  return {
    code: statusCodeOf(error.code),
    message: error.details,
    detail,
    endpoint,
    isUnsent:
      detail === undefined && /^(No connection established|Name resolution failed)/.test(error.details),
    isFinal: false,
    cause: error,
  };
}

/** The failure of one item of a batch or a pipeline. */
export function failureOfItem(status: ItemStatus, endpoint: string): Failure {
  return {
    code: statusCodeOf(status.code),
    message: status.message,
    detail: status.detail,
    endpoint,
    isUnsent: false,
    isFinal: false,
    cause: undefined,
  };
}

/** No endpoint has a connection, nor could get one. */
export function noConnection(endpoints: readonly string[]): Failure {
  return {
    code: 'UNAVAILABLE',
    message: `no connection to ${endpoints.join(', ')}`,
    detail: undefined,
    endpoint: undefined,
    isUnsent: true,
    isFinal: false,
    cause: undefined,
  };
}

/** The server ended a stream that was not done. */
export function streamEnded(endpoint: string): Failure {
  return {
    code: 'UNAVAILABLE',
    message: 'the server ended the stream',
    detail: undefined,
    endpoint,
    isUnsent: false,
    isFinal: false,
    cause: undefined,
  };
}

/** The time for the whole operation is over. */
export function timedOut(timeoutMs: number, sent: Sent): Failure {
  return {
    code: 'DEADLINE_EXCEEDED',
    message: sent.isSent ? `no answer within ${timeoutMs} ms` : `not sent within ${timeoutMs} ms`,
    detail: undefined,
    endpoint: sent.endpoint,
    isUnsent: !sent.isSent,
    isFinal: true,
    cause: undefined,
  };
}

/** The caller's signal was aborted. */
export function cancelled(reason: unknown, sent: Sent): Failure {
  return {
    code: 'CANCELLED',
    message: 'the operation was cancelled',
    detail: undefined,
    endpoint: sent.endpoint,
    isUnsent: !sent.isSent,
    isFinal: true,
    cause: reason,
  };
}

/** `what` was closed before the operation began. */
export function alreadyClosed(what: string): Failure {
  return {
    code: 'FAILED_PRECONDITION',
    message: `${what} is closed`,
    detail: undefined,
    endpoint: undefined,
    isUnsent: true,
    isFinal: true,
    cause: undefined,
  };
}

/** Whether the attempt that ended may have reached a node, and where it went. */
export interface Sent {
  readonly isSent: boolean;
  readonly endpoint: string | undefined;
}

/** Nothing was sent. */
export const notSent: Sent = { isSent: false, endpoint: undefined };

/** What became of the write in this attempt. */
export function outcomeOf(failure: Failure): 'NOT_APPLIED' | 'UNKNOWN' {
  const { detail } = failure;
  if (detail === undefined) return failure.isUnsent ? 'NOT_APPLIED' : 'UNKNOWN';
  return detail.writeOutcome === WireOutcome.WRITE_OUTCOME_NOT_APPLIED ? 'NOT_APPLIED' : 'UNKNOWN';
}

/** Whether another attempt with the same request id is harmless and may do better. */
export function isRetryable(failure: Failure): boolean {
  const { detail, code } = failure;
  if (failure.isFinal) return false;
  if (detail !== undefined) return detail.safeToRetry && isTransient(detail.reason, code);
  switch (code) {
    case 'UNAVAILABLE':
    case 'DEADLINE_EXCEEDED':
      return true;
    // What grpc-js makes of a connection that breaks while a call is under way.
    case 'CANCELLED':
    case 'INTERNAL':
    case 'UNKNOWN':
      return /RST_STREAM|GOAWAY|ECONNRESET|EPIPE|Connection dropped|socket/i.test(failure.message);
    default:
      return false;
  }
}

/** How long the server asks to wait before another attempt, in milliseconds. */
export function retryAfterMs(failure: Failure): number {
  const retryAfter = failure.detail?.retryAfter;
  return retryAfter === undefined ? 0 : retryAfter.seconds * 1000 + retryAfter.nanos / 1e6;
}

/** All that happened to one operation, as its caller is told of it. */
export function errorOf(
  failure: Failure,
  operation: {
    readonly isWrite: boolean;
    readonly requestId: Uint8Array | undefined;
    readonly attempts: number;
    /** Whether an earlier attempt may have been applied. */
    readonly isUncertain: boolean;
  },
): KindredError {
  const { detail } = failure;
  const outcome: WriteOutcome = !operation.isWrite
    ? 'NONE'
    : operation.isUncertain
      ? 'UNKNOWN'
      : outcomeOf(failure);
  return new KindredError(
    failure.message,
    {
      code: failure.code,
      outcome,
      // Without a detail nothing is known but that a request id makes every repetition harmless.
      safeToRetry: detail?.safeToRetry ?? true,
      attempts: operation.attempts,
      endpoint: failure.endpoint,
      detail: detail === undefined ? undefined : errorDetailOf(detail),
      requestId: operation.requestId,
    },
    failure.cause === undefined ? undefined : { cause: failure.cause },
  );
}

/** Runs what makes a request of the caller's arguments, and tells the caller of the one that was refused. */
export function prepared<Request>(isWrite: boolean, prepare: () => Request): Request {
  try {
    return prepare();
  } catch (error) {
    throw error instanceof ArgumentRefused ? error.toError(isWrite) : error;
  }
}

const DETAILS_TRAILER = 'grpc-status-details-bin';
const ERROR_DETAIL_TYPE = 'type.googleapis.com/kindred.v1.ErrorDetail';

function readDetail(bytes: Uint8Array | string | undefined): ErrorDetail | undefined {
  if (bytes === undefined || typeof bytes === 'string') return undefined;
  try {
    const packed = Status.decode(bytes).details.find(({ typeUrl }) => typeUrl === ERROR_DETAIL_TYPE);
    return packed === undefined ? undefined : ErrorDetail.decode(packed.value);
  } catch {
    // Damaged, or made by somebody else: as good as none, and without one less is claimed.
    return undefined;
  }
}

function isTransient(reason: ErrorReason, code: StatusCode): boolean {
  // A reason of a later server: go by the code.
  return transientReasons.has(reason) || (!knownReasons.has(reason) && code === 'UNAVAILABLE');
}

const transientReasons: ReadonlySet<number> = new Set([
  ErrorReason.ERROR_REASON_NOT_ENOUGH_REPLICAS,
  ErrorReason.ERROR_REASON_QUORUM_TIMEOUT,
  ErrorReason.ERROR_REASON_REPLICA_FAILURE,
  ErrorReason.ERROR_REASON_CONTEXT_NOT_REACHED,
  ErrorReason.ERROR_REASON_NODE_OVERLOADED,
  ErrorReason.ERROR_REASON_DISK_FULL,
  ErrorReason.ERROR_REASON_NODE_DRAINING,
  ErrorReason.ERROR_REASON_STORAGE_FAILED,
  ErrorReason.ERROR_REASON_RETRY_UNSAFE,
]);

const knownReasons: ReadonlySet<number> = new Set(Object.values(ErrorReason).filter((reason) => reason > 0));

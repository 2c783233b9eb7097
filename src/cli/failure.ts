/**
 * Failures of calls: what the server said in `grpc-status-details-bin`, or what can be concluded when it said nothing;
 * and how a person or a program is told. One rule above all: a write is called NOT APPLIED only when that is certain.
 */

import { type ClientError, type Metadata, Status as StatusCode } from 'nice-grpc-common';
import { Status } from '../gen/google/rpc/status.ts';
import { ErrorDetail, errorReasonToJSON, type ItemStatus, WriteOutcome } from '../gen/kindred/v1/types.ts';
import { toBase64Url } from './bytes-text.ts';
import { formatDurationMs } from './duration-text.ts';
import { CLIENT_EXIT } from './exit-code.ts';

/** What is known about the write that a failed call asked for. */
export type Outcome = 'not-a-write' | 'not-applied' | 'unknown';

/** A call that failed. The fields are those of the JSON answer `{"error": ...}`, which is documented and stable. */
export class CallFailure extends Error {
  override readonly name = 'CallFailure';
  /** Name of the gRPC code: `UNAVAILABLE`. */
  readonly code: string;
  /** Name of the ErrorReason without its prefix; `CONNECTION` when no server answered, `` when it gave none. */
  readonly reason: string;
  readonly outcome: Outcome;
  readonly endpoint: string;
  readonly detail: ErrorDetail | undefined;

  constructor(
    fields: {
      readonly message: string;
      readonly code: string;
      readonly reason: string;
      readonly outcome: Outcome;
      readonly endpoint: string;
      readonly detail?: ErrorDetail | undefined;
    },
    options?: ErrorOptions,
  ) {
    super(fields.message, options);
    this.code = fields.code;
    this.reason = fields.reason;
    this.outcome = fields.outcome;
    this.endpoint = fields.endpoint;
    this.detail = fields.detail;
  }

  /** The same failure, of a write that an earlier attempt may have carried out. */
  afterUnknown(): CallFailure {
    if (this.outcome !== 'not-applied') return this;
    return new CallFailure({ ...this, message: this.message, outcome: 'unknown' }, { cause: this });
  }

  /** Whether another node may do better: no server answered, or this one is going away. */
  get isOfThisEndpoint(): boolean {
    return this.reason === 'CONNECTION' || this.reason === 'NODE_DRAINING';
  }

  /** The exit code that tells this failure. */
  get exitCode(): number {
    if (this.outcome === 'unknown') return CLIENT_EXIT.unknown;
    return this.reason === 'CONFLICT' ? CLIENT_EXIT.conflict : CLIENT_EXIT.failed;
  }
}

/** Metadata key of the server's error detail. */
const DETAILS_KEY = 'grpc-status-details-bin';
const ERROR_DETAIL_TYPE = 'type.googleapis.com/kindred.v1.ErrorDetail';

/** What a failed unary call means. `trailer` is what the server sent last. */
export function callFailure(
  error: ClientError,
  trailer: Metadata | undefined,
  call: { readonly endpoint: string; readonly writes: boolean },
): CallFailure {
  const code = StatusCode[error.code] ?? String(error.code);
  const detail = detailOf(trailer?.get(DETAILS_KEY));
  if (detail !== undefined) return detailed(error.details, code, detail, call.endpoint, error);
  // No detail: not our server, or no server at all. Only what was certainly not sent is certainly not applied.
  const unsent =
    error.code === StatusCode.UNAVAILABLE &&
    /no connection established|name resolution failed|ECONNREFUSED/i.test(error.details);
  const refused = error.code === StatusCode.INVALID_ARGUMENT || error.code === StatusCode.UNIMPLEMENTED;
  return new CallFailure(
    {
      message: error.details,
      code,
      reason: error.code === StatusCode.UNAVAILABLE ? 'CONNECTION' : '',
      outcome: !call.writes ? 'not-a-write' : unsent || refused ? 'not-applied' : 'unknown',
      endpoint: call.endpoint,
    },
    { cause: error },
  );
}

/** What a failed item of a pipeline means. */
export function itemFailure(status: ItemStatus, endpoint: string): CallFailure {
  const code = StatusCode[status.code] ?? String(status.code);
  return detailed(status.message, code, status.detail ?? ErrorDetail.create(), endpoint);
}

function detailed(
  message: string,
  code: string,
  detail: ErrorDetail,
  endpoint: string,
  cause?: Error,
): CallFailure {
  const outcome =
    detail.writeOutcome === WriteOutcome.WRITE_OUTCOME_UNKNOWN
      ? 'unknown'
      : detail.writeOutcome === WriteOutcome.WRITE_OUTCOME_NOT_APPLIED
        ? 'not-applied'
        : 'not-a-write';
  return new CallFailure({ message, code, reason: reasonName(detail), outcome, endpoint, detail }, { cause });
}

function reasonName(detail: ErrorDetail): string {
  return errorReasonToJSON(detail.reason).replace(/^ERROR_REASON_/, '');
}

function detailOf(bytes: Uint8Array | string | undefined): ErrorDetail | undefined {
  if (bytes === undefined || typeof bytes === 'string') return undefined;
  try {
    const packed = Status.decode(bytes).details.find((detail) => detail.typeUrl === ERROR_DETAIL_TYPE);
    return packed === undefined ? undefined : ErrorDetail.decode(packed.value);
  } catch {
    // A damaged detail is as good as none: the code alone then decides, and it claims less.
    return undefined;
  }
}

/** The JSON answer of a failed call. */
export function failureJson(failure: CallFailure): object {
  const { detail } = failure;
  return {
    error: {
      message: failure.message,
      code: failure.code,
      reason: failure.reason,
      outcome: failure.outcome,
      endpoint: failure.endpoint,
      safeToRetry: detail?.safeToRetry ?? failure.outcome !== 'unknown',
      ...(detail !== undefined && {
        required: detail.required,
        alive: detail.alive,
        answered: detail.answered,
        failures: detail.failures.map((one) => ({
          node: one.nodeId,
          reason: errorReasonToJSON(one.reason).replace(/^ERROR_REASON_/, ''),
        })),
        field: detail.field,
        context: toBase64Url(detail.context),
        retryAfterMs: retryAfterMs(detail) ?? null,
      }),
    },
  };
}

function retryAfterMs(detail: ErrorDetail): number | undefined {
  const { retryAfter } = detail;
  return retryAfter === undefined ? undefined : retryAfter.seconds * 1000 + retryAfter.nanos / 1e6;
}

/** The failure for people: what happened, what became of the write, and what to do. */
export function failureText(failure: CallFailure, requestId?: string): string {
  const { detail } = failure;
  const lines = [
    `error: ${failure.message} [${[failure.code, failure.reason].filter(Boolean).join(', ')}; ${failure.endpoint}]`,
  ];
  if (detail !== undefined && detail.required > 0) {
    lines.push(`  replicas: ${detail.required} needed, ${detail.alive} up, ${detail.answered} answered`);
  }
  for (const one of detail?.failures ?? []) {
    lines.push(`  ${one.nodeId}: ${errorReasonToJSON(one.reason).replace(/^ERROR_REASON_/, '')}`);
  }
  if (failure.outcome === 'not-applied')
    lines.push('  outcome: NOT APPLIED: nothing was written, and nothing will appear');
  if (failure.outcome === 'unknown')
    lines.push('  outcome: UNKNOWN: the write may have happened, or may appear later');
  lines.push(`  what to do: ${advice(failure, requestId)}`);
  if (detail !== undefined && detail.context.length > 0)
    lines.push(`  context: ${toBase64Url(detail.context)}`);
  return `${lines.join('\n')}\n`;
}

function advice(failure: CallFailure, requestId: string | undefined): string {
  switch (failure.reason) {
    case 'CONNECTION':
      if (failure.outcome === 'unknown') break;
      return `is a node running at ${failure.endpoint}? Start one (kindred dev), or name others with --endpoint host:port,host:port`;
    case 'NOT_ENOUGH_REPLICAS':
      return 'see which nodes are down (kindred status), or ask for less (--level one)';
    case 'CONTEXT_NOT_REACHED':
      return 'try again shortly, or read at a higher level (--level quorum)';
    case 'CONTEXT_INVALID':
      return 'take a fresh context of this very key: kindred get KEY --json';
    case 'CONFLICT':
      return 'merge the versions: kindred resolve KEY';
    case 'KEY_EXISTS':
      return 'give the context below with --context to replace it, or --blind overwrite';
    case 'TOO_MANY_SIBLINGS':
      return 'merge the versions: kindred resolve KEY; a put with the context below is never refused';
    case 'REQUEST_ID_REUSED':
      return 'leave --request-id out, or send exactly what was sent with it before';
    case 'NODE_OVERLOADED': {
      const afterMs = failure.detail === undefined ? undefined : retryAfterMs(failure.detail);
      return `try again${afterMs === undefined ? ' later' : ` after ${formatDurationMs(afterMs)}`}, or another node`;
    }
    case 'DISK_FULL':
      return 'free space on that node, or write through another one';
    case 'STORAGE_FAILED':
      if (failure.outcome === 'unknown') break;
      return 'look at the log of that node; the other replicas still serve';
    case 'NODE_DRAINING':
      return 'ask another node (--endpoint)';
    case 'BUCKET_UNKNOWN':
      return 'buckets are made in the configuration of the cluster; add it there on every node';
    case 'TOO_LARGE':
    case 'INVALID_REQUEST':
      return `correct ${failure.detail?.field || 'the request'}`;
    default:
      break;
  }
  if (failure.outcome === 'unknown') {
    return requestId === undefined
      ? 'read the key, and write again if needed'
      : `send it again with --request-id ${requestId}: then it counts once`;
  }
  return failure.code === 'DEADLINE_EXCEEDED' ? 'try again, or allow more time (--timeout 30s)' : 'try again';
}

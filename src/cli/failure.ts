/**
 * Failures of calls: what the server said in `grpc-status-details-bin`, or what can be concluded when it said nothing;
 * and how a person or a program is told. One rule above all: a write is called NOT APPLIED only when that is certain.
 */

import { type ClientError, type Metadata, Status as StatusCode } from 'nice-grpc-common';
import { Status } from '../gen/google/rpc/status.ts';
import { ErrorDetail, errorReasonToJSON, type ItemStatus, WriteOutcome } from '../gen/kindred/v1/types.ts';
import { connectionText } from '../rpc/connection-text.ts';
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

/** Answers larger than gRPC's 4 MiB: a key may hold 8 MiB of siblings. */
export const ANSWER_BYTES_MAX: number = 16 * 1024 * 1024;

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
  // gRPC refused the message before the node saw it. The same words with our own limit are about an answer.
  const tooLarge =
    error.code === StatusCode.RESOURCE_EXHAUSTED &&
    /^Received message (larger than max|that decompresses to a size larger than)/.test(error.details) &&
    !error.details.includes(` vs ${ANSWER_BYTES_MAX})`);
  const refused =
    tooLarge || error.code === StatusCode.INVALID_ARGUMENT || error.code === StatusCode.UNIMPLEMENTED;
  return new CallFailure(
    {
      message: connectionText(error.details),
      code,
      reason: error.code === StatusCode.UNAVAILABLE ? 'CONNECTION' : tooLarge ? 'TOO_LARGE' : '',
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
  const labels = [failure.code, failure.reason].filter(Boolean).join(', ');
  const lines = [`error: ${messageText(failure)} [${[labels, failure.endpoint].filter(Boolean).join('; ')}]`];
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
  const advices = [adviceFor(failure), failure.outcome === 'unknown' ? againAdvice(requestId) : undefined];
  lines.push(`  what to do: ${advices.filter((text) => text !== undefined).join('; ')}`);
  if (detail !== undefined && detail.context.length > 0)
    lines.push(`  context: ${toBase64Url(detail.context)}`);
  return `${lines.join('\n')}\n`;
}

/** What the fields of requests are called on the command line. */
const FLAG_OF_FIELD: ReadonlyMap<string, string> = new Map([
  ['key', 'KEY'],
  ['key.key', 'KEY'],
  ['key.bucket', '--bucket'],
  ['value', 'VALUE'],
  ['value.data', 'VALUE'],
  ['value.content_type', '--content-type'],
  ['value.metadata', '--metadata'],
  ['context', '--context'],
  ['blind', '--blind'],
  ['ttl', '--ttl'],
  ['keep_expiry', '--keep-ttl'],
  ['never', '--never'],
  ['options.consistency', '--level'],
  ['options.replicas', '--replicas'],
  ['options.durability', '--durability'],
  ['options.handoff', '--handoff'],
  ['options.request_id', '--request-id'],
  ['options.min_context', '--min-context'],
  ['options.fallback', '--fallback'],
  ['options.on_conflict', '--on-conflict'],
]);

/** The message, with what a reader of the command line does not know said in its own words. */
function messageText(failure: CallFailure): string {
  if (failure.reason === 'BUCKET_UNKNOWN') return failure.message.replace(/: name one of ListBuckets.*$/, '');
  const field = /^([a-z_]+(?:\.[a-z_]+)*): /.exec(failure.message)?.[1];
  const flag = field === undefined ? undefined : FLAG_OF_FIELD.get(field);
  return flag === undefined || field === undefined
    ? failure.message
    : `${flag}${failure.message.slice(field.length)}`;
}

function nameOf(field: string): string {
  return FLAG_OF_FIELD.get(field) ?? (field || 'the request');
}

/** Whether something else listens there: the HTTP port breaks the protocol, the peer port knows none of our methods. */
function isForeignPort({ code, reason, message }: CallFailure): boolean {
  return (reason === 'CONNECTION' && /Protocol error|Parse Error/i.test(message)) || code === 'UNIMPLEMENTED';
}

function notClientPort({ endpoint }: CallFailure): string {
  return (
    `${endpoint} is not a client port, but perhaps the peer or HTTP port of a node: ` +
    'name the client port with --endpoint host:port (7400 where nothing else is configured)'
  );
}

function againAdvice(requestId: string | undefined): string {
  return requestId === undefined
    ? 'read the key, and write again if needed'
    : `send it again with --request-id ${requestId}: then it counts once`;
}

/** What helps against the reason. `undefined`: nothing but what helps against every unknown outcome. */
function adviceFor(failure: CallFailure): string | undefined {
  switch (failure.reason) {
    case 'CONNECTION':
      if (isForeignPort(failure)) return notClientPort(failure);
      if (failure.outcome === 'unknown') return undefined;
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
      return 'look at the log of that node; the other replicas still serve';
    case 'NODE_DRAINING':
      return 'ask another node (--endpoint)';
    case 'BUCKET_UNKNOWN':
      return 'see which there are (kindred buckets), or add it to the configuration of every node';
    case 'TOO_LARGE':
      if (failure.detail === undefined) return 'send less: a value has at most 1 MiB';
      return `correct ${nameOf(failure.detail.field)}`;
    case 'INVALID_REQUEST':
      return `correct ${nameOf(failure.detail?.field ?? '')}`;
    default:
      break;
  }
  if (failure.outcome === 'unknown') return undefined;
  if (isForeignPort(failure)) return notClientPort(failure);
  return failure.code === 'DEADLINE_EXCEEDED'
    ? 'try again, or allow more time with --timeout (a node gives up after its timeouts.request_ms_max, 10s by default)'
    : 'try again';
}

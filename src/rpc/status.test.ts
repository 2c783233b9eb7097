import { readFileSync } from 'node:fs';
import { status } from '@grpc/grpc-js';
import { expect, test } from 'vitest';
import { type Failure, OperationError } from '../core/coordinator/failure.ts';
import { nodeId } from '../core/identity.ts';
import { ErrorReason, WriteOutcome } from '../gen/kindred/v1/types.ts';
import {
  type Attempt,
  codeText,
  detailsTrailer,
  errorDetailOf,
  grpcStatusOf,
  itemStatusOf,
  itemStatusOfError,
  pushbackTrailer,
  reasonText,
  StatusError,
} from './status.ts';

const read: Attempt = {
  kind: 'read',
  hasRequestId: false,
  isRetry: false,
  layoutVersion: 3,
  encodeContext: undefined,
};
const write: Attempt = { ...read, kind: 'write' };
const writeWithId: Attempt = { ...write, hasRequestId: true };

const counts = { required: 2, alive: 3, answered: 1, failures: [] } as const;
const problem = 'it is so';

/** Every failure that there is, with each outcome that it can have. The type checks that no kind is forgotten. */
const failures: { readonly [K in Failure['kind']]: readonly (Failure & { readonly kind: K })[] } = {
  invalid: (['invalid-request', 'context-invalid', 'too-large', 'request-id-reused'] as const).map(
    (reason) => ({
      kind: 'invalid',
      reason,
      field: 'key.key',
      problem,
    }),
  ),
  'bucket-unknown': [{ kind: 'bucket-unknown', bucket: 'b' }],
  'not-enough-replicas': [{ kind: 'not-enough-replicas', required: 2, alive: 1 }],
  'quorum-timeout': [
    { kind: 'quorum-timeout', outcome: 'unknown', ...counts },
    { kind: 'quorum-timeout', outcome: 'not-applied', ...counts },
  ],
  'replica-failure': [
    { kind: 'replica-failure', outcome: 'unknown', ...counts },
    { kind: 'replica-failure', outcome: 'not-applied', ...counts },
  ],
  'context-not-reached': [{ kind: 'context-not-reached', ...counts }],
  conflict: [{ kind: 'conflict', record: undefined, problem }],
  'key-exists': [{ kind: 'key-exists', record: undefined, problem }],
  'too-many-siblings': [{ kind: 'too-many-siblings', record: undefined, problem }],
  overloaded: [{ kind: 'overloaded', retryAfterMs: 1500, problem }],
  draining: [{ kind: 'draining' }],
  'storage-failed': [
    { kind: 'storage-failed', outcome: 'unknown', problem },
    { kind: 'storage-failed', outcome: 'not-applied', problem },
  ],
  'disk-full': [
    { kind: 'disk-full', outcome: 'unknown', problem },
    { kind: 'disk-full', outcome: 'not-applied', problem },
  ],
  expired: [
    { kind: 'expired', outcome: 'unknown' },
    { kind: 'expired', outcome: 'not-applied' },
  ],
  'retried-without-id': [{ kind: 'retried-without-id' }],
  'operation-unknown': [{ kind: 'operation-unknown', node: nodeId('n1') }],
  'operation-running': [{ kind: 'operation-running', problem }],
};

const all: readonly Failure[] = [
  ...Object.values(failures).flat(),
  { kind: 'invalid', reason: 'too-large', field: 'record', problem },
  { kind: 'invalid', reason: 'too-large', field: 'metadata', problem },
];

test('UNAVAILABLE is never said of what may have been applied', () => {
  for (const failure of all) {
    for (const attempt of [write, writeWithId]) {
      const { code, detail } = itemStatusOf(failure, attempt);
      const unknown = detail?.writeOutcome === WriteOutcome.WRITE_OUTCOME_UNKNOWN;
      if (unknown) expect([status.DEADLINE_EXCEEDED, status.ABORTED], failure.kind).toContain(code);
      if ('outcome' in failure) expect(unknown).toBe(failure.outcome === 'unknown');
    }
  }
});

test('safe to retry: reads, what was not applied, and unknown writes with a request id', () => {
  for (const failure of all) {
    expect(itemStatusOf(failure, read).detail).toMatchObject({ safeToRetry: true, writeOutcome: 0 });
    expect(itemStatusOf(failure, writeWithId).detail?.safeToRetry).toBe(true);
    const { detail } = itemStatusOf(failure, write);
    expect(detail?.safeToRetry).toBe(detail?.writeOutcome === WriteOutcome.WRITE_OUTCOME_NOT_APPLIED);
  }
});

test('refused retry says not applied: of a write that the gRPC library sent before, every failure leaves it unknown', () => {
  const encodeContext = (): Uint8Array => Buffer.from('token');
  for (const failure of all) {
    for (const hasRequestId of [false, true]) {
      const first = itemStatusOf(failure, { ...write, encodeContext, hasRequestId });
      const retry: Attempt = { ...write, encodeContext, hasRequestId, isRetry: true };
      const item = itemStatusOf(failure, retry);
      expect([status.ABORTED, status.DEADLINE_EXCEEDED], failure.kind).toContain(item.code);
      if (failure.kind === 'retried-without-id') expect(item.message).toMatch(/Set options.request_id/);
      else expect(item.message).toMatch(hasRequestId ? /the same request_id/ : /give writes a request_id/);
      const known = { writeOutcome: WriteOutcome.WRITE_OUTCOME_UNKNOWN, safeToRetry: hasRequestId };
      // Why this attempt did nothing, and what the key holds, is worth knowing all the same.
      expect(item.detail, failure.kind).toEqual({ ...first.detail, ...known });
      // Another node carried this attempt out, and says what it knows: nothing of the first.
      const passedOn = itemStatusOfError(new StatusError(first), retry, () => 'incident');
      expect(passedOn.detail).toEqual({ ...first.detail, ...known });
      expect(itemStatusOfError(new StatusError(item), retry, () => 'incident')).toBe(item);
    }
    expect(itemStatusOf(failure, { ...read, isRetry: true })).toEqual(itemStatusOf(failure, read));
  }
});

test('the numbers, the replicas and the context are passed on', () => {
  const encodeContext = (): Uint8Array => Buffer.from('token');
  const timeout = itemStatusOf(
    {
      kind: 'quorum-timeout',
      outcome: 'unknown',
      required: 2,
      alive: 3,
      answered: 1,
      failures: [
        { node: nodeId('n2'), reason: 'timed-out' },
        { node: nodeId('n3'), reason: 'overloaded' },
        { node: nodeId('n4'), reason: 'record-damaged' },
        { node: nodeId('n5'), reason: 'lost' },
      ],
    },
    write,
  );
  expect(timeout.detail).toMatchObject({ required: 2, alive: 3, answered: 1, topologyEpoch: 3 });
  expect(timeout.detail?.failures.map(({ nodeId: id, reason }) => `${id} ${reasonText(reason)}`)).toEqual([
    'n2 QUORUM_TIMEOUT',
    'n3 NODE_OVERLOADED',
    'n4 STORAGE_FAILED',
    'n5 REPLICA_FAILURE',
  ]);
  for (const kind of ['conflict', 'key-exists', 'too-many-siblings'] as const) {
    const { detail } = itemStatusOf({ kind, record: undefined, problem }, { ...write, encodeContext });
    expect(detail?.context).toEqual(Buffer.from('token'));
  }
});

test('a status survives the way to the client', () => {
  const item = itemStatusOf({ kind: 'overloaded', retryAfterMs: 1500, problem }, write);
  const { code, details, metadata } = grpcStatusOf(item);
  expect([code, details]).toEqual([status.RESOURCE_EXHAUSTED, item.message]);
  expect(errorDetailOf(metadata.get(detailsTrailer)[0] as Buffer)).toEqual(item.detail);
  expect(metadata.get(pushbackTrailer)).toEqual(['1500']);
  expect(errorDetailOf(undefined)).toBeUndefined();
  expect(errorDetailOf(Buffer.from('not a status'))).toBeUndefined();
});

test('text that is not well-formed does not spoil the status', () => {
  const { details } = grpcStatusOf({ code: 3, message: 'a \ud800 b', detail: undefined });
  expect(() => encodeURI(details)).not.toThrow();
});

test('what is no failure of the contract is INTERNAL, told only by its id', () => {
  const seen: unknown[] = [];
  const report = (error: unknown): string => {
    seen.push(error);
    return '1a2b';
  };
  const defect = new Error('password');
  const item = itemStatusOfError(defect, write, report);
  expect(item.code).toBe(status.INTERNAL);
  expect(item.message).toContain('1a2b');
  expect(item.message).not.toContain('password');
  expect(item.detail).toMatchObject({ writeOutcome: 2, safeToRetry: false });
  expect(itemStatusOfError(defect, read, report).detail).toMatchObject({
    writeOutcome: 0,
    safeToRetry: true,
  });
  expect(seen).toEqual([defect, defect]);
  expect(itemStatusOfError(new OperationError({ kind: 'draining' }), read, report).code).toBe(14);
  expect(itemStatusOfError(new StatusError(item), read, report)).toBe(item);
  expect(seen).toHaveLength(2);
});

/** The table of `docs/errors.md`: code, reason, outcome of a write, retry without a request id. */
function rowsOf(failure: Failure): string {
  const { code, detail } = itemStatusOf(failure, write);
  const outcome = detail?.writeOutcome === WriteOutcome.WRITE_OUTCOME_UNKNOWN ? 'UNKNOWN' : 'NOT_APPLIED';
  const safe = detail?.safeToRetry ? 'yes' : 'with a request_id';
  return `${codeText(code)} | ${reasonText(detail?.reason ?? 0)} | ${outcome} | ${safe}`;
}

test('docs/errors.md says of every failure what the code does, and knows every reason', () => {
  const page = readFileSync(new URL('../../docs/errors.md', import.meta.url), 'utf8');
  const cells = page
    .split('\n')
    .filter((line) => line.startsWith('| ') && line.split('|').length === 8)
    .map((line) => line.split('|').map((cell) => cell.trim()))
    .filter((row) => row[2] !== 'Code');
  const documented = cells.map((row) => row.slice(2, 6).join(' | '));
  const inCode = all.map(rowsOf).concat('INTERNAL | - | UNKNOWN | with a request_id');
  expect(new Set(documented)).toEqual(new Set(inCode));
  const reasons = Object.values(ErrorReason).filter((value) => value > 0);
  expect(new Set(cells.map((row) => row[3]).filter((reason) => reason !== '-'))).toEqual(
    new Set(reasons.map((reason) => reasonText(reason))),
  );
});

import { ClientError, Metadata, Status } from 'nice-grpc';
import { describe, expect, test } from 'vitest';
import { backoffMs } from '../src/backoff.ts';
import { failureOfCall, isRetryable, outcomeOf } from '../src/failure.ts';
import { Status as RpcStatus } from '../src/gen/google/rpc/status.ts';
import { ErrorDetail, ErrorReason, WriteOutcome } from '../src/gen/kindred/v1/types.ts';

function refused(code: Status, detail: Partial<ErrorDetail>): ReturnType<typeof failureOfCall> {
  const packed = RpcStatus.encode({
    code,
    message: '',
    details: [
      {
        typeUrl: 'type.googleapis.com/kindred.v1.ErrorDetail',
        value: ErrorDetail.encode(ErrorDetail.fromPartial(detail)).finish(),
      },
    ],
  }).finish();
  const trailer = new Metadata({ 'grpc-status-details-bin': packed });
  return failureOfCall(new ClientError('', code, 'refused'), trailer, 'node');
}

function broken(code: Status, message: string): ReturnType<typeof failureOfCall> {
  return failureOfCall(new ClientError('', code, message), undefined, 'node');
}

const transient: readonly (keyof typeof ErrorReason)[] = [
  'ERROR_REASON_NOT_ENOUGH_REPLICAS',
  'ERROR_REASON_QUORUM_TIMEOUT',
  'ERROR_REASON_REPLICA_FAILURE',
  'ERROR_REASON_CONTEXT_NOT_REACHED',
  'ERROR_REASON_NODE_OVERLOADED',
  'ERROR_REASON_DISK_FULL',
  'ERROR_REASON_NODE_DRAINING',
  'ERROR_REASON_STORAGE_FAILED',
  'ERROR_REASON_RETRY_UNSAFE',
];

describe('with a detail', () => {
  for (const name of Object.keys(ErrorReason) as (keyof typeof ErrorReason)[]) {
    if (ErrorReason[name] <= 0) continue;
    const again = transient.includes(name);
    test(`${name} is ${again ? '' : 'not '}tried again`, () => {
      const detail = { reason: ErrorReason[name], safeToRetry: true };
      expect(isRetryable(refused(Status.UNAVAILABLE, detail))).toBe(again);
      expect(isRetryable(refused(Status.UNAVAILABLE, { ...detail, safeToRetry: false }))).toBe(false);
    });
  }

  test('a reason of a later server goes by the code', () => {
    const detail = { reason: 999 as ErrorReason, safeToRetry: true };
    expect(isRetryable(refused(Status.UNAVAILABLE, detail))).toBe(true);
    expect(isRetryable(refused(Status.INVALID_ARGUMENT, detail))).toBe(false);
  });

  test('the outcome is what the server says, and unknown if it says nothing', () => {
    const { WRITE_OUTCOME_NOT_APPLIED, WRITE_OUTCOME_UNKNOWN, WRITE_OUTCOME_UNSPECIFIED } = WriteOutcome;
    const outcomes = [WRITE_OUTCOME_NOT_APPLIED, WRITE_OUTCOME_UNKNOWN, WRITE_OUTCOME_UNSPECIFIED].map(
      (writeOutcome) => outcomeOf(refused(Status.ABORTED, { writeOutcome })),
    );
    expect(outcomes).toEqual(['NOT_APPLIED', 'UNKNOWN', 'UNKNOWN']);
  });
});

describe('without a detail', () => {
  test('what may have been sent is unknown', () => {
    const messages = ['Connection dropped', 'read ECONNRESET', ''];
    for (const message of messages) {
      expect(outcomeOf(broken(Status.UNAVAILABLE, message))).toBe('UNKNOWN');
      expect(isRetryable(broken(Status.UNAVAILABLE, message))).toBe(true);
    }
    expect(outcomeOf(broken(Status.INVALID_ARGUMENT, 'no'))).toBe('UNKNOWN');
  });

  test('what certainly was not sent is not applied', () => {
    const failure = broken(Status.UNAVAILABLE, 'No connection established. Last error: connect ECONNREFUSED');
    expect(outcomeOf(failure)).toBe('NOT_APPLIED');
    expect(isRetryable(failure)).toBe(true);
  });

  test('a broken connection by another name is tried again, another failure of that name is not', () => {
    const reset = 'Received RST_STREAM with code 2 (Internal server error)';
    for (const code of [Status.INTERNAL, Status.CANCELLED, Status.UNKNOWN]) {
      expect(isRetryable(broken(code, reset))).toBe(true);
      expect(isRetryable(broken(code, 'no such thing'))).toBe(false);
    }
  });

  test('a damaged detail is none', () => {
    const trailer = new Metadata({ 'grpc-status-details-bin': Buffer.from('rubbish') });
    const failure = failureOfCall(new ClientError('', Status.UNAVAILABLE, ''), trailer, 'node');
    expect(failure.detail).toBeUndefined();
  });
});

test('backoff grows to a second, with full jitter, and is never less than the server asks for', () => {
  expect([1, 2, 3, 4].map((attempt) => backoffMs(attempt, 1))).toEqual([25, 50, 100, 200]);
  expect(backoffMs(30, 1)).toBe(1000);
  expect(backoffMs(3, 0)).toBe(0);
  expect(backoffMs(3, 0.5, 70)).toBe(70);
});

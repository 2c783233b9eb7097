import { expect, test } from 'vitest';
import { recordKeyOf } from '../../src/core/ring/record-key.ts';
import { ErrorDetail, WriteOutcome } from '../../src/gen/kindred/v1/types.ts';
import { ContextTokens } from '../../src/rpc/conversion.ts';
import type { SeenContext, WriteAttempt } from '../checkers/history.ts';
import type { TraceEntry } from '../simulation/kernel/trace.ts';
import { addedDot, type BegunWrite, HistoryRecorder } from './history-recorder.ts';
import { valueBytes } from './value-text.ts';

const name = { bucket: 'default', key: 'k' };
const recordKey = recordKeyOf('default', Buffer.from('k'));
const tokens = new ContextTokens('c');

const put: BegunWrite = {
  write: undefined,
  client: 'c1',
  node: 'n1',
  ...name,
  action: 'put',
  value: 'c1/1',
  causality: 'overwrite',
  context: undefined,
  level: 'quorum',
  durability: 'sync-quorum',
  requestId: undefined,
  ttlMs: undefined,
};

const at = { nowMs: 10 };

function recorder(trace: TraceEntry[] = []): HistoryRecorder {
  return new HistoryRecorder({
    clock: { monotonicMs: () => at.nowMs },
    clusterId: 'c',
    trace: { add: (entry) => trace.push(entry) },
  });
}

function contextToken(counter: number): Uint8Array {
  const context = {
    clock: [{ replica: 1 as never, epoch: 1, counter }],
    dots: [{ replica: 2 as never, epoch: 1, counter: 7 }],
    writtenAt: 5,
  };
  return tokens.encode(context, recordKey);
}

test('an attempt is in the history before it has ended, and of unknown outcome', () => {
  const history = recorder();
  const write = history.beginWrite(put);
  expect(history.underWay).toBe(1);
  expect(history.keys()).toEqual([{ ...name, recordKey, attempts: [write] }]);
  expect(write).toMatchObject({ id: 1, write: 1, invokedMs: 10, returnedMs: Number.POSITIVE_INFINITY });
  expect(write.outcome).toMatchObject({ kind: 'unknown', reason: undefined, safeToRetry: false });
  expect(history.beginWrite({ ...put, write: 1 })).toMatchObject({ id: 2, write: 1 });
});

test('an answer is written down with what its context says', () => {
  const trace: TraceEntry[] = [];
  const history = recorder(trace);
  const write = history.beginWrite(put);
  at.nowMs = 15;
  history.writeAnswered(write, {
    dot: { replica: 1, epoch: 1, counter: 4 },
    context: contextToken(4),
    report: {
      achieved: 5,
      acked: 2,
      hinted: 1,
      synced: 2,
      replayed: true,
      coordinator: 'n2',
      topologyEpoch: 1,
    },
  });
  expect(write.returnedMs).toBe(15);
  expect(write.outcome).toEqual({
    kind: 'done',
    dot: '1/1/4',
    context: { clock: [[1, 1, 4]], dots: ['2/1/7'] },
    acked: 2,
    hinted: 1,
    synced: 2,
    replayed: true,
    coordinator: 'n2',
  });
  expect(history.underWay).toBe(0);
  expect(trace.map(({ atMicros, text, attempt }) => ({ atMicros, text, attempt }))).toEqual([
    { atMicros: 10_000, text: 'put c1/1, overwrite, at quorum, sync-quorum', attempt: 1 },
    { atMicros: 15_000, text: 'done: 1/1/4 (replayed)', attempt: 1 },
  ]);
  at.nowMs = 10;
});

test('versions of a read: values, deletions, deadlines', () => {
  const history = recorder();
  const read = history.beginRead({ ...put, minContext: undefined, final: true });
  history.readAnswered(read, {
    state: 2,
    versions: [
      {
        body: { $case: 'value', value: { data: valueBytes('c1/1', 100), contentType: '', metadata: {} } },
        dot: { replica: 1, epoch: 1, counter: 1 },
        clock: { entries: [{ replica: 3, epoch: 2, counter: 1 }] },
        writtenAt: { seconds: 2, nanos: 3_000 },
        expireTime: { seconds: 4, nanos: 0 },
      },
      {
        body: { $case: 'deleted', value: {} },
        dot: { replica: 2, epoch: 1, counter: 1 },
        clock: undefined,
        writtenAt: { seconds: 2, nanos: 0 },
        expireTime: undefined,
      },
    ],
    context: contextToken(1),
    report: {
      achieved: 5,
      replicasAsked: 3,
      replicasAnswered: 2,
      replicasAgreed: 1,
      repairStarted: true,
      coordinator: 'n1',
      topologyEpoch: 1,
    },
  });
  expect(read.outcome).toEqual({
    kind: 'done',
    versions: [
      {
        dot: '1/1/1',
        clock: [[3, 2, 1]],
        value: 'c1/1',
        writtenAtMicros: 2_000_003,
        expiresAtMicros: 4_000_000,
      },
      { dot: '2/1/1', clock: [], value: undefined, writtenAtMicros: 2_000_000, expiresAtMicros: undefined },
    ],
    context: { clock: [[1, 1, 1]], dots: ['2/1/7'] },
    answered: 2,
    agreed: 1,
    repaired: true,
    coordinator: 'n1',
  });
});

test('only a server can say that a write was not applied', () => {
  const history = recorder();
  const fail = (detail: ErrorDetail | undefined): WriteAttempt['outcome'] => {
    const write = history.beginWrite(put);
    history.writeFailed(write, { code: 14, message: 'no', detail });
    return write.outcome;
  };
  const notApplied = ErrorDetail.create({
    reason: 1,
    writeOutcome: WriteOutcome.WRITE_OUTCOME_NOT_APPLIED,
    safeToRetry: true,
  });
  const unknown = { ...notApplied, writeOutcome: WriteOutcome.WRITE_OUTCOME_UNKNOWN };
  expect(fail(undefined)).toEqual({
    kind: 'unknown',
    code: 14,
    reason: undefined,
    safeToRetry: false,
    message: 'no',
  });
  expect(fail(notApplied)).toEqual({ kind: 'not-applied', code: 14, reason: 1, message: 'no' });
  expect(fail(unknown)).toEqual({ kind: 'unknown', code: 14, reason: 1, safeToRetry: true, message: 'no' });
});

test('a token of another key is no context, and an attempt ends once', () => {
  const history = recorder();
  expect(() => history.open({ bucket: 'default', key: 'other' }, contextToken(1))).toThrow('invalid');
  const write = history.beginWrite(put);
  history.writeFailed(write, { code: 4, message: '', detail: undefined });
  expect(() => history.writeFailed(write, { code: 4, message: '', detail: undefined })).toThrow(
    'ended twice',
  );
});

test('the dot by which a context grew', () => {
  const seen = (clock: SeenContext['clock'], dots: readonly string[] = []): SeenContext => ({ clock, dots });
  const before = seen([[1, 1, 3]], ['2/1/7']);
  expect(addedDot(before, seen([[1, 1, 4]], ['2/1/7']))).toBe('1/1/4');
  expect(
    addedDot(
      before,
      seen(
        [
          [1, 1, 3],
          [5, 1, 1],
        ],
        ['2/1/7'],
      ),
    ),
  ).toBe('5/1/1');
  expect(addedDot(before, seen([[1, 1, 3]], ['2/1/9']))).toBe('2/1/9');
  expect(addedDot(before, before)).toBeUndefined();
  expect(addedDot(before, seen([[1, 1, 5]], ['2/1/7']))).toBeUndefined();
  expect(
    addedDot(
      before,
      seen([
        [1, 1, 4],
        [5, 1, 1],
      ]),
    ),
  ).toBeUndefined();
});

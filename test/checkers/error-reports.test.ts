import { expect, test } from 'vitest';
import { errorReports } from './error-reports.ts';
import { done, HandMadeHistory, notApplied, seen } from './hand-made-history.ts';
import type { ReadOutcomeSeen, WriteAttempt, WriteOutcomeSeen } from './history.ts';

function violations(history: HandMadeHistory): readonly string[] {
  return errorReports(history.history()).map((violation) => violation.message);
}

function write(outcome: WriteOutcomeSeen, more: Partial<WriteAttempt> = {}): readonly string[] {
  return violations(new HandMadeHistory().put('v1', 0, 5, undefined, { outcome, ...more }));
}

function read(outcome: ReadOutcomeSeen, minContext = false): readonly string[] {
  return violations(
    new HandMadeHistory().read(0, 5, '', [], { outcome, minContext: minContext ? seen('a1') : undefined }),
  );
}

function unknown(code: number, reason?: number, safeToRetry = false): WriteOutcomeSeen {
  return { kind: 'unknown', code, reason, safeToRetry, message: '' };
}

function failed(code: number, reason?: number): ReadOutcomeSeen {
  return { kind: 'failed', code, reason, message: '' };
}

test('what the table knows', () => {
  for (const [code, reason] of [
    [14, 1],
    [14, 23],
    [14, 24],
    [8, 13],
    [8, 14],
    [3, 21],
    [5, 22],
    [4, 2],
    [10, 3],
  ] as const) {
    expect(write(notApplied(code, reason))).toEqual([]);
  }
  for (const [code, reason] of [
    [4, 2],
    [10, 3],
    [10, 24],
    [10, 14],
    [10, 25],
  ] as const) {
    expect(write(unknown(code, reason))).toEqual([]);
  }
  for (const [code, reason] of [
    [14, 1],
    [4, 2],
    [10, 3],
    [9, 6],
    [8, 13],
  ] as const) {
    expect(read(failed(code, reason))).toEqual([]);
  }
});

test('UNAVAILABLE is never said of what may have happened', () => {
  expect(write(unknown(14, 1))).toEqual([
    'put 1 of "v1" by writer through n1 (QUORUM, 0 ms - 5 ms): failed with code 14 for reason 1 with the outcome unknown, which docs/errors.md does not allow',
  ]);
  expect(write(unknown(8, 13))).toHaveLength(1);
  expect(write(unknown(3, 21))).toHaveLength(1);
});

test('a disk that failed in the middle is not "not applied"', () => {
  expect(write(notApplied(10, 24))).toHaveLength(1);
  expect(write(notApplied(10, 25))).toHaveLength(1);
});

test('pairs that nobody documented, and reasons left out', () => {
  expect(write(notApplied(14, 2))).toEqual([expect.stringContaining('which docs/errors.md does not know')]);
  expect(write(notApplied(9, 0))).toHaveLength(1);
  expect(read(failed(14, 99))).toHaveLength(1);
  expect(read(failed(10, 25))).toEqual([expect.stringContaining('of a read')]);
});

test('safe to retry if and only if there is a request id', () => {
  expect(write(unknown(4, 2, true))).toEqual([
    expect.stringContaining('no request id, but it is said to be safe'),
  ]);
  expect(write(unknown(4, 2, true), { requestId: 'aa' })).toEqual([]);
  expect(write(unknown(4, 2, false), { requestId: 'aa' })).toEqual([
    expect.stringContaining('not to be safe'),
  ]);
  expect(write(unknown(14, undefined, false), { requestId: 'aa' })).toEqual([]);
});

test('without a detail only what libraries say by themselves', () => {
  for (const code of [1, 2, 4, 8, 13, 14]) expect(write(unknown(code))).toEqual([]);
  for (const code of [3, 5, 9, 10])
    expect(write(unknown(code))).toEqual([expect.stringContaining('no detail')]);
  expect(read(failed(14))).toEqual([]);
  expect(read(failed(9))).toHaveLength(1);
});

test('INTERNAL with a detail is a defect', () => {
  expect(write(unknown(13, 0))).toEqual([expect.stringContaining('a defect of the server')]);
  expect(read(failed(13, 0))).toHaveLength(1);
});

test('of a write that a gRPC library may have sent before, any reason may be ABORTED and unknown', () => {
  expect(write(unknown(10, 23, true), { requestId: 'aa' })).toEqual([]);
  expect(write(unknown(10, 20, false), { causality: 'reject' })).toEqual([]);
  expect(write(unknown(10, 13, true))).toEqual([expect.stringContaining('safe to retry')]);
  expect(write(notApplied(10, 23))).toHaveLength(1);
  expect(write(unknown(14, 23, false))).toHaveLength(1);
  expect(read(failed(10, 23))).toHaveLength(1);
});

test('a reason fits what was asked', () => {
  expect(write(notApplied(9, 20))).toEqual([expect.stringContaining('KEY_EXISTS')]);
  expect(write(notApplied(9, 20), { causality: 'reject' })).toEqual([]);
  expect(write(notApplied(9, 6))).toEqual([expect.stringContaining('CONFLICT')]);
  expect(write(notApplied(14, 4))).toEqual([expect.stringContaining('no context')]);
  expect(write(notApplied(14, 4), { context: seen('a1') })).toEqual([]);
  expect(write(notApplied(3, 5))).toHaveLength(1);
  expect(write(notApplied(3, 9))).toHaveLength(1);
  expect(write(unknown(10, 25, true), { requestId: 'aa' })).toEqual([
    expect.stringContaining('RETRY_UNSAFE'),
  ]);
  expect(read(failed(14, 4))).toEqual([expect.stringContaining('asked for no context')]);
  expect(read(failed(14, 4), true)).toEqual([]);
  const lastWins = new HandMadeHistory({ conflictPolicy: 'last-write-wins' });
  expect(violations(lastWins.put('v', 0, 1, undefined, { outcome: notApplied(9, 7) }))).toHaveLength(1);
});

test('a success is what its level and durability need', () => {
  const context = seen('a1');
  expect(write(done('a1', context, { acked: 1, synced: 1 }))).toEqual([
    expect.stringContaining('its level needs 2'),
  ]);
  expect(write(done('a1', context, { acked: 2, synced: 1 }))).toEqual([
    expect.stringContaining('sync-quorum needs 2'),
  ]);
  expect(write(done('a1', context, { acked: 2, synced: 1 }), { durability: 'sync-one' })).toEqual([]);
  expect(write(done('a1', context, { acked: 2, synced: 0 }), { durability: 'buffered' })).toEqual([]);
  expect(write(done('a1', context, { acked: 4, synced: 4 }))).toHaveLength(1);
  expect(write(done('a1', context, { hinted: 1 }))).toEqual([expect.stringContaining('hints')]);
  expect(write(done('a1', context, { acked: 0, synced: 0, hinted: 3 }), { level: 'any' })).toEqual([]);
  expect(write(done('a1', context, { acked: 0, synced: 0 }), { level: 'any' })).toHaveLength(1);
});

test('a read answers after as many as its level needs', () => {
  const answer = { versions: [], context: seen(''), agreed: 1, repaired: false, coordinator: 'n1' };
  expect(read({ kind: 'done', ...answer, answered: 2 })).toEqual([]);
  expect(read({ kind: 'done', ...answer, answered: 1 })).toEqual([
    expect.stringContaining('its level needs 2'),
  ]);
  expect(read({ kind: 'done', ...answer, answered: 4 })).toHaveLength(1);
});

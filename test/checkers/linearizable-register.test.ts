import { expect, test } from 'vitest';
import { done, HandMadeHistory, notApplied, seen } from './hand-made-history.ts';
import { judgeRegister, linearizableRegister, registerCounts } from './linearizable-register.ts';

function kind(history: HandMadeHistory): string {
  const judgement = judgeRegister(history.history(), history.run());
  return judgement.kind === 'not-applicable' ? judgement.why : judgement.kind;
}

const nothing = { context: seen('') };
const v1 = { dot: 'a1', value: 'v1' };
const v2 = { dot: 'b1', clock: 'a1', value: 'v2' };

function twoWrites(): HandMadeHistory {
  return new HandMadeHistory()
    .put('v1', 0, 5, 'a1', nothing)
    .put('v2', 10, 15, 'b1', { context: seen('a1') });
}

test('reads that follow the writer', () => {
  const history = twoWrites()
    .read(1, 4, '', [])
    .read(6, 7, 'a1', [v1])
    .read(11, 12, 'a1 b1', [v2])
    .read(16, 17, 'a1 b1', [v2]);
  expect(kind(history)).toBe('linearizable');
});

test('a read that misses the last write', () => {
  const history = twoWrites().read(16, 17, 'a1', [v1]);
  expect(kind(history)).toBe('violated');
  expect(linearizableRegister(history.history(), history.run())[0]?.message).toBe(
    'no order of the operations explains read 3 by reader through n1 (QUORUM, 16 ms - 17 ms), ' +
      'whose newest write is put 1 of "v1" by writer through n1 (QUORUM, 0 ms - 5 ms)',
  );
});

test('new, then old, while the write is under way', () => {
  expect(kind(twoWrites().read(11, 12, 'a1 b1', [v2]).read(13, 14, 'a1', [v1]))).toBe('violated');
  expect(kind(twoWrites().read(11, 13, 'a1 b1', [v2]).read(12, 14, 'a1', [v1]))).toBe('linearizable');
});

test('an unknown write may take effect later, or never', () => {
  const history = (): HandMadeHistory =>
    new HandMadeHistory()
      .put('v1', 0, 5, 'a1', nothing)
      .put('v2', 10, 15, undefined, { context: seen('a1') });
  expect(kind(history().read(20, 21, 'a1', [v1]).read(30, 31, 'a1', [v1]))).toBe('linearizable');
  expect(kind(history().read(20, 21, 'a1', [v1]).read(30, 31, 'a1 b1', [v2]))).toBe('linearizable');
  expect(kind(history().read(20, 21, 'a1 b1', [v2]).read(30, 31, 'a1', [v1]))).toBe('violated');
});

test('an unknown write that arrives beside the next is not the value', () => {
  const v3 = { dot: 'c1', clock: 'a1', value: 'v3' };
  const history = new HandMadeHistory()
    .put('v1', 0, 5, 'a1', nothing)
    .put('v2', 10, 15, undefined, { context: seen('a1') })
    .put('v3', 20, 25, 'c1', { context: seen('a1') })
    .read(30, 31, 'a1 c1', [v3])
    .read(40, 41, 'a1 b1 c1', [v2, v3])
    .read(50, 51, 'a1 c1', [v3]);
  expect(kind(history)).toBe('linearizable');
});

test('a newest write that is known and not shown explains nothing', () => {
  expect(kind(twoWrites().read(16, 17, 'a1 b1', [v1]))).toBe('violated');
  const deleted = new HandMadeHistory()
    .put('v1', 0, 5, 'a1', nothing)
    .delete(10, 15, 'a2', { context: seen('a1') });
  expect(kind(deleted.read(16, 17, 'a2', []))).toBe('linearizable');
});

test('retries are one operation, refused attempts are none', () => {
  const id = { write: 2, requestId: 'aa', context: seen('a1') };
  const history = new HandMadeHistory()
    .put('v1', 0, 5, 'a1', nothing)
    .put('v2', 10, 15, undefined, id)
    .put('v2', 16, 20, 'b1', id)
    .put('v3', 21, 22, undefined, { context: seen('a1 b1'), outcome: notApplied() })
    .read(12, 13, 'a1', [v1])
    .read(14, 15, 'a1 b1', [v2]);
  expect(kind(history)).toBe('linearizable');
  expect(kind(history.read(25, 26, 'a1', [v1]))).toBe('violated');
});

test('what is no register, and why', () => {
  expect(kind(twoWrites())).toBe('nobody reads it at a quorum');
  const read = (history: HandMadeHistory): HandMadeHistory => history.read(30, 31, '', []);
  expect(kind(read(twoWrites().put('v3', 20, 21, 'c1', { ...nothing, client: 'other' })))).toBe(
    'it has several writers',
  );
  expect(kind(read(twoWrites().put('v3', 20, 21, 'c1')))).toBe('it is written without a context');
  expect(kind(read(twoWrites().put('v3', 20, 21, 'c1', { ...nothing, level: 'one' })))).toBe(
    'it is written below the quorum',
  );
  expect(kind(read(twoWrites().put('v3', 14, 21, 'c1', nothing)))).toBe(
    'its writer does not wait for its own writes',
  );
  expect(kind(read(twoWrites().touch(20, 21, 'c1', { outcome: done('c1', seen('c1')) })))).toBe(
    'it is touched',
  );
  expect(kind(read(twoWrites().loss('n1', 3, 'records')))).toBe('a home lost memory');
  expect(kind(read(new HandMadeHistory({ conflictPolicy: 'last-write-wins' })))).toBe(
    'the last write wins here',
  );
});

test('how many were checked', () => {
  const run = twoWrites()
    .read(16, 17, 'a1 b1', [v2])
    .run([new HandMadeHistory({ key: 'l' }).history()]);
  expect(registerCounts(run)).toEqual({ checked: 1, undecided: 0, notApplicable: 1 });
});

import { expect, test } from 'vitest';
import { acknowledgedNotLost } from './acknowledged-not-lost.ts';
import { done, HandMadeHistory, seen } from './hand-made-history.ts';

function violations(history: HandMadeHistory): readonly string[] {
  const run = history.run();
  return run.keys.flatMap((key) => acknowledgedNotLost(key, run).map((violation) => violation.message));
}

const final = { final: true, level: 'all' } as const;
const v1 = { dot: 'a1', value: 'v1' };

test('a write that is read at the end is not lost', () => {
  const history = new HandMadeHistory().put('v1', 0, 5, 'a1').read(1000, 1001, 'a1', [v1], final);
  expect(violations(history.rest('a1', [v1]))).toEqual([]);
});

test('a write that nobody knows at the end is lost', () => {
  const history = new HandMadeHistory().put('v1', 0, 5, 'a1').read(1000, 1001, '', [], final);
  expect(violations(history)).toEqual([
    'put 1 of "v1" by writer through n1 (QUORUM, 0 ms - 5 ms) was acknowledged by 2 replicas (2 fsynced) as 1/1/1, and ' +
      'final read 2 by reader through n1 (ALL, 1000 ms - 1001 ms) does not know of it: its context {} does not cover the dot',
  ]);
});

test('a write that the clock covers and that nothing superseded is lost', () => {
  const history = new HandMadeHistory()
    .put('v1', 0, 5, 'a1')
    .put('v2', 0, 6, 'b1', { causality: 'add-sibling' })
    .read(1000, 1001, 'a1 b1', [{ dot: 'b1', value: 'v2' }], final);
  expect(violations(history)).toHaveLength(1);
  expect(violations(history)[0]).toContain('neither holds it nor any version that came after it');
});

test('what a home lacks at rest is lost there, and named', () => {
  const history = new HandMadeHistory().put('v1', 0, 5, 'a1');
  history.rest('a1', [v1], 'n1').rest('a1', [v1], 'n2').rest('', [], 'n3');
  expect(violations(history)).toEqual([expect.stringContaining('at rest n3 does not know of it')]);
});

test('a write with a context supersedes what it covers, through a chain that is gone too', () => {
  const history = new HandMadeHistory()
    .put('v1', 0, 5, 'a1')
    .put('v2', 10, 15, 'b1', { context: seen('a1') })
    .put('v3', 20, 25, 'c1', { context: seen('b1') })
    .rest('a1 b1 c1', [{ dot: 'c1', clock: 'b1', value: 'v3' }]);
  expect(violations(history)).toEqual([]);
});

test('the chain must end in something that is there', () => {
  const history = new HandMadeHistory()
    .put('v1', 0, 5, 'a1')
    .put('v2', 10, 15, 'b1', { context: seen('a1') })
    .put('v3', 20, 25, 'c1', { causality: 'add-sibling' })
    .rest('a1 b1 c1', [{ dot: 'c1', value: 'v3' }]);
  expect(violations(history)).toHaveLength(2);
});

test('a single dot of a context is superseded, and the dots before it are not', () => {
  const history = (context: ReturnType<typeof seen>): HandMadeHistory =>
    new HandMadeHistory()
      .put('v1', 0, 5, 'a1', { causality: 'add-sibling' })
      .put('v2', 0, 5, 'a2', { causality: 'add-sibling' })
      .put('v3', 10, 15, 'b1', { context })
      .rest('a2 b1', [
        { dot: 'a1', value: 'v1' },
        { dot: 'b1', value: 'v3' },
      ]);
  expect(violations(history(seen('', 'a2')))).toEqual([]);
  expect(violations(history(seen('')))).toEqual([expect.stringContaining('put 2 of "v2"')]);
});

test('a write of unknown outcome may supersede, one that was not applied may not', () => {
  const history = new HandMadeHistory()
    .put('v1', 0, 5, 'a1')
    .put('v2', 10, 15, undefined, { context: seen('a1') });
  history.read(1000, 1001, 'a1 b1', [{ dot: 'b1', clock: 'a1', value: 'v2' }], final);
  expect(violations(history)).toEqual([]);
});

test('any dot of one request stands for all', () => {
  const id = { write: 1, requestId: 'aa', causality: 'add-sibling' } as const;
  const history = new HandMadeHistory()
    .put('v1', 0, 5, undefined, id)
    .put('v1', 6, 9, 'b1', id)
    .rest('a1 b1', [{ dot: 'a1', value: 'v1' }]);
  expect(violations(history)).toEqual([]);
});

test('ONE acknowledges too', () => {
  const history = new HandMadeHistory().put('v1', 0, 5, 'a1', { level: 'one' }).rest('', []);
  expect(violations(history)).toHaveLength(1);
});

test('a final read at a quorum need not meet the only copy of a write at ONE', () => {
  const history = new HandMadeHistory()
    .put('v1', 0, 5, 'a1', { level: 'one' })
    .read(1000, 1001, '', [], { final: true, level: 'quorum' });
  expect(violations(history)).toEqual([]);
});

test('what was lost with its disks is no violation, what should have survived is', () => {
  const lost = (count: number, lost: 'everything' | 'recent' | 'records' | 'unsynced'): HandMadeHistory => {
    const history = new HandMadeHistory().put('v1', 0, 5, 'a1').rest('', []);
    for (let i = 1; i <= count; i++) history.loss(`n${i}`, 10, lost);
    return history;
  };
  expect(violations(lost(1, 'everything'))).toHaveLength(1);
  expect(violations(lost(2, 'everything'))).toEqual([]);
  expect(violations(lost(2, 'recent'))).toEqual([]);
  expect(violations(lost(3, 'unsynced'))).toHaveLength(1);
  expect(violations(lost(2, 'records'))).toHaveLength(1);
});

test('a disk that was lost before the write was sent excuses nothing', () => {
  const history = new HandMadeHistory().put('v1', 20, 25, 'a1').rest('', []);
  expect(violations(history.loss('n1', 10, 'everything').loss('n2', 10, 'everything'))).toHaveLength(1);
});

test('buffered copies go with the power, one fsynced copy does not', () => {
  const history = (synced: number): HandMadeHistory =>
    new HandMadeHistory()
      .put('v1', 0, 5, 'a1', { durability: 'buffered', outcome: done('a1', seen('a1'), { synced }) })
      .loss('n1', 10, 'unsynced')
      .loss('n2', 10, 'unsynced')
      .rest('', []);
  expect(violations(history(0))).toEqual([]);
  expect(violations(history(1))).toHaveLength(1);
});

test('hints are promised while their holder keeps its disk', () => {
  const history = (): HandMadeHistory =>
    new HandMadeHistory()
      .put('v1', 0, 5, 'x1', {
        level: 'any',
        outcome: done('x1', seen('x1'), { acked: 0, synced: 0, hinted: 3, coordinator: 'n9' }),
      })
      .rest('', []);
  expect(violations(history())).toEqual([expect.stringContaining('3 hints')]);
  expect(violations(history().loss('n9', 10, 'unsynced').loss('n1', 10, 'unsynced'))).toHaveLength(1);
  expect(violations(history().loss('n9', 10, 'everything'))).toEqual([]);
  expect(violations(history().loss('n1', 10, 'everything').loss('n2', 10, 'everything'))).toHaveLength(1);
  const all = history().loss('n1', 10, 'everything').loss('n2', 10, 'everything').loss('n3', 10, 'recent');
  expect(violations(all)).toEqual([]);
});

test('where the last write wins, the last must be there', () => {
  const policy = { conflictPolicy: 'last-write-wins' } as const;
  const early = { dot: 'a1', value: 'v1', writtenAt: 10 };
  const late = { dot: 'b1', value: 'v2', writtenAt: 20 };
  const history = (left: typeof early): HandMadeHistory =>
    new HandMadeHistory(policy)
      .put('v1', 0, 5, 'a1')
      .put('v2', 0, 5, 'b1')
      .witness(early, 1)
      .witness(late, 1)
      .rest('a1 b1', [left]);
  expect(violations(history(late))).toEqual([]);
  expect(violations(history(early))).toEqual([expect.stringContaining('put 2 of "v2"')]);
});

test('of equal times the greater dot wins', () => {
  const history = new HandMadeHistory({ conflictPolicy: 'last-write-wins' })
    .put('v1', 0, 5, 'a2')
    .put('v2', 0, 5, 'b1')
    .witness({ dot: 'a2', value: 'v1', writtenAt: 10 }, 1)
    .witness({ dot: 'b1', value: 'v2', writtenAt: 10 }, 1)
    .rest('a2 b1', [{ dot: 'a2', value: 'v1', writtenAt: 10 }]);
  expect(violations(history)).toEqual([expect.stringContaining('put 2 of "v2"')]);
});

test('an absent key may hold a deletion that nobody sees', () => {
  const history = new HandMadeHistory().put('v1', 0, 5, 'a1');
  history.delete(10, 15, 'a2', { context: seen('a1') }).read(1000, 1001, 'a2', [], final);
  expect(violations(history)).toEqual([]);
});

test('without an observer an unknown overwrite that nobody saw excuses, with one it does not', () => {
  const history = new HandMadeHistory()
    .put('v1', 0, 5, 'a1')
    .put('v2', 10, 15)
    .put('v3', 20, 25, 'b1', { causality: 'add-sibling' })
    .read(1000, 1001, 'a2 b1', [{ dot: 'b1', value: 'v3' }], final);
  expect(violations(history)).toEqual([]);
  history.witness({ dot: 'b1', value: 'v3' }, 21).witness({ dot: 'a1', value: 'v1' }, 1);
  expect(violations(history)).toEqual([expect.stringContaining('put 1 of "v1"')]);
});

test('a context must not supersede more than it covers', () => {
  const history = new HandMadeHistory()
    .put('v1', 0, 5, 'a1')
    .put('v2', 10, 15, undefined, { context: seen('a1') })
    .witness({ dot: 'b1', clock: 'a2', value: 'v2' }, 12);
  expect(violations(history)).toEqual([
    expect.stringContaining('which supersedes 1/1/2: its writer had not read that'),
  ]);
});

test('the answer to a write must not cover what its writer never read', () => {
  const context = seen('');
  const history = new HandMadeHistory()
    .put('v1', 0, 5, 'a1', { causality: 'add-sibling' })
    .put('v2', 0, 5, 'a2', { context, outcome: done('a2', seen('a2')) })
    .rest('a2', [
      { dot: 'a1', value: 'v1' },
      { dot: 'a2', value: 'v2' },
    ]);
  expect(violations(history)).toEqual([expect.stringContaining('which its writer had not read')]);
});

test('a write that adds a sibling supersedes nothing', () => {
  const add = { causality: 'add-sibling' } as const;
  const history = new HandMadeHistory()
    .put('v1', 0, 5, 'a1')
    .put('v2', 10, 15, 'b1', { ...add, outcome: done('b1', seen('a1 b1')) })
    .put('v3', 20, 25, undefined, add)
    .witness({ dot: 'c1', clock: 'a1', value: 'v3' }, 22);
  expect(violations(history)).toEqual([
    expect.stringContaining('put 3 of "v3" by writer'),
    expect.stringContaining('put 2 of "v2" by writer'),
  ]);
});

test('of a key that was touched, the first version with a value is that of the put', () => {
  const history = new HandMadeHistory()
    .put('v1', 0, 5, 'a2', { causality: 'add-sibling' })
    .put('v2', 10, 15, 'b1', { context: seen('', 'a2') })
    .put('v3', 20, 25, undefined, { context: seen('', 'b1') })
    .touch(30, 35, 'c2', { context: seen('', 'c1') })
    .witness({ dot: 'a2', value: 'v1' }, 2)
    .witness({ dot: 'b1', value: 'v2' }, 12)
    .witness({ dot: 'c1', value: 'v3' }, 22)
    .witness({ dot: 'c2', value: 'v3' }, 32)
    .rest('a2 b1 c2', [{ dot: 'c2', value: 'v3' }]);
  expect(violations(history)).toEqual([]);
});

import { expect, test } from 'vitest';
import { HandMadeHistory, notApplied, seen } from './hand-made-history.ts';
import { notAppliedNeverRead } from './not-applied-never-read.ts';

function violations(history: HandMadeHistory): readonly string[] {
  const run = history.run();
  return run.keys.flatMap((key) => notAppliedNeverRead(key, run).map((violation) => violation.message));
}

const refused = { outcome: notApplied() };

test('a write that was refused and never seen again', () => {
  const history = new HandMadeHistory().put('v1', 0, 5, undefined, refused).read(10, 11, '', []);
  expect(violations(history)).toEqual([]);
});

test('a refused write that is read', () => {
  const history = new HandMadeHistory()
    .put('v1', 0, 5, undefined, refused)
    .read(10, 11, 'a1', [{ dot: 'a1', value: 'v1' }]);
  expect(violations(history)).toEqual([
    'put 1 was reported as not applied (put 1 of "v1" by writer through n1 (QUORUM, 0 ms - 5 ms)), but ' +
      'read 2 by reader through n1 (QUORUM, 10 ms - 11 ms) shows it as 1/1/1',
  ]);
});

test('a refused write that is on a disk, though nobody read it', () => {
  const history = new HandMadeHistory()
    .put('v1', 0, 5, undefined, refused)
    .witness({ dot: 'a1', value: 'v1' }, 3);
  expect(violations(history)).toEqual([expect.stringContaining('n1 stored it at 3 ms')]);
});

test('a refused write that a home holds at rest', () => {
  const history = new HandMadeHistory()
    .put('v1', 0, 5, undefined, refused)
    .rest('a1', [{ dot: 'a1', value: 'v1' }]);
  expect(violations(history)).toEqual([expect.stringContaining('n1 holds it at rest')]);
});

test('another attempt of the same request may have happened', () => {
  const id = { requestId: 'aa', write: 1 };
  const history = new HandMadeHistory()
    .put('v1', 0, 5, undefined, id)
    .put('v1', 6, 7, undefined, { ...id, ...refused })
    .read(10, 11, 'a1', [{ dot: 'a1', value: 'v1' }]);
  expect(violations(history)).toEqual([]);
});

test('two attempts of one request, both refused, excuse each other of nothing', () => {
  const id = { requestId: 'aa', write: 1, ...refused };
  const history = new HandMadeHistory()
    .put('v1', 0, 5, undefined, id)
    .put('v1', 6, 7, undefined, id)
    .read(10, 11, 'a1', [{ dot: 'a1', value: 'v1' }]);
  expect(violations(history)).toHaveLength(1);
});

test('a refused deletion is told by its request id', () => {
  const history = new HandMadeHistory()
    .delete(0, 5, undefined, { ...refused, requestId: 'dd' })
    .witness({ dot: 'a2' }, 3, { requestId: 'dd' });
  expect(violations(history)[0]).toContain('delete 1 was reported as not applied');
});

test('deletions without an id are counted', () => {
  const history = new HandMadeHistory()
    .delete(0, 5, 'a1')
    .delete(6, 9, undefined, { context: seen('a1') })
    .delete(10, 15, undefined, refused)
    .witness({ dot: 'a1' }, 3)
    .witness({ dot: 'b1' }, 8);
  expect(violations(history)).toEqual([]);
  history.witness({ dot: 'c1' }, 12);
  expect(violations(history)).toEqual([expect.stringContaining('only 1 are of unknown outcome')]);
});

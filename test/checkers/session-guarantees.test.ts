import { expect, test } from 'vitest';
import { done, HandMadeHistory, seen } from './hand-made-history.ts';
import { sessionGuarantees } from './session-guarantees.ts';

function violations(history: HandMadeHistory): readonly string[] {
  return sessionGuarantees(history.history()).map((violation) => violation.message);
}

const one = { level: 'one' } as const;

test('a read that has what it asked for', () => {
  expect(
    violations(new HandMadeHistory().read(0, 1, 'a2 b1', [], { ...one, minContext: seen('a1', 'b1') })),
  ).toEqual([]);
});

test('a read that answers with less than its context', () => {
  expect(violations(new HandMadeHistory().read(0, 1, 'a1', [], { ...one, minContext: seen('a2') }))).toEqual([
    'read 1 by reader through n1 (ONE, 0 ms - 1 ms) asked for a state that includes 1/1/2, and was answered without it',
  ]);
});

test('single dots are asked for too, and lost disks excuse nothing', () => {
  const history = new HandMadeHistory().read(0, 1, 'a1', [], { ...one, minContext: seen('a1', 'b3') });
  expect(violations(history.loss('n1', 0, 'everything'))).toEqual([
    expect.stringContaining('includes 2/1/3'),
  ]);
});

test('a read that failed answers with nothing', () => {
  const outcome = { kind: 'failed', code: 14, reason: 4, message: '' } as const;
  expect(violations(new HandMadeHistory().read(0, 1, '', [], { minContext: seen('a2'), outcome }))).toEqual(
    [],
  );
});

test('the answer to a write covers the write and what its writer had seen', () => {
  const context = seen('b2');
  expect(violations(new HandMadeHistory().put('v', 0, 1, 'a1', { context }))).toEqual([]);
  const without = new HandMadeHistory().put('v', 0, 1, 'a1', { context, outcome: done('a1', seen('b2')) });
  expect(violations(without)).toEqual([expect.stringContaining('without 1/1/1, which is the write itself')]);
  const less = new HandMadeHistory().put('v', 0, 1, 'a1', { context, outcome: done('a1', seen('a1 b1')) });
  expect(violations(less)).toEqual([expect.stringContaining('without 2/1/2, which its writer had seen')]);
});

test('a replay may leave out single dots', () => {
  const context = seen('', 'b2');
  const history = (replayed: boolean): HandMadeHistory =>
    new HandMadeHistory().put('v', 0, 1, 'a1', { context, outcome: done('a1', seen('a1'), { replayed }) });
  expect(violations(history(true))).toEqual([]);
  expect(violations(history(false))).toHaveLength(1);
});

test('of one actor the latest single dot is enough', () => {
  const context = seen('', 'a3 b2');
  const write = (dots: string): HandMadeHistory =>
    new HandMadeHistory().put('v', 0, 1, 'a5', { context, outcome: done('a5', seen('', dots)) });
  expect(violations(write('a5 b2'))).toEqual([]);
  expect(violations(write('a5'))).toEqual([expect.stringContaining('without 2/1/2')]);
});

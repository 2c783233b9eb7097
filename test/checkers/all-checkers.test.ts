import { expect, test } from 'vitest';
import { checkers, checkRun } from './all-checkers.ts';
import { HandMadeHistory, seen } from './hand-made-history.ts';
import type { KeyHistory, RunHistory } from './history.ts';

test('a violation carries the name of its checker, its key and the attempts', () => {
  const history = new HandMadeHistory().put('v1', 0, 5, 'a1').read(6, 7, '', []);
  const run = history.run();
  expect(checkRun(run)).toEqual([
    {
      checker: 'quorum-reads-never-go-back',
      message: expect.stringContaining('knew 1/1/1'),
      bucket: 'b',
      key: 'k',
      attempts: [1, 2],
      atMs: 7,
    },
  ]);
  for (const { checker } of checkRun(run)) expect(checkers.has(checker)).toBe(true);
});

/** One replica that does everything right: each operation begins when the one before has ended. */
function orderlyKey(key: string, operations: number): KeyHistory {
  const history = new HandMadeHistory({ key });
  let context = seen('');
  let held:
    | { readonly dot: string; readonly clock: string; readonly value: string; readonly writtenAt: number }
    | undefined;
  let writes = 0;
  for (let i = 0; i < operations; i++) {
    const from = i * 10;
    if (i % 2 === 0) {
      const clock = writes === 0 ? '' : `a${writes}`;
      writes++;
      held = { dot: `a${writes}`, clock, value: `${key} ${writes}`, writtenAt: writes };
      history.put(held.value, from, from + 5, held.dot, { context }).witness(held, from + 2);
      context = seen(held.dot);
    } else
      history.read(from, from + 5, `a${writes}`, held === undefined ? [] : [held], { minContext: context });
  }
  const versions = held === undefined ? [] : [held];
  return history
    .read(operations * 10, operations * 10 + 5, `a${writes}`, versions, { final: true, level: 'all' })
    .rest(`a${writes}`, versions)
    .history();
}

function orderlyRun(): RunHistory {
  const keys = Array.from({ length: 10 }, (_, i) => orderlyKey(`k${i}`, 50));
  return { keys, memoryLosses: [], healedMs: 400, endedMs: 600, omniscient: true };
}

test('nothing is wrong with an orderly run', () => {
  expect(checkRun(orderlyRun())).toEqual([]);
});

test('500 operations on ten keys are checked in 10 ms', () => {
  // Once to warm up: campaigns check thousands of runs in one process.
  for (let i = 0; i < 20; i++) checkRun(orderlyRun());
  const times: number[] = [];
  for (let i = 0; i < 5; i++) {
    const run = orderlyRun();
    const startedMs = performance.now();
    checkRun(run);
    times.push(performance.now() - startedMs);
  }
  expect(Math.min(...times)).toBeLessThan(10);
});

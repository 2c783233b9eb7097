/** What a person reads of a failed run. */

import { expect, test } from 'vitest';
import { failedEntries, failedPlan, failedResult, replica } from './failed-run.ts';
import { failureReport } from './failure-report.ts';
import { entryLine, failureStory } from './story.ts';

test('the story of a failed run has the faults and the attempts in their order, and then the promise', () => {
  expect(failureStory(failedPlan, failedResult, failedEntries)).toBe(
    `seed 42: hash 00112233aabbccdd, skew, ${failedPlan.nodes.length} nodes, 2 faults, 1 clients, 2 operations
  2 operations: writes 1 acknowledged, 0 unknown, 0 not applied; reads 1 answered, 0 failed
  2 faults and 1 restarts in 13.0 s of virtual time, 1,234 events
  weather: links 0.1 ms to 0.4 ms; 6% lost and sent again after 134 ms; 2% late by up to 79 ms; 3% of disk operations stall for 157 ms; clocks off by -2 ms to 3 ms

default/k<1> on n1, n2, n3 (> marks what the violation is about)
  1,900.000  >    7 c1  n2     10.0 ms  put v7 overwrite quorum sync-quorum: done, acked 2, synced 2 (n2/1/1)
  1,904.000  >      n2 stores v7 (n2/1/1)
  2,000.000         fault 1: wipe n2 down 300 ms
  2,000.001         n2 is killed
 10,500.000         fault 2: partition n1 n2 | n3 both for 10 ms
 11,000.000         all faults are over
 12,000.000  >    9 c1  n3      5.0 ms  final read quorum: nothing there
 12,005.000  --- here the promise is broken ---
             Replica ids in dots: n2 = ${replica}

BROKEN PROMISE: acknowledged-not-lost, default/k<1>, at 12,005.000 ms
  put 7 made n2/1/1, and read 9 does not find it
`,
  );
});

test('of many attempts those near the violation are told', () => {
  const [key] = failedResult.history.keys;
  if (key === undefined) throw new Error('the run has no key');
  const [put, read] = key.attempts;
  const many = Array.from({ length: 500 }, (_, index) => ({
    ...(put as NonNullable<typeof put>),
    id: 1000 + index,
    invokedMs: 3000 + index,
  }));
  const attempts = [...many, put, read].filter((attempt) => attempt !== undefined);
  const history = { ...failedResult.history, keys: [{ ...key, attempts }] };
  const lines = failureStory(failedPlan, { ...failedResult, history }, failedEntries).split('\n');
  expect(lines.length).toBeLessThan(80);
  // Two attempts, and the version that the first of them stored.
  expect(lines.filter((line) => line.includes('>    '))).toHaveLength(3);
  expect(lines.filter((line) => /^ +\.\.\. \d+ more$/.test(line)).length).toBeGreaterThan(0);
});

test('what comes after the broken promise is only counted, and a failure has its code by name and its whole text', () => {
  const [key] = failedResult.history.keys;
  const [put, read] = key?.attempts ?? [];
  if (key === undefined || put?.kind !== 'write' || read === undefined) throw new Error('the run has no key');
  const message = 'no answer in time '.repeat(20);
  const outcome = { kind: 'unknown', code: 4, reason: undefined, safeToRetry: false, message } as const;
  const failed = { ...put, id: 8, invokedMs: 1950, outcome };
  const later = { ...put, id: 10, invokedMs: 12_900 };
  const history = { ...failedResult.history, keys: [{ ...key, attempts: [put, failed, read, later] }] };
  const story = failureStory(failedPlan, { ...failedResult, history }, failedEntries);
  expect(story).toContain(`unknown, DEADLINE_EXCEEDED ${message}\n`);
  expect(story).toMatch(/here the promise is broken ---\n +\.\.\. 1 more\n/);
  expect(story).not.toContain('12,900.000');
});

test('a crash is told with its stack', () => {
  const crashed = { ...failedResult, violations: [], crash: 'Error: no\n    at x' };
  expect(failureStory(failedPlan, crashed, [])).toContain('crash\n  Error: no\n      at x\n');
});

test('a line of the trace has its time, place, kind, other end and text', () => {
  expect(failedEntries.slice(0, 4).map((entry) => entryLine(entry))).toEqual([
    '  1,900.000  c1   client  -> n2 #5       Put',
    '  1,901.000  n2   client  <- c1 #5       Put',
    '  1,902.000  n2   frame   -> n3 #6       merge',
    '  1,903.000  n2   frame   -x n3 #6       merge',
  ]);
});

test('the report ends with commands to copy', () => {
  const { seed, violations } = failedResult;
  const plain = [{ ...violations[0], key: 'k1' }] as typeof violations;
  expect(
    failureReport({ seed, violations: plain, broken: 'no-fsync' }),
  ).toBe(`seed 42 ("again" tells its story)
BROKEN PROMISE: acknowledged-not-lost, default/k1, at 12,005.000 ms
  put 7 made ${replica}/1/1, and read 9 does not find it

  again    npm run simulate -- --seed 42 --broken no-fsync
  trace    npm run simulate -- --seed 42 --broken no-fsync --trace --key default/k1 --from-ms 11805 --to-ms 12025
  chart    npm run simulate -- --seed 42 --broken no-fsync --chart seed-42.html
  shrink   npm run simulate -- --seed 42 --broken no-fsync --shrink
`);
  expect(failureReport({ seed, violations, planFile: 'a.json' }, 'story')).toMatch(
    /^story\n\n {2}again {4}npm run simulate -- --plan a\.json\n/,
  );
});

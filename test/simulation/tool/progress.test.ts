/** Rates, and when a line is written. */

import { expect, test } from 'vitest';
import { failedResult } from './failed-run.ts';
import { addReport, duration, grouped, noTotals, Progress, progressLine, summary } from './progress.ts';

const totals = noTotals();
addReport(totals, {
  ...failedResult,
  cpuMs: 300,
  counts: { ...failedResult.counts, operations: 600, events: 90_000 },
});
addReport(totals, {
  ...failedResult,
  violations: [],
  cpuMs: 200,
  counts: { ...failedResult.counts, operations: 400 },
});

test('a line says how far it is, how fast, and how long it takes still', () => {
  expect(progressLine(totals, 1000, 4000)).toBe(
    '2/1,000 seeds, 1 failed | 0.5 seeds/s, 250 operations/s, 22,809 events/s | 33 min 16 s left',
  );
  expect(progressLine(noTotals(), 5, 100)).toContain('no seed has ended yet');
});

test('the summary has what 1,000 operations cost', () => {
  expect(summary(totals, 1000)).toContain('0.50 s of one core for 1,000 operations');
});

test('numbers and times are easy to read', () => {
  expect([1, 999, 1000, 1_234_567].map(grouped)).toEqual(['1', '999', '1,000', '1,234,567']);
  expect([850, 12_340, 328_000, 7_500_000].map(duration)).toEqual([
    '850 ms',
    '12.3 s',
    '5 min 28 s',
    '2 h 5 min',
  ]);
});

test('a pipe gets a line every five seconds, a terminal one that is written over', () => {
  const written: string[] = [];
  const write = (text: string): number => written.push(text);
  const pipe = new Progress({ write });
  for (let ms = 0; ms <= 11_000; ms += 200) pipe.show(ms, () => `at ${ms}`);
  expect(written).toEqual(['at 5000\n', 'at 10000\n']);
  written.length = 0;
  const terminal = new Progress({ isTTY: true, columns: 5, write });
  terminal.show(0, () => 'abcdef');
  terminal.show(100, () => 'x');
  terminal.clear();
  expect(written).toEqual(['\r\x1b[Kabcd', '\r\x1b[K']);
});

import { expect, test } from 'vitest';
import { LatencyWindow } from './latency-window.ts';

test('nothing is known before the first answer, and no percentile before the twentieth', () => {
  const window = new LatencyWindow();
  expect(window.smoothedMs).toBeUndefined();
  expect(window.percentile(0.95, 0)).toBeUndefined();
  for (let i = 1; i <= 19; i++) window.add(1, i);
  expect(window.smoothedMs).toBe(1);
  expect(new LatencyWindow().percentile(0.5, 100)).toBeUndefined();
});

test('the percentile is the sample that the fraction did not exceed', () => {
  const window = new LatencyWindow({ samplesMax: 100 });
  for (let i = 100; i >= 1; i--) window.add(i, 0);
  expect(window.percentile(0.95, 0)).toBe(95);
  expect(window.percentile(0.5, 0)).toBe(50);
  expect(window.percentile(1, 0)).toBe(100);
  expect(window.percentile(0, 0)).toBe(1);
});

test('only the last samples count', () => {
  const window = new LatencyWindow({ samplesMax: 50, refreshEvery: 1 });
  for (let i = 0; i < 50; i++) window.add(1_000, 0);
  for (let i = 0; i < 50; i++) window.add(1, 0);
  expect(window.percentile(1, 0)).toBe(1);
});

test('old samples are forgotten', () => {
  const window = new LatencyWindow({ ageMsMax: 1_000 });
  for (let i = 0; i < 50; i++) window.add(900, 0);
  expect(window.percentile(0.95, 500)).toBe(900);
  expect(window.percentile(0.95, 1_001)).toBeUndefined();
});

test('a computed percentile is kept for a while, then computed again', () => {
  const window = new LatencyWindow({ samplesMax: 64, refreshEvery: 32 });
  for (let i = 0; i < 64; i++) window.add(1, 0);
  expect(window.percentile(0.95, 0)).toBe(1);
  for (let i = 0; i < 31; i++) window.add(9, 0);
  expect(window.percentile(0.95, 0)).toBe(1);
  window.add(9, 0);
  expect(window.percentile(0.95, 0)).toBe(9);
});

test('the mean moves by an eighth of the difference', () => {
  const window = new LatencyWindow();
  window.add(8, 0);
  window.add(16, 1);
  expect(window.smoothedMs).toBe(9);
});

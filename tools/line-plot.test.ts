import { expect, test } from 'vitest';
import { linearAxis, linePlot, logAxis } from './line-plot.ts';

test('a linear axis begins at 0, ends beyond the largest value, and has round ticks', () => {
  expect(linearAxis('', [3, 47_000]).ticks).toEqual([0, 10_000, 20_000, 30_000, 40_000, 50_000]);
  expect(linearAxis('', [0.9]).to).toBeCloseTo(1);
});

test('a logarithmic axis has whole decades', () => {
  expect(logAxis('', [0.4, 1_000]).ticks).toEqual([0.1, 1, 10, 100, 1_000]);
  expect(logAxis('', [5]).ticks).toEqual([1, 10]);
});

test('points stand where their values say', () => {
  const x = { label: 'x', scale: 'linear', from: 0, to: 10, ticks: [] } as const;
  const y = { label: 'y', scale: 'log', from: 1, to: 100, ticks: [] } as const;
  const svg = linePlot({
    title: 'a < b',
    x,
    y,
    series: [
      {
        color: '#000',
        style: 'line',
        points: [
          [0, 1],
          [10, 100],
          [5, 10],
        ],
      },
    ],
  });
  expect(svg).toContain('points="64.0,310.0 620.0,40.0 342.0,175.0"');
  expect(svg).toContain('a &lt; b');
});

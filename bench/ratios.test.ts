import { expect, test } from 'vitest';
import { fallenRatios, medianRatios } from './ratios.ts';

test('a ratio has fallen when it is lower than three quarters of the committed one', () => {
  const committed = { 'cpu get': 0.8, 'cpu put': 0.4, 'ops/s get': 0.5, gone: 1 };
  const ratios = { 'cpu get': 0.59, 'cpu put': 0.31, 'ops/s get': 0.9, added: 0.1 };
  expect(fallenRatios(ratios, committed)).toEqual(['cpu get']);
});

test('a figure that is no number has fallen', () => {
  expect(fallenRatios({ cpu: Number.NaN }, { cpu: 1 })).toEqual(['cpu']);
});

test('one bad round does not move the median', () => {
  expect(medianRatios([{ cpu: 0.5 }, { cpu: 0.01 }, { cpu: 0.52 }])).toEqual({ cpu: 0.5 });
});

import { expect, test } from 'vitest';
import { comparisonText, type HashRun } from './hash-comparison.ts';

const [a, b, c] = ['00000000000000aa', '00000000000000bb', '00000000000000cc'];

function run(version: string, ...lines: readonly string[]): HashRun {
  return { version, lines, output: `output of ${version}` };
}

const first = 7;

test('equal hashes are told with both versions', () => {
  const result = comparisonText(run('v24.1.0', `7 ${a}`, `8 ${b}`), run('v22.1.0', `7 ${a}`, `8 ${b}`), {
    first,
    seeds: 2,
  });
  expect(result).toEqual({ text: '2 seeds from 7: the same hashes (v24.1.0, v22.1.0)', exitCode: 0 });
});

test('seeds that differ are named, and no others', () => {
  const { text, exitCode } = comparisonText(
    run('v24.1.0', `7 ${a}`, `8 ${b}`),
    run('v22.1.0', `7 ${a}`, `8 ${c}`),
    { first, seeds: 2 },
  );
  expect(exitCode).toBe(1);
  expect(text.split('\n').slice(1)).toEqual([`seed 8: ${b} on v24.1.0, ${c} on v22.1.0`]);
});

test.each([
  ['the first', [] as const, [`7 ${a}`] as const, 'v24.1.0'],
  ['the second', [`7 ${a}`] as const, ['Segmentation fault'] as const, 'v22.1.0'],
])('a process that did not run is no agreement: %s', (_, ones, others, version) => {
  const { text, exitCode } = comparisonText(run('v24.1.0', ...ones), run('v22.1.0', ...others), {
    first,
    seeds: 1,
  });
  expect(exitCode).toBe(2);
  expect(text).toBe(`${version} ran 0 of 1 seeds:\noutput of ${version}`);
});

test('a seed that killed its process on one of them differs', () => {
  const { exitCode } = comparisonText(run('v24.1.0', `7 ${a}`), run('v22.1.0', '7 -'), { first, seeds: 1 });
  expect(exitCode).toBe(1);
});

/** Right flags and wrong ones. */

import { expect, test } from 'vitest';
import { readArguments } from './arguments.ts';

const read = (line: string): ReturnType<typeof readArguments> =>
  readArguments(line.split(' ').filter((word) => word !== ''));

test('without flags 100 fresh seeds run in two processes', () => {
  expect(read('')).toEqual({
    kind: 'campaign',
    first: undefined,
    seeds: 100,
    jobs: 2,
    broken: undefined,
    profile: undefined,
    output: 'text',
    failuresMax: 20,
  });
  expect(read('--seeds 1000 --jobs 1 --first 7 --hashes')).toMatchObject({
    seeds: 1000,
    jobs: 1,
    first: 7,
    output: 'hashes',
  });
});

test('a seed can be traced, drawn, shrunk and kept', () => {
  expect(
    read('--seed 42 --trace --only client,fault --key default/k1 --node n2 --from-ms 0 --to-ms 9'),
  ).toMatchObject({
    kind: 'single',
    source: { kind: 'seed', seed: 42 },
    trace: { only: ['client', 'fault'], key: 'default/k1', node: 'n2', fromMs: 0, toMs: 9 },
  });
  expect(read('--seed 42 --shrink --keep a-bug --bug x')).toMatchObject({
    shrinkTo: 'kindred-seed-42.json',
    keep: { name: 'a-bug', bug: 'x' },
    trace: undefined,
  });
  expect(read('--plan a.json --chart b.html --from-ms 100')).toMatchObject({
    source: { kind: 'file', path: 'a.json' },
    chart: 'b.html',
    filter: { fromMs: 100 },
  });
});

test.each([
  ['--seeds many', '--seeds: a whole number from 1; found many'],
  ['--seeds 0', '--seeds: a whole number from 1; found 0'],
  ['--jobs 1000', '--jobs: a whole number from 1 to 64; found 1000'],
  ['--trace', '--trace is about one run: add --seed NUMBER or --plan FILE'],
  ['--seed 1 --seeds 10', '--seeds is about many seeds: leave it out, or leave --seed and --plan out'],
  ['--seed 1 --plan x', '--seed and --plan: give one of them, for a plan holds its seed'],
  ['--seed 1 --key default/k', '--key filters the trace: add --trace'],
  ['--seed 1 --trace --key k', '--key: a bucket and a key, like default/k1; found k'],
  [
    '--seed 1 --trace --only net',
    '--only: net is none of fault, process, client, frame, stream, disk, log, check',
  ],
  [
    '--seed 1 --from-ms 5',
    '--from-ms and --to-ms are about the trace and the chart: add --trace or --chart FILE',
  ],
  ['--seed 1 --trace --from-ms 5 --to-ms 5', '--to-ms has to be after --from-ms; found 5 to 5'],
  ['--seed 1 --out x', '--out names the file of the smaller plan: add --shrink'],
  ['--seed 1 --keep x', '--keep NAME and --bug "what was wrong" belong together'],
  ['--seed 1 --keep A --bug x', '--keep: a name like late-write-taken-for-lost; found A'],
  [
    '--profile nothing',
    '--profile: one of mixed, deletes, crash, pause, partition, wiped-disk, restored-disk, skew, slow-peers, long-absence, quiet; found nothing',
  ],
  ['--plan x.json --profile crash', '--profile is about seeds, and a plan is drawn already: leave it out'],
  [
    '--seed 1 --keep x --bug y --broken z',
    '--keep keeps plans that the store as it is fails: leave --broken out',
  ],
  ['--seed 1 --seed 2', '--seed is given twice: leave one of them out'],
  ['--seed -5', '--seed: a whole number from 1; found -5'],
  ['--seed 1 --chart=', '--chart: the name of a file; found nothing'],
  ['--seed 1 --json --hashes', '--json and --hashes: give one of them'],
  ['--seed 1 --json --trace', '--json prints no text: leave --trace and --shrink out'],
])('%s is refused, and told what to do', (line, problem) => {
  expect(read(line)).toEqual({ kind: 'wrong', problem });
});

test('texts of nothing are refused, and spaces between kinds are not', () => {
  expect(readArguments(['--seed', '1', '--keep', 'x', '--bug', ' '])).toMatchObject({
    problem: '--bug: say in a sentence what was wrong; found nothing',
  });
  expect(readArguments(['--seed', '1', '--trace', '--only', ' , '])).toMatchObject({
    problem: expect.stringMatching(/^--only: one or more of .*; found nothing$/),
  });
  expect(readArguments(['--seed', '1', '--trace', '--only', 'client, fault'])).toMatchObject({
    trace: { only: ['client', 'fault'] },
  });
});

test('an unknown flag is refused', () => {
  expect(read('--sed 4')).toMatchObject({ kind: 'wrong', problem: expect.stringContaining("'--sed'") });
});

/** docs/internals/simulation.md names all that there is, and its examples come out as they stand there. */

import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import manifest from '../../package.json' with { type: 'json' };
import { root } from '../../tools/command.ts';
import { checkers } from '../checkers/all-checkers.ts';
import { planProfiles } from './plan/draw-profile.ts';
import { usage } from './tool/arguments.ts';

const page = read('docs/internals/simulation.md');
const tableNames = new Set([...page.matchAll(/^\| `([a-z-]+)` \|/gm)].map((match) => match[1]));

function read(file: string): string {
  return readFileSync(join(root, file), 'utf8');
}

/** All first groups of the pattern. At least `least`, or the pattern no longer fits the source. */
function namesIn(text: string, pattern: RegExp, least: number): readonly string[] {
  const names = [...text.matchAll(pattern)].map((match) => match[1] as string);
  expect(names.length).toBeGreaterThanOrEqual(least);
  return names;
}

const shapes = read('test/simulation/plan/seed-plan.ts');
const profiles = /export type ClientProfile =([^;]+);/.exec(shapes)?.[1] ?? '';

/** Judged where more is seen than a history tells. */
const simulatorCheckers = [
  'acknowledgement-claims',
  'copies-at-heal',
  'resources-at-rest',
  'collection-is-safe',
  'hint-kept-until-confirmed',
  'failure-noticed',
  'no-false-failure',
];

test.each([
  ['checker', [...checkers.keys(), ...simulatorCheckers]],
  ['kind of fault', namesIn(shapes, /readonly kind: '([a-z-]+)'/g, 17)],
  ['profile of plans', planProfiles],
  ['client profile', namesIn(profiles, /'([a-z-]+)'/g, 10)],
])('every %s has its row', (_, names) => {
  expect(names.filter((name) => !tableNames.has(name))).toEqual([]);
});

test('every rare path is named', () => {
  const names = namesIn(read('src/env/rare-path.ts'), /^ {2}\| '([a-z-]+)'/gm, 17);
  expect(names.filter((name) => !page.includes(`\`${name}\``))).toEqual([]);
});

test('every regression is told of', () => {
  const files = readdirSync(join(root, 'test/simulation/regressions'));
  const names = files.filter((file) => file.endsWith('.json')).map((file) => file.slice(0, -'.json'.length));
  expect(names.filter((name) => !tableNames.has(name))).toEqual([]);
});

const flagPattern = /(?<![\w-])(--[a-z][a-z-]+)/g;

test('every flag is shown, and none that is not there', () => {
  const known = new Set(namesIn(usage, flagPattern, 20));
  const shown = new Set(namesIn(page, flagPattern, 20));
  expect([...known].filter((flag) => !shown.has(flag))).toEqual([]);
  const measure = read('test/simulation/broken/measure.ts');
  const isKnown = (flag: string): boolean => known.has(flag) || measure.includes(`${flag.slice(2)}: {`);
  expect([...shown].filter((flag) => !isKnown(flag))).toEqual([]);
});

test('every command is one of package.json', () => {
  const scripts = namesIn(page, /npm run ([a-z:-]+)/g, 20);
  expect(scripts.filter((name) => !(name in manifest.scripts))).toEqual([]);
});

/** A command with what the page shows of its output; `...` stands for what was left out. */
const examples = [...page.matchAll(/^```console\n\$ npm run simulate -- (.+)\n([\s\S]*?)^```/gm)].map(
  (match) => ({ flags: match[1] as string, lines: (match[2] as string).trimEnd().split('\n') }),
);

test('there are examples', () => {
  expect(examples.length).toBeGreaterThanOrEqual(6);
});

const folder = mkdtempSync(join(tmpdir(), 'kindred-page-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/**
 * Of the plan every line must come, in the order of the page, whatever the numbers in it: another version of the store
 * takes other times. Of a whole seed only what was broken and what to do next.
 */
test.each(examples)('$flags', async ({ flags, lines }) => {
  const { output, exitCode } = await simulate(flags);
  expect(exitCode).toBe(flags.includes('--broken') ? 1 : 0);
  const told = output.split('\n').map(withoutNumbers);
  const isTold = flags.includes('--seed')
    ? (line: string) => /^(FAILED|Smaller:| {2}(again|trace|chart|shrink)) |^BROKEN PROMISE/.test(line)
    : (line: string) => line !== '...';
  let from = 0;
  for (const line of lines.filter(isTold)) {
    const at = told.indexOf(withoutNumbers(line), from);
    expect(
      at,
      `the page shows what no longer comes: ${line}\nThe output is\n${output}`,
    ).toBeGreaterThanOrEqual(0);
    from = at + 1;
  }
  expect(from).toBeGreaterThan(0);
});

function simulate(flags: string): Promise<{ readonly output: string; readonly exitCode: number }> {
  const inFolder = flags.split(' ').map((flag) => (/^small\./.test(flag) ? join(folder, flag) : flag));
  return new Promise((resolve) => {
    const main = join(root, 'test/simulation/tool/main.ts');
    const options = {
      cwd: root,
      env: { ...process.env, NO_COLOR: '1', INIT_CWD: root },
      maxBuffer: 64 * 1024 * 1024,
    };
    execFile(process.execPath, [main, ...inFolder], options, (error, stdout, stderr) => {
      const output = `${stdout}${stderr}`.replaceAll(join(folder, '/'), '');
      resolve({ output, exitCode: error === null ? 0 : Number(error.code) });
    });
  });
}

/** Numbers, hashes, ids and keys as `#`; columns as one space. */
function withoutNumbers(line: string): string {
  return line
    .replaceAll(/\b[a-z-]+\/k\d+/g, 'KEY')
    .replaceAll(/\b(?=[0-9a-f]*\d)[0-9a-f]{6,}\b/g, '#')
    .replaceAll(/\d[\d,.]*/g, '#')
    .replaceAll(/\s+/g, ' ')
    .trimEnd();
}

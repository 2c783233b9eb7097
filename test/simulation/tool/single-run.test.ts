/** What `npm run simulate` says before it runs a plan, and how Ctrl-C ends it: as a process, for exit codes are its answer. */

import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';

const folder = mkdtempSync(join(tmpdir(), 'kindred-tool-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** `interruptAt`: Ctrl-C as soon as stderr says this. */
function simulate(flags: readonly string[], interruptAt?: RegExp): Promise<Ended> {
  return new Promise((resolve) => {
    const env = { ...process.env, NO_COLOR: '1', INIT_CWD: folder };
    const child = spawn(process.execPath, [join(import.meta.dirname, 'main.ts'), ...flags], { env });
    let [stdout, stderr] = ['', ''];
    let isInterrupted = false;
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
      if (interruptAt === undefined || isInterrupted || !interruptAt.test(stderr)) return;
      isInterrupted = true;
      child.kill('SIGINT');
    });
    child.once('close', (code) => resolve({ code, stdout, stderr }));
  });
}

writeFileSync(join(folder, 'wrong.json'), '{ "seed": -1, "nodes": 3 }');

test.each<[flags: string, problem: RegExp]>([
  ['--seed 1 --chart no/such/a.html', /^--chart no\/such\/a\.html: there is no folder .*\/no\/such\n$/],
  ['--seed 1 --chart .', /^--chart \.: is a folder; name a file\n$/],
  ['--seed 1 --shrink --out no/a.json', /^--out no\/a\.json: there is no folder .*\/no\n$/],
  [
    '--seed 1 --keep late-greeting-accuses --bug x',
    /^--keep late-greeting-accuses: there is a regression of that name; choose another\n$/,
  ],
  ['--seed 1 --trace --node n99', /^--node n99: there are n1, n2, .*, c1, .*final\n$/],
  ['--seed 1 --trace --key default/none', /^--key default\/none: there are [a-z-]+\/k\d+, /],
  ['--plan none.json', /^--plan none\.json: there is no such file\n$/],
  ['--plan .', /^--plan \.: is a folder, and no file\n$/],
  ['--plan wrong.json', /^--plan wrong\.json: is no plan\n {2}seed: .*\n {2}nodes: .*\n/],
])('%s is refused before anything runs', async (flags, problem) => {
  const { code, stdout, stderr } = await simulate(flags.split(' '));
  expect(stderr).toMatch(problem);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
});

test('a search for a smaller plan of what does not fail says so, and writes nothing', async () => {
  const { code, stdout } = await simulate(['--seed', '1', '--shrink', '--out', 'small.json']);
  expect(stdout).toContain('Nothing failed, so there is nothing to make smaller: no plan was written.');
  expect(code).toBe(0);
  expect(existsSync(join(folder, 'small.json'))).toBe(false);
});

test('Ctrl-C during a search writes the smallest plan so far and ends with 130', async () => {
  const flags = ['--seed', '11', '--broken', 'retry-counts-twice', '--shrink', '--out', 'least.json'];
  const { code, stderr } = await simulate(flags, /shrinking/);
  expect(stderr).toContain('the search ends with the smallest plan so far');
  expect(code).toBe(130);
  expect(existsSync(join(folder, 'least.json'))).toBe(true);
});

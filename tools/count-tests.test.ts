import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { runCommand } from './command.ts';

function file(status: string, ...tests: readonly string[]): unknown {
  return { status, assertionResults: tests.map((each) => ({ status: each })) };
}

async function lastLine(files: readonly unknown[] | undefined, exitCode: string, failedSteps: string) {
  const folder = await mkdtemp(join(tmpdir(), 'kindred-count-'));
  try {
    const report = join(folder, 'tests.json');
    if (files !== undefined) await writeFile(report, JSON.stringify({ testResults: files }));
    const result = await runCommand('node', ['tools/count-tests.ts', report, exitCode, failedSteps]);
    return { line: result.stdout.trimEnd().split('\n').at(-1), exitCode: result.exitCode };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

test.each([
  ['all is well', [file('passed', 'passed', 'passed')], '0', '0', '2 passed, 0 failed', 0],
  [
    'skipped tests are shown',
    [file('passed', 'passed', 'skipped', 'todo')],
    '0',
    '0',
    '1 passed, 0 failed, 2 skipped',
    0,
  ],
  [
    'a test failed',
    [file('failed', 'passed', 'failed'), file('passed', 'passed')],
    '1',
    '0',
    '2 passed, 1 failed',
    1,
  ],
  ['a file did not load', [file('failed'), file('passed', 'passed')], '1', '0', '1 passed, 1 failed', 1],
  ['an error outside of tests', [file('passed', 'passed')], '1', '0', '1 passed, 1 failed', 1],
  ['a step failed before', [file('passed', 'passed')], '0', '1', '1 passed, 1 failed', 1],
  ['two steps failed', [file('passed', 'passed')], '0', '2', '1 passed, 2 failed', 1],
  ['the run crashed', undefined, '124', '0', '0 passed, 1 failed', 1],
] as const)('%s', async (_, files, exitCode, failedSteps, line, expectedExitCode) => {
  expect(await lastLine(files, exitCode, failedSteps)).toEqual({ line, exitCode: expectedExitCode });
});

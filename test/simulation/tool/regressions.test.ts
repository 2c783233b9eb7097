/** Keeping plans as files. */

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { planOf } from '../plan/generate-plan.ts';
import { readRegressions, saveRegression } from './regressions.ts';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kindred-regressions-'));
});

afterEach(() => rm(folder, { recursive: true }));

const kept = { name: 'a-bug', bug: 'It was wrong.', foundBy: 3, fixedIn: '', plan: planOf(3) };

test('what is kept is read again', async () => {
  await saveRegression(folder, kept);
  await saveRegression(folder, { ...kept, name: 'another' });
  expect(await readRegressions(folder)).toEqual([kept, { ...kept, name: 'another' }]);
});

test('a name is used once', async () => {
  await saveRegression(folder, kept);
  await expect(saveRegression(folder, kept)).rejects.toThrow(/EEXIST/);
});

test.each([
  ['{', 'a-bug.json: is no regression'],
  [JSON.stringify({ ...kept, name: 'b' }), 'a-bug.json: is no regression: its name is b'],
  [JSON.stringify({ ...kept, bug: '' }), 'it does not say what was wrong: bug'],
  [JSON.stringify({ ...kept, foundBy: 'me' }), 'it does not say which seed found it: foundBy'],
  [JSON.stringify({ ...kept, plan: { ...kept.plan, nodes: [] } }), 'at least three nodes'],
])('a file that is none is named: %.40s', async (text, problem) => {
  await writeFile(join(folder, 'a-bug.json'), text);
  await expect(readRegressions(folder)).rejects.toThrow(problem);
});

import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { root } from '../../../tools/command.ts';
import { allBrokenVersions, brokenVersionOf } from './all-broken-versions.ts';
import { type BrokenVersion, filesOf, patchedSource } from './broken-version.ts';

const run = promisify(execFile);

const sourceOf = (file: string): string => readFileSync(join(root, file), 'utf8');

describe.each(allBrokenVersions)('$name', (version) => {
  test('applies to the source as it is', () => {
    for (const file of filesOf(version)) {
      expect(file).toMatch(/^src\/.*\.ts$/);
      const source = sourceOf(file);
      const patched = patchedSource(version, file, source);
      expect(patched).not.toBe(source);
      expect(stripTypeScriptTypes(patched)).not.toBe(stripTypeScriptTypes(source));
    }
  });

  test('tells what it does', () => {
    expect(version.name).toMatch(/^[a-z]+(-[a-z]+)+$/);
    expect(version.bug).not.toMatch(/[.|\n]/);
    expect(version.repeats).not.toMatch(/[|\n]/);
  });
});

test('names are unique', () => {
  const names = allBrokenVersions.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
});

test('an unknown name is refused with the names that there are', () => {
  expect(() => brokenVersionOf('no-such-bug')).toThrow(
    /"no-such-bug"[\s\S]*\n {2}dots-reused-after-forgetting\n/,
  );
});

test('a patch that does not fit says which version to update', () => {
  const file = 'src/a.ts';
  const version: BrokenVersion = {
    name: 'a-bug',
    bug: '',
    repeats: '',
    patches: [{ file, was: 'x', becomes: 'y' }],
  };
  expect(() => patchedSource(version, file, 'a')).toThrow(
    /a-bug no longer applies: update it.*occurs 0 times in src\/a.ts/,
  );
  expect(() => patchedSource(version, file, 'x x')).toThrow(/occurs 2 times/);
  expect(patchedSource(version, file, 'a x')).toBe('a y');
  expect(patchedSource(version, 'src/b.ts', 'x x')).toBe('x x');
});

/** Prints the counter that the join of two clocks has, of the version if any is named. */
const joinScript = `
  const { joinClocks } = await import('./src/core/causality/vector-clock.ts');
  const dot = (replica, counter) => ({ replica, epoch: 1, counter });
  console.log(joinClocks([dot(1, 1), dot(2, 2)], [dot(1, 2), dot(2, 1)]).map(({ counter }) => counter).join());
`;

async function output(script: string, ...flags: string[]): Promise<string> {
  const { stdout } = await run(process.execPath, [...flags, '--input-type=module', '--eval', script], {
    cwd: root,
  });
  return stdout.trim();
}

test('a process that preloads a version runs it, and no other process does', async () => {
  const preload = './test/simulation/broken/register.ts?version=counter-of-both-joined-low';
  expect(await output(joinScript, '--import', preload)).toBe('1,2');
  expect(await output(joinScript)).toBe('2,2');
});

test('a version is applied before the simulation is imported, and knows which of its files were loaded', async () => {
  const script = `
    const { applyBrokenVersion } = await import('./test/simulation/broken/register.ts');
    const applied = applyBrokenVersion('retry-counts-twice');
    console.log(applied.notLoaded().join());
    await import('./src/core/causality/coordinated-write.ts');
    console.log(applied.notLoaded().join());
    await import('./src/node.ts');
    console.log(applied.notLoaded().join());
  `;
  const [first, second, third = ''] = (await output(script)).split('\n');
  expect(first).toBe('src/core/causality/coordinated-write.ts,src/replica/request-memory.ts');
  expect(second).toBe('src/replica/request-memory.ts');
  expect(third).toBe('');
});

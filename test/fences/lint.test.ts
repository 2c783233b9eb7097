/** Biome and the compiler report what `biome.json`, `tools/no-ambient.grit` and `src/core/tsconfig.json` forbid. */
import { beforeAll, describe, expect, test } from 'vitest';
import { runCommand } from '../../tools/command.ts';
import { lawful, plant, type Sources } from './planted.ts';

/** Files that break one rule in one statement each, with the name under which it is reported. */
const plantings: readonly { readonly rule: string; readonly file: string; readonly text: string }[] = [
  ambient('src/replica/a1.ts', 'Date.now()'),
  ambient('src/replica/a2.ts', 'new Date()'),
  ambient('src/coordinator/a3.ts', 'Math.random()'),
  ambient('src/membership/a4.ts', 'performance.now()'),
  ambient('src/handoff/a5.ts', 'setTimeout(() => {}, 1)'),
  ambient('src/rpc/a6.ts', 'globalThis.setInterval(() => {}, 1)'),
  ambient('src/storage/a7.ts', 'setImmediate(() => {})'),
  ambient('src/core/a8.ts', 'Math.random'),
  ambient('src/node.ts', 'crypto.randomUUID()'),
  ambient('src/observe/a9.ts', 'process.hrtime()'),
  ambient('src/anti-entropy/a10.ts', 'AbortSignal.timeout(1)'),
  {
    rule: 'plugin',
    file: 'src/replica/a11.ts',
    text: `export { setTimeout } from 'node:timers/promises';\n`,
  },
  {
    rule: 'plugin',
    file: 'src/replica/a12.ts',
    text: `import { setTimeout as sleep } from 'node:timers/promises';\n\nexport const wait: unknown = sleep;\n`,
  },
  {
    rule: 'plugin',
    file: 'src/replica/a13.ts',
    text: `import { randomBytes } from 'node:crypto';\n\nexport const bytes: unknown = randomBytes(8);\n`,
  },
  {
    rule: 'lint/style/noRestrictedImports',
    file: 'src/core/b1.ts',
    text: `import { open } from 'node:fs';\n\nexport const use: unknown = open;\n`,
  },
  {
    rule: 'lint/style/noRestrictedImports',
    file: 'src/core/b2.ts',
    text: `import { z } from 'zod';\n\nexport const use: unknown = z;\n`,
  },
  {
    rule: 'lint/nursery/noFloatingPromises',
    file: 'src/replica/b3.ts',
    text: `import { read } from '../coordinator/reader.ts';\n\nexport function run(): void {\n  read();\n}\n`,
  },
  {
    rule: 'lint/suspicious/noImportCycles',
    file: 'src/handoff/b4.ts',
    text: `import { five } from './b5.ts';\n\nexport const four: unknown = () => five;\n`,
  },
  {
    rule: 'lint/suspicious/noImportCycles',
    file: 'src/handoff/b5.ts',
    text: `import { four } from './b4.ts';\n\nexport const five: unknown = () => four;\n`,
  },
  {
    rule: 'lint/nursery/useExhaustiveSwitchCases',
    file: 'src/replica/b6.ts',
    text: `export function count(kind: 'one' | 'two'): number {
  switch (kind) {
    case 'one':
      return 1;
  }
  return 0;
}
`,
  },
  {
    rule: 'lint/performance/noBarrelFile',
    file: 'src/replica/index.ts',
    text: `export * from './replica.ts';\n`,
  },
];

function ambient(file: string, expression: string): (typeof plantings)[number] {
  return { rule: 'plugin', file, text: `export const use: unknown = ${expression};\n` };
}

function planted(): Sources {
  return Object.fromEntries(plantings.map(({ file, text }) => [file, text]));
}

/** Rule and file of each diagnostic that fails the check. */
async function lint(folder: string): Promise<string[]> {
  const args = ['check', '--error-on-warnings', '--reporter=github', '--max-diagnostics=none', 'src'];
  const { output } = await runCommand('biome', args, { folder });
  return [...output.matchAll(/^::(?:error|warning) title=([^,]+),file=([^,]+),/gm)].map(
    ([, rule, file]) => `${rule} ${file?.slice(file.indexOf('src/'))}`,
  );
}

test('the lawful tree passes', async () => {
  await using tree = await plant(lawful);
  expect(await lint(tree.folder)).toEqual([]);
});

describe('planted', () => {
  let found: string[] = [];

  beforeAll(async () => {
    await using tree = await plant({ ...lawful, ...planted() });
    found = await lint(tree.folder);
  });

  test.each(plantings)('$rule in $file', ({ rule, file }) => {
    expect(found).toContain(`${rule} ${file}`);
  });

  test('the same expressions are allowed in env, cli and tests', async () => {
    const allowed: Record<string, string> = {};
    for (const folder of ['env', 'cli']) {
      allowed[`src/${folder}/x.ts`] =
        `export const use: unknown = [Date.now(), Math.random(), performance.now()];\n`;
    }
    allowed['src/replica/x.test.ts'] = `export const use: unknown = Date.now();\n`;
    await using tree = await plant({ ...lawful, ...allowed });
    expect(await lint(tree.folder)).toEqual([]);
  });
});

test.each([
  'setTimeout',
  'Buffer',
  'TextEncoder',
  'process',
  'console',
  'performance',
  'crypto',
  'AbortSignal',
])('in core, %s does not exist', async (name) => {
  await using tree = await plant({ ...lawful, 'src/core/p.ts': `export const use: unknown = ${name};\n` });
  const { exitCode, output } = await runCommand('tsc', ['-p', 'src/core'], { folder: tree.folder });
  expect(exitCode).not.toBe(0);
  expect(output).toMatch(new RegExp(`^src/core/p[.]ts.*Cannot find name '${name}'`, 'm'));
});

test('the lawful core compiles', async () => {
  await using tree = await plant(lawful);
  expect(await runCommand('tsc', ['-p', 'src/core'], { folder: tree.folder })).toMatchObject({ exitCode: 0 });
});

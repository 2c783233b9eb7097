/** Every rule of `.dependency-cruiser.cjs` reports a planted violation by its name, and nothing else. */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { root } from '../../tools/command.ts';
import {
  checkImports,
  cruiseImports,
  filesNotCruised,
  type ImportViolation,
} from '../../tools/import-fences.ts';
import { lawful, plant, type Sources } from './planted.ts';

interface Planting {
  readonly rule: string;
  readonly file: string;
  /** The import, as the file writes it. */
  readonly imports: string;
  /** What the report names; a pattern where it depends on the machine. */
  readonly reported: RegExp;
}

const plantings: readonly Planting[] = [
  { rule: 'core-does-no-io', file: 'src/core/p1.ts', imports: 'node:fs', reported: /^fs$/ },
  {
    rule: 'core-does-no-io',
    file: 'src/core/p2.ts',
    imports: 'timers/promises',
    reported: /^timers\/promises$/,
  },
  { rule: 'core-imports-no-package', file: 'src/core/p3.ts', imports: 'zod', reported: /zod/ },
  shell('core-knows-no-shell', 'src/core/p4.ts', 'storage/engine.ts'),
  shell('core-knows-no-shell', 'src/core/causality/p5.ts', 'env/env.ts'),
  shell('env-stands-on-core', 'src/env/p6.ts', 'config/config.ts'),
  shell('config-stands-on-env', 'src/config/p7.ts', 'storage/engine.ts'),
  shell('config-stands-on-env', 'src/config/p8.ts', 'observe/log.ts'),
  shell('observe-stands-on-env', 'src/observe/p9.ts', 'rpc/server.ts'),
  shell('storage-stands-on-env', 'src/storage/p10.ts', 'rpc/server.ts'),
  shell('storage-stands-on-env', 'src/storage/p11.ts', 'gen/kv.ts'),
  shell('rpc-stands-on-env', 'src/rpc/p12.ts', 'storage/engine.ts'),
  shell('rpc-stands-on-env', 'src/rpc/p13.ts', 'coordinator/reader.ts'),
  shell('gen-stands-alone', 'src/gen/p14.ts', 'core/clock.ts'),
  shell('services-do-not-meet', 'src/coordinator/p15.ts', 'replica/replica.ts'),
  shell('services-do-not-meet', 'src/replica/p16.ts', 'handoff/hints.ts'),
  shell('services-do-not-meet', 'src/membership/p17.ts', 'anti-entropy/trees.ts'),
  shell('services-do-not-meet', 'src/handoff/p18.ts', 'membership/gossip.ts'),
  shell('services-do-not-meet', 'src/anti-entropy/p19.ts', 'coordinator/reader.ts'),
  shell('nobody-imports-node', 'src/coordinator/p20.ts', 'node.ts'),
  shell('nobody-imports-cli', 'src/membership/p21.ts', 'cli/serve.ts'),
  {
    rule: 'sources-import-no-tests',
    file: 'src/replica/p22.ts',
    imports: '../core/tally.test.ts',
    reported: /tally[.]test[.]ts$/,
  },
  {
    rule: 'sources-import-no-dev-dependency',
    file: 'src/replica/p23.ts',
    imports: 'fast-check',
    reported: /fast-check/,
  },
  {
    rule: 'no-cycles',
    file: 'src/handoff/p24.ts',
    imports: './p25.ts',
    reported: /^src\/handoff\/p25[.]ts$/,
  },
  { rule: 'imports-resolve', file: 'src/replica/p26.ts', imports: './missing.ts', reported: /missing[.]ts$/ },
];

/** A planting that imports `target` below src, which is how the report names it. */
function shell(rule: string, file: string, target: string): Planting {
  const up = '../'.repeat(file.split('/').length - 2);
  return { rule, file, imports: up + target, reported: new RegExp(`^src/${target}$`) };
}

/** All plantings, as imports of values or of types only: both count. */
function planted(form: 'value' | 'type'): Sources {
  const text = form === 'value' ? 'import * as planted' : 'import type * as planted';
  const use = form === 'value' ? 'export const use: unknown = planted;' : 'export type Use = typeof planted;';
  const sources = plantings.map(({ file, imports }) => [file, `${text} from '${imports}';\n\n${use}\n`]);
  // The way back of the cycle, which is reported once.
  return { ...Object.fromEntries(sources), 'src/handoff/p25.ts': `${text} from './p24.ts';\n\n${use}\n` };
}

test('the lawful tree passes, with every file seen', async () => {
  await using tree = await plant(lawful);
  expect(await checkImports(tree.folder)).toMatchObject({
    kind: 'passed',
    note: expect.stringMatching(new RegExp(`^${Object.keys(lawful).length} files, `)),
  });
});

test('every rule has a planting', () => {
  const { forbidden } = createRequire(import.meta.url)(join(root, '.dependency-cruiser.cjs')) as {
    forbidden: readonly { readonly name: string }[];
  };
  const tested = new Set(plantings.map(({ rule }) => rule));
  expect(forbidden.map(({ name }) => name).filter((name) => !tested.has(name))).toEqual([]);
});

describe.each(['value', 'type'] as const)('planted as %s imports', (form) => {
  let violations: readonly ImportViolation[] = [];
  let output = '';

  beforeAll(async () => {
    await using tree = await plant({ ...lawful, ...planted(form) });
    ({ violations } = await cruiseImports(tree.folder));
    const outcome = await checkImports(tree.folder);
    output = outcome.kind === 'failed' ? outcome.output : '';
  });

  test.each(plantings)('$rule: $file imports $imports', ({ rule, file, reported }) => {
    const found = violations.find((violation) => violation.rule === rule && violation.from === file);
    expect(found?.to).toMatch(reported);
    expect(output).toContain(`${rule}: ${file} imports ${found?.to}\n`);
  });

  test('only planted files are reported', () => {
    const files = new Set(plantings.map(({ file }) => file));
    expect(violations.filter(({ from }) => !files.has(from))).toEqual([]);
  });
});

test('a file that was not looked at fails the check', () => {
  expect(filesNotCruised(['src/a.ts', 'src/b.ts'], { files: ['src/a.ts'], dependencies: 1 })).toContain(
    'src/b.ts',
  );
  expect(filesNotCruised([], { files: [], dependencies: 0 })).toContain('0 of 0');
  expect(filesNotCruised(['src/a.ts'], { files: ['src/a.ts'], dependencies: 0 })).toContain('not one import');
  expect(filesNotCruised(['src/a.ts'], { files: ['src/a.ts'], dependencies: 1 })).toBeUndefined();
});

/**
 * A small tree of sources that keeps every rule, under the configuration files of this repository, into which a test
 * plants violations. It is a tree of its own so that it stays small and a violation cannot hide among real files.
 */
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { root } from '../../tools/command.ts';

/** Sources by their path from the root of the tree. */
export type Sources = Readonly<Record<string, string>>;

const configuration = [
  '.dependency-cruiser.cjs',
  'biome.json',
  'package.json',
  'tools/no-ambient.grit',
  'tsconfig.json',
  'src/core/tsconfig.json',
];

/** One file a folder, each importing all that its folder may. */
export const lawful: Sources = {
  'src/core/clock.ts': `export const start: number = 0;\n`,
  'src/core/tally.ts': `import { start } from './clock.ts';\n\nexport const tally: number = start + 1;\n`,
  'src/core/tally.test.ts': `import { expect, test } from 'vitest';
import { tally } from './tally.ts';

test('counts', () => expect(tally).toBe(1));
`,
  'src/env/env.ts': `import { start } from '../core/clock.ts';

export function now(): number {
  return start + Date.now() * Math.random();
}
`,
  'src/config/config.ts': `import { z } from 'zod';\nimport { now } from '../env/env.ts';\n\nexport const config: unknown = [z, now];\n`,
  'src/observe/log.ts': `import { now } from '../env/env.ts';\n\nexport const log: unknown = now;\n`,
  'src/gen/kv.ts': `export const service: number = 1;\n`,
  'src/storage/engine.ts': `import { open } from 'node:fs';
import { config } from '../config/config.ts';
import { log } from '../observe/log.ts';

export const engine: unknown = [open, config, log];
`,
  'src/rpc/server.ts': `import { config } from '../config/config.ts';
import { service } from '../gen/kv.ts';

export const server: unknown = [config, service];
`,
  'src/coordinator/reader.ts': `import { tally } from '../core/tally.ts';
import { server } from '../rpc/server.ts';

export async function read(): Promise<unknown> {
  return [tally, server];
}
`,
  'src/replica/replica.ts': `import { engine } from '../storage/engine.ts';\n\nexport const replica: unknown = engine;\n`,
  'src/membership/gossip.ts': `import { now } from '../env/env.ts';\n\nexport const gossip: unknown = now;\n`,
  'src/handoff/hints.ts': `import { engine } from '../storage/engine.ts';\n\nexport const hints: unknown = engine;\n`,
  'src/anti-entropy/trees.ts': `import { engine } from '../storage/engine.ts';\n\nexport const trees: unknown = engine;\n`,
  'src/node.ts': `import { read } from './coordinator/reader.ts';
import { replica } from './replica/replica.ts';

export const node: unknown = [read, replica];
`,
  'src/cli/serve.ts': `import { node } from '../node.ts';\n\nexport const serve: unknown = [node, Date.now()];\n`,
  'src/main.ts': `import { serve } from './cli/serve.ts';\n\nexport const main: unknown = serve;\n`,
};

/** Writes `sources` and the configuration into a new folder, which is removed when disposed of. */
export async function plant(sources: Sources): Promise<AsyncDisposable & { readonly folder: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'kindred-fences-'));
  for (const [path, text] of Object.entries(sources)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), text);
  }
  for (const path of configuration) await cp(join(root, path), join(folder, path));
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'), 'dir');
  // biome.json reads the ignore file.
  await writeFile(join(folder, '.gitignore'), 'node_modules\n');
  return { folder, [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }) };
}

/**
 * `npm run simulate:hashes`: the same seeds on two versions of Node, which must give the same hashes.
 *
 *     node test/simulation/tool/compare-hashes.ts [--seeds 100] [--first N] [--node 22]
 *
 * One process is this Node, the other the newest release of another major version, which npm installs into a temporary
 * directory. Where that cannot be had, two processes of this Node are compared, and that is said. Ends with exit code 1 when
 * hashes differ, 2 when there was nothing to compare.
 */

import { randomInt } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { runCommand } from '../../../tools/command.ts';
import { comparisonText, type HashRun } from './hash-comparison.ts';

const installMs = 180_000;
/** For one seed, on a machine that is busy. */
const seedMs = 5_000;
const simulate = join(import.meta.dirname, 'main.ts');

process.exitCode = await main();

/** The program of another Node, or why there is none. */
async function installNode(major: string, folder: string): Promise<{ path: string } | { problem: string }> {
  const install = ['install', '--no-save', '--no-audit', '--no-fund', '--prefix', folder, `node@${major}`];
  const { exitCode, output } = await runCommand('npm', install, { folder, timeoutMs: installMs });
  if (exitCode !== 0) return { problem: output.trim().split('\n').slice(0, 3).join(' ') };
  const path = join(folder, 'node_modules/.bin/node');
  const version = await runCommand(path, ['--version'], { timeoutMs: 10_000 });
  if (version.exitCode === 0 && version.stdout.startsWith(`v${major}.`)) return { path };
  return { problem: `npm has installed something that is not Node ${major}: ${version.output.trim()}` };
}

async function hashesOn(path: string, first: number, seeds: number): Promise<HashRun> {
  const version = await runCommand(path, ['--version'], { timeoutMs: 10_000 });
  const flags = ['--hashes', '--first', String(first), '--seeds', String(seeds), '--jobs', '1'];
  // However many of them break promises: that is the business of `npm run simulate`.
  const run = await runCommand(path, [simulate, ...flags, '--failures', String(seeds)], {
    timeoutMs: 60_000 + seeds * seedMs,
  });
  return { version: version.stdout.trim(), lines: run.stdout.trim().split('\n'), output: run.output };
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      seeds: { type: 'string', default: '100' },
      first: { type: 'string', default: String(randomInt(1, 1_000_000_000)) },
      node: { type: 'string', default: '22' },
    },
  });
  const [seeds, first] = [Number(values.seeds), Number(values.first)];
  if (![seeds, first, Number(values.node)].every((number) => Number.isSafeInteger(number) && number >= 1)) {
    console.error('--seeds, --first and --node are whole numbers from 1');
    return 2;
  }
  const folder = await mkdtemp(join(tmpdir(), 'kindred-node-'));
  try {
    const other = await installNode(values.node, folder);
    if ('problem' in other) {
      console.log(`Node ${values.node} could not be installed: ${other.problem}`);
      console.log('two processes of one version are compared instead');
    }
    const paths = [process.execPath, 'path' in other ? other.path : process.execPath];
    const [mine, theirs] = await Promise.all(paths.map((path) => hashesOn(path, first, seeds)));
    const { text, exitCode } = comparisonText(mine as HashRun, theirs as HashRun, { first, seeds });
    console.log(text);
    return exitCode;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

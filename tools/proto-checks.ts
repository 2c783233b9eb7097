/** Checks of `proto/` that need more than one command: compatibility with what was committed, and generated code. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runCommand } from './command.ts';
import type { Outcome } from './outcome.ts';

/** The code in `src/gen` is what `npm run generate` makes of `proto/` now. */
export function checkGeneratedCode(): Promise<Outcome> {
  return inTemporaryFolder(async (folder) => {
    const made = await runCommand('node', ['tools/generate.ts', folder]);
    if (made.exitCode !== 0) return { kind: 'failed', output: made.output };
    const compared = await runCommand('diff', ['-r', '-u', 'src/gen', folder]);
    if (compared.exitCode === 0) return { kind: 'passed' };
    return {
      kind: 'failed',
      output: `src/gen is not what proto/ says: npm run generate\n${compared.output}`,
    };
  });
}

/**
 * `proto/` breaks no client of the last release, nor of the last commit on main. A break before the first release is
 * a decision: it passes once it is on main.
 */
export async function checkProtoCompatibility(): Promise<Outcome> {
  const bases = await comparedCommits();
  const compared: string[] = [];
  for (const base of bases) {
    const outcome = await checkAgainst(base);
    if (outcome.kind === 'failed') return outcome;
    compared.push(base);
  }
  if (compared.length === 0)
    return { kind: 'passed', note: 'nothing to compare: no earlier commit has a proto/' };
  return { kind: 'passed', note: `compared with ${compared.join(' and ')}` };
}

/** The last release reachable from here, and main; those of them that exist in this clone and have a `proto/`. */
async function comparedCommits(): Promise<string[]> {
  const candidates: string[] = [];
  const release = await runCommand('git', ['describe', '--tags', '--abbrev=0', '--match', 'v[0-9]*']);
  if (release.exitCode === 0) candidates.push(release.stdout.trim());
  for (const name of ['origin/main', 'main']) {
    const commit = await runCommand('git', ['rev-parse', '--verify', '--quiet', `${name}^{commit}`]);
    if (commit.exitCode !== 0) continue;
    candidates.push(name);
    break;
  }
  const found: string[] = [];
  for (const candidate of candidates) {
    const tree = await runCommand('git', ['ls-tree', '--name-only', candidate, 'proto', 'buf.yaml']);
    if (tree.exitCode === 0 && tree.stdout.trim() === 'buf.yaml\nproto') found.push(candidate);
  }
  return found;
}

/** Compares through an archive, not through buf's own git input: that does not read work trees and shallow clones. */
function checkAgainst(commit: string): Promise<Outcome> {
  return inTemporaryFolder(async (folder) => {
    const archive = join(folder, 'proto.tar');
    const packed = await runCommand('git', ['archive', '--output', archive, commit, 'proto', 'buf.yaml']);
    if (packed.exitCode !== 0) return { kind: 'failed', output: packed.output };
    const unpacked = await runCommand('tar', ['-x', '-f', archive, '-C', folder]);
    if (unpacked.exitCode !== 0) return { kind: 'failed', output: unpacked.output };
    const { exitCode, output } = await runCommand('buf', ['breaking', '--against', folder]);
    if (exitCode === 0) return { kind: 'passed' };
    return { kind: 'failed', output: `proto/ breaks clients of ${commit}:\n${output}` };
  });
}

async function inTemporaryFolder(task: (folder: string) => Promise<Outcome>): Promise<Outcome> {
  const folder = await mkdtemp(join(tmpdir(), 'kindred-check-'));
  try {
    return await task(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

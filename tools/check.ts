/**
 * Everything that CI checks, one line a step, ending at the first failure with its output.
 *
 *   npm run check                      all
 *   npm run check -- --without-tests   all but the tests and the simulation
 *   npm run check -- --only imports    the steps whose name contains the word
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { root, runCommand } from './command.ts';
import { checkImports } from './import-fences.ts';
import { checkLockfile } from './lockfile.ts';
import type { Outcome } from './outcome.ts';
import { checkGeneratedCode, checkProtoCompatibility } from './proto-checks.ts';

interface Step {
  readonly name: string;
  /** Runs the store: left out by `--without-tests`. */
  readonly isTest?: boolean;
  readonly run: () => Promise<Outcome>;
}

/** The quick ones first. */
const steps: readonly Step[] = [
  {
    name: 'lock file',
    run: async () => checkLockfile(await readFile(join(root, 'package-lock.json'), 'utf8')),
  },
  { name: 'proto lint', run: command('buf', 'lint') },
  { name: 'proto format', run: command('buf', 'format', '--diff', '--exit-code') },
  { name: 'proto compatibility', run: checkProtoCompatibility },
  { name: 'generated code', run: checkGeneratedCode },
  { name: 'types', run: command('tsc', '-p', '.') },
  { name: 'types of core', run: command('tsc', '-p', 'src/core') },
  { name: 'types of client', run: command('tsc', '-p', 'clients/typescript') },
  // What is packed runs on older versions of Node than the rest.
  {
    name: 'build of client',
    run: command('tsc', '-p', 'clients/typescript/tsconfig.build.json', '--noEmit'),
  },
  {
    name: 'code of client',
    run: command('node', 'tools/client-descriptors.ts', '--check', 'clients/typescript/generated.sha256'),
  },
  { name: 'lint and format', run: command('biome', 'check', '--error-on-warnings') },
  { name: 'imports', run: () => checkImports(root) },
  { name: 'unused code', run: command('knip', '--treat-config-hints-as-errors') },
  { name: 'simulation', isTest: true, run: simulate },
  { name: 'tests', isTest: true, run: () => runTool('vitest', ['run'], 600_000) },
];

function command(program: string, ...args: readonly string[]): () => Promise<Outcome> {
  return () => runTool(program, args, 120_000);
}

/** New seeds each time. Those that fail are told with the commands that show them again. */
function simulate(): Promise<Outcome> {
  return runTool('node', ['test/simulation/tool/main.ts', '--seeds', '50', '--failures', '2'], 300_000);
}

async function runTool(program: string, args: readonly string[], timeoutMs: number): Promise<Outcome> {
  const { exitCode, output } = await runCommand(program, args, { timeoutMs });
  if (exitCode === 0) return { kind: 'passed' };
  return { kind: 'failed', output: `${output}\n${[program, ...args].join(' ')}: exit code ${exitCode}\n` };
}

async function check(chosen: readonly Step[]): Promise<boolean> {
  for (const { name, run } of chosen) {
    const startedMs = performance.now();
    const outcome = await run();
    const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
    const line = `${name.padEnd(20)} ${`${seconds} s`.padStart(8)}`;
    if (outcome.kind === 'failed') {
      process.stdout.write(`FAIL ${line}\n\n${outcome.output}`);
      return false;
    }
    process.stdout.write(`ok   ${line}${outcome.note === undefined ? '' : `  ${outcome.note}`}\n`);
  }
  return true;
}

const { values } = parseArgs({
  options: { 'without-tests': { type: 'boolean', default: false }, only: { type: 'string', default: '' } },
});
const chosen = steps.filter(
  ({ name, isTest }) => name.includes(values.only) && !(values['without-tests'] && isTest === true),
);
if (chosen.length === 0) {
  process.stdout.write(`no step is named ${values.only}: ${steps.map(({ name }) => name).join(', ')}\n`);
  process.exitCode = 2;
} else if (!(await check(chosen))) {
  process.exitCode = 1;
}

/** One plan, looked at closely: its story, trace and chart, and a smaller plan that fails too. */

import { readFile, stat, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import pc from 'picocolors';
import { planOf } from '../plan/generate-plan.ts';
import { PlanError, parsePlan, printPlan } from '../plan/plan-file.ts';
import type { SeedPlan } from '../plan/seed-plan.ts';
import { hasFailed, type SeedResult } from '../seed-result.ts';
import type { Single } from './arguments.ts';
import { failureReport } from './failure-report.ts';
import { Progress } from './progress.ts';
import { saveRegression } from './regressions.ts';
import { loadSimulation, type RunPlan } from './run-seed.ts';
import { sequenceChart } from './sequence-chart.ts';
import { shrinkPlan, sizeOf } from './shrink.ts';
import { entryLine, failureStory, ReplicaNames, resultLines } from './story.ts';
import { passes, TraceMemory } from './trace-filter.ts';

/** Where failing plans are kept. */
export const regressionsFolder: string = join(import.meta.dirname, '../regressions');

const shrinkRunsMax = 400;

/** The exit code. Throws for a file that is no plan. */
export async function runSingle(single: Single): Promise<number> {
  const { source, output, broken } = single;
  const plan = source.kind === 'seed' ? planOf(source.seed, single.profile) : await readPlan(source.path);
  checkFilter(plan, single);
  await checkFiles(single);
  const run = await loadSimulation(broken);
  const isInterrupted = onInterrupt(single.shrinkTo !== undefined);
  if (output === 'hashes') {
    const result = await run(plan);
    console.log(`${result.seed} ${result.hash}`);
    return hasFailed(result) ? 1 : 0;
  }
  const startedMs = performance.now();
  const memory = new TraceMemory();
  let result = await run(plan, { trace: memory });
  let shown = plan;
  if (output === 'json') {
    const { history: _history, ...rest } = result;
    console.log(JSON.stringify(rest));
  } else {
    await tell(single, plan, result, memory, performance.now() - startedMs);
  }
  let planFile = source.kind === 'file' ? source.path : undefined;
  if (single.shrinkTo !== undefined && !hasFailed(result))
    console.log('Nothing failed, so there is nothing to make smaller: no plan was written.');
  if (single.shrinkTo !== undefined && hasFailed(result)) {
    const whole = result;
    shown = await shrink(run, plan, result, isInterrupted);
    planFile = single.shrinkTo;
    await writeFile(fromHere(planFile), printPlan(shown));
    memory.entries.length = 0;
    result = await run(shown, { trace: memory });
    console.log(`\n${pc.bold(`Smaller: ${sizeOf(shown)}, in ${planFile}`)}\n`);
    const [before, after] = [brokenAt(whole), brokenAt(result)];
    if (before !== after)
      console.log(`It breaks its promise at ${after}; the whole plan did at ${before}.\n`);
    console.log(
      failureReport(
        { ...result, planFile, broken, profile: single.profile },
        failureStory(shown, result, memory.entries),
      ),
    );
  }
  if (single.chart !== undefined) {
    await writeFile(fromHere(single.chart), sequenceChart(shown, result, memory.entries, single.filter));
    process.stderr.write(`chart: ${single.chart}\n`);
  }
  if (isInterrupted()) {
    if (single.keep !== undefined) process.stderr.write(`${single.keep.name} is not kept: Ctrl-C\n`);
    return 130;
  }
  if (single.keep !== undefined) {
    const { name, bug } = single.keep;
    if (!hasFailed(result))
      throw new Error(`${name} is not kept: the plan does not fail (--keep is for failing plans)`);
    const kept = { name, bug, foundBy: plan.seed, fixedIn: '', plan: shown };
    const path = await saveRegression(regressionsFolder, kept);
    console.log(`kept: ${path}; say in "fixedIn" where it was put right`);
  }
  return hasFailed(result) ? 1 : 0;
}

async function tell(
  single: Single,
  plan: SeedPlan,
  result: SeedResult,
  { entries }: TraceMemory,
  realMs: number,
): Promise<void> {
  const { trace, broken, source } = single;
  const names = new ReplicaNames(result.history);
  if (trace !== undefined)
    for (const entry of entries) if (passes(entry, trace)) console.log(entryLine(entry, trace.key, names));
  if (!hasFailed(result)) {
    console.log(`${pc.green('ok')} ${resultLines(plan, result).join('\n')}`);
    console.log(`  ${(realMs / 1000).toFixed(2)} s of real time, with a trace`);
    return;
  }
  const planFile = source.kind === 'file' ? source.path : undefined;
  const report = failureReport(
    { ...result, planFile, broken, profile: single.profile },
    failureStory(plan, result, entries),
  );
  console.log(`${pc.red('FAILED')} ${report}`);
}

async function readPlan(path: string): Promise<SeedPlan> {
  try {
    const value: unknown = JSON.parse(await readFile(fromHere(path), 'utf8'));
    // A regression holds its plan.
    return parsePlan(typeof value === 'object' && value !== null && 'plan' in value ? value.plan : value);
  } catch (error) {
    throw new Error(`--plan ${path}: ${problemText(error)}`, { cause: error });
  }
}

function problemText(error: unknown): string {
  if (error instanceof PlanError) return `is no plan\n${error.problems.map((one) => `  ${one}`).join('\n')}`;
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT') return 'there is no such file';
  return code === 'EISDIR' ? 'is a folder, and no file' : message;
}

/** npm runs its scripts where package.json is, and says where it was called. */
function fromHere(path: string): string {
  return resolve(process.env['INIT_CWD'] ?? process.cwd(), path);
}

/** A filter that nothing can pass was meant otherwise. */
function checkFilter({ nodes, clients }: SeedPlan, { filter: { node, key } }: Single): void {
  const names = [...nodes, ...clients.map(({ name }) => name), 'final'];
  if (node !== undefined && !names.includes(node))
    throw new Error(`--node ${node}: there are ${names.join(', ')}`);
  const keys = new Set(clients.flatMap((client) => client.keys.map((one) => `${one.bucket}/${one.key}`)));
  if (key !== undefined && !keys.has(key))
    throw new Error(`--key ${key}: there are ${[...keys].sort().join(', ')}`);
}

/** What is to be written later, where it can be: a long search is not to be lost. */
async function checkFiles({ chart, shrinkTo, keep }: Single): Promise<void> {
  for (const [flag, path] of [['--chart', chart] as const, ['--out', shrinkTo] as const]) {
    if (path === undefined) continue;
    const full = fromHere(path);
    if (await isFolder(full)) throw new Error(`${flag} ${path}: is a folder; name a file`);
    if (!(await isFolder(dirname(full))))
      throw new Error(`${flag} ${path}: there is no folder ${dirname(full)}`);
  }
  if (keep === undefined) return;
  const kept = await stat(join(regressionsFolder, `${keep.name}.json`)).catch(() => undefined);
  if (kept !== undefined)
    throw new Error(`--keep ${keep.name}: there is a regression of that name; choose another`);
}

async function isFolder(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  return found?.isDirectory() === true;
}

function brokenAt({ violations: [first] }: SeedResult): string {
  return first === undefined || first.key === '' ? 'no one key' : `${first.bucket}/${first.key}`;
}

/** Ctrl-C ends a search with what it has, and anything else at once. */
function onInterrupt(isSearch: boolean): () => boolean {
  let interrupted = false;
  process.once('SIGINT', () => {
    if (!isSearch) {
      process.stderr.write('\nended by Ctrl-C\n');
      process.exit(130);
    }
    interrupted = true;
    process.stderr.write('\nCtrl-C: the search ends with the smallest plan so far\n');
  });
  return () => interrupted;
}

/** Fails in the same way: by the same checker, or by an exception with the same words. */
function failsAlike(result: SeedResult, original: SeedResult): boolean {
  const checkers = new Set(original.violations.map(({ checker }) => checker));
  if (checkers.size > 0) return result.violations.some(({ checker }) => checkers.has(checker));
  return result.crash !== undefined && firstLine(result.crash) === firstLine(original.crash ?? '');
}

function firstLine(text: string): string {
  // Numbers in it differ from run to run of different plans.
  return (text.split('\n', 1)[0] ?? '').replace(/\d+/g, 'N');
}

function shrink(
  run: RunPlan,
  plan: SeedPlan,
  original: SeedResult,
  isCancelled: () => boolean,
): Promise<SeedPlan> {
  const progress = new Progress(process.stderr);
  const startedMs = performance.now();
  process.stderr.write(`shrinking: ${sizeOf(plan)}\n`);
  const fails = async (candidate: SeedPlan): Promise<boolean> => failsAlike(await run(candidate), original);
  const shrunk = shrinkPlan(plan, fails, {
    runsMax: shrinkRunsMax,
    isCancelled,
    onRun: ({ runs, plan: best }) =>
      progress.show(performance.now() - startedMs, () => `${runs} runs: ${sizeOf(best)}`),
  });
  return shrunk.finally(() => progress.clear());
}

/** One plan, looked at closely: its story, trace and chart, and a smaller plan that fails too. */

import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import pc from 'picocolors';
import { planOf } from '../plan/generate-plan.ts';
import { parsePlan, printPlan } from '../plan/plan-file.ts';
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
  const plan = source.kind === 'seed' ? planOf(source.seed) : await readPlan(source.path);
  const run = await loadSimulation(broken);
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
  if (single.shrinkTo !== undefined && hasFailed(result)) {
    const interrupt = onInterrupt();
    shown = await shrink(run, plan, result, interrupt);
    planFile = single.shrinkTo;
    await writeFile(planFile, printPlan(shown));
    memory.entries.length = 0;
    result = await run(shown, { trace: memory });
    console.log(`\n${pc.bold(`Smaller: ${sizeOf(shown)}, in ${planFile}`)}\n`);
    console.log(failureReport({ ...result, planFile, broken }, failureStory(shown, result, memory.entries)));
  }
  if (single.chart !== undefined) {
    await writeFile(single.chart, sequenceChart(shown, result, memory.entries, single.filter));
    process.stderr.write(`chart: ${single.chart}\n`);
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
  const report = failureReport({ ...result, planFile, broken }, failureStory(plan, result, entries));
  console.log(`${pc.red('FAILED')} ${report}`);
}

async function readPlan(path: string): Promise<SeedPlan> {
  try {
    const value: unknown = JSON.parse(await readFile(path, 'utf8'));
    // A regression holds its plan.
    return parsePlan(typeof value === 'object' && value !== null && 'plan' in value ? value.plan : value);
  } catch (error) {
    throw new Error(`--plan ${path}: ${(error as Error).message}`, { cause: error });
  }
}

function onInterrupt(): () => boolean {
  let interrupted = false;
  process.once('SIGINT', () => {
    interrupted = true;
    process.stderr.write('\nCtrl-C: the smallest plan so far is kept\n');
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

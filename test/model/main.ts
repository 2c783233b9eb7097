/**
 * `npm run model`: random runs of the record model, on all the cores it is given.
 *
 *     node test/model/main.ts [--runs 1000000] [--seed 1] [--jobs 2] [--bug NAME] [--trace]
 *
 * Run number i has the seed `--seed` + i. The first run that breaks a promise ends it: its seed and trace are printed and
 * the exit code is 1. With `--bug` a planted bug replaces the rule it breaks, and not finding it is the failure.
 */

import { parseArgs } from 'node:util';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { runRecordModel } from './record-model.ts';
import { plantedBugs, type RecordRules, realRules } from './record-rules.ts';

interface Share {
  readonly seed: number;
  readonly runs: number;
  /** This worker takes every `jobs`-th run, so that the seeds are done in about their order. */
  readonly jobs: number;
  readonly first: number;
  readonly bug: string | undefined;
}

type Report =
  | { readonly kind: 'progress'; readonly runs: number }
  | { readonly kind: 'violation'; readonly run: number }
  | { readonly kind: 'done' };

const runsPerReport = 1000;

if (isMainThread) process.exitCode = await main();
else work(workerData as Share, (report) => parentPort?.postMessage(report));

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      runs: { type: 'string', default: '1000000' },
      seed: { type: 'string', default: '1' },
      jobs: { type: 'string', default: '2' },
      bug: { type: 'string' },
      trace: { type: 'boolean', default: false },
    },
  });
  const [runs, seed, jobs] = [
    wholeNumber('runs', values.runs),
    wholeNumber('seed', values.seed),
    wholeNumber('jobs', values.jobs),
  ];
  const { bug } = values;
  if (bug !== undefined && plantedBugs[bug] === undefined) {
    console.error(`no planted bug is called ${bug}. There are:\n  ${Object.keys(plantedBugs).join('\n  ')}`);
    return 2;
  }
  if (values.trace) {
    runRecordModel(seed, rulesOf(bug), console.log);
    return 0;
  }
  const startedAt = performance.now();
  const failedRun = await runAll({ seed, runs, jobs, bug });
  const seconds = (performance.now() - startedAt) / 1000;
  if (failedRun === undefined) {
    const rate = Math.round(runs / seconds);
    console.log(
      `${runs.toLocaleString('en')} runs in ${seconds.toFixed(1)} s (${rate.toLocaleString('en')} a second): no violation`,
    );
    return bug === undefined ? 0 : 1;
  }
  const failedSeed = seed + failedRun;
  console.log(`run ${failedRun + 1} breaks a promise. Seed ${failedSeed}:\n`);
  runRecordModel(failedSeed, rulesOf(bug), (line) => console.log(`  ${line}`));
  const again = bug === undefined ? '' : ` --bug ${bug}`;
  console.log(`\nAgain: npm run model -- --seed ${failedSeed} --runs 1${again}`);
  return bug === undefined ? 1 : 0;
}

/** The number of the first run that broke a promise. */
async function runAll(plan: Omit<Share, 'first'>): Promise<number | undefined> {
  const startedAt = performance.now();
  let done = 0;
  let shownAt = startedAt;
  let failedRun: number | undefined;
  const workers: Worker[] = [];
  const ends: Promise<void>[] = [];
  for (let first = 0; first < plan.jobs; first++) {
    const share: Share = { ...plan, first };
    const worker = new Worker(new URL(import.meta.url), { workerData: share });
    workers.push(worker);
    ends.push(
      new Promise((resolve, reject) => {
        worker.on('error', reject);
        worker.on('exit', () => resolve());
        worker.on('message', (report: Report) => {
          if (report.kind === 'violation') {
            if (failedRun === undefined || report.run < failedRun) failedRun = report.run;
            for (const other of workers) void other.terminate();
          }
          if (report.kind !== 'progress') return;
          done += report.runs;
          const now = performance.now();
          if (now - shownAt < 5000) return;
          shownAt = now;
          const rate = Math.round(done / ((now - startedAt) / 1000));
          console.error(
            `${done.toLocaleString('en')} of ${plan.runs.toLocaleString('en')} runs, ${rate.toLocaleString('en')} a second`,
          );
        });
      }),
    );
  }
  await Promise.all(ends);
  return failedRun;
}

function work(share: Share, tell: (report: Report) => void): void {
  const rules = rulesOf(share.bug);
  let untold = 0;
  for (let run = share.first; run < share.runs; run += share.jobs) {
    if (runRecordModel(share.seed + run, rules) !== undefined) {
      tell({ kind: 'violation', run });
      return;
    }
    if (++untold === runsPerReport) {
      tell({ kind: 'progress', runs: untold });
      untold = 0;
    }
  }
  tell({ kind: 'done' });
}

function rulesOf(bug: string | undefined): RecordRules {
  return bug === undefined ? realRules : (plantedBugs[bug] as RecordRules);
}

function wholeNumber(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) {
    console.error(`--${name} takes a whole number from 1, not ${text}`);
    process.exit(2);
  }
  return value;
}

/** Many seeds in several processes, with what they find told as they find it. */

import { spawnSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import pc from 'picocolors';
import { hasFailed } from '../seed-result.ts';
import type { Campaign } from './arguments.ts';
import { failureReport } from './failure-report.ts';
import { startJobs } from './jobs.ts';
import { addReport, noTotals, Progress, progressLine, summary } from './progress.ts';
import type { SeedReport } from './seed-process.ts';

/** A seed that takes longer than this hangs. */
const hangMs = 180_000;
/** Stories of this many failed seeds are told. */
const storiesMax = 3;
const lookMs = 200;

/** A seed stands for its failure only at its commit. Empty where there is no git. */
function commitText(): string {
  const { status, stdout } = spawnSync('git', ['rev-parse', '--short', 'HEAD'], {
    cwd: import.meta.dirname,
    encoding: 'utf8',
  });
  return status === 0 ? `, commit ${stdout.trim()}` : '';
}

/** The exit code. */
export async function runCampaign(campaign: Campaign): Promise<number> {
  const { seeds, jobs, broken, profile, output, failuresMax } = campaign;
  // Short enough to be typed.
  const first = campaign.first ?? randomInt(1, 1_000_000_000);
  const totals = noTotals();
  const failed: number[] = [];
  const early = new Map<number, SeedReport>();
  let nextToPrint = first;
  const startedMs = performance.now();
  const elapsedMs = (): number => performance.now() - startedMs;
  const progress = new Progress(process.stderr);
  const line = (): string => progressLine(totals, seeds, elapsedMs());
  const about = profile === undefined ? '' : `, about: ${profile}`;
  const aside = `${broken === undefined ? '' : `, broken: ${broken}`}${about}`;
  process.stderr.write(
    `seeds ${first} to ${first + seeds - 1} (--first ${first}), ${jobs} processes${aside}${commitText()}\n`,
  );

  const onReport = (report: SeedReport): boolean => {
    addReport(totals, report);
    if (output === 'hashes') {
      // In the order of the seeds, so that two outputs can be compared.
      early.set(report.seed, report);
      for (let one = early.get(nextToPrint); one !== undefined; one = early.get(nextToPrint)) {
        early.delete(nextToPrint++);
        console.log(`${one.seed} ${one.hash}`);
      }
    }
    if (output === 'json') {
      const { story: _story, ...rest } = report;
      console.log(JSON.stringify(rest));
    }
    if (hasFailed(report)) {
      failed.push(report.seed);
      progress.clear();
      const { seed, violations, crash, story } = report;
      const text = failureReport({ seed, broken, profile, violations, crash }, story);
      if (output === 'text') console.log(`${pc.red('FAILED')} ${text}`);
      else process.stderr.write(`seed ${seed} failed\n`);
    }
    return failed.length < failuresMax;
  };

  const campaignJobs = startJobs({
    first,
    seeds,
    jobs,
    program: new URL('./seed-process.ts', import.meta.url),
    arguments: [broken ?? '', profile ?? ''],
    hangMs,
    stories: (failures) => output === 'text' && failures < storiesMax,
    onReport,
  });
  let interrupted = false;
  const onInterrupt = (): void => {
    interrupted = true;
    campaignJobs.cancel();
  };
  process.once('SIGINT', onInterrupt);
  const clock = setInterval(() => progress.show(elapsedMs(), line), lookMs);
  try {
    await campaignJobs.ended;
  } finally {
    clearInterval(clock);
    process.off('SIGINT', onInterrupt);
    progress.clear();
  }
  const ending = summary(totals, elapsedMs());
  if (output === 'text') console.log(ending);
  else if (output === 'json')
    console.log(
      JSON.stringify({
        first,
        interrupted,
        failed,
        totals: { ...totals, profiles: Object.fromEntries(totals.profiles) },
      }),
    );
  else process.stderr.write(`${ending}\n`);
  if (output === 'text' && failed.length > 0)
    console.log(`${pc.red('failed')}: ${failed.sort((a, b) => a - b).join(' ')}`);
  if (interrupted) process.stderr.write(`ended by Ctrl-C after ${totals.seeds} of ${seeds} seeds\n`);
  else if (failed.length >= failuresMax)
    process.stderr.write(`ended after ${failed.length} failures: --failures N for more\n`);
  if (failed.length > 0) return 1;
  return interrupted ? 130 : 0;
}

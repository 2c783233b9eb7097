/** What one process of a campaign is told, and says. Started by jobs.ts as `seed-process.ts [BROKEN] [PROFILE]`. */

import type { Violation } from '../../checkers/history.ts';
import { planOf } from '../plan/generate-plan.ts';
import type { PlanProfile } from '../plan/seed-plan.ts';
import type { RunCounts } from '../seed-result.ts';
import { hasFailed } from '../seed-result.ts';
import { loadSimulation } from './run-seed.ts';
import { failureStory } from './story.ts';
import { TraceMemory } from './trace-filter.ts';

/** Seeds to run, one after the other. None: the process ends. */
export interface SeedOrder {
  readonly seeds: readonly number[];
  /** Whether failing ones are run once more, to tell their story. */
  readonly stories: boolean;
}

/** One run, without its history. */
export interface SeedReport {
  readonly seed: number;
  /** What the seed was about; absent where the run did not come so far. */
  readonly profile?: PlanProfile | undefined;
  readonly hash: string;
  readonly violations: readonly Violation[];
  readonly crash?: string;
  readonly counts: RunCounts;
  readonly virtualMs: number;
  /** What the run cost the processor. */
  readonly cpuMs: number;
  /** Of a failed run, for a person. */
  readonly story?: string;
}

if (process.send !== undefined) await obey(process.send.bind(process));

async function obey(send: (report: SeedReport) => boolean): Promise<void> {
  // The parent decides when all is over: on Ctrl-C it wants what was found so far.
  process.on('SIGINT', () => {});
  const [broken = '', profile = ''] = process.argv.slice(2);
  const run = await loadSimulation(broken === '' ? undefined : broken);
  process.on('message', ({ seeds, stories }: SeedOrder) => {
    if (seeds.length === 0) process.exit();
    void (async () => {
      for (const seed of seeds) send(await runOne(seed, stories));
    })();
  });
  process.on('disconnect', () => process.exit());

  async function runOne(seed: number, stories: boolean): Promise<SeedReport> {
    const plan = planOf(seed, profile === '' ? undefined : (profile as PlanProfile));
    const before = process.cpuUsage();
    const result = await run(plan);
    const { user, system } = process.cpuUsage(before);
    const { history: _history, ...rest } = result;
    const report = { ...rest, profile: plan.profile, cpuMs: (user + system) / 1000 };
    if (!stories || !hasFailed(result)) return report;
    const trace = new TraceMemory();
    const again = await run(plan, { trace });
    const story = failureStory(plan, again, trace.entries);
    if (again.hash === result.hash) return { ...report, story };
    return { ...report, story: `${story}\nThe run with a trace has another hash: ${again.hash}\n` };
  }
}

/** Every seed is told once, whatever becomes of its process. */

import { expect, test } from 'vitest';
import { type JobsOptions, startJobs } from './jobs.ts';
import type { SeedReport } from './seed-process.ts';

function options(reports: SeedReport[], more: Partial<JobsOptions> = {}): JobsOptions {
  return {
    first: 1,
    seeds: 4,
    jobs: 2,
    program: new URL('./jobs-test-process.ts', import.meta.url),
    arguments: [],
    hangMs: 20_000,
    stories: () => false,
    onReport: (report) => reports.push(report) > 0,
    ...more,
  };
}

test('a process that dies is the failure of its seed, and another goes on with the rest', async () => {
  const reports: SeedReport[] = [];
  await startJobs(options(reports, { seeds: 6, jobs: 1 })).ended;
  expect(reports.map(({ seed }) => seed)).toEqual([1, 2, 3, 4, 5, 6]);
  expect(reports.map(({ crash }) => crash !== undefined)).toEqual([false, false, false, false, true, false]);
  expect(reports[4]?.crash).toContain('seed 5 ended its process (SIGKILL)');
});

test('a seed that hangs is ended', async () => {
  const reports: SeedReport[] = [];
  await startJobs(options(reports, { first: 6, seeds: 3, hangMs: 1500 })).ended;
  expect(reports.map(({ seed }) => seed).sort()).toEqual([6, 7, 8]);
  expect(reports.find(({ seed }) => seed === 7)?.crash).toBe('seed 7 did not end within 1.5 s: it hangs');
});

test('after too many failures no more seeds are begun', async () => {
  const reports: SeedReport[] = [];
  const onReport = (report: SeedReport): boolean => {
    reports.push(report);
    return report.violations.length === 0;
  };
  await startJobs(options(reports, { first: 8, seeds: 1000, jobs: 1, onReport })).ended;
  expect(reports.map(({ seed }) => seed)).toContain(9);
  expect(reports.length).toBeLessThanOrEqual(8);
});

test('a process that cannot begin is an error, not the failure of a seed', async () => {
  const reports: SeedReport[] = [];
  const jobs = startJobs(options(reports, { arguments: ['wrong'] }));
  await expect(jobs.ended).rejects.toThrow('no broken version is called "wrong"');
  expect(reports).toEqual([]);
});

test('a campaign that is ended ends, with what has been told until then', async () => {
  const reports: SeedReport[] = [];
  const onReport = (report: SeedReport): boolean => {
    reports.push(report);
    jobs.cancel();
    return true;
  };
  const jobs = startJobs(options(reports, { first: 100, seeds: 100_000, jobs: 1, onReport }));
  await jobs.ended;
  expect(reports.length).toBeGreaterThan(0);
  expect(reports.length).toBeLessThan(100);
});

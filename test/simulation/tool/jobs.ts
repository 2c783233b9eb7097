/** Runs many seeds in several processes: each gets a few at a time, and one that dies or hangs is the failure of its seed. */

import { type ChildProcess, fork } from 'node:child_process';
import type { RunCounts } from '../seed-result.ts';
import type { SeedOrder, SeedReport } from './seed-process.ts';

export interface JobsOptions {
  readonly first: number;
  readonly seeds: number;
  readonly jobs: number;
  /** The program of a process, and what it is given. */
  readonly program: URL;
  readonly arguments: readonly string[];
  /** A seed that takes longer hangs. */
  readonly hangMs: number;
  readonly stories: (failures: number) => boolean;
  /** Told of each seed once, in the order in which they end. `false`: no more are begun. */
  readonly onReport: (report: SeedReport) => boolean;
}

/** A campaign under way. */
export interface Jobs {
  /** Resolves when all processes have ended. Rejects where a process could not even begin. */
  readonly ended: Promise<void>;
  /** Ends the processes; seeds under way are lost. */
  cancel(): void;
}

/** Few, so that the processes end at about the same time. */
const orderMax = 8;

const nothing: RunCounts = {
  operations: 0,
  acknowledged: 0,
  unknown: 0,
  notApplied: 0,
  reads: 0,
  failedReads: 0,
  faults: 0,
  events: 0,
  restarts: 0,
  hintsDelivered: 0,
  comparisons: 0,
  keysRepaired: 0,
  collected: 0,
};

/** Starts the processes. */
export function startJobs(options: JobsOptions): Jobs {
  const { first, seeds, jobs } = options;
  const children = new Set<ChildProcess>();
  const last = first + seeds - 1;
  let next = first;
  let failures = 0;
  let isOver = false;

  function takeOrder(): SeedOrder {
    const left = last - next + 1;
    const size = isOver ? 0 : Math.min(orderMax, Math.ceil(left / (2 * jobs)));
    const taken = Array.from({ length: Math.max(0, size) }, (_, index) => next + index);
    next += taken.length;
    return { seeds: taken, stories: options.stories(failures) };
  }

  function cancel(): void {
    isOver = true;
    for (const child of children) child.kill('SIGKILL');
  }

  function report(one: SeedReport): void {
    if (one.violations.length > 0 || one.crash !== undefined) failures++;
    if (!options.onReport(one)) cancel();
  }

  /** One process from its start to its end; resolves to what it left undone of its last order. */
  function runProcess(order: SeedOrder): Promise<readonly number[]> {
    return new Promise((resolve, reject) => {
      const child = fork(options.program, [...options.arguments], {
        serialization: 'advanced',
        stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
      });
      children.add(child);
      let waiting = [...order.seeds];
      let stderr = '';
      let hasReported = false;
      let problem: string | undefined;
      let watch: NodeJS.Timeout | undefined;
      const look = (): void => {
        clearTimeout(watch);
        watch = setTimeout(() => {
          problem = `did not end within ${options.hangMs / 1000} s: it hangs`;
          child.kill('SIGKILL');
        }, options.hangMs);
      };
      child.stderr?.setEncoding('utf8').on('data', (text: string) => {
        stderr = (stderr + text).slice(-4000);
      });
      child.on('message', (one: SeedReport) => {
        // What was under way when all was ended may still come in.
        if (isOver) return;
        hasReported = true;
        look();
        waiting = waiting.filter((seed) => seed !== one.seed);
        report(one);
        if (waiting.length > 0 || isOver) return;
        const more = takeOrder();
        waiting = [...more.seeds];
        // Nothing to do: then it ends itself. A parent that disconnects would not hear of the end.
        child.send(more);
      });
      child.once('error', reject);
      child.once('close', (code, signal) => {
        clearTimeout(watch);
        children.delete(child);
        const [seed, ...rest] = waiting;
        if (seed === undefined || isOver) return resolve([]);
        if (!hasReported && problem === undefined && signal === null)
          return reject(new Error(stderr.trim() || `the process ended with ${code} before its first seed`));
        const how = problem ?? `ended its process (${signal ?? `exit code ${code}`}): ${stderr.trim()}`;
        report({
          seed,
          hash: '-',
          violations: [],
          crash: `seed ${seed} ${how}`,
          counts: nothing,
          virtualMs: 0,
          cpuMs: 0,
        });
        resolve(rest);
      });
      look();
      child.send(order);
    });
  }

  async function work(): Promise<void> {
    for (let order = takeOrder(); order.seeds.length > 0; ) {
      const left = await runProcess(order);
      order = left.length > 0 && !isOver ? { ...order, seeds: left } : takeOrder();
    }
  }

  const ended = Promise.all(Array.from({ length: jobs }, work)).then(
    () => {},
    (error: unknown) => {
      cancel();
      throw error;
    },
  );
  return { ended, cancel };
}

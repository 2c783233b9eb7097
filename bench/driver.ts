/** Runs a client of our own in a process of its own, so that its thread is not the one that measures. */

import { type ChildProcess, fork } from 'node:child_process';
import { join } from 'node:path';
import { endWithThisProcess } from './child-processes.ts';
import type { LoadJob, LoadSamples } from './load-job.ts';
import type { Samples, Window } from './measurement.ts';
import type { UnaryJob } from './unary-client.ts';

const driverPath = join(import.meta.dirname, 'driver-process.ts');

/** A process that is ready to send its load. Run it once. */
export interface Driver<Seen extends Samples> {
  /** What the process saw. Without a window, each key once. */
  run(window: Window | undefined): Promise<Seen>;
}

/** Resolves when the process is ready. Rejects when it ended: then it has said why on standard error. */
export async function startDriver<Job extends LoadJob | UnaryJob>(
  job: Job,
): Promise<Driver<Job extends LoadJob ? LoadSamples : Samples>> {
  // `advanced`: bytes stay bytes.
  const child = fork(driverPath, {
    serialization: 'advanced',
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  endWithThisProcess(child);
  const ready = nextMessage(child, job);
  child.send(job);
  await ready;
  return {
    run(window) {
      const samples = nextMessage(child, job);
      child.send({ window });
      return samples as Promise<Job extends LoadJob ? LoadSamples : Samples>;
    },
  };
}

function nextMessage(child: ChildProcess, job: LoadJob | UnaryJob): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const ended = (code: number | null, signal: string | null): void => {
      reject(new Error(`the ${job.kind} driver ended with ${signal ?? `exit code ${code}`}`));
    };
    child.once('exit', ended);
    child.once('error', reject);
    child.once('message', (message) => {
      child.off('exit', ended);
      resolve(message);
    });
  });
}

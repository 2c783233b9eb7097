/** Runs a client of our own in a process of its own, so that its thread is not the one that measures. */

import { type ChildProcess, fork } from 'node:child_process';
import { join } from 'node:path';
import type { Samples, Window } from './measurement.ts';
import type { PipelineJob } from './pipeline-client.ts';
import type { UnaryJob } from './unary-client.ts';

const driverPath = join(import.meta.dirname, 'driver-process.ts');

/** A process that is ready to send its load. Run it once. */
export interface Driver {
  /** What the process saw. Without a window, a pipeline takes each key once. */
  run(window: Window | undefined): Promise<Samples>;
}

/** Resolves when the process is ready. Rejects when it ended: then it has said why on standard error. */
export async function startDriver(job: PipelineJob | UnaryJob): Promise<Driver> {
  // `advanced`: bytes stay bytes.
  const child = fork(driverPath, {
    serialization: 'advanced',
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const ready = nextMessage(child, job);
  child.send(job);
  await ready;
  return {
    run(window) {
      const samples = nextMessage(child, job);
      child.send({ window });
      return samples as Promise<Samples>;
    },
  };
}

function nextMessage(child: ChildProcess, job: PipelineJob | UnaryJob): Promise<unknown> {
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

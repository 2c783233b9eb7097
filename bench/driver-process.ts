/**
 * Entry of a driver process. Its parent sends the job, hears `ready`, sends `{ window }` (without one: each key once), and
 * hears what was seen; then the process ends. It ends when its parent does.
 */

import { prepareLoad } from './load-generator.ts';
import type { LoadJob } from './load-job.ts';
import type { Window } from './measurement.ts';
import { prepareUnary, type UnaryJob } from './unary-client.ts';

async function work(job: LoadJob | UnaryJob): Promise<void> {
  const run = job.kind === 'load' ? await prepareLoad(job) : prepareUnary(job);
  const told = new Promise<{ readonly window: Window }>((resolve) => process.once('message', resolve));
  process.send?.('ready');
  process.send?.(await run((await told).window));
}

process.once('disconnect', () => process.exit());
process.once('message', (job: LoadJob | UnaryJob) => {
  work(job)
    .catch((error: unknown) => {
      process.stderr.write(`${(error as Error).stack}\n`);
      process.exitCode = 1;
    })
    .finally(() => {
      // grpc-js channels would keep the process alive; what was sent to the parent leaves first.
      if (process.connected) process.disconnect();
    });
});

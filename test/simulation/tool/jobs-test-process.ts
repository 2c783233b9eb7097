/** Stands for seed-process.ts in the tests of jobs.ts: seed 5 kills its process, seed 7 hangs it, seed 9 fails. */

import { setImmediate } from 'node:timers/promises';
import { failedResult } from './failed-run.ts';
import type { SeedOrder } from './seed-process.ts';

if (process.argv[2] === 'wrong') {
  console.error('no broken version is called "wrong"');
  process.exit(1);
}

process.on('message', ({ seeds }: SeedOrder) => {
  if (seeds.length === 0) process.exit();
  void (async () => {
    for (const seed of seeds) {
      // What was said before has to get out.
      await setImmediate();
      if (seed === 5) process.kill(process.pid, 'SIGKILL');
      if (seed === 5 || seed === 7) for (;;);
      const { history: _history, violations, ...rest } = failedResult;
      process.send?.({ ...rest, seed, cpuMs: 1, violations: seed === 9 ? violations : [] });
    }
  })();
});

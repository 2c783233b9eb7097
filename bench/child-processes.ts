/** Processes that end when this one does, however it ends short of SIGKILL: Ctrl-C leaves nothing behind. */

import type { ChildProcess } from 'node:child_process';

const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** Kills `child` when this process ends before it. */
export function endWithThisProcess(child: ChildProcess): void {
  running.add(child);
  const forget = (): boolean => running.delete(child);
  child.once('error', forget);
  child.once('exit', forget);
}

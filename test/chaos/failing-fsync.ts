/** A disk whose fsync fails: strace answers the system call in its place. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { until } from '../support/real-cluster.ts';
import { pathOf } from './program.ts';
import type { RunDirectory } from './run-directory.ts';

const calls = 'fsync,fdatasync,msync,sync_file_range';

/** `first`: the kernel reports an error once, and then says that all is well although the pages are gone. */
export type FailingFsyncs = 'all' | 'first';

/** From the return on, fsyncs of the process fail. */
export async function failFsync(
  directory: RunDirectory,
  pid: number,
  which: FailingFsyncs,
): Promise<AsyncDisposable> {
  const inject = `inject=${calls}:error=EIO${which === 'first' ? ':when=1' : ''}`;
  const tracer = spawn(
    pathOf('strace') ?? 'strace',
    ['-f', '-o', '/dev/null', '-e', `trace=${calls}`, '-e', inject, '-p', String(pid)],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  directory.note(tracer.pid);
  const gone = once(tracer, 'exit');
  let said = '';
  tracer.stderr.on('data', (text: Buffer) => {
    said += text.toString();
  });
  await until(async () => said.includes(`Process ${pid} attached`));
  return {
    async [Symbol.asyncDispose]() {
      tracer.kill('SIGTERM');
      await gone;
    },
  };
}

/**
 * A server under test, as a child process: started with its output in a file, waited for, asked for the CPU time it has
 * used, and stopped. None outlives this process, unless this process is killed with SIGKILL and the child is not ours.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { endWithThisProcess } from './child-processes.ts';

/** What to run. */
export interface ServerCommand {
  /** For messages: `kindred n1`. */
  readonly name: string;
  readonly program: string;
  readonly args: readonly string[];
  /** Where its standard output and standard error go. */
  readonly logPath: string;
  /** Opens an IPC channel, for a server that ends when its parent does. */
  readonly ipc: boolean;
  /** How long it may take to be ready. */
  readonly readyMsMax?: number;
}

const readyPollMs = 50;
/** On a machine that is busy with other things, three nodes take their time to compile. */
const usualReadyMsMax = 300_000;
const stopMsMax = 15_000;
const logTailBytes = 2_000;
/** Clock ticks of /proc a second: fixed at 100 in what Linux shows to programs. */
const ticksPerSecond = 100;

export class ServerProcess {
  readonly #command: ServerCommand;
  readonly #child: ChildProcess;
  readonly #ended: Promise<string>;
  #end: string | undefined;

  constructor(command: ServerCommand) {
    this.#command = command;
    const log = openSync(command.logPath, 'w');
    const child = spawn(command.program, command.args, {
      stdio: command.ipc ? ['ignore', log, log, 'ipc'] : ['ignore', log, log],
      env: environment(),
    });
    closeSync(log);
    this.#child = child;
    endWithThisProcess(child);
    this.#ended = new Promise((resolve) => {
      const end = (how: string): void => {
        this.#end ??= how;
        resolve(how);
      };
      child.once('error', (error) => end(`could not be started: ${error.message}`));
      child.once('exit', (code, signal) => end(signal === null ? `exit code ${code}` : `signal ${signal}`));
    });
  }

  /** CPU time in microseconds that all its threads have used, or `undefined` where there is no /proc. */
  cpuMicros(): number | undefined {
    this.assertRunning();
    let stat: string;
    try {
      stat = readFileSync(`/proc/${this.#child.pid}/stat`, 'utf8');
    } catch {
      return undefined;
    }
    // The name of the program, in brackets, may hold anything; utime and stime are fields 14 and 15.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return ((Number(fields[11]) + Number(fields[12])) * 1_000_000) / ticksPerSecond;
  }

  /** Bytes of memory that it occupies now, and the most it has occupied; `undefined` where there is no /proc. */
  memory(): { readonly residentBytes: number; readonly residentBytesMax: number } | undefined {
    this.assertRunning();
    try {
      const status = readFileSync(`/proc/${this.#child.pid}/status`, 'utf8');
      const bytes = (field: string): number =>
        Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) * 1024;
      return { residentBytes: bytes('VmRSS'), residentBytesMax: bytes('VmHWM') };
    } catch {
      return undefined;
    }
  }

  /** Throws an Error with the last lines of its log when it has ended. */
  assertRunning(): void {
    if (this.#end === undefined) return;
    const { name, logPath } = this.#command;
    throw new Error(`${name}: ${this.#end}; the end of ${logPath}:\n${this.#logTail()}`);
  }

  /** Asks until it is ready. Rejects when it ends before, or takes too long. */
  async untilReady(ready: () => Promise<boolean>): Promise<void> {
    const readyMsMax = this.#command.readyMsMax ?? usualReadyMsMax;
    const giveUpAt = performance.now() + readyMsMax;
    while (!(await ready())) {
      this.assertRunning();
      if (performance.now() > giveUpAt) {
        const { name, logPath } = this.#command;
        throw new Error(
          `${name}: not ready after ${readyMsMax / 1000} s; the end of ${logPath}:\n${this.#logTail()}`,
        );
      }
      await sleep(readyPollMs);
    }
  }

  /** Resolves when the process has ended; kills it when it takes too long to stop. */
  async stop(): Promise<void> {
    if (this.#end !== undefined) return;
    this.#child.kill('SIGTERM');
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), stopMsMax);
    await this.#ended;
    clearTimeout(timer);
  }

  #logTail(): string {
    return readFileSync(this.#command.logPath, 'utf8').slice(-logTailBytes);
  }
}

/** Settings of the user's own nodes are not for these. */
function environment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(KINDRED|ETCD)_/.test(name)));
}

/** True when a GET of `url` answers with 200, and `accept` likes the body. */
export async function answers(url: string, accept: (body: string) => boolean = () => true): Promise<boolean> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(1_000) });
    const body = await response.text();
    return response.ok && accept(body);
  } catch {
    // Not listening yet: that is what is being waited for.
    return false;
  }
}

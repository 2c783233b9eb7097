/** Talking to a process line by line, as somebody at a terminal does: for the examples of the documentation. */

import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const stepMs = 30_000;

/** A process that is written lines to and read lines from, one reader at a time. */
export class Conversation {
  readonly process: ChildProcess;
  readonly lines: string[] = [];
  #wake: () => void = () => undefined;

  constructor(command: string, args: readonly string[], environment: NodeJS.ProcessEnv) {
    this.process = spawn(command, args, {
      cwd: root,
      env: { ...process.env, ...environment },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    for (const stream of [this.process.stdout, this.process.stderr]) {
      if (stream === null) continue;
      createInterface({ input: stream }).on('line', (line) => {
        this.lines.push(line);
        this.#wake();
      });
    }
    this.process.once('close', () => this.#wake());
  }

  say(line: string): void {
    this.process.stdin?.write(`${line}\n`);
  }

  /** Waits until a line from `from` on passes `isLast`, and returns the lines before it. */
  async until(isLast: (line: string) => boolean, from: number): Promise<readonly string[]> {
    const deadline = AbortSignal.timeout(stepMs);
    for (let index = from; ; ) {
      while (index < this.lines.length) {
        if (isLast(this.lines[index] as string)) return this.lines.slice(from, index);
        index++;
      }
      const printed = this.lines.slice(from).join('\n');
      if (deadline.aborted) throw new Error(`not within ${stepMs} ms; printed so far:\n${printed}`);
      if (this.process.exitCode !== null) throw new Error(`the process has ended; it printed:\n${printed}`);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        deadline.addEventListener('abort', () => resolve(), { once: true });
      });
    }
  }

  async end(signal: NodeJS.Signals): Promise<void> {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return;
    const closed = new Promise((resolve) => this.process.once('close', resolve));
    this.process.kill(signal);
    await closed;
  }
}

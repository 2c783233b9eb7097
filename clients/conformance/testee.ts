/**
 * One client under test: a process that reads operations from its standard input and writes what came of them to its standard
 * output, one JSON object a line (README.md describes them all). Answers come in any order, matched by id.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';
import { root } from '../../tools/command.ts';
import type { JsonObject } from './template.ts';

export type Answer = { readonly ok: JsonObject } | { readonly error: JsonObject };

/** No operation takes longer: the clients' own time-outs are below. */
const answerWithinMs = 90_000;
/** A testee of an interpreter or a virtual machine under load takes its time to start. */
const helloWithinMs = 60_000;
const endWithinMs = 5_000;
const logKept = 20_000;

export class Testee {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  readonly #ended: Promise<string>;
  #log = '';
  #id = 0;
  #strayLines = 0;

  private constructor(command: string, flags: readonly string[], folder: string) {
    // A process group of its own: a build tool that starts the testee must not outlive it.
    this.#child = spawn(command, flags, {
      cwd: folder,
      detached: true,
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, PATH: join(root, 'node_modules', '.bin') + delimiter + process.env['PATH'] },
    });
    this.#ended = new Promise((resolve) => {
      this.#child.once('error', (error) => resolve(error.message));
      this.#child.once('exit', (code, signal) => resolve(`ended with ${code ?? signal}`));
    });
    this.#child.stdin?.on('error', () => undefined);
    this.#child.stderr?.on('data', (text: Buffer) => {
      this.#log = (this.#log + text.toString()).slice(-logKept);
    });
    if (this.#child.stdout !== null) {
      createInterface({ input: this.#child.stdout }).on('line', (line) => this.#onLine(line));
    }
  }

  /** Starts the program and waits until it has said who it is. */
  static async start(
    command: string,
    flags: readonly string[],
    folder: string,
  ): Promise<{ readonly testee: Testee; readonly hello: JsonObject }> {
    const testee = new Testee(command, flags, folder);
    try {
      const answer = await testee.ask({ op: 'hello' }, helloWithinMs);
      if ('ok' in answer) return { testee, hello: answer.ok };
      throw new Error(`${command} does not say hello: ${JSON.stringify(answer)}`);
    } catch (error) {
      await testee.end();
      throw error;
    }
  }

  /** The number that the next question gets. */
  get nextId(): number {
    return this.#id + 1;
  }

  /** What it has written to its standard error, its last part. */
  get log(): string {
    return this.#log;
  }

  get hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  /** Sends one operation. Throws when no answer comes. */
  async ask(operation: JsonObject, withinMs: number = answerWithinMs): Promise<Answer> {
    const id = ++this.#id;
    const answer = new Promise<Answer>((resolve) => this.#waiting.set(id, resolve));
    this.#child.stdin?.write(`${JSON.stringify({ id, ...operation })}\n`);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<string>((resolve) => {
      timer = setTimeout(() => resolve(`has not answered within ${withinMs} ms`), withinMs);
    });
    const outcome = await Promise.race([answer, late, this.#ended]);
    clearTimeout(timer);
    this.#waiting.delete(id);
    if (typeof outcome !== 'string') return outcome;
    const stray = this.#strayLines === 0 ? '' : `, ${this.#strayLines} lines of its output were no answers`;
    throw new Error(`the testee ${outcome}, asked for ${operation['op']}${stray}\n${this.#log}`.trimEnd());
  }

  /** Closes its input, and makes sure that it ends. */
  async end(): Promise<void> {
    this.#child.stdin?.end();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, endWithinMs);
    });
    await Promise.race([this.#ended, late]);
    clearTimeout(timer);
    if (this.hasEnded || this.#child.pid === undefined) return;
    try {
      process.kill(-this.#child.pid, 'SIGKILL');
    } catch {
      // It has ended meanwhile.
    }
    await this.#ended;
  }

  #onLine(line: string): void {
    try {
      const answer = JSON.parse(line) as JsonObject;
      const waiting = this.#waiting.get(answer['id'] as number);
      if (waiting !== undefined && ('ok' in answer || 'error' in answer)) waiting(answer as Answer);
      else this.#strayLines++;
    } catch {
      this.#strayLines++;
    }
  }
}

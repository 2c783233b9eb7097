/**
 * Looks for the first seed that sees a broken version, in a process of its own: the version's patches are made while the
 * store is loaded, so a process holds one version and no other.
 */

import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** What to look for, and where. */
export interface HuntOptions {
  /** `undefined`: the store as it is, in which nothing should be found. */
  readonly version: string | undefined;
  readonly from: number;
  /** Included. */
  readonly to: number;
}

/** The run that saw it. */
export interface Sighting {
  readonly seed: number;
  /** Those that complained, each once; `crash` for an exception, `hang` and `death` for the process as a whole. */
  readonly checkers: readonly string[];
  /** Of the first complaint. */
  readonly message: string;
}

/** What the process says, a line each. */
export type HuntLine =
  | { readonly begins: number }
  | { readonly sighted: Sighting }
  | { readonly ended: true };

/** A seed that takes longer than this hangs: a broken store may go round for ever. */
const hangMs = 120_000;
/** So much of what a process said on stderr is told. */
const tailLength = 8_000;

const huntProcess = fileURLToPath(new URL('./hunt-process.ts', import.meta.url));

/** Starts the process and waits for its end. Rejects when it could not even begin: the patches do not fit, for one. */
export async function hunt({ version, from, to }: HuntOptions): Promise<Sighting | undefined> {
  const child = spawn(process.execPath, [huntProcess, version ?? '', String(from), String(to)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-tailLength);
  });
  const closed = new Promise<NodeJS.Signals | null>((resolve, reject) => {
    child.once('close', (_code, signal) => resolve(signal));
    child.once('error', reject);
  });
  let seed: number | undefined;
  let hung = false;
  let last: HuntLine | undefined;
  const onHang = (): void => {
    hung = true;
    child.kill('SIGKILL');
  };
  let watch = setTimeout(onHang, hangMs);
  for await (const text of createInterface({ input: child.stdout })) {
    last = JSON.parse(text) as HuntLine;
    if ('begins' in last) seed = last.begins;
    clearTimeout(watch);
    watch = setTimeout(onHang, hangMs);
  }
  const signal = await closed;
  clearTimeout(watch);
  if (last !== undefined && 'sighted' in last) return last.sighted;
  if (last !== undefined && 'ended' in last) return undefined;
  if (seed === undefined)
    throw new Error(`the process of ${version ?? 'the store'} did not begin:\n${stderr}`);
  // Killed by somebody else, or for lack of memory on this machine: that says nothing about the version.
  if (!hung && (signal === 'SIGKILL' || signal === 'SIGTERM' || signal === 'SIGINT'))
    throw new Error(`the process of ${version ?? 'the store'} was ended by ${signal} at seed ${seed}`);
  return hung
    ? { seed, checkers: ['hang'], message: `the run did not end within ${hangMs / 1000} s` }
    : { seed, checkers: ['death'], message: `the process died: ${stderr}` };
}

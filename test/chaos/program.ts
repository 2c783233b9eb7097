/** Programs of the operating system that chaos runs use, and what they said when they fail. */

import { execFile } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const timeoutMs = 30_000;

/** Runs a program to its end and returns what it printed. Throws with its own words when it fails. */
export async function runProgram(name: string, ...args: readonly string[]): Promise<string> {
  try {
    return (await run(pathOf(name) ?? name, args, { timeout: timeoutMs })).stdout;
  } catch (error) {
    const said = (error as { stderr?: string }).stderr?.trim() || String(error);
    throw new Error(`${name} ${args.join(' ')}: ${said}`, { cause: error });
  }
}

/** True when the program ends with exit code 0. */
export function succeeds(name: string, ...args: readonly string[]): Promise<boolean> {
  return runProgram(name, ...args).then(
    () => true,
    () => false,
  );
}

/** Where the program is; also looks where administrators' programs are, which are not in everybody's PATH. */
export function pathOf(name: string): string | undefined {
  const directories = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin'];
  return directories.map((directory) => join(directory, name)).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Resolves after the time. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

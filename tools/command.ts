/** Runs the tools of node_modules/.bin for the checks: output collected, time bounded, no stdin. */
import { spawn } from 'node:child_process';
import { delimiter, join } from 'node:path';

/** The root of the repository. */
export const root: string = join(import.meta.dirname, '..');

/** How a tool ended, and all that it wrote, in the order in which it came. */
export interface CommandResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly output: string;
}

/** Runs `program` in `folder` and waits for its end. A program that cannot start or is killed has exit code 1 or above. */
export function runCommand(
  program: string,
  args: readonly string[],
  options: { readonly folder?: string; readonly timeoutMs?: number } = {},
): Promise<CommandResult> {
  const { folder = root, timeoutMs = 240_000 } = options;
  return new Promise((resolve) => {
    const child = spawn(program, args, {
      cwd: folder,
      stdio: ['ignore', 'pipe', 'pipe'],
      // The tools' own shebangs must find the Node of node_modules, whatever the machine has.
      env: { ...process.env, PATH: join(root, 'node_modules', '.bin') + delimiter + process.env['PATH'] },
    });
    let stdout = '';
    let output = '';
    const timer = setTimeout(() => {
      output += `\n${program} did not end within ${timeoutMs / 1000} s\n`;
      child.kill('SIGKILL');
    }, timeoutMs);
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
      output += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
    child.on('error', (error) => {
      clearTimeout(timer);
      resolve({ exitCode: 127, stdout, output: `${output}${program}: ${error.message}\n` });
    });
    child.on('close', (code) => {
      clearTimeout(timer);
      resolve({ exitCode: code ?? 1, stdout, output });
    });
  });
}

/** The clients under test: a folder each, with the same scripts in it (README.md). */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { runCommand } from '../../tools/command.ts';

export const languages = ['typescript', 'python', 'go', 'java', 'rust'] as const;
export type Language = (typeof languages)[number];

const clients = join(import.meta.dirname, '..');
const availableWithinMs = 30_000;

export function folderOf(language: Language): string {
  return join(clients, language);
}

export function scriptOf(language: Language, script: 'available' | 'setup' | 'testee' | 'check'): string {
  return join(folderOf(language), 'run', script);
}

/** Why the client cannot be tried here; `undefined` if it can. Whether it is set up its testee tells when it starts. */
export async function missingFor(language: Language): Promise<string | undefined> {
  if (!existsSync(scriptOf(language, 'testee'))) return 'there is no such client yet';
  const { exitCode, output } = await runCommand(scriptOf(language, 'available'), [], {
    timeoutMs: availableWithinMs,
  });
  return exitCode === 0 ? undefined : output.trim() || 'its toolchain is not installed';
}

/** The clients under test: a folder each, with the same scripts in it (README.md). One may have several testees. */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { root, runCommand } from '../../tools/command.ts';

interface Testable {
  readonly folder: string;
  /** Of run/testee. */
  readonly flags: readonly string[];
}

export type Language = 'typescript' | 'python' | 'python-asyncio' | 'go' | 'java' | 'rust';

const testables: Readonly<Record<Language, Testable>> = {
  typescript: { folder: 'typescript', flags: [] },
  python: { folder: 'python', flags: [] },
  'python-asyncio': { folder: 'python', flags: ['--async'] },
  go: { folder: 'go', flags: [] },
  java: { folder: 'java', flags: [] },
  rust: { folder: 'rust', flags: [] },
};

export const languages: readonly Language[] = Object.keys(testables) as Language[];

const availableWithinMs = 60_000;

export function folderOf(language: Language): string {
  return join(root, 'clients', testables[language].folder);
}

export function flagsOf(language: Language): readonly string[] {
  return testables[language].flags;
}

function script(language: Language, name: 'available' | 'testee'): string {
  return join(folderOf(language), 'run', name);
}

/** The program that plays the cases. */
export function testeeOf(language: Language): string {
  return script(language, 'testee');
}

/** Why the client cannot be tried here; `undefined` if it can. Whether it is set up its testee tells when it starts. */
export async function missingFor(language: Language): Promise<string | undefined> {
  if (!existsSync(testeeOf(language))) return 'there is no such client yet';
  const { exitCode, output } = await runCommand(script(language, 'available'), [], {
    timeoutMs: availableWithinMs,
  });
  return exitCode === 0 ? undefined : output.trim() || 'its toolchain is not installed';
}

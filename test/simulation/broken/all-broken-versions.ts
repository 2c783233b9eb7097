/** Every broken version, in the order of the table. */

import { brokenCausality } from './broken-causality.ts';
import { brokenCoordination } from './broken-coordination.ts';
import { brokenRepair } from './broken-repair.ts';
import { brokenStorage } from './broken-storage.ts';
import type { BrokenVersion } from './broken-version.ts';

export const allBrokenVersions: readonly BrokenVersion[] = [
  ...brokenCausality,
  ...brokenCoordination,
  ...brokenStorage,
  ...brokenRepair,
];

/** Throws for a name that none has, and lists those that there are. */
export function brokenVersionOf(name: string): BrokenVersion {
  const version = allBrokenVersions.find((candidate) => candidate.name === name);
  if (version !== undefined) return version;
  const names = allBrokenVersions.map((candidate) => `  ${candidate.name}`).join('\n');
  throw new Error(`no broken version is called ${JSON.stringify(name)}. There are:\n${names}`);
}

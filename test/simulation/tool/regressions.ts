/** Failing plans that were kept: each a file with a name, run again by the tests so that its bug stays away. */

import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parsePlan, printPlan } from '../plan/plan-file.ts';
import type { SeedPlan } from '../plan/seed-plan.ts';

export interface Regression {
  /** The file's name, without its ending. */
  readonly name: string;
  /** What was wrong, in a sentence. */
  readonly bug: string;
  /** The seed that found it. */
  readonly foundBy: number;
  /** Where it was put right: a commit's subject. Empty as long as it is not. */
  readonly fixedIn: string;
  readonly plan: SeedPlan;
}

/** All of them, by name. Throws for a file that is none, and names it. */
export async function readRegressions(folder: string): Promise<readonly Regression[]> {
  const files = (await readdir(folder)).filter((file) => file.endsWith('.json')).sort();
  return Promise.all(files.map((file) => readRegression(folder, file)));
}

async function readRegression(folder: string, file: string): Promise<Regression> {
  try {
    const { name, bug, foundBy, fixedIn, plan } = JSON.parse(await readFile(join(folder, file), 'utf8'));
    if (name !== file.slice(0, -'.json'.length)) throw new Error(`its name is ${name}`);
    if (typeof bug !== 'string' || bug === '') throw new Error('it does not say what was wrong: bug');
    if (!Number.isSafeInteger(foundBy)) throw new Error('it does not say which seed found it: foundBy');
    if (typeof fixedIn !== 'string') throw new Error('it does not say where it was put right: fixedIn');
    return { name, bug, foundBy, fixedIn, plan: parsePlan(plan) };
  } catch (error) {
    throw new Error(`${file}: is no regression: ${(error as Error).message}`, { cause: error });
  }
}

/** Writes a new one, and gives its path. Throws where there is one of that name. */
export async function saveRegression(folder: string, regression: Regression): Promise<string> {
  await mkdir(folder, { recursive: true });
  const path = join(folder, `${regression.name}.json`);
  await writeFile(path, printPlan(regression), { flag: 'wx' });
  return path;
}

/**
 * `npm run simulate:broken`: how many seeds the simulator needs to see each broken version, as a Markdown table.
 *
 *     node test/simulation/broken/measure.ts [NAME...] [--seeds 500] [--jobs 2] [--json] [--write]
 *
 * A sighting counts only when the store as it is has nothing to complain of in the same run. `--write` puts the table into
 * docs/internals/simulation.md and the seeds into found-by.json, from which the tests run them again. Ends with exit code 1
 * when a version was not found.
 */

import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { allBrokenVersions, brokenVersionOf } from './all-broken-versions.ts';
import type { BrokenVersion } from './broken-version.ts';
import { type Finding, tableOf, withTable } from './finding.ts';
import { hunt } from './hunt.ts';

const root = join(import.meta.dirname, '../../..');
const documentFile = join(root, 'docs/internals/simulation.md');
const foundByFile = join(import.meta.dirname, 'found-by.json');

process.exitCode = await main();

async function measure(version: BrokenVersion, seeds: number): Promise<Finding> {
  const spoiled: number[] = [];
  for (let from = 1; from <= seeds; ) {
    const sighting = await hunt({ version: version.name, from, to: seeds });
    if (sighting === undefined) break;
    const { seed } = sighting;
    if ((await hunt({ version: undefined, from: seed, to: seed })) === undefined) {
      return { version, seeds, sighting, spoiled };
    }
    spoiled.push(seed);
    from = seed + 1;
  }
  return { version, seeds, sighting: undefined, spoiled };
}

/** Two at a time, so that the processes share the machine and not one version's seeds. */
async function measureAll(
  versions: readonly BrokenVersion[],
  { seeds, jobs }: { readonly seeds: number; readonly jobs: number },
): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  let next = 0;
  const work = async (): Promise<void> => {
    for (let at = next++; at < versions.length; at = next++) {
      const finding = await measure(versions[at] as BrokenVersion, seeds);
      findings[at] = finding;
      console.error(progressText(finding));
    }
  };
  await Promise.all(Array.from({ length: jobs }, work));
  return findings;
}

function progressText({ version, seeds, sighting, spoiled }: Finding): string {
  const aside = spoiled.length === 0 ? '' : ` (the store itself fails at ${spoiled.join(', ')})`;
  if (sighting === undefined) return `${version.name}: not found in ${seeds} seeds${aside}`;
  const { seed, checkers, message } = sighting;
  return `${version.name}: seed ${seed}, ${checkers.join(', ')}: ${message.split('\n', 1)[0]}${aside}`;
}

/** Replaces the seeds of the versions that were measured, and leaves the others. */
async function writeFoundBy(findings: readonly Finding[]): Promise<void> {
  const known = JSON.parse(await readFile(foundByFile, 'utf8')) as Record<string, number>;
  for (const { version, sighting } of findings) {
    if (sighting === undefined) delete known[version.name];
    else known[version.name] = sighting.seed;
  }
  const inOrder = allBrokenVersions.flatMap(({ name }) =>
    known[name] === undefined ? [] : [[name, known[name]]],
  );
  await writeFile(foundByFile, `${JSON.stringify(Object.fromEntries(inOrder), undefined, 2)}\n`);
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      seeds: { type: 'string', default: '500' },
      jobs: { type: 'string', default: '2' },
      json: { type: 'boolean', default: false },
      write: { type: 'boolean', default: false },
    },
  });
  const [seeds, jobs] = [Number(values.seeds), Number(values.jobs)];
  if (![seeds, jobs].every((number) => Number.isSafeInteger(number) && number >= 1)) {
    console.error('--seeds and --jobs are whole numbers from 1');
    return 2;
  }
  if (values.write && positionals.length > 0) {
    console.error('--write needs all versions: leave the names out');
    return 2;
  }
  // Now, and not after hours of hunting.
  if (values.write) withTable(await readFile(documentFile, 'utf8'), '');
  const versions = positionals.length === 0 ? allBrokenVersions : positionals.map(brokenVersionOf);
  const findings = await measureAll(versions, { seeds, jobs });
  const table = tableOf(findings);
  console.log(values.json ? JSON.stringify(findings, undefined, 2) : table);
  if (values.write) {
    await writeFile(documentFile, withTable(await readFile(documentFile, 'utf8'), table));
    await writeFoundBy(findings);
  }
  return findings.every(({ sighting }) => sighting !== undefined) ? 0 : 1;
}

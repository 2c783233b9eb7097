/**
 * `npm run membership`: clusters of members only, in virtual time, and how failures get around in them.
 *
 *     node test/membership/main.ts [--nodes 3,10,100,1000] [--seconds 60] [--seed 1] [--json] [--write]
 *
 * `--write` puts the table into docs/internals/membership.md, and the plot beside it. Ends with exit code 1 when somebody did
 * not learn of a failure, or took a live node for dead; 2 when the flags were wrong.
 */

import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { complaintsOf, type MeasuredResult, plotOf, tableOf, withResults } from './membership-report.ts';
import { runMembership } from './membership-run.ts';

const documents = join(import.meta.dirname, '../../docs/internals');

process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  const options = readOptions(args);
  if (typeof options === 'string') {
    console.error(options);
    return 2;
  }
  const results: MeasuredResult[] = [];
  for (const nodes of options.nodes) {
    const before = process.cpuUsage();
    const result = await runMembership({ nodes, seconds: options.seconds, seed: options.seed });
    const { user, system } = process.cpuUsage(before);
    results.push({ ...result, cpuSeconds: (user + system) / 1e6 });
    for (const complaint of complaintsOf(result)) console.error(complaint);
  }
  console.log(options.json ? JSON.stringify(results, undefined, 2) : tableOf(results));
  if (options.write) {
    const file = join(documents, 'membership.md');
    await writeFile(file, withResults(await readFile(file, 'utf8'), results));
    await writeFile(join(documents, 'membership.svg'), plotOf(results));
  }
  return results.every((result) => complaintsOf(result).length === 0) ? 0 : 1;
}

interface Options {
  readonly nodes: readonly number[];
  readonly seconds: number;
  readonly seed: number;
  readonly json: boolean;
  readonly write: boolean;
}

/** What is wrong with them, if something is. */
function readOptions(args: readonly string[]): Options | string {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        nodes: { type: 'string', default: '3,10,100,1000' },
        seconds: { type: 'string', default: '60' },
        seed: { type: 'string', default: '1' },
        json: { type: 'boolean', default: false },
        write: { type: 'boolean', default: false },
      },
    });
    const nodes = values.nodes.split(',').map(Number);
    const seconds = Number(values.seconds);
    const seed = Number(values.seed);
    if (!nodes.every((count) => Number.isInteger(count) && count >= 3 && count <= 1_000))
      return '--nodes: sizes from 3 to 1000, with commas between them';
    if (!Number.isInteger(seconds) || seconds < 20 || seconds > 3_600)
      return '--seconds: a whole number from 20 to 3600';
    if (!Number.isInteger(seed) || seed < 1) return '--seed: a whole number from 1';
    return { nodes, seconds, seed, json: values.json, write: values.write };
  } catch (error) {
    return (error as Error).message;
  }
}

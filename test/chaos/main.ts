/**
 * `npm run chaos`: real processes on real disks and networks that are broken under load. What it does, and how to add a kind
 * of fault: docs/internals/chaos.md. Options: --help.
 */

import { availableParallelism, loadavg } from 'node:os';
import { placeOf, runCampaign } from './campaign.ts';
import type { ChaosRunResult } from './chaos-run.ts';
import { isSound } from './chaos-run.ts';
import { FAULT_KINDS } from './fault-kinds.ts';
import { lookAtMachine } from './machine.ts';
import { CHAOS_HELP, type ChaosOptions, parseChaosOptions } from './options.ts';
import { resultTable } from './result-table.ts';
import { type RunDirectory, removeDeadRuns } from './run-directory.ts';

const sentencesMax = 20;

const code = await main();
// Connections of gRPC to nodes that are gone may keep trying for a long time: the run is over, whatever they think.
process.stdout.write('', () => process.exit(code));

async function main(): Promise<number> {
  const parsed = parseChaosOptions(process.argv.slice(2));
  switch (parsed.kind) {
    case 'help':
      process.stdout.write(CHAOS_HELP);
      return 0;
    case 'wrong':
      process.stderr.write(`${parsed.problem}\n\n${CHAOS_HELP}`);
      return 2;
    case 'list':
      return await list(parsed.json);
    case 'clean-up': {
      const removed = await removeDeadRuns();
      process.stdout.write(
        removed.length === 0 ? 'nothing was left behind\n' : `removed ${removed.join(', ')}\n`,
      );
      return 0;
    }
    case 'run':
      return await run(parsed.options);
  }
}

async function list(json: boolean): Promise<number> {
  const missing = await lookAtMachine();
  const kinds = FAULT_KINDS.map((kind) => {
    const place = placeOf(kind, missing, undefined);
    const here = place.kind === 'on' ? place.network : `not here: ${place.reason}`;
    return { name: kind.name, describes: kind.describes, engines: kind.eachEngine ? 'each' : 'lsm', here };
  });
  if (json) process.stdout.write(`${JSON.stringify(kinds, undefined, 2)}\n`);
  else {
    for (const { name, describes, engines, here } of kinds) {
      process.stdout.write(
        `${name.padEnd(18)} ${describes}${engines === 'each' ? '; each engine' : ''} [${here}]\n`,
      );
    }
  }
  return 0;
}

async function run(options: ChaosOptions): Promise<number> {
  const print = (line: string): void => {
    (options.json ? process.stderr : process.stdout).write(`${line}\n`);
  };
  let directory: RunDirectory | undefined;
  const finished: ChaosRunResult[] = [];
  const stop = (): void => {
    print('stopping, and removing what was made; once more to leave it (--clean-up removes it later)');
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));
    void (directory?.[Symbol.asyncDispose]() ?? Promise.resolve()).finally(() => {
      if (finished.length > 0) print(resultTable(finished, []));
      process.exit(130);
    });
  };
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, stop);
  const { results, skipped } = await runCampaign(options, await lookAtMachine(), {
    onLine: print,
    onDirectory(next) {
      directory = next;
    },
    onResult(result) {
      finished.push(result);
      for (const sentence of sentencesOf(result)) print(`  WRONG: ${sentence}`);
      if (result.report !== undefined) print(`  logs and findings: ${result.report}`);
    },
  });
  print(`\n${resultTable(results, skipped)}`);
  // Whoever reads the times should know what else went on. Five nodes and their clients alone make about 4.
  print(
    `load average of the last 15 minutes: ${loadavg()[2]?.toFixed(1)} on ${availableParallelism()} cores`,
  );
  if (options.json)
    process.stdout.write(`${JSON.stringify({ ...options, results, skipped }, undefined, 2)}\n`);
  return results.every(isSound) ? 0 : 1;
}

function sentencesOf({ lost, untrue, other }: ChaosRunResult): readonly string[] {
  const all = [...lost, ...untrue, ...other];
  return all.length <= sentencesMax
    ? all
    : [...all.slice(0, sentencesMax), `and ${all.length - sentencesMax} more`];
}

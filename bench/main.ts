/**
 * Kindred beside etcd, on this machine, now: starts both clusters, measures every row some times in turn, prints one table
 * and keeps it as JSON. What is measured, and what it does not say, is in README.md. Options: --help.
 */

import { execFile } from 'node:child_process';
import { rmSync } from 'node:fs';
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type Cluster, stopCluster } from './cluster.ts';
import { etcdVersion, startEtcd } from './cluster-etcd.ts';
import { startKindred } from './cluster-kindred.ts';
import { lookAtMachine, type Machine } from './machine.ts';
import { type Measurement, measure } from './measure.ts';
import { startNoOp } from './no-op.ts';
import { type BenchOptions, helpText, parseOptions } from './options.ts';
import { profileText } from './profile.ts';
import { allRows, quorumPutThroughOneName, type Row, type System } from './rows.ts';
import { costText, mediansOf, type RowResult, tableText } from './table.ts';
import { UnaryClients } from './unary-call.ts';
import { h2loadVersion } from './unary-driver.ts';

const resultsDirectory = join(import.meta.dirname, 'results');
/** Before the first round each Kindred row runs so long, unmeasured: its code is not compiled yet, and etcd's is. */
const prime = { warmUpMs: 200, windowMs: 800 };
const profiled = { warmUpMs: 3_000, windowMs: 10_000 };

/** What runs, by system. Those that are left out are missing. */
type Clusters = Partial<Record<System, Cluster>>;

async function main(): Promise<void> {
  const parsed = parseOptions(process.argv.slice(2));
  if (parsed.kind !== 'run') {
    process.stdout.write(parsed.kind === 'help' ? helpText : `${parsed.problem}\n\n${helpText}`);
    process.exitCode = parsed.kind === 'help' ? 0 : 2;
    return;
  }
  const { options } = parsed;
  const directory = await mkdtemp(join(options.directory, 'kindred-bench-'));
  let keep = options.keep || options.profile;
  process.on('exit', () => {
    if (!keep) rmSync(directory, { recursive: true, force: true });
  });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));

  const clients = new UnaryClients();
  const clusters: Clusters = {};
  try {
    const h2load = await h2loadVersion();
    if (h2load === undefined) {
      say(
        'h2load is not installed (Debian: apt install nghttp2-client): unary calls come from grpc-js, which costs much more',
      );
    }
    const runner: Runner = {
      clients,
      directory,
      clusters,
      options: { ...options.measure, unaryDriver: h2load === undefined ? 'grpc-js' : 'h2load' },
    };
    if (options.profile) await profile(runner, options);
    else await compare(runner, options, { h2load });
  } catch (error) {
    keep = true;
    process.stderr.write(`${(error as Error).message}\nlogs and data are in ${directory}\n`);
    process.exitCode = 1;
  } finally {
    clients.close();
    await stopAll(clusters);
  }
}

interface Runner {
  readonly clients: UnaryClients;
  readonly directory: string;
  readonly clusters: Clusters;
  readonly options: Parameters<typeof measure>[3];
}

async function compare(
  runner: Runner,
  options: BenchOptions,
  versions: { readonly h2load: string | undefined },
): Promise<void> {
  const { directory, clusters } = runner;
  const machine = await lookAtMachine(directory);
  const etcd = await etcdVersion();
  if (etcd === undefined) say('etcd is left out: it is not installed (Debian: apt install etcd-server)');
  say(describe(machine));
  const start = async (system: System, started: Promise<Cluster>): Promise<void> => {
    clusters[system] = await started;
  };
  const starting = [
    start('kindred', startKindred({ directory: join(directory, 'kindred'), engine: options.engine })),
    start('bare', startNoOp({ directory })),
    ...(etcd === undefined ? [] : [start('etcd', startEtcd({ directory: join(directory, 'etcd') }))]),
  ];
  await Promise.allSettled(starting);
  // Those that did start are stopped when another could not.
  await Promise.all(starting);

  const rows = chosenRows(options).filter((row) => clusters[row.system] !== undefined);
  for (const row of rows) if (row.system !== 'etcd') await runRow(runner, row, prime);
  const rounds = new Map(rows.map((row): [Row, Measurement[]] => [row, []]));
  for (let round = 1; round <= options.rounds; round++) {
    for (const row of rows) {
      const measurement = await runRow(runner, row, options.measure);
      rounds.get(row)?.push(measurement);
      const figure = Math.round(measurement.perSecond).toLocaleString('en');
      process.stderr.write(`round ${round} of ${options.rounds}: ${row.system} ${row.name}: ${figure}/s\n`);
    }
  }
  const results = [...rounds].map(
    ([row, measured]): RowResult => ({ row, rounds: measured, median: mediansOf(measured) }),
  );
  const { lanes, streams, windowMs } = options.measure;
  say(
    `\nmedians of ${options.rounds} rounds of ${windowMs / 1000} s; unary: ${lanes} connections with ${streams} calls in flight ` +
      `(${versions.h2load === undefined ? 'grpc-js' : `h2load ${versions.h2load}`}); Kindred on ${options.engine}` +
      `${etcd === undefined ? '' : `; etcd ${etcd}`}; three nodes each, all on this machine\n`,
  );
  say(tableText(results));
  const cost = costText(results);
  if (cost !== '') say(`${cost}\n`);
  say(`kept in ${await keepResults({ machine, etcd, ...versions, options, results })}`);
  const failed = results.filter(({ median }) => median.failures > 0);
  for (const { row, rounds: measured } of failed) {
    say(`${row.name}: ${measured.find((each) => each.firstFailure !== undefined)?.firstFailure}`);
    process.exitCode = 1;
  }
}

async function profile(runner: Runner, options: BenchOptions): Promise<void> {
  const name = options.only ?? quorumPutThroughOneName;
  const row = chosenRows({ ...options, only: name }).find((each) => each.system === 'kindred');
  if (row === undefined) throw new Error(`no row of Kindred contains "${name}"`);
  const profileDirectory = join(runner.directory, 'profile');
  await mkdir(profileDirectory);
  runner.clusters.kindred = await startKindred({
    directory: join(runner.directory, 'kindred'),
    engine: options.engine,
    profileDirectory,
  });
  const { perSecond, cpuMicrosEach } = await runRow(runner, row, profiled);
  say(`${row.name}, profiled: ${Math.round(perSecond).toLocaleString('en')}/s`);
  say(
    `CPU us/op of each node, all threads: ${cpuMicrosEach?.map((each) => each.toFixed(0)).join(', ') ?? 'unknown'}`,
  );
  // The profile is written when the node ends.
  await stopAll(runner.clusters);
  say(await profileText(profileDirectory, { lastMs: profiled.windowMs }));
}

function runRow(
  runner: Runner,
  row: Row,
  times: { readonly warmUpMs: number; readonly windowMs: number },
): Promise<Measurement> {
  const cluster = runner.clusters[row.system];
  if (cluster === undefined) throw new Error(`${row.system} does not run`);
  const { warmUpMs, windowMs } = times;
  return measure(row, cluster, runner, { ...runner.options, warmUpMs, windowMs });
}

function chosenRows({ only }: BenchOptions): Row[] {
  return allRows().filter((row) => only === undefined || row.name.includes(only));
}

async function stopAll(clusters: Clusters): Promise<void> {
  await Promise.all(Object.values(clusters).map(stopCluster));
}

function describe(machine: Machine): string {
  const { cpu, cores, memoryGiB, kernel, node, syncMicros, loadBefore, diskWarning } = machine;
  const busy = loadBefore > cores / 4 ? ' (others are using it: the figures are noisy)' : '';
  return [
    `${cpu}, ${cores} cores, ${memoryGiB} GiB, ${kernel}, Node ${node}; 4 KiB and fdatasync: ${syncMicros} us; load before: ${loadBefore.toFixed(1)}${busy}`,
    ...(diskWarning === undefined ? [] : [diskWarning]),
  ].join('\n');
}

async function keepResults(all: {
  readonly machine: Machine;
  readonly etcd: string | undefined;
  readonly h2load: string | undefined;
  readonly options: BenchOptions;
  readonly results: readonly RowResult[];
}): Promise<string> {
  const { results, ...rest } = all;
  const at = new Date().toISOString();
  const rows = results.map(({ row, rounds, median }) => {
    const { system, name, comparedWith } = row;
    return { system, name, comparedWith, median, rounds };
  });
  await mkdir(resultsDirectory, { recursive: true });
  const path = join(resultsDirectory, `${at.replaceAll(':', '-')}.json`);
  await writeFile(path, `${JSON.stringify({ at, commit: await commit(), ...rest, rows }, null, 2)}\n`);
  return path;
}

/** The commit that was measured, `-dirty` when files differ from it; `undefined` outside of a repository. */
async function commit(): Promise<string | undefined> {
  try {
    const { stdout } = await promisify(execFile)('git', ['describe', '--always', '--dirty', '--abbrev=12'], {
      cwd: import.meta.dirname,
    });
    return stdout.trim();
  } catch {
    return undefined;
  }
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

await main();

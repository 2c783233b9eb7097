/**
 * What every command of the bench has in common: a directory that is gone afterwards, servers that are started when they are
 * first needed and stopped at the end, and results that are kept for the report.
 */

import { execFile } from 'node:child_process';
import { readdirSync, rmSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { cassandraVersion } from './cassandra-jars.ts';
import { type Cluster, stopCluster } from './cluster.ts';
import { startCassandra } from './cluster-cassandra.ts';
import { etcdVersion, startEtcd } from './cluster-etcd.ts';
import { startKindred } from './cluster-kindred.ts';
import { redisVersion, startRedis } from './cluster-redis.ts';
import { lookAtMachine, type Machine } from './machine.ts';
import { startNoOp } from './no-op.ts';
import { h2loadVersion } from './unary-driver.ts';

/** Systems under test. `bare` is the grpc-js server that does nothing. */
export type SystemName = 'kindred' | 'bare' | 'etcd' | 'redis' | 'cassandra';

export interface SessionOptions {
  readonly engine: 'lsm' | 'btree' | 'memory';
  /** The session's directory is made in it. */
  readonly directory: string;
  readonly keep: boolean;
}

/** Versions of what the figures depend on; `undefined`: not installed. */
export interface Versions {
  readonly etcd: string | undefined;
  readonly redis: string | undefined;
  readonly cassandra: string | undefined;
  readonly h2load: string | undefined;
}

const resultsDirectory = join(import.meta.dirname, 'results');

export class Session {
  readonly directory: string;
  readonly engine: SessionOptions['engine'];
  readonly machine: Machine;
  readonly versions: Versions;
  readonly #clusters = new Map<string, Promise<Cluster>>();

  constructor(options: {
    readonly directory: string;
    readonly engine: SessionOptions['engine'];
    readonly machine: Machine;
    readonly versions: Versions;
  }) {
    this.directory = options.directory;
    this.engine = options.engine;
    this.machine = options.machine;
    this.versions = options.versions;
  }

  /** The cluster of three (Redis, bare: the server), started the first time. `undefined` when it is not installed. */
  async cluster(system: SystemName): Promise<Cluster | undefined> {
    const { etcd, redis, cassandra } = this.versions;
    const optional: Partial<Record<SystemName, string | undefined>> = { etcd, redis, cassandra };
    if (system in optional && optional[system] === undefined) return undefined;
    return this.#started(system, () => this.#start(system));
  }

  /** Kindred, which is always there. */
  kindred(): Promise<Cluster> {
    return this.#started('kindred', () => this.#start('kindred'));
  }

  /** A cluster that the command starts itself; it is stopped with the others. */
  own(name: string, start: () => Promise<Cluster>): Promise<Cluster> {
    return this.#started(name, start);
  }

  /** Stops one before the end; the next time it is asked for, it is started anew, with the same data. */
  async stop(name: string): Promise<void> {
    const cluster = this.#clusters.get(name);
    this.#clusters.delete(name);
    if (cluster !== undefined) await stopCluster(await cluster);
  }

  async stopAll(): Promise<void> {
    const outcomes = await Promise.allSettled(this.#clusters.values());
    await Promise.all(
      outcomes.map((each) => (each.status === 'fulfilled' ? stopCluster(each.value) : undefined)),
    );
    this.#clusters.clear();
  }

  /** Keeps results of one kind as JSON, and says where. */
  async keepResults(kind: ResultKind, results: object): Promise<void> {
    await mkdir(resultsDirectory, { recursive: true });
    const at = new Date().toISOString();
    const path = join(resultsDirectory, `${kind}-${at.replaceAll(':', '-')}.json`);
    const { machine, versions, engine } = this;
    const head = { at, commit: await commit(), machine, versions, engine };
    await writeFile(path, `${JSON.stringify({ ...head, ...results }, null, 2)}\n`);
    say(`kept in ${path}`);
  }

  #started(name: string, start: () => Promise<Cluster>): Promise<Cluster> {
    let cluster = this.#clusters.get(name);
    if (cluster === undefined) {
      cluster = start();
      this.#clusters.set(name, cluster);
    }
    return cluster;
  }

  #start(system: SystemName): Promise<Cluster> {
    const directory = join(this.directory, system);
    switch (system) {
      case 'kindred':
        return startKindred({ directory, engine: this.engine });
      case 'bare':
        return startNoOp({ directory: this.directory });
      case 'etcd':
        return startEtcd({ directory });
      case 'redis':
        return startRedis({ directory });
      case 'cassandra':
        return startCassandra({ directory });
    }
  }
}

/** Runs `work`, and cleans up however it ends. The exit code is that of `work`, or 1 when it throws. */
export async function withSession(
  options: SessionOptions,
  work: (session: Session) => Promise<number>,
): Promise<void> {
  const directory = await mkdtemp(join(options.directory, 'kindred-bench-'));
  let { keep } = options;
  process.on('exit', () => {
    // Servers that were killed a moment ago may still be writing.
    if (!keep) rmSync(directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
  });
  // All processes that were started are killed by the exit of this one.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.once(signal, () => process.exit(130));
  const [machine, etcd, redis, h2load] = await Promise.all([
    lookAtMachine(directory),
    etcdVersion(),
    redisVersion(),
    h2loadVersion(),
  ]);
  const versions = { etcd, redis, cassandra: cassandraVersion(), h2load };
  const session = new Session({ directory, engine: options.engine, machine, versions });
  say(describe(machine));
  try {
    process.exitCode = await work(session);
  } catch (error) {
    keep = true;
    process.stderr.write(`${(error as Error).message}\nlogs and data are in ${directory}\n`);
    process.exitCode = 1;
  } finally {
    await session.stopAll();
  }
}

/** Kinds of results, one for each command that measures. */
export const resultKinds = [
  'compare',
  'peers',
  'latency',
  'ycsb',
  'matrix',
  'overload',
  'scale',
  'nodes',
  'clients',
  'cassandra',
  'ratios',
] as const;
export type ResultKind = (typeof resultKinds)[number];

/** What all kept results begin with. */
export interface ResultHead {
  readonly at: string;
  readonly commit: string | undefined;
  readonly machine: Machine;
  readonly versions: Versions;
  readonly engine: string;
}

/** The newest results of one kind, or `undefined` without any. */
export async function newestResults<Results>(kind: ResultKind): Promise<(ResultHead & Results) | undefined> {
  let names: readonly string[];
  try {
    names = readdirSync(resultsDirectory);
  } catch {
    return undefined;
  }
  const newest = names
    .filter((name) => name.startsWith(`${kind}-`))
    .sort()
    .at(-1);
  if (newest === undefined) return undefined;
  return JSON.parse(await readFile(join(resultsDirectory, newest), 'utf8'));
}

/** The machine in one or two lines. */
export function describe(machine: Machine): string {
  const { cpu, cores, memoryGiB, kernel, node, syncMicros, loadBefore, diskWarning } = machine;
  const busy = loadBefore > cores / 4 ? ' (others are using it: the figures are noisy)' : '';
  return [
    `${cpu}, ${cores} cores, ${memoryGiB} GiB, ${kernel}, Node ${node}; 4 KiB and fdatasync: ${syncMicros} us; load before: ${loadBefore.toFixed(1)}${busy}`,
    ...(diskWarning === undefined ? [] : [diskWarning]),
  ].join('\n');
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

/** A line for people. */
export function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** A line about how far it is: on standard error, so that tables can be piped. */
export function tell(line: string): void {
  process.stderr.write(`${line}\n`);
}

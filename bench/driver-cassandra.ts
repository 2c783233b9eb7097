/**
 * The load for Cassandra: a process with Cassandra's own driver, since our generator does not speak CQL. One process for all
 * loads: code that a JVM has not compiled yet is several times slower.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { ConsistencyLevel } from '../src/gen/kindred/v1/types.ts';
import { cassandraClassPath, java } from './cassandra-jars.ts';
import { endWithThisProcess } from './child-processes.ts';
import type { ClusterDriver } from './cluster.ts';
import type { Driver } from './driver.ts';
import type { LoadJob, LoadSamples } from './load-job.ts';

/** What the process tells of a load; times of this process's CPU are of the window. */
interface CassandraFigures {
  readonly operations: number;
  readonly p50Ms: number;
  readonly p90Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  readonly maxMs: number;
  readonly cpuMicros: number;
  readonly failures: Readonly<Record<string, number>>;
}

const heap = '512m';

const levels: Readonly<Partial<Record<ConsistencyLevel, string>>> = {
  [ConsistencyLevel.CONSISTENCY_LEVEL_ONE]: 'ONE',
  [ConsistencyLevel.CONSISTENCY_LEVEL_QUORUM]: 'QUORUM',
  [ConsistencyLevel.CONSISTENCY_LEVEL_ALL]: 'ALL',
};

/** Resolves when all nodes are up and normal (UN) in the eyes of each, and the table is there. */
export async function startCassandraDriver(options: {
  readonly endpoints: readonly string[];
  readonly jmxPorts: readonly number[];
  readonly logbackPath: string;
}): Promise<ClusterDriver> {
  const { endpoints, jmxPorts, logbackPath } = options;
  const child = spawn(
    java(),
    [
      `-Xmx${heap}`,
      `-Dlogback.configurationFile=${logbackPath}`,
      ...['-cp', cassandraClassPath, 'io.kindred.bench.cassandra.LoadProcess'],
      endpoints.join(','),
      jmxPorts.join(','),
    ],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  );
  endWithThisProcess(child);
  const process = new LoadProcess(child);
  await process.line();
  return process;
}

class LoadProcess implements ClusterDriver {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  #ended = false;

  constructor(child: ChildProcess) {
    this.#child = child;
    child.once('exit', () => {
      this.#ended = true;
    });
    child.once('error', () => {
      this.#ended = true;
    });
    // What is written to a process that is gone: its last line says enough.
    child.stdin?.on('error', () => {});
    this.#lines = createInterface({ input: child.stdout as NodeJS.ReadableStream })[Symbol.asyncIterator]();
  }

  async open(job: LoadJob): Promise<Driver<LoadSamples>> {
    await this.#answer(openLine(job));
    return {
      run: async (window) => {
        const line = window === undefined ? 'once' : `run ${window.fromMs} ${window.untilMs}`;
        return samplesOf(job, JSON.parse(await this.#answer(line)) as CassandraFigures);
      },
    };
  }

  async stop(): Promise<void> {
    if (this.#ended) return;
    const exit = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await exit;
  }

  /** Its next line. Rejects when there is none: then it has said why on standard error. */
  async line(): Promise<string> {
    const { done, value } = await this.#lines.next();
    if (done === true) throw new Error('the load process of Cassandra has ended');
    return value;
  }

  #answer(line: string): Promise<string> {
    this.#child.stdin?.write(`${line}\n`);
    return this.line();
  }
}

function openLine({ mix, readLevel, writeLevel, arrivals, connections, keys, valueBytes }: LoadJob): string {
  const { read = 0, update = 0 } = mix.shares;
  const isPut = arrivals.kind === 'each-once' || update === 1;
  if (arrivals.kind === 'open' || (!isPut && read !== 1) || mix.distribution !== 'uniform') {
    throw new Error('the load of Cassandra is a closed loop of puts or of gets, uniform');
  }
  const level = levels[isPut ? writeLevel : readLevel];
  if (level === undefined) throw new Error('the load of Cassandra is at ONE, QUORUM or ALL');
  const inFlight = arrivals.inFlight * connections;
  return ['open', isPut ? 'put' : 'get', level, connections, inFlight, keys, valueBytes].join(' ');
}

function samplesOf({ mix }: LoadJob, figures: CassandraFigures): LoadSamples {
  const { operations, p50Ms, p90Ms, p99Ms, p999Ms, maxMs, cpuMicros, failures } = figures;
  const kind = mix.shares.read === undefined ? 'update' : 'read';
  return {
    operations,
    failures: Object.values(failures).reduce((sum, count) => sum + count, 0),
    firstFailure: Object.keys(failures)[0],
    ...{ p50Ms, p90Ms, p99Ms, p999Ms, maxMs },
    byKind: { [kind]: { operations, p50Ms, p99Ms } },
    failuresByCode: failures,
    // Of a closed loop, none.
    shed: 0,
    sendLagP99Ms: 0,
    generatorCpuMicros: operations === 0 ? 0 : cpuMicros / operations,
    seconds: [],
  };
}

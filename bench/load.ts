/** Runs one load of our own generator against a cluster, with the CPU time and the memory of the servers meanwhile. */

import { ConsistencyLevel, Durability } from '../src/gen/kindred/v1/types.ts';
import type { Cluster } from './cluster.ts';
import { cpuPerSecond } from './cpu-time.ts';
import { type Driver, startDriver } from './driver.ts';
import type { LoadJob, LoadSamples } from './load-job.ts';
import { epochMs } from './measurement.ts';

export type LoadSpec = Omit<LoadJob, 'kind' | 'endpoints'>;

export interface LoadTimes {
  readonly warmUpMs: number;
  readonly windowMs: number;
}

/** What one load came to. */
export interface LoadFigures extends LoadSamples {
  /** Operations that succeeded, each second of the window. */
  readonly perSecond: number;
  /** CPU time of all servers per operation that succeeded, in microseconds. */
  readonly cpuMicros: number | undefined;
  /** The same for each server. */
  readonly cpuMicrosEach: readonly number[] | undefined;
  /** Of each server, at the end of the window. */
  readonly residentBytes: readonly number[];
}

/** What etcd promises, 100 bytes, uniform: a start for others. */
export const plainLoad: Omit<LoadSpec, 'target' | 'arrivals' | 'connections'> = {
  mix: { shares: { read: 1 }, distribution: 'uniform' },
  keys: 10_000,
  valueBytes: 100,
  readLevel: ConsistencyLevel.CONSISTENCY_LEVEL_QUORUM,
  writeLevel: ConsistencyLevel.CONSISTENCY_LEVEL_QUORUM,
  durability: Durability.DURABILITY_SYNC_QUORUM,
};

/** Rejects when a server has ended. Failed operations are in the figures. */
export async function load(cluster: Cluster, spec: LoadSpec, times: LoadTimes): Promise<LoadFigures> {
  const driver = await openDriver(cluster, spec);
  const fromMs = epochMs() + times.warmUpMs;
  const window = { fromMs, untilMs: fromMs + times.windowMs };
  const [samples, cpu] = await Promise.all([driver.run(window), cpuPerSecond(cluster, window)]);
  for (const server of cluster.processes) server.assertRunning();
  const perSecond = (samples.operations / times.windowMs) * 1000;
  const cpuMicrosEach = perSecond === 0 ? undefined : cpu?.map((each) => each / perSecond);
  return {
    ...samples,
    perSecond,
    cpuMicros: cpuMicrosEach?.reduce((sum, each) => sum + each, 0),
    cpuMicrosEach,
    residentBytes: residentBytes(cluster),
  };
}

function openDriver(cluster: Cluster, spec: LoadSpec): Promise<Driver<LoadSamples>> {
  const job: LoadJob = { ...spec, kind: 'load', endpoints: cluster.endpoints };
  return cluster.driver === undefined ? startDriver(job) : cluster.driver.open(job);
}

/** What each server occupies now. */
export function residentBytes(cluster: Cluster): readonly number[] {
  return cluster.processes.map((server) => server.memory()?.residentBytes ?? 0);
}

/** Writes every key once, in the cheapest way that the system has. Throws when one fails again and again. */
export async function fill(
  cluster: Cluster,
  spec: Pick<LoadSpec, 'target' | 'keys' | 'valueBytes'>,
): Promise<void> {
  const { target, keys, valueBytes } = spec;
  const cheapest = { kindred: 'kindred-pipeline', etcd: 'etcd-txn' } as const;
  let inFlight = inFlightOf(target, valueBytes);
  for (let attempt = 1; ; attempt++) {
    const driver = await openDriver(cluster, {
      ...plainLoad,
      connections: cluster.endpoints.length,
      target: target === 'kindred' || target === 'etcd' ? cheapest[target] : target,
      keys,
      valueBytes,
      // All three copies: a read at ONE must find the key wherever it asks. Not synced: a run that dies here is thrown away.
      writeLevel: ConsistencyLevel.CONSISTENCY_LEVEL_ALL,
      durability: Durability.DURABILITY_BUFFERED,
      arrivals: { kind: 'each-once', inFlight },
    });
    const { operations, failuresByCode } = await driver.run(undefined);
    if (operations >= keys) return;
    if (attempt === fillAttemptsMax) {
      throw new Error(
        `${target}: ${keys - operations} of ${keys} first puts of ${valueBytes} bytes failed: ${JSON.stringify(failuresByCode)}`,
      );
    }
    // A machine that is very busy cannot do so many at once.
    inFlight = Math.max(1, Math.floor(inFlight / 4));
  }
}

const fillAttemptsMax = 4;

/** Enough to be busy, and not so much that values fill the memory of the server. */
function inFlightOf(target: LoadJob['target'], valueBytes: number): number {
  const most = target.startsWith('etcd') ? 8 : 512;
  return Math.max(4, Math.min(most, Math.floor(2 ** 21 / valueBytes)));
}

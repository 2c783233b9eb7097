/** Runs one row once: prepares the keys, looks at the answers, loads the servers, and takes their CPU time meanwhile. */

import { Durability } from '../src/gen/kindred/v1/types.ts';
import type { Cluster } from './cluster.ts';
import { cpuPerSecond } from './cpu-time.ts';
import { startDriver } from './driver.ts';
import { fill } from './load.ts';
import type { LoadJob } from './load-job.ts';
import { epochMs, type Samples, type Window } from './measurement.ts';
import type { PipelineRow, Row, UnaryRow } from './rows.ts';
import type { UnaryClients } from './unary-call.ts';
import { BusyError, type Lane, runH2load } from './unary-driver.ts';

export interface MeasureDependencies {
  readonly clients: UnaryClients;
  /** For the files of h2load. */
  readonly directory: string;
}

export interface MeasureOptions {
  /** Load before the window: connections open, code is compiled. */
  readonly warmUpMs: number;
  readonly windowMs: number;
  /** Connections, over all nodes. */
  readonly lanes: number;
  /** Calls in flight on each connection. */
  readonly streams: number;
  readonly unaryDriver: 'h2load' | 'grpc-js';
}

/** One row, measured once. */
export interface Measurement {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  readonly operations: number;
  readonly failures: number;
  readonly firstFailure: string | undefined;
  /** CPU time of all servers per operation, in microseconds; `undefined` where it cannot be read. */
  readonly cpuMicros: number | undefined;
  /** The same for each server, in the order of the endpoints. */
  readonly cpuMicrosEach: readonly number[] | undefined;
}

/** Rejects when a server has ended, or the answers are not OK. */
export async function measure(
  row: Row,
  cluster: Cluster,
  dependencies: MeasureDependencies,
  options: MeasureOptions,
): Promise<Measurement> {
  const [samples, cpu] = await loadOnce(row, cluster, dependencies, options, attemptsMax);
  for (const server of cluster.processes) server.assertRunning();
  const perSecond = (samples.operations / options.windowMs) * 1000;
  const { p50Ms, p99Ms, p999Ms, operations, failures, firstFailure } = samples;
  const cpuMicrosEach = operations === 0 ? undefined : cpu?.map((each) => each / perSecond);
  return {
    perSecond,
    p50Ms,
    p99Ms,
    p999Ms,
    operations,
    failures,
    firstFailure,
    cpuMicros: cpuMicrosEach?.reduce((sum, each) => sum + each, 0),
    cpuMicrosEach,
  };
}

/** A machine that is too busy gets another chance, with more time. */
const attemptsMax = 4;

async function loadOnce(
  row: Row,
  cluster: Cluster,
  dependencies: MeasureDependencies,
  options: MeasureOptions,
  attemptsLeft: number,
): Promise<[Samples, number[] | undefined]> {
  const load =
    row.kind === 'unary'
      ? await prepareUnary(row, cluster, dependencies, options)
      : await preparePipeline(row, cluster);
  const fromMs = epochMs() + options.warmUpMs;
  const window = { fromMs, untilMs: fromMs + options.windowMs };
  try {
    return await Promise.all([load(window), cpuPerSecond(cluster, window)]);
  } catch (error) {
    if (!(error instanceof BusyError) || attemptsLeft === 1) throw error;
    const longer = { ...options, warmUpMs: options.warmUpMs * 2 };
    return loadOnce(row, cluster, dependencies, longer, attemptsLeft - 1);
  }
}

type Load = (window: Window) => Promise<Samples>;

async function prepareUnary(
  row: UnaryRow,
  cluster: Cluster,
  { clients, directory }: MeasureDependencies,
  options: MeasureOptions,
): Promise<Load> {
  const endpoints = row.through === 'all' ? cluster.endpoints : cluster.endpoints.slice(0, 1);
  const lanes = await Promise.all(
    Array.from({ length: options.lanes }, async (_, index): Promise<Lane> => {
      const endpoint = endpoints[index % endpoints.length] as string;
      if (row.prepare !== undefined) await clients.call(endpoint, row.prepare(index));
      const request = row.request(index);
      const answer = await clients.call(endpoint, request);
      return { endpoint, request, answerBytes: answer.length };
    }),
  );
  const { streams } = options;
  if (options.unaryDriver === 'h2load')
    return (window) => runH2load({ lanes, streams, window }, { directory });
  const sent = lanes.map(({ endpoint, request }) => ({ endpoint, ...request }));
  const driver = await startDriver({ kind: 'unary', lanes: sent, streams });
  return (window) => driver.run(window);
}

/** Clusters that hold the keys of the pipelined rows of a size already. */
const filled = new WeakMap<Cluster, Set<number>>();

async function preparePipeline(row: PipelineRow, cluster: Cluster): Promise<Load> {
  const { level, valueBytes, keys, inFlight, operation } = row;
  const job: LoadJob = {
    kind: 'load',
    target: 'kindred-pipeline',
    endpoints: cluster.endpoints,
    connections: cluster.endpoints.length,
    arrivals: { kind: 'closed', inFlight },
    mix: { shares: operation === 'put' ? { update: 1 } : { read: 1 }, distribution: 'uniform' },
    keys,
    valueBytes,
    readLevel: level,
    writeLevel: level,
    durability: Durability.DURABILITY_SYNC_QUORUM,
  };
  const sizes = filled.get(cluster) ?? new Set();
  filled.set(cluster, sizes);
  if (!sizes.has(valueBytes)) {
    await fill(cluster, { target: 'kindred', keys, valueBytes });
    sizes.add(valueBytes);
  }
  const driver = await startDriver(job);
  return (window) => driver.run(window);
}

/**
 * `bench latency`: latency at fixed rates, as shares of the peak, counted from when operations were due. And at half of the
 * peak while the trees of all nodes are compared and large writes keep the storage compacting.
 */

import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { StartRepairRequest } from '../src/gen/kindred/v1/operation.ts';
import { ConsistencyLevel } from '../src/gen/kindred/v1/types.ts';
import type { Cluster } from './cluster.ts';
import { fillOnce } from './interleaved.ts';
import { type LoadFigures, type LoadSpec, type LoadTimes, load, plainLoad } from './load.ts';
import { type Session, type SystemName, say, tell } from './session.ts';
import { columnTable } from './table.ts';
import { UnaryClients } from './unary-call.ts';

export interface LatencyOptions extends LoadTimes {
  /** Of the peak. */
  readonly shares: readonly number[];
}

/** One point of a curve. */
export interface LatencyPoint {
  /** Of the peak. */
  readonly share: number;
  readonly askedPerSecond: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  readonly sendLagP99Ms: number;
  readonly failures: number;
}

export interface LatencySeries {
  readonly system: SystemName;
  readonly name: string;
  /** With as much in flight as makes it fastest. */
  readonly peakPerSecond: number;
  readonly points: readonly LatencyPoint[];
}

/** Half of the peak while there is other work. */
export interface BusyPoint extends LatencyPoint {
  readonly name: string;
  /** That the storage of all nodes made meanwhile, where it says so. */
  readonly compactions: number;
}

const connections = 12;
const peakInFlight = 16;
const pipelinePeakInFlight = 512;
const streams = 3;
const one = ConsistencyLevel.CONSISTENCY_LEVEL_ONE;

interface Series {
  readonly system: SystemName;
  readonly name: string;
  readonly spec: Omit<LoadSpec, 'arrivals'>;
}

const put = { mix: { shares: { update: 1 }, distribution: 'uniform' } } as const;
const unaryPut: Series = {
  system: 'kindred',
  name: 'put QUORUM',
  spec: { ...plainLoad, ...put, target: 'kindred', connections },
};
const unaryGet: Series = {
  system: 'kindred',
  name: 'get QUORUM',
  spec: { ...plainLoad, target: 'kindred', connections },
};
const allSeries: readonly Series[] = [
  unaryPut,
  { system: 'etcd', name: 'put', spec: { ...plainLoad, ...put, target: 'etcd', connections } },
  unaryGet,
  { system: 'etcd', name: 'get linearizable', spec: { ...plainLoad, target: 'etcd', connections } },
  {
    system: 'kindred',
    name: 'pipelined put QUORUM',
    spec: { ...plainLoad, ...put, target: 'kindred-pipeline', connections: streams },
  },
  {
    system: 'kindred',
    name: 'pipelined get ONE',
    spec: { ...plainLoad, target: 'kindred-pipeline', connections: streams, readLevel: one },
  },
];

/** The exit code: 1 when an operation failed. */
export async function runLatency(session: Session, options: LatencyOptions): Promise<number> {
  const series: LatencySeries[] = [];
  for (const each of allSeries) {
    const cluster = await session.cluster(each.system);
    if (cluster !== undefined) series.push(await curve(cluster, each, options));
  }
  const busy = await whileBusy(session, series, options);
  say(`\nlatency from when an operation was due, ${options.windowMs / 1000} s at each rate\n`);
  const row = (name: string, point: LatencyPoint): string[] => [
    name,
    `${Math.round(point.share * 100)} % of peak${point.failures > 0 ? ` (${point.failures} FAILED)` : ''}`,
    Math.round(point.askedPerSecond).toLocaleString('en'),
    Math.round(point.perSecond).toLocaleString('en'),
    ...[point.p50Ms, point.p99Ms, point.p999Ms, point.sendLagP99Ms].map((ms) => ms.toFixed(2)),
  ];
  say(
    columnTable(
      ['', '', 'asked/s', 'ops/s', 'p50 ms', 'p99 ms', 'p99.9 ms', 'client p99 ms'],
      [
        ...series.flatMap(({ system, name, points }) =>
          points.map((point) => row(`${system} ${name}`, point)),
        ),
        ...busy.map((point) => row(`kindred ${point.name}, busy (${point.compactions} compactions)`, point)),
      ],
    ),
  );
  await session.keepResults('latency', { options, series, busy });
  const failed = [...series.flatMap(({ points }) => points), ...busy].some(({ failures }) => failures > 0);
  return failed ? 1 : 0;
}

async function curve(cluster: Cluster, series: Series, options: LatencyOptions): Promise<LatencySeries> {
  const { system, name } = series;
  const spec = { ...series.spec, arrivals: { kind: 'closed', inFlight: inFlightOf(series) } } as const;
  await fillOnce(cluster, spec);
  // Twice as long: the first half compiles what is hot.
  const { perSecond: peakPerSecond } = await load(cluster, spec, {
    ...options,
    warmUpMs: options.warmUpMs + options.windowMs,
  });
  if (peakPerSecond === 0) throw new Error(`${system} ${name}: the peak is 0, the machine is too busy`);
  tell(`${system} ${name}: peak ${Math.round(peakPerSecond).toLocaleString('en')}/s`);
  const points: LatencyPoint[] = [];
  for (const share of options.shares) {
    const figures = await atRate(cluster, series, peakPerSecond * share, options);
    points.push(pointOf(share, peakPerSecond * share, figures));
    tell(`${system} ${name}: ${Math.round(share * 100)} % of it: p99 ${figures.p99Ms.toFixed(2)} ms`);
  }
  return { system, name, peakPerSecond, points };
}

function inFlightOf({ spec }: Series): number {
  return spec.target === 'kindred-pipeline' ? pipelinePeakInFlight : peakInFlight;
}

function atRate(cluster: Cluster, series: Series, perSecond: number, times: LoadTimes): Promise<LoadFigures> {
  return load(cluster, { ...series.spec, arrivals: { kind: 'open', perSecond, whenFull: 'wait' } }, times);
}

function pointOf(share: number, askedPerSecond: number, figures: LoadFigures): LatencyPoint {
  const { perSecond, p50Ms, p99Ms, p999Ms, sendLagP99Ms, failures } = figures;
  return { share, askedPerSecond, perSecond, p50Ms, p99Ms, p999Ms, sendLagP99Ms, failures };
}

const busyShare = 0.5;
const busySeconds = 10;
/** 10 KiB each: several memtables a minute on every node, and the compactions that they cause. */
const largeWritesPerSecond = 400;
const largeBytes = 10 * 1024;

async function whileBusy(
  session: Session,
  series: readonly LatencySeries[],
  options: LatencyOptions,
): Promise<BusyPoint[]> {
  const cluster = await session.kindred();
  const points: BusyPoint[] = [];
  for (const each of [unaryPut, unaryGet]) {
    const peak = series.find(({ system, name }) => system === each.system && name === each.name);
    if (peak === undefined) continue;
    const times = { ...options, windowMs: Math.max(options.windowMs, busySeconds * 1000) };
    const before = await compactions(session);
    const repairing = repairUntil(cluster, times.warmUpMs + times.windowMs);
    const [figures] = await Promise.all([
      atRate(cluster, each, peak.peakPerSecond * busyShare, times),
      load(
        cluster,
        {
          ...plainLoad,
          ...put,
          target: 'kindred-pipeline',
          connections: streams,
          valueBytes: largeBytes,
          arrivals: { kind: 'open', perSecond: largeWritesPerSecond, whenFull: 'shed' },
        },
        times,
      ),
      repairing,
    ]);
    const point = pointOf(busyShare, peak.peakPerSecond * busyShare, figures);
    points.push({ ...point, name: each.name, compactions: (await compactions(session)) - before });
  }
  return points;
}

/** Keeps a repair running on every node: starts the next one when one has ended. */
async function repairUntil(cluster: Cluster, forMs: number): Promise<void> {
  const clients = new UnaryClients();
  const message = StartRepairRequest.encode({ bucket: '', dryRun: false, bytesPerSecondMax: 0 }).finish();
  const untilMs = performance.now() + forMs;
  while (performance.now() < untilMs) {
    // One that runs already is refused: that is as good.
    await Promise.allSettled(
      cluster.endpoints.map((endpoint) =>
        clients.call(endpoint, { path: '/kindred.v1.OperationService/StartRepair', message }),
      ),
    );
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  clients.close();
}

/** How many compactions LevelDB has written into its logs, on all nodes. */
async function compactions(session: Session): Promise<number> {
  const directory = join(session.directory, 'kindred');
  const logs = (await readdir(directory, { recursive: true })).filter((path) => /(^|\/)LOG$/.test(path));
  const texts = await Promise.all(logs.map((path) => readFile(join(directory, path), 'utf8')));
  return texts.reduce((sum, text) => sum + (text.match(/Compacting \d+@\d+/g)?.length ?? 0), 0);
}

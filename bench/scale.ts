/** `bench scale`: one node with many keys of 100 bytes: time to open, memory, and throughput beside that with few keys. */

import { join } from 'node:path';
import type { Cluster } from './cluster.ts';
import { startKindred } from './cluster-kindred.ts';
import { fill, type LoadSpec, load, plainLoad, residentBytes } from './load.ts';
import { type Session, say, tell } from './session.ts';
import { columnTable } from './table.ts';

export interface ScaleOptions {
  readonly keys: number;
  readonly fewKeys: number;
}

/** What one number of keys came to. */
export interface ScalePoint {
  readonly keys: number;
  readonly fillSeconds: number;
  /** From the start of the process until it answers. */
  readonly openSeconds: number;
  readonly residentBytesOpened: number;
  /** After the loads. */
  readonly residentBytes: number;
  readonly perSecond: Readonly<Record<string, number>>;
  readonly p99Ms: Readonly<Record<string, number>>;
}

const openMsMax = 120_000;
const times = { warmUpMs: 3_000, windowMs: 8_000 };
const update = { shares: { update: 1 }, distribution: 'uniform' } as const;
const unary = { target: 'kindred', connections: 8, arrivals: { kind: 'closed', inFlight: 8 } } as const;
const pipelined = {
  target: 'kindred-pipeline',
  connections: 2,
  arrivals: { kind: 'closed', inFlight: 256 },
} as const;

/** The loads of each point, by name. Uniform: the worst for every cache. */
const loads: Readonly<Record<string, LoadSpec>> = {
  'unary get': { ...plainLoad, ...unary },
  'unary put': { ...plainLoad, ...unary, mix: update },
  'pipelined get': { ...plainLoad, ...pipelined },
  'pipelined put': { ...plainLoad, ...pipelined, mix: update },
};

/** The exit code: 0; what the figures are worth stands in the table. */
export async function runScale(session: Session, options: ScaleOptions): Promise<number> {
  const points = [await measured(session, options.fewKeys), await measured(session, options.keys)];
  say('\none node, values of 100 bytes, uniform\n');
  say(columnTable(scaleHead(points), scaleRows(points)));
  await session.keepResults('scale', { options, points });
  return 0;
}

export function scaleHead(points: readonly ScalePoint[]): readonly string[] {
  return [
    'keys',
    'filled in',
    'open s',
    'MiB opened',
    'MiB loaded',
    ...Object.keys(points[0]?.perSecond ?? {}),
  ];
}

export function scaleRows(points: readonly ScalePoint[]): readonly (readonly string[])[] {
  const [few] = points;
  return points.map((point) => [
    point.keys.toLocaleString('en'),
    `${point.fillSeconds.toFixed(0)} s`,
    point.openSeconds.toFixed(1),
    ...[point.residentBytesOpened, point.residentBytes].map((bytes) => (bytes / 2 ** 20).toFixed(0)),
    ...Object.entries(point.perSecond).map(([name, rate]) => {
      const share = point === few ? '' : ` (${((100 * rate) / (few?.perSecond[name] ?? 0)).toFixed(0)} %)`;
      return `${Math.round(rate).toLocaleString('en')}${share}`;
    }),
  ]);
}

async function measured(session: Session, keys: number): Promise<ScalePoint> {
  const name = `one-node-${keys}`;
  const start = (): Promise<Cluster> =>
    session.own(name, () =>
      startKindred({
        directory: join(session.directory, name),
        engine: session.engine,
        nodes: 1,
        readyMsMax: openMsMax,
      }),
    );
  const filling = performance.now();
  await fillInParts(await start(), keys);
  const fillSeconds = (performance.now() - filling) / 1000;
  tell(`${keys.toLocaleString('en')} keys written in ${fillSeconds.toFixed(0)} s`);
  await session.stop(name);
  const opening = performance.now();
  const cluster = await start();
  const openSeconds = (performance.now() - opening) / 1000;
  const [residentBytesOpened = 0] = residentBytes(cluster);
  const perSecond: Record<string, number> = {};
  const p99Ms: Record<string, number> = {};
  let resident = 0;
  for (const [load_, spec] of Object.entries(loads)) {
    const figures = await load(cluster, { ...spec, keys }, times);
    if (figures.failures > 0) {
      throw new Error(`${load_} on ${keys} keys: ${JSON.stringify(figures.failuresByCode)}`);
    }
    perSecond[load_] = figures.perSecond;
    p99Ms[load_] = figures.p99Ms;
    resident = Math.max(resident, figures.residentBytes[0] ?? 0);
    tell(`${keys.toLocaleString('en')} keys, ${load_}: ${Math.round(figures.perSecond)}/s`);
  }
  await session.stop(name);
  return { keys, fillSeconds, openSeconds, residentBytesOpened, residentBytes: resident, perSecond, p99Ms };
}

async function fillInParts(cluster: Cluster, keys: number): Promise<void> {
  await fill(cluster, { target: 'kindred', keys, valueBytes: plainLoad.valueBytes });
}

/**
 * `bench nodes`: what an operation costs as the cluster grows. On one machine the nodes share the cores, so that throughput
 * says nothing; CPU for each operation at a fixed, low rate does, without what idle nodes take.
 */

import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startKindred } from './cluster-kindred.ts';
import { cpuPerSecond } from './cpu-time.ts';
import { fillOnce } from './interleaved.ts';
import { type LoadSpec, load, plainLoad } from './load.ts';
import { epochMs } from './measurement.ts';
import { median } from './median.ts';
import { type Session, say, tell } from './session.ts';
import { columnTable } from './table.ts';

export interface NodesOptions {
  readonly counts: readonly number[];
  readonly rounds: number;
  readonly perSecond: number;
}

/** One size of cluster. */
export interface NodesPoint {
  readonly nodes: number;
  /** CPU of one idle node: milliseconds each second. */
  readonly idleMsPerSecond: number;
  /** Of all nodes for one operation, without what they take when idle. */
  readonly cpuMicros: Readonly<Record<string, number>>;
}

const times = { warmUpMs: 2_000, windowMs: 3_000 };
const idleMs = 4_000;

/** The exit code: 0. */
export async function runNodes(session: Session, options: NodesOptions): Promise<number> {
  const points: NodesPoint[] = [];
  for (const count of options.counts) points.push(await measured(session, count, options));
  say(`\nthree copies, 100 bytes, unary, ${options.perSecond}/s; medians of ${options.rounds} rounds\n`);
  say(columnTable(nodesHead, nodesRows(points)));
  await session.keepResults('nodes', { options, points });
  return 0;
}

export const nodesHead: readonly string[] = [
  'nodes',
  '',
  'idle, CPU ms/s each',
  'put QUORUM, CPU us/op',
  'get QUORUM, CPU us/op',
];

export function nodesRows(points: readonly NodesPoint[]): readonly (readonly string[])[] {
  return points.map(({ nodes, idleMsPerSecond, cpuMicros }) => [
    String(nodes),
    '',
    idleMsPerSecond.toFixed(1),
    ...Object.values(cpuMicros).map((micros) => micros.toFixed(0)),
  ]);
}

async function measured(session: Session, nodes: number, options: NodesOptions): Promise<NodesPoint> {
  const name = `nodes-${nodes}`;
  const directory = join(session.directory, name);
  const cluster = await session.own(name, () => startKindred({ directory, engine: session.engine, nodes }));
  const base: LoadSpec = {
    ...plainLoad,
    target: 'kindred',
    connections: nodes * 2,
    arrivals: { kind: 'open', perSecond: options.perSecond, whenFull: 'wait' },
  };
  const put: LoadSpec = { ...base, mix: { shares: { update: 1 }, distribution: 'uniform' } };
  await fillOnce(cluster, base);
  for (const spec of [put, base]) await load(cluster, spec, times);
  const idle: number[] = [];
  const puts: number[] = [];
  const gets: number[] = [];
  for (let round = 0; round < options.rounds; round++) {
    // What the load before left to do is not idleness.
    await sleep(1_000);
    const fromMs = epochMs();
    const cpu = (await cpuPerSecond(cluster, { fromMs, untilMs: fromMs + idleMs })) ?? [];
    const idleMicros = cpu.reduce((sum, each) => sum + each, 0);
    idle.push(idleMicros);
    for (const [spec, into] of [
      [put, puts],
      [base, gets],
    ] as const) {
      const { cpuMicros = Number.NaN, perSecond } = await load(cluster, spec, times);
      into.push(cpuMicros - idleMicros / perSecond);
    }
  }
  await session.stop(name);
  tell(`${nodes} nodes: put ${median(puts).toFixed(0)} us, get ${median(gets).toFixed(0)} us`);
  return {
    nodes,
    idleMsPerSecond: median(idle) / 1000 / nodes,
    cpuMicros: { put: median(puts), get: median(gets) },
  };
}

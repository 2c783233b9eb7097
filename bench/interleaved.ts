/** Measures some loads in turn, some rounds of all of them, so that what disturbs the machine disturbs all alike. */

import type { Cluster } from './cluster.ts';
import { fill, type LoadFigures, type LoadSpec, type LoadTimes, load } from './load.ts';
import { type LoadMedian, loadMedian } from './median.ts';
import { type Session, type SystemName, tell } from './session.ts';
import { columnTable } from './table.ts';

/** One line of a table. */
export interface LoadRow {
  readonly system: SystemName;
  /** Unique in its system. */
  readonly name: string;
  readonly spec: LoadSpec;
}

export interface LoadRowResult {
  readonly system: SystemName;
  readonly name: string;
  readonly median: LoadMedian;
}

export interface InterleavedOptions extends LoadTimes {
  readonly rounds: number;
}

/** Runs the rows of systems that are installed; what they read is there first. */
export async function interleaved(
  session: Session,
  rows: readonly LoadRow[],
  options: InterleavedOptions,
): Promise<LoadRowResult[]> {
  const runs: { row: LoadRow; cluster: Cluster; rounds: LoadFigures[] }[] = [];
  for (const row of rows) {
    const cluster = await session.cluster(row.system);
    if (cluster === undefined) continue;
    await fillOnce(cluster, row.spec);
    runs.push({ row, cluster, rounds: [] });
  }
  // Code of Kindred, of its floor and of Cassandra is not compiled yet; that of the others is.
  for (const { row, cluster } of runs) await prime(row, cluster, options);
  for (let round = 1; round <= options.rounds; round++) {
    for (const { row, cluster, rounds } of runs) {
      const figures = await load(cluster, row.spec, options);
      rounds.push(figures);
      tell(
        `round ${round} of ${options.rounds}: ${row.system} ${row.name}: ${Math.round(figures.perSecond).toLocaleString('en')}/s`,
      );
    }
  }
  return runs.map(({ row, rounds }) => ({ system: row.system, name: row.name, median: loadMedian(rounds) }));
}

/** How often it is loaded, and for how long. */
interface Priming {
  readonly windowMs: number;
  readonly timesMax: number;
}

/** A JVM compiles later, and twice, what runs often; and there are four that share the cores. */
const primings: Readonly<Partial<Record<SystemName, Priming>>> = {
  kindred: { windowMs: 500, timesMax: 1 },
  bare: { windowMs: 500, timesMax: 1 },
  cassandra: { windowMs: 5_000, timesMax: 12 },
};
/** As long as a load is faster than the one before by this much, code is still being compiled. */
const fasterByAtLeast = 1.1;
const primed = new WeakMap<Cluster, Set<string>>();

/** Once for each kind of operation. */
async function prime({ system, spec }: LoadRow, cluster: Cluster, { warmUpMs }: LoadTimes): Promise<void> {
  const priming = primings[system];
  if (priming === undefined) return;
  const { windowMs, timesMax } = priming;
  const before = primed.get(cluster) ?? new Set();
  primed.set(cluster, before);
  const { target, mix, readLevel, writeLevel } = spec;
  const kind = JSON.stringify([target, mix.shares, readLevel, writeLevel]);
  if (before.has(kind)) return;
  before.add(kind);
  let best = 0;
  for (let time = 1; time <= timesMax; time++) {
    const { perSecond } = await load(cluster, spec, { warmUpMs, windowMs });
    if (perSecond < best * fasterByAtLeast) return;
    best = perSecond;
  }
}

/** What was written into a cluster already, by size of values: the most keys. */
const filled = new WeakMap<Cluster, Map<number, number>>();

/** Writes the keys of `spec`, unless they are there. */
export async function fillOnce(cluster: Cluster, spec: LoadSpec): Promise<void> {
  const { target, keys, valueBytes } = spec;
  if (target === 'no-op' || target === 'bare') return;
  const before = filled.get(cluster) ?? new Map<number, number>();
  filled.set(cluster, before);
  if ((before.get(valueBytes) ?? 0) >= keys) return;
  if (keys >= 100_000) tell(`writing ${keys.toLocaleString('en')} keys of ${valueBytes} bytes`);
  const family = target.startsWith('kindred') ? 'kindred' : target.startsWith('etcd') ? 'etcd' : target;
  await fill(cluster, { target: family, keys, valueBytes });
  before.set(valueBytes, keys);
}

/** Failures of rows, for the end of a run; empty when there were none. */
export function failuresText(results: readonly LoadRowResult[]): string {
  return results
    .filter(({ median }) => median.failures > 0)
    .map(({ system, name, median }) => `${system} ${name}: failures ${JSON.stringify(median.failuresByCode)}`)
    .join('\n');
}

const systemNames: Readonly<Record<SystemName, string>> = {
  kindred: 'Kindred',
  bare: 'grpc-js',
  etcd: 'etcd',
  redis: 'Redis',
  cassandra: 'Cassandra',
};

/** The figures as a table for a terminal. */
export function loadTable(results: readonly LoadRowResult[]): string {
  return columnTable(
    ['', '', 'ops/s', 'p50 ms', 'p99 ms', 'p99.9 ms', 'CPU us/op', 'client us/op'],
    results.map((result) => [systemNames[result.system], ...loadCells(result)]),
  );
}

function loadCells({ name, median: figures }: LoadRowResult): readonly string[] {
  return [
    figures.failures > 0 ? `${name} (${figures.failures} FAILED)` : name,
    Math.round(figures.perSecond).toLocaleString('en'),
    figures.p50Ms.toFixed(2),
    figures.p99Ms.toFixed(2),
    figures.p999Ms.toFixed(2),
    figures.cpuMicros?.toFixed(1) ?? '-',
    figures.generatorCpuMicros.toFixed(1),
  ];
}

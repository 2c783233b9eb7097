/**
 * `bench` and `bench compare`: Kindred beside etcd and beside the floor, row by row; and `--profile`, one row under the CPU
 * profiler. Unary calls come from h2load, the same for all.
 */

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Cluster } from './cluster.ts';
import { startKindred } from './cluster-kindred.ts';
import { type Measurement, type MeasureOptions, measure } from './measure.ts';
import { profileText } from './profile.ts';
import { allRows, quorumPutThroughOneName, type Row } from './rows.ts';
import { type Session, say, tell } from './session.ts';
import { costText, mediansOf, type RowResult, tableText } from './table.ts';
import { UnaryClients } from './unary-call.ts';

/** Before the first round each Kindred row runs so long, unmeasured: its code is not compiled yet, and etcd's is. */
const prime = { warmUpMs: 200, windowMs: 800 };
const profiled = { warmUpMs: 3_000, windowMs: 10_000 };

export interface CompareOptions extends Omit<MeasureOptions, 'unaryDriver'> {
  readonly rounds: number;
  /** Which rows, by their names. */
  readonly chosen: (name: string) => boolean;
}

/** A row as it is kept. */
export interface KeptRow extends Pick<Row, 'system' | 'name' | 'comparedWith'> {
  readonly median: RowResult['median'];
}

/** The exit code: 1 when an operation failed. */
export async function runCompare(session: Session, options: CompareOptions): Promise<number> {
  const { etcd, h2load } = session.versions;
  if (etcd === undefined) say('etcd is left out: it is not installed (Debian: apt install etcd-server)');
  const rows: [Row, Cluster][] = [];
  for (const row of allRows()) {
    const cluster = options.chosen(row.name) ? await session.cluster(row.system) : undefined;
    if (cluster !== undefined) rows.push([row, cluster]);
  }
  const run = runner(session, options);
  try {
    for (const [row, cluster] of rows) if (row.system !== 'etcd') await run(row, cluster, prime);
    const rounds = new Map(rows.map(([row]): [Row, Measurement[]] => [row, []]));
    for (let round = 1; round <= options.rounds; round++) {
      for (const [row, cluster] of rows) {
        const measurement = await run(row, cluster, options);
        rounds.get(row)?.push(measurement);
        const figure = Math.round(measurement.perSecond).toLocaleString('en');
        tell(`round ${round} of ${options.rounds}: ${row.system} ${row.name}: ${figure}/s`);
      }
    }
    const results = [...rounds].map(
      ([row, measured]): RowResult => ({ row, rounds: measured, median: mediansOf(measured) }),
    );
    const { lanes, streams, windowMs } = options;
    say(
      `\nmedians of ${options.rounds} rounds of ${windowMs / 1000} s; unary: ${lanes} connections with ${streams} calls in flight ` +
        `(${h2load === undefined ? 'grpc-js' : `h2load ${h2load}`}); Kindred on ${session.engine}` +
        `${etcd === undefined ? '' : `; etcd ${etcd}`}; three nodes each, all on this machine\n`,
    );
    say(tableText(results));
    const cost = costText(results);
    if (cost !== '') say(`${cost}\n`);
    const kept = results.map(({ row, rounds: measured, median }) => {
      const { system, name, comparedWith } = row;
      return { system, name, comparedWith, median, rounds: measured };
    });
    await session.keepResults('compare', { options, rows: kept });
    const failed = results.filter(({ median }) => median.failures > 0);
    for (const { row, rounds: measured } of failed) {
      say(`${row.name}: ${measured.find((each) => each.firstFailure !== undefined)?.firstFailure}`);
    }
    return failed.length > 0 ? 1 : 0;
  } finally {
    run.close();
  }
}

/** One row of Kindred, with the profiler on the node that coordinates. */
export async function runProfile(session: Session, options: CompareOptions): Promise<number> {
  const kindredRows = allRows().filter((row) => row.system === 'kindred' && options.chosen(row.name));
  const row = kindredRows.find(({ name }) => name === quorumPutThroughOneName) ?? kindredRows[0];
  if (row === undefined) throw new Error('no row of Kindred has such a name');
  const profileDirectory = join(session.directory, 'profile');
  await mkdir(profileDirectory);
  const cluster = await session.own('profiled', () =>
    startKindred({ directory: join(session.directory, 'kindred'), engine: session.engine, profileDirectory }),
  );
  const run = runner(session, options);
  const { perSecond, cpuMicrosEach } = await run(row, cluster, profiled).finally(() => run.close());
  say(`${row.name}, profiled: ${Math.round(perSecond).toLocaleString('en')}/s`);
  say(
    `CPU us/op of each node, all threads: ${cpuMicrosEach?.map((each) => each.toFixed(0)).join(', ') ?? 'unknown'}`,
  );
  // The profile is written when the node ends.
  await session.stop('profiled');
  say(await profileText(profileDirectory, { lastMs: profiled.windowMs }));
  return 0;
}

interface Runner {
  (
    row: Row,
    cluster: Cluster,
    times: { readonly warmUpMs: number; readonly windowMs: number },
  ): Promise<Measurement>;
  close(): void;
}

function runner(session: Session, options: CompareOptions): Runner {
  const clients = new UnaryClients();
  const { directory, versions } = session;
  const unaryDriver = versions.h2load === undefined ? 'grpc-js' : 'h2load';
  if (unaryDriver === 'grpc-js') {
    say(
      'h2load is not installed (Debian: apt install nghttp2-client): unary calls come from grpc-js, which costs much more',
    );
  }
  const { lanes, streams } = options;
  return Object.assign(
    (row: Row, cluster: Cluster, { warmUpMs, windowMs }: { warmUpMs: number; windowMs: number }) =>
      measure(row, cluster, { clients, directory }, { lanes, streams, unaryDriver, warmUpMs, windowMs }),
    { close: () => clients.close() },
  );
}

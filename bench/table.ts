/** The table, and what it says in words. */

import { plainTable } from '../src/cli/answer-text.ts';
import type { Measurement } from './measure.ts';
import { median } from './median.ts';
import {
  floorName,
  floorThroughOneName,
  quorumPutName,
  quorumPutThroughOneName,
  type Row,
  type System,
} from './rows.ts';

/** A row with all that was measured of it. */
export interface RowResult {
  readonly row: Row;
  readonly rounds: readonly Measurement[];
  /** Of the rounds, figure by figure. */
  readonly median: Figures;
}

/** What is printed of a row. */
export interface Figures {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  readonly cpuMicros: number | undefined;
  /** Of the first node alone. */
  readonly cpuMicrosFirst: number | undefined;
  readonly failures: number;
}

/** A put that costs more than this many no-op calls is worth a look. */
const costRatioMax = 2.5;

/** The medians of some rounds of one row, figure by figure. */
export function mediansOf(rounds: readonly Measurement[]): Figures {
  const of = (figure: (round: Measurement) => number): number => median(rounds.map(figure));
  const ofCpu = (figure: (round: Measurement) => number | undefined): number | undefined => {
    const known = rounds.map(figure).filter((each) => each !== undefined);
    return known.length === 0 ? undefined : median(known);
  };
  return {
    perSecond: of((round) => round.perSecond),
    p50Ms: of((round) => round.p50Ms),
    p99Ms: of((round) => round.p99Ms),
    p999Ms: of((round) => round.p999Ms),
    cpuMicros: ofCpu((round) => round.cpuMicros),
    cpuMicrosFirst: ofCpu((round) => round.cpuMicrosEach?.[0]),
    failures: rounds.reduce((sum, round) => sum + round.failures, 0),
  };
}

const systemNames: Readonly<Record<System, string>> = { kindred: 'Kindred', etcd: 'etcd', bare: '' };
const head = ['', '', 'ops/s', 'p50 ms', 'p99 ms', 'p99.9 ms', 'CPU us/op', 'x no-op', 'ops/s / etcd'];
const textColumns = 2;

/** The figures of all rows. */
export function tableText(results: readonly RowResult[]): string {
  const floor = find(results, 'kindred', floorName)?.median.cpuMicros;
  const rows = results.map(({ row, median: figures }) => {
    const peer = row.comparedWith === undefined ? undefined : find(results, 'etcd', row.comparedWith)?.median;
    return [
      systemNames[row.system],
      figures.failures > 0 ? `${row.name} (${figures.failures} FAILED)` : row.name,
      Math.round(figures.perSecond).toLocaleString('en'),
      figures.p50Ms.toFixed(2),
      figures.p99Ms.toFixed(2),
      figures.p999Ms.toFixed(2),
      figures.cpuMicros?.toFixed(0) ?? '-',
      ratio(figures.cpuMicros, floor),
      ratio(figures.perSecond, peer?.perSecond),
    ];
  });
  return columnTable(head, rows);
}

/** A table whose first two columns are text, and whose others are figures, to the right. */
export function columnTable(titles: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = titles.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  const aligned = [titles, ...rows].map((row) =>
    row.map((cell, column) => (column < textColumns ? cell : cell.padStart(widths[column] as number))),
  );
  return plainTable(aligned[0] as string[], aligned.slice(1));
}

/** What a put costs in no-op calls: of all nodes together, and of the coordinator alone. */
export function costText(results: readonly RowResult[]): string {
  const lines: string[] = [];
  const say = (what: string, put: number | undefined, floor: number | undefined): void => {
    if (put === undefined || floor === undefined) return;
    const times = put / floor;
    const verdict =
      times > costRatioMax
        ? `more than ${costRatioMax}: worth a look (--profile)`
        : `at most ${costRatioMax}`;
    lines.push(
      `${what}: ${put.toFixed(0)} us against ${floor.toFixed(0)} us, ${times.toFixed(2)} times; ${verdict}`,
    );
  };
  const put = find(results, 'kindred', quorumPutThroughOneName)?.median;
  const floor = find(results, 'kindred', floorThroughOneName)?.median;
  const microsPerCall = (figures: Figures | undefined): number | undefined =>
    figures === undefined ? undefined : 1_000_000 / figures.perSecond;
  say(`${quorumPutThroughOneName}, time per call against a no-op`, microsPerCall(put), microsPerCall(floor));
  say(
    `${quorumPutThroughOneName}, CPU of the coordinator against a no-op`,
    put?.cpuMicrosFirst,
    floor?.cpuMicrosFirst,
  );
  say(
    `${quorumPutName}, CPU of all three nodes against a no-op`,
    find(results, 'kindred', quorumPutName)?.median.cpuMicros,
    find(results, 'kindred', floorName)?.median.cpuMicros,
  );
  return lines.join('\n');
}

function find(results: readonly RowResult[], system: System, name: string): RowResult | undefined {
  return results.find(({ row }) => row.system === system && row.name === name);
}

function ratio(figure: number | undefined, to: number | undefined): string {
  return figure === undefined || to === undefined || !(to > 0) ? '' : (figure / to).toFixed(2);
}

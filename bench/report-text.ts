/** The results of all commands as a document: tables in Markdown, and plots. */

import { linearAxis, linePlot, logAxis, type PlotSeries, plotColors } from '../tools/line-plot.ts';
import type { KeptRow } from './compare.ts';
import { goalRows } from './goals.ts';
import type { LoadRowResult } from './interleaved.ts';
import type { BusyPoint, LatencyPoint, LatencySeries } from './latency.ts';
import type { MatrixResult } from './matrix.ts';
import { type NodesPoint, nodesHead, nodesRows } from './nodes.ts';
import { type OverloadResults, overloadHead, overloadRows, slowReaderText } from './overload.ts';
import { type ScalePoint, scaleHead, scaleRows } from './scale.ts';
import { describe, type ResultHead } from './session.ts';

/** The newest of every kind; those that were never measured are missing. */
export interface ReportResults {
  readonly compare: (ResultHead & { readonly rows: readonly KeptRow[] }) | undefined;
  readonly peers: (ResultHead & { readonly rows: readonly LoadRowResult[] }) | undefined;
  readonly latency:
    | (ResultHead & { readonly series: readonly LatencySeries[]; readonly busy: readonly BusyPoint[] })
    | undefined;
  readonly ycsb:
    | (ResultHead & {
        readonly options: { readonly keys: number; readonly valueBytes: number };
        readonly rows: readonly LoadRowResult[];
      })
    | undefined;
  readonly matrix: (ResultHead & { readonly rows: readonly MatrixResult[] }) | undefined;
  readonly overload: (ResultHead & OverloadResults) | undefined;
  readonly scale: (ResultHead & { readonly points: readonly ScalePoint[] }) | undefined;
  readonly nodes: (ResultHead & { readonly points: readonly NodesPoint[] }) | undefined;
  readonly cassandra: (ResultHead & { readonly rows: readonly LoadRowResult[] }) | undefined;
}

export interface ReportPlot {
  readonly file: string;
  readonly title: string;
  readonly svg: string;
}

/** What stands between the marks of the document. */
export function reportText(
  results: ReportResults,
  plots: readonly { readonly title: string; readonly path: string }[],
): string {
  const { compare, peers, latency, ycsb, matrix, overload, scale, nodes, cassandra } = results;
  const parts: (string | undefined)[] = [
    headText(Object.values(results)),
    '## Goals',
    table(
      ['goal', 'measured', 'reached'],
      goalRows(results).map(({ goal, measured, reached }) => [
        goal,
        measured ?? 'not measured',
        reached === undefined ? '' : reached ? 'yes' : '**no**',
      ]),
    ),
    ...(compare === undefined ? [] : ['## Beside etcd, unary', compareTable(compare.rows)]),
    ...(peers === undefined ? [] : ['## Many operations in flight', loadTable(peers.rows)]),
    ...(cassandra === undefined
      ? []
      : [
          `Beside Cassandra ${cassandra.versions.cassandra}, in a run of its own:`,
          loadTable(cassandra.rows),
        ]),
    ...(latency === undefined ? [] : ['## Latency at fixed rates', latencyTable(latency)]),
    ...plots.map(({ title, path }) => `![${title}](${path})`),
    ...(ycsb === undefined
      ? []
      : [
          '## YCSB',
          `${ycsb.options.keys.toLocaleString('en')} keys, values of ${ycsb.options.valueBytes} bytes.`,
          loadTable(ycsb.rows),
        ]),
    ...(matrix === undefined
      ? []
      : ['## Sizes, levels, durability, numbers of keys', loadTable(matrix.rows)]),
    ...(scale === undefined
      ? []
      : ['## Many keys on one node', table(scaleHead(scale.points), scaleRows(scale.points))]),
    ...(nodes === undefined
      ? []
      : ['## As the cluster grows', withoutEmpty(nodesHead, nodesRows(nodes.points))]),
    ...(overload === undefined
      ? []
      : [
          '## Overload',
          table(overloadHead, overloadRows(overload.loads)),
          `${capital(slowReaderText(overload.slowReader))}.`,
        ]),
  ];
  return `${parts.filter((part) => part !== undefined).join('\n\n')}\n`;
}

/** Throughput against latency, unary and pipelined, and throughput against keys. */
export function plotsOf({ latency, matrix }: ReportResults): readonly ReportPlot[] {
  const plots: ReportPlot[] = [];
  for (const [file, title, pipelined] of [
    ['latency-unary.svg', 'p99 latency against throughput, unary calls', false],
    ['latency-pipelined.svg', 'p99 latency against throughput, pipelined', true],
  ] as const) {
    const series = (latency?.series ?? []).filter(
      ({ name, points }) => name.startsWith('pipelined') === pipelined && points.length > 0,
    );
    if (series.length === 0) continue;
    const points = series.flatMap((each) => each.points);
    plots.push({
      file,
      title,
      svg: linePlot({
        title,
        x: linearAxis(
          'operations per second',
          points.map(({ perSecond }) => perSecond),
        ),
        y: logAxis(
          'p99, ms',
          points.map(({ p99Ms }) => Math.max(0.01, p99Ms)),
        ),
        series: series.map(
          (each, index): PlotSeries => ({
            name: `${systemName(each.system)} ${each.name}`,
            color: colorOf(index),
            style: 'line',
            points: each.points.map(({ perSecond, p99Ms }) => [perSecond, Math.max(0.01, p99Ms)]),
          }),
        ),
      }),
    });
  }
  const byKeys = (matrix?.rows ?? []).filter(({ name }) => name.endsWith(' keys'));
  if (byKeys.length > 0) plots.push(keysPlot(byKeys));
  return plots;
}

function keysPlot(rows: readonly MatrixResult[]): ReportPlot {
  const title = 'Throughput against the number of keys, 100 bytes';
  const names = [...new Set(rows.map(({ name }) => name.slice(0, name.lastIndexOf(','))))];
  // "put QUORUM, 1,000,000 keys": numbers have commas too.
  const short = [...new Set(names.map((name) => name.replace(/, [\d,]*$/, '')))];
  return {
    file: 'keys.svg',
    title,
    svg: linePlot({
      title,
      x: logAxis(
        'keys',
        rows.map(({ keys }) => keys),
      ),
      y: linearAxis(
        'operations per second',
        rows.map(({ median }) => median.perSecond),
      ),
      series: short.map((name, index) => ({
        name,
        color: colorOf(index),
        style: 'line',
        points: rows
          .filter((row) => row.name.startsWith(`${name}, `))
          .map(({ keys, median }) => [keys, median.perSecond] as const),
      })),
    }),
  };
}

function colorOf(index: number): string {
  return plotColors[index % plotColors.length] as string;
}

/** Which machine, which commits, which versions. */
function headText(results: readonly (ResultHead | undefined)[]): string {
  const known = results.filter((each) => each !== undefined);
  const newest = [...known].sort((a, b) => (a.at < b.at ? 1 : -1))[0];
  if (newest === undefined) return 'Nothing was measured yet: `npm run bench -- report`.';
  const commits = [...new Set(known.map(({ commit }) => commit ?? 'unknown'))].join(', ');
  const { etcd, redis, h2load } = newest.versions;
  return [
    `Measured until ${newest.at.slice(0, 10)}, commit ${commits}, storage ${newest.engine}.`,
    `${describe(newest.machine).replaceAll('\n', ' ')}.`,
    `etcd ${etcd ?? 'not installed'}, Redis ${redis ?? 'not installed'}, h2load ${h2load ?? 'not installed'}.`,
  ].join('\n');
}

function compareTable(rows: readonly KeptRow[]): string {
  return table(
    ['', '', 'ops/s', 'p50 ms', 'p99 ms', 'CPU us/op', 'ops/s in units of etcd'],
    rows.map(({ system, name, median, comparedWith }) => {
      const peer =
        comparedWith === undefined
          ? undefined
          : rows.find((each) => each.system === 'etcd' && each.name === comparedWith);
      return [
        systemName(system),
        name,
        Math.round(median.perSecond).toLocaleString('en'),
        median.p50Ms.toFixed(2),
        median.p99Ms.toFixed(2),
        median.cpuMicros?.toFixed(0) ?? '',
        peer === undefined ? '' : (median.perSecond / peer.median.perSecond).toFixed(2),
      ];
    }),
  );
}

function loadTable(rows: readonly LoadRowResult[]): string {
  return table(
    ['', '', 'ops/s', 'p50 ms', 'p99 ms', 'p99.9 ms', 'CPU us/op'],
    rows.map(({ system, name, median }) => [
      systemName(system),
      median.failures > 0 ? `${name} (${median.failures} failed)` : name,
      Math.round(median.perSecond).toLocaleString('en'),
      median.p50Ms.toFixed(2),
      median.p99Ms.toFixed(2),
      median.p999Ms.toFixed(2),
      median.cpuMicros?.toFixed(1) ?? '',
    ]),
  );
}

function latencyTable({
  series,
  busy,
}: {
  readonly series: readonly LatencySeries[];
  readonly busy: readonly BusyPoint[];
}): string {
  const row = (name: string, share: string, point: LatencyPoint): string[] => [
    name,
    share,
    Math.round(point.askedPerSecond).toLocaleString('en'),
    Math.round(point.perSecond).toLocaleString('en'),
    ...[point.p50Ms, point.p99Ms, point.p999Ms, point.sendLagP99Ms].map((ms) => ms.toFixed(2)),
  ];
  const share = (point: LatencyPoint): string => `${Math.round(point.share * 100)} %`;
  return table(
    ['', 'of its peak', 'asked/s', 'ops/s', 'p50 ms', 'p99 ms', 'p99.9 ms', 'of p99, the client ms'],
    [
      ...series.flatMap(({ system, name, points }) =>
        points.map((point) => row(`${systemName(system)} ${name}`, share(point), point)),
      ),
      ...busy.map((point) =>
        row(`Kindred ${point.name}, compaction and anti-entropy at work`, share(point), point),
      ),
    ],
  );
}

function systemName(system: string): string {
  return (
    { kindred: 'Kindred', etcd: 'etcd', redis: 'Redis', cassandra: 'Cassandra', bare: 'grpc-js' }[system] ??
    system
  );
}

/** Two columns of text, and figures to the right. */
function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = head.map((_, index) => (index < 2 ? '---' : '---:'));
  return [head, line, ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

/** Without the columns that have neither head nor cells. */
function withoutEmpty(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const kept = head.map((title, index) => title !== '' || rows.some((row) => row[index] !== ''));
  const only = (cells: readonly string[]): string[] => cells.filter((_, index) => kept[index]);
  return table(only(head), rows.map(only));
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

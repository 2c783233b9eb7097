/** Results of membership runs for people: a Markdown table, and a plot as SVG. */

import { linearAxis, linePlot, logAxis, plotColors } from '../../tools/line-plot.ts';
import type { MembershipResult } from './membership-run.ts';

/** A result, and what it took on this machine. */
export interface MeasuredResult extends MembershipResult {
  readonly cpuSeconds: number;
}

const begin = '<!-- membership: begin -->';
const end = '<!-- membership: end -->';

/** One row for each size. */
export function tableOf(results: readonly MeasuredResult[]): string {
  const rows = results.map((result) => {
    const { nodes, seconds, failures, falseFailed, bytesPerSecond, cpuSeconds } = result;
    const silent = failures.filter(({ kind }) => kind === 'machine').map(({ everywhereMs }) => everywhereMs);
    const killed = failures.filter(({ kind }) => kind === 'process').map(({ everywhereMs }) => everywhereMs);
    return [
      nodes.toLocaleString('en'),
      String(failures.length),
      spread(
        failures.map(({ rounds }) => rounds),
        1,
      ),
      spread(killed.map(inSeconds), 1),
      spread(silent.map(inSeconds), 1),
      String(falseFailed.length),
      `${kilobytes(bytesPerSecond.gossip.mean)}, ${kilobytes(bytesPerSecond.gossip.max)}`,
      `${kilobytes(bytesPerSecond.all.mean)}, ${kilobytes(bytesPerSecond.all.max)}`,
      `${seconds} s in ${cpuSeconds.toFixed(cpuSeconds < 10 ? 1 : 0)} s`,
    ];
  });
  const head = [
    'nodes',
    'failures',
    'rounds of gossip until all have heard',
    'process killed: FAILED everywhere after, s',
    'machine off: FAILED everywhere after, s',
    'false FAILED',
    'gossip, KB per node and second (mean, most)',
    'with heartbeats',
    'virtual time in processor time',
  ];
  return [head, head.map(() => '---:'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

/** The document with the table and the plot between its marks. */
export function withResults(document: string, results: readonly MeasuredResult[]): string {
  const from = document.indexOf(begin);
  const to = document.indexOf(end);
  if (from < 0 || to < from) throw new Error(`the document has no ${begin} before ${end}`);
  return `${document.slice(0, from + begin.length)}\n\n${tableOf(results)}\n\n${document.slice(to)}`;
}

/** Rounds against the number of nodes, on a logarithmic scale: median and worst, and log2 of the number beside them. */
export function plotOf(results: readonly MeasuredResult[]): string {
  const points = results.flatMap((result) => {
    const rounds = known(result.failures.map(({ rounds }) => rounds));
    if (rounds.length === 0) return [];
    return [{ nodes: result.nodes, rounds, median: median(rounds), most: Math.max(...rounds) }];
  });
  const x = logAxis('nodes', [1, ...results.map(({ nodes }) => nodes)]);
  const y = linearAxis('rounds', [Math.log2(x.to), ...points.map(({ most }) => most)], 10);
  const [teal, red] = plotColors;
  return linePlot({
    title: 'Rounds of gossip until every live node has heard of a failure',
    x,
    y,
    series: [
      {
        name: 'log2 of the nodes',
        color: '#777777',
        style: 'dashed',
        points: [
          [1, 0],
          [x.to, Math.log2(x.to)],
        ],
      },
      {
        name: 'each failure, and the slowest',
        color: red,
        style: 'thin',
        points: points.map(({ nodes, most }) => [nodes, most] as const),
      },
      {
        color: red,
        style: 'dots',
        points: points.flatMap(({ nodes, rounds }) => rounds.map((each) => [nodes, each] as const)),
      },
      {
        name: 'median',
        color: teal,
        style: 'line',
        points: points.map(({ nodes, median }) => [nodes, median] as const),
      },
    ],
  });
}

/** What went wrong, one line each. */
export function complaintsOf({ nodes, failures, falseFailed }: MembershipResult): readonly string[] {
  const missed = failures.filter(({ everywhereMs }) => everywhereMs === undefined).map(({ node }) => node);
  const unheard = failures.filter(({ rounds }) => rounds === undefined).map(({ node }) => node);
  return [
    ...(missed.length > 0 ? [`${nodes} nodes: not everybody learned that ${missed.join(', ')} failed`] : []),
    ...(unheard.length > 0
      ? [`${nodes} nodes: the verdict on ${unheard.join(', ')} did not get around`]
      : []),
    ...(falseFailed.length > 0
      ? [`${nodes} nodes: ${falseFailed.join(', ')} counted as failed while alive`]
      : []),
  ];
}

/** The middle one of the sorted values. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? Number.NaN;
}

function known(values: readonly (number | undefined)[]): readonly number[] {
  return values.filter((value) => value !== undefined);
}

function inSeconds(ms: number | undefined): number | undefined {
  return ms === undefined ? undefined : ms / 1_000;
}

/** `median, most` */
function spread(values: readonly (number | undefined)[], digits: number): string {
  const numbers = known(values);
  if (numbers.length === 0) return '-';
  const missing = values.length - numbers.length;
  const text = `${median(numbers).toFixed(digits)}, ${Math.max(...numbers).toFixed(digits)}`;
  return missing === 0 ? text : `${text} (${missing} never)`;
}

function kilobytes(bytes: number): string {
  return (bytes / 1_000).toFixed(1);
}

/** What a campaign has shown, a row for each kind of fault and engine, as a table in Markdown. */

import { type ChaosRunResult, isSound } from './chaos-run.ts';

export interface Skipped {
  readonly kind: string;
  readonly reason: string;
}

const columns = [
  'fault',
  'engine',
  'network',
  'rounds',
  'acknowledged',
  'unknown',
  'not applied',
  'reads',
  'failed reads',
  'acknowledged lost',
  'untrue reports',
  'other violations',
  'full service, s (max)',
  'keys of a killed node unavailable, s (max)',
  'verdict',
];

/** The table, and below it what was skipped and why. */
export function resultTable(results: readonly ChaosRunResult[], skipped: readonly Skipped[]): string {
  const rows = results.map((result) => [
    result.kind,
    result.engine,
    result.network,
    String(result.rounds),
    String(result.acknowledged),
    String(result.unknown),
    String(result.notApplied),
    String(result.readsDone),
    String(result.readsFailed),
    String(result.lost.length),
    String(result.untrue.length),
    String(result.other.length),
    result.fullServiceMs.length === 0 ? 'never' : (Math.max(...result.fullServiceMs) / 1000).toFixed(1),
    result.unavailableMs.length === 0 ? '-' : (Math.max(...result.unavailableMs) / 1000).toFixed(2),
    isSound(result) ? 'sound' : 'VIOLATED',
  ]);
  const widths = columns.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => (row[column] as string).length)),
  );
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => (column < 3 ? cell.padEnd(widths[column] as number) : cell.padStart(widths[column] as number))).join(' | ')} |`;
  const ruler = `|${widths.map((width, column) => (column < 3 ? '-'.repeat(width + 2) : `${'-'.repeat(width + 1)}:`)).join('|')}|`;
  return [
    ...(rows.length === 0 ? [] : [line(columns), ruler, ...rows.map(line)]),
    ...skipped.map(({ kind, reason }) => `skipped: ${kind}: ${reason}`),
    '',
  ].join('\n');
}

/** Results of membership runs for people: a Markdown table, and a plot as SVG. */

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
  const width = 640;
  const height = 360;
  const margin = { left: 60, right: 20, top: 40, bottom: 50 };
  const sizes = results.map(({ nodes }) => nodes);
  const decades = Math.max(1, Math.ceil(Math.log10(Math.max(...sizes))));
  const points = results.flatMap((result) => {
    const rounds = known(result.failures.map(({ rounds }) => rounds));
    if (rounds.length === 0) return [];
    return [{ nodes: result.nodes, rounds, median: median(rounds), most: Math.max(...rounds) }];
  });
  const roundsMax = Math.ceil(Math.max(Math.log2(10 ** decades), ...points.map(({ most }) => most)) + 1);
  const x = (nodes: number): number =>
    margin.left + (Math.log10(nodes) / decades) * (width - margin.left - margin.right);
  const y = (rounds: number): number =>
    height - margin.bottom - (rounds / roundsMax) * (height - margin.top - margin.bottom);
  const at = (value: number): string => value.toFixed(1);
  const line = (path: readonly (readonly [number, number])[], style: string): string =>
    `<polyline fill="none" ${style} points="${path.map(([a, b]) => `${at(x(a))},${at(y(b))}`).join(' ')}"/>`;
  const text = (left: number, top: number, content: string, style = ''): string =>
    `<text x="${at(left)}" y="${at(top)}" ${style}>${content}</text>`;
  const parts: string[] = [];
  for (let rounds = 0; rounds <= roundsMax; rounds += 2) {
    parts.push(
      `<line x1="${margin.left}" x2="${width - margin.right}" y1="${at(y(rounds))}" y2="${at(y(rounds))}" stroke="#dddddd"/>`,
      text(margin.left - 8, y(rounds) + 4, String(rounds), 'text-anchor="end"'),
    );
  }
  for (let decade = 0; decade <= decades; decade++) {
    const nodes = 10 ** decade;
    parts.push(
      text(x(nodes), height - margin.bottom + 18, nodes.toLocaleString('en'), 'text-anchor="middle"'),
    );
  }
  parts.push(
    line(
      [
        [1, 0],
        [10 ** decades, Math.log2(10 ** decades)],
      ],
      'stroke="#999999" stroke-dasharray="5 4"',
    ),
    text(
      x(10 ** decades) - 6,
      y(Math.log2(10 ** decades)) - 8,
      'log2 of the nodes',
      'text-anchor="end" fill="#777777"',
    ),
    line(
      points.map(({ nodes, most }) => [nodes, most]),
      'stroke="#d1495b"',
    ),
    line(
      points.map(({ nodes, median }) => [nodes, median]),
      'stroke="#00798c" stroke-width="2"',
    ),
  );
  for (const { nodes, rounds, median } of points) {
    for (const each of rounds)
      parts.push(
        `<circle cx="${at(x(nodes))}" cy="${at(y(each))}" r="2.5" fill="#d1495b" fill-opacity="0.6"/>`,
      );
    parts.push(`<circle cx="${at(x(nodes))}" cy="${at(y(median))}" r="4" fill="#00798c"/>`);
  }
  parts.push(
    text(margin.left, 20, 'Rounds of gossip until every live node has heard of a failure', 'font-size="15"'),
    text(width / 2, height - 10, 'nodes', 'text-anchor="middle"'),
    text(margin.left + 10, margin.top + 14, 'median', 'fill="#00798c"'),
    text(margin.left + 70, margin.top + 14, 'each failure, and the slowest', 'fill="#d1495b"'),
  );
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12" fill="#222222">`,
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    ...parts,
    '</svg>\n',
  ].join('\n');
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

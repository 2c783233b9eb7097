/**
 * `bench report`: runs what fits into the given time, and writes `docs/performance.md` with its plots from the newest results
 * of every command, also of those that take long and were run apart (overload, scale, nodes, cassandra).
 */

import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runCompare } from './compare.ts';
import { runLatency } from './latency.ts';
import { runMatrix } from './matrix.ts';
import { runPeers } from './peers.ts';
import { plotsOf, type ReportResults, reportText } from './report-text.ts';
import { newestResults, type Session, say } from './session.ts';
import { runYcsb } from './ycsb-run.ts';

const documents = join(import.meta.dirname, '..', 'docs');
const documentPath = join(documents, 'performance.md');
const begin = '<!-- bench: begin -->';
const end = '<!-- bench: end -->';

export interface ReportOptions {
  readonly minutes: number;
}

interface Section {
  readonly name: string;
  /** Of the minutes that the lengths below are made for, on a machine with nothing else to do. */
  readonly seconds: number;
  /** `scale` stretches windows: 1 when there is as much time as usual. */
  readonly run: (session: Session, scale: number) => Promise<number>;
}

const usualMinutes = 15;

/** The most important first: what does not fit is left out. */
const sections: readonly Section[] = [
  {
    name: 'compare',
    seconds: 190,
    run: (session, scale) =>
      runCompare(session, {
        ...windows(1_200, scale),
        rounds: 5,
        lanes: 12,
        streams: 4,
        // Larger values are in the matrix.
        chosen: (name) => !name.includes('KiB'),
      }),
  },
  {
    name: 'peers',
    seconds: 150,
    run: (session, scale) => runPeers(session, { ...windows(1_200, scale), rounds: 5 }),
  },
  {
    name: 'latency',
    seconds: 160,
    run: (session, scale) =>
      runLatency(session, { ...windows(2_000, scale), shares: [0.1, 0.25, 0.5, 0.7, 0.85, 0.95] }),
  },
  {
    name: 'ycsb',
    seconds: 70,
    run: (session, scale) =>
      runYcsb(session, {
        ...windows(1_200, scale),
        rounds: 3,
        keys: 10_000,
        valueBytes: 100,
        connections: 12,
        inFlight: 8,
      }),
  },
  {
    name: 'matrix',
    seconds: 230,
    run: (session, scale) =>
      runMatrix(session, {
        ...windows(800, scale),
        rounds: 2,
        valueBytes: [100, 1024, 10 * 1024, 100 * 1024],
        keys: [10_000, 100_000, 1_000_000],
      }),
  },
];

/** The exit code: the worst of the sections. */
export async function runReport(session: Session, { minutes }: ReportOptions): Promise<number> {
  const started = performance.now();
  const scale = minutes / usualMinutes;
  const leftOut: string[] = [];
  let worst = 0;
  for (const { name, seconds, run } of sections) {
    const leftSeconds = minutes * 60 - (performance.now() - started) / 1000;
    if (leftSeconds < seconds * scale) {
      leftOut.push(name);
      continue;
    }
    say(`\n== ${name} (at ${((performance.now() - started) / 60_000).toFixed(1)} min)`);
    try {
      worst = Math.max(worst, await run(session, scale));
    } catch (error) {
      // The others are worth having.
      say(`${name} ended early: ${(error as Error).message}`);
      worst = 1;
    }
  }
  for (const name of leftOut)
    say(`left out: ${name}. The document shows its newest results, if there are any.`);
  await renderReport();
  return worst;
}

/** Writes the document and the plots. What stands outside of the marks in the document stays. */
export async function renderReport(): Promise<void> {
  const results: ReportResults = {
    compare: await newestResults('compare'),
    peers: await newestResults('peers'),
    latency: await newestResults('latency'),
    ycsb: await newestResults('ycsb'),
    matrix: await newestResults('matrix'),
    overload: await newestResults('overload'),
    scale: await newestResults('scale'),
    nodes: await newestResults('nodes'),
    cassandra: await newestResults('cassandra'),
  };
  const plots = plotsOf(results);
  const directory = join(documents, 'performance');
  await mkdir(directory, { recursive: true });
  for (const { file, svg } of plots) await writeFile(join(directory, file), svg);
  const text = reportText(
    results,
    plots.map(({ file, title }) => ({ title, path: `performance/${file}` })),
  );
  const document = await readFile(documentPath, 'utf8');
  const from = document.indexOf(begin);
  const to = document.indexOf(end);
  if (from < 0 || to < from) throw new Error(`${documentPath} has no ${begin} before ${end}`);
  await writeFile(
    documentPath,
    `${document.slice(0, from + begin.length)}\n\n${text}\n${document.slice(to)}`,
  );
  say(`written to ${documentPath}`);
}

const windowMsMin = 200;

function windows(windowMs: number, scale: number): { readonly warmUpMs: number; readonly windowMs: number } {
  return { warmUpMs: 500, windowMs: Math.max(windowMsMin, Math.round(windowMs * scale)) };
}

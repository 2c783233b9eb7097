/**
 * `bench --check`: what Kindred costs in units of the floor, a bare grpc-js server that does nothing, measured in the same
 * run; compared with what was committed. Machines differ, and so do hours on one machine; the ratios hardly do.
 */

import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ConsistencyLevel } from '../src/gen/kindred/v1/types.ts';
import type { Cluster } from './cluster.ts';
import { fillOnce, type InterleavedOptions } from './interleaved.ts';
import { type LoadFigures, type LoadSpec, load, plainLoad } from './load.ts';
import { median } from './median.ts';
import { type Session, say, tell } from './session.ts';
import { columnTable } from './table.ts';

/** `cpu get ONE` and such: higher is better, and 1 is the floor. */
export type Ratios = Readonly<Record<string, number>>;

export interface RatiosOptions extends InterleavedOptions {
  readonly check: boolean;
  readonly write: boolean;
}

const committedPath = join(import.meta.dirname, 'ratios.json');
/** A ratio that is lower than so much of the committed one has fallen. */
const shareMin = 0.75;

const one = ConsistencyLevel.CONSISTENCY_LEVEL_ONE;
const put = { mix: { shares: { update: 1 }, distribution: 'uniform' } } as const;
const unary = { ...plainLoad, connections: 12, arrivals: { kind: 'closed', inFlight: 4 } } as const;
const pipelined = {
  ...plainLoad,
  target: 'kindred-pipeline',
  connections: 3,
  arrivals: { kind: 'closed', inFlight: 256 },
} as const;

const floor: LoadSpec = { ...unary, target: 'bare', connections: 4 };
/** Of puts only CPU is compared: how many a second there are is a matter of the disk. */
const rows: Readonly<Record<string, LoadSpec>> = {
  'no-op': { ...unary, target: 'no-op' },
  'get ONE': { ...unary, target: 'kindred', readLevel: one },
  'get QUORUM': { ...unary, target: 'kindred' },
  'put QUORUM': { ...unary, ...put, target: 'kindred' },
  'pipelined get ONE': { ...pipelined, readLevel: one },
  'pipelined put QUORUM': { ...pipelined, ...put },
};

/** A check takes no longer than about this: a machine on which it would is too busy for any verdict. */
const checkMsMax = 100_000;
const roundsMin = 3;

/** The exit code: 1 when a ratio has fallen. */
export async function runRatios(session: Session, options: RatiosOptions): Promise<number> {
  const untilMs = options.check ? performance.now() + checkMsMax : Number.POSITIVE_INFINITY;
  const committed = options.check ? await committedRatios() : undefined;
  const rounds: Ratios[] = [];
  await addRounds(session, options, { rounds, prime: true, untilMs });
  if (rounds.length < Math.min(roundsMin, options.rounds)) {
    say(`no verdict: this machine is too busy for ${roundsMin} good rounds`);
    // Nothing was found; but nothing could be written either.
    return options.write ? 1 : 0;
  }
  let fallen = committed === undefined ? [] : fallenRatios(medianRatios(rounds), committed);
  if (fallen.length > 0) {
    // A machine that was busy with something else for some seconds is no reason to fail.
    tell(`again, because of ${fallen.join(', ')}`);
    await addRounds(session, options, { rounds, prime: false, untilMs });
    fallen = committed === undefined ? [] : fallenRatios(medianRatios(rounds), committed);
  }
  const ratios = medianRatios(rounds);
  say(`\nfloor / Kindred for CPU, Kindred / floor for ops/s; medians of ${rounds.length} rounds\n`);
  say(ratiosTable(ratios, committed));
  await session.keepResults('ratios', { options, ratios, rounds });
  if (options.write) {
    const rounded = Object.fromEntries(
      Object.entries(ratios).map(([name, ratio]) => [name, Number(ratio.toPrecision(3))]),
    );
    await writeFile(committedPath, `${JSON.stringify(rounded, null, 2)}\n`);
    say(`written to ${committedPath}`);
  }
  for (const name of fallen) {
    say(
      `${name} has fallen from ${committed?.[name]} to ${ratios[name]?.toFixed(3)}: by more than ${(1 - shareMin) * 100} %`,
    );
  }
  if (fallen.length > 0) say('If that is meant, commit what --write-ratios writes on a quiet machine.');
  return fallen.length > 0 ? 1 : 0;
}

/** The names of ratios that are much lower than the committed ones. Those that only one side has are no business of it. */
export function fallenRatios(ratios: Ratios, committed: Ratios): string[] {
  return Object.keys(committed).filter((name) => {
    const ratio = ratios[name];
    return ratio !== undefined && !(ratio >= shareMin * (committed[name] as number));
  });
}

/** The medians of some rounds, ratio by ratio. */
export function medianRatios(rounds: readonly Ratios[]): Ratios {
  return Object.fromEntries(
    Object.keys(rounds[0] ?? {}).map((name) => [
      name,
      median(rounds.map((round) => round[name] ?? Number.NaN)),
    ]),
  );
}

async function addRounds(
  session: Session,
  options: InterleavedOptions,
  into: { readonly rounds: Ratios[]; readonly prime: boolean; readonly untilMs: number },
): Promise<void> {
  const [kindred, bare] = [await session.kindred(), await session.cluster('bare')];
  if (bare === undefined) throw new Error('the floor is always installed');
  for (const spec of Object.values(rows)) {
    await fillOnce(kindred, spec);
    if (into.prime) await load(kindred, spec, { ...options, windowMs: primeMs });
  }
  if (into.prime) await load(bare, floor, { ...options, windowMs: primeMs });
  for (let round = 1; round <= options.rounds; round++) {
    if (performance.now() > into.untilMs) return;
    const ratios = await oneRound(kindred, bare, options);
    if (ratios !== undefined) into.rounds.push(ratios);
    tell(
      `round ${round} of ${options.rounds}${ratios === undefined ? ': nodes refused calls, it does not count' : ''}`,
    );
  }
}

/** `undefined` when calls failed: nodes that are starved of CPU refuse, and their figures say nothing. */
async function oneRound(
  kindred: Cluster,
  bare: Cluster,
  options: InterleavedOptions,
): Promise<Ratios | undefined> {
  const ratios: Record<string, number> = {};
  const under = await load(bare, floor, options);
  let good = under.operations > 0;
  for (const [name, spec] of Object.entries(rows)) {
    const figures = await load(kindred, spec, options);
    good &&= figures.operations > 0 && figures.failures <= figures.operations * failedShareMax;
    const wrong = Object.keys(figures.failuresByCode).filter((code) => code !== refusedCode);
    if (wrong.length > 0) throw new Error(`${name}: ${JSON.stringify(figures.failuresByCode)}`);
    addRatios(ratios, name, figures, under);
  }
  return good ? ratios : undefined;
}

/** RESOURCE_EXHAUSTED. */
const refusedCode = '8';
const failedShareMax = 0.01;

/** Long enough for V8 to compile what is hot. */
const primeMs = 1_000;

function addRatios(
  into: Record<string, number>,
  name: string,
  figures: LoadFigures,
  under: LoadFigures,
): void {
  if (!name.includes('put')) into[`ops/s ${name}`] = figures.perSecond / under.perSecond;
  if (figures.cpuMicros !== undefined && under.cpuMicros !== undefined) {
    into[`cpu ${name}`] = under.cpuMicros / figures.cpuMicros;
  }
}

function ratiosTable(ratios: Ratios, committed: Ratios | undefined): string {
  return columnTable(
    ['', '', 'ratio', 'committed', 'change'],
    Object.entries(ratios)
      .sort()
      .map(([name, ratio]) => {
        const before = committed?.[name];
        const change = before === undefined ? '' : `${(100 * (ratio / before - 1)).toFixed(0)} %`;
        return [name, '', ratio.toFixed(3), before?.toFixed(3) ?? '', change];
      }),
  );
}

async function committedRatios(): Promise<Ratios> {
  let text: string;
  try {
    text = await readFile(committedPath, 'utf8');
  } catch {
    throw new Error(`${committedPath} is not there: --write-ratios writes it`);
  }
  return JSON.parse(text);
}

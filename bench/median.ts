/** Medians of rounds: one slow round says more about the machine than about the system. */

import type { LoadFigures } from './load.ts';

/** The middle value, or the mean of the two in the middle; NaN without any. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

/** What is kept of some rounds of one load. */
export interface LoadMedian {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  readonly cpuMicros: number | undefined;
  /** Of the first server alone. */
  readonly cpuMicrosFirst: number | undefined;
  readonly generatorCpuMicros: number;
  readonly sendLagP99Ms: number;
  readonly failures: number;
  readonly failuresByCode: Readonly<Record<string, number>>;
  readonly shed: number;
  readonly rounds: readonly number[];
}

/** The medians of some rounds, figure by figure; failures are added up. */
export function loadMedian(rounds: readonly LoadFigures[]): LoadMedian {
  const of = (figure: (round: LoadFigures) => number): number => median(rounds.map(figure));
  const known = (figure: (round: LoadFigures) => number | undefined): number | undefined => {
    const values = rounds.map(figure).filter((each) => each !== undefined);
    return values.length === 0 ? undefined : median(values);
  };
  const failuresByCode: Record<string, number> = {};
  for (const round of rounds) {
    for (const [code, count] of Object.entries(round.failuresByCode)) {
      failuresByCode[code] = (failuresByCode[code] ?? 0) + count;
    }
  }
  return {
    perSecond: of((round) => round.perSecond),
    p50Ms: of((round) => round.p50Ms),
    p99Ms: of((round) => round.p99Ms),
    p999Ms: of((round) => round.p999Ms),
    cpuMicros: known((round) => round.cpuMicros),
    cpuMicrosFirst: known((round) => round.cpuMicrosEach?.[0]),
    generatorCpuMicros: of((round) => round.generatorCpuMicros),
    sendLagP99Ms: of((round) => round.sendLagP99Ms),
    failures: rounds.reduce((sum, round) => sum + round.failures, 0),
    failuresByCode,
    shed: rounds.reduce((sum, round) => sum + round.shed, 0),
    rounds: rounds.map((round) => round.perSecond),
  };
}

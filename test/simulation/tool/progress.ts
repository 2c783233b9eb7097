/** How far a campaign is, and how fast: one line that is written over on a terminal, a new one now and then on a pipe. */

import type { PlanProfile } from '../plan/seed-plan.ts';
import type { SeedReport } from './seed-process.ts';

/** What has been run so far. */
export interface Totals {
  seeds: number;
  failed: number;
  operations: number;
  acknowledged: number;
  unknown: number;
  faults: number;
  restarts: number;
  hintsDelivered: number;
  comparisons: number;
  keysRepaired: number;
  collected: number;
  events: number;
  virtualMs: number;
  cpuMs: number;
  readonly profiles: Map<PlanProfile, ProfileTotals>;
}

/** Of the seeds that are about one thing. */
export interface ProfileTotals {
  seeds: number;
  failed: number;
  /** Seeds in which a tombstone was collected. */
  collecting: number;
}

/** Nothing has been run. */
export function noTotals(): Totals {
  return {
    seeds: 0,
    failed: 0,
    operations: 0,
    acknowledged: 0,
    unknown: 0,
    faults: 0,
    restarts: 0,
    hintsDelivered: 0,
    comparisons: 0,
    keysRepaired: 0,
    collected: 0,
    events: 0,
    virtualMs: 0,
    cpuMs: 0,
    profiles: new Map(),
  };
}

export function addReport(
  totals: Totals,
  { profile, counts, violations, crash, virtualMs, cpuMs }: SeedReport,
): void {
  const hasFailed = violations.length > 0 || crash !== undefined;
  totals.seeds++;
  if (hasFailed) totals.failed++;
  if (profile !== undefined) {
    const ofProfile = totals.profiles.get(profile) ?? { seeds: 0, failed: 0, collecting: 0 };
    totals.profiles.set(profile, ofProfile);
    ofProfile.seeds++;
    if (hasFailed) ofProfile.failed++;
    if (counts.collected > 0) ofProfile.collecting++;
  }
  totals.operations += counts.operations;
  totals.acknowledged += counts.acknowledged;
  totals.unknown += counts.unknown;
  totals.faults += counts.faults;
  totals.restarts += counts.restarts;
  totals.hintsDelivered += counts.hintsDelivered;
  totals.comparisons += counts.comparisons;
  totals.keysRepaired += counts.keysRepaired;
  totals.collected += counts.collected;
  totals.events += counts.events;
  totals.virtualMs += virtualMs;
  totals.cpuMs += cpuMs;
}

/** `312/1,000 seeds, 0 failed | 2.1 seeds/s, 1,240 operations/s, 98,000 events/s | 5 min 28 s left` */
export function progressLine(totals: Totals, all: number, elapsedMs: number): string {
  const rate = (count: number): number => (elapsedMs > 0 ? (count * 1000) / elapsedMs : 0);
  const leftMs = totals.seeds > 0 ? (elapsedMs / totals.seeds) * (all - totals.seeds) : undefined;
  return [
    `${grouped(totals.seeds)}/${grouped(all)} seeds, ${totals.failed} failed`,
    `${rate(totals.seeds).toFixed(1)} seeds/s, ${grouped(rate(totals.operations))} operations/s, ${grouped(rate(totals.events))} events/s`,
    leftMs === undefined ? 'no seed has ended yet' : `${duration(leftMs)} left`,
  ].join(' | ');
}

/** What a campaign did, in a few lines. */
export function summary(totals: Totals, elapsedMs: number): string {
  const seconds = Math.max(elapsedMs, 1) / 1000;
  const per1000 = totals.operations > 0 ? totals.cpuMs / totals.operations : 0;
  return [
    `${grouped(totals.seeds)} seeds, ${totals.failed} failed: ${grouped(totals.operations)} operations ` +
      `(${grouped(totals.acknowledged)} writes acknowledged, ${grouped(totals.unknown)} unknown), ` +
      `${grouped(totals.faults)} faults, ${grouped(totals.restarts)} restarts`,
    `${duration(totals.virtualMs)} of virtual time in ${duration(elapsedMs)}: ` +
      `${(totals.seeds / seconds).toFixed(1)} seeds/s, ${grouped(totals.events / seconds)} events/s, ` +
      `${per1000.toFixed(2)} s of one core for 1,000 operations`,
    `${grouped(totals.hintsDelivered)} hints handed over, ${grouped(totals.comparisons)} comparisons, ` +
      `${grouped(totals.keysRepaired)} keys repaired by them, ${grouped(totals.collected)} tombstones collected`,
    profilesText(totals.profiles),
  ]
    .filter((line) => line !== '')
    .join('\n');
}

/** `mixed 44, deletes 16 (1 failed, 15 collected), crash 5` */
function profilesText(profiles: Totals['profiles']): string {
  const bySize = [...profiles].sort(([, a], [, b]) => b.seeds - a.seeds);
  return bySize
    .map(([profile, { seeds, failed, collecting }]) => {
      const notes = [
        failed === 0 ? '' : `${failed} failed`,
        collecting === 0 ? '' : `${collecting} collected`,
      ];
      const told = notes.filter((note) => note !== '');
      return `${profile} ${grouped(seeds)}${told.length === 0 ? '' : ` (${told.join(', ')})`}`;
    })
    .join(', ');
}

/** `1,234,568` */
export function grouped(number: number): string {
  return Math.round(number)
    .toString()
    .replace(/\B(?=(\d{3})+(?!\d))/g, ',');
}

/** `850 ms`, `12.3 s`, `5 min 28 s`, `2 h 5 min` */
export function duration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const seconds = ms / 1000;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

export interface ProgressOutput {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

/** Between two lines, on a pipe and on a terminal. */
const pipeMs = 5000;
const terminalMs = 200;

/** Writes the line when it is due. Whoever prints anything else calls `clear` before. */
export class Progress {
  readonly #output: ProgressOutput;
  #dueMs = 0;
  #shown = false;

  constructor(output: ProgressOutput) {
    this.#output = output;
  }

  /** Writes `line()`, unless the last one is fresh. */
  show(nowMs: number, line: () => string): void {
    if (nowMs < this.#dueMs) return;
    const isTerminal = this.#output.isTTY === true;
    if (isTerminal) {
      this.#output.write(`\r\x1b[K${line().slice(0, (this.#output.columns ?? 80) - 1)}`);
      this.#shown = true;
    } else if (this.#dueMs > 0) {
      // Not the first time: nothing has happened then.
      this.#output.write(`${line()}\n`);
    }
    this.#dueMs = nowMs + (isTerminal ? terminalMs : pipeMs);
  }

  clear(): void {
    if (this.#shown) this.#output.write('\r\x1b[K');
    this.#shown = false;
    if (this.#output.isTTY === true) this.#dueMs = 0;
  }
}

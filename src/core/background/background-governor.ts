/**
 * How fast work may go that no client waits for: at its full rate on an idle node, and less the busier clients keep it, down to a
 * floor that is never zero. The least urgent work yields first.
 *
 * Load is one number from 0 (idle) to 1: the larger of how full the node's admission is, and how late its event loop runs. It rises
 * at once and falls slowly, so that background work stays out of the way between two bursts.
 *
 * Laws (test/property/background.test.ts): more load never means a higher rate; no class is ever faster than a more urgent one,
 * relative to its full rate; none falls below the floor; without load, and with nobody waiting, all reach the full rate again.
 */

import { assert } from '../assert.ts';
import { type BackgroundClass, backgroundClasses } from './throttle.ts';

/** What a node is doing at one moment. */
export interface NodeLoad {
  /** Client requests under way, and how many are let in at most. */
  readonly requestsInFlight: number;
  readonly requestsInFlightMax: number;
  /** How late the event loop calls back what is due, in milliseconds. */
  readonly eventLoopDelayMs: number;
  /** The classes whose work waits for tokens now. */
  readonly waiting: readonly BackgroundClass[];
}

/** What of its full rate every class may use: 1 is all. */
export type BackgroundShares = Readonly<Record<BackgroundClass, number>>;

/** What load means. */
export interface BackgroundGovernorOptions {
  /** Least share of the full rate, more than 0. Default 0.05: work that is held back for ever is worse than slow requests. */
  readonly shareMin?: number;
  /** This share of the requests let in counts as full load. Default 0.25: the limit is far beyond what a node keeps up with. */
  readonly requestsFullLoad?: number;
  /** An event loop that is no later than this is idle, in milliseconds. Default 3: a slice of background work is no load. */
  readonly delayMsIdle?: number;
  /** An event loop that is this late is at full load, in milliseconds. Default 25: every request waits that long, several times. */
  readonly delayMsFull?: number;
  /** Load halves in this time after it has gone, in milliseconds. Default 1,000. */
  readonly halfLifeMs?: number;
}

/** The load between which a class falls from its full rate to the floor. */
const yields: Readonly<Record<BackgroundClass, { readonly from: number; readonly to: number }>> = {
  urgent: { from: 0.4, to: 1 },
  comparison: { from: 0.2, to: 0.7 },
  rebuild: { from: 0, to: 0.5 },
};

/** A class whose work waits is as much load to every class that is less urgent: what comes first also gets the machine first. */
const loadOfWaiting = 0.3;

/** Decides the shares of one node. */
export class BackgroundGovernor {
  readonly #options: Required<BackgroundGovernorOptions>;
  #load = 0;
  #waiting: readonly BackgroundClass[] = [];
  #atMs: number;

  constructor(options: BackgroundGovernorOptions, nowMs: number) {
    this.#options = {
      shareMin: options.shareMin ?? 0.05,
      requestsFullLoad: options.requestsFullLoad ?? 0.25,
      delayMsIdle: options.delayMsIdle ?? 3,
      delayMsFull: options.delayMsFull ?? 25,
      halfLifeMs: options.halfLifeMs ?? 1_000,
    };
    const { shareMin, delayMsIdle, delayMsFull } = this.#options;
    assert(shareMin > 0 && shareMin <= 1, 'background work has a floor');
    assert(delayMsFull > delayMsIdle, 'full load is later than idle');
    this.#atMs = nowMs;
  }

  /** From 0 (idle) to 1. */
  get load(): number {
    return this.#load;
  }

  /** Takes note of what the node is doing at `nowMs` (monotonic), and tells what every class may use from now on. */
  observe(load: NodeLoad, nowMs: number): BackgroundShares {
    const faded = this.#load * 0.5 ** (Math.max(0, nowMs - this.#atMs) / this.#options.halfLifeMs);
    this.#atMs = nowMs;
    this.#load = Math.max(faded, this.#measure(load));
    this.#waiting = load.waiting;
    return this.shares;
  }

  /** What every class may use now. */
  get shares(): BackgroundShares {
    const shares = { urgent: 1, comparison: 1, rebuild: 1 };
    let load = this.#load;
    for (const kind of backgroundClasses) {
      shares[kind] = this.#share(kind, load);
      if (this.#waiting.includes(kind)) load += loadOfWaiting;
    }
    return shares;
  }

  #measure({ requestsInFlight, requestsInFlightMax, eventLoopDelayMs }: NodeLoad): number {
    const { requestsFullLoad, delayMsIdle, delayMsFull } = this.#options;
    const requests = requestsInFlight / (requestsInFlightMax * requestsFullLoad);
    const delay = (eventLoopDelayMs - delayMsIdle) / (delayMsFull - delayMsIdle);
    return clamp(Math.max(requests, delay), 0, 1);
  }

  #share(kind: BackgroundClass, load: number): number {
    const { from, to } = yields[kind];
    const { shareMin } = this.#options;
    const yielded = clamp((load - from) / (to - from), 0, 1);
    return 1 - (1 - shareMin) * yielded;
  }
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(most, Math.max(least, value));
}

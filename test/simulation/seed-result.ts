/** What comes out of one run: the same for the same plan, on every machine. */

import type { RunHistory, Violation } from '../checkers/history.ts';

/** One run, judged. Holds nothing of real time, so that two results of one plan are equal. */
export interface SeedResult {
  readonly seed: number;
  /** Over every event, in sixteen hexadecimal digits: two runs with one hash did the same things in the same order. */
  readonly hash: string;
  /** Broken promises. Empty in a run that is as it should be. */
  readonly violations: readonly Violation[];
  readonly counts: RunCounts;
  /** Virtual time from the first event to the last. */
  readonly virtualMs: number;
  /** What the clients and the observer saw; the input of the checkers. */
  readonly history: RunHistory;
  /** An exception that nobody caught, inside the nodes or the simulator, with its stack: a failure too. */
  readonly crash?: string;
}

/** How much happened in a run. */
export interface RunCounts {
  /** Attempts of clients at reading and writing, the final reads apart. */
  readonly operations: number;
  /** Writes that the client knows to be done. */
  readonly acknowledged: number;
  /** Writes of which the client cannot know. */
  readonly unknown: number;
  /** Writes that certainly did not happen. */
  readonly notApplied: number;
  /** Reads with an answer. */
  readonly reads: number;
  readonly failedReads: number;
  /** Faults that had begun before the faults ended. */
  readonly faults: number;
  /** Events that ran. */
  readonly events: number;
  /** Starts of a node after its first. */
  readonly restarts: number;
  /** Hints that were handed over to the replica that they were for. */
  readonly hintsDelivered: number;
  /** Comparisons of two replicas that ended with both equal. */
  readonly comparisons: number;
  /** Keys that comparisons found to differ, and repaired. */
  readonly keysRepaired: number;
  /** Records of dead keys that a replica removed from its disk. */
  readonly collected: number;
}

/** True when a promise was broken, or an exception got through. */
export function hasFailed(result: Pick<SeedResult, 'violations' | 'crash'>): boolean {
  return result.violations.length > 0 || result.crash !== undefined;
}

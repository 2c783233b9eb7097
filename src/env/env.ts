/**
 * All that a node takes from the machine, besides its disk and its network: time and chance. The real one is
 * `systemEnv()`; the simulator passes its own, so nothing outside src/env and src/cli may read a clock, set a timer or
 * draw a random number in any other way.
 */

import type { RarePath } from './rare-path.ts';

export interface Clock {
  /** Milliseconds that never go back, from an arbitrary start. For durations and deadlines inside this process. */
  monotonicMs(): number;
  /** Microseconds since 1970 as an integer below 2^53. May jump with the machine's clock: only the hybrid clock uses it. */
  wallMicros(): number;
}

export interface Timer {
  cancel(): void;
}

export interface Timers {
  /** Calls `task` once after `delayMs`. The timer does not keep the process alive. */
  after(delayMs: number, task: () => void): Timer;
  /** Calls `task` every `intervalMs` until cancelled. Does not keep the process alive. */
  every(intervalMs: number, task: () => void): Timer;
  /** Calls `task` when all that is ready now has run: the end of this tick. Batches are cut here. */
  endOfTick(task: () => void): void;
}

export interface Random {
  /** Uniform in [0, 1). */
  fraction(): number;
  /** Uniform integer from 1 to 2^53 - 1, from a cryptographic source in production: for ids that must never collide. */
  id53(): number;
}

export interface Env {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  /** Whether to take a rare path here. Always false on a real machine; the simulator draws it. */
  readonly rarePath: (path: RarePath) => boolean;
}

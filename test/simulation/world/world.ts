/** What every part of a simulated world shares. */

import type { SeededRandom } from '../../support/seeded-random.ts';
import type { Scheduler } from '../kernel/scheduler.ts';
import type { Trace } from '../kernel/trace.ts';

/** Kinds of events, folded into the hash; numbers below 64. */
export const eventKind = {
  timer: 1,
  tick: 2,
  frame: 3,
  stream: 4,
  disk: 5,
  call: 6,
  answer: 7,
  fault: 8,
  client: 9,
  process: 10,
} as const;

export interface World {
  readonly scheduler: Scheduler;
  readonly trace: Trace | undefined;
  /** A stream of chance of its own for each name: what one part draws does not move what another gets. */
  readonly randomFor: (name: string) => SeededRandom;
}

/** The last look: every key at ALL, once the faults are over. */

import type { Env } from '../../src/env/env.ts';
import type { KeyName } from '../simulation/plan/seed-plan.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { ClientCalls } from './client-calls.ts';
import type { ClientTransport } from './client-transport.ts';
import type { HistoryRecorder } from './history-recorder.ts';
import type { IntendedRead } from './intended-operation.ts';
import type { KnownKey } from './known-key.ts';

export interface FinalReadsDependencies {
  readonly env: Pick<Env, 'clock' | 'timers'>;
  readonly recorder: HistoryRecorder;
  /** Each key is read through every one of them. */
  readonly transports: readonly ClientTransport[];
}

export interface FinalReadsOptions {
  /** A key that could not be read by then is given up. */
  readonly withinMs: number;
  /** Of one read. Default 2,000. */
  readonly timeoutMs?: number;
  /** Keys read at once. Default 16. */
  readonly concurrency?: number;
  /** Name in the history. Default `final`. */
  readonly client?: string;
  /** Default ALL. What is read at QUORUM is a read like any other, and not marked `final`. */
  readonly level?: 'quorum' | 'all';
}

/** A key that could not be read at ALL through a node in time. */
export interface UnreadKey extends KeyName {
  readonly node: string;
}

const retryMs = 100;

/**
 * Reads every key at ALL through every transport, again and again until it succeeds or the time is over; failed tries are in
 * the history too, all marked `final`. Returns what could not be read.
 */
export async function finalReads(
  keys: readonly KeyName[],
  { env, recorder, transports }: FinalReadsDependencies,
  { withinMs, timeoutMs = 2_000, concurrency = 16, client = 'final', level = 'all' }: FinalReadsOptions,
): Promise<readonly UnreadKey[]> {
  const calls = new ClientCalls(
    { name: client, keys, operations: Number.POSITIVE_INFINITY },
    { env, recorder, transports, random: new SeededRandom(0) },
  );
  const untilMs = env.clock.monotonicMs() + withinMs;
  const unread: UnreadKey[] = [];
  const readOne = async (known: KnownKey, through: ClientTransport): Promise<void> => {
    const read: IntendedRead = {
      known,
      level,
      levelForm: 'named',
      minContext: undefined,
      badContext: undefined,
      failsOnConflict: false,
      final: level === 'all',
      timeoutMs,
    };
    for (;;) {
      const reply = await calls.read(read, through);
      if (reply.kind === 'done') return;
      if (env.clock.monotonicMs() + retryMs >= untilMs) break;
      await calls.pause(retryMs);
    }
    unread.push({ ...known.name, node: through.node });
  };
  const work = calls.keys.flatMap((known) => transports.map((through) => ({ known, through })));
  let next = 0;
  const reader = async (): Promise<void> => {
    for (;;) {
      const item = work[next++];
      if (item === undefined) return;
      await readOne(item.known, item.through);
    }
  };
  await Promise.all(Array.from({ length: Math.min(concurrency, work.length) }, reader));
  return unread;
}

/**
 * A client that writes every key once and never again, as one appends to a ledger: whatever a fault takes away of it stays
 * away, and is seen at the end.
 */

import type { Env } from '../../src/env/env.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { ClientCalls } from '../workload/client-calls.ts';
import type { ClientTransport } from '../workload/client-transport.ts';
import type { HistoryRecorder } from '../workload/history-recorder.ts';
import { KnownKey } from '../workload/known-key.ts';
import { drawWrite, pickNode } from '../workload/operation-draw.ts';

const pauseMs = 20;

export class Ledger {
  readonly #calls: ClientCalls;
  readonly #name: string;

  constructor(
    { name, seed }: { readonly name: string; readonly seed: number },
    dependencies: {
      readonly env: Pick<Env, 'clock' | 'timers'>;
      readonly recorder: HistoryRecorder;
      readonly transports: readonly ClientTransport[];
    },
  ) {
    const random = new SeededRandom(seed);
    this.#name = name;
    const plan = { name, keys: [], operations: Number.POSITIVE_INFINITY };
    this.#calls = new ClientCalls(plan, { ...dependencies, random });
  }

  /** Resolves when it was stopped and nothing of its own is under way. */
  async run(): Promise<void> {
    const calls = this.#calls;
    for (let line = 1; !calls.stopped; line++) {
      const known = new KnownKey({ bucket: 'default', key: `${this.#name}/${line}` });
      const causality = { kind: 'blind', mode: 'reject', named: true } as const;
      // The bucket's level and durability: QUORUM, and an fsync of each that counts.
      const drawn = drawWrite(calls, known, { causality, level: 'quorum', timeoutMs: 1_000 });
      await calls.write({ ...drawn, durability: 'sync-quorum', durabilityNamed: false }, pickNode(calls));
      await calls.pause(1 + calls.random.below(2 * pauseMs));
    }
  }

  stop(): void {
    this.#calls.stop();
  }
}

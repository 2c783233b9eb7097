/**
 * One client of a test: does as its plan says until it has done enough, and writes down all that it sees. Its decisions
 * follow from its own stream of chance and the answers that it gets, so the same answers give the same client.
 */

import type { Env } from '../../src/env/env.ts';
import type { ClientPlan, ClientProfile } from '../simulation/plan/seed-plan.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { ClientCalls } from './client-calls.ts';
import type { ClientTransport } from './client-transport.ts';
import type { HistoryRecorder } from './history-recorder.ts';
import { batcherTurn, streamerTurn } from './profiles/many-key-profiles.ts';
import { mixedTurn } from './profiles/mixed-profile.ts';
import { registerTurn, sessionTurn } from './profiles/ordered-profiles.ts';
import {
  blindTurn,
  deleterTurn,
  expirerTurn,
  mergerTurn,
  readerTurn,
  retrierTurn,
  type Turn,
} from './profiles/single-key-profiles.ts';

export interface WorkloadClientDependencies {
  readonly env: Pick<Env, 'clock' | 'timers'>;
  readonly recorder: HistoryRecorder;
  /** One for each node: a client knows them all. */
  readonly transports: readonly ClientTransport[];
}

const turnOf: Readonly<Record<ClientProfile, Turn>> = {
  register: registerTurn,
  session: sessionTurn,
  merger: mergerTurn,
  blind: blindTurn,
  retrier: retrierTurn,
  deleter: deleterTurn,
  expirer: expirerTurn,
  batcher: batcherTurn,
  streamer: streamerTurn,
  reader: readerTurn,
  mixed: mixedTurn,
};

export class WorkloadClient {
  readonly plan: ClientPlan;
  readonly #calls: ClientCalls;
  readonly #random: SeededRandom;
  readonly #pauseBound: number;

  constructor(plan: ClientPlan, dependencies: WorkloadClientDependencies) {
    this.plan = plan;
    this.#random = new SeededRandom(plan.seed);
    this.#calls = new ClientCalls(plan, { ...dependencies, random: this.#random });
    this.#pauseBound = 2 * plan.pauseMs + 1;
  }

  /** Attempts begun so far: retries count. */
  get operations(): number {
    return this.#calls.begun;
  }

  /** Resolves when the client has done its operations, or was stopped, and nothing of its own is under way. */
  async run(): Promise<void> {
    const calls = this.#calls;
    const turn = turnOf[this.plan.profile];
    // Clients that all begin at once would march in step.
    await calls.pause(this.#random.below(this.#pauseBound));
    while (calls.remaining > 0 && !calls.stopped) {
      await turn(calls);
      // Never without a pause: where nobody listens, calls fail at once.
      await calls.pause(1 + this.#random.below(this.#pauseBound));
    }
  }

  /** Ends the client after what it is at. `run` then resolves. */
  stop(): void {
    this.#calls.stop();
  }
}

/** A world for tests of its parts: virtual time, chance from one seed, and a trace that can be looked at. */

import { SeededRandom } from '../../support/seeded-random.ts';
import { EventOwner, Scheduler } from '../kernel/scheduler.ts';
import type { TraceEntry } from '../kernel/trace.ts';
import type { DiskWeather, NetworkWeather } from '../plan/seed-plan.ts';
import { eventKind, type World } from './world.ts';

/** Nothing goes wrong by itself. */
export const calmNetwork: NetworkWeather = {
  latencyMin: 100,
  latencyMax: 400,
  lossPercent: 0,
  retransmitMicros: 20_000,
  spikePercent: 0,
  spikeMicros: 0,
  resetPerTenThousand: 0,
};

export const roughNetwork: NetworkWeather = {
  ...calmNetwork,
  latencyMax: 2_000,
  lossPercent: 10,
  spikePercent: 10,
  spikeMicros: 100_000,
};

export const calmDisk: DiskWeather = {
  writeMin: 20,
  writeMax: 200,
  syncMin: 300,
  syncMax: 2_000,
  stallPercent: 0,
  stallMicros: 0,
};

export class TestWorld implements World {
  readonly scheduler: Scheduler = new Scheduler();
  readonly entries: TraceEntry[] = [];
  readonly trace: { add(entry: TraceEntry): void } | undefined;
  readonly #seed: number;
  readonly #clockwork = new EventOwner('test', 1);

  constructor(seed = 1, options: { readonly traced: boolean } = { traced: false }) {
    this.#seed = seed;
    this.trace = options.traced ? { add: (entry) => this.entries.push(entry) } : undefined;
  }

  readonly randomFor = (name: string): SeededRandom => {
    let sum = this.#seed;
    for (let i = 0; i < name.length; i++) sum = (Math.imul(sum, 31) + name.charCodeAt(i)) | 0;
    return new SeededRandom(sum >>> 0);
  };

  /** Lets so much virtual time pass. */
  async pass(ms: number): Promise<void> {
    const { scheduler } = this;
    let over = false;
    scheduler.at(scheduler.nowMicros + ms * 1000, this.#clockwork, eventKind.fault, () => {
      over = true;
    });
    await scheduler.run(() => over);
  }

  /** Lets time pass until the condition holds; throws after a minute of it. */
  async until(condition: () => boolean, what: string): Promise<void> {
    for (let i = 0; i < 60_000; i++) {
      await this.pass(1);
      if (condition()) return;
    }
    throw new Error(`a minute passed without ${what}`);
  }

  /** What the promise becomes, with time passing meanwhile. */
  async outcome<T>(promise: Promise<T>): Promise<T> {
    let settled = false;
    const settle = (): void => {
      settled = true;
    };
    promise.then(settle, settle);
    await this.until(() => settled, 'an outcome');
    return promise;
  }
}

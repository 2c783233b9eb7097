/**
 * What one life of a process takes from its machine: time, timers and chance, all of them simulated. When the life ends its
 * timers never fire again, whatever still holds them.
 */

import type { Env, Random, Timer, Timers } from '../../../src/env/env.ts';
import type { RarePath } from '../../../src/env/rare-path.ts';
import type { SeededRandom } from '../../support/seeded-random.ts';
import { eventKind, type World } from '../world/world.ts';
import type { EventOwner, SimulatedEvent } from './scheduler.ts';
import type { SimulatedClock } from './simulated-clock.ts';

export interface SimulatedEnvOptions {
  readonly owner: EventOwner;
  readonly clock: SimulatedClock;
  readonly random: SeededRandom;
  /** How often a marked rare path is taken, in percent. */
  readonly rarePathPercent: (path: RarePath) => number;
}

/** A timer of Node's fires up to a millisecond early by the finer clock, or late. */
const earlyMicrosMax = 900;
const lateMicrosMax = 300;
/** What a tick of a process costs. */
const tickMicrosMax = 60;

export class SimulatedEnv implements Env {
  readonly clock: SimulatedClock;
  readonly timers: Timers;
  readonly random: Random;
  readonly rarePath: (path: RarePath) => boolean;
  readonly #world: World;
  readonly #owner: EventOwner;
  readonly #random: SeededRandom;
  #tickAtMicros = -1;

  constructor(world: World, options: SimulatedEnvOptions) {
    const { owner, clock, random, rarePathPercent } = options;
    this.#world = world;
    this.#owner = owner;
    this.#random = random;
    this.clock = clock;
    this.timers = {
      after: (delayMs, task) => this.#after(delayMs, task),
      every: (intervalMs, task) => this.#every(intervalMs, task),
      endOfTick: (task) => this.#endOfTick(task),
    };
    this.random = {
      fraction: () => random.next() / 0x1_0000_0000,
      id53: () => (random.next() & 0x1f_ffff) * 0x1_0000_0000 + Math.max(1, random.next()),
    };
    this.rarePath = (path) => {
      const percent = rarePathPercent(path);
      return percent > 0 && random.percent(percent);
    };
  }

  #after(delayMs: number, task: () => void): Timer {
    const { scheduler } = this.#world;
    const event = scheduler.at(this.#dueMicros(delayMs), this.#owner, eventKind.timer, task);
    return { cancel: () => scheduler.cancel(event) };
  }

  #every(intervalMs: number, task: () => void): Timer {
    const { scheduler } = this.#world;
    let event: SimulatedEvent | undefined;
    let cancelled = false;
    const set = (): void => {
      event = scheduler.at(this.#dueMicros(intervalMs), this.#owner, eventKind.timer, () => {
        task();
        if (!cancelled) set();
      });
    };
    set();
    return {
      cancel: () => {
        cancelled = true;
        if (event !== undefined) scheduler.cancel(event);
      },
    };
  }

  #dueMicros(delayMs: number): number {
    // Node takes whole milliseconds, one at least, and a delay that it cannot represent as one.
    const wholeMs = delayMs >= 1 && delayMs <= 0x7fff_ffff ? Math.trunc(delayMs) : 1;
    const micros = wholeMs * 1000 - this.#random.below(earlyMicrosMax) + this.#random.below(lateMicrosMax);
    return this.#world.scheduler.nowMicros + this.clock.worldMicros(micros);
  }

  /** Everything asked for in one tick runs at one moment, in order, and the promises of each before the next. */
  #endOfTick(task: () => void): void {
    const { scheduler } = this.#world;
    if (this.#tickAtMicros <= scheduler.nowMicros) {
      this.#tickAtMicros = scheduler.nowMicros + 1 + this.#random.below(tickMicrosMax);
    }
    scheduler.at(this.#tickAtMicros, this.#owner, eventKind.tick, task);
  }
}

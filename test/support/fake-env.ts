/** An `Env` whose time stands still until a test moves it: timers fire in order of time, then of their making. */

import type { Clock, Env, Random, Timer, Timers } from '../../src/env/env.ts';
import type { RarePath } from '../../src/env/rare-path.ts';

interface Task {
  atMs: number;
  readonly sequence: number;
  readonly everyMs: number | undefined;
  readonly run: () => void;
}

export class FakeEnv implements Env {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  /** The rare paths that are taken whenever they are met. A test adds what it wants to see. */
  readonly rarePaths: Set<RarePath> = new Set();
  readonly rarePath = (path: RarePath): boolean => this.rarePaths.has(path);
  #nowMs = 0;
  #sequence = 0;
  #state: number;
  #tasks: Task[] = [];
  #endOfTick: (() => void)[] = [];

  constructor(seed = 1) {
    this.#state = seed >>> 0;
    this.clock = {
      monotonicMs: () => this.#nowMs,
      wallMicros: () => 1_700_000_000_000_000 + Math.round(this.#nowMs * 1000),
    };
    this.timers = {
      after: (delayMs, run) => this.#add(delayMs, undefined, run),
      every: (intervalMs, run) => this.#add(intervalMs, intervalMs, run),
      endOfTick: (run) => {
        this.#endOfTick.push(run);
      },
    };
    this.random = {
      fraction: () => this.#next(),
      id53: () =>
        1 + Math.floor(this.#next() * 0x1f_ffff) * 0x1_0000_0000 + Math.floor(this.#next() * 0xffff_ffff),
    };
  }

  /** Timers that are set and have not fired. */
  get timersPending(): number {
    return this.#tasks.length;
  }

  /** Runs what waits for the end of this tick, and what that leaves for the next ones, without moving time. */
  settle(): void {
    for (let ticks = 0; this.#endOfTick.length > 0; ticks++) {
      if (ticks > 100_000) throw new Error('100,000 ticks without time passing: something goes in circles');
      const due = this.#endOfTick;
      this.#endOfTick = [];
      for (const run of due) run();
    }
  }

  /** Moves time on, firing everything on the way. */
  advance(durationMs: number): void {
    const untilMs = this.#nowMs + durationMs;
    this.settle();
    for (;;) {
      let next: Task | undefined;
      for (const task of this.#tasks) {
        if (task.atMs > untilMs) continue;
        if (
          next === undefined ||
          task.atMs < next.atMs ||
          (task.atMs === next.atMs && task.sequence < next.sequence)
        ) {
          next = task;
        }
      }
      if (next === undefined) break;
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      if (next.everyMs === undefined) this.#remove(next);
      else next.atMs = this.#nowMs + next.everyMs;
      next.run();
      this.settle();
    }
    this.#nowMs = untilMs;
  }

  /** Moves the clock without firing anything: what a process that was stopped sees when it goes on. */
  standStill(durationMs: number): void {
    this.#nowMs += durationMs;
  }

  #add(delayMs: number, everyMs: number | undefined, run: () => void): Timer {
    const task: Task = { atMs: this.#nowMs + delayMs, sequence: this.#sequence++, everyMs, run };
    this.#tasks.push(task);
    return { cancel: () => this.#remove(task) };
  }

  #remove(task: Task): void {
    const index = this.#tasks.indexOf(task);
    if (index >= 0) this.#tasks.splice(index, 1);
  }

  /** mulberry32. */
  #next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 0x1_0000_0000;
  }
}

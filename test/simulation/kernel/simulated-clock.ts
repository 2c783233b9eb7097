/**
 * The clocks of one simulated machine: a monotonic one that runs a little fast or slow, and a wall clock that is off, drifts
 * with it, jumps, and may stand still. They outlive the processes on the machine.
 */

import type { Clock } from '../../../src/env/env.ts';
import type { Scheduler } from './scheduler.ts';

/** Where virtual time begins, in microseconds since 1970: a day in 2026. */
export const epochMicros = 1_780_000_000_000_000;

export class SimulatedClock implements Clock {
  readonly #scheduler: Scheduler;
  readonly #rate: number;
  #wallOffsetMicros: number;
  #stoppedAtMicros: number | undefined;
  #errorMicrosMax = 0;

  constructor(
    scheduler: Scheduler,
    options: { readonly wallOffsetMicros: number; readonly driftPpm: number },
  ) {
    this.#scheduler = scheduler;
    this.#rate = 1 + options.driftPpm / 1_000_000;
    this.#wallOffsetMicros = options.wallOffsetMicros;
    this.#noteError();
  }

  /** The furthest that the wall clock was off so far, since the last `forgetErrors`. */
  get errorMicrosMax(): number {
    this.#noteError();
    return this.#errorMicrosMax;
  }

  forgetErrors(): void {
    this.#errorMicrosMax = 0;
    this.#noteError();
  }

  monotonicMs(): number {
    return (this.#scheduler.nowMicros * this.#rate) / 1000;
  }

  /** As on a real machine, whose wall clock Node reads in whole milliseconds. */
  wallMicros(): number {
    const micros = this.#stoppedAtMicros ?? this.#runningWallMicros();
    return Math.floor(micros / 1000) * 1000;
  }

  /** How long the world waits while this clock counts `micros`. */
  worldMicros(micros: number): number {
    return micros / this.#rate;
  }

  jump(byMicros: number): void {
    this.#noteError();
    this.#wallOffsetMicros += byMicros;
    if (this.#stoppedAtMicros !== undefined) this.#stoppedAtMicros += byMicros;
    this.#noteError();
  }

  /** The wall clock stands still until `goOn`, and is behind from then on until a time server sets it right: at `repair`. */
  standStill(): void {
    this.#stoppedAtMicros ??= this.#runningWallMicros();
  }

  goOn(): void {
    if (this.#stoppedAtMicros === undefined) return;
    this.#noteError();
    this.#wallOffsetMicros += this.#stoppedAtMicros - this.#runningWallMicros();
    this.#stoppedAtMicros = undefined;
  }

  /** The wall clock is set right. */
  repair(): void {
    this.#noteError();
    this.#stoppedAtMicros = undefined;
    this.#wallOffsetMicros += epochMicros + this.#scheduler.nowMicros - this.#runningWallMicros();
  }

  /** Between two changes the error grows or shrinks evenly, so that it is greatest at one of them. */
  #noteError(): void {
    const shown = this.#stoppedAtMicros ?? this.#runningWallMicros();
    const error = Math.abs(shown - epochMicros - this.#scheduler.nowMicros);
    this.#errorMicrosMax = Math.max(this.#errorMicrosMax, error);
  }

  #runningWallMicros(): number {
    return epochMicros + Math.round(this.#scheduler.nowMicros * this.#rate) + this.#wallOffsetMicros;
  }
}

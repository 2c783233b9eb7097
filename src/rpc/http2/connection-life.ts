/** How long a connection lives: while its client is there, has calls now and then, and is not too old. */

import type { Env, Timer } from '../../env/env.ts';

export interface LifeOptions {
  /** A connection without streams ends after this. */
  readonly idleMs: number;
  /** A connection ends after this, a tenth more or less, so that those who came together do not leave together. */
  readonly ageMs: number;
  /** Streams have this long to end after it. */
  readonly ageGraceMs: number;
  /** A client that says nothing for so long is asked for a sign of life. */
  readonly keepaliveMs: number;
  /** And has this long to give one. */
  readonly keepaliveTimeoutMs: number;
}

export interface LifeDependencies {
  readonly env: Env;
  readonly ping: (data: Uint8Array) => void;
  readonly shutdown: (reason: string) => void;
  readonly destroy: () => void;
}

const keepaliveData = Buffer.from('kindred?');
const goodbyeData = Buffer.from('goodbye?');

export class ConnectionLife {
  readonly #dependencies: LifeDependencies;
  readonly #options: LifeOptions;
  #activeMs: number;
  #idleSinceMs: number | undefined;
  #idleTimer: Timer | undefined;
  readonly #ageTimer: Timer;
  #keepaliveTimer: Timer;
  #onHeard: (() => void) | undefined;
  #isStopped = false;

  constructor(dependencies: LifeDependencies, options: LifeOptions) {
    const { clock, timers, random } = dependencies.env;
    this.#dependencies = dependencies;
    this.#options = options;
    this.#activeMs = clock.monotonicMs();
    const ageMs = options.ageMs * (0.9 + 0.2 * random.fraction());
    this.#ageTimer = timers.after(ageMs, () => this.#tooOld());
    this.#keepaliveTimer = timers.after(options.keepaliveMs, () => this.#checkAlive());
    this.idle();
  }

  /** Something came. */
  active(nowMs: number): void {
    this.#activeMs = nowMs;
  }

  /** There is no stream, from now on or still. Timers are set once in a while, and not for every call. */
  idle(): void {
    this.#idleSinceMs = this.#activeMs;
    if (this.#isStopped || this.#idleTimer !== undefined) return;
    this.#checkIdleAfter(this.#options.idleMs);
  }

  /** There are streams. */
  busy(): void {
    this.#idleSinceMs = undefined;
  }

  /** Calls back when the client has heard all that was sent up to now, or does not say so in time. */
  whenHeard(listener: () => void): void {
    const { env, ping } = this.#dependencies;
    this.#onHeard = listener;
    ping(goodbyeData);
    env.timers.after(this.#options.keepaliveTimeoutMs, () => this.#heard());
  }

  /** The client has answered a ping. */
  answered(data: Buffer): void {
    if (data.equals(goodbyeData)) this.#heard();
  }

  stop(): void {
    this.#isStopped = true;
    this.#onHeard = undefined;
    this.#ageTimer.cancel();
    this.#idleTimer?.cancel();
    this.#keepaliveTimer.cancel();
  }

  #heard(): void {
    const listener = this.#onHeard;
    this.#onHeard = undefined;
    listener?.();
  }

  #checkIdleAfter(delayMs: number): void {
    const { env, shutdown } = this.#dependencies;
    this.#idleTimer = env.timers.after(delayMs, () => {
      this.#idleTimer = undefined;
      if (this.#idleSinceMs === undefined) return;
      const leftMs = this.#options.idleMs - (env.clock.monotonicMs() - this.#idleSinceMs);
      // A timer may be early by less than a millisecond.
      if (leftMs > 1) this.#checkIdleAfter(leftMs);
      else shutdown('idle');
    });
  }

  #tooOld(): void {
    const { env, shutdown, destroy } = this.#dependencies;
    // The words that gRPC servers use.
    shutdown('max_age');
    env.timers.after(this.#options.ageGraceMs, destroy);
  }

  #checkAlive(): void {
    const { env, ping, destroy } = this.#dependencies;
    const { keepaliveMs, keepaliveTimeoutMs } = this.#options;
    const silentMs = env.clock.monotonicMs() - this.#activeMs;
    if (silentMs < keepaliveMs) {
      this.#keepaliveTimer = env.timers.after(keepaliveMs - silentMs + 1, () => this.#checkAlive());
      return;
    }
    const askedMs = this.#activeMs;
    ping(keepaliveData);
    this.#keepaliveTimer = env.timers.after(keepaliveTimeoutMs, () => {
      // Whatever came since is a sign of life.
      if (this.#activeMs === askedMs) destroy();
      else this.#checkAlive();
    });
  }
}

/**
 * Holds the background work of one node to the rates that its governor gives: one throttle for each class of work, tokens in keys
 * and in bytes, first come, first served within a class. How late the event loop runs is measured by how late a timer fires.
 */

import { BackgroundGovernor, type BackgroundShares } from './core/background/background-governor.ts';
import { type BackgroundClass, backgroundClasses, type Throttle } from './core/background/throttle.ts';
import { TokenBucket } from './core/background/token-bucket.ts';
import type { Env, Timer } from './env/env.ts';

export interface BackgroundWorkDependencies {
  readonly env: Env;
  /** Client requests under way now. */
  readonly requestsInFlight: () => number;
}

export interface BackgroundWorkOptions {
  /** See `limits.requests_in_flight_max`. */
  readonly requestsInFlightMax: number;
  /** See `background.bytes_per_second`. */
  readonly bytesPerSecond: number;
  /** See `background.keys_per_second`. */
  readonly keysPerSecond: number;
  /** See `background.share_min`. */
  readonly shareMin: number;
}

/** What shows how one class is doing. */
export interface BackgroundClassView {
  readonly kind: BackgroundClass;
  /** What it may use of its full rate, 0 to 1. */
  readonly share: number;
  readonly keysPerSecond: number;
  readonly bytesPerSecond: number;
  /** Takes that wait for tokens. */
  readonly waiting: number;
  /** What has been granted since the start. */
  readonly keysTaken: number;
  readonly bytesTaken: number;
}

/** How often load is measured. Often enough to get out of the way of a burst, and a timer that costs nothing. */
const measureMs = 100;
/**
 * A tree is read from the disk in order, and nothing is sent or written: a key costs a small part of what a repaired one does.
 * So its full rate is this many times that of the other classes.
 */
const rebuildFactor = 20;

/** The throttles of one node. */
export class BackgroundWork {
  readonly #deps: BackgroundWorkDependencies;
  readonly #options: BackgroundWorkOptions;
  readonly #governor: BackgroundGovernor;
  readonly #throttles: Readonly<Record<BackgroundClass, ClassThrottle>>;
  #timer: Timer | undefined;
  #measuredMs: number;
  #eventLoopDelayMs = 0;

  constructor(dependencies: BackgroundWorkDependencies, options: BackgroundWorkOptions) {
    this.#deps = dependencies;
    this.#options = options;
    const { env } = dependencies;
    this.#measuredMs = env.clock.monotonicMs();
    this.#governor = new BackgroundGovernor({ shareMin: options.shareMin }, this.#measuredMs);
    const throttle = (factor: number): ClassThrottle =>
      new ClassThrottle(env, {
        keysPerSecond: factor * options.keysPerSecond,
        bytesPerSecond: factor * options.bytesPerSecond,
      });
    this.#throttles = { urgent: throttle(1), comparison: throttle(1), rebuild: throttle(rebuildFactor) };
  }

  /** Begins to measure. Before, every class has its full rate. */
  start(): void {
    this.#measuredMs = this.#deps.env.clock.monotonicMs();
    this.#timer = this.#deps.env.timers.every(measureMs, () => this.#measure());
  }

  /** Lets all go on that wait, so that they can end: nothing is held back any more. */
  stop(): void {
    this.#timer?.cancel();
    for (const throttle of Object.values(this.#throttles)) throttle.stop();
  }

  /** Where work of this class takes its tokens. */
  throttle(kind: BackgroundClass): Throttle {
    return this.#throttles[kind];
  }

  /** From 0 (idle) to 1, as the governor sees it. */
  get load(): number {
    return this.#governor.load;
  }

  /** How late the event loop was at the last measurement, in milliseconds. */
  get eventLoopDelayMs(): number {
    return this.#eventLoopDelayMs;
  }

  /** All classes, the most urgent first. */
  view(): readonly BackgroundClassView[] {
    const { shares } = this.#governor;
    return backgroundClasses.map((kind) => ({ kind, share: shares[kind], ...this.#throttles[kind].view() }));
  }

  #measure(): void {
    const { env, requestsInFlight } = this.#deps;
    const nowMs = env.clock.monotonicMs();
    this.#eventLoopDelayMs = Math.max(0, nowMs - this.#measuredMs - measureMs);
    this.#measuredMs = nowMs;
    const shares = this.#governor.observe(
      {
        requestsInFlight: requestsInFlight(),
        requestsInFlightMax: this.#options.requestsInFlightMax,
        eventLoopDelayMs: this.#eventLoopDelayMs,
        waiting: backgroundClasses.filter((kind) => this.#throttles[kind].waiting > 0),
      },
      nowMs,
    );
    this.#apply(shares);
  }

  #apply(shares: BackgroundShares): void {
    for (const kind of backgroundClasses) this.#throttles[kind].setShare(shares[kind]);
  }
}

interface Waiter {
  readonly keys: number;
  readonly bytes: number;
  readonly go: () => void;
}

/** The tokens of one class, and who waits for them. */
class ClassThrottle implements Throttle {
  readonly #env: Env;
  readonly #full: { readonly keysPerSecond: number; readonly bytesPerSecond: number };
  readonly #keys: TokenBucket;
  readonly #bytes: TokenBucket;
  /** As many as there are loops that do background work: each waits for one take at a time. */
  #waiters: Waiter[] = [];
  #timer: Timer | undefined;
  #stopped = false;
  #keysTaken = 0;
  #bytesTaken = 0;

  constructor(env: Env, full: { readonly keysPerSecond: number; readonly bytesPerSecond: number }) {
    this.#env = env;
    this.#full = full;
    const nowMs = env.clock.monotonicMs();
    this.#keys = new TokenBucket({ ratePerSecond: full.keysPerSecond }, nowMs);
    this.#bytes = new TokenBucket({ ratePerSecond: full.bytesPerSecond }, nowMs);
  }

  get waiting(): number {
    return this.#waiters.length;
  }

  take(keys: number, bytes: number): Promise<void> {
    const nowMs = this.#env.clock.monotonicMs();
    if (this.#stopped || (this.#waiters.length === 0 && this.#waitMs(nowMs) === 0)) {
      this.#charge(keys, bytes, nowMs);
      return Promise.resolve();
    }
    return new Promise((go) => {
      this.#waiters.push({ keys, bytes, go });
      if (this.#timer === undefined) this.#wakeLater(this.#waitMs(nowMs));
    });
  }

  setShare(share: number): void {
    const nowMs = this.#env.clock.monotonicMs();
    this.#keys.setRate(share * this.#full.keysPerSecond, nowMs);
    this.#bytes.setRate(share * this.#full.bytesPerSecond, nowMs);
    // By the new rate: a wait that was reckoned at the floor would go on long after the load has gone.
    if (this.#waiters.length > 0) this.#serve();
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const { go } of waiters) go();
  }

  view(): Omit<BackgroundClassView, 'kind' | 'share'> {
    return {
      keysPerSecond: this.#keys.ratePerSecond,
      bytesPerSecond: this.#bytes.ratePerSecond,
      waiting: this.#waiters.length,
      keysTaken: this.#keysTaken,
      bytesTaken: this.#bytesTaken,
    };
  }

  #waitMs(nowMs: number): number {
    return Math.max(this.#keys.waitMs(nowMs), this.#bytes.waitMs(nowMs));
  }

  #charge(keys: number, bytes: number, nowMs: number): void {
    this.#keys.charge(keys, nowMs);
    this.#bytes.charge(bytes, nowMs);
    this.#keysTaken += keys;
    this.#bytesTaken += bytes;
  }

  #wakeLater(waitMs: number): void {
    this.#timer = this.#env.timers.after(waitMs, () => this.#serve());
  }

  #serve(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    const nowMs = this.#env.clock.monotonicMs();
    while (this.#waiters.length > 0) {
      const waitMs = this.#waitMs(nowMs);
      if (waitMs > 0) {
        this.#wakeLater(waitMs);
        return;
      }
      const { keys, bytes, go } = this.#waiters.shift() as Waiter;
      this.#charge(keys, bytes, nowMs);
      go();
    }
  }
}

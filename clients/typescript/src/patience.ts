/** How long, and how often, the caller of one operation lets it be tried. */

import { ArgumentRefused } from './error.ts';
import { cancelled, type Failure, type Sent, timedOut } from './failure.ts';
import type { CallOptions } from './options.ts';

/** The longest time for an operation: what fits a `grpc-timeout` in milliseconds. */
const TIMEOUT_MS_MAX = 99_999_999;

/** The time of one operation, and its caller's signal, as one signal. */
export class Patience {
  readonly timeoutMs: number;
  readonly attempts: number;
  readonly #deadlineMs: number;
  readonly #controller = new AbortController();
  readonly #timer: NodeJS.Timeout;
  readonly #callerSignal: AbortSignal | undefined;
  readonly #onAbort = (): void => this.#controller.abort();

  /** Throws ArgumentRefused. */
  constructor(options: CallOptions, defaults: { readonly timeoutMs: number; readonly attempts: number }) {
    this.timeoutMs = options.timeoutMs ?? defaults.timeoutMs;
    this.attempts = options.attempts ?? defaults.attempts;
    if (!(this.timeoutMs > 0 && this.timeoutMs <= TIMEOUT_MS_MAX)) {
      throw new ArgumentRefused('timeoutMs', `must be more than 0 and at most ${TIMEOUT_MS_MAX}`);
    }
    if (!(Number.isInteger(this.attempts) && this.attempts > 0)) {
      throw new ArgumentRefused('attempts', 'must be a whole number from 1 on');
    }
    this.#deadlineMs = performance.now() + this.timeoutMs;
    this.#timer = setTimeout(this.#onAbort, this.timeoutMs);
    this.#callerSignal = options.signal;
    if (this.#callerSignal?.aborted === true) this.#controller.abort();
    else this.#callerSignal?.addEventListener('abort', this.#onAbort, { once: true });
  }

  /** Aborted when time is over, or by the caller. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  get remainingMs(): number {
    return this.#deadlineMs - performance.now();
  }

  /** Why the signal is aborted. */
  failure(sent: Sent): Failure {
    const signal = this.#callerSignal;
    return signal?.aborted === true ? cancelled(signal.reason, sent) : timedOut(this.timeoutMs, sent);
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#callerSignal?.removeEventListener('abort', this.#onAbort);
  }
}

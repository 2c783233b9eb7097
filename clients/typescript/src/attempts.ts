/**
 * Carries one operation out: attempt after attempt on one endpoint after another, for as long as that is safe, within the
 * time and the number of attempts that the caller allows.
 */

import { ClientError, Metadata } from 'nice-grpc';
import { backoffMs } from './backoff.ts';
import type { Endpoint, Endpoints } from './endpoints.ts';
import {
  errorOf,
  type Failure,
  failureOfCall,
  isRetryable,
  noConnection,
  notSent,
  outcomeOf,
  prepared,
  retryAfterMs,
} from './failure.ts';
import type { CallOptions } from './options.ts';
import { Patience } from './patience.ts';
import { pause } from './waiting.ts';

/** The options of one call of a stub, and what the server sent last in it. */
export class StubCall {
  readonly metadata: Metadata;
  readonly signal: AbortSignal;
  trailer: Metadata | undefined;

  /** Without `timeoutMs` the call may take for ever. */
  constructor(metadata: Readonly<Record<string, string>>, signal: AbortSignal, timeoutMs?: number) {
    this.metadata = new Metadata(metadata);
    // nice-grpc sets no deadline. The server gives up a little before this, and says what it knows.
    if (timeoutMs !== undefined) this.metadata.set('grpc-timeout', `${Math.max(1, Math.ceil(timeoutMs))}m`);
    this.signal = signal;
  }

  readonly onTrailer = (trailer: Metadata): void => {
    this.trailer = trailer;
  };
}

/** An operation that can be sent again. */
export interface Operation<Answer> {
  readonly isWrite: boolean;
  /** Undefined for reads. */
  readonly requestId?: Uint8Array | undefined;
  /** Where to send it first, if that can be reached. */
  readonly preferred?: Endpoint | undefined;
  /** Sends it once. */
  send(endpoint: Endpoint, call: StubCall, progress: Progress): Promise<Answer>;
}

/** How far an operation is. */
export interface Progress {
  /** Which attempt this is, from 1. */
  readonly attempt: number;
  /** Whether an earlier one may have been applied. */
  readonly isUncertain: boolean;
}

/** What applies to calls that do not say otherwise. */
export interface AttemptDefaults {
  readonly timeoutMs: number;
  readonly attempts: number;
  /** Metadata of every call. */
  readonly metadata: () => Readonly<Record<string, string>>;
}

/** Sends operations until they succeed or must not be sent again. */
export class Attempts {
  readonly #endpoints: Endpoints;
  readonly #defaults: AttemptDefaults;

  constructor(endpoints: Endpoints, defaults: AttemptDefaults) {
    this.#endpoints = endpoints;
    this.#defaults = defaults;
  }

  /** The answer to an operation. Throws KindredError. */
  async run<Answer>(operation: Operation<Answer>, options: CallOptions): Promise<Answer> {
    using patience = prepared(operation.isWrite, () => new Patience(options, this.#defaults));
    let isUncertain = false;
    let last: Endpoint | undefined;
    for (let attempt = 1; ; attempt++) {
      const progress = { attempt, isUncertain };
      const chosen = await this.#endpoint(operation, patience, last);
      const result: Answered<Answer> | Failed = await this.#once(operation, chosen, patience, progress);
      if (result.kind === 'answered') return result.answer;

      const failure: Failure = result.failure;
      isUncertain ||= outcomeOf(failure) === 'UNKNOWN';
      const waitMs = backoffMs(attempt, Math.random(), retryAfterMs(failure));
      // No use in waiting for a time at which nothing may be sent any more.
      if (attempt >= patience.attempts || !isRetryable(failure) || waitMs >= patience.remainingMs) {
        const { isWrite, requestId } = operation;
        throw errorOf(failure, { isWrite, requestId, attempts: attempt, isUncertain });
      }
      await pause(waitMs, patience.signal);
      if (chosen.kind === 'endpoint') last = chosen.endpoint;
    }
  }

  /** What applies to operations that do not say otherwise. */
  get defaults(): AttemptDefaults {
    return this.#defaults;
  }

  /** A call that ends with the signal, and, if it is given, after this time. */
  call(signal: AbortSignal, timeoutMs?: number): StubCall {
    return new StubCall(this.#defaults.metadata(), signal, timeoutMs);
  }

  async #endpoint(
    operation: Operation<unknown>,
    patience: Patience,
    last: Endpoint | undefined,
  ): Promise<Chosen> {
    if (patience.signal.aborted) return { kind: 'failed', failure: patience.failure(notSent) };
    const { preferred } = operation;
    if (last === undefined && preferred !== undefined) {
      const isConnected =
        preferred.isConnected || (await this.#endpoints.connectedSoon(preferred, patience.signal));
      if (isConnected) return { kind: 'endpoint', endpoint: preferred };
    }
    const found = this.#endpoints.next(last) ?? (await this.#endpoints.connected(patience.signal, last));
    if (found === 'given-up') return { kind: 'failed', failure: patience.failure(notSent) };
    if (found === 'unreachable') return { kind: 'failed', failure: noConnection(this.#endpoints.addresses) };
    return { kind: 'endpoint', endpoint: found };
  }

  async #once<Answer>(
    operation: Operation<Answer>,
    chosen: Chosen,
    patience: Patience,
    progress: Progress,
  ): Promise<Answered<Answer> | Failed> {
    if (chosen.kind === 'failed') return chosen;
    const { endpoint } = chosen;
    const call = this.call(patience.signal, patience.remainingMs);
    try {
      return { kind: 'answered', answer: await operation.send(endpoint, call, progress) };
    } catch (error) {
      // What the server said in the last moment is worth more than that the time is over.
      if (patience.signal.aborted && !(error instanceof ClientError)) {
        return { kind: 'failed', failure: patience.failure({ isSent: true, endpoint: endpoint.address }) };
      }
      return { kind: 'failed', failure: failureOfCall(error, call.trailer, endpoint.address) };
    }
  }
}

interface Answered<Answer> {
  readonly kind: 'answered';
  readonly answer: Answer;
}

interface Failed {
  readonly kind: 'failed';
  readonly failure: Failure;
}

type Chosen = { readonly kind: 'endpoint'; readonly endpoint: Endpoint } | Failed;

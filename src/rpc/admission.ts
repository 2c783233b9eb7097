/**
 * How much work a node takes on at once, in requests and in their bytes. Beyond it a unary call is refused at once, with
 * the time to come back, and a pipeline is read no further: waiting work would only be memory, and be answered too late
 * (CASSANDRA-19534, CASSANDRA-15013).
 */

import { assert } from '../core/assert.ts';

export interface AdmissionOptions {
  readonly requestsInFlightMax: number;
  readonly bytesInFlightMax: number;
}

/** Counts what is being worked on. */
export class Admission {
  readonly #options: AdmissionOptions;
  #requests = 0;
  #bytes = 0;
  #waiting: (() => void)[] = [];
  #idle: (() => void)[] = [];

  constructor(options: AdmissionOptions) {
    this.#options = options;
  }

  get requests(): number {
    return this.#requests;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Takes on one request, or says false. Every true is followed by one `leave` with the same bytes. */
  enter(bytes: number): boolean {
    const { requestsInFlightMax, bytesInFlightMax } = this.#options;
    if (this.#requests >= requestsInFlightMax || this.#bytes + bytes > bytesInFlightMax) return false;
    this.#requests++;
    this.#bytes += bytes;
    return true;
  }

  leave(bytes: number): void {
    assert(this.#requests > 0, 'a request leaves once');
    this.#requests--;
    this.#bytes -= bytes;
    if (this.#waiting.length > 0) {
      const waiting = this.#waiting;
      this.#waiting = [];
      for (const resume of waiting) resume();
    }
    if (this.#requests === 0 && this.#idle.length > 0) {
      const idle = this.#idle;
      this.#idle = [];
      for (const done of idle) done();
    }
  }

  /** Calls back once, after the next request has left: try again then. At most one for each pipeline waits. */
  onRoom(resume: () => void): void {
    this.#waiting.push(resume);
  }

  /** Calls back once nothing is being worked on: at once, if that is so. */
  onIdle(done: () => void): void {
    if (this.#requests === 0) done();
    else this.#idle.push(done);
  }
}

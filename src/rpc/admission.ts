/**
 * How much work a node takes on at once, in requests and in bytes: those of the requests, and those of the answers until
 * their clients have taken them. Beyond it a unary call is refused at once, with the time to come back, and a pipeline is
 * read no further: waiting work would only be memory, and be answered too late (CASSANDRA-19534, CASSANDRA-15013).
 */

import { assert } from '../core/assert.ts';
import type { Env } from '../env/env.ts';

export interface AdmissionOptions {
  readonly requestsInFlightMax: number;
  readonly bytesInFlightMax: number;
}

/** Answers whose mean is the expectation. */
const answersRemembered = 16;

/** Counts what is being worked on, and what waits to be taken. */
export class Admission {
  readonly #env: Env;
  readonly #options: AdmissionOptions;
  #requests = 0;
  #bytes = 0;
  /** The part of `#bytes` that waits for clients to take it. */
  #answerBytes = 0;
  #expectedAnswerBytes = 0;
  #refused: () => void = () => {};
  #waiting: (() => void)[] = [];
  #idle: (() => void)[] = [];

  constructor(dependencies: { readonly env: Env }, options: AdmissionOptions) {
    this.#env = dependencies.env;
    this.#options = options;
  }

  get requests(): number {
    return this.#requests;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Takes on one request, or says false; one alone always may. Every true is followed by one `leave` with the same bytes. */
  enter(bytes: number): boolean {
    const { requestsInFlightMax, bytesInFlightMax } = this.#options;
    const tooMuch = this.#bytes > 0 && this.#bytes + bytes > bytesInFlightMax;
    // Safe: refused before anything is begun; and never while nobody is left to wake those who wait for room.
    const rarely = this.#requests > 0 && this.#env.rarePath('admission-refuses');
    if (tooMuch || rarely || this.#requests >= requestsInFlightMax) {
      this.#refused();
      return false;
    }
    this.#requests++;
    this.#bytes += bytes;
    return true;
  }

  leave(bytes: number): void {
    assert(this.#requests > 0, 'a request leaves once');
    this.#requests--;
    this.#bytes -= bytes;
    this.#wake();
    if (this.#requests === 0 && this.#idle.length > 0) {
      const idle = this.#idle;
      this.#idle = [];
      for (const done of idle) done();
    }
  }

  /**
   * What the next read will probably have to hold: the mean of the last answers. A read is let in with so many bytes besides
   * its own, because its answer is there before anything could stop it.
   */
  get expectedAnswerBytes(): number {
    // Whole: fractions that are added and taken away again leave a rest, and the node would never be idle again.
    return Math.ceil(this.#expectedAnswerBytes);
  }

  /** Remembers how large the answer to a read was. */
  answered(bytes: number): void {
    this.#expectedAnswerBytes += (bytes - this.#expectedAnswerBytes) / answersRemembered;
  }

  /** True when an answer of so many bytes may wait for its client. One alone always may. */
  hasRoomFor(bytes: number): boolean {
    return this.#answerBytes === 0 || this.#bytes + bytes <= this.#options.bytesInFlightMax;
  }

  /** Counts an answer that exists from now on. Every `hold` is followed by one `release` with the same bytes. */
  hold(bytes: number): void {
    this.#bytes += bytes;
    this.#answerBytes += bytes;
  }

  /** Counts an answer no more: its client took it, or is gone. */
  release(bytes: number): void {
    assert(this.#answerBytes >= bytes, 'an answer is released once');
    this.#bytes -= bytes;
    this.#answerBytes -= bytes;
    this.#wake();
  }

  /** True when more than half of the bytes are in use. */
  get tight(): boolean {
    return this.#bytes * 2 > this.#options.bytesInFlightMax;
  }

  /** Calls back every time that something is refused. For one listener: the door. */
  onRefused(refused: () => void): void {
    this.#refused = refused;
  }

  /** Calls back once, when something has left since: try again then. At most one for each pipeline waits. */
  onRoom(resume: () => void): void {
    this.#waiting.push(resume);
  }

  /** Wakes those who wait, first come first, until there is no room again. */
  #wake(): void {
    const { requestsInFlightMax, bytesInFlightMax } = this.#options;
    // Whoever finds no room joins the end of the queue again: one round is enough.
    for (let left = this.#waiting.length; left > 0; left--) {
      if (this.#requests >= requestsInFlightMax || this.#bytes >= bytesInFlightMax) return;
      const before = this.#waiting.length;
      const resume = this.#waiting.shift();
      // Those who resume may end others, which wakes the rest.
      if (resume === undefined) return;
      resume();
      // It found no room, although there is some: it needs more than there is, and so will those behind it.
      if (this.#waiting.length >= before) return;
    }
  }

  /** Calls back once nothing is being worked on: at once, if that is so. */
  onIdle(done: () => void): void {
    if (this.#requests === 0) done();
    else this.#idle.push(done);
  }
}

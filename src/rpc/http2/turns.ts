/** Streams that have something to send take turns, a frame each, as far as the windows and the socket go. */

import type { Output } from './output.ts';
import type { Http2Stream } from './stream.ts';

export class Turns {
  readonly #output: Output;
  /** Without those that wait for more of their own window: they come back with it. */
  readonly #sending = new Set<Http2Stream>();

  constructor(output: Output) {
    this.#output = output;
  }

  /** Whoever comes now must wait. */
  get isBusy(): boolean {
    return this.#sending.size > 0 || this.#output.isCongested;
  }

  /** The stream has more to send, or more room for it. */
  join(stream: Http2Stream): void {
    this.#sending.add(stream);
    if (this.#sending.size === 1) this.run();
    // Others wait for the window of the connection: its headers need none.
    else if (!this.#output.isCongested) this.#step(stream);
  }

  leave(stream: Http2Stream): void {
    this.#sending.delete(stream);
  }

  /** There is more room for all of them. */
  run(): void {
    for (let moved = true; moved; ) {
      moved = false;
      for (const stream of this.#sending) {
        if (this.#output.isCongested) return;
        if (this.#step(stream)) moved = true;
      }
    }
  }

  #step(stream: Http2Stream): boolean {
    const sent = stream.step();
    if (sent === 'more') return true;
    if (sent === 'nothing' || stream.sendWindow <= 0) this.#sending.delete(stream);
    return false;
  }
}

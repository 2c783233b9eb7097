/** The streams that were reset here last: what their clients sent before they knew of it is no mistake (RFC 9113, 5.1). */

const rememberedMin = 256;

export class ResetMemory {
  readonly #streams = new Set<number>();
  readonly #streamsMax: number;

  /** Remembers this many streams, and 256 at least; then the oldest is forgotten. */
  constructor(streamsMax: number) {
    this.#streamsMax = Math.max(rememberedMin, streamsMax);
  }

  add(id: number): void {
    if (this.#streams.size >= this.#streamsMax) {
      for (const oldest of this.#streams) {
        this.#streams.delete(oldest);
        break;
      }
    }
    this.#streams.add(id);
  }

  has(id: number): boolean {
    return this.#streams.has(id);
  }
}

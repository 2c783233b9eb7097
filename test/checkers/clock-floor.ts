/** The join of many clocks that remembers who raised each entry, so that a violation can name the attempt to blame. */

import type { ClockEntries, DotName, SeenContext } from './history.ts';

interface Entry<Source> {
  counter: number;
  source: Source;
}

/** A dot, taken apart. */
export interface DotParts {
  readonly replica: number;
  readonly epoch: number;
  readonly counter: number;
}

export function partsOf(dot: DotName): DotParts {
  const first = dot.indexOf('/');
  const second = dot.indexOf('/', first + 1);
  return {
    replica: Number(dot.slice(0, first)),
    epoch: Number(dot.slice(first + 1, second)),
    counter: Number(dot.slice(second + 1)),
  };
}

/** How many writes of the actor the clock knows; 0 when none. */
export function counterIn(clock: ClockEntries, replica: number, epoch: number): number {
  for (const entry of clock) if (entry[0] === replica && entry[1] === epoch) return entry[2];
  return 0;
}

/** True when the clock knows the dot. `clockCovers` for a dot that was taken apart once. */
export function coversParts(clock: ClockEntries, { replica, epoch, counter }: DotParts): boolean {
  return counterIn(clock, replica, epoch) >= counter;
}

export class ClockFloor<Source> {
  readonly #actors = new Map<number, Map<number, Entry<Source>>>();
  readonly #dots = new Map<DotName, Source>();

  /** Joins a clock. */
  raise(clock: ClockEntries, source: Source): void {
    for (const [replica, epoch, counter] of clock) this.#raise(replica, epoch, counter, source);
  }

  /** Adds one dot alone, without the actor's earlier ones. */
  addDot(dot: DotName, source: Source): void {
    if (!this.#dots.has(dot)) this.#dots.set(dot, source);
  }

  /** Who brought in what covers the dot; `undefined`: nobody. */
  sourceOf(dot: DotName, parts: DotParts): Source | undefined {
    const entry = this.#actors.get(parts.replica)?.get(parts.epoch);
    if (entry !== undefined && entry.counter >= parts.counter) return entry.source;
    return this.#dots.get(dot);
  }

  /** Something of the floor that the context has not seen, and who brought it in. */
  missingIn(context: SeenContext): { readonly dot: DotName; readonly source: Source } | undefined {
    for (const [replica, epochs] of this.#actors) {
      for (const [epoch, { counter, source }] of epochs) {
        if (counterIn(context.clock, replica, epoch) >= counter) continue;
        const dot = `${replica}/${epoch}/${counter}`;
        if (!context.dots.includes(dot)) return { dot, source };
      }
    }
    for (const [dot, source] of this.#dots) {
      if (!coversParts(context.clock, partsOf(dot)) && !context.dots.includes(dot)) return { dot, source };
    }
    return undefined;
  }

  #raise(replica: number, epoch: number, counter: number, source: Source): void {
    let epochs = this.#actors.get(replica);
    if (epochs === undefined) {
      epochs = new Map();
      this.#actors.set(replica, epochs);
    }
    const entry = epochs.get(epoch);
    if (entry === undefined) epochs.set(epoch, { counter, source });
    else if (entry.counter < counter) {
      entry.counter = counter;
      entry.source = source;
    }
  }
}

/**
 * Virtual time: events in one order, one after the other. After each event all promises that it set free run to their ends,
 * and only then comes the next; so a run is a function of what was scheduled, and the same seed gives the same run.
 *
 * The hash folds in every event as it runs. Two runs with one hash did the same things in the same order.
 */

import { realSetImmediate } from './real-time.ts';

/** Whose an event is. Events of a halted owner never run, those of a suspended one run when it is resumed, in their order. */
export class EventOwner {
  readonly name: string;
  /** Folded into the hash. */
  readonly number: number;
  state: 'running' | 'suspended' | 'halted' = 'running';
  /** Due while it was suspended. */
  readonly waiting: SimulatedEvent[] = [];

  constructor(name: string, number: number) {
    this.name = name;
    this.number = number;
  }
}

/** One thing that will happen. */
export interface SimulatedEvent {
  atMicros: number;
  sequence: number;
  readonly owner: EventOwner;
  /** Small number of the kind of event, folded into the hash. */
  readonly kind: number;
  /** `undefined` once it has run or was cancelled. */
  run: (() => void) | undefined;
}

/** Events between two looks at the condition of `run`, at most. */
const batch = 64;

export class Scheduler {
  readonly #heap: SimulatedEvent[] = [];
  #nowMicros = 0;
  #sequence = 0;
  #executed = 0;
  #numbers = 0;
  #hashLow = 0x9e3779b9;
  #hashHigh = 0x85ebca6b;

  /** Microseconds since the beginning of the run. */
  get nowMicros(): number {
    return this.#nowMicros;
  }

  /** Events that have run. */
  get executed(): number {
    return this.#executed;
  }

  /** Sixteen hexadecimal digits over everything that has happened. */
  get hash(): string {
    return hex(this.#hashHigh) + hex(this.#hashLow);
  }

  /** A number that nothing else in the run has: names a message in the trace. */
  nextNumber(): number {
    return ++this.#numbers;
  }

  /** Folds a number into the hash: what an event carried, for instance. Its low 32 bits count. */
  mix(value: number): void {
    this.#hashLow = Math.imul(this.#hashLow ^ value, 0x01000193);
    this.#hashHigh = Math.imul(this.#hashHigh ^ (this.#hashLow >>> 15) ^ value, 0x85ebca6b);
    this.#hashHigh ^= this.#hashHigh >>> 13;
  }

  /** Runs `run` at `atMicros`, or now if that is over: after all that is due then already. Cancel by `cancel`. */
  at(atMicros: number, owner: EventOwner, kind: number, run: () => void): SimulatedEvent {
    const event: SimulatedEvent = {
      atMicros: Math.max(this.#nowMicros, Math.round(atMicros)),
      sequence: this.#sequence++,
      owner,
      kind,
      run,
    };
    this.#push(event);
    return event;
  }

  cancel(event: SimulatedEvent): void {
    event.run = undefined;
  }

  /** Lets what came due while the owner was suspended happen now. */
  resume(owner: EventOwner): void {
    if (owner.state !== 'suspended') return;
    owner.state = 'running';
    for (const event of owner.waiting) {
      if (event.run === undefined) continue;
      event.atMicros = this.#nowMicros;
      event.sequence = this.#sequence++;
      this.#push(event);
    }
    owner.waiting.length = 0;
  }

  /**
   * Runs events until `isDone` (asked after each), or until nothing is left: then rejects. Rejects with what an event
   * throws.
   */
  run(isDone: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      let over = false;
      // Node drains all microtasks between two immediates, also between those that were set together.
      const step = (): void => {
        if (over) return;
        try {
          if (isDone()) {
            over = true;
            resolve();
            return;
          }
          if (!this.#runNext()) throw new Error('the simulation has stopped: nothing is scheduled any more');
        } catch (error) {
          over = true;
          reject(error);
        }
      };
      const round = (): void => {
        if (over) return;
        for (let i = 0; i < batch; i++) realSetImmediate(step);
        realSetImmediate(round);
      };
      round();
    });
  }

  #runNext(): boolean {
    for (;;) {
      const event = this.#pop();
      if (event === undefined) return false;
      const { run, owner } = event;
      if (run === undefined || owner.state === 'halted') continue;
      this.#nowMicros = event.atMicros;
      if (owner.state === 'suspended') {
        owner.waiting.push(event);
        continue;
      }
      event.run = undefined;
      this.#executed++;
      this.mix(event.atMicros);
      this.mix(owner.number * 64 + event.kind);
      run();
      return true;
    }
  }

  #push(event: SimulatedEvent): void {
    const heap = this.#heap;
    let index = heap.length;
    heap.push(event);
    while (index > 0) {
      const parent = (index - 1) >> 1;
      const above = heap[parent] as SimulatedEvent;
      if (!isBefore(event, above)) break;
      heap[index] = above;
      index = parent;
    }
    heap[index] = event;
  }

  #pop(): SimulatedEvent | undefined {
    const heap = this.#heap;
    const top = heap[0];
    const last = heap.pop();
    if (top === undefined || last === undefined || heap.length === 0) return top;
    const { length } = heap;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= length) break;
      if (child + 1 < length && isBefore(heap[child + 1] as SimulatedEvent, heap[child] as SimulatedEvent))
        child++;
      const below = heap[child] as SimulatedEvent;
      if (!isBefore(below, last)) break;
      heap[index] = below;
      index = child;
    }
    heap[index] = last;
    return top;
  }
}

function isBefore(a: SimulatedEvent, b: SimulatedEvent): boolean {
  return a.atMicros < b.atMicros || (a.atMicros === b.atMicros && a.sequence < b.sequence);
}

function hex(number: number): string {
  return (number >>> 0).toString(16).padStart(8, '0');
}

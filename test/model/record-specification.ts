/**
 * What must be true of one key, in explicit sets of writes: no clock, no counter, no dot arithmetic. Every write that was
 * ever decided is one bit of a 31-bit set, so a run has at most 31 of them.
 *
 * A state is the set of writes it has seen and the set it holds. `seen` holds exactly those writes whose effect is in it,
 * which is what vector clocks are meant to say in fewer bytes.
 */

import type { ConflictPolicy } from '../../src/core/bucket.ts';

/** Most writes of one run. */
export const writesMax = 30;

export interface SetState {
  readonly seen: number;
  readonly held: number;
}

export const nothing: SetState = { seen: 0, held: 0 };

export interface SpecifiedWrite {
  /** Writes with the same number are retries of one request. */
  readonly request: number;
  /** The writes that its writer had seen: what it supersedes. */
  readonly past: number;
  /** Writes of one request with the same number had seen the same, and only the smallest is kept. */
  readonly sight: number;
  /** Order among all writes of one key. Written-at comes before it where the last write wins. */
  readonly order: readonly [replica: number, epoch: number, counter: number];
  readonly writtenAt: number;
}

export class RecordSpecification {
  readonly writes: SpecifiedWrite[] = [];
  /** Writes whose client was told that they are done. */
  acknowledged = 0;
  readonly #policy: ConflictPolicy;
  readonly #retriesOf: number[] = [];

  constructor(policy: ConflictPolicy) {
    this.#policy = policy;
  }

  /** The state after a write that was decided on `local`. */
  write(local: SetState, write: SpecifiedWrite): SetState {
    const bit = 1 << this.writes.length;
    this.writes.push(write);
    this.#retriesOf[write.request] = (this.#retriesOf[write.request] ?? 0) | bit;
    return {
      seen: local.seen | write.past | bit,
      held: this.#settled((local.held & ~write.past) | bit),
    };
  }

  merge(a: SetState, b: SetState): SetState {
    const held =
      this.#policy === 'last-write-wins'
        ? a.held | b.held
        : (a.held & b.held) | (a.held & ~b.seen) | (b.held & ~a.seen);
    return { seen: a.seen | b.seen, held: this.#settled(held) };
  }

  /** The write of this request that the state holds, if any. */
  heldOfRequest(state: SetState, request: number): number | undefined {
    const both = state.held & (this.#retriesOf[request] ?? 0);
    return both === 0 ? undefined : 31 - Math.clz32(both & -both);
  }

  /** Acknowledged requests that are gone from `held` although nothing that is there came after them. */
  lost(held: number): number {
    if (this.#policy === 'last-write-wins') {
      // The promise is the maximum: what is held must come after every acknowledged write, or be it.
      const last = this.#settled(held);
      return this.#settled(held | this.acknowledged) === last ? 0 : this.acknowledged & ~held;
    }
    // Whole requests: of the retries of one request one survives, and all that any of them superseded is superseded.
    let alive = this.#wholeRequests(held);
    for (;;) {
      let covered = alive;
      for (let i = 0; i < this.writes.length; i++) {
        if (alive & (1 << i)) covered |= (this.writes[i] as SpecifiedWrite).past;
      }
      const next = this.#wholeRequests(covered);
      if (next === alive) return this.acknowledged & ~alive;
      alive = next;
    }
  }

  /** Writes in `held` that an acknowledged write had seen, and so superseded. */
  reappeared(held: number): number {
    let superseded = 0;
    for (let i = 0; i < this.writes.length; i++) {
      if (this.acknowledged & (1 << i)) superseded |= (this.writes[i] as SpecifiedWrite).past;
    }
    return held & superseded;
  }

  /** Writes in `held` that are retries of another one in it. */
  duplicates(held: number): number {
    let extra = 0;
    for (const retries of this.#retriesOf) {
      const both = held & (retries ?? 0);
      extra |= both & (both - 1);
    }
    return extra;
  }

  #wholeRequests(set: number): number {
    let whole = 0;
    for (const retries of this.#retriesOf) if (retries !== undefined && set & retries) whole |= retries;
    return whole;
  }

  /** One write a request and sight: the smallest. One write in all, where the last wins. */
  #settled(held: number): number {
    if (this.#policy === 'last-write-wins') return this.#extreme(held, compareByTime);
    let settled = held;
    for (const retries of this.#retriesOf) {
      let rest = held & (retries ?? 0);
      while (rest & (rest - 1)) {
        const { sight } = this.writes[31 - Math.clz32(rest)] as SpecifiedWrite;
        let same = 0;
        for (let i = 0; i < this.writes.length; i++) {
          if (rest & (1 << i) && (this.writes[i] as SpecifiedWrite).sight === sight) same |= 1 << i;
        }
        settled = (settled & ~same) | this.#extreme(same, (a, b) => -compareByOrder(a, b));
        rest &= ~same;
      }
    }
    return settled;
  }

  #extreme(set: number, compare: (a: SpecifiedWrite, b: SpecifiedWrite) => number): number {
    if ((set & (set - 1)) === 0) return set;
    let best: SpecifiedWrite | undefined;
    let bit = 0;
    for (let i = 0; i < this.writes.length; i++) {
      if (!(set & (1 << i))) continue;
      const write = this.writes[i] as SpecifiedWrite;
      if (best === undefined || compare(write, best) > 0) {
        best = write;
        bit = 1 << i;
      }
    }
    return bit;
  }
}

function compareByOrder(a: SpecifiedWrite, b: SpecifiedWrite): number {
  for (let i = 0; i < 3; i++) {
    const difference = (a.order[i] as number) - (b.order[i] as number);
    if (difference !== 0) return difference;
  }
  return 0;
}

function compareByTime(a: SpecifiedWrite, b: SpecifiedWrite): number {
  return a.writtenAt - b.writtenAt || compareByOrder(a, b);
}

/** A set for people: the numbers of its writes. */
export function setText(set: number): string {
  const members: number[] = [];
  for (let i = 0; i < 31; i++) if (set & (1 << i)) members.push(i);
  return `{${members.join(' ')}}`;
}

/**
 * Whether a history of concurrent operations could have happened one at a time, each between its call and its return: the
 * algorithm of Wing and Gong ("Testing and Verifying Concurrent Objects", 1993) with the memory of Lowe ("Testing for
 * Linearizability", 2017), as in Porcupine: a set of operations that were taken, with the state they led to, is never tried twice.
 *
 * An operation of unknown outcome returns never: it may take effect at any time after its call, or not at all. One that
 * certainly failed is left out by the caller. Operations at different objects are checked apart (`linearizableByKey`): a
 * history is linearizable if that of each object is (Herlihy and Wing, 1990).
 */

/** A sequential object. */
export interface SequentialModel<State, Op> {
  readonly init: State;
  /** The state after the operation with what it answered; `undefined`: it cannot answer that in this state. */
  step(state: State, op: Op): State | undefined;
  equal(a: State, b: State): boolean;
  /** Equal states have equal hashes. */
  hash(state: State): number;
}

export interface TimedOperation<Op> {
  readonly op: Op;
  readonly callMs: number;
  /** Infinity: of unknown outcome. It then need not take effect. */
  readonly returnMs: number;
}

export type LinearizabilityVerdict =
  | {
      readonly kind: 'linearizable' /** Indices of the operations in an order that explains them. */;
      readonly order: readonly number[];
    }
  /** `blocked`: the operation that no order could explain, in the longest one that was found. */
  | { readonly kind: 'violated'; readonly order: readonly number[]; readonly blocked: number }
  /** Too many steps. Nothing is known. */
  | { readonly kind: 'undecided'; readonly steps: number };

export interface LinearizabilityOptions {
  /** Operations tried before it gives up. */
  readonly stepsMax: number;
}

const defaults: LinearizabilityOptions = { stepsMax: 1_000_000 };

/** A call or a return, in a list that gives and takes back. */
interface Entry {
  readonly operation: number;
  readonly isCall: boolean;
  /** Of a call: its return. */
  match: Entry | undefined;
  before: Entry;
  next: Entry | undefined;
}

export function checkLinearizable<State, Op>(
  model: SequentialModel<State, Op>,
  operations: readonly TimedOperation<Op>[],
  { stepsMax }: LinearizabilityOptions = defaults,
): LinearizabilityVerdict {
  const head = listOf(operations);
  let required = 0;
  for (const { returnMs } of operations) if (returnMs !== Number.POSITIVE_INFINITY) required++;
  const taken = new Uint32Array(Math.ceil(operations.length / 32));
  const tried = new Tried(model);
  const calls: { readonly entry: Entry; readonly state: State }[] = [];
  let state = model.init;
  let best: number[] = [];
  let blocked = -1;
  let steps = 0;
  let entry = head.next;
  while (required > 0) {
    if (entry?.isCall === true) {
      if (++steps > stepsMax) return { kind: 'undecided', steps: stepsMax };
      const { operation } = entry;
      const { op, returnMs } = operations[operation] as TimedOperation<Op>;
      const next = model.step(state, op);
      if (next !== undefined) {
        set(taken, operation);
        if (tried.add(taken, next)) {
          calls.push({ entry, state });
          state = next;
          if (returnMs !== Number.POSITIVE_INFINITY) required--;
          lift(entry);
          entry = head.next;
          continue;
        }
        clear(taken, operation);
      }
      entry = entry.next;
      continue;
    }
    // A return that was not taken, or nothing but operations of unknown outcome after it: go back.
    if (calls.length >= best.length) {
      best = calls.map((call) => call.entry.operation);
      blocked = entry?.operation ?? -1;
    }
    const last = calls.pop();
    if (last === undefined) return { kind: 'violated', order: best, blocked };
    const { operation } = last.entry;
    state = last.state;
    clear(taken, operation);
    if ((operations[operation] as TimedOperation<Op>).returnMs !== Number.POSITIVE_INFINITY) required++;
    unlift(last.entry);
    entry = last.entry.next;
  }
  return { kind: 'linearizable', order: calls.map((call) => call.entry.operation) };
}

/** Checks the operations of each key apart. The verdict of the first key that is not linearizable, with its key. */
export function linearizableByKey<State, Op>(
  model: SequentialModel<State, Op>,
  operations: readonly TimedOperation<Op>[],
  keyOf: (op: Op) => string,
  options: LinearizabilityOptions = defaults,
): ReadonlyMap<string, LinearizabilityVerdict> {
  const byKey = new Map<string, TimedOperation<Op>[]>();
  for (const operation of operations) {
    const key = keyOf(operation.op);
    const list = byKey.get(key);
    if (list === undefined) byKey.set(key, [operation]);
    else list.push(operation);
  }
  const verdicts = new Map<string, LinearizabilityVerdict>();
  for (const [key, ofKey] of byKey) verdicts.set(key, checkLinearizable(model, ofKey, options));
  return verdicts;
}

/** Calls and returns in order of time; at one instant calls come first, which allows more. */
function listOf<Op>(operations: readonly TimedOperation<Op>[]): Entry {
  const events: { readonly atMs: number; readonly isCall: boolean; readonly operation: number }[] = [];
  operations.forEach(({ callMs, returnMs }, operation) => {
    events.push({ atMs: callMs, isCall: true, operation });
    if (returnMs !== Number.POSITIVE_INFINITY) events.push({ atMs: returnMs, isCall: false, operation });
  });
  events.sort((a, b) => a.atMs - b.atMs || Number(b.isCall) - Number(a.isCall) || a.operation - b.operation);
  const head = { operation: -1, isCall: false, match: undefined, next: undefined } as unknown as Entry;
  head.before = head;
  const calls = new Map<number, Entry>();
  let last = head;
  for (const { isCall, operation } of events) {
    const entry: Entry = { operation, isCall, match: undefined, before: last, next: undefined };
    last.next = entry;
    last = entry;
    if (isCall) calls.set(operation, entry);
    else (calls.get(operation) as Entry).match = entry;
  }
  return head;
}

/** Takes a call and its return out of the list. */
function lift(entry: Entry): void {
  remove(entry);
  if (entry.match !== undefined) remove(entry.match);
}

/** Puts them back where they were: last out, first in. */
function unlift(entry: Entry): void {
  if (entry.match !== undefined) restore(entry.match);
  restore(entry);
}

function remove(entry: Entry): void {
  entry.before.next = entry.next;
  if (entry.next !== undefined) entry.next.before = entry.before;
}

function restore(entry: Entry): void {
  entry.before.next = entry;
  if (entry.next !== undefined) entry.next.before = entry;
}

/** Sets of operations with the state that they led to. */
class Tried<State, Op> {
  readonly #model: SequentialModel<State, Op>;
  readonly #buckets = new Map<number, { readonly taken: Uint32Array; readonly state: State }[]>();

  constructor(model: SequentialModel<State, Op>) {
    this.#model = model;
  }

  /** False when it was there already. */
  add(taken: Uint32Array, state: State): boolean {
    let hash = this.#model.hash(state) | 0;
    for (const word of taken) hash = (Math.imul(hash, 31) + word) | 0;
    const bucket = this.#buckets.get(hash);
    if (bucket === undefined) {
      this.#buckets.set(hash, [{ taken: taken.slice(), state }]);
      return true;
    }
    for (const known of bucket) {
      if (sameWords(known.taken, taken) && this.#model.equal(known.state, state)) return false;
    }
    bucket.push({ taken: taken.slice(), state });
    return true;
  }
}

function sameWords(a: Uint32Array, b: Uint32Array): boolean {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

function set(words: Uint32Array, bit: number): void {
  words[bit >>> 5] = (words[bit >>> 5] as number) | (1 << (bit & 31));
}

function clear(words: Uint32Array, bit: number): void {
  words[bit >>> 5] = (words[bit >>> 5] as number) & ~(1 << (bit & 31));
}

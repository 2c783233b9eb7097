/**
 * All that a history tells about the versions of one key, by dot: what made each, what it had seen, what it says. Clients'
 * answers, the observer of the disks and the state at rest are put together here, once for all checkers.
 *
 * Whose a version is, is known for certain from a finished write (its answer has the dot) and from a request id that an
 * observer saw. Else its value tells, because no two writes share one; but a touch copies the value that it finds, so
 * where a key was touched, a value proves something only of the first version that an observer saw with it.
 */

import { coversParts, type DotParts, partsOf } from './clock-floor.ts';
import type {
  ClockEntries,
  DotName,
  KeyHistory,
  ReadAttempt,
  ReadOutcomeSeen,
  SeenContext,
  SeenVersion,
  WriteAttempt,
  WriteOutcomeSeen,
} from './history.ts';

/** A write that was acknowledged. */
export type DoneWrite = WriteAttempt & { readonly outcome: Extract<WriteOutcomeSeen, { kind: 'done' }> };
/** A read that was answered. */
export type DoneRead = ReadAttempt & { readonly outcome: Extract<ReadOutcomeSeen, { kind: 'done' }> };

export interface KnownVersion {
  readonly dot: DotName;
  readonly parts: DotParts;
  /** The logical write that made it; `undefined`: nobody can tell. */
  write: number | undefined;
  /** What its writer had seen, as far as known. */
  clock: ClockEntries;
  /** Single dots that its writer had seen beyond the clock. */
  dots: readonly DotName[];
  /** Text that it was seen with; `undefined`: a deletion, or never seen before it expired. */
  value: string | undefined;
  /** True where it may read as nothing: a deletion, or a value with a deadline. */
  mayBeHidden: boolean;
  /** Seen with a deadline. */
  mortal: boolean;
  writtenAtMicros: number | undefined;
}

export interface KnownVersions {
  readonly byDot: ReadonlyMap<DotName, KnownVersion>;
  /** Versions of one logical write: retries make several. */
  readonly byWrite: ReadonlyMap<number, readonly KnownVersion[]>;
  readonly writes: readonly WriteAttempt[];
  readonly doneWrites: readonly DoneWrite[];
  /** In the order of their ids. */
  readonly doneReads: readonly DoneRead[];
  /** Attempts of one logical write. */
  readonly attemptsOf: ReadonlyMap<number, readonly WriteAttempt[]>;
  /**
   * Attempts that may have made a version under a dot that nobody can name: of unknown outcome, where no version is known or
   * a retry may have made the one that is; and touches whose answer has no dot.
   */
  readonly unseen: readonly WriteAttempt[];
  /** True where a touch may have made a version with the value of another write. */
  readonly touched: boolean;
}

const known = new WeakMap<KeyHistory, KnownVersions>();

/** Computed once for a key: the history must not change afterwards. */
export function knownVersions(key: KeyHistory): KnownVersions {
  const before = known.get(key);
  if (before !== undefined) return before;
  const versions = collect(key);
  known.set(key, versions);
  return versions;
}

/**
 * What an acknowledged write superseded: its context, or what its answer covers beside itself. `undefined` where that cannot
 * be told (a touch without a context whose answer does not name its dot).
 */
export function supersededBy(write: DoneWrite): SeenContext | undefined {
  const { dot, context } = write.outcome;
  if (write.context !== undefined && (write.causality === 'context' || write.action === 'touch'))
    return write.context;
  if (dot === undefined) return undefined;
  const own = partsOf(dot);
  if (!coversParts(context.clock, own))
    return { clock: context.clock, dots: context.dots.filter((d) => d !== dot) };
  const clock: (readonly [number, number, number])[] = [];
  for (const entry of context.clock) {
    if (entry[0] !== own.replica || entry[1] !== own.epoch) clock.push(entry);
    else if (own.counter > 1) clock.push([entry[0], entry[1], own.counter - 1]);
  }
  return { clock, dots: context.dots };
}

function collect(key: KeyHistory): KnownVersions {
  const writes: WriteAttempt[] = [];
  const doneWrites: DoneWrite[] = [];
  const doneReads: DoneRead[] = [];
  const attemptsOf = new Map<number, WriteAttempt[]>();
  const writeOfValue = new Map<string, number>();
  const writeOfRequest = new Map<string, number>();
  let touched = false;
  for (const attempt of key.attempts) {
    if (attempt.kind === 'read') {
      if (attempt.outcome.kind === 'done') doneReads.push(attempt as DoneRead);
      continue;
    }
    writes.push(attempt);
    push(attemptsOf, attempt.write, attempt);
    if (attempt.outcome.kind === 'done') doneWrites.push(attempt as DoneWrite);
    if (attempt.value !== undefined) writeOfValue.set(attempt.value, attempt.write);
    if (attempt.requestId !== undefined) writeOfRequest.set(attempt.requestId, attempt.write);
    if (attempt.action === 'touch' && attempt.outcome.kind !== 'not-applied') touched = true;
  }

  const byDot = new Map<DotName, KnownVersion>();
  const see = (dot: DotName): KnownVersion => {
    let version = byDot.get(dot);
    if (version === undefined) {
      const parts = partsOf(dot);
      version = {
        dot,
        parts,
        write: undefined,
        clock: [],
        dots: [],
        value: undefined,
        mayBeHidden: false,
        mortal: false,
        writtenAtMicros: undefined,
      };
      byDot.set(dot, version);
    }
    return version;
  };
  const learn = (seen: SeenVersion): KnownVersion => {
    const version = see(seen.dot);
    version.clock = seen.clock;
    version.writtenAtMicros = seen.writtenAtMicros;
    version.value ??= seen.value;
    if (seen.expiresAtMicros !== undefined) version.mortal = true;
    if (seen.value === undefined || version.mortal) version.mayBeHidden = true;
    return version;
  };
  const valuesStored = new Set<string>();
  for (const seen of key.witnessed) {
    const version = learn(seen);
    if (seen.value !== undefined && !valuesStored.has(seen.value)) {
      // A touch finds a value only after it was stored: the first version that has it is that of the put.
      valuesStored.add(seen.value);
      version.write ??= writeOfValue.get(seen.value);
    }
    if (seen.requestId !== undefined) version.write = writeOfRequest.get(seen.requestId) ?? version.write;
  }
  for (const { versions } of key.replicas) for (const seen of versions) learn(seen);
  for (const { outcome } of doneReads) for (const seen of outcome.versions) learn(seen);
  const mortal =
    [...byDot.values()].some((version) => version.mortal) ||
    writes.some((write) => write.ttlMs !== undefined);
  for (const write of doneWrites) {
    const { dot } = write.outcome;
    if (dot === undefined) continue;
    const isNew = !byDot.has(dot);
    const version = see(dot);
    version.write = write.write;
    if (write.value !== undefined) version.value ??= write.value;
    // A lifetime may come from the bucket, or from what was superseded: never seen, it may have passed.
    if (write.action !== 'put' || (isNew && mortal)) version.mayBeHidden = true;
    const seen = supersededBy(write);
    // A replay tells what the first attempt had seen only in part.
    if (isNew && seen !== undefined) version.clock = seen.clock;
    if (seen !== undefined && seen.dots.length > 0) version.dots = seen.dots;
  }

  const byWrite = new Map<number, KnownVersion[]>();
  for (const version of byDot.values()) {
    if (version.write === undefined && version.value !== undefined && !touched) {
      version.write = writeOfValue.get(version.value);
    }
    if (version.write === undefined) continue;
    push(byWrite, version.write, version);
    for (const { context } of attemptsOf.get(version.write) ?? []) {
      if (context !== undefined && context.dots.length > 0 && version.dots.length === 0)
        version.dots = context.dots;
    }
  }
  const unseen = writes.filter(({ outcome, write, action }) => {
    if (outcome.kind === 'done') return outcome.dot === undefined && action === 'touch';
    if (outcome.kind !== 'unknown') return false;
    return !byWrite.has(write) || (attemptsOf.get(write) as WriteAttempt[]).length > 1;
  });
  return { byDot, byWrite, writes, doneWrites, doneReads, attemptsOf, unseen, touched };
}

function push<K, V>(map: Map<K, V[]>, name: K, value: V): void {
  const list = map.get(name);
  if (list === undefined) map.set(name, [value]);
  else list.push(value);
}

/**
 * What happened, as clients and an omniscient observer saw it: the input of every checker. The simulator and the chaos runs
 * on real processes write the same history.
 *
 * Times are milliseconds of one clock that all clients share (virtual under the simulator). Values are texts that no two
 * writes share, so that a value names the write that it came from.
 */

/** A dot in a form that can be a map's key: `replica/epoch/counter`. */
export type DotName = string;

/** One entry a (replica, epoch): all counters up to the third number were seen. */
export type ClockEntries = readonly (readonly [replica: number, epoch: number, counter: number])[];

/** A context token, opened: what its bearer had seen. `undefined` where a client had none. */
export interface SeenContext {
  readonly clock: ClockEntries;
  /** Single dots beyond the clock. */
  readonly dots: readonly DotName[];
}

export type HistoryLevel = 'any' | 'one' | 'two' | 'three' | 'quorum' | 'all';

/** One attempt at a write: one message to one node. Retries of one logical write share `write`. */
export interface WriteAttempt {
  readonly kind: 'write';
  /** Position in the history, in the order in which attempts began; unique. */
  readonly id: number;
  /** Logical write: the same for each attempt with one request id; else its own. */
  readonly write: number;
  readonly client: string;
  readonly node: string;
  readonly bucket: string;
  readonly key: string;
  readonly action: 'put' | 'delete' | 'touch';
  /** Unique text of the put. `undefined`: a deletion, or a touch, which keeps the value that it finds. */
  readonly value: string | undefined;
  readonly causality: 'context' | 'overwrite' | 'add-sibling' | 'reject';
  /** With `context`: what the context covers. */
  readonly context: SeenContext | undefined;
  readonly level: HistoryLevel;
  /** Nodes that stand in for replicas that are away may count. Absent: they may not. */
  readonly sloppy?: boolean | undefined;
  readonly durability: 'buffered' | 'sync-one' | 'sync-quorum';
  /** Hexadecimal, where the write has one. */
  readonly requestId: string | undefined;
  /** Lifetime asked for, in milliseconds. */
  readonly ttlMs: number | undefined;
  readonly invokedMs: number;
  /** Infinity: the client never heard. */
  returnedMs: number;
  outcome: WriteOutcomeSeen;
}

/** How an attempt ended, as the client could tell. */
export type WriteOutcomeSeen =
  | {
      readonly kind: 'done';
      /** The version made; absent where a touch found nothing. */
      readonly dot: DotName | undefined;
      readonly context: SeenContext;
      readonly acked: number;
      readonly synced: number;
      readonly hinted: number;
      /** The request id was known: nothing new was made. */
      readonly replayed: boolean;
      readonly coordinator: string;
    }
  /** The server said that it certainly did not happen. */
  | { readonly kind: 'not-applied'; readonly code: number; readonly reason: number; readonly message: string }
  /** The server said so, or the client never heard. */
  | {
      readonly kind: 'unknown';
      readonly code: number;
      readonly reason: number | undefined;
      readonly safeToRetry: boolean;
      readonly message: string;
    };

export interface ReadAttempt {
  readonly kind: 'read';
  readonly id: number;
  readonly client: string;
  readonly node: string;
  readonly bucket: string;
  readonly key: string;
  readonly level: HistoryLevel;
  /** What the answer had to include. */
  readonly minContext: SeenContext | undefined;
  /** Made after the faults had ended, to see what is left. */
  readonly final: boolean;
  readonly invokedMs: number;
  returnedMs: number;
  outcome: ReadOutcomeSeen;
}

export type ReadOutcomeSeen =
  | {
      readonly kind: 'done';
      readonly versions: readonly SeenVersion[];
      readonly context: SeenContext;
      readonly answered: number;
      readonly agreed: number;
      readonly repaired: boolean;
      readonly coordinator: string;
    }
  | {
      readonly kind: 'failed';
      readonly code: number;
      readonly reason: number | undefined;
      readonly message: string;
    };

/** One sibling of an answer, or of a stored record. */
export interface SeenVersion {
  readonly dot: DotName;
  /** What its writer had seen, without its own dot. */
  readonly clock: ClockEntries;
  /** `undefined`: a deletion, or expired. */
  readonly value: string | undefined;
  readonly writtenAtMicros: number;
  readonly expiresAtMicros: number | undefined;
}

export type Attempt = WriteAttempt | ReadAttempt;

/** A replica that came back with less than it had acknowledged, which no protocol can hide: its disk was lost. */
export interface MemoryLoss {
  readonly node: string;
  readonly atMs: number;
  /**
   * `everything`: wiped, or replaced. `recent`: an old copy of the disk was restored. `records`: some records rotted, and say
   * so. `unsynced`: the machine lost power, and what was not fsynced is gone.
   */
  readonly lost: 'everything' | 'recent' | 'records' | 'unsynced';
  /** As `bucket/key`: only these were lost. Absent: any. */
  readonly keys?: ReadonlySet<string> | undefined;
}

/** What one replica holds for a key when all has come to rest. */
export interface ReplicaState {
  readonly node: string;
  /** The stored record in hexadecimal; `undefined`: nothing; `damaged`: its checksum fails. */
  readonly record: string | undefined | 'damaged';
  /** The record opened; empty where there is none. */
  readonly versions: readonly SeenVersion[];
  readonly clock: ClockEntries;
  /** True for a tombstone so old that replicas leave it out when they compare what they hold: it is as good as nothing. */
  readonly isAged?: boolean | undefined;
}

/**
 * A record of which every version is a deletion or has a deadline, as some replica stored it. Once it is dead for longer than the
 * grace, replicas may drop it (docs/internals/anti-entropy.md), and with it all knowledge of what it had superseded.
 */
export interface MortalRecord {
  readonly dots: readonly DotName[];
  readonly clock: ClockEntries;
  /** From then on, by the most hasty of all clocks, it may be gone. */
  readonly mayGoMs: number;
}

/** A version that was seen on some replica's disk at any time: more than clients see. Only the simulator has an observer. */
export interface WitnessedVersion extends SeenVersion {
  readonly bucket: string;
  readonly key: string;
  /** Where and when it was first stored. */
  readonly node: string;
  readonly atMs: number;
  /** Another node that stored it since. */
  readonly alsoStoredBy?: string | undefined;
  readonly requestId: string | undefined;
  /**
   * What it says, deletions apart: CRC-32 of value and deadline, to tell two versions under one dot apart.
   */
  readonly fingerprint: number;
}

/** One key, the unit of checking: no promise spans keys. */
export interface KeyHistory {
  readonly bucket: string;
  readonly key: string;
  readonly conflictPolicy: 'siblings' | 'last-write-wins';
  /** The nodes that keep it, in order of preference. */
  readonly homes: readonly string[];
  /** In the order of their ids. */
  readonly attempts: readonly Attempt[];
  /** Every version ever stored by a replica, several under one dot if that happened. Empty without an observer. */
  readonly witnessed: readonly WitnessedVersion[];
  /** When all had come to rest; one of each home. Empty where nobody could look. */
  readonly replicas: readonly ReplicaState[];
  /** Tombstones and the like that may have been collected; absent where the grace is longer than the run. */
  readonly mortal?: readonly MortalRecord[] | undefined;
}

/** One run. */
export interface RunHistory {
  readonly keys: readonly KeyHistory[];
  readonly memoryLosses: readonly MemoryLoss[];
  /** When the faults ended. Reads with `final` begin after it. */
  readonly healedMs: number;
  readonly endedMs: number;
  /** True where an observer saw every disk: `witnessed` is complete. */
  readonly omniscient: boolean;
  /** How wrong the nodes' wall clocks were; absent where nobody knows, and lifetimes are not checked then. */
  readonly wallClocks?: WallClocks | undefined;
}

/** What is known of the wall clocks of all nodes together. */
export interface WallClocks {
  /** What a clock without error shows when the clients' clock shows 0: microseconds since 1970. */
  readonly microsAtZero: number;
  /** No clock was ever further off than this, jumps and drift and stops included. */
  readonly errorMsMax: number;
  /** Likewise, after the faults ended. */
  readonly errorMsAfterHeal: number;
}

/** A broken promise. */
export interface Violation {
  /** Name of the checker: its file's name. */
  readonly checker: string;
  /** What was promised and what happened, in one or two sentences with the ids of the attempts, for a person. */
  readonly message: string;
  readonly bucket: string;
  readonly key: string;
  /** Ids of the attempts that prove it, for the trace. */
  readonly attempts: readonly number[];
  /** When it showed; for the trace. */
  readonly atMs: number;
}

/** One promise of the store, checked. Pure. */
export type Checker = (key: KeyHistory, run: RunHistory) => readonly Violation[];

/** True when who has seen `clock` has seen the write named `dot`. */
export function clockCovers(clock: ClockEntries, dot: DotName): boolean {
  const [replica, epoch, counter] = dot.split('/').map(Number) as [number, number, number];
  return clock.some((entry) => entry[0] === replica && entry[1] === epoch && entry[2] >= counter);
}

/** True when the bearer of the context has seen the write named `dot`. */
export function seenCovers(context: SeenContext, dot: DotName): boolean {
  return clockCovers(context.clock, dot) || context.dots.includes(dot);
}

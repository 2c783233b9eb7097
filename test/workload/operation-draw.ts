/** How a client draws an operation: levels, durability, time-outs, sizes. Everything that a profile does not decide. */

import type { HistoryLevel } from '../checkers/history.ts';
import type { SeededRandom } from '../support/seeded-random.ts';
import type { ClientCalls } from './client-calls.ts';
import type { ClientTransport } from './client-transport.ts';
import type { HeldContext } from './history-recorder.ts';
import type {
  IntendedCausality,
  IntendedExpiry,
  IntendedRead,
  IntendedWrite,
  LevelForm,
} from './intended-operation.ts';
import type { KnownKey } from './known-key.ts';
import { defaultTtlMs } from './workload-buckets.ts';

/** One of several, each as often as its number says. */
type Weighted<T> = readonly (readonly [T, number])[];

const writeLevels: Weighted<HistoryLevel> = [
  ['quorum', 50],
  ['any', 14],
  ['one', 12],
  ['two', 10],
  ['all', 10],
  ['three', 4],
];
const readLevels: Weighted<HistoryLevel> = [
  ['quorum', 52],
  ['one', 22],
  ['all', 14],
  ['two', 9],
  ['three', 3],
];
const timeouts: Weighted<number> = [
  [2_000, 35],
  [5_000, 29],
  [1_000, 20],
  [400, 9],
  [150, 5],
  [50, 2],
];
const durabilities: Weighted<IntendedWrite['durability'] | 'default'> = [
  ['default', 82],
  ['buffered', 8],
  ['sync-one', 6],
  ['sync-quorum', 4],
];

export function weighted<T>(random: SeededRandom, choices: Weighted<T>): T {
  let total = 0;
  for (const [, weight] of choices) total += weight;
  let drawn = random.below(total);
  for (const [choice, weight] of choices) {
    if (drawn < weight) return choice;
    drawn -= weight;
  }
  throw new RangeError('nothing to choose from');
}

export function drawTimeoutMs(random: SeededRandom): number {
  return weighted(random, timeouts);
}

export function drawReadLevel(random: SeededRandom): HistoryLevel {
  return weighted(random, readLevels);
}

export function drawWriteLevel(random: SeededRandom): HistoryLevel {
  return weighted(random, writeLevels);
}

/** Where the profile leaves the level open, stand-ins may count now and then. */
export function drawSloppy(random: SeededRandom, level: HistoryLevel): boolean {
  return random.percent(15) && level !== 'any';
}

/** The bucket's default needs no name. */
function drawForm(random: SeededRandom, level: HistoryLevel): LevelForm {
  if (level === 'quorum' && random.percent(40)) return 'default';
  return random.percent(25) ? 'count' : 'named';
}

/** Most values are their text alone; a few need pages of their own. */
function drawLength(random: SeededRandom): number {
  const drawn = random.below(100);
  if (drawn < 75) return 0;
  if (drawn < 97) return random.between(40, 600);
  return random.between(1_000, 6_000);
}

export function drawDurability({
  random,
  bufferedPercent,
}: Pick<ClientCalls, 'random' | 'bufferedPercent'>): Pick<IntendedWrite, 'durability' | 'durabilityNamed'> {
  if (bufferedPercent !== undefined && random.percent(bufferedPercent)) {
    return { durability: 'buffered', durabilityNamed: true };
  }
  const drawn = weighted(random, durabilities);
  if (drawn === 'default') return { durability: 'sync-quorum', durabilityNamed: false };
  return { durability: drawn, durabilityNamed: true };
}

export function pickKey(calls: ClientCalls): KnownKey {
  return calls.random.pick(calls.keys);
}

export function pickNode(calls: ClientCalls): ClientTransport {
  return calls.random.pick(calls.transports);
}

/** A node other than `than`, where there is one. */
export function anotherNode(calls: ClientCalls, than: ClientTransport): ClientTransport {
  const { transports, random } = calls;
  if (transports.length === 1) return than;
  const index = transports.indexOf(than);
  return transports[(index + 1 + random.below(transports.length - 1)) % transports.length] as ClientTransport;
}

/** What the caller decides of a read; the rest is drawn. */
export type ReadWish = Partial<Omit<IntendedRead, 'known' | 'levelForm'>>;

export function drawRead(calls: ClientCalls, known: KnownKey, wish: ReadWish = {}): IntendedRead {
  const { random } = calls;
  const level = wish.level ?? drawReadLevel(random);
  return {
    known,
    level,
    levelForm: drawForm(random, level),
    minContext: wish.minContext,
    badContext: wish.badContext,
    failsOnConflict: wish.failsOnConflict ?? false,
    final: wish.final ?? false,
    timeoutMs: wish.timeoutMs ?? drawTimeoutMs(random),
  };
}

/** What the caller decides of a write; the rest is drawn. */
export interface WriteWish {
  readonly action?: IntendedWrite['action'];
  readonly causality: IntendedCausality;
  readonly expiry?: IntendedExpiry;
  readonly level?: HistoryLevel;
  readonly requestId?: Uint8Array;
  readonly timeoutMs?: number;
}

export function drawWrite(calls: ClientCalls, known: KnownKey, wish: WriteWish): IntendedWrite {
  const { random } = calls;
  const action = wish.action ?? 'put';
  const level = wish.level ?? drawWriteLevel(random);
  return {
    known,
    action,
    value: action === 'put' ? calls.nextValue() : undefined,
    length: action === 'put' ? drawLength(random) : 0,
    causality: wish.causality,
    expiry: action === 'delete' ? { kind: 'never' } : (wish.expiry ?? defaultExpiry(known)),
    level,
    levelForm: drawForm(random, level),
    sloppy: wish.level === undefined && drawSloppy(random, level),
    ...drawDurability(calls),
    requestId: wish.requestId,
    timeoutMs: wish.timeoutMs ?? drawTimeoutMs(random),
    firstAttempt: undefined,
  };
}

function defaultExpiry({ name }: KnownKey): IntendedExpiry {
  return { kind: 'default', ms: defaultTtlMs(name.bucket) };
}

/** A context where the client has one; else nothing is superseded that it could know of. */
export function withContext(context: HeldContext | undefined): IntendedCausality {
  if (context !== undefined) return { kind: 'context', context };
  return { kind: 'blind', mode: 'overwrite', named: false };
}

export function drawBlind(random: SeededRandom): IntendedCausality {
  const mode = weighted(random, blindModes);
  return { kind: 'blind', mode, named: mode !== 'overwrite' || random.percent(50) };
}

const blindModes: Weighted<'overwrite' | 'add-sibling' | 'reject'> = [
  ['overwrite', 50],
  ['add-sibling', 30],
  ['reject', 20],
];

/**
 * Sixteen bytes that no other write of the run has: the name of the client and how many it has made, then chance. The
 * last four are chance, because the items of a batch differ there.
 */
export function drawRequestId(calls: ClientCalls): Uint8Array {
  const id = Buffer.alloc(16);
  id.writeUInt32BE(fnv1a(calls.name), 0);
  id.writeUInt32BE(calls.nextRequest(), 4);
  id.writeUInt32BE(calls.random.next(), 8);
  id.writeUInt32BE(calls.random.next(), 12);
  return id;
}

function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

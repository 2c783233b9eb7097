/**
 * What collection of tombstones relies on, kept through restarts: comparisons that ripen or are relied on, and the fences
 * around stores. Engine keys: 0x07 0x01, replication as one byte, the peer's node id; 0x07 0x02, replica id as eight bytes; and
 * 0x07 0x03, the peer's node id, for the replica ids under which its stores have come. Values are the numbers of
 * core/anti-entropy/peer-comparisons.ts, eight bytes each, big-endian, behind a format byte. And 0x07 0x04: the digest of the
 * rules under which was compared, eight bytes. These bytes may not change.
 *
 * What is damaged is forgotten. Of comparisons that only costs time. Of a fence it takes an old disk that is put back besides
 * to do harm; the strictest fence in its place would have a healthy peer set all its data aside because of a bit that rotted
 * here. Of a damaged list of stores those that greet again are known.
 */

import type {
  EndedComparison,
  PeerComparisons,
  ReliedComparison,
  RipeningComparison,
} from '../core/anti-entropy/peer-comparisons.ts';
import { comparisonsKeptMax } from '../core/anti-entropy/peer-comparisons.ts';
import type { Fence } from '../core/anti-entropy/store-fence.ts';
import { equalBytes } from '../core/bytes.ts';
import { type NodeId, nodeId } from '../core/identity.ts';
import type { StorageEngine } from './engine.ts';
import type { GroupCommit } from './group-commit.ts';
import { number64, readNumber64, writeNumber64 } from './number64.ts';
import { type Crc32, openValue, sealValue } from './value-envelope.ts';

export interface ComparisonStoreDependencies {
  readonly engine: StorageEngine;
  readonly crc32: Crc32;
  readonly commit: GroupCommit;
}

/** What is kept of the comparisons with one peer, for one replication. */
export interface StoredComparisons {
  readonly peer: NodeId;
  readonly replication: number;
  readonly kept: PeerComparisons;
}

const prefix = 0x07;
const comparisonKind = 0x01;
const fenceKind = 0x02;
const storesKind = 0x03;
const rulesKind = 0x04;
const format = 1;
const numbersOfRipening = 8;
const numbersOfRelied = 9;
const numbersOfFence = 4;

export class ComparisonStore {
  readonly #deps: ComparisonStoreDependencies;

  constructor(deps: ComparisonStoreDependencies) {
    this.#deps = deps;
  }

  /**
   * Forgets the comparisons that were made under other rules (which keys there are, and whose homes the nodes are): they say
   * nothing of a key that nobody compared then. Called before `read`. `rules`: eight bytes. Rejects with EngineError.
   */
  async keepUnder(rules: Uint8Array): Promise<void> {
    const { engine, crc32, commit } = this.#deps;
    const key = Uint8Array.of(prefix, rulesKind);
    const stored = engine.get(key);
    const before = stored === undefined ? undefined : openValue(crc32, key, stored);
    if (before !== undefined && equalBytes(before, rules)) return;
    const range = {
      from: Uint8Array.of(prefix, comparisonKind),
      to: Uint8Array.of(prefix, comparisonKind + 1),
    };
    for await (const [old] of engine.entries(range))
      await commit.write({ kind: 'delete', key: old }, { sync: true });
    await commit.write({ kind: 'put', key, value: sealValue(crc32, key, rules) }, { sync: true });
  }

  /** All that is stored. Rejects with EngineError. */
  async read(): Promise<{
    readonly comparisons: readonly StoredComparisons[];
    readonly fences: ReadonlyMap<number, Fence>;
    readonly stores: ReadonlyMap<NodeId, readonly number[]>;
  }> {
    const comparisons: StoredComparisons[] = [];
    const stores = new Map<NodeId, readonly number[]>();
    const fences = new Map<number, Fence>();
    const { engine, crc32 } = this.#deps;
    const range = { from: Uint8Array.of(prefix), to: Uint8Array.of(prefix + 1) };
    for await (const [key, value] of engine.entries(range)) {
      const payload = openValue(crc32, key, value);
      const numbers = payload === undefined ? undefined : numbersIn(payload);
      if (key[1] === comparisonKind && key.length > 3) {
        const kept = numbers === undefined ? undefined : comparisonsIn(numbers);
        if (kept === undefined) continue;
        comparisons.push({ peer: nodeAt(key, 3), replication: key[2] as number, kept });
      } else if (key[1] === fenceKind && key.length === 10) {
        const replicaId = readNumber64(key.subarray(2));
        const fence = numbers === undefined ? undefined : fenceIn(numbers);
        if (replicaId !== undefined && fence !== undefined) fences.set(replicaId, fence);
      } else if (key[1] === storesKind && key.length > 2 && numbers !== undefined) {
        stores.set(nodeAt(key, 2), numbers);
      }
    }
    return { comparisons, fences, stores };
  }

  /** Rejects with EngineError. */
  putComparisons(
    { peer, replication, kept }: StoredComparisons,
    options: { readonly sync: boolean },
  ): Promise<void> {
    const id = new TextEncoder().encode(peer);
    const numbers = [kept.ripening.length, kept.relied.length];
    for (const each of kept.ripening) numbers.push(...numbersOf(each));
    for (const each of kept.relied) numbers.push(...numbersOf(each), each.reliedAtMs);
    return this.#put(Uint8Array.of(prefix, comparisonKind, replication, ...id), numbers, options.sync);
  }

  /** On stable storage when it resolves. Rejects with EngineError. */
  putFence(replicaId: number, { process, mark }: Fence): Promise<void> {
    const key = Uint8Array.of(prefix, fenceKind, ...number64(replicaId));
    return this.#put(key, [process.replicaId, process.generation, process.openedAtMark, mark], true);
  }

  /** On stable storage when it resolves. Rejects with EngineError. */
  putStores(peer: NodeId, replicaIds: readonly number[]): Promise<void> {
    const key = Uint8Array.of(prefix, storesKind, ...new TextEncoder().encode(peer));
    return this.#put(key, replicaIds, true);
  }

  #put(key: Uint8Array, numbers: readonly number[], sync: boolean): Promise<void> {
    const payload = new Uint8Array(1 + 8 * numbers.length);
    payload[0] = format;
    const view = new DataView(payload.buffer);
    let at = 1;
    for (const number of numbers) {
      writeNumber64(view, at, number);
      at += 8;
    }
    const value = sealValue(this.#deps.crc32, key, payload);
    return this.#deps.commit.write({ kind: 'put', key, value }, { sync });
  }
}

function nodeAt(key: Uint8Array, offset: number): NodeId {
  return nodeId(new TextDecoder().decode(key.subarray(offset)));
}

function numbersIn(payload: Uint8Array): number[] | undefined {
  if (payload[0] !== format || payload.length % 8 !== 1) return undefined;
  const numbers: number[] = [];
  for (let at = 1; at < payload.length; at += 8) {
    const number = readNumber64(payload.subarray(at, at + 8));
    if (number === undefined) return undefined;
    numbers.push(number);
  }
  return numbers;
}

function numbersOf(each: RipeningComparison): number[] {
  const { startedAtMs, endedAtMs, process, peerMark, ownMark, ownMarkAtMs } = each;
  const { replicaId, generation, openedAtMark } = process;
  return [startedAtMs, endedAtMs, replicaId, generation, openedAtMark, peerMark, ownMark, ownMarkAtMs];
}

function comparisonsIn(numbers: readonly number[]): PeerComparisons | undefined {
  const [ripeningCount = -1, reliedCount = -1] = numbers;
  const length = 2 + ripeningCount * numbersOfRipening + reliedCount * numbersOfRelied;
  if (ripeningCount < 0 || ripeningCount > comparisonsKeptMax) return undefined;
  if (reliedCount < 0 || reliedCount > comparisonsKeptMax || length !== numbers.length) return undefined;
  const ripening: RipeningComparison[] = [];
  const relied: ReliedComparison[] = [];
  let at = 2;
  for (let i = 0; i < ripeningCount; i++, at += numbersOfRipening) ripening.push(ripeningAt(numbers, at));
  for (let i = 0; i < reliedCount; i++, at += numbersOfRelied) {
    relied.push({ ...ripeningAt(numbers, at), reliedAtMs: numbers[at + numbersOfRipening] as number });
  }
  return { ripening, relied };
}

function ripeningAt(numbers: readonly number[], at: number): RipeningComparison {
  const [startedAtMs, endedAtMs, replicaId, generation, openedAtMark, peerMark, ownMark, ownMarkAtMs] =
    numbers.slice(at, at + numbersOfRipening) as [
      number,
      number,
      number,
      number,
      number,
      number,
      number,
      number,
    ];
  const ended: EndedComparison = {
    startedAtMs,
    endedAtMs,
    process: { replicaId, generation, openedAtMark },
    peerMark,
  };
  return { ...ended, ownMark, ownMarkAtMs };
}

function fenceIn(numbers: readonly number[]): Fence | undefined {
  if (numbers.length !== numbersOfFence) return undefined;
  const [id, generation, openedAtMark, mark] = numbers as [number, number, number, number];
  return { process: { replicaId: id, generation, openedAtMark }, mark };
}

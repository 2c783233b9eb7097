/**
 * One comparison of this node's records with those of one peer: walks down both trees (core/anti-entropy/comparison.ts), lists
 * what lies under the leaves that differ, repairs the keys, and has the peer make all of it durable. Of one peer and one
 * replication: buckets that differ in it have other homes, and trees of their own.
 */

import { Comparison } from '../core/anti-entropy/comparison.ts';
import { ListingDifference, type ListingPage } from '../core/anti-entropy/listing-difference.ts';
import { leavesPerPartition, partitionsPerGroup } from '../core/anti-entropy/merkle-tree.ts';
import type { Throttle } from '../core/background/throttle.ts';
import { MalformedError } from '../core/binary.ts';
import type { NodeId, PartitionId } from '../core/identity.ts';
import { readRecordKey } from '../core/ring/record-key.ts';
import type { Env } from '../env/env.ts';
import { type ComparisonLink, ComparisonPeer, type PeerProcess, type Unanswered } from './comparison-peer.ts';
import { lookAtKey, type RepairedRecords, repairKey } from './key-repair.ts';
import type { LeafEntry, Trees } from './replica-trees.ts';

export interface ComparisonRunDependencies {
  readonly env: Env;
  readonly trees: Pick<Trees, 'ready' | 'sharedPartitions' | 'hashes' | 'leafEntries'>;
  readonly records: RepairedRecords;
  readonly linkOf: (peer: NodeId) => ComparisonLink;
  readonly isAged: (recordKey: Uint8Array, record: Uint8Array) => boolean;
  /** Has a key repaired by asking all its replicas: a damaged record needs more than one intact copy. */
  readonly repairLater: (recordKey: Uint8Array) => void;
}

export interface ComparisonRequest {
  readonly peer: NodeId;
  readonly replication: number;
  /** Only keys of this bucket are repaired. `undefined`: all. */
  readonly bucket: string | undefined;
  /** Count what differs, and change nothing. */
  readonly dryRun: boolean;
  readonly throttle: Throttle;
  /** Asked between steps: true ends the comparison early. */
  readonly isStopped: () => boolean;
}

/** What a comparison has done so far. */
export interface ComparisonCounts {
  /** 0 to 1. */
  progress: number;
  partitionsCompared: number;
  /** Keys that listings were compared of. */
  keysCompared: number;
  /** Keys on which the two replicas differed. */
  keysDiffering: number;
  keysRepaired: number;
  /** Keys that could not be repaired by the two alone. */
  keysLeft: number;
  bytesExchanged: number;
  calls: number;
}

export type ComparisonOutcome =
  /** What both shared at the beginning is equal now, and durable at the peer. */
  | { readonly kind: 'equal'; readonly storedMark: number; readonly process: PeerProcess }
  /** All was looked at, but not all is repaired (or, on a dry run and for one bucket only, was to be). */
  | { readonly kind: 'looked' }
  /** Trees are being read from the disk: here, or at the peer. */
  | { readonly kind: 'not-ready'; readonly where: 'here' | 'there' }
  | { readonly kind: 'stopped' }
  | Unanswered;

/** Partitions whose keys are listed and repaired at the same time. */
const lanesMax = 4;
/** Keys of one partition that are repaired at the same time: they share an fsync on either side. */
const keysMax = 16;
/** Keys of one page of a listing. */
const pageKeys = 2_000;

/** Compares. Rejects with EngineError when this node's disk fails. `counts` is kept up to date while it runs. */
export async function runComparison(
  dependencies: ComparisonRunDependencies,
  request: ComparisonRequest,
  counts: ComparisonCounts,
): Promise<ComparisonOutcome> {
  return await new ComparisonRun(dependencies, request, counts).run();
}

/** The counts of a comparison that has not begun. */
export function noCounts(): ComparisonCounts {
  return {
    progress: 0,
    partitionsCompared: 0,
    keysCompared: 0,
    keysDiffering: 0,
    keysRepaired: 0,
    keysLeft: 0,
    bytesExchanged: 0,
    calls: 0,
  };
}

type Ending = Exclude<ComparisonOutcome, { readonly kind: 'equal' | 'looked' }>;

class ComparisonRun {
  readonly #deps: ComparisonRunDependencies;
  readonly #request: ComparisonRequest;
  readonly #counts: ComparisonCounts;
  readonly #peer: ComparisonPeer;
  readonly #shared: readonly PartitionId[];
  readonly #lanes = new Set<Promise<void>>();
  /** Why it goes no further. */
  #ending: Ending | undefined;
  /** What a lane threw: the disk, or a mistake. */
  #thrown: { readonly error: unknown } | undefined;

  constructor(dependencies: ComparisonRunDependencies, request: ComparisonRequest, counts: ComparisonCounts) {
    this.#deps = dependencies;
    this.#request = request;
    this.#counts = counts;
    const { env, linkOf, trees } = dependencies;
    this.#peer = new ComparisonPeer(linkOf(request.peer), env, request.throttle);
    this.#shared = trees.sharedPartitions(request.peer, request.replication);
  }

  async run(): Promise<ComparisonOutcome> {
    const { trees } = this.#deps;
    const { replication, dryRun, bucket } = this.#request;
    if (!trees.ready(replication)) return { kind: 'not-ready', where: 'here' };
    const process = this.#peer.process;
    if (process === undefined) return { kind: 'failed', why: 'away', message: 'not connected' };
    try {
      await this.#walk();
    } finally {
      await Promise.all(this.#lanes);
      this.#count();
    }
    if (this.#thrown !== undefined) throw this.#thrown.error;
    if (this.#ending !== undefined) return this.#ending;
    this.#counts.progress = 1;
    if (dryRun || bucket !== undefined || this.#counts.keysLeft > 0) return { kind: 'looked' };
    const ended = await this.#peer.end(replication);
    this.#count();
    if (ended.kind === 'failed') return ended;
    const now = this.#peer.process;
    if (now === undefined || !isSameProcess(now, process)) {
      // What was compared with the process before may not have survived its end.
      return { kind: 'failed', why: 'away', message: 'the peer started again during the comparison' };
    }
    return { kind: 'equal', storedMark: ended.storedMark, process };
  }

  get #isOver(): boolean {
    if (this.#request.isStopped()) this.#ending ??= { kind: 'stopped' };
    return this.#ending !== undefined || this.#thrown !== undefined;
  }

  async #walk(): Promise<void> {
    const { trees } = this.#deps;
    const { peer, replication } = this.#request;
    const shared = this.#shared;
    if (shared.length === 0) return;
    const comparison = new Comparison({
      partitions: shared.length,
      groupSize: partitionsPerGroup,
      leaves: leavesPerPartition,
    });
    while (!this.#isOver) {
      const step = comparison.next();
      if (step.kind === 'done') return;
      if (step.kind === 'differ') {
        await this.#compareLater(shared[step.partition] as PartitionId, step.leaves);
        continue;
      }
      const { level } = step;
      // The walk knows partitions by their place among those shared; on the wire they have their own numbers.
      const parents = level === 3 ? step.parents.map((place) => shared[place] as number) : step.parents;
      const theirs = await this.#peer.readTree(replication, level, parents);
      this.#count();
      if (theirs.kind === 'failed') return this.#end(theirs);
      if (theirs.kind === 'not-ready') return this.#end({ kind: 'not-ready', where: 'there' });
      const own = trees.hashes(peer, replication, level, parents);
      if (own === undefined) return this.#end({ kind: 'not-ready', where: 'here' });
      if (!comparison.told(own, theirs.hashes)) {
        const message = `${theirs.hashes.length} bytes of hashes instead of ${own.length}`;
        return this.#end({ kind: 'failed', why: 'malformed', message });
      }
      this.#counts.progress = comparison.progress;
      this.#counts.partitionsCompared = Math.round(comparison.progress * shared.length);
    }
  }

  /** Begins to compare the keys under leaves; resolves when there is room for another partition. */
  async #compareLater(partition: PartitionId, leaves: readonly number[]): Promise<void> {
    while (this.#lanes.size >= lanesMax) await Promise.race(this.#lanes);
    const lane = this.#compareKeys(partition, leaves)
      .catch((error: unknown) => {
        this.#thrown ??= { error };
      })
      .finally(() => this.#lanes.delete(lane));
    this.#lanes.add(lane);
  }

  async #compareKeys(partition: PartitionId, leaves: readonly number[]): Promise<void> {
    const difference = new ListingDifference();
    let compared = 0;
    while (!this.#isOver) {
      const step = difference.next();
      this.#counts.keysCompared += difference.compared - compared;
      compared = difference.compared;
      if (step.kind === 'done') return;
      if (step.kind === 'differ') {
        await this.#repair(step.keys);
        continue;
      }
      const page = await this.#page(step.side, partition, leaves, step.after ?? nothing);
      this.#count();
      if (page.kind === 'failed') return this.#end(page);
      if (!difference.give(step.side, page.page)) {
        return this.#end({ kind: 'failed', why: 'malformed', message: 'a listing that does not ascend' });
      }
    }
  }

  async #page(
    side: 'own' | 'theirs',
    partition: PartitionId,
    leaves: readonly number[],
    after: Uint8Array,
  ): Promise<{ readonly kind: 'page'; readonly page: ListingPage } | Unanswered> {
    const { replication } = this.#request;
    const { env, trees } = this.#deps;
    // Rare path, safe: the next page begins behind the last key of this one, whatever it holds.
    const limit = env.rarePath('comparison-page-of-one') ? 1 : pageKeys;
    if (side === 'theirs') return await this.#peer.listLeaves(replication, partition, leaves, after, limit);
    const own = await trees.leafEntries(replication, partition, leaves, after, limit);
    return { kind: 'page', page: { entries: own.entries.map(listedKey), more: own.more } };
  }

  async #repair(keys: readonly Uint8Array[]): Promise<void> {
    const { bucket } = this.#request;
    const chosen = bucket === undefined ? keys : keys.filter((key) => readRecordKey(key)?.bucket === bucket);
    let next = 0;
    const worker = async (): Promise<void> => {
      while (next < chosen.length && !this.#isOver) await this.#repairKey(chosen[next++] as Uint8Array);
    };
    const workers = Array.from({ length: Math.min(keysMax, chosen.length) }, worker);
    // All of them come to their end before an error is told: nothing goes on behind the back of whoever hears it.
    const results = await Promise.allSettled(workers);
    for (const result of results) if (result.status === 'rejected') throw result.reason;
  }

  async #repairKey(recordKey: Uint8Array): Promise<void> {
    const { records, isAged, repairLater } = this.#deps;
    const counts = this.#counts;
    const { dryRun } = this.#request;
    let repair: Awaited<ReturnType<typeof repairKey>>;
    try {
      const dependencies = { records, peer: this.#peer, isAged };
      repair = dryRun ? await lookAtKey(dependencies, recordKey) : await repairKey(dependencies, recordKey);
    } catch (error) {
      if (!(error instanceof MalformedError)) throw error;
      // A record that does not decode, or a key of no bucket: nothing that two replicas could agree on.
      counts.keysDiffering++;
      counts.keysLeft++;
      return;
    } finally {
      this.#count();
    }
    switch (repair.kind) {
      case 'equal':
        return;
      case 'repaired':
        counts.keysDiffering++;
        if (!dryRun) counts.keysRepaired++;
        return;
      case 'damaged':
        counts.keysDiffering++;
        counts.keysLeft++;
        if (!dryRun) repairLater(recordKey);
        return;
      case 'failed':
        if (repair.why !== 'refused') return this.#end(repair);
        // This record, not the peer: one too large to send, or that the peer may not take. The others can go on.
        counts.keysDiffering++;
        counts.keysLeft++;
        return;
    }
  }

  #end(ending: Ending): void {
    this.#ending ??= ending;
  }

  #count(): void {
    const { bytesSent, bytesReceived, calls } = this.#peer.traffic;
    this.#counts.bytesExchanged = bytesSent + bytesReceived;
    this.#counts.calls = calls;
  }
}

function isSameProcess(a: PeerProcess, b: PeerProcess): boolean {
  return a.replicaId === b.replicaId && a.generation === b.generation && a.openedAtMark === b.openedAtMark;
}

const nothing = new Uint8Array(0);

function listedKey({ recordKey, digest }: LeafEntry): { key: Uint8Array; digest: Uint8Array } {
  return { key: recordKey, digest: digest === 'damaged' ? nothing : digest };
}

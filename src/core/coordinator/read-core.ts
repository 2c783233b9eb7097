/**
 * The decision half of a quorum read: told each replica's answer, it says whom to ask next, what to fetch, whom to repair
 * and what to answer. Compare riak_kv_get_core, and Cassandra's blocking read repair.
 *
 * One replica is asked for the record and the others for a digest of it. From a quorum upwards the replicas that were
 * behind are repaired before the answer, until as many as the level needs hold it: two quorum reads in order never go back.
 */

import type { ConflictPolicy } from '../bucket.ts';
import { type CausalContext, clockReaches } from '../causality/context-token.ts';
import { mergeRecords, type VersionedRecord } from '../causality/record.ts';
import { emptyClock } from '../causality/vector-clock.ts';
import type { NodeId } from '../identity.ts';
import type { ReplicaFailure, ReplicaFailureReason } from './failure.ts';

/** A comparable name of a record's bytes. Equal digests: equal records. `absentDigest`: the replica holds nothing. */
export type Digest = string;
export const absentDigest: Digest = '';

export type ReadStep =
  | { readonly kind: 'wait' }
  /** Ask these replicas: some for the record, the others for a digest of it. */
  | { readonly kind: 'ask'; readonly records: readonly NodeId[]; readonly digests: readonly NodeId[] }
  /** Write the merge to these replicas, and report back with `repaired` or `failed`. The next step may be the answer already. */
  | { readonly kind: 'repair'; readonly record: VersionedRecord; readonly nodes: readonly NodeId[] }
  | { readonly kind: 'answer'; readonly record: VersionedRecord | undefined }
  | { readonly kind: 'unmet' }
  | { readonly kind: 'context-not-reached' };

export interface ReadCoreOptions {
  /** Home replicas that are up, the best first. Nobody else is ever asked. */
  readonly candidates: readonly NodeId[];
  /** Answers needed. Absence is an answer like any other. */
  readonly required: number;
  /** Repair before answering: true from a quorum upwards. */
  readonly blockingRepair: boolean;
  /** The answer must include this. */
  readonly minContext: CausalContext | undefined;
  readonly policy: ConflictPolicy;
  readonly digestOf: (record: VersionedRecord) => Digest;
  /**
   * Intact replicas whose records must be in a merge before it may replace a damaged one: so many that every write quorum
   * which the damaged replica was part of has one of them. Fewer, and it would vouch for less than it acknowledged.
   */
  readonly restoreAnswers: number;
}

const none: readonly never[] = [];

interface Held {
  readonly record: VersionedRecord | undefined;
  readonly digest: Digest;
}

interface Answer {
  readonly digest: Digest;
  /** What it held when it was asked; `digest` follows the repairs. */
  readonly firstDigest: Digest;
  /** False while only the digest is known. */
  readonly full: boolean;
  readonly record: VersionedRecord | undefined;
}

export class ReadCore {
  readonly #options: ReadCoreOptions;
  readonly #asked = new Set<NodeId>();
  /** Asked and silent: whatever else speaks is not listened to, so nothing counts twice. */
  readonly #awaited = new Set<NodeId>();
  /** Of those awaited, the ones whose digest is known and whose record is being fetched. Like the next four made when needed: most reads have none. */
  #fetching: Set<NodeId> | undefined;
  readonly #answers = new Map<NodeId, Answer>();
  #failures: ReplicaFailure[] | undefined;
  /** Replicas whose record failed its checksum: no answer, but the merge is sent to them with every repair. */
  #damaged: Set<NodeId> | undefined;
  /** What a damaged replica was restored to; `undefined` after it failed to take it. */
  #restored: Map<NodeId, Digest | undefined> | undefined;
  /** The merge each replica was sent, until it confirms. A later answer may have made another merge since. */
  #repairing: Map<NodeId, Held> | undefined;
  #required: number;
  #blockingRepair: boolean;
  #merged: Held | undefined;

  constructor(options: ReadCoreOptions) {
    this.#options = options;
    this.#required = options.required;
    this.#blockingRepair = options.blockingRepair;
  }

  /** A replica sent its record (`undefined`: it holds nothing). */
  answeredRecord(from: NodeId, record: VersionedRecord | undefined, digest: Digest): void {
    if (!this.#awaited.delete(from)) return;
    this.#fetching?.delete(from);
    this.#answers.set(from, { digest, firstDigest: digest, full: true, record });
    this.#merged = undefined;
  }

  /** A replica sent only its digest. */
  answeredDigest(from: NodeId, digest: Digest): void {
    if (!this.#awaited.has(from)) return;
    if (this.#fetching?.has(from)) {
      // Asked for the record behind its digest, it sent another digest: to ask again could go on for ever.
      this.failed(from, 'refused');
      return;
    }
    this.#awaited.delete(from);
    const full = digest === absentDigest;
    this.#answers.set(from, { digest, firstDigest: digest, full, record: undefined });
    this.#merged = undefined;
  }

  /** What a replica was last asked, for its record or to take a repair, came to nothing. */
  failed(from: NodeId, reason: ReplicaFailureReason): void {
    const refusedRepair = this.#repairing?.delete(from) ?? false;
    if (refusedRepair && this.#damaged?.has(from)) {
      this.#setRestored(from, undefined);
      return;
    }
    if (!refusedRepair && !this.#awaited.delete(from)) return;
    this.#fetching?.delete(from);
    this.#answers.delete(from);
    if (reason === 'record-damaged') {
      this.#damaged ??= new Set();
      this.#damaged.add(from);
    }
    this.#failures ??= [];
    this.#failures.push({ node: from, reason });
    this.#merged = undefined;
  }

  /** A replica confirmed that it holds the merge it was sent. */
  repaired(from: NodeId): void {
    const sent = this.#repairing?.get(from);
    if (sent === undefined) return;
    this.#repairing?.delete(from);
    if (this.#damaged?.has(from)) {
      this.#setRestored(from, sent.digest);
      return;
    }
    const answer = this.#answers.get(from);
    if (answer === undefined) return;
    // It holds what it was sent, not what has been learned since: that it is sent next.
    this.#answers.set(from, { ...sent, firstDigest: answer.firstDigest, full: true });
    this.#merged = undefined;
  }

  /** Settle for a weaker level (the request listed it). Answers so far count. */
  weaken(required: number, blockingRepair: boolean): void {
    this.#required = required;
    this.#blockingRepair = blockingRepair;
  }

  /** One more replica than the level needs, when an answer is slow in coming. */
  hedge(): ReadStep {
    const next = this.#unasked(1);
    return next.length === 0 ? { kind: 'wait' } : this.#ask(next);
  }

  step(): ReadStep {
    if (this.#asked.size === 0) return this.#start();
    const promised = this.#asked.size - this.failures.length;
    if (promised < this.#required) {
      const more = this.#unasked(this.#required - promised);
      if (promised + more.length < this.#required) return { kind: 'unmet' };
      return this.#ask(more);
    }
    if (this.#answers.size < this.#required) return { kind: 'wait' };

    const fetch = this.#toFetch();
    if (fetch.length > 0) {
      this.#fetching ??= new Set();
      for (const node of fetch) {
        this.#fetching.add(node);
        this.#awaited.add(node);
      }
      return { kind: 'ask', records: fetch, digests: [] };
    }
    if (this.#fetching !== undefined && this.#fetching.size > 0) return { kind: 'wait' };

    const merged = this.#merge();
    const { minContext } = this.#options;
    if (minContext !== undefined && !clockReaches(merged.record?.clock ?? emptyClock, minContext))
      return this.#reach();
    return this.#blockingRepair ? this.#repair(merged) : { kind: 'answer', record: merged.record };
  }

  /** Replicas known to hold less than the merge, or something else, and not being repaired: what background repair still owes. */
  behind(): readonly NodeId[] {
    const { digest } = this.#merge();
    const nodes: NodeId[] = [];
    for (const [node, answer] of this.#answers) {
      if (answer.digest !== digest && !this.#repairing?.has(node)) nodes.push(node);
    }
    for (const node of this.#damaged ?? none) {
      if (this.#restored?.get(node) !== digest && !this.#repairing?.has(node)) nodes.push(node);
    }
    return nodes;
  }

  /** Replicas that held the answer when they were asked. */
  get agreed(): number {
    const { digest } = this.#merge();
    let count = 0;
    for (const answer of this.#answers.values()) if (answer.firstDigest === digest) count++;
    return count;
  }

  get merged(): VersionedRecord | undefined {
    return this.#merge().record;
  }

  get asked(): number {
    return this.#asked.size;
  }

  get answered(): number {
    return this.#answers.size;
  }

  get required(): number {
    return this.#required;
  }

  get failures(): readonly ReplicaFailure[] {
    return this.#failures ?? none;
  }

  #start(): ReadStep {
    const first = this.#unasked(this.#required);
    if (first.length < this.#required) return { kind: 'unmet' };
    this.#await(first);
    return { kind: 'ask', records: first.slice(0, 1), digests: first.slice(1) };
  }

  /** Nobody has the context yet: ask everybody else, and give up only when all have spoken. */
  #reach(): ReadStep {
    const rest = this.#unasked(this.#options.candidates.length);
    if (rest.length > 0) return this.#ask(rest);
    return this.#answers.size + this.failures.length < this.#asked.size
      ? { kind: 'wait' }
      : { kind: 'context-not-reached' };
  }

  /** Sends the merge to all that lack it, and answers once as many as the level needs hold it: not necessarily all. */
  #repair(merged: Held): ReadStep {
    const { record, digest } = merged;
    if (record === undefined) return { kind: 'answer', record };
    let holders = 0;
    const behind: NodeId[] = [];
    for (const [node, answer] of this.#answers) {
      if (answer.digest === digest) holders++;
      else if (!this.#repairing?.has(node)) behind.push(node);
    }
    if (this.#answers.size >= this.#options.restoreAnswers) {
      for (const node of this.#damaged ?? none) {
        if (this.#repairing?.has(node)) continue;
        const tried = this.#restored?.has(node);
        const restored = this.#restored?.get(node);
        if (!tried || (restored !== undefined && restored !== digest)) behind.push(node);
      }
    }
    if (behind.length > 0) {
      this.#repairing ??= new Map();
      for (const node of behind) this.#repairing.set(node, merged);
      return { kind: 'repair', record, nodes: behind };
    }
    // Every answer holds the merge, is being given it, or became a failure: there is always somebody to wait for.
    return holders >= this.#required ? { kind: 'answer', record } : { kind: 'wait' };
  }

  /** Digest-only answers whose record is needed: those that differ, or one of them when no record came at all. */
  #toFetch(): NodeId[] {
    const known = new Set<Digest>();
    for (const answer of this.#answers.values()) if (answer.full) known.add(answer.digest);
    const nodes: NodeId[] = [];
    for (const [node, answer] of this.#answers) {
      if (answer.full || known.has(answer.digest) || this.#fetching?.has(node)) continue;
      known.add(answer.digest);
      nodes.push(node);
    }
    return nodes;
  }

  #merge(): Held {
    if (this.#merged !== undefined) return this.#merged;
    let record: VersionedRecord | undefined;
    let digest = absentDigest;
    for (const answer of this.#answers.values()) {
      if (answer.record === undefined) continue;
      if (record === undefined) {
        record = answer.record;
        digest = answer.digest;
        continue;
      }
      const merged = mergeRecords(record, answer.record, this.#options.policy);
      if (merged === record) continue;
      digest = merged === answer.record ? answer.digest : this.#options.digestOf(merged);
      record = merged;
    }
    this.#merged = { record, digest };
    return this.#merged;
  }

  #setRestored(node: NodeId, digest: Digest | undefined): void {
    this.#restored ??= new Map();
    this.#restored.set(node, digest);
  }

  #unasked(count: number): NodeId[] {
    const nodes: NodeId[] = [];
    for (const node of this.#options.candidates) {
      if (nodes.length === count) break;
      if (!this.#asked.has(node)) nodes.push(node);
    }
    return nodes;
  }

  /** Whoever is asked late is asked for the record: the digest would only be another round. */
  #ask(nodes: readonly NodeId[]): ReadStep {
    this.#await(nodes);
    return { kind: 'ask', records: nodes, digests: [] };
  }

  #await(nodes: readonly NodeId[]): void {
    for (const node of nodes) {
      this.#asked.add(node);
      this.#awaited.add(node);
    }
  }
}

/**
 * The decision half of a replicated write: told what each home replica said, it says when enough have answered, and who shall
 * stand in for whom when they cannot (Dynamo, section 4.6: a sloppy quorum). Compare riak_kv_put_core: add_result, enough,
 * response.
 */

import { assert } from '../assert.ts';
import type { NodeId } from '../identity.ts';
import type { ReplicaFailure, ReplicaFailureReason } from './failure.ts';

export type WriteStep =
  | { readonly kind: 'wait' }
  | { readonly kind: 'done' }
  /** The nodes still silent can no longer make up the level. What was sent may have been applied. */
  | { readonly kind: 'unmet' };

export interface WriteCoreOptions {
  /** The N home replicas of the key, all of which are sent the record. */
  readonly homes: readonly NodeId[];
  /** Answers needed, of distinct nodes. */
  readonly required: number;
  /** True when only an fsynced answer counts. */
  readonly syncedOnly: boolean;
  /** With sloppy hand-off: the nodes that may stand in, best first. A hint that one of them stored counts as its answer. */
  readonly fallbacks?: readonly NodeId[];
  /** With sloppy hand-off: homes that are believed to be down. They may still answer, and nobody waits for it. */
  readonly down?: readonly NodeId[];
}

/** One node asked to keep the record for a home that is away. */
export interface StandIn {
  readonly fallback: NodeId;
  readonly target: NodeId;
}

/** One bit for each home. */
const homesMax = 30;
const none: readonly never[] = [];

/** There is one for every write, so it makes lists only where something fails. */
export class WriteCore {
  readonly #options: WriteCoreOptions;
  /** Homes that have not answered, a bit each in their order: the first answer of each counts, and no other. */
  #silentBits: number;
  #silent: number;
  #failures: ReplicaFailure[] | undefined;
  /** Homes that miss the write and have nobody who stands in for them. */
  #missing: NodeId[] | undefined;
  /** By fallback, the home that it was asked to keep a hint for. */
  #standIns: Map<NodeId, NodeId> | undefined;
  #nextFallback = 0;
  #acked = 0;
  #synced = 0;
  #hinted = 0;

  constructor(options: WriteCoreOptions) {
    this.#options = options;
    const { homes, down = none } = options;
    assert(homes.length <= homesMax, 'a key has at most 30 homes');
    this.#silent = homes.length;
    this.#silentBits = 2 ** homes.length - 1;
    if (down.length > 0) this.#missing = [...down];
  }

  /** A home replica holds the record. */
  acknowledged(node: NodeId, synced: boolean): void {
    if (this.#options.syncedOnly && !synced) {
      this.failed(node, 'not-synced');
      return;
    }
    if (!this.#isFirstAnswer(node)) return;
    this.#forget(node);
    this.#acked++;
    if (synced) this.#synced++;
  }

  /** `canBeHinted`: a hint would bring the home what it misses. */
  failed(node: NodeId, reason: ReplicaFailureReason, canBeHinted = false): void {
    const wasSilent = this.#isFirstAnswer(node);
    if (!wasSilent) return;
    this.#noteFailure(node, reason);
    const isMissing = this.#missing?.includes(node) === true;
    if (!canBeHinted) this.#forget(node);
    else if (!isMissing && !this.#isStoodInFor(node)) {
      this.#missing ??= [];
      this.#missing.push(node);
    }
  }

  /**
   * Whom to ask now to keep the record for whom: as many as the level lacks when the homes that are left cannot make it up.
   * Each is told once; say `stoodIn` or `standInFailed` of each.
   */
  standIns(): readonly StandIn[] {
    const { fallbacks = none, required } = this.#options;
    const missing = this.#missing;
    if (missing === undefined || this.#nextFallback >= fallbacks.length) return none;
    this.#standIns ??= new Map();
    const asked: StandIn[] = [];
    while (this.#possible() + this.#standIns.size < required) {
      const fallback = fallbacks[this.#nextFallback];
      const target = missing[0];
      if (fallback === undefined || target === undefined) break;
      this.#nextFallback++;
      missing.shift();
      this.#standIns.set(fallback, target);
      asked.push({ fallback, target });
    }
    return asked;
  }

  /** The node keeps the record durably for a home that is away. */
  stoodIn(fallback: NodeId): void {
    if (this.#standIns?.delete(fallback) === true) this.#hinted++;
  }

  standInFailed(fallback: NodeId, reason: ReplicaFailureReason): void {
    const target = this.#standIns?.get(fallback);
    if (target === undefined) return;
    this.#standIns?.delete(fallback);
    this.#missing ??= [];
    this.#missing.unshift(target);
    this.#noteFailure(fallback, reason);
  }

  /** The time is up: whoever is silent counts no more. */
  expire(): void {
    for (const node of this.#options.homes) this.failed(node, 'timed-out');
    for (const fallback of [...(this.#standIns?.keys() ?? none)]) this.standInFailed(fallback, 'timed-out');
    this.#nextFallback = Number.POSITIVE_INFINITY;
  }

  step(): WriteStep {
    const { required, fallbacks = none } = this.#options;
    if (this.#acked + this.#hinted >= required) return { kind: 'done' };
    const toAsk = Math.max(0, Math.min(fallbacks.length - this.#nextFallback, this.#missing?.length ?? 0));
    const silent = this.#acked + this.#hinted + this.#silent;
    // A home that is silent and one that stands in for it are both counted: too hopeful, until one of the two has answered.
    if (silent + this.#standInsAsked + toAsk < required) return { kind: 'unmet' };
    return { kind: 'wait' };
  }

  /** True once every home has answered or failed: nothing more will come. */
  get settled(): boolean {
    return this.#silent === 0;
  }

  get required(): number {
    return this.#options.required;
  }

  get acked(): number {
    return this.#acked;
  }

  /** Of those acknowledged, how many had fsynced. */
  get synced(): number {
    return this.#synced;
  }

  /** Nodes that keep the record for a home that is away, each for another home. */
  get hinted(): number {
    return this.#hinted;
  }

  get failures(): readonly ReplicaFailure[] {
    return this.#failures ?? none;
  }

  /** Answers there are, and those that are waited for: of homes believed to be down none is. */
  #possible(): number {
    const { down = none } = this.#options;
    let silent = this.#silent;
    for (const node of down) if ((this.#silentBits & this.#bitOf(node)) !== 0) silent--;
    return this.#acked + this.#hinted + silent;
  }

  get #standInsAsked(): number {
    return this.#standIns?.size ?? 0;
  }

  /** 0 for a node that is no home. */
  #bitOf(node: NodeId): number {
    const at = this.#options.homes.indexOf(node);
    return at < 0 ? 0 : 1 << at;
  }

  /** Of a home. It is silent no more. */
  #isFirstAnswer(node: NodeId): boolean {
    const bit = this.#bitOf(node);
    if ((this.#silentBits & bit) === 0) return false;
    this.#silentBits &= ~bit;
    this.#silent--;
    return true;
  }

  #noteFailure(node: NodeId, reason: ReplicaFailureReason): void {
    this.#failures ??= [];
    this.#failures.push({ node, reason });
  }

  #isStoodInFor(home: NodeId): boolean {
    for (const target of this.#standIns?.values() ?? none) if (target === home) return true;
    return false;
  }

  #forget(home: NodeId): void {
    const at = this.#missing?.indexOf(home) ?? -1;
    if (at >= 0) this.#missing?.splice(at, 1);
  }
}

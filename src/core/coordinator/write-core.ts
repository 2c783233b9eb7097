/**
 * The decision half of a replicated write: told what each home replica said, it says when enough have answered, and who shall
 * stand in for whom when they cannot (Dynamo, section 4.6: a sloppy quorum). Compare riak_kv_put_core: add_result, enough,
 * response.
 */

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

export class WriteCore {
  readonly #options: WriteCoreOptions;
  /** Homes that have not answered: the first answer of each counts, and no other. */
  readonly #silent: Set<NodeId>;
  readonly #failures: ReplicaFailure[] = [];
  /** Homes that miss the write and have nobody who stands in for them. */
  readonly #missing: NodeId[];
  /** By fallback, the home that it was asked to keep a hint for. */
  readonly #standIns = new Map<NodeId, NodeId>();
  #nextFallback = 0;
  #acked = 0;
  #synced = 0;
  #hinted = 0;

  constructor(options: WriteCoreOptions) {
    this.#options = options;
    this.#silent = new Set(options.homes);
    this.#missing = [...(options.down ?? [])];
  }

  /** A home replica holds the record. */
  acknowledged(node: NodeId, synced: boolean): void {
    if (this.#options.syncedOnly && !synced) {
      this.failed(node, 'not-synced');
      return;
    }
    if (!this.#silent.delete(node)) return;
    this.#forget(node);
    this.#acked++;
    if (synced) this.#synced++;
  }

  /** `canBeHinted`: a hint would bring the home what it misses. */
  failed(node: NodeId, reason: ReplicaFailureReason, canBeHinted = false): void {
    const wasSilent = this.#silent.delete(node);
    if (!wasSilent) return;
    this.#failures.push({ node, reason });
    const isMissing = this.#missing.includes(node);
    if (!canBeHinted) this.#forget(node);
    else if (!isMissing && !this.#isStoodInFor(node)) this.#missing.push(node);
  }

  /**
   * Whom to ask now to keep the record for whom: as many as the level lacks when the homes that are left cannot make it up.
   * Each is told once; say `stoodIn` or `standInFailed` of each.
   */
  standIns(): readonly StandIn[] {
    const { fallbacks = [], required } = this.#options;
    const asked: StandIn[] = [];
    while (this.#possible() + this.#standIns.size < required) {
      const fallback = fallbacks[this.#nextFallback];
      const target = this.#missing[0];
      if (fallback === undefined || target === undefined) break;
      this.#nextFallback++;
      this.#missing.shift();
      this.#standIns.set(fallback, target);
      asked.push({ fallback, target });
    }
    return asked;
  }

  /** The node keeps the record durably for a home that is away. */
  stoodIn(fallback: NodeId): void {
    if (this.#standIns.delete(fallback)) this.#hinted++;
  }

  standInFailed(fallback: NodeId, reason: ReplicaFailureReason): void {
    const target = this.#standIns.get(fallback);
    if (target === undefined) return;
    this.#standIns.delete(fallback);
    this.#missing.unshift(target);
    this.#failures.push({ node: fallback, reason });
  }

  /** The time is up: whoever is silent counts no more. */
  expire(): void {
    for (const node of [...this.#silent]) this.failed(node, 'timed-out');
    for (const fallback of [...this.#standIns.keys()]) this.standInFailed(fallback, 'timed-out');
    this.#nextFallback = Number.POSITIVE_INFINITY;
  }

  step(): WriteStep {
    const { required, fallbacks = [] } = this.#options;
    if (this.#acked + this.#hinted >= required) return { kind: 'done' };
    const toAsk = Math.max(0, Math.min(fallbacks.length - this.#nextFallback, this.#missing.length));
    const silent = this.#acked + this.#hinted + this.#silent.size;
    // A home that is silent and one that stands in for it are both counted: too hopeful, until one of the two has answered.
    if (silent + this.#standIns.size + toAsk < required) return { kind: 'unmet' };
    return { kind: 'wait' };
  }

  /** True once every home has answered or failed: nothing more will come. */
  get settled(): boolean {
    return this.#silent.size === 0;
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
    return this.#failures;
  }

  /** Answers there are, and those that are waited for: of homes believed to be down none is. */
  #possible(): number {
    const { down = [] } = this.#options;
    let silent = this.#silent.size;
    for (const node of down) if (this.#silent.has(node)) silent--;
    return this.#acked + this.#hinted + silent;
  }

  #isStoodInFor(home: NodeId): boolean {
    for (const target of this.#standIns.values()) if (target === home) return true;
    return false;
  }

  #forget(home: NodeId): void {
    const at = this.#missing.indexOf(home);
    if (at >= 0) this.#missing.splice(at, 1);
  }
}

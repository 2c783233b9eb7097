/**
 * The decision half of a replicated write: told what each home replica said, it says when enough have answered.
 * Compare riak_kv_put_core: add_result, enough, response.
 */

import type { NodeId } from '../identity.ts';
import type { ReplicaFailure, ReplicaFailureReason } from './failure.ts';

export type WriteStep =
  | { readonly kind: 'wait' }
  | { readonly kind: 'done' }
  /** The replicas still silent can no longer make up the level. What was sent may have been applied. */
  | { readonly kind: 'unmet' };

export interface WriteCoreOptions {
  /** N: home replicas of the key, all of which are sent the record. */
  readonly homes: number;
  /** Answers needed. */
  readonly required: number;
  /** True when only an fsynced answer counts. */
  readonly syncedOnly: boolean;
}

export class WriteCore {
  readonly #options: WriteCoreOptions;
  readonly #acknowledged = new Set<NodeId>();
  readonly #failures: ReplicaFailure[] = [];
  #synced = 0;

  constructor(options: WriteCoreOptions) {
    this.#options = options;
  }

  /** A home replica holds the record. A replica counts once, however often it answers. */
  acknowledged(node: NodeId, synced: boolean): void {
    if (this.#options.syncedOnly && !synced) {
      this.failed(node, 'not-synced');
      return;
    }
    if (this.#acknowledged.has(node)) return;
    this.#acknowledged.add(node);
    if (synced) this.#synced++;
  }

  failed(node: NodeId, reason: ReplicaFailureReason): void {
    if (this.#acknowledged.has(node) || this.#failures.some((failure) => failure.node === node)) return;
    this.#failures.push({ node, reason });
  }

  step(): WriteStep {
    const { homes, required } = this.#options;
    if (this.#acknowledged.size >= required) return { kind: 'done' };
    if (homes - this.#failures.length < required) return { kind: 'unmet' };
    return { kind: 'wait' };
  }

  /** True once every home has answered or failed: nothing more will come. */
  get settled(): boolean {
    return this.#acknowledged.size + this.#failures.length >= this.#options.homes;
  }

  get required(): number {
    return this.#options.required;
  }

  get acked(): number {
    return this.#acknowledged.size;
  }

  /** Of those acknowledged, how many had fsynced. */
  get synced(): number {
    return this.#synced;
  }

  get failures(): readonly ReplicaFailure[] {
    return this.#failures;
  }
}

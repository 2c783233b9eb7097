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
  /** The N home replicas of the key, all of which are sent the record. Nobody else counts. */
  readonly homes: readonly NodeId[];
  /** Answers needed. */
  readonly required: number;
  /** True when only an fsynced answer counts. */
  readonly syncedOnly: boolean;
}

export class WriteCore {
  readonly #options: WriteCoreOptions;
  /** Homes that have not answered: the first answer of each counts, and no other. */
  readonly #silent: Set<NodeId>;
  readonly #failures: ReplicaFailure[] = [];
  #acked = 0;
  #synced = 0;

  constructor(options: WriteCoreOptions) {
    this.#options = options;
    this.#silent = new Set(options.homes);
  }

  /** A home replica holds the record. */
  acknowledged(node: NodeId, synced: boolean): void {
    if (this.#options.syncedOnly && !synced) {
      this.failed(node, 'not-synced');
      return;
    }
    if (!this.#silent.delete(node)) return;
    this.#acked++;
    if (synced) this.#synced++;
  }

  failed(node: NodeId, reason: ReplicaFailureReason): void {
    if (this.#silent.delete(node)) this.#failures.push({ node, reason });
  }

  /** The time is up: whoever is silent counts no more. */
  expire(): void {
    for (const node of [...this.#silent]) this.failed(node, 'timed-out');
  }

  step(): WriteStep {
    const { homes, required } = this.#options;
    if (this.#acked >= required) return { kind: 'done' };
    if (homes.length - this.#failures.length < required) return { kind: 'unmet' };
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

  get failures(): readonly ReplicaFailure[] {
    return this.#failures;
  }
}

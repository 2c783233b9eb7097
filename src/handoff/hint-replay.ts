/**
 * Hands the hints over to the replicas they were kept for, as soon as those are up: an ordinary merge, and a hint goes
 * only when its target has confirmed it on stable storage.
 */

import type { NodeId } from '../core/identity.ts';
import type { Env, Timer } from '../env/env.ts';
import type { HintStore } from '../storage/hint-store.ts';

export interface HintReplayDependencies {
  readonly hints: HintStore;
  readonly env: Env;
  readonly isUp: (node: NodeId) => boolean;
  /** Merges a record into the target, synced. Resolves true once confirmed, false when it was not. */
  readonly deliver: (target: NodeId, recordKey: Uint8Array, record: Uint8Array) => Promise<boolean>;
  readonly onReplayed: (target: NodeId, count: number) => void;
  /** Told when the store under the hints failed; the node is stopping then. */
  readonly onError: (error: unknown) => void;
}

export interface HintReplayOptions {
  /** How often targets that have hints are looked at. */
  readonly intervalMs: number;
  /** Hints of one target handed over in one go. */
  readonly batch: number;
}

export class HintReplay {
  readonly #deps: HintReplayDependencies;
  readonly #options: HintReplayOptions;
  readonly #running = new Set<NodeId>();
  #timer: Timer | undefined;

  constructor(dependencies: HintReplayDependencies, options: HintReplayOptions) {
    this.#deps = dependencies;
    this.#options = options;
  }

  start(): void {
    this.#timer = this.#deps.env.timers.every(this.#options.intervalMs, () => this.#look());
  }

  stop(): void {
    this.#timer?.cancel();
  }

  #look(): void {
    for (const target of this.#deps.hints.targets().keys()) {
      if (this.#running.has(target) || !this.#deps.isUp(target)) continue;
      this.#running.add(target);
      this.#replay(target)
        .catch(this.#deps.onError)
        .finally(() => this.#running.delete(target));
    }
  }

  async #replay(target: NodeId): Promise<void> {
    const { hints, deliver, onReplayed } = this.#deps;
    let count = 0;
    for await (const { recordKey, record } of hints.entries(target, this.#options.batch)) {
      // One that was not confirmed stays, and so do those behind it: the target is tried again at the next look.
      if (!(await deliver(target, recordKey, record))) break;
      await hints.remove(target, recordKey, record);
      count++;
    }
    if (count > 0) onReplayed(target, count);
  }
}

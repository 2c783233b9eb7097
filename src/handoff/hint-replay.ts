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
  /** Merges a record into the target, synced. */
  readonly deliver: (target: NodeId, recordKey: Uint8Array, record: Uint8Array) => Promise<HintDelivery>;
  readonly onReplayed: (target: NodeId, count: number) => void;
  /** Told of a hint that was turned down: until somebody repairs its key it always will be, and perhaps nobody reads it. */
  readonly onRefused: (recordKey: Uint8Array) => void;
  /** Told when the store under the hints failed; the node is stopping then. */
  readonly onError: (error: unknown) => void;
}

/**
 * What became of a hint: on the target's stable storage; turned down by a target that takes others (its record of the key is
 * damaged and waits for a repair); or the target could not be reached.
 */
export type HintDelivery = 'confirmed' | 'refused' | 'unreachable';

export interface HintReplayOptions {
  /** How often targets that have hints are looked at. */
  readonly intervalMs: number;
  /** Hints of one target handed over in one go. */
  readonly batch: number;
}

export class HintReplay {
  readonly #deps: HintReplayDependencies;
  readonly #options: HintReplayOptions;
  readonly #running = new Map<NodeId, Promise<void>>();
  #timer: Timer | undefined;
  #stopped = false;

  constructor(dependencies: HintReplayDependencies, options: HintReplayOptions) {
    this.#deps = dependencies;
    this.#options = options;
  }

  start(): void {
    this.#timer = this.#deps.env.timers.every(this.#options.intervalMs, () => this.#look());
  }

  /** Begins nothing more. Resolves when the hints on their way have been confirmed or given up: then the store may close. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    await Promise.all(this.#running.values());
  }

  #look(): void {
    for (const target of this.#deps.hints.targets().keys()) {
      if (this.#running.has(target) || !this.#deps.isUp(target)) continue;
      const done = this.#replay(target)
        .catch(this.#deps.onError)
        .finally(() => this.#running.delete(target));
      this.#running.set(target, done);
    }
  }

  async #replay(target: NodeId): Promise<void> {
    const { hints, env, deliver, onReplayed, onRefused } = this.#deps;
    let count = 0;
    // One that is refused stays, and does not hold back those behind it; only what was confirmed counts for the batch.
    for await (const { recordKey, record } of hints.entries(target, Number.POSITIVE_INFINITY)) {
      if (this.#stopped) break;
      const delivery = await deliver(target, recordKey, record);
      if (delivery === 'unreachable') break;
      if (delivery === 'refused') {
        onRefused(recordKey);
        continue;
      }
      // Safe: the hint is merged once more, as when the power fails before its removal is on disk.
      if (env.rarePath('hint-delivered-twice')) continue;
      // Another one has taken its place when this is false, and is handed over at the next look.
      if (await hints.remove(target, recordKey, record)) count++;
      // Rare path, safe: the rest is handed over at the next look.
      if (count >= this.#options.batch || env.rarePath('hint-batch-of-one')) break;
    }
    if (count > 0) onReplayed(target, count);
  }
}

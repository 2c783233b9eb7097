/**
 * A write of which this node keeps a hint for every home, because none is up: so many other nodes as the level asks for keep
 * one too, each for another home (Dynamo, section 4.6). A node that cannot is replaced by the next.
 */

import type { ReplicaFailure } from '../core/coordinator/failure.ts';
import type { NodeId } from '../core/identity.ts';
import type { ReplicaClient } from './replica-client.ts';

export interface StandInRunDependencies {
  readonly clientOf: (node: NodeId) => ReplicaClient;
  /** The newest mark that was heard of a node's store. 0: none. */
  readonly markOf: (node: NodeId) => number;
}

export interface StandInRunOptions {
  /** The homes that are away. */
  readonly targets: readonly NodeId[];
  /** The nodes that may keep a hint, best first. */
  readonly fallbacks: readonly NodeId[];
  /** How many of them have to. */
  readonly required: number;
  readonly recordKey: Uint8Array;
  readonly bytes: Uint8Array;
  readonly timeoutMs: number;
}

export type StandInOutcome =
  | { readonly kind: 'done' }
  | { readonly kind: 'unmet'; readonly answered: number; readonly failures: readonly ReplicaFailure[] };

export class StandInRun {
  readonly #deps: StandInRunDependencies;
  readonly #options: StandInRunOptions;
  readonly #done: (outcome: StandInOutcome) => void;
  readonly #failures: ReplicaFailure[] = [];
  readonly #waiting = new Set<NodeId>();
  #next = 0;
  #kept = 0;
  #decided = false;

  /** `done` is called once, possibly before `start` returns. */
  constructor(
    deps: StandInRunDependencies,
    options: StandInRunOptions,
    done: (outcome: StandInOutcome) => void,
  ) {
    this.#deps = deps;
    this.#options = options;
    this.#done = done;
  }

  start(): void {
    this.#decide();
  }

  /** The caller waits no longer. */
  expire(): void {
    for (const node of this.#waiting) this.#failures.push({ node, reason: 'timed-out' });
    this.#waiting.clear();
    this.#next = this.#options.fallbacks.length;
    this.#decide();
  }

  #decide(): void {
    const { fallbacks, required } = this.#options;
    while (!this.#decided && this.#kept + this.#waiting.size < required) {
      const fallback = fallbacks[this.#next];
      if (fallback === undefined) break;
      this.#ask(fallback, this.#next++);
    }
    if (this.#decided || (this.#kept < required && this.#waiting.size > 0)) return;
    this.#decided = true;
    if (this.#kept >= required) this.#done({ kind: 'done' });
    else this.#done({ kind: 'unmet', answered: this.#kept, failures: this.#failures });
  }

  #ask(fallback: NodeId, index: number): void {
    const { targets, recordKey, bytes, timeoutMs } = this.#options;
    const target = targets[index % targets.length] as NodeId;
    this.#waiting.add(fallback);
    const mark = this.#deps.markOf(target);
    this.#deps.clientOf(fallback).keepHint(target, recordKey, bytes, mark, timeoutMs, (answer) => {
      if (!this.#waiting.delete(fallback)) return;
      if (answer.kind === 'kept') this.#kept++;
      else {
        const reason = answer.kind === 'full' ? 'overloaded' : answer.reason;
        this.#failures.push({ node: fallback, reason });
      }
      this.#decide();
    });
  }
}

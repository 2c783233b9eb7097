/**
 * One write in progress, from the moment the coordinating replica has persisted it: the record goes to the other homes, with
 * sloppy hand-off to nodes that stand in for them, and the write core counts.
 */

import { type StandIn, WriteCore } from '../core/coordinator/write-core.ts';
import type { NodeId } from '../core/identity.ts';
import { hintBrings } from './missed-write.ts';
import type { ReplicaClient } from './replica-client.ts';

export interface WriteRunDependencies {
  readonly clientOf: (node: NodeId) => ReplicaClient;
  /** Told of every home whose stored record is damaged, even when the write is over: it takes only repairs. */
  readonly onDamaged: (node: NodeId) => void;
  /**
   * Told of every home that did not take the record, or perhaps did not, and for which no other node keeps it; also when
   * the write is over.
   */
  readonly onMissed: (node: NodeId) => void;
  /** The newest mark that was heard of a node's store. 0: none. */
  readonly markOf: (node: NodeId) => number;
}

export interface WriteRunOptions {
  readonly self: NodeId;
  readonly homes: readonly NodeId[];
  readonly recordKey: Uint8Array;
  /** The encoded record, encoded once. */
  readonly bytes: Uint8Array;
  readonly required: number;
  /** The coordinating replica has fsynced. */
  readonly selfSynced: boolean;
  /** The other replicas are asked to fsync before they answer, and count only if they did. */
  readonly syncOthers: boolean;
  /** How long the other replicas may take. Longer than the caller waits, where that is short: late ones get the record too. */
  readonly timeoutMs: number;
  /** With sloppy hand-off: who may stand in for homes, best first, and which homes are not waited for. */
  readonly fallbacks: readonly NodeId[];
  readonly down: readonly NodeId[];
}

export type WriteRunResult = { readonly kind: 'done' | 'unmet'; readonly core: WriteCore };

/** There is one for every write, so it makes sets only where a home misses it. */
export class WriteRun {
  readonly #deps: WriteRunDependencies;
  readonly #options: WriteRunOptions;
  readonly #core: WriteCore;
  readonly #done: (result: WriteRunResult) => void;
  /** Homes for which another node keeps the record, or was asked to. */
  #stoodInFor: Set<NodeId> | undefined;
  /** Homes that a hint was left for. */
  #left: Set<NodeId> | undefined;
  #decided = false;

  /**
   * `done` is called once, as soon as the level is met or can no longer be; the replicas that have not answered yet still
   * get the record. Possibly before `start` returns.
   */
  constructor(deps: WriteRunDependencies, options: WriteRunOptions, done: (result: WriteRunResult) => void) {
    this.#deps = deps;
    this.#options = options;
    this.#done = done;
    const { homes, required, syncOthers, fallbacks, down } = options;
    this.#core = new WriteCore({ homes, required, syncedOnly: syncOthers, fallbacks, down });
  }

  start(): void {
    const { self, homes, recordKey, bytes, syncOthers, selfSynced, timeoutMs } = this.#options;
    this.#core.acknowledged(self, selfSynced);
    const merge = { origin: 'write', sync: syncOthers } as const;
    for (const node of homes) {
      if (node === self) continue;
      this.#deps.clientOf(node).merge(recordKey, bytes, merge, timeoutMs, (answer) => {
        if (answer.kind === 'merged') this.#core.acknowledged(node, answer.synced);
        else {
          const missed = hintBrings(answer.reason);
          this.#core.failed(node, answer.reason, missed);
          if (answer.reason === 'record-damaged') this.#deps.onDamaged(node);
          this.#decide();
          if (missed) this.#missed(node);
          return;
        }
        this.#decide();
      });
    }
    this.#decide();
  }

  /** The caller waits no longer: decides by the answers so far. */
  expire(): void {
    if (this.#decided) return;
    this.#core.expire();
    this.#decide();
  }

  #decide(): void {
    if (this.#decided) return;
    const step = this.#core.step();
    if (step.kind === 'wait') {
      // Each answer may come at once, and decide.
      for (const standIn of this.#core.standIns()) this.#askToStandIn(standIn);
      return;
    }
    this.#decided = true;
    this.#done({ kind: step.kind, core: this.#core });
  }

  #askToStandIn({ fallback, target }: StandIn): void {
    const { recordKey, bytes, timeoutMs } = this.#options;
    const { clientOf, markOf } = this.#deps;
    this.#stoodInFor ??= new Set();
    this.#stoodInFor.add(target);
    clientOf(fallback).keepHint(target, recordKey, bytes, markOf(target), timeoutMs, (answer) => {
      if (answer.kind === 'kept') this.#core.stoodIn(fallback);
      else {
        this.#core.standInFailed(fallback, answer.kind === 'full' ? 'overloaded' : answer.reason);
        this.#stoodInFor?.delete(target);
      }
      this.#decide();
      // Whether or not the home itself has failed by now: a hint for one that took the record changes nothing there.
      if (answer.kind !== 'kept') this.#missed(target);
    });
  }

  /** Told once, and not while another node keeps the record or is asked to. */
  #missed(home: NodeId): void {
    if (this.#stoodInFor?.has(home) === true || this.#left?.has(home) === true) return;
    this.#left ??= new Set();
    this.#left.add(home);
    this.#deps.onMissed(home);
  }
}

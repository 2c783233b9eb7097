/**
 * One write in progress, from the moment the coordinating replica has persisted it: the record goes to the other homes,
 * and the write core counts.
 */

import { WriteCore } from '../core/coordinator/write-core.ts';
import type { NodeId } from '../core/identity.ts';
import type { ReplicaClient } from './replica-client.ts';

export interface WriteRunDependencies {
  readonly clientOf: (node: NodeId) => ReplicaClient;
  /** Told of every home whose stored record is damaged, even when the write is over: it takes only repairs. */
  readonly onDamaged: (node: NodeId) => void;
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
}

export type WriteRunResult = { readonly kind: 'done' | 'unmet'; readonly core: WriteCore };

export class WriteRun {
  readonly #deps: WriteRunDependencies;
  readonly #options: WriteRunOptions;
  readonly #core: WriteCore;
  readonly #done: (result: WriteRunResult) => void;
  #decided = false;

  /**
   * `done` is called once, as soon as the level is met or can no longer be; the replicas that have not answered yet still
   * get the record. Possibly before `start` returns.
   */
  constructor(deps: WriteRunDependencies, options: WriteRunOptions, done: (result: WriteRunResult) => void) {
    this.#deps = deps;
    this.#options = options;
    this.#done = done;
    const { homes, required, syncOthers } = options;
    this.#core = new WriteCore({ homes, required, syncedOnly: syncOthers });
  }

  start(): void {
    const { self, homes, recordKey, bytes, syncOthers, selfSynced, timeoutMs } = this.#options;
    this.#core.acknowledged(self, selfSynced);
    const merge = { origin: 'write', sync: syncOthers } as const;
    for (const node of homes) {
      if (node === self) continue;
      this.#deps.clientOf(node).merge(recordKey, bytes, merge, timeoutMs, (answer) => {
        if (answer.kind === 'merged') this.#core.acknowledged(node, answer.synced);
        else this.#core.failed(node, answer.reason);
        if (answer.kind === 'failed' && answer.reason === 'record-damaged') this.#deps.onDamaged(node);
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
    if (step.kind === 'wait') return;
    this.#decided = true;
    this.#done({ kind: step.kind, core: this.#core });
  }
}

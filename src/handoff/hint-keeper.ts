/**
 * Keeps a durable hint for every home that a write did not reach, and for those that this node stands in for (Dynamo, section
 * 4.6). Nobody waits for the first kind, so what is on its way to the disk is bounded: beyond it a hint is dropped and
 * counted, and anti-entropy brings the home level.
 */

import type { Bucket } from '../core/bucket.ts';
import type { NodeId } from '../core/identity.ts';
import { EngineError } from '../storage/engine.ts';
import type { HintStore } from '../storage/hint-store.ts';

/** Why a hint is not kept any more, or never was: what it stood for is left to anti-entropy. */
export type DroppedHint =
  /** The bound on the bytes of hints is met. */
  | 'full'
  /** Too much waits for the disk already. */
  | 'too-many-waiting'
  /** It has waited for longer than hints do. */
  | 'too-old'
  /** Its target has collected deletions that may be newer. */
  | 'outdated'
  /** Its bucket is in the configuration no more. */
  | 'no-bucket';

/** A key and the bucket it is in. */
export interface HintedKey {
  readonly recordKey: Uint8Array;
  readonly bucket: Pick<Bucket, 'conflictPolicy'>;
}

export interface HintKeeperDependencies {
  readonly hints: HintStore;
  /** The newest mark that was heard of a node's store. 0: none. */
  readonly markOf: (node: NodeId) => number;
  readonly onDropped: (target: NodeId, why: DroppedHint) => void;
  /** Told of errors that are bugs here. A disk that fails tells the store's listeners. */
  readonly onUnexpected: (error: unknown) => void;
}

export interface HintKeeperOptions {
  /** Records of hints that nobody waits for, on their way to the disk. */
  readonly bytesWaitingMax: number;
}

export class HintKeeper {
  readonly #deps: HintKeeperDependencies;
  readonly #options: HintKeeperOptions;
  #bytesWaiting = 0;

  constructor(dependencies: HintKeeperDependencies, options: HintKeeperOptions) {
    this.#deps = dependencies;
    this.#options = options;
  }

  /** Keeps what a home missed, in the background. `sync`: on stable storage; without, it survives the process. */
  missed(target: NodeId, { recordKey, bucket }: HintedKey, record: Uint8Array, sync: boolean): void {
    const { hints, markOf, onDropped, onUnexpected } = this.#deps;
    if (this.#bytesWaiting > 0 && this.#bytesWaiting + record.length > this.#options.bytesWaitingMax) {
      onDropped(target, 'too-many-waiting');
      return;
    }
    this.#bytesWaiting += record.length;
    const receiverMark = markOf(target);
    const policy = bucket.conflictPolicy;
    hints
      .keep(target, recordKey, record, {
        policy,
        receiverMark,
        counted: false,
        madeHere: false,
        unsent: false,
        sync,
      })
      .then(
        ({ kind }) => {
          if (kind === 'full') onDropped(target, 'full');
        },
        (error: unknown) => {
          if (!(error instanceof EngineError)) onUnexpected(error);
        },
      )
      .finally(() => {
        this.#bytesWaiting -= record.length;
      });
  }

  /** Keeps a record for a home that another node could not reach. False: there is no room. Rejects with EngineError. */
  async standIn(
    target: NodeId,
    { recordKey, bucket }: HintedKey,
    record: Uint8Array,
    targetMark: number,
  ): Promise<boolean> {
    const outcome = await this.#deps.hints.keep(target, recordKey, record, {
      policy: bucket.conflictPolicy,
      receiverMark: targetMark,
      counted: true,
      madeHere: false,
      unsent: false,
      sync: true,
    });
    return outcome.kind === 'stored';
  }
}

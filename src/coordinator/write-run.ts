/**
 * One write in progress, from the moment the coordinating replica has persisted it: the record goes to the other homes,
 * and the write core counts.
 */

import { WriteCore } from '../core/coordinator/write-core.ts';
import type { NodeId } from '../core/identity.ts';
import type { ReplicaClient } from './replica-client.ts';

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
  readonly timeoutMs: number;
}

export type WriteRunResult = { readonly kind: 'done' | 'unmet'; readonly core: WriteCore };

/** Resolves as soon as the level is met or can no longer be. The replicas that have not answered yet still get the record. */
export function replicateWrite(
  clientOf: (node: NodeId) => ReplicaClient,
  options: WriteRunOptions,
): Promise<WriteRunResult> {
  const { self, homes, recordKey, bytes, syncOthers, timeoutMs } = options;
  const core = new WriteCore({ homes: homes.length, required: options.required, syncedOnly: syncOthers });
  core.acknowledged(self, options.selfSynced);
  return new Promise((resolve) => {
    let decided = false;
    const decide = (): void => {
      if (decided) return;
      const step = core.step();
      if (step.kind === 'wait') return;
      decided = true;
      resolve({ kind: step.kind, core });
    };
    const merge = { origin: 'write', sync: syncOthers } as const;
    for (const node of homes) {
      if (node === self) continue;
      clientOf(node).merge(recordKey, bytes, merge, timeoutMs, (answer) => {
        if (answer.kind === 'merged') core.acknowledged(node, answer.synced);
        else core.failed(node, answer.reason);
        decide();
      });
    }
    decide();
  });
}

/** Records as real histories leave them: replicas that write and merge. Arbitrary garbage obeys no law. */

import fc from 'fast-check';
import type { ConflictPolicy } from '../../src/core/bucket.ts';
import { type CausalContext, contextOf, emptyContext } from '../../src/core/causality/context-token.ts';
import { decideWrite, type WriteIntent } from '../../src/core/causality/coordinated-write.ts';
import { receiveRecord } from '../../src/core/causality/received-record.ts';
import type { VersionedRecord } from '../../src/core/causality/record.ts';
import { replicaId } from '../../src/core/identity.ts';

export interface History {
  readonly policy: ConflictPolicy;
  /** What three replicas hold at the end, and what was held on the way. Never empty. */
  readonly records: readonly VersionedRecord[];
}

type Step =
  | {
      readonly kind: 'write';
      readonly at: number;
      readonly how: 'context' | 'overwrite' | 'add-sibling';
      readonly request: number;
      readonly value: number;
    }
  | { readonly kind: 'read' | 'send'; readonly at: number; readonly to: number }
  | { readonly kind: 'forget'; readonly at: number };

const replica = fc.integer({ min: 0, max: 2 });
const anyStep: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('write' as const),
      at: replica,
      how: fc.constantFrom('context', 'overwrite', 'add-sibling'),
      // 0: none. The others come again at other replicas: retries.
      request: fc.integer({ min: 0, max: 4 }),
      value: fc.integer({ min: 0, max: 3 }),
    }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('send' as const), at: replica, to: replica }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('read' as const), at: replica, to: replica }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('forget' as const), at: replica }) },
);

/** `retries`: whether writes carry request ids that come again. */
export function anyHistory(retries: boolean): fc.Arbitrary<History> {
  return fc
    .tuple(
      fc.constantFrom<ConflictPolicy>('siblings', 'last-write-wins'),
      fc.array(anyStep, { minLength: 4, maxLength: 24 }),
    )
    .map(([policy, steps]) => played(policy, steps, retries));
}

function played(policy: ConflictPolicy, steps: readonly Step[], retries: boolean): History {
  let epoch = 0;
  let time = 0;
  const held: (VersionedRecord | undefined)[] = [undefined, undefined, undefined];
  const contexts: CausalContext[] = [emptyContext, emptyContext, emptyContext];
  const records: VersionedRecord[] = [{ clock: [], versions: [] }];
  const own = (at: number) => ({ replica: replicaId(3 - at), epochFloor: 0, nextEpoch: () => ++epoch });
  for (const step of steps) {
    const local = held[step.at];
    switch (step.kind) {
      case 'write': {
        const { how, request, value } = step;
        const context = contexts[step.at] as CausalContext;
        const intent: WriteIntent = {
          // One body a request. 0 is a deletion.
          value:
            (retries && request > 0 ? request % 4 : value) === 0
              ? undefined
              : Uint8Array.of(retries && request > 0 ? request : value),
          causality:
            how === 'context' ? { kind: 'context', context, exact: false } : { kind: 'blind', mode: how },
          expiry: value === 1 ? { kind: 'at', micros: 50 } : { kind: 'keep' },
          requestId: retries && request > 0 ? new Uint8Array(16).fill(request) : undefined,
        };
        // Clocks that stand still for a while: equal times happen.
        const tick = (after: number): number => Math.max(after + 1, Math.floor(time++ / 4));
        const bucket = { conflictPolicy: policy, siblingsMax: 100 };
        const decision = decideWrite(local, intent, { bucket, own: own(step.at), nowMicros: time, tick });
        if (decision.kind === 'refused') break;
        held[step.at] = decision.record;
        contexts[step.at] = decision.context;
        records.push(decision.record);
        break;
      }
      case 'send': {
        if (local === undefined || step.to === step.at) break;
        const record = receiveRecord(held[step.to], local, policy, own(step.to));
        held[step.to] = record;
        records.push(record);
        break;
      }
      case 'read':
        contexts[step.to] = contextOf(local);
        break;
      case 'forget':
        held[step.at] = undefined;
        break;
    }
  }
  return { policy, records };
}

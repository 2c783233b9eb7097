/**
 * What a write makes of the record that its coordinating replica holds, under the key's lock. Every rule about contexts,
 * blind writes, retries and sibling bounds is decided here and nowhere else.
 */

import type { BlindWrite, Bucket } from '../bucket.ts';
import { coordinatingActor, type OwnReplica } from './actor.ts';
import type { CausalContext } from './context-token.ts';
import type { Dot } from './dot.ts';
import {
  addVersion,
  isLive,
  sameBody,
  type Version,
  type VersionedRecord,
  versionOfRequest,
} from './record.ts';
import { counterOf, covers, emptyClock } from './vector-clock.ts';

export type Causality =
  | {
      readonly kind: 'context';
      readonly context: CausalContext;
      /** Refuse when this replica holds a version that the context does not cover (Touch: it must not copy a stale value). */
      readonly exact: boolean;
    }
  | { readonly kind: 'blind'; readonly mode: BlindWrite };

/** An absolute time in microseconds, none, or the latest expiry among the versions that the write supersedes. */
export type Expiry =
  | { readonly kind: 'at'; readonly micros: number }
  | { readonly kind: 'never' }
  | { readonly kind: 'keep' };

export interface WriteIntent {
  /** The encoded value. `undefined`: a deletion. */
  readonly value: Uint8Array | undefined;
  readonly causality: Causality;
  readonly expiry: Expiry;
  readonly requestId: Uint8Array | undefined;
}

export type WriteDecision =
  | {
      readonly kind: 'write';
      readonly record: VersionedRecord;
      readonly dot: Dot;
    }
  /** The request id was seen: nothing new is made, but the record goes out again so that the retry's level is met. */
  | {
      readonly kind: 'replayed';
      readonly record: VersionedRecord;
      readonly dot: Dot;
    }
  | {
      readonly kind: 'refused';
      readonly why: 'key-exists' | 'too-many-siblings' | 'conflict' | 'request-id-reused';
    };

export interface WriteRules {
  readonly bucket: Pick<Bucket, 'conflictPolicy' | 'siblingsMax'>;
  readonly own: OwnReplica;
  readonly nowMicros: number;
  /** The hybrid clock's next time later than its argument. Called at most once, and only for a write that is made. */
  tick(after: number): number;
}

export function decideWrite(
  local: VersionedRecord | undefined,
  intent: WriteIntent,
  rules: WriteRules,
): WriteDecision {
  const { value, causality, requestId } = intent;
  const held = local?.versions ?? [];
  if (local !== undefined && requestId !== undefined) {
    const earlier = versionOfRequest(local, requestId);
    if (earlier !== undefined) {
      if (!sameBody(earlier.value, value)) return { kind: 'refused', why: 'request-id-reused' };
      return { kind: 'replayed', record: local, dot: earlier.dot };
    }
  }

  if (
    causality.kind === 'blind' &&
    causality.mode === 'reject' &&
    held.some((version) => isLive(version, rules.nowMicros))
  ) {
    return { kind: 'refused', why: 'key-exists' };
  }
  if (causality.kind === 'context' && causality.exact) {
    const { clock } = causality.context;
    if (held.some((version) => !covers(clock, version.dot))) return { kind: 'refused', why: 'conflict' };
  }

  const seen = seenBy(causality, local);
  const superseded = held.filter((version) => covers(seen, version.dot));
  const lastWriteWins = rules.bucket.conflictPolicy === 'last-write-wins';
  // Siblings that would remain, this one included. A write that leaves no more than there were resolves, and always passes.
  const siblings = held.length - superseded.length + 1;
  if (!lastWriteWins && siblings > rules.bucket.siblingsMax && siblings > held.length) {
    return { kind: 'refused', why: 'too-many-siblings' };
  }

  const actor = coordinatingActor(local?.clock, seen, rules.own);
  const base = local === undefined ? seen : local.clock;
  const counter = Math.max(counterOf(base, actor), counterOf(seen, actor)) + 1;
  const dot: Dot = { replica: actor.replica, epoch: actor.epoch, counter };
  const after = latestWrittenAt(causality, held);
  const version: Version = {
    dot,
    clock: seen,
    value,
    writtenAt: rules.tick(after),
    expiresAt: expiresAt(intent, lastWriteWins ? held : superseded),
    requestId,
  };
  return {
    kind: 'write',
    record: addVersion(local, version, rules.bucket.conflictPolicy),
    dot,
  };
}

/** The clock of all that the writer has seen: its context, or for a blind overwrite what this replica holds. */
function seenBy(causality: Causality, local: VersionedRecord | undefined): VersionedRecord['clock'] {
  if (causality.kind === 'context') return causality.context.clock;
  switch (causality.mode) {
    case 'overwrite':
    case 'reject': // nothing live is there: supersede the deletions
      return local?.clock ?? emptyClock;
    case 'add-sibling':
      return emptyClock;
  }
}

function latestWrittenAt(causality: Causality, held: readonly Version[]): number {
  let latest = causality.kind === 'context' ? causality.context.writtenAt : 0;
  for (const version of held) if (version.writtenAt > latest) latest = version.writtenAt;
  return latest;
}

function expiresAt(intent: WriteIntent, superseded: readonly Version[]): number | undefined {
  switch (intent.expiry.kind) {
    case 'never':
      return undefined;
    case 'at':
      return intent.expiry.micros;
    case 'keep': {
      let latest: number | undefined;
      for (const version of superseded) {
        if (version.value === undefined) continue;
        if (version.expiresAt === undefined) return undefined;
        if (latest === undefined || version.expiresAt > latest) latest = version.expiresAt;
      }
      return latest;
    }
  }
}

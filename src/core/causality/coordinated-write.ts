/**
 * What a write makes of the record that its coordinating replica holds. Every rule about contexts,
 * blind writes, retries and sibling bounds is decided here and nowhere else.
 */

import type { BlindWrite, Bucket } from '../bucket.ts';
import { coordinatingActor, type OwnReplica } from './actor.ts';
import {
  type CausalContext,
  clockReaches,
  closureOf,
  contextAfterWrite,
  contextCovers,
  contextOf,
  emptyContext,
} from './context-token.ts';
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
      /** What the writer has seen now: what it superseded, and its own write. Not the siblings that it never read. */
      readonly context: CausalContext;
    }
  /** The request id was seen: nothing new is made, but the record goes out again so that the retry's level is met. */
  | {
      readonly kind: 'replayed';
      readonly record: VersionedRecord;
      readonly dot: Dot;
      readonly context: CausalContext;
    }
  | {
      readonly kind: 'refused';
      /**
       * `context-not-reached`: the context has a single dot that this replica has not received. A clock cannot say "without the
       * actor's earlier writes", so the version would come back as a sibling of the write that superseded it. Catch up first.
       */
      readonly why:
        | 'key-exists'
        | 'too-many-siblings'
        | 'conflict'
        | 'request-id-reused'
        | 'context-not-reached';
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
  const lastWriteWins = rules.bucket.conflictPolicy === 'last-write-wins';
  const held = local?.versions ?? [];
  if (local !== undefined && requestId !== undefined) {
    const earlier = versionOfRequest(local, requestId);
    if (earlier !== undefined) {
      if (!sameBody(earlier.value, value)) return { kind: 'refused', why: 'request-id-reused' };
      const seen = { clock: earlier.clock, dots: [], writtenAt: earlier.writtenAt };
      const context = contextAfterWrite(seen, earlier.dot, earlier.writtenAt);
      return { kind: 'replayed', record: local, dot: earlier.dot, context };
    }
  }

  if (
    causality.kind === 'blind' &&
    causality.mode === 'reject' &&
    held.some((version) => isLive(version, rules.nowMicros))
  ) {
    return { kind: 'refused', why: 'key-exists' };
  }
  const seen = seenBy(causality, local);
  const known = local?.clock ?? emptyClock;
  if (!lastWriteWins && seen.dots.some((single) => !covers(known, single) && !covers(seen.clock, single))) {
    return { kind: 'refused', why: 'context-not-reached' };
  }
  if (causality.kind === 'context' && intent.expiry.kind === 'keep' && !clockReaches(known, seen)) {
    // The version whose expiry is to be kept may be one that this replica has not received: catch up first.
    return { kind: 'refused', why: 'context-not-reached' };
  }
  const superseded = held.filter((version) => contextCovers(seen, version.dot));
  if (causality.kind === 'context' && causality.exact && superseded.length < held.length) {
    return { kind: 'refused', why: 'conflict' };
  }
  // Siblings that would remain, this one included. A write that leaves no more than there were resolves, and always passes.
  const siblings = held.length - superseded.length + 1;
  if (!lastWriteWins && siblings > rules.bucket.siblingsMax && siblings > held.length) {
    return { kind: 'refused', why: 'too-many-siblings' };
  }

  const actor = coordinatingActor(local?.clock, closureOf(seen), rules.own);
  // Contiguous: a continued actor is one whose every write this record knows, and a new epoch starts at 1.
  const counter = counterOf(known, actor) + 1;
  const dot: Dot = { replica: actor.replica, epoch: actor.epoch, counter };
  const writtenAt = rules.tick(latestWrittenAt(seen, held));
  const version: Version = {
    dot,
    clock: seen.clock,
    value,
    writtenAt,
    expiresAt: expiresAt(intent, lastWriteWins ? held : superseded, rules.nowMicros),
    requestId,
  };
  const hasSeen = (other: Dot): boolean => contextCovers(seen, other);
  return {
    kind: 'write',
    record: addVersion(local, version, hasSeen, rules.bucket.conflictPolicy),
    dot,
    context: contextAfterWrite(seen, dot, writtenAt),
  };
}

/** All that the writer has seen: its context, or for a blind overwrite what this replica holds. */
function seenBy(causality: Causality, local: VersionedRecord | undefined): CausalContext {
  if (causality.kind === 'context') return causality.context;
  switch (causality.mode) {
    case 'overwrite':
    case 'reject': // nothing live is there: supersede the deletions
      return contextOf(local);
    case 'add-sibling':
      return emptyContext;
  }
}

function latestWrittenAt(seen: CausalContext, held: readonly Version[]): number {
  let latest = seen.writtenAt;
  for (const version of held) if (version.writtenAt > latest) latest = version.writtenAt;
  return latest;
}

function expiresAt(
  intent: WriteIntent,
  superseded: readonly Version[],
  nowMicros: number,
): number | undefined {
  switch (intent.expiry.kind) {
    case 'never':
      return undefined;
    case 'at':
      return intent.expiry.micros;
    case 'keep': {
      let latest: number | undefined;
      for (const version of superseded) {
        // What has expired reads as a deletion: to keep its expiry would be to write what nobody ever reads.
        if (!isLive(version, nowMicros)) continue;
        if (version.expiresAt === undefined) return undefined;
        if (latest === undefined || version.expiresAt > latest) latest = version.expiresAt;
      }
      return latest;
    }
  }
}

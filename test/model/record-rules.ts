/**
 * The decisions under test, as the model calls them, and the planted bugs: the same decisions with one rule broken. A
 * checker that has never caught anything proves nothing, so every bug here must be found.
 */

import type { ConflictPolicy } from '../../src/core/bucket.ts';
import { equalBytes } from '../../src/core/bytes.ts';
import type { OwnReplica } from '../../src/core/causality/actor.ts';
import { contextOf } from '../../src/core/causality/context-token.ts';
import {
  decideWrite,
  type WriteDecision,
  type WriteIntent,
  type WriteRules,
} from '../../src/core/causality/coordinated-write.ts';
import { compareDots, type Dot, sameDot } from '../../src/core/causality/dot.ts';
import { receiveRecord } from '../../src/core/causality/received-record.ts';
import {
  distinctVersions,
  mergeRecords,
  type Version,
  type VersionedRecord,
} from '../../src/core/causality/record.ts';
import { covers, joinClocks, withDot } from '../../src/core/causality/vector-clock.ts';

export interface RecordRules {
  readonly decide: (
    local: VersionedRecord | undefined,
    intent: WriteIntent,
    rules: WriteRules,
  ) => WriteDecision;
  readonly receive: (
    local: VersionedRecord | undefined,
    incoming: VersionedRecord,
    policy: ConflictPolicy,
    own: OwnReplica,
  ) => VersionedRecord;
  readonly merge: (a: VersionedRecord, b: VersionedRecord, policy: ConflictPolicy) => VersionedRecord;
  /** What the coordinating replica sends after a write. */
  readonly outgoing: (record: VersionedRecord, dot: Dot) => VersionedRecord;
  /** What a reader is shown of a record. */
  readonly shown: (record: VersionedRecord) => readonly Version[];
}

/** The rules of the store. */
export const realRules: RecordRules = {
  decide: decideWrite,
  receive: receiveRecord,
  merge: mergeRecords,
  outgoing: (record) => record,
  shown: distinctVersions,
};

/** Each is `realRules` with one rule broken. The names are what `--bug` takes. */
export const plantedBugs: Readonly<Record<string, RecordRules>> = {
  /** One actor per replica for ever: after forgetting, its counter starts again or goes on from hearsay. */
  'counters-continue-after-forgetting': withOwn((own) => ({
    replica: own.replica,
    epochFloor: 0,
    nextEpoch: () => 1,
  })),

  /** The fix that riak had for two years: a replica that learns of its amnesia by replication keeps silent about it. */
  'epochs-only-when-coordinating': {
    ...realRules,
    receive: (local, incoming, policy) =>
      local === undefined ? incoming : mergeRecords(local, incoming, policy),
  },

  /** Of the versions of one request each replica keeps the one it had. */
  'keep-first-of-a-request': withMerge((a, b, policy) => {
    const merged = mergeWithoutCollapse(a, b, policy);
    const first = (version: Version): boolean => a.versions.some((held) => sameDot(held.dot, version.dot));
    const versions = merged.versions.filter(
      (version) =>
        !merged.versions.some(
          (other) =>
            sameRequest(version, other) &&
            (first(other) ? 0 : 1) -
              (first(version) ? 0 : 1) +
              Math.sign(compareDots(other.dot, version.dot)) / 2 <
              0,
        ),
    );
    return { clock: merged.clock, versions };
  }),

  /** Retries stay side by side, and are shown so. */
  'retries-not-collapsed': { ...withMerge(mergeWithoutCollapse), shown: (record) => record.versions },

  /**
   * Retries collapse whatever they had seen: the rule as it was first written down. Two requests, both blind and both
   * retried, can then drop each other's last copy (first found by run 29,240 of this model).
   */
  'retries-collapse-across-pasts': withMerge((a, b, policy) => {
    const merged = mergeWithoutCollapse(a, b, policy);
    const versions = merged.versions.filter(
      (version) =>
        !merged.versions.some(
          (other) => sameRequest(version, other) && compareDots(other.dot, version.dot) < 0,
        ),
    );
    return { clock: merged.clock, versions };
  }),

  /** A write sends its version and what that one had seen, instead of the record that it made. */
  'deltas-instead-of-records': {
    ...realRules,
    outgoing: (record, dot) => {
      const version = record.versions.find((candidate) => sameDot(candidate.dot, dot));
      return version === undefined ? record : { clock: withDot(version.clock, dot), versions: [version] };
    },
  },

  /** A write with a context adds a sibling like one without. */
  'context-ignored': {
    ...realRules,
    decide: (local, intent, rules) => {
      if (intent.causality.kind === 'blind') return decideWrite(local, intent, rules);
      return decideWrite(local, { ...intent, causality: { kind: 'blind', mode: 'add-sibling' } }, rules);
    },
  },

  /** A write's answer covers the siblings that its writer never read. */
  'answer-covers-the-whole-record': {
    ...realRules,
    decide: (local, intent, rules) => {
      const decision = decideWrite(local, intent, rules);
      return decision.kind === 'refused' ? decision : { ...decision, context: contextOf(decision.record) };
    },
  },

  /** A replica writes although it has not received what its writer has seen, and forgets that it was seen. */
  'single-dots-not-awaited': {
    ...realRules,
    decide: (local, intent, rules) => {
      const { causality } = intent;
      if (causality.kind === 'blind') return decideWrite(local, intent, rules);
      const dots = causality.context.dots.filter(
        (single) => local !== undefined && covers(local.clock, single),
      );
      return decideWrite(
        local,
        { ...intent, causality: { ...causality, context: { ...causality.context, dots } } },
        rules,
      );
    },
  },

  /** The record that arrives last is the record. */
  'last-arrival-wins': { ...realRules, receive: (_local, incoming) => incoming },

  /** A version that one side has superseded is taken from the other again. */
  'merge-keeps-everything': withMerge((a, b, policy) => {
    if (policy === 'last-write-wins') return mergeRecords(a, b, policy);
    const versions = [...a.versions];
    for (const version of b.versions) {
      if (!versions.some((held) => sameDot(held.dot, version.dot) || sameRequest(held, version)))
        versions.push(version);
    }
    versions.sort((x, y) => compareDots(x.dot, y.dot));
    return { clock: joinClocks(a.clock, b.clock), versions };
  }),

  /** A dot leaves the process before it is on disk: after a crash the replica stands before it, and does not know. */
  'dot-sent-before-it-is-persisted': withOwn((own) => ({
    replica: own.replica,
    epochFloor: 0,
    nextEpoch: () => own.nextEpoch(),
  })),

  /** A last-write-wins write takes its time from the wall, whatever it supersedes. */
  'last-write-by-wall-clock': {
    ...realRules,
    decide: (local, intent, rules) => decideWrite(local, intent, { ...rules, tick: () => rules.nowMicros }),
  },

  /** A version merged by its own clock instead of the record's: what was superseded long ago is forgotten. */
  'merge-by-version-clocks': withMerge((a, b, policy) => {
    if (policy === 'last-write-wins') return mergeRecords(a, b, policy);
    const all = mergeWithoutCollapse(
      { clock: [], versions: a.versions },
      { clock: [], versions: b.versions },
      policy,
    ).versions;
    const versions = all.filter(
      (version) =>
        !all.some((other) => covers(other.clock, version.dot)) &&
        !all.some((other) => sameRequest(version, other) && compareDots(other.dot, version.dot) < 0),
    );
    return { clock: joinClocks(a.clock, b.clock), versions };
  }),
};

function withOwn(change: (own: OwnReplica) => OwnReplica): RecordRules {
  return {
    ...realRules,
    decide: (local, intent, rules) =>
      decideWrite(local, intent, { ...rules, own: change(rules.own), tick: (after) => rules.tick(after) }),
    receive: (local, incoming, policy, own) => receiveRecord(local, incoming, policy, change(own)),
  };
}

/** Replaces `mergeRecords` where replicas receive and where coordinators merge, and leaves the epochs as they are. */
function withMerge(merge: RecordRules['merge']): RecordRules {
  return {
    ...realRules,
    merge,
    receive: (local, incoming, policy, own) => {
      const right = receiveRecord(local, incoming, policy, own);
      return local === undefined
        ? right
        : { clock: right.clock, versions: merge(local, incoming, policy).versions };
    },
  };
}

function mergeWithoutCollapse(
  a: VersionedRecord,
  b: VersionedRecord,
  policy: ConflictPolicy,
): VersionedRecord {
  const anonymous = (record: VersionedRecord): VersionedRecord => ({
    clock: record.clock,
    versions: record.versions.map((version) => ({ ...version, requestId: undefined })),
  });
  const merged = mergeRecords(anonymous(a), anonymous(b), policy);
  const named = (version: Version): Version =>
    [...a.versions, ...b.versions].find((original) => sameDot(original.dot, version.dot)) as Version;
  return { clock: merged.clock, versions: merged.versions.map(named) };
}

function sameRequest(a: Version, b: Version): boolean {
  return a.requestId !== undefined && b.requestId !== undefined && equalBytes(a.requestId, b.requestId);
}

/** Bugs of dots, clocks and merges: what core/causality decides. */

import type { BrokenVersion, Patch } from './broken-version.ts';

const actor = 'src/core/causality/actor.ts';
const record = 'src/core/causality/record.ts';
const write = 'src/core/causality/coordinated-write.ts';
const received = 'src/core/causality/received-record.ts';
const token = 'src/core/causality/context-token.ts';
const clock = 'src/core/causality/vector-clock.ts';

/** The replica id is a function of the node's name, in place of chance: a new disk is taken for the old one. */
const nodeIsReplica: Patch = {
  file: 'src/storage/identity-store.ts',
  was: 'replicaId: deps.env.random.id53(),',
  becomes:
    'replicaId: [...options.nodeId].reduce((id, letter) => id * 31 + (letter.codePointAt(0) ?? 0), 7),',
};

export const brokenCausality: readonly BrokenVersion[] = [
  {
    name: 'dots-reused-after-forgetting',
    bug: 'the node is the actor, and counts every key on from what it holds of it, or from 1 where it forgot',
    repeats: 'riak_kv#679: vnode ids kept apart from the data',
    patches: [
      nodeIsReplica,
      {
        file: actor,
        was: 'return { replica: own.replica, epoch: own.nextEpoch() };',
        becomes: 'return mine ?? { replica: own.replica, epoch: 1 };',
      },
      { file: actor, was: 'if (theirs === undefined) return false;', becomes: 'return false;' },
    ],
  },
  {
    name: 'replica-named-after-its-node',
    bug: 'a node with a new, empty disk has the replica id of the old one, and gives out its epochs again',
    repeats: 'riak_kv PR#1027 and #679: actors that outlive their memory',
    patches: [nodeIsReplica],
  },
  {
    name: 'no-epoch-on-received-records',
    bug: 'a replica that learns from another that it forgot opens no epoch; only its own writes do',
    repeats: 'riak_kv PR#1094, mended by PR#1643',
    patches: [
      {
        file: received,
        was: 'if (!provesAmnesia(local?.clock, incoming.clock, own.replica)) return merged;',
        becomes: 'return merged;',
      },
      {
        // Without it the next write of this replica would still notice, by the context that its client brings.
        file: actor,
        was: ' || provesAmnesia(local, context, own.replica)',
        becomes: '',
      },
    ],
  },
  {
    name: 'later-arrival-replaces',
    bug: 'a replica keeps the record that came last, in place of merging it with its own',
    repeats: 'last write wins by arrival: Cassandra 2013, and every cache in front of a store',
    patches: [
      {
        file: received,
        was: 'local === undefined ? incoming : mergeRecords(local, incoming, policy)',
        becomes: 'incoming',
      },
    ],
  },
  {
    name: 'merged-clock-forgets-dots',
    bug: 'the clock of a merge takes one side, so that it forgets dots that the other knew',
    repeats: 'the join of vector clocks done by half; siblings that were superseded come back',
    patches: [
      {
        file: record,
        was: 'const clock = joinClocks(a.clock, b.clock);',
        becomes: 'const clock = a.clock;',
      },
    ],
  },
  {
    name: 'merge-drops-siblings',
    bug: 'a merge drops what the other side does not hold, without asking whether that side has seen it',
    repeats: 'sets of siblings merged by intersection; acknowledged writes are lost without a conflict',
    patches: [
      {
        file: record,
        was: 'a.versions.filter((version) => holds(b, version.dot) || !covers(b.clock, version.dot))',
        becomes: 'a.versions.filter((version) => holds(b, version.dot))',
      },
    ],
  },
  {
    name: 'answer-covers-unread-siblings',
    bug: 'the context of an answer to a write covers all earlier writes of its actor, read or not',
    repeats: 'clocks without dots: Riak before dvv_enabled, where a write by one actor hid its siblings',
    patches: [
      {
        file: token,
        was: 'return { clock: seen.clock, dots: withDot(seen.dots, written), writtenAt: latest };',
        becomes: 'return { clock: withDot(seen.clock, written), dots: seen.dots, writtenAt: latest };',
      },
    ],
  },
  {
    name: 'added-sibling-overwrites',
    bug: 'a write that asked to be added beside what is there supersedes it, although its writer read nothing',
    repeats: 'blind puts that win: Riak with allow_mult off, Cassandra (Jepsen 2013)',
    patches: [{ file: write, was: 'return emptyContext;', becomes: 'return contextOf(local);' }],
  },
  {
    name: 'context-of-another-key',
    bug: 'a context is taken for any key, and so supersedes values that nobody read',
    repeats: 'opaque tokens without binding: a vector clock sent back with the wrong key',
    patches: [
      {
        file: token,
        was: 'if (!equalBytes(token.subarray(1, 1 + bindingLength), binding)) {',
        becomes: 'if (bindingLength !== 8) {',
      },
    ],
  },
  {
    name: 'last-write-wins-by-arrival',
    bug: 'last-write-wins keeps what arrived last, not what was written last',
    repeats: 'Cassandra 2013: equal and skewed timestamps',
    patches: [
      {
        file: record,
        was: 'if (compareWritten(version, last as Version) > 0) last = version;',
        becomes: 'last = version;',
      },
    ],
  },
  {
    name: 'time-ignores-what-was-seen',
    bug: 'the time of a write is that of the wall clock, also where its writer saw a later one: it loses to what it replaced',
    repeats: 'Cassandra and Riak with skewed clocks; Garage, clock-scramble',
    patches: [
      {
        file: 'src/core/hybrid-clock.ts',
        was: 'if (after < own) {',
        becomes: 'if (after < Number.POSITIVE_INFINITY) {',
      },
    ],
  },
  {
    name: 'expired-comes-back',
    bug: 'a merge of two records forgets when their versions expire: what had expired is live again',
    repeats: 'riak_kv ReapErase: expiry and anti-entropy disagree',
    patches: [
      {
        file: record,
        was: 'return { clock, versions };\n}\n\n/** The record after a write',
        becomes:
          'return { clock, versions: versions.map((version) => ({ ...version, expiresAt: undefined })) };\n}\n\n/** The record after a write',
      },
    ],
  },
  {
    name: 'expiry-not-checked',
    bug: 'readers are shown versions after their time',
    repeats: 'Cassandra: expired cells served where nothing compacts them',
    patches: [
      {
        file: record,
        was: '(version.expiresAt === undefined || version.expiresAt > nowMicros)',
        becomes: 'nowMicros > 0',
      },
    ],
  },
  {
    name: 'retry-counts-twice',
    bug: 'the request id of a write is not looked up: a retry is one more write',
    repeats: 'riak#415, and drivers that retry increments',
    patches: [
      {
        file: write,
        was: 'const { value, causality, requestId } = intent;',
        becomes: 'const { value, causality } = intent;\n  const requestId = undefined;',
      },
      {
        file: 'src/replica/request-memory.ts',
        was: 'const entry = this.#entries.get(nameOf(recordKey, requestId));',
        becomes:
          'if (requestId.length > 0) return undefined;\n    const entry = this.#entries.get(nameOf(recordKey, requestId));',
      },
    ],
  },
  {
    name: 'counter-of-both-joined-low',
    bug: 'where both clocks know an actor, their join takes the first counter in place of the greater one',
    repeats: 'the join of vector clocks done by half',
    patches: [
      {
        file: clock,
        was: 'joined.push(left.counter >= right.counter ? left : right);',
        becomes: 'joined.push(left);',
      },
    ],
  },
];

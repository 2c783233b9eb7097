/** Bugs of keeping replicas equal: trees, comparisons, failure detection, hints that are kept for others, tombstones. */

import type { BrokenVersion } from './broken-version.ts';

const trees = 'src/anti-entropy/replica-trees.ts';
const suspicion = 'src/core/membership/peer-suspicion.ts';
const tombstone = 'src/core/anti-entropy/tombstone.ts';
const liveness = 'src/membership/liveness.ts';

export const brokenRepair: readonly BrokenVersion[] = [
  {
    name: 'tree-hash-unstable',
    bug: 'the hash of a record depends on when it was written: trees of equal replicas differ for ever',
    repeats: 'Riak before 2.2: object hash version 0, which depended on the order of siblings',
    patches: [
      {
        file: trees,
        was: 'const element = elementHash(token, hash64(after));',
        becomes:
          'const digest = hash64(after);\n      const element = elementHash(token, { high: digest.high, low: (digest.low ^ this.#looks) >>> 0 });',
      },
    ],
  },
  {
    name: 'tree-not-told-of-merges',
    bug: 'a record that another one takes the place of stays in the tree',
    repeats: 'riak_kv#1178: hashtrees that miss updates until they are rebuilt',
    patches: [
      {
        file: trees,
        was: "const element = elementHash(token, before === 'damaged' ? damagedDigest : hash64(before));",
        becomes:
          "if (after !== undefined) return;\n      const element = elementHash(token, before === 'damaged' ? damagedDigest : hash64(before));",
      },
    ],
  },
  {
    name: 'stale-tree-after-crash',
    bug: 'the stored copy of a tree stays when its partition is written: a crash brings it back',
    repeats: 'riak_kv#1258: hashtrees that were not marked as open, and trusted after a crash',
    patches: [
      {
        file: trees,
        was: 'if (owned.stored) this.#forget(owned);\n    owned.changedAt = this.#looks;',
        becomes: 'owned.stored = false;\n    owned.changedAt = this.#looks;',
      },
    ],
  },
  {
    name: 'repair-overwrites',
    bug: 'a comparison puts the record of one side over that of the other, in place of merging them',
    repeats: 'repair by copying: Cassandra with equal timestamps; rsync between replicas',
    patches: [
      {
        file: 'src/anti-entropy/key-repair.ts',
        was: "if (theirs.kind === 'found') {\n    const merged",
        becomes: "if (theirs.kind === 'found' && before.kind === 'absent') {\n    const merged",
      },
      {
        file: 'src/replica/peer-calls.ts',
        was: '.merge(call.key, call.record, { sync: call.sync, restoreDamaged })',
        becomes:
          '.merge(call.key, call.record, { sync: call.sync, restoreDamaged, overwrites: call.origin === Origin.ORIGIN_ANTI_ENTROPY })',
      },
      {
        file: 'src/replica/replica.ts',
        was: '? held.record\n        : receiveRecord(',
        becomes: '? held.record\n        : options.overwrites ? incoming : receiveRecord(',
      },
    ],
  },
  {
    name: 'phi-fed-by-gossip',
    bug: 'what others say of a node counts as a sign of life: it keeps the dead alive',
    repeats: 'CASSANDRA-3927 and others: gossip about a node counted as its heartbeat',
    patches: [
      {
        file: liveness,
        was: 'deps.board.onNews((nodes) => this.#act(',
        becomes:
          'deps.board.onNews((nodes) => { for (const node of nodes) if (this.#detector.watched.has(node)) this.#act(this.#detector.answered(node, true, this.#nowMs)); });\n    deps.board.onNews((nodes) => this.#act(',
      },
    ],
  },
  {
    name: 'failed-without-probes',
    bug: 'a node is FAILED as soon as one other does not hear it, whoever else does',
    repeats: 'memberlist before Lifeguard: one slow or cut off member has healthy ones declared dead',
    patches: [
      {
        file: suspicion,
        was: 'if (probe === undefined) return this.#startProbe(nowMs, context);',
        becomes:
          'if (probe === undefined) {\n      this.#startProbe(nowMs, context);\n      return this.#fail(nowMs, patience);\n    }',
      },
    ],
  },
  {
    name: 'damage-repaired-from-one-copy',
    bug: 'a comparison puts the record of one peer in the place of a damaged one, whatever the other replicas hold',
    repeats: 'scrubbers that copy from the first good replica',
    patches: [
      {
        file: 'src/anti-entropy/key-repair.ts',
        was: "if (theirs.kind === 'damaged' || before.kind === 'damaged') return { kind: 'damaged' };",
        becomes: "if (theirs.kind === 'damaged') return { kind: 'damaged' };",
      },
      {
        file: 'src/anti-entropy/key-repair.ts',
        was: 'await records.merge(recordKey, theirs.record, { sync: true, restoreDamaged: false });',
        becomes: 'await records.merge(recordKey, theirs.record, { sync: true, restoreDamaged: true });',
      },
    ],
  },
  {
    name: 'tombstone-collected-early',
    bug: 'a tombstone is removed when it is old enough, whether or not all replicas have heard of it',
    repeats: 'Cassandra without repair within gc_grace_seconds; Riak with delete_mode as a time',
    patches: [
      {
        file: tombstone,
        was: 'if (!isAged(death, rules) || !isBefore(times.arrivedAtMs, beforeMs)) return false;',
        becomes: 'if (!isAged(death, rules) || times.arrivedAtMs === undefined) return false;',
      },
      {
        file: 'src/anti-entropy/tombstone-collection.ts',
        was: 'return confirmedBeforeMs === undefined || arrivedAtMs < confirmedBeforeMs;',
        becomes: 'return true;',
      },
    ],
  },
  {
    name: 'grace-by-the-wall-clock',
    bug: 'how long a tombstone has been held is told by the wall clock: one that jumps ahead ends the grace',
    repeats: 'gc_grace_seconds of Cassandra on a node whose clock was set',
    patches: [
      {
        file: 'src/wire-tombstones.ts',
        was: 'const runningMs = (): number => store.identity.running.now();',
        becomes: 'const runningMs = (): number => env.clock.wallMicros() / 1_000;',
      },
    ],
  },
  {
    name: 'aged-answered-as-absent',
    bug: 'a read takes an old tombstone for nothing although a replica that was away has not heard of it',
    repeats: 'purging at read time: a value that one replica still holds is repaired into all',
    patches: [
      {
        file: 'src/anti-entropy/tombstone-judge.ts',
        was: 'isCollectable(death, this.#times(place, digest64(record)), rules) &&\n      !this.#isKnownElsewhere(place, record)',
        becomes: 'true',
      },
    ],
  },
  {
    name: 'fence-missing',
    bug: 'a store that was put back to a state of before the deletion is listened to after the deletion was forgotten',
    repeats: 'Cassandra: a node that comes back after gc_grace_seconds resurrects what was deleted',
    patches: [
      {
        file: 'src/wiring.ts',
        was: 'outdated: (peer) => tombstones.log.greeted(nodeId(peer.nodeId), peer),',
        becomes: 'outdated: (peer) => void tombstones.log.greeted(nodeId(peer.nodeId), peer),',
      },
    ],
  },
  {
    name: 'outdated-hint-taken',
    bug: 'a hint that is older than deletions which its target has collected is merged',
    repeats: 'Cassandra: hints that outlive gc_grace_seconds',
    patches: [
      {
        file: 'src/wire-tombstones.ts',
        was: 'receiverMark < store.tombstones.collectedMark(partition) ||',
        becomes: 'receiverMark < 0 ||',
      },
    ],
  },
  {
    name: 'comparison-not-settled',
    bug: 'the peer ends a comparison without bringing to its disk what it took: a loss of power takes it back',
    repeats: 'etcd#14370: an answer that does not wait for the log',
    patches: [
      { file: 'src/wire-anti-entropy.ts', was: 'await store.flush();', becomes: '' },
      {
        file: 'src/anti-entropy/comparison-peer.ts',
        was: 'value: { key: recordKey, record, origin, sync: true, receiverMark: 0 }',
        becomes: 'value: { key: recordKey, record, origin, sync: false, receiverMark: 0 }',
      },
      {
        file: 'src/anti-entropy/comparison-peer.ts',
        was: "if (!reply.value.synced) return { kind: 'failed', why: 'refused', message: 'a merge was not synced' };",
        becomes: '',
      },
    ],
  },
  {
    name: 'fallback-never-handed-on',
    bug: 'what a node keeps for others in the place of a replica stays with it for ever',
    repeats: 'riak_core#154: fallback data that is never handed off',
    patches: [
      {
        file: 'src/handoff/hint-replay.ts',
        was: 'const homes = this.#deps.homesOf(hint.recordKey);',
        becomes:
          'if (hint.counted && !hint.madeHere) continue;\n        const homes = this.#deps.homesOf(hint.recordKey);',
      },
    ],
  },
  {
    name: 'hint-age-reset-on-merge',
    bug: 'a hint that another one is merged into is as young as that: it is looked for in the wrong place',
    repeats: 'hints keyed by time: CASSANDRA-6440 and others',
    patches: [
      {
        file: 'src/storage/hint-store.ts',
        was: 'keptAtMicros: older.keptAtMicros,\n      receiverMark: older.receiverMark,',
        becomes: 'keptAtMicros: this.#env.clock.wallMicros(),\n      receiverMark: how.receiverMark,',
      },
    ],
  },
  {
    name: 'hint-marked-by-its-newest-part',
    bug: 'a hint that a newer one is merged into vouches for the mark of the newer: its target takes what it should refuse',
    repeats: 'a maximum where a minimum is needed',
    patches: [
      {
        file: 'src/storage/hint-store.ts',
        was: 'receiverMark: older.receiverMark,',
        becomes: 'receiverMark: how.receiverMark,',
      },
    ],
  },
];

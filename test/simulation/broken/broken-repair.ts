/** Bugs of keeping replicas equal: trees, comparisons, failure detection, hints that are kept for others, tombstones. */

import type { BrokenVersion } from './broken-version.ts';

const trees = 'src/anti-entropy/replica-trees.ts';
const suspicion = 'src/core/membership/peer-suspicion.ts';
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
];

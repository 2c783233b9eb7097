/** Bugs of counting and answering: quorums, repairs, deadlines, and what a client is told. */

import type { BrokenVersion } from './broken-version.ts';

const readCore = 'src/core/coordinator/read-core.ts';
const writeCore = 'src/core/coordinator/write-core.ts';
const writes = 'src/coordinator/write-coordinator.ts';
const reads = 'src/coordinator/read-coordinator.ts';

export const brokenCoordination: readonly BrokenVersion[] = [
  {
    name: 'replica-counted-twice',
    bug: 'the coordinating replica is sent its own write, and counts twice for the quorum',
    repeats: 'quorums that count answers and not replicas; riak_kv#1046',
    patches: [
      { file: 'src/coordinator/write-run.ts', was: 'if (node === self) continue;', becomes: '' },
      {
        file: writeCore,
        was: 'if (!this.#isFirstAnswer(node)) return;',
        becomes: 'this.#isFirstAnswer(node);',
      },
    ],
  },
  {
    name: 'quorum-of-one-less',
    bug: 'a write is acknowledged one replica short of its level',
    repeats: 'off by one in half of N; two quorums that do not meet',
    patches: [
      {
        file: writeCore,
        was: "if (this.#acked + this.#hinted >= required) return { kind: 'done' };",
        becomes: "if (this.#acked >= required - 1 && this.#acked > 0) return { kind: 'done' };",
      },
    ],
  },
  {
    name: 'repair-after-the-answer',
    bug: 'a quorum read answers first, and repairs those that were behind when there is time',
    repeats: 'Cassandra without blocking read repair; scylladb#6299',
    patches: [
      {
        file: reads,
        was: 'blockingRepair: requirement.answers >= quorumOf(n) };',
        becomes: 'blockingRepair: requirement.answers > quorumOf(n) * 2 };',
      },
    ],
  },
  {
    name: 'unknown-told-as-not-applied',
    bug: 'a write that too few replicas acknowledged is reported as certainly not applied',
    repeats: 'scylladb#7258; Aerospike 3.99.0.3',
    patches: [
      {
        file: writes,
        was: 'answered: core.acked + core.hinted,',
        becomes: "answered: core.acked + core.hinted,\n    ...{ outcome: 'not-applied' },",
      },
    ],
  },
  {
    name: 'begun-told-as-not-applied',
    bug: 'a write that was begun when its deadline passed is reported as certainly not applied',
    repeats: 'scylladb#7258: a definite answer after the point of no return',
    patches: [{ file: writes, was: 'return !this.#begun;', becomes: 'return this.#over;' }],
  },
  {
    name: 'forwarded-twice',
    bug: 'a write passed on to a replica that did not answer is passed on to the next one',
    repeats: 'riak_kv#1046; retry_put_coordinator_failure: a coordinator repeats what may have been done',
    patches: [
      { file: writes, was: 'if (!didNothing.has(answer.reason)) {', becomes: 'if (didNothing.size === 0) {' },
    ],
  },
  {
    name: 'unmet-read-answered',
    bug: 'a read whose replicas time out, or whose coordinator was paused, answers with what it has',
    repeats: 'etcd#20418; Aerospike: stale reads for 27 s after a pause',
    patches: [
      {
        file: readCore,
        was: "if (promised + more.length < this.#required) return { kind: 'unmet' };",
        becomes:
          "if (promised + more.length < this.#required && this.#answers.size > 0) return { kind: 'answer', record: this.#merge().record };\n      if (promised + more.length < this.#required) return { kind: 'unmet' };",
      },
    ],
  },
  {
    name: 'digests-not-compared',
    bug: 'a read answers the first record, whatever the digests of the other replicas say',
    repeats: 'digest reads without the second round',
    patches: [
      {
        file: readCore,
        was: 'if (answer.full || known.has(answer.digest) || this.#fetching?.has(node)) continue;',
        becomes: 'if (known.size > 0 || answer.full || this.#fetching?.has(node)) continue;',
      },
    ],
  },
  {
    name: 'min-context-ignored',
    bug: 'a read does not wait for what its reader has seen before',
    repeats: 'sessions without guarantees: monotonic reads and read-your-writes are lost at weak levels',
    patches: [
      {
        file: readCore,
        was: 'const { minContext } = this.#options;',
        becomes: 'const minContext = undefined;',
      },
    ],
  },
  {
    name: 'level-lowered-in-silence',
    bug: 'a read at QUORUM that fails is tried again at ONE, and nobody is told',
    repeats: 'DowngradingConsistencyRetryPolicy of Cassandra drivers',
    patches: [
      {
        file: reads,
        was: 'const first = attempts.findIndex((attempt) => attempt.required <= candidates.length);',
        becomes:
          'attempts.push({ required: 1, blockingRepair: false });\n    levels.push(strength);\n    const first = attempts.findIndex((attempt) => attempt.required <= candidates.length);',
      },
    ],
  },
];

/** Bugs of keeping: what is acknowledged before it is stored, what is lost, what is taken for absent. */

import type { BrokenVersion } from './broken-version.ts';

const commit = 'src/storage/group-commit.ts';
const replica = 'src/replica/replica.ts';
const records = 'src/storage/record-store.ts';
const pending = 'src/replica/pending-records.ts';
const identity = 'src/storage/identity-store.ts';

export const brokenStorage: readonly BrokenVersion[] = [
  {
    name: 'acknowledged-before-fsync',
    bug: 'batches are never fsynced: a power failure takes what was acknowledged',
    repeats: 'etcd#14370; Redis-Raft',
    patches: [
      {
        file: commit,
        was: 'const sync = batch.some((write) => write.sync);',
        becomes: 'const sync = false;',
      },
    ],
  },
  {
    name: 'group-commit-drops-its-tail',
    bug: 'a batch of more than one operation loses the last, and acknowledges all',
    repeats: 'an off-by-one in the splitting of batches: etcd#14370',
    patches: [
      {
        file: commit,
        was: 'batch.map((write) => write.operation),',
        becomes: 'batch.slice(0, Math.max(1, batch.length - 1)).map((write) => write.operation),',
      },
    ],
  },
  {
    name: 'failed-write-acknowledged',
    bug: 'a write that the disk refused is acknowledged, and the node goes on',
    repeats: 'fsyncgate, PostgreSQL 2018: an error of fsync that is told once and forgotten',
    patches: [
      {
        file: commit,
        was: "this.#fail(engineError(cause, 'writing to', 'the store'), batch);\n        break;",
        becomes: 'for (const write of batch) write.resolve();\n        continue;',
      },
    ],
  },
  {
    name: 'read-and-decide-apart',
    bug: 'a write waits between reading the record and deciding: two of them mint the same dot',
    repeats: 'riak_kv#1046; a read-modify-write that is not one piece',
    patches: [
      {
        file: replica,
        was: 'const decision = this.#decide(key, held?.record, intent);',
        becomes: 'await held?.stored;\n      const decision = this.#decide(key, held?.record, intent);',
      },
    ],
  },
  {
    name: 'dot-sent-before-it-is-stored',
    bug: 'the coordinating replica sends its write to the others before it is on its own disk',
    repeats: 'riak_kv#679, second part: after a crash the same dot is minted for another value',
    patches: [
      {
        file: replica,
        was: 'this.#rememberWrite(key, intent, dot, context.writtenAt);\n        await stored;',
        becomes: 'this.#rememberWrite(key, intent, dot, context.writtenAt);',
      },
    ],
  },
  {
    name: 'merge-acknowledged-before-stored',
    bug: 'a replica acknowledges what another sent as soon as it is queued',
    repeats: 'etcd#14370: an answer that does not wait for the log',
    patches: [
      {
        file: replica,
        was: 'this.#rememberReceived(key, incoming);\n      await stored;',
        becomes: 'this.#rememberReceived(key, incoming);',
      },
    ],
  },
  {
    name: 'deletion-drops-the-record',
    bug: 'a deleted record is removed from the disk at once, and what a replica missed comes back',
    repeats: 'Riak delete_mode immediate; Cassandra with gc_grace_seconds 0: the doomstone',
    patches: [
      {
        file: pending,
        was: 'this.#changes.changed(place, bytesOf(current), bytes, options.sync);\n    const stored = this.#records.write(place.partition, place.recordKey, bytes, options);',
        becomes:
          'const dead = record.versions.every((version) => version.value === undefined);\n    this.#changes.changed(place, bytesOf(current), dead ? undefined : bytes, options.sync);\n    const stored = dead ? this.#records.remove(place.partition, place.recordKey, options) : this.#records.write(place.partition, place.recordKey, bytes, options);',
      },
    ],
  },
  {
    name: 'epoch-lease-not-stored',
    bug: 'a start stores the lease of epochs that the last one had: after a crash epochs are given out again',
    repeats: 'riak_kv PR#1094: a counter lease used before it is flushed',
    patches: [
      {
        file: identity,
        was: "put(deps.crc32, 'epoch-lease', number64(epochLease)),",
        becomes: "put(deps.crc32, 'epoch-lease', number64(previous.epochLease)),",
      },
    ],
  },
  {
    name: 'restored-copy-served',
    bug: 'a data directory put back to an earlier state is served as if nothing had happened since',
    repeats: 'riak_kv#679: a backend restored from a backup; Cassandra commit logs of a snapshot',
    patches: [
      { file: identity, was: 'const copied = moved || former.setBack;', becomes: 'const copied = false;' },
    ],
  },
  {
    name: 'buffered-dots-not-marked',
    bug: 'a store does not note that dots left it before they were fsynced, and continues their actors after a power failure',
    repeats: 'riak_kv#679 with sync_on_write off',
    patches: [
      {
        file: replica,
        was: 'if (!options.sync) await this.#deps.identity.markBufferedDots();',
        becomes: '',
      },
    ],
  },
  {
    name: 'damaged-read-as-absent',
    bug: 'a record that fails its checksum reads as if there were none',
    repeats: 'silent corruption, served and replicated; riak_kv#679: "an error is not notfound"',
    patches: [{ file: records, was: 'return damaged;', becomes: 'return absent;' }],
  },
  {
    name: 'checksum-not-checked',
    bug: 'what the disk returns is believed',
    repeats: 'stores without checksums of their own: LMDB, LevelDB without verify_checksums',
    patches: [
      {
        file: 'src/storage/value-envelope.ts',
        was: 'return crc32(payload, crc32(engineKey)) === stored ? payload : undefined;',
        becomes: 'return payload;',
      },
      {
        file: 'src/core/causality/record-codec.ts',
        was: 'if (crc32(bytes.subarray(0, bodyLength)) >>> 0 !== stored)',
        becomes: 'if (stored < 0)',
      },
    ],
  },
  {
    name: 'damage-replaced-by-a-write',
    bug: 'a write is stored over a damaged record, and the replica vouches for less than it acknowledged',
    repeats: 'Cassandra: a corrupt table dropped and filled by new writes only',
    patches: [
      {
        file: replica,
        was: "if (current.kind === 'damaged' && !options.restoreDamaged) return { kind: 'damaged' };",
        becomes: '',
      },
      {
        file: replica,
        was: "if (current.kind === 'damaged' && !options.forgetDamaged) return { kind: 'damaged' };",
        becomes: '',
      },
    ],
  },
  {
    name: 'failed-disk-read-as-absent',
    bug: 'an error of the disk reads as if there were no record',
    repeats: 'riak_kv#679: "an I/O error on read is not notfound"',
    patches: [
      {
        file: records,
        was: 'if (this.#commit.failure !== undefined) throw this.#commit.failure;\n    const engineKey',
        becomes: 'if (this.#commit.failure !== undefined) return absent;\n    const engineKey',
      },
      {
        file: records,
        was: 'const value = this.#engine.get(engineKey);',
        becomes:
          'let value;\n    try {\n      value = this.#engine.get(engineKey);\n    } catch {\n      return absent;\n    }',
      },
    ],
  },
  {
    name: 'hint-dropped-before-confirmed',
    bug: 'a hint is removed when it is sent, whether or not its target has stored it',
    repeats: 'riak_kv#847, riak_core#154: fallback data that is never handed off',
    patches: [
      {
        file: 'src/handoff/hint-replay.ts',
        was: 'if (isUnsent) await this.#aboutToSend(target, hint);',
        becomes:
          'if (isUnsent) await this.#aboutToSend(target, hint);\n    await hints.remove(target, recordKey, hint.record);',
      },
    ],
  },
  {
    name: 'hint-not-synced',
    bug: 'a write at ANY is acknowledged when its hints are queued for the disk',
    repeats: 'Cassandra: hints in memory count as stored',
    patches: [
      {
        file: 'src/handoff/hinted-write.ts',
        was: 'const outcomes = await Promise.all(targets.map((target) => this.#keep(target, key, bytes, unsent)));',
        becomes:
          "const added = targets.map((target) => this.#keep(target, key, bytes, unsent).catch(() => undefined));\n      const outcomes = added.map(() => ({ kind: 'stored' }));",
      },
    ],
  },
];

/** A replica as the coordinator calls it, in memory: holds one record, and answers, is silent or fails as a test says. */

import { crc32 } from 'node:zlib';
import {
  digestOfBytes,
  type FindAnswer,
  type ForwardAnswer,
  type KeepAnswer,
  type MergeAnswer,
  type ReadAnswer,
  type ReplicaClient,
} from '../../src/coordinator/replica-client.ts';
import { mergeRecords, type VersionedRecord } from '../../src/core/causality/record.ts';
import { decodeRecord, encodeRecord } from '../../src/core/causality/record-codec.ts';
import type { ReplicaFailureReason } from '../../src/core/coordinator/failure.ts';
import type { NodeId } from '../../src/core/identity.ts';
import type { Env } from '../../src/env/env.ts';

/** `answer`: at once, before the call returns. `silent`: never, until the call's own time-out. */
export type Manner = 'answer' | 'silent' | ReplicaFailureReason;

export class FakeReplica implements ReplicaClient {
  readonly node: NodeId;
  readonly #env: Env;
  record: VersionedRecord | undefined;
  reading: Manner = 'answer';
  merging: Manner = 'answer';
  finding: FindAnswer | 'silent' = { kind: 'unseen' };
  keeping: KeepAnswer | 'silent' = { kind: 'kept' };
  /** For whom this node was asked to keep a hint, in order. */
  readonly keptFor: NodeId[] = [];
  forwarding: ForwardAnswer | 'silent' = { kind: 'failed', reason: 'not-sent' };
  /** Every call, in order: `read`, `digest`, `merge`, `find`, `keep`, `forward`. */
  readonly calls: string[] = [];
  /** Answers everything twice, as no replica should. */
  stutters = false;

  constructor(node: NodeId, env: Env) {
    this.node = node;
    this.#env = env;
  }

  read(_key: Uint8Array, digestOnly: boolean, timeoutMs: number, done: (answer: ReadAnswer) => void): void {
    this.calls.push(digestOnly ? 'digest' : 'read');
    const bytes = this.record === undefined ? undefined : encodeRecord(this.record, crc32);
    const answer: ReadAnswer = digestOnly
      ? { kind: 'digest', digest: digestOfBytes(bytes) }
      : { kind: 'record', bytes };
    this.#answer(this.reading, answer, timeoutMs, done);
  }

  merge(
    _key: Uint8Array,
    bytes: Uint8Array,
    options: { readonly sync: boolean },
    timeoutMs: number,
    done: (answer: MergeAnswer) => void,
  ): void {
    this.calls.push('merge');
    if (this.merging === 'answer') {
      const incoming = decodeRecord(bytes, crc32);
      this.record = this.record === undefined ? incoming : mergeRecords(this.record, incoming, 'siblings');
    }
    this.#answer(this.merging, { kind: 'merged', changed: true, synced: options.sync }, timeoutMs, done);
  }

  find(
    _key: Uint8Array,
    _requestId: Uint8Array,
    timeoutMs: number,
    done: (answer: FindAnswer) => void,
  ): void {
    this.calls.push('find');
    if (this.finding === 'silent') this.#timeOut(timeoutMs, done);
    else done(this.finding);
  }

  keepHint(
    target: NodeId,
    _key: Uint8Array,
    _record: Uint8Array,
    _targetMark: number,
    timeoutMs: number,
    done: (answer: KeepAnswer) => void,
  ): void {
    this.calls.push('keep');
    this.keptFor.push(target);
    if (this.keeping === 'silent') this.#timeOut(timeoutMs, done);
    else done(this.keeping);
  }

  forward(_operation: Uint8Array, timeoutMs: number, done: (answer: ForwardAnswer) => void): void {
    this.calls.push('forward');
    if (this.forwarding === 'silent') this.#timeOut(timeoutMs, done);
    else done(this.forwarding);
  }

  #answer<A>(
    manner: Manner,
    answer: A,
    timeoutMs: number,
    done: (answer: A | { readonly kind: 'failed'; readonly reason: ReplicaFailureReason }) => void,
  ): void {
    if (manner === 'silent') {
      this.#timeOut(timeoutMs, done);
      return;
    }
    const given = manner === 'answer' ? answer : ({ kind: 'failed', reason: manner } as const);
    done(given);
    if (this.stutters) done(given);
  }

  #timeOut(
    timeoutMs: number,
    done: (answer: { readonly kind: 'failed'; readonly reason: ReplicaFailureReason }) => void,
  ): void {
    this.#env.timers.after(timeoutMs, () => done({ kind: 'failed', reason: 'timed-out' }));
  }
}

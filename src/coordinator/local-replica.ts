/** This node's own replica as the coordinator sees it: the same answers as a peer's, without the wire. */

import { MalformedError } from '../core/binary.ts';
import type { Dot } from '../core/causality/dot.ts';
import type { VersionedRecord } from '../core/causality/record.ts';
import type { NodeId } from '../core/identity.ts';
import type { Timers } from '../env/env.ts';
import { EngineError } from '../storage/engine.ts';
import {
  digestOfBytes,
  type FindAnswer,
  type ForwardAnswer,
  type KeepAnswer,
  type MergeAnswer,
  type MergeOptions,
  type ReadAnswer,
  type ReplicaClient,
} from './replica-client.ts';

/** What the replica holds for a key. */
export type LocalRead =
  | {
      readonly kind: 'found';
      /** The stored bytes. */
      readonly record: Uint8Array;
      /** Throws MalformedError. */
      readonly decoded: VersionedRecord;
    }
  | { readonly kind: 'absent' }
  | { readonly kind: 'damaged' };

/** What is needed of the replica service, keys as they come. All throw EngineError, or MalformedError for what is no key. */
export interface LocalRecords {
  read(recordKey: Uint8Array): LocalRead;
  /** Whether a hint that was kept when this mark of this store had been heard may be older than what was forgotten. */
  isHintOutdated(recordKey: Uint8Array, receiverMark: number): boolean;
  merge(
    recordKey: Uint8Array,
    record: Uint8Array,
    options: { readonly sync: boolean; readonly restoreDamaged: boolean },
  ): Promise<
    | { readonly kind: 'merged'; readonly changed: boolean; readonly synced: boolean }
    | { readonly kind: 'damaged' }
  >;
  findWrite(
    recordKey: Uint8Array,
    requestId: Uint8Array,
  ):
    | { readonly kind: 'found'; readonly dot: Dot }
    | { readonly kind: 'unseen' }
    | { readonly kind: 'damaged' };
}

export interface LocalReplicaDependencies {
  readonly records: LocalRecords;
  readonly timers: Timers;
  /** Told of errors that are bugs here; the coordinator hears only that the call failed. */
  readonly onUnexpected: (error: unknown) => void;
}

export class LocalReplica implements ReplicaClient {
  readonly node: NodeId;
  readonly #deps: LocalReplicaDependencies;

  constructor(node: NodeId, dependencies: LocalReplicaDependencies) {
    this.node = node;
    this.#deps = dependencies;
  }

  /** Answers before it returns. */
  read(
    recordKey: Uint8Array,
    digestOnly: boolean,
    _timeoutMs: number,
    done: (answer: ReadAnswer) => void,
  ): void {
    let answer: ReadAnswer;
    try {
      answer = answerOf(this.#deps.records.read(recordKey), digestOnly);
    } catch (error) {
      if (!(error instanceof EngineError)) throw error;
      answer = { kind: 'failed', reason: 'storage-failed' };
    }
    done(answer);
  }

  /** Gives up after `timeoutMs` as a peer's link does: the disk may take longer. */
  merge(
    recordKey: Uint8Array,
    record: Uint8Array,
    options: MergeOptions,
    timeoutMs: number,
    done: (answer: MergeAnswer) => void,
  ): void {
    const { records, timers, onUnexpected } = this.#deps;
    let answered = false;
    const answer = (merged: MergeAnswer): void => {
      if (answered) return;
      answered = true;
      timer.cancel();
      done(merged);
    };
    const timer = timers.after(timeoutMs, () => answer({ kind: 'failed', reason: 'timed-out' }));
    const { origin, sync, receiverMark } = options;
    // A hint for a node that is no home of the key any more, handed to this one, which is: fenced as one from a peer.
    if (origin === 'hint' && this.#isOutdated(recordKey, receiverMark ?? 0)) {
      answer({ kind: 'failed', reason: 'outdated' });
      return;
    }
    records
      .merge(recordKey, record, { sync, restoreDamaged: origin === 'read-repair' })
      .then(
        (merged): MergeAnswer =>
          merged.kind === 'merged' ? merged : { kind: 'failed', reason: 'record-damaged' },
        (error: unknown): MergeAnswer => {
          if (error instanceof MalformedError) return { kind: 'failed', reason: 'refused' };
          if (!(error instanceof EngineError)) onUnexpected(error);
          return { kind: 'failed', reason: 'storage-failed' };
        },
      )
      .then(answer)
      .catch(onUnexpected);
  }

  /** What cannot be placed is refused by the merge. */
  #isOutdated(recordKey: Uint8Array, receiverMark: number): boolean {
    try {
      return this.#deps.records.isHintOutdated(recordKey, receiverMark);
    } catch (error) {
      if (!(error instanceof MalformedError)) throw error;
      return false;
    }
  }

  find(
    recordKey: Uint8Array,
    requestId: Uint8Array,
    _timeoutMs: number,
    done: (answer: FindAnswer) => void,
  ): void {
    let answer: FindAnswer;
    try {
      const found = this.#deps.records.findWrite(recordKey, requestId);
      answer = found.kind === 'damaged' ? { kind: 'failed', reason: 'record-damaged' } : found;
    } catch (error) {
      if (!(error instanceof EngineError)) throw error;
      answer = { kind: 'failed', reason: 'storage-failed' };
    }
    done(answer);
  }

  keepHint(
    _target: NodeId,
    _recordKey: Uint8Array,
    _record: Uint8Array,
    _targetMark: number,
    _timeoutMs: number,
    _done: (answer: KeepAnswer) => void,
  ): void {
    throw new Error('assertion failed: a node does not stand in for itself');
  }

  forward(_operation: Uint8Array, _timeoutMs: number, _done: (answer: ForwardAnswer) => void): void {
    throw new Error('assertion failed: a node does not forward to itself');
  }
}

function answerOf(stored: LocalRead, digestOnly: boolean): ReadAnswer {
  if (stored.kind === 'damaged') return { kind: 'failed', reason: 'record-damaged' };
  const bytes = stored.kind === 'found' ? stored.record : undefined;
  if (digestOnly) return { kind: 'digest', digest: digestOfBytes(bytes) };
  if (stored.kind !== 'found') return { kind: 'record', bytes };
  try {
    return { kind: 'record', bytes, record: stored.decoded };
  } catch (error) {
    if (!(error instanceof MalformedError)) throw error;
    return { kind: 'failed', reason: 'record-damaged' };
  }
}

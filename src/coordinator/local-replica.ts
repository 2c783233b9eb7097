/** This node's own replica as the coordinator sees it: the same answers as a peer's, without the wire. */

import { MalformedError } from '../core/binary.ts';
import type { Dot } from '../core/causality/dot.ts';
import type { NodeId } from '../core/identity.ts';
import { EngineError } from '../storage/engine.ts';
import type { StoredRead } from '../storage/record-store.ts';
import {
  digestOfBytes,
  type FindAnswer,
  type ForwardAnswer,
  type MergeAnswer,
  type MergeOrigin,
  type ReadAnswer,
  type ReplicaClient,
} from './replica-client.ts';

/** What is needed of the replica service, keys as they come. All throw EngineError. */
export interface LocalRecords {
  read(recordKey: Uint8Array): StoredRead;
  merge(
    recordKey: Uint8Array,
    record: Uint8Array,
    options: { readonly sync: boolean },
  ): Promise<{ readonly changed: boolean; readonly synced: boolean }>;
  findWrite(recordKey: Uint8Array, requestId: Uint8Array): Dot | undefined;
}

export class LocalReplica implements ReplicaClient {
  readonly node: NodeId;
  readonly #records: LocalRecords;

  constructor(node: NodeId, records: LocalRecords) {
    this.node = node;
    this.#records = records;
  }

  /** Answers before it returns. */
  read(
    recordKey: Uint8Array,
    digestOnly: boolean,
    _timeoutMs: number,
    done: (answer: ReadAnswer) => void,
  ): void {
    let stored: StoredRead;
    try {
      stored = this.#records.read(recordKey);
    } catch (error) {
      if (!(error instanceof EngineError)) throw error;
      done({ kind: 'failed', reason: 'storage-failed' });
      return;
    }
    if (stored.kind === 'damaged') {
      done({ kind: 'failed', reason: 'record-damaged' });
      return;
    }
    const bytes = stored.kind === 'found' ? stored.record : undefined;
    done(digestOnly ? { kind: 'digest', digest: digestOfBytes(bytes) } : { kind: 'record', bytes });
  }

  merge(
    recordKey: Uint8Array,
    record: Uint8Array,
    options: { readonly origin: MergeOrigin; readonly sync: boolean },
    _timeoutMs: number,
    done: (answer: MergeAnswer) => void,
  ): void {
    this.#records.merge(recordKey, record, { sync: options.sync }).then(
      (merged) => done({ kind: 'merged', ...merged }),
      (error: unknown) => {
        if (error instanceof EngineError) done({ kind: 'failed', reason: 'storage-failed' });
        else if (error instanceof MalformedError) done({ kind: 'failed', reason: 'refused' });
        else throw error;
      },
    );
  }

  find(
    recordKey: Uint8Array,
    requestId: Uint8Array,
    _timeoutMs: number,
    done: (answer: FindAnswer) => void,
  ): void {
    try {
      const dot = this.#records.findWrite(recordKey, requestId);
      done(dot === undefined ? { kind: 'unseen' } : { kind: 'found', dot });
    } catch (error) {
      if (!(error instanceof EngineError)) throw error;
      done({ kind: 'failed', reason: 'storage-failed' });
    }
  }

  forward(_operation: Uint8Array, _timeoutMs: number, _done: (answer: ForwardAnswer) => void): void {
    throw new Error('assertion failed: a node does not forward to itself');
  }
}

/** What peers ask of this node's replica: read, merge, find. The answers' bytes are the wire's, not core's. */

import { MalformedError } from '../core/binary.ts';
import { digest64 } from '../env/xxhash.ts';
import {
  type FindWrite,
  type MergeRecord,
  type ReadRecord,
  ReplicaError_Kind,
} from '../gen/kindred/peer/v1/peer.ts';
import { type Answer, replicaError } from '../rpc/peer-server.ts';
import { EngineError } from '../storage/engine.ts';
import type { PlacedRecords } from './placed-records.ts';

const nothing = new Uint8Array(0);
const requestIdLength = 16;

export class ReplicaCalls {
  readonly #records: PlacedRecords;
  readonly #onUnexpected: (error: unknown) => void;

  /** `onUnexpected`: told of errors that are bugs here; the peer hears only that the call failed. */
  constructor(records: PlacedRecords, onUnexpected: (error: unknown) => void) {
    this.#records = records;
    this.#onUnexpected = onUnexpected;
  }

  read(call: ReadRecord, answer: Answer): void {
    try {
      const stored = this.#records.read(call.key);
      switch (stored.kind) {
        case 'absent':
          answer({ $case: 'stored', value: { found: false, record: nothing, digest: nothing } });
          return;
        case 'damaged':
          answer(
            replicaError(ReplicaError_Kind.KIND_RECORD_DAMAGED, 'the stored record failed its checksum'),
          );
          return;
        case 'found': {
          const { record } = stored;
          const value = call.digestOnly
            ? { found: true, record: nothing, digest: digest64(record) }
            : { found: true, record, digest: nothing };
          answer({ $case: 'stored', value });
          return;
        }
      }
    } catch (error) {
      answer(this.#failed(error));
    }
  }

  merge(call: MergeRecord, answer: Answer): void {
    this.#records.merge(call.key, call.record, { sync: call.sync }).then(
      ({ changed, synced }) => answer({ $case: 'merged', value: { changed, synced } }),
      (error: unknown) => answer(this.#failed(error)),
    );
  }

  find(call: FindWrite, answer: Answer): void {
    try {
      if (call.requestId.length !== requestIdLength) throw new MalformedError('a request id has 16 bytes');
      const dot = this.#records.findWrite(call.key, call.requestId);
      answer({ $case: 'found', value: { found: dot !== undefined, dot } });
    } catch (error) {
      answer(this.#failed(error));
    }
  }

  #failed(error: unknown): ReturnType<typeof replicaError> {
    if (error instanceof EngineError) return replicaError(ReplicaError_Kind.KIND_STORAGE_FAILED, error.code);
    if (error instanceof MalformedError) return replicaError(ReplicaError_Kind.KIND_INVALID, error.message);
    this.#onUnexpected(error);
    return replicaError(
      ReplicaError_Kind.KIND_STORAGE_FAILED,
      'unexpected error, see the log of the replica',
    );
  }
}

/** What peers ask of this node's replica: read, merge, find. The answers' bytes are the wire's, not core's. */

import { MalformedError } from '../core/binary.ts';
import { digest64 } from '../env/xxhash.ts';
import {
  type FindWrite,
  type MergeRecord,
  Origin,
  type ReadRecord,
  ReplicaError_Kind,
} from '../gen/kindred/peer/v1/peer.ts';
import type { ReplyBody } from '../rpc/frame-size.ts';
import { type Answer, replicaError } from '../rpc/peer-server.ts';
import { EngineError } from '../storage/engine.ts';
import type { PlacedRecords } from './placed-records.ts';

const nothing = new Uint8Array(0);
const requestIdLength = 16;

function damagedRecord(): ReplyBody {
  return replicaError(ReplicaError_Kind.KIND_RECORD_DAMAGED, 'the stored record failed its checksum');
}

export class ReplicaCalls {
  readonly #records: PlacedRecords;
  readonly #onUnexpected: (error: unknown) => void;

  /** `onUnexpected`: told of errors that are bugs here; the peer hears only that the call failed. */
  constructor(records: PlacedRecords, onUnexpected: (error: unknown) => void) {
    this.#records = records;
    this.#onUnexpected = onUnexpected;
  }

  read(call: ReadRecord, answer: Answer): void {
    let reply: ReplyBody;
    try {
      reply = this.#stored(call);
    } catch (error) {
      reply = this.#failed(error);
    }
    // Outside of the try: a call is answered once, and not again because its answer went wrong.
    answer(reply);
  }

  merge(call: MergeRecord, answer: Answer): void {
    const restoreDamaged = call.origin === Origin.ORIGIN_READ_REPAIR;
    const outdated = this.#outdated(call);
    if (outdated !== undefined) {
      answer(outdated);
      return;
    }
    this.#records
      .merge(call.key, call.record, { sync: call.sync, restoreDamaged })
      .then(
        (merged): ReplyBody => {
          if (merged.kind === 'damaged') return damagedRecord();
          const { changed, synced } = merged;
          return { $case: 'merged', value: { changed, synced } };
        },
        (error: unknown) => this.#failed(error),
      )
      .then(answer)
      .catch(this.#onUnexpected);
  }

  #outdated(call: MergeRecord): ReplyBody | undefined {
    try {
      if (call.origin !== Origin.ORIGIN_HINT) return undefined;
      if (!this.#records.isHintOutdated(call.key, call.receiverMark)) return undefined;
      const message = 'deletions that may be newer than the hint have been forgotten here';
      return replicaError(ReplicaError_Kind.KIND_OUTDATED, message);
    } catch (error) {
      return this.#failed(error);
    }
  }

  find(call: FindWrite, answer: Answer): void {
    let reply: ReplyBody;
    try {
      reply = this.#found(call);
    } catch (error) {
      reply = this.#failed(error);
    }
    answer(reply);
  }

  #stored(call: ReadRecord): ReplyBody {
    const stored = this.#records.read(call.key);
    switch (stored.kind) {
      case 'absent':
        return { $case: 'stored', value: { found: false, record: nothing, digest: nothing } };
      case 'damaged':
        return damagedRecord();
      case 'found': {
        const { record } = stored;
        const value = call.digestOnly
          ? { found: true, record: nothing, digest: digest64(record) }
          : { found: true, record, digest: nothing };
        return { $case: 'stored', value };
      }
    }
  }

  #found(call: FindWrite): ReplyBody {
    if (call.requestId.length !== requestIdLength) throw new MalformedError('a request id has 16 bytes');
    const found = this.#records.findWrite(call.key, call.requestId);
    switch (found.kind) {
      case 'found':
        return { $case: 'found', value: { found: true, dot: found.dot } };
      case 'unseen':
        return { $case: 'found', value: { found: false, dot: undefined } };
      case 'damaged':
        return damagedRecord();
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

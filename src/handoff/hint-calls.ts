/** What peers ask of this node's hints: to stand in for a home that they cannot reach. */

import { crc32 } from 'node:zlib';
import { MalformedError } from '../core/binary.ts';
import type { Bucket } from '../core/bucket.ts';
import { decodeRecord } from '../core/causality/record-codec.ts';
import { type NodeId, nodeId } from '../core/identity.ts';
import { readRecordKey } from '../core/ring/record-key.ts';
import { type KeepHint, ReplicaError_Kind } from '../gen/kindred/peer/v1/peer.ts';
import type { ReplyBody } from '../rpc/frame-size.ts';
import { type Answer, replicaError } from '../rpc/peer-server.ts';
import { EngineError } from '../storage/engine.ts';
import type { HintKeeper } from './hint-keeper.ts';

export interface HintCallsDependencies {
  readonly self: NodeId;
  readonly keeper: Pick<HintKeeper, 'standIn'>;
  readonly buckets: ReadonlyMap<string, Bucket>;
  readonly isMember: (node: NodeId) => boolean;
  /** Told of errors that are bugs here; the peer hears only that the call failed. */
  readonly onUnexpected: (error: unknown) => void;
}

export class HintCalls {
  readonly #deps: HintCallsDependencies;

  constructor(dependencies: HintCallsDependencies) {
    this.#deps = dependencies;
  }

  keepHint(call: KeepHint, answer: Answer): void {
    this.#keep(call)
      .then(
        (stored): ReplyBody => ({ $case: 'hintKept', value: { stored } }),
        (error: unknown) => this.#failed(error),
      )
      .then(answer)
      .catch(this.#deps.onUnexpected);
  }

  async #keep({ target: name, key, record, targetMark }: KeepHint): Promise<boolean> {
    const { self, keeper, buckets, isMember } = this.#deps;
    const target = nodeId(name);
    if (target === self) throw new MalformedError('a node does not stand in for itself');
    if (!isMember(target)) throw new MalformedError(`no member ${JSON.stringify(name)}`);
    const bucketName = readRecordKey(key)?.bucket;
    const bucket = bucketName === undefined ? undefined : buckets.get(bucketName);
    if (bucket === undefined) throw new MalformedError('a record key of no bucket of this cluster');
    // What does not decode would wait here until its target refused it.
    decodeRecord(record, crc32);
    return await keeper.standIn(target, { recordKey: key, bucket }, record, targetMark);
  }

  #failed(error: unknown): ReplyBody {
    if (error instanceof EngineError) return replicaError(ReplicaError_Kind.KIND_STORAGE_FAILED, error.code);
    if (error instanceof MalformedError) return replicaError(ReplicaError_Kind.KIND_INVALID, error.message);
    this.#deps.onUnexpected(error);
    return replicaError(ReplicaError_Kind.KIND_STORAGE_FAILED, 'unexpected error, see the log of the node');
  }
}

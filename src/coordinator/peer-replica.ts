/** A replica on another node: calls over its peer link, and what their outcomes mean to the coordinator. */

import type { ReplicaFailureReason } from '../core/coordinator/failure.ts';
import { absentDigest } from '../core/coordinator/read-core.ts';
import { type NodeId, replicaId } from '../core/identity.ts';
import { Origin, ReplicaError_Kind } from '../gen/kindred/peer/v1/peer.ts';
import type { ReplyBody } from '../rpc/frame-size.ts';
import type { CallOutcome, PeerLink } from '../rpc/peer-link.ts';
import {
  digestLength,
  digestName,
  type FailedCall,
  type FindAnswer,
  type ForwardAnswer,
  type KeepAnswer,
  type MergeAnswer,
  type MergeOptions,
  type MergeOrigin,
  type ReadAnswer,
  type ReplicaClient,
} from './replica-client.ts';

const originOf: Record<MergeOrigin, Origin> = {
  write: Origin.ORIGIN_WRITE,
  hint: Origin.ORIGIN_HINT,
  'read-repair': Origin.ORIGIN_READ_REPAIR,
};

export class PeerReplica implements ReplicaClient {
  readonly node: NodeId;
  readonly #link: Pick<PeerLink, 'call'>;

  constructor(node: NodeId, link: Pick<PeerLink, 'call'>) {
    this.node = node;
    this.#link = link;
  }

  read(
    recordKey: Uint8Array,
    digestOnly: boolean,
    timeoutMs: number,
    done: (answer: ReadAnswer) => void,
  ): void {
    this.#link.call({ $case: 'read', value: { key: recordKey, digestOnly } }, timeoutMs, (outcome) => {
      const reply = replyOf(outcome, 'stored');
      if (reply.kind === 'failed') return done(reply);
      const { found, record, digest } = reply.value;
      if (digestOnly) {
        if (!found) return done({ kind: 'digest', digest: absentDigest });
        // An empty digest would read as "holds nothing".
        if (digest.length !== digestLength) return done(failed('lost'));
        return done({ kind: 'digest', digest: digestName(digest) });
      }
      return done({ kind: 'record', bytes: found ? record : undefined });
    });
  }

  merge(
    recordKey: Uint8Array,
    record: Uint8Array,
    options: MergeOptions,
    timeoutMs: number,
    done: (answer: MergeAnswer) => void,
  ): void {
    const value = {
      key: recordKey,
      record,
      origin: originOf[options.origin],
      sync: options.sync,
      receiverMark: options.receiverMark ?? 0,
    };
    this.#link.call({ $case: 'merge', value }, timeoutMs, (outcome) => {
      const reply = replyOf(outcome, 'merged');
      if (reply.kind === 'failed') return done(reply);
      return done({ kind: 'merged', changed: reply.value.changed, synced: reply.value.synced });
    });
  }

  find(
    recordKey: Uint8Array,
    requestId: Uint8Array,
    timeoutMs: number,
    done: (answer: FindAnswer) => void,
  ): void {
    this.#link.call({ $case: 'find', value: { key: recordKey, requestId } }, timeoutMs, (outcome) => {
      const reply = replyOf(outcome, 'found');
      if (reply.kind === 'failed') return done(reply);
      const { found, dot } = reply.value;
      if (!found || dot === undefined) return done({ kind: 'unseen' });
      return done({
        kind: 'found',
        dot: { replica: replicaId(dot.replica), epoch: dot.epoch, counter: dot.counter },
      });
    });
  }

  keepHint(
    target: NodeId,
    recordKey: Uint8Array,
    record: Uint8Array,
    targetMark: number,
    timeoutMs: number,
    done: (answer: KeepAnswer) => void,
  ): void {
    const value = { target, key: recordKey, record, targetMark };
    this.#link.call({ $case: 'keepHint', value }, timeoutMs, (outcome) => {
      const reply = replyOf(outcome, 'hintKept');
      if (reply.kind === 'failed') return done(reply);
      return done({ kind: reply.value.stored ? 'kept' : 'full' });
    });
  }

  forward(operation: Uint8Array, timeoutMs: number, done: (answer: ForwardAnswer) => void): void {
    this.#link.call({ $case: 'forwarded', value: { operation } }, timeoutMs, (outcome) => {
      const reply = replyOf(outcome, 'operationResult');
      if (reply.kind === 'failed') return done(reply);
      return done({ kind: 'result', bytes: reply.value });
    });
  }
}

type ReplyCase = Exclude<ReplyBody['$case'], 'error'>;
type ReplyValue<Case extends ReplyCase> = Extract<ReplyBody, { $case: Case }>['value'];

function replyOf<Case extends ReplyCase>(
  outcome: CallOutcome,
  expected: Case,
): { readonly kind: 'value'; readonly value: ReplyValue<Case> } | FailedCall {
  switch (outcome.kind) {
    case 'reply': {
      const { reply } = outcome;
      if (reply.$case === expected) return { kind: 'value', value: reply.value as ReplyValue<Case> };
      if (reply.$case === 'error') return failed(reasonOf(reply.value.kind));
      // It did something, but not what it was asked: treat it as carried out and unanswered.
      return failed('lost');
    }
    case 'not-sent':
      // Trying again would not help: hints and repairs must tell it from a peer that is away.
      return failed(outcome.reason === 'too-large' ? 'refused' : 'not-sent');
    case 'lost':
      return failed('lost');
    case 'timed-out':
      return failed(outcome.sent ? 'timed-out' : 'not-sent');
  }
}

function failed(reason: ReplicaFailureReason): FailedCall {
  return { kind: 'failed', reason };
}

function reasonOf(kind: ReplicaError_Kind): ReplicaFailureReason {
  switch (kind) {
    case ReplicaError_Kind.KIND_OVERLOADED:
    case ReplicaError_Kind.KIND_EXPIRED:
      // Refused at the peer's door, before anything was done.
      return 'overloaded';
    case ReplicaError_Kind.KIND_STORAGE_FAILED:
      return 'storage-failed';
    case ReplicaError_Kind.KIND_RECORD_DAMAGED:
      return 'record-damaged';
    case ReplicaError_Kind.KIND_OUTDATED:
      return 'outdated';
    case ReplicaError_Kind.KIND_WRONG_LAYOUT:
    case ReplicaError_Kind.KIND_INVALID:
      return 'refused';
    default:
      // A kind of this peer's that is unknown here: it may have done something.
      return 'lost';
  }
}

/**
 * How large calls and replies will be on the wire, without encoding them: queues are bounded and frames are cut by it.
 * An upper bound, generous by a few bytes.
 */

import { unreachable } from '../core/assert.ts';
import type { ReplicaCall, ReplicaReply } from '../gen/kindred/peer/v1/peer.ts';

/** What a replica is asked, without the envelope. */
export type CallBody = NonNullable<ReplicaCall['call']>;

/** What a replica answers, without the envelope. */
export type ReplyBody = NonNullable<ReplicaReply['reply']>;

/** Id, timeout, tags and lengths of one call or reply. */
const envelopeBytes = 48;

/** Upper bound of the encoded size of a call in bytes. */
export function callBytes(call: CallBody): number {
  switch (call.$case) {
    case 'read':
      return envelopeBytes + call.value.key.byteLength;
    case 'merge':
      return envelopeBytes + call.value.key.byteLength + call.value.record.byteLength;
    case 'keepHint': {
      const { target, key, record } = call.value;
      return envelopeBytes + target.length * 3 + key.byteLength + record.byteLength;
    }
    case 'readTree':
      return envelopeBytes + call.value.parents.length * 5;
    case 'listLeaf':
      return envelopeBytes + call.value.leaves.length + call.value.after.byteLength;
    case 'endComparison':
      return envelopeBytes;
    case 'forwarded':
      return envelopeBytes + call.value.operation.byteLength;
    case 'find':
      return envelopeBytes + call.value.key.byteLength + call.value.requestId.byteLength;
    default:
      return unreachable(call);
  }
}

/** Upper bound of the encoded size of a reply in bytes. */
export function replyBytes(reply: ReplyBody): number {
  switch (reply.$case) {
    case 'stored':
      return envelopeBytes + reply.value.record.byteLength + reply.value.digest.byteLength;
    case 'merged':
      return envelopeBytes;
    case 'operationResult':
      return envelopeBytes + reply.value.byteLength;
    case 'error':
      // A character is at most three bytes of UTF-8 per UTF-16 unit.
      return envelopeBytes + reply.value.message.length * 3;
    case 'found':
      return envelopeBytes * 2;
    case 'hintKept':
    case 'comparisonEnded':
      return envelopeBytes;
    case 'treeHashes':
      return envelopeBytes + reply.value.hashes.byteLength;
    case 'leafEntries': {
      let bytes = envelopeBytes;
      for (const { key, digest } of reply.value.entries) bytes += key.byteLength + digest.byteLength + 16;
      return bytes;
    }
    default:
      return unreachable(reply);
  }
}

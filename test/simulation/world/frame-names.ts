/** Says in a line what is in a frame, for the trace. Nothing here is used by a run that nobody reads. */

import { readRecordKey } from '../../../src/core/ring/record-key.ts';
import type { PeerChannel } from '../../../src/env/network.ts';
import {
  ExchangeRequest,
  ExchangeResponse,
  GossipRequest,
  GossipResponse,
  HeartbeatRequest,
  HeartbeatResponse,
  Origin,
  type ReplicaCall,
  type ReplicaReply,
} from '../../../src/gen/kindred/peer/v1/peer.ts';
import { Operation } from '../../../src/gen/kindred/v1/kv.ts';

export interface FrameName {
  readonly text: string;
  /** `bucket/key` of all that the frame is about. */
  readonly keys: readonly string[];
}

/** Calls and replies that a line names; the others are counted. */
const shownMax = 12;
/** Frames whose names are remembered, between their departure and their arrival. */
const namesMax = 4_096;

/** The frames of one connection. */
export class FrameNames {
  readonly #channel: PeerChannel;
  /** What each call was about, because a reply does not say. */
  readonly #keyOfCall = new Map<number, string>();
  readonly #names = new Map<Uint8Array, FrameName>();

  constructor(channel: PeerChannel) {
    this.#channel = channel;
  }

  describe(frame: Uint8Array, direction: 'request' | 'reply'): FrameName {
    let name = this.#names.get(frame);
    if (name === undefined) {
      if (this.#names.size >= namesMax) this.#names.clear();
      name = this.#nameOf(frame, direction);
      this.#names.set(frame, name);
    }
    return name;
  }

  #nameOf(frame: Uint8Array, direction: 'request' | 'reply'): FrameName {
    try {
      if (this.#channel === 'gossip') return this.#gossip(frame, direction);
      if (this.#channel === 'data' || this.#channel === 'background')
        return direction === 'request' ? this.#calls(frame) : this.#replies(frame);
      if (direction === 'request') {
        const { sequence, hello, probe } = HeartbeatRequest.decode(frame);
        const asks = probe.length === 0 ? '' : ` asks to probe ${probe.join(', ')}`;
        return { text: `heartbeat ${sequence}${hello === undefined ? '' : ' with hello'}${asks}`, keys: [] };
      }
      const { sequence, hello, probed } = HeartbeatResponse.decode(frame);
      if (probed.length > 0) {
        const found = probed.map(
          ({ nodeId, reachable }) => `${nodeId} ${reachable ? 'reached' : 'not reached'}`,
        );
        return { text: `heartbeat probe: ${found.join(', ')}`, keys: [] };
      }
      return { text: `heartbeat ${sequence} answered${answerTo(hello)}`, keys: [] };
    } catch {
      return { text: `${frame.byteLength} bytes that do not decode`, keys: [] };
    }
  }

  #gossip(frame: Uint8Array, direction: 'request' | 'reply'): FrameName {
    if (direction === 'request') {
      const { digests, deltas } = GossipRequest.decode(frame);
      const text = `gossip: ${digests?.members.length ?? 0} digests, ${deltas?.members.length ?? 0} deltas`;
      return { text, keys: [] };
    }
    const { deltas, wanted } = GossipResponse.decode(frame);
    const text = `gossip answered: ${deltas?.members.length ?? 0} deltas, ${wanted?.members.length ?? 0} wanted`;
    return { text, keys: [] };
  }

  #calls(frame: Uint8Array): FrameName {
    const { calls, hello } = ExchangeRequest.decode(frame);
    const parts = calls.map((call) => this.#call(call));
    return nameOf(hello === undefined ? '' : `hello of ${hello.nodeId}`, parts);
  }

  #replies(frame: Uint8Array): FrameName {
    const { replies, hello } = ExchangeResponse.decode(frame);
    return nameOf(
      answerTo(hello).trimStart(),
      replies.map((reply) => this.#reply(reply)),
    );
  }

  #call({ id, call }: ReplicaCall): FrameName {
    const key = keyOf(call);
    if (key !== undefined) {
      if (this.#keyOfCall.size >= namesMax) this.#keyOfCall.clear();
      this.#keyOfCall.set(id, key);
    }
    return { text: `${verbOf(call)} ${key ?? '?'} (#${id})`, keys: key === undefined ? [] : [key] };
  }

  #reply({ id, reply }: ReplicaReply): FrameName {
    const key = this.#keyOfCall.get(id);
    return { text: `${resultOf(reply)} ${key ?? '?'} (#${id})`, keys: key === undefined ? [] : [key] };
  }
}

function nameOf(greeting: string, parts: readonly FrameName[]): FrameName {
  const shown = parts.slice(0, shownMax).map(({ text }) => text);
  if (greeting !== '') shown.unshift(greeting);
  if (parts.length > shownMax) shown.push(`${parts.length - shownMax} more`);
  return {
    text: shown.length === 0 ? 'nothing' : shown.join(', '),
    keys: parts.flatMap(({ keys }) => keys),
  };
}

function answerTo(hello: { readonly accepted: boolean; readonly refusal: string } | undefined): string {
  if (hello === undefined) return '';
  return hello.accepted ? ' hello accepted' : ` hello refused: ${hello.refusal}`;
}

const originNames: Readonly<Record<number, string>> = {
  [Origin.ORIGIN_HINT]: ' from a hint',
  [Origin.ORIGIN_READ_REPAIR]: ' as a repair',
  [Origin.ORIGIN_ANTI_ENTROPY]: ' by a comparison',
};

function verbOf(call: ReplicaCall['call']): string {
  switch (call?.$case) {
    case 'read':
      return call.value.digestOnly ? 'read digest' : 'read';
    case 'merge':
      return `merge${call.value.sync ? ' synced' : ''}${originNames[call.value.origin] ?? ''}`;
    case 'forwarded':
      return `forward ${Operation.decode(call.value.operation).op?.$case ?? 'nothing'}`;
    case 'find':
      return 'find write';
    case 'keepHint':
      return `keep hint for ${call.value.target} of`;
    case 'readTree':
      return `read tree level ${call.value.level} of ${call.value.parents.length} parents`;
    case 'listLeaf':
      return `list leaves ${call.value.partition}/${call.value.leaves.join()}`;
    case 'endComparison':
      return 'end comparison';
    case undefined:
      return 'unknown call';
  }
}

function keyOf(call: ReplicaCall['call']): string | undefined {
  if (call === undefined) return undefined;
  if (call.$case === 'forwarded') {
    const key = Operation.decode(call.value.operation).op?.value.key;
    return key === undefined ? undefined : `${key.bucket === '' ? 'default' : key.bucket}/${utf8(key.key)}`;
  }
  if (!('key' in call.value)) return undefined;
  const name = readRecordKey(call.value.key);
  return name === undefined ? undefined : `${name.bucket}/${utf8(name.key)}`;
}

function resultOf(reply: ReplicaReply['reply']): string {
  switch (reply?.$case) {
    case 'stored':
      if (!reply.value.found) return 'absent';
      return reply.value.record.length === 0 ? 'digest of' : 'record of';
    case 'merged':
      return `merged${reply.value.changed ? '' : ' (nothing new)'}${reply.value.synced ? ' synced' : ''}`;
    case 'operationResult':
      return 'result of';
    case 'error':
      return `error ${reply.value.kind} (${reply.value.message}) for`;
    case 'found':
      return reply.value.found ? 'found write of' : 'no such write of';
    case 'hintKept':
      return reply.value.stored ? 'hint kept of' : 'no room for a hint of';
    case 'treeHashes':
      return reply.value.ready ? `${reply.value.hashes.length / 8} tree hashes` : 'trees not ready';
    case 'leafEntries':
      return `${reply.value.entries.length} leaf entries`;
    case 'comparisonEnded':
      return 'comparison ended';
    case undefined:
      return 'unknown reply';
  }
}

function utf8(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

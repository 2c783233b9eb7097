/**
 * The other side of a comparison: its calls over the background link, what their outcomes mean, and what they cost. What was
 * sent and received is charged to the throttle before the next call, so that the rate holds whatever the calls turn out to be.
 */

import type { ListingPage } from '../core/anti-entropy/listing-difference.ts';
import type { TreeLevel } from '../core/anti-entropy/merkle-tree.ts';
import type { Throttle } from '../core/background/throttle.ts';
import type { PartitionId } from '../core/identity.ts';
import type { Env } from '../env/env.ts';
import { Origin, ReplicaError_Kind } from '../gen/kindred/peer/v1/peer.ts';
import { type CallBody, callBytes, type ReplyBody, replyBytes } from '../rpc/frame-size.ts';
import type { CallOutcome, PeerLink } from '../rpc/peer-link.ts';

/** What the answers of a peer are read from. `PeerLink` in production. */
export type ComparisonLink = Pick<PeerLink, 'call' | 'peer'>;

/** Which process answers, and over which data store: see the greeting of peers (`Hello`). */
export interface PeerProcess {
  readonly replicaId: number;
  readonly generation: number;
  readonly openedAtMark: number;
}

/** A call that brought no answer. */
export interface Unanswered {
  readonly kind: 'failed';
  /** `away`: no connection, or no answer in time. `refused`: it answered that it does not do this. `disk`: its disk failed. */
  readonly why: 'away' | 'refused' | 'disk' | 'malformed';
  readonly message: string;
}

/** What the peer holds for a key. */
export type TheirRecord =
  | { readonly kind: 'found'; readonly record: Uint8Array }
  | { readonly kind: 'absent' }
  | { readonly kind: 'damaged' }
  | Unanswered;

/** What the peer holds for a key, without the record. */
export type TheirDigest =
  | { readonly kind: 'found'; readonly digest: Uint8Array }
  | { readonly kind: 'absent' }
  | { readonly kind: 'damaged' }
  | Unanswered;

/** What became of a record that the peer was sent. */
export type TheirMerge =
  | { readonly kind: 'merged'; readonly changed: boolean }
  | { readonly kind: 'damaged' }
  | Unanswered;

/** What a comparison has cost so far. */
export interface ComparisonTraffic {
  calls: number;
  /** Upper bounds, generous by some bytes a call. */
  bytesSent: number;
  bytesReceived: number;
}

const callTimeoutMs = 10_000;
/** Bringing everything to stable storage may take long on a busy disk. */
const endTimeoutMs = 60_000;
/** A peer that is busy now is asked again; one that stays busy is left for the next round. */
const attemptsMax = 5;
const busyPauseMs = 100;

export class ComparisonPeer {
  readonly traffic: ComparisonTraffic = { calls: 0, bytesSent: 0, bytesReceived: 0 };
  readonly #link: ComparisonLink;
  readonly #env: Env;
  readonly #throttle: Throttle;
  readonly #owed = { keys: 0, bytes: 0 };

  constructor(link: ComparisonLink, env: Env, throttle: Throttle) {
    this.#link = link;
    this.#env = env;
    this.#throttle = throttle;
  }

  /** The process that answers now, and its store: another one may lack what was compared. `undefined`: nobody does. */
  get process(): PeerProcess | undefined {
    const peer = this.#link.peer;
    if (peer === undefined) return undefined;
    const { replicaId, generation, openedAtMark } = peer;
    return { replicaId, generation, openedAtMark };
  }

  async readTree(
    replication: number,
    level: TreeLevel,
    parents: readonly number[],
  ): Promise<
    { readonly kind: 'hashes'; readonly hashes: Uint8Array } | { readonly kind: 'not-ready' } | Unanswered
  > {
    const reply = await this.#ask({
      $case: 'readTree',
      value: { replication, level, parents: [...parents] },
    });
    if (reply.$case === 'unanswered') return reply.value;
    if (reply.$case !== 'treeHashes') return unexpected(reply);
    return reply.value.ready ? { kind: 'hashes', hashes: reply.value.hashes } : { kind: 'not-ready' };
  }

  async listLeaves(
    replication: number,
    partition: PartitionId,
    leaves: readonly number[],
    after: Uint8Array,
    limit: number,
  ): Promise<{ readonly kind: 'page'; readonly page: ListingPage } | Unanswered> {
    const value = { replication, partition, leaves: [...leaves], after, limit };
    const reply = await this.#ask({ $case: 'listLeaf', value });
    if (reply.$case === 'unanswered') return reply.value;
    if (reply.$case !== 'leafEntries') return unexpected(reply);
    this.#owed.keys += reply.value.entries.length;
    return { kind: 'page', page: reply.value };
  }

  /** What it holds for a key, by its digest alone: a look must not cost what a repair does. */
  async look(recordKey: Uint8Array): Promise<TheirDigest> {
    this.#owed.keys++;
    const reply = await this.#ask({ $case: 'read', value: { key: recordKey, digestOnly: true } });
    if (reply.$case === 'unanswered') return reply.value;
    if (reply.$case === 'error') return damagedOr(reply);
    if (reply.$case !== 'stored') return unexpected(reply);
    const { found, digest } = reply.value;
    return found ? { kind: 'found', digest } : { kind: 'absent' };
  }

  async read(recordKey: Uint8Array): Promise<TheirRecord> {
    this.#owed.keys++;
    const reply = await this.#ask({ $case: 'read', value: { key: recordKey, digestOnly: false } });
    if (reply.$case === 'unanswered') return reply.value;
    if (reply.$case === 'error') return damagedOr(reply);
    if (reply.$case !== 'stored') return unexpected(reply);
    const { found, record } = reply.value;
    return found ? { kind: 'found', record } : { kind: 'absent' };
  }

  /**
   * Merges a record into what the peer holds, synced. `newest` is asked at the moment of sending: what waited for the throttle
   * may have been deleted meanwhile, and others may have forgotten the deletion. `undefined`: there is none any more.
   */
  async merge(recordKey: Uint8Array, newest: () => Uint8Array | undefined): Promise<TheirMerge> {
    const origin = Origin.ORIGIN_ANTI_ENTROPY;
    const reply = await this.#ask(() => {
      const record = newest();
      if (record === undefined) return undefined;
      return { $case: 'merge', value: { key: recordKey, record, origin, sync: true, receiverMark: 0 } };
    });
    if (reply.$case === 'unanswered') return reply.value;
    if (reply.$case === 'error') return damagedOr(reply);
    if (reply.$case !== 'merged') return unexpected(reply);
    if (!reply.value.synced) return { kind: 'failed', why: 'refused', message: 'a merge was not synced' };
    return { kind: 'merged', changed: reply.value.changed };
  }

  /** Makes all durable that was compared. */
  async end(
    replication: number,
  ): Promise<{ readonly kind: 'ended'; readonly storedMark: number } | Unanswered> {
    const reply = await this.#ask({ $case: 'endComparison', value: { replication } }, endTimeoutMs);
    if (reply.$case === 'unanswered') return reply.value;
    if (reply.$case !== 'comparisonEnded') return unexpected(reply);
    return { kind: 'ended', storedMark: reply.value.storedMark };
  }

  async #ask(
    question: CallBody | (() => CallBody | undefined),
    timeoutMs: number = callTimeoutMs,
  ): Promise<ReplyBody | { readonly $case: 'unanswered'; readonly value: Unanswered }> {
    for (let attempt = 1; ; attempt++) {
      const { keys, bytes } = this.#owed;
      this.#owed.keys = 0;
      this.#owed.bytes = 0;
      await this.#throttle.take(keys, bytes);
      const body = typeof question === 'function' ? question() : question;
      if (body === undefined) {
        const message = 'the record has gone meanwhile';
        return { $case: 'unanswered', value: { kind: 'failed', why: 'refused', message } };
      }
      const outcome = await new Promise<CallOutcome>((resolve) => {
        this.#link.call(body, timeoutMs, resolve);
      });
      this.#account(body, outcome);
      if (attempt < attemptsMax && isBusy(outcome)) {
        await new Promise<void>((resolve) => {
          this.#env.timers.after(busyPauseMs * attempt, resolve);
        });
        continue;
      }
      if (outcome.kind === 'reply') return outcome.reply;
      const message = outcome.kind === 'timed-out' ? 'no answer in time' : outcome.reason;
      const why = outcome.kind === 'not-sent' && outcome.reason === 'too-large' ? 'refused' : 'away';
      return { $case: 'unanswered', value: { kind: 'failed', why, message } };
    }
  }

  #account(body: CallBody, outcome: CallOutcome): void {
    if (outcome.kind === 'not-sent') return;
    const sent = callBytes(body);
    const received = outcome.kind === 'reply' ? replyBytes(outcome.reply) : 0;
    this.traffic.calls++;
    this.traffic.bytesSent += sent;
    this.traffic.bytesReceived += received;
    this.#owed.bytes += sent + received;
  }
}

function isBusy(outcome: CallOutcome): boolean {
  if (outcome.kind === 'not-sent') return outcome.reason === 'queue-full';
  if (outcome.kind !== 'reply' || outcome.reply.$case !== 'error') return false;
  const { kind } = outcome.reply.value;
  // Refused at the peer's door: nothing was done.
  return kind === ReplicaError_Kind.KIND_OVERLOADED || kind === ReplicaError_Kind.KIND_EXPIRED;
}

function damagedOr(reply: Extract<ReplyBody, { $case: 'error' }>): { readonly kind: 'damaged' } | Unanswered {
  return reply.value.kind === ReplicaError_Kind.KIND_RECORD_DAMAGED ? { kind: 'damaged' } : unexpected(reply);
}

function unexpected(reply: ReplyBody): Unanswered {
  if (reply.$case !== 'error') {
    return { kind: 'failed', why: 'malformed', message: `${reply.$case} is no answer to the question` };
  }
  const { kind, message } = reply.value;
  if (kind === ReplicaError_Kind.KIND_STORAGE_FAILED) return { kind: 'failed', why: 'disk', message };
  const busy = kind === ReplicaError_Kind.KIND_OVERLOADED || kind === ReplicaError_Kind.KIND_EXPIRED;
  return { kind: 'failed', why: busy ? 'away' : 'refused', message };
}

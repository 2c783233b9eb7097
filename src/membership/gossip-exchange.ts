/**
 * What both ends of a gossip stream do: compare digests, give what the other lacks, take what it gives. One for a node,
 * whoever dialled.
 */

import type { MemberDelta } from '../core/membership/gossip-message.ts';
import type { GossipState, GossipStateCounters, MemberNews } from '../core/membership/gossip-state.ts';
import type { Env } from '../env/env.ts';
import type { GossipCodec } from './gossip-codec.ts';

/** What gossip has done and what it has refused. They only grow. */
export interface GossipCounters extends Readonly<GossipStateCounters> {
  /** Rounds that this node began. */
  readonly rounds: number;
  /** Exchanges that this node began, and the other end answered. */
  readonly exchanges: number;
  /** Exchanges that this node began, and that came to nothing: the peer is away, refused or too slow. */
  readonly exchangesFailed: number;
  /** Entries of others that were new. */
  readonly entriesLearned: number;
  readonly bytesSent: number;
  readonly bytesReceived: number;
  /** Greetings refused, by either side: other clusters, unknown senders, other configurations. */
  readonly refused: number;
  /** Frames that made no sense; each ended its stream. */
  readonly malformedFrames: number;
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** What an exchange needs. */
export interface GossipExchangeDependencies {
  readonly env: Env;
  readonly state: GossipState;
  readonly codec: GossipCodec;
  /** Told after others' entries have changed. */
  readonly onNews: (news: readonly MemberNews[]) => void;
}

/** Of each message, for what is around digests and deltas: greeting, tags, lengths. */
const envelopeBytes = 2 * 1024;

/** The answers of one node. */
export class GossipExchange {
  readonly codec: GossipCodec;
  readonly counted: Writable<Omit<GossipCounters, keyof GossipStateCounters>> = {
    rounds: 0,
    exchanges: 0,
    exchangesFailed: 0,
    entriesLearned: 0,
    bytesSent: 0,
    bytesReceived: 0,
    refused: 0,
    malformedFrames: 0,
  };
  readonly #dependencies: GossipExchangeDependencies;
  readonly #bodyBytesMax: number;
  #digests: { readonly revision: number; readonly bytes: Uint8Array } | undefined;

  constructor(dependencies: GossipExchangeDependencies, options: { readonly messageBytesMax: number }) {
    this.#dependencies = dependencies;
    this.codec = dependencies.codec;
    this.#bodyBytesMax = options.messageBytesMax - envelopeBytes;
  }

  /** A copy of the counters of this node. */
  get counters(): GossipCounters {
    return { ...this.#dependencies.state.counters, ...this.counted };
  }

  /** How far this node knows its members, encoded. */
  digests(): Uint8Array {
    const { state } = this.#dependencies;
    if (this.#digests?.revision === state.revision) return this.#digests.bytes;
    const digests = state.digests(this.#bodyBytesMax, this.#from());
    const bytes = this.codec.encodeDigests(digests);
    // While a message cannot hold all of them, each one has others.
    this.#digests = digests.length === state.memberCount ? { revision: state.revision, bytes } : undefined;
    return bytes;
  }

  /** The answer to encoded digests. Throws MalformedError. */
  answer(theirs: Uint8Array): { readonly digests?: Uint8Array; readonly deltas?: readonly MemberDelta[] } {
    // In a quiet cluster both know the same, and there is nothing to read.
    if (Buffer.compare(theirs, this.digests()) === 0) return {};
    const { state, env } = this.#dependencies;
    const { wanted, deltas } = state.answer(
      this.codec.decodeDigests(theirs),
      this.#bodyBytesMax,
      this.#from(),
      env.clock.wallMicros(),
    );
    return {
      ...(wanted.length > 0 && { digests: this.codec.encodeDigests(wanted) }),
      ...(deltas.length > 0 && { deltas }),
    };
  }

  /** What the other end wants, by encoded digests. Throws MalformedError. */
  give(wanted: Uint8Array): readonly MemberDelta[] {
    const { state, env } = this.#dependencies;
    return state.deltas(
      this.codec.decodeDigests(wanted),
      this.#bodyBytesMax,
      this.#from(),
      env.clock.wallMicros(),
    );
  }

  take(deltas: readonly MemberDelta[]): void {
    const { state, env, onNews } = this.#dependencies;
    const news = state.merge(deltas, env.clock.wallMicros());
    if (news.length === 0) return;
    for (const { entries } of news) this.counted.entriesLearned += entries.length;
    onNews(news);
  }

  /** With which member to begin where not all fit. */
  #from(): number {
    return Math.floor(this.#dependencies.env.random.fraction() * 1_000_000);
  }
}

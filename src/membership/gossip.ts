/**
 * Rounds of gossip, on the gossip channel (Scuttlebutt, see core/membership/gossip-state.ts): once in an interval this node
 * tells another how far it knows all members; the answer brings what this node lacks and asks for what the other lacks.
 * Streams stay open for a while, because in a small cluster the same peers meet again and again.
 */

import { assert } from '../core/assert.ts';
import { MalformedError } from '../core/binary.ts';
import { choosePartners } from '../core/membership/gossip-partner.ts';
import type { Env, Timer } from '../env/env.ts';
import type { FrameStream, Network } from '../env/network.ts';
import type { Hello, HelloReply } from '../gen/kindred/peer/v1/peer.ts';
import { wrongPeer } from '../rpc/hello.ts';
import type { GossipExchange } from './gossip-exchange.ts';

/** Another member, and where it listens. */
export interface GossipPeer {
  readonly node: string;
  readonly host: string;
  readonly port: number;
}

/** What rounds need. */
export interface GossipDependencies {
  readonly network: Network;
  readonly env: Env;
  readonly exchange: GossipExchange;
  /** This node's greeting, asked for at each connection. */
  readonly hello: () => Hello;
  /** Whether a peer counts as failed: it is asked seldom. Asked again after `partnersChanged`. */
  readonly isFailed: (node: string) => boolean;
  /** Told once for each distinct reason that a peer refuses to talk. */
  readonly onRefused?: (node: string, reason: string) => void;
}

/** With whom, and how often. */
export interface GossipOptions {
  /** All other members. */
  readonly peers: readonly GossipPeer[];
  /** Members that are asked a little more often than others. This node among them says nothing. */
  readonly seeds: readonly string[];
  /** Default 1 s: shorter spreads news faster and costs an exchange each time. */
  readonly intervalMs?: number;
  /** Streams that this node keeps open. Default 16. */
  readonly streamsMax?: number;
  /** An exchange must be over after this, with connecting and greeting. Default 3 s; looked at in every round. */
  readonly exchangeMsMax?: number;
  /** A stream without exchanges is closed after this. Default 60 s. */
  readonly idleMsMax?: number;
}

const refusalsRemembered = 100;

interface Conversation {
  readonly peer: GossipPeer;
  readonly stream: FrameStream;
  greeted: boolean;
  /** When the answer began to be awaited; `undefined` while nothing is. */
  askedMs: number | undefined;
  usedMs: number;
}

/** Begins exchanges with others. */
export class Gossip {
  readonly #dependencies: GossipDependencies;
  readonly #options: Required<GossipOptions>;
  readonly #peers: ReadonlyMap<string, GossipPeer>;
  readonly #seeds: readonly string[];
  /** By node; the one that was used last comes last. */
  readonly #conversations = new Map<string, Conversation>();
  readonly #refusals = new Set<string>();
  #partners: { readonly up: readonly string[]; readonly failed: readonly string[] } | undefined;
  #timer: Timer | undefined;
  #closed = false;

  constructor(dependencies: GossipDependencies, options: GossipOptions) {
    this.#dependencies = dependencies;
    this.#options = {
      intervalMs: 1_000,
      streamsMax: 16,
      exchangeMsMax: 3_000,
      idleMsMax: 60_000,
      ...options,
    };
    // A round may begin three exchanges, and each needs a stream.
    assert(this.#options.streamsMax >= 3, 'gossip needs three streams at least');
    this.#peers = new Map(options.peers.map((peer) => [peer.node, peer]));
    this.#seeds = options.seeds.filter((seed) => this.#peers.has(seed));
  }

  /** Begins with a round soon: a node that starts wants to know and to be known. */
  start(): void {
    assert(this.#timer === undefined && !this.#closed, 'gossip is started once');
    this.#later(this.#options.intervalMs * 0.2);
  }

  /** Begins no more rounds, and ends those under way. */
  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    const open = [...this.#conversations.values()];
    this.#conversations.clear();
    for (const { stream } of open) stream.close();
  }

  /** Peers failed or came back. */
  partnersChanged(): void {
    this.#partners = undefined;
  }

  /** Streams that this node holds open. */
  get streams(): number {
    return this.#conversations.size;
  }

  /** Nodes that begin together do not go on in step: each pause is half as long again, or half as long, or between. */
  #later(afterMs: number): void {
    const { env } = this.#dependencies;
    this.#timer = env.timers.after(afterMs * (0.5 + env.random.fraction()), () => this.#round());
  }

  #round(): void {
    const { env, exchange } = this.#dependencies;
    exchange.counted.rounds++;
    this.#endOld();
    const partners = choosePartners({
      ...this.#known(),
      seeds: this.#seeds,
      pick: () => env.random.fraction(),
    });
    for (const node of partners) this.#begin(this.#peers.get(node) as GossipPeer);
    this.#later(this.#options.intervalMs);
  }

  #known(): { readonly up: readonly string[]; readonly failed: readonly string[] } {
    if (this.#partners !== undefined) return this.#partners;
    const up: string[] = [];
    const failed: string[] = [];
    for (const { node } of this.#options.peers) {
      (this.#dependencies.isFailed(node) ? failed : up).push(node);
    }
    this.#partners = { up, failed };
    return this.#partners;
  }

  #endOld(): void {
    const nowMs = this.#dependencies.env.clock.monotonicMs();
    const { exchangeMsMax, idleMsMax } = this.#options;
    for (const conversation of [...this.#conversations.values()]) {
      const { askedMs, usedMs } = conversation;
      if (askedMs !== undefined ? nowMs - askedMs > exchangeMsMax : nowMs - usedMs > idleMsMax)
        this.#end(conversation);
    }
  }

  #begin(peer: GossipPeer): void {
    const known = this.#conversations.get(peer.node);
    // The last exchange is still under way: another would say the same.
    if (known?.askedMs !== undefined) return;
    const conversation = known ?? this.#dial(peer);
    if (conversation === undefined) {
      this.#dependencies.exchange.counted.exchangesFailed++;
      return;
    }
    const nowMs = this.#dependencies.env.clock.monotonicMs();
    conversation.askedMs = nowMs;
    conversation.usedMs = nowMs;
    this.#conversations.delete(peer.node);
    this.#conversations.set(peer.node, conversation);
    const { exchange, hello } = this.#dependencies;
    const greeting = known === undefined ? hello() : undefined;
    this.#send(conversation, exchange.codec.encodeRequest({ hello: greeting, digests: exchange.digests() }));
  }

  #dial(peer: GossipPeer): Conversation | undefined {
    if (this.#conversations.size >= this.#options.streamsMax) {
      for (const conversation of this.#conversations.values()) {
        if (conversation.askedMs !== undefined) continue;
        this.#end(conversation);
        break;
      }
      if (this.#conversations.size >= this.#options.streamsMax) return undefined;
    }
    const stream = this.#dependencies.network.dial({ host: peer.host, port: peer.port }, 'gossip');
    const conversation: Conversation = { peer, stream, greeted: false, askedMs: undefined, usedMs: 0 };
    const isCurrent = (): boolean => this.#conversations.get(peer.node) === conversation;
    stream.onFrame((frame) => {
      if (isCurrent()) this.#receive(conversation, frame);
    });
    stream.onClose(() => {
      if (isCurrent()) this.#end(conversation);
    });
    return conversation;
  }

  #send({ stream }: Conversation, frame: Uint8Array): void {
    this.#dependencies.exchange.counted.bytesSent += frame.byteLength;
    // One exchange at a time on a stream: what waits is bounded by that.
    stream.send(frame);
  }

  #receive(conversation: Conversation, frame: Uint8Array): void {
    const { exchange } = this.#dependencies;
    const { counted, codec } = exchange;
    counted.bytesReceived += frame.byteLength;
    try {
      const { hello, deltas, digests } = codec.decodeResponse(frame);
      if (!conversation.greeted && !this.#greetedBy(conversation, hello)) return;
      if (conversation.askedMs === undefined) throw new MalformedError('an answer that nobody has asked for');
      conversation.askedMs = undefined;
      counted.exchanges++;
      // First what the other lacks, by what it has seen of this node: what it sends may change that.
      const given = digests === undefined ? [] : exchange.give(digests);
      if (given.length > 0) this.#send(conversation, codec.encodeRequest({ deltas: given }));
      if (deltas !== undefined) exchange.take(deltas);
    } catch (error) {
      if (!(error instanceof MalformedError)) throw error;
      counted.malformedFrames++;
      this.#end(conversation);
    }
  }

  #greetedBy(conversation: Conversation, hello: HelloReply | undefined): boolean {
    if (hello === undefined) throw new MalformedError('a first frame that is not the answer to the greeting');
    const { node, host, port } = conversation.peer;
    const refusal = hello.accepted
      ? wrongPeer(hello.self, node, `${host}:${port}`)
      : hello.refusal || 'refused without a reason';
    if (refusal === undefined) {
      conversation.greeted = true;
      return true;
    }
    const { exchange, onRefused } = this.#dependencies;
    exchange.counted.refused++;
    if (!this.#refusals.has(refusal) && this.#refusals.size < refusalsRemembered) {
      this.#refusals.add(refusal);
      onRefused?.(node, refusal);
    }
    this.#end(conversation);
    return false;
  }

  #end(conversation: Conversation): void {
    this.#conversations.delete(conversation.peer.node);
    if (conversation.askedMs !== undefined) this.#dependencies.exchange.counted.exchangesFailed++;
    conversation.stream.close();
  }
}

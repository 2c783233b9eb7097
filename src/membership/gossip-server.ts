/** The answering side of gossip: compares the digests that come with what this node knows. */

import { MalformedError } from '../core/binary.ts';
import type { Env } from '../env/env.ts';
import type { FrameStream } from '../env/network.ts';
import type { Hello } from '../gen/kindred/peer/v1/peer.ts';
import { refusalOf } from '../rpc/hello.ts';
import type { GossipExchange } from './gossip-exchange.ts';

/** What the answering side needs. */
export interface GossipServerDependencies {
  readonly env: Env;
  readonly exchange: GossipExchange;
  /** This node's greeting. */
  readonly hello: () => Hello;
  /** Whether a node id is in the configuration. */
  readonly isMember: (nodeId: string) => boolean;
}

/** Bounds of the answering side. */
export interface GossipServerOptions {
  /** The greeting must have come after this. Default 3 s. */
  readonly helloTimeoutMs?: number;
  /** Streams at once, greeted or not. Default 4,096. */
  readonly streamsMax?: number;
}

/** Answers the gossip of peers. */
export class GossipServer {
  readonly #dependencies: GossipServerDependencies;
  readonly #options: Required<GossipServerOptions>;
  readonly #streams = new Set<FrameStream>();

  constructor(dependencies: GossipServerDependencies, options: GossipServerOptions = {}) {
    this.#dependencies = dependencies;
    this.#options = { helloTimeoutMs: 3_000, streamsMax: 4_096, ...options };
  }

  /** Streams that peers hold open. */
  get streams(): number {
    return this.#streams.size;
  }

  /** Takes a `gossip` stream that the network accepted. */
  accept(stream: FrameStream): void {
    if (this.#streams.size >= this.#options.streamsMax) {
      stream.close();
      return;
    }
    this.#streams.add(stream);
    let greeted = false;
    const { env, exchange, hello, isMember } = this.#dependencies;
    const { counted, codec } = exchange;
    const end = (): void => {
      timer.cancel();
      this.#streams.delete(stream);
      stream.close();
    };
    const timer = env.timers.after(this.#options.helloTimeoutMs, end);
    stream.onClose(end);
    const receive = (frame: Uint8Array): void => {
      const request = codec.decodeRequest(frame);
      const isFirst = !greeted;
      const refusal = isFirst ? refusalOf(request.hello, hello(), isMember) : undefined;
      if (refusal === undefined) {
        greeted = true;
        timer.cancel();
        if (request.deltas !== undefined) exchange.take(request.deltas);
        if (request.digests === undefined) return;
      } else counted.refused++;
      const answer = codec.encodeResponse({
        ...(isFirst && {
          hello: {
            accepted: refusal === undefined,
            refusal: refusal ?? '',
            self: hello(),
            setBack: false,
            outdated: false,
          },
        }),
        ...(refusal === undefined && request.digests !== undefined && exchange.answer(request.digests)),
      });
      counted.bytesSent += answer.byteLength;
      const takesMore = stream.send(answer);
      // Whoever asks without taking answers would fill this node's memory; it may dial again.
      if (refusal !== undefined || !takesMore) end();
    };
    stream.onFrame((frame) => {
      counted.bytesReceived += frame.byteLength;
      try {
        receive(frame);
      } catch (error) {
        if (!(error instanceof MalformedError)) throw error;
        counted.malformedFrames++;
        end();
      }
    });
  }

  /** Closes all streams. */
  close(): void {
    for (const stream of [...this.#streams]) stream.close();
  }
}

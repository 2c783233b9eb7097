/**
 * kill -9 of single nodes, and what clients notice of it: how long the keys that the node coordinated cannot be written at QUORUM,
 * by clients that go to another node at once.
 */

import { AvailabilityProbe } from '../support/availability-probe.ts';
import type { RealNode } from '../support/real-cluster.ts';
import type { ChaosCluster } from './chaos-cluster.ts';

interface Kill {
  readonly node: number;
  readonly atMs: number;
  /** Every other node was in service: what then cannot be written is this node's doing. */
  readonly alone: boolean;
}

/** Keys that a killed node coordinated are written at QUORUM again after this, through the other nodes. */
const writtenAgainWithinMs = 2_000;
/** So long after a kill gaps are looked for. */
const lookedAtMs = 10_000;

/** All kills of a run. */
export class Kills {
  /** After each kill while all others were in service: the longest time that one of the node's keys was not written. */
  readonly unavailableMs: number[] = [];
  readonly #cluster: ChaosCluster;
  #probe: AvailabilityProbe | undefined;
  #kills: Kill[] = [];

  constructor(cluster: ChaosCluster) {
    this.#cluster = cluster;
  }

  /** Begins to write. */
  async startRound(): Promise<void> {
    this.#probe = new AvailabilityProbe(this.#cluster.nodes);
    this.#kills = [];
    await this.#probe.start();
  }

  /** Kills the node, and returns when the process is gone. */
  async kill(node: number): Promise<void> {
    const others = this.#cluster.nodes.filter((_, number) => number !== node);
    const alone = (await Promise.all(others.map(isReady))).every(Boolean);
    this.#kills.push({ node, atMs: performance.now(), alone });
    await this.#cluster.node(node).kill('SIGKILL');
  }

  /** Ends the round, and tells of each kill, a sentence. */
  async endRound(): Promise<readonly { readonly text: string; readonly wrong: boolean }[]> {
    const probe = this.#probe;
    if (probe === undefined) return [];
    await this.stop();
    const endedMs = performance.now();
    return this.#kills.flatMap(({ node, atMs, alone }, index) => {
      // Keys that lose two of three homes cannot be written, and are not the question.
      if (!alone) return [];
      const next = this.#kills[index + 1]?.atMs ?? endedMs;
      const untilMs = Math.min(atMs + lookedAtMs, next, endedMs);
      const { longestMs } = probe.unavailability(this.#cluster.node(node), atMs, untilMs);
      this.unavailableMs.push(longestMs);
      const text = `keys that n${node + 1} coordinated were not written for ${Math.round(longestMs)} ms after its end`;
      return [{ text, wrong: longestMs > writtenAgainWithinMs }];
    });
  }

  async stop(): Promise<void> {
    await this.#probe?.stop();
    this.#probe = undefined;
  }
}

async function isReady({ host, ports }: RealNode): Promise<boolean> {
  const url = `http://${host}:${ports.http}/readyz`;
  return await fetch(url, { signal: AbortSignal.timeout(500) }).then(
    ({ ok }) => ok,
    () => false,
  );
}

/**
 * How long keys cannot be written: clients that each write one key at QUORUM over and over, through the node that coordinates
 * it, and at once through the others when that does not work.
 */

import { createClient } from 'nice-grpc';
import { TopologyServiceDefinition } from '../../src/gen/kindred/v1/topology.ts';
import { ConsistencyLevel } from '../../src/gen/kindred/v1/types.ts';
import type { RealNode } from './real-cluster.ts';

export interface AvailabilityProbeOptions {
  /** Keys of each node, of which it is the first home. */
  readonly keysPerNode: number;
  /** Between two writes of a key. */
  readonly pauseMs: number;
  /** A client gives up on one node after this. */
  readonly attemptMs: number;
}

/** How long the keys of one node could not be written after something happened to it. */
export interface Unavailability {
  readonly keys: number;
  /** The longest time without an acknowledged write, of any of its keys. */
  readonly longestMs: number;
  readonly medianMs: number;
}

interface ProbedKey {
  readonly key: Buffer;
  /** Its first home. */
  readonly coordinator: RealNode;
  /** When writes were acknowledged. */
  readonly acknowledgedMs: number[];
}

const defaults: AvailabilityProbeOptions = { keysPerNode: 4, pauseMs: 50, attemptMs: 1_000 };
/** With every node asked for its share of the ring this finds a key of each after a few dozen. */
const keysTriedMax = 10_000;
/** After every node has refused: soon, and not in a loop without end. */
const retryPauseMs = 5;

/** Start it, let something happen, then ask. */
export class AvailabilityProbe {
  readonly #nodes: readonly RealNode[];
  readonly #options: AvailabilityProbeOptions;
  #keys: readonly ProbedKey[] = [];
  #stopped = false;
  #running: Promise<unknown> = Promise.resolve();

  constructor(nodes: readonly RealNode[], options: Partial<AvailabilityProbeOptions> = {}) {
    this.#nodes = nodes;
    this.#options = { ...defaults, ...options };
  }

  /** Finds keys for every node, and begins to write them. */
  async start(): Promise<void> {
    this.#stopped = false;
    this.#keys = await this.#choose();
    this.#running = Promise.all(this.#keys.map((key) => this.#write(key)));
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }

  /** Of the keys that this node coordinates, from one moment to another (`performance.now()`). */
  unavailability(node: RealNode, fromMs: number, toMs: number): Unavailability {
    const gaps = this.#keys
      .filter(({ coordinator }) => coordinator === node)
      .map(({ acknowledgedMs }) => longestGapMs(acknowledgedMs, fromMs, toMs))
      .sort((a, b) => a - b);
    return {
      keys: gaps.length,
      longestMs: gaps.at(-1) ?? Number.NaN,
      medianMs: gaps[Math.floor(gaps.length / 2)] ?? Number.NaN,
    };
  }

  async #choose(): Promise<readonly ProbedKey[]> {
    const { keysPerNode } = this.#options;
    const first = this.#nodes[0] as RealNode;
    const topology = createClient(TopologyServiceDefinition, first.channel);
    const chosen = new Map<string, ProbedKey[]>(this.#nodes.map(({ id }) => [id, []]));
    for (let index = 0; index < keysTriedMax; index++) {
      if ([...chosen.values()].every((keys) => keys.length >= keysPerNode))
        return [...chosen.values()].flat();
      const key = Buffer.from(`availability/${index}`);
      const { replicas } = await topology.locate({ key: { bucket: '', key } });
      const home = replicas.find((replica) => replica.home);
      const coordinator = this.#nodes.find(({ id }) => id === home?.nodeId);
      const keys = chosen.get(coordinator?.id ?? '');
      if (coordinator === undefined || keys === undefined || keys.length >= keysPerNode) continue;
      keys.push({ key, coordinator, acknowledgedMs: [] });
    }
    throw new Error(`of ${keysTriedMax} keys not enough belong to each node`);
  }

  async #write(probed: ProbedKey): Promise<void> {
    const others = this.#nodes.filter((node) => node !== probed.coordinator);
    const order = [probed.coordinator, ...others];
    for (let round = 0; !this.#stopped; round++) {
      let acknowledged = false;
      for (const node of order) {
        acknowledged = await this.#put(node, probed.key, round);
        if (acknowledged || this.#stopped) break;
      }
      if (acknowledged) probed.acknowledgedMs.push(performance.now());
      await pause(acknowledged ? this.#options.pauseMs : retryPauseMs);
    }
  }

  async #put(node: RealNode, key: Buffer, round: number): Promise<boolean> {
    const strength = {
      $case: 'consistency',
      value: ConsistencyLevel.CONSISTENCY_LEVEL_QUORUM,
    } as const;
    const value = { data: Buffer.from(`round ${round}`), contentType: '', metadata: {} };
    const signal = AbortSignal.timeout(this.#options.attemptMs);
    return await node.keyValue
      .put({ key: { bucket: '', key }, value, options: { strength } }, { signal })
      .then(
        () => true,
        () => false,
      );
  }
}

/** The longest time between two acknowledgements, as far as it lies in the window. Without any: the whole window. */
export function longestGapMs(acknowledgedMs: readonly number[], fromMs: number, toMs: number): number {
  let longest = 0;
  let since = fromMs;
  for (const atMs of acknowledgedMs) {
    if (atMs <= fromMs) continue;
    longest = Math.max(longest, Math.min(atMs, toMs) - since);
    since = Math.min(atMs, toMs);
  }
  return Math.max(longest, toMs - since);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/**
 * Hints are handed over while clients ask for all that the nodes can do: once as it should be, once with background work that
 * does not yield. What clients notice, and that the hints arrive in either case.
 */

import { ConsistencyLevel } from '../../src/gen/kindred/v1/types.ts';
import { pause } from '../chaos/program.ts';
import type { RealNode } from '../support/real-cluster.ts';
import { bulkWrite } from './bulk-writer.ts';
import { atMost, type Campaign, type CampaignOptions, type Figure, shown } from './campaign.ts';
import { SurvivalCluster, waitFor } from './survival-cluster.ts';

const clients = 48;
const valueBytes = 100;
const handedOverWithinMs = 300_000;
const aloneMs = 5_000;

export const underLoad: Campaign = {
  name: 'under-load',
  describes: 'hints are handed over while clients write as fast as they can; then the same without yielding',
  defaults: { seconds: 15, keys: 20_000, rounds: 1 },
  async run(options) {
    const yielding = await handOver(options, 0.05);
    const unyielding = await handOver(options, 1);
    return [...figuresOf('background work yields', yielding), ...figuresOf('it does not yield', unyielding)];
  },
};

interface Seen {
  /** Before there were hints to hand over. */
  readonly alone: LoadSeen;
  readonly beside: LoadSeen;
  readonly hints: number;
  readonly handedOverMs: number;
  /** What the coordinators gave to hints of their full rate, on average. */
  readonly meanShare: number;
}

interface LoadSeen {
  readonly putsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

async function handOver(
  { nodes, engine, seconds, keys: count, say }: CampaignOptions,
  shareMin: number,
): Promise<Seen> {
  // A full rate that this machine can reach, so that its share is felt.
  const settings = [
    'anti_entropy.enabled=false',
    `background.share_min=${shareMin}`,
    'background.keys_per_second=2000',
  ];
  await using cluster = await SurvivalCluster.start({ nodes, engine, settings });
  const number = nodes - 1;
  const victim = cluster.node(number);
  const others = cluster.others(victim);
  await victim.kill('SIGKILL');
  await bulkWrite({
    through: others,
    keys: Array.from({ length: count }, (_, index) => Buffer.from(`missed/${index}`)),
    makeValue: (key) => Buffer.alloc(valueBytes, key),
    level: ConsistencyLevel.CONSISTENCY_LEVEL_QUORUM,
    batch: 100,
  });
  const pending = (): Promise<number> => cluster.sum('kindred_hints_pending');
  const hints = await pending();
  const load = new PutLoad(others);
  load.start();
  const shares: number[] = [];
  try {
    await pause(aloneMs);
    const alone = load.lookAndForget();
    cluster.chaos.start(number);
    await victim.ready();
    load.lookAndForget();
    const fromMs = performance.now();
    // Clients add hints for as long as the node is not seen up by all: what was there before has to go.
    const handedOverMs = await waitFor('the hints have been handed over', handedOverWithinMs, async () => {
      await pause(250);
      for (const node of others) {
        const samples = await cluster.metricsOf(node);
        shares.push(samples.sum('kindred_background_share', { class: 'urgent' }));
      }
      return (await cluster.sum('kindred_hints_replayed_total')) >= hints;
    });
    await pause(Math.max(0, Math.min(seconds * 1000, aloneMs) - (performance.now() - fromMs)));
    const beside = load.lookAndForget();
    say(
      `share_min ${shareMin}: ${hints} hints handed over in ${(handedOverMs / 1000).toFixed(1)} s, ` +
        `${Math.round(beside.putsPerSecond)} puts/s meanwhile`,
    );
    const meanShare = shares.reduce((sum, share) => sum + share, 0) / shares.length;
    return { alone, beside, hints, handedOverMs, meanShare };
  } finally {
    await load.stop();
  }
}

function figuresOf(what: string, { alone, beside, hints, handedOverMs, meanShare }: Seen): readonly Figure[] {
  return [
    shown(`${what}: puts with a node down`, alone.putsPerSecond, '/s'),
    shown(`${what}: their latency, median and 99th percentile`, latencyText(alone)),
    shown(`${what}: hints handed over`, hints),
    atMost(`${what}: until they were`, handedOverMs / 1000, handedOverWithinMs / 1000, 's'),
    shown(`${what}: share of their full rate that hints were given`, 100 * meanShare, '%'),
    shown(`${what}: puts meanwhile`, beside.putsPerSecond, '/s'),
    shown(`${what}: their latency, median and 99th percentile`, latencyText(beside)),
  ];
}

function latencyText({ p50Ms, p99Ms }: LoadSeen): string {
  return `${p50Ms.toFixed(1)} ms, ${p99Ms.toFixed(1)} ms`;
}

/** Clients that put at QUORUM, each the next when the last is answered. */
class PutLoad {
  readonly #nodes: readonly RealNode[];
  #latenciesMs: number[] = [];
  #sinceMs = performance.now();
  #stopped = false;
  #running: Promise<unknown> = Promise.resolve();

  constructor(nodes: readonly RealNode[]) {
    this.#nodes = nodes;
  }

  start(): void {
    this.#running = Promise.all(Array.from({ length: clients }, (_, index) => this.#put(index)));
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }

  /** What was answered since the last look. */
  lookAndForget(): LoadSeen {
    const latencies = this.#latenciesMs.sort((a, b) => a - b);
    const seconds = (performance.now() - this.#sinceMs) / 1000;
    this.#latenciesMs = [];
    this.#sinceMs = performance.now();
    const quantile = (part: number): number => latencies[Math.floor(part * latencies.length)] ?? Number.NaN;
    return { putsPerSecond: latencies.length / seconds, p50Ms: quantile(0.5), p99Ms: quantile(0.99) };
  }

  async #put(index: number): Promise<void> {
    const node = this.#nodes[index % this.#nodes.length] as RealNode;
    const strength = { $case: 'consistency', value: ConsistencyLevel.CONSISTENCY_LEVEL_QUORUM } as const;
    const value = { data: Buffer.alloc(valueBytes), contentType: '', metadata: {} };
    for (let turn = 0; !this.#stopped; turn++) {
      const key = { bucket: '', key: Buffer.from(`load/${index}/${turn % 1_000}`) };
      const fromMs = performance.now();
      try {
        await node.keyValue.put(
          { key, value, options: { strength } },
          { signal: AbortSignal.timeout(10_000) },
        );
        this.#latenciesMs.push(performance.now() - fromMs);
      } catch {
        // Refused or late under load: it is not counted, and asked again.
        await pause(10);
      }
    }
  }
}

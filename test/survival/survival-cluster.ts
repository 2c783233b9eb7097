/** Five real nodes for a survival campaign, and what is to be seen of them from outside. */

import { type Client, createClient } from 'nice-grpc';
import { NodeState, TopologyServiceDefinition } from '../../src/gen/kindred/v1/topology.ts';
import { CHAOS_PORTS, ChaosCluster } from '../chaos/chaos-cluster.ts';
import { LinkProxyNetwork } from '../chaos/link-proxy.ts';
import { lookAtMachine } from '../chaos/machine.ts';
import { NamespaceNetwork } from '../chaos/namespaces.ts';
import type { ChaosNetwork } from '../chaos/network.ts';
import { pause } from '../chaos/program.ts';
import { RunDirectory } from '../chaos/run-directory.ts';
import type { RealNode } from '../support/real-cluster.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { MetricSamples } from './metric-samples.ts';

export interface SurvivalClusterOptions {
  readonly nodes: number;
  readonly engine: 'lsm' | 'btree';
  /** Whether links between nodes are to be cut. It takes a namespace for each node, or a proxy before every peer port. */
  readonly cuttable?: boolean;
  /** Knobs: `hints.bytes_max=0`. */
  readonly settings?: readonly string[];
}

const askMs = 2_000;
const askAgainMs = 20;

/** Nodes on plain disks, at addresses of their own. All of it goes away with the object. */
export class SurvivalCluster {
  readonly chaos: ChaosCluster;
  readonly nodes: readonly RealNode[];
  readonly #stack: AsyncDisposableStack;
  readonly #topologies: ReadonlyMap<RealNode, Client<TopologyServiceDefinition>>;

  private constructor(chaos: ChaosCluster, stack: AsyncDisposableStack) {
    this.chaos = chaos;
    this.nodes = chaos.nodes;
    this.#stack = stack;
    this.#topologies = new Map(
      chaos.nodes.map((node) => [node, createClient(TopologyServiceDefinition, node.channel)]),
    );
  }

  static async start(options: SurvivalClusterOptions): Promise<SurvivalCluster> {
    await using stack = new AsyncDisposableStack();
    const directory = stack.use(new RunDirectory());
    const { nodes, engine, settings = [] } = options;
    const network = options.cuttable
      ? await cuttableNetwork(directory, nodes, stack)
      : plainNetwork(directory);
    const chaos = stack.use(
      await ChaosCluster.start(directory, network, { nodes, engine, disk: 'plain', settings }),
    );
    return new SurvivalCluster(chaos, stack.move());
  }

  node(number: number): RealNode {
    return this.chaos.node(number);
  }

  others(than: RealNode): readonly RealNode[] {
    return this.nodes.filter((node) => node !== than);
  }

  /** How the node sees the others: their states by id. */
  async statesSeenBy(node: RealNode): Promise<ReadonlyMap<string, NodeState>> {
    const topology = this.#topologies.get(node) as Client<TopologyServiceDefinition>;
    const answer = await topology.getTopology({}, { signal: AbortSignal.timeout(askMs) });
    return new Map(
      answer.topology?.nodes.filter(({ id }) => id !== node.id).map(({ id, state }) => [id, state]),
    );
  }

  /** The nodes where a key lives, its first home first. */
  async homesOf(key: Buffer): Promise<readonly string[]> {
    const topology = this.#topologies.get(this.nodes[0] as RealNode) as Client<TopologyServiceDefinition>;
    const { replicas } = await topology.locate({ key: { bucket: '', key } });
    return replicas.filter(({ home }) => home).map(({ nodeId }) => nodeId);
  }

  /** Waits until every node sees every other up. */
  async allUp(withinMs: number): Promise<void> {
    await Promise.all(
      this.nodes.map((node) =>
        waitFor(`${node.id} sees all up`, withinMs, async () =>
          [...(await this.statesSeenBy(node)).values()].every((state) => state === NodeState.NODE_STATE_UP),
        ),
      ),
    );
  }

  async metricsOf(node: RealNode): Promise<MetricSamples> {
    const response = await fetch(`http://${node.host}:${node.ports.http}/metrics`, {
      signal: AbortSignal.timeout(10_000),
    });
    return MetricSamples.parse(await response.text());
  }

  /** The metric, summed over all nodes that answer and over all labels that are not named. */
  async sum(name: string, labels: Readonly<Record<string, string>> = {}): Promise<number> {
    const all = await Promise.all(this.nodes.map((node) => this.metricsOf(node).catch(() => undefined)));
    return all.reduce((sum, samples) => sum + (samples?.sum(name, labels) ?? 0), 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack[Symbol.asyncDispose]();
  }
}

/** Waits for a condition, and tells how long that took. Throws when it does not come true in time. An error is a no. */
export async function waitFor(
  what: string,
  withinMs: number,
  condition: () => Promise<boolean>,
): Promise<number> {
  const fromMs = performance.now();
  let last: unknown;
  for (;;) {
    try {
      if (await condition()) return performance.now() - fromMs;
    } catch (error) {
      last = error;
    }
    if (performance.now() - fromMs > withinMs) {
      throw new Error(`not within ${Math.round(withinMs / 1000)} s: ${what}`, { cause: last });
    }
    await pause(askAgainMs);
  }
}

/** Namespaces where this machine allows them: packets that are dropped are gone, as in a real network. */
async function cuttableNetwork(
  directory: RunDirectory,
  nodes: number,
  stack: AsyncDisposableStack,
): Promise<ChaosNetwork> {
  const missing = await lookAtMachine();
  if (!missing.has('namespaces')) return await NamespaceNetwork.make(directory, nodes);
  const options = { peerPort: CHAOS_PORTS.peer, random: new SeededRandom(1) };
  return stack.use(await LinkProxyNetwork.make(directory, nodes, options));
}

/** Nodes dial each other without anything between them. */
function plainNetwork(directory: RunDirectory): ChaosNetwork {
  const host = (node: number): string => `127.${directory.subnet.join('.')}.${11 + node}`;
  const never = (): Promise<void> => Promise.reject(new Error('assertion failed: these links cannot be cut'));
  return {
    kind: 'proxies',
    memberHost: host,
    listenHost: host,
    commandPrefix: () => [],
    started() {},
    cut: never,
    heal: never,
  };
}

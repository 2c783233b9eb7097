/**
 * The nodes of a key in the order in which they are asked (Dynamo, section 4.8): its homes by the layout, those of them
 * that are up, and the best of these first.
 */

import type { NodeId, PartitionId } from '../core/identity.ts';
import type { Placement } from '../core/ring/placement.ts';
import { type Hash64, partitionOf, tokenOf } from '../core/ring/token.ts';

/** What the coordinator needs to know of its peers. */
export interface PeerHealth {
  isUp(node: NodeId): boolean;
  /** Smoothed round trip in milliseconds; 0 for this node. */
  latencyMs(node: NodeId): number;
  /** What a usual answer stays below (95 %), in milliseconds. `undefined`: not known yet. */
  usualMs(node: NodeId): number | undefined;
}

export interface PreferenceListsDependencies {
  readonly self: NodeId;
  readonly hash64: Hash64;
  /** The placement for buckets of this replication. */
  readonly placementFor: (replication: number) => Placement;
  readonly health: PeerHealth;
}

/** Where a key lives. */
export interface Placed {
  readonly partition: PartitionId;
  readonly homes: readonly NodeId[];
  readonly layoutVersion: number;
}

export class PreferenceLists {
  readonly #deps: PreferenceListsDependencies;

  constructor(dependencies: PreferenceListsDependencies) {
    this.#deps = dependencies;
  }

  place(replication: number, recordKey: Uint8Array): Placed {
    const placement = this.#deps.placementFor(replication);
    const { layout } = placement;
    const partition = partitionOf(tokenOf(this.#deps.hash64, recordKey), layout.partitions);
    return { partition, homes: placement.homes(partition), layoutVersion: layout.version };
  }

  /** Those that are up, this node first, then the quickest. */
  up(homes: readonly NodeId[]): readonly NodeId[] {
    const { self, health } = this.#deps;
    const nodes: NodeId[] = [];
    const costs: number[] = [];
    // Sorted as they come: there are few, and every read at a quorum passes here.
    for (const node of homes) {
      if (!health.isUp(node)) continue;
      const cost = node === self ? -1 : health.latencyMs(node);
      let at = nodes.length;
      for (; at > 0 && (costs[at - 1] as number) > cost; at--) {
        nodes[at] = nodes[at - 1] as NodeId;
        costs[at] = costs[at - 1] as number;
      }
      nodes[at] = node;
      costs[at] = cost;
    }
    return nodes;
  }

  /**
   * Who may stand in for homes that are away: the nodes that follow them in the placement and are up, without this one. As
   * many as there are homes are asked at most, and as many again when some of them cannot.
   */
  fallbacks({ partition, homes }: Placed, replication: number): readonly NodeId[] {
    const { self, health, placementFor } = this.#deps;
    const nodes: NodeId[] = [];
    for (const node of placementFor(replication).preferenceList(partition)) {
      if (nodes.length === 2 * homes.length) break;
      if (node !== self && !homes.includes(node) && health.isUp(node)) nodes.push(node);
    }
    return nodes;
  }

  /** Those that are not up. */
  down(homes: readonly NodeId[]): readonly NodeId[] {
    return homes.filter((node) => !this.#deps.health.isUp(node));
  }

  /** How many are up: their order costs more, and whoever writes to all of them needs none. */
  countUp(homes: readonly NodeId[]): number {
    let up = 0;
    for (const node of homes) if (this.#deps.health.isUp(node)) up++;
    return up;
  }

  /** What the slowest of `nodes` usually takes, in milliseconds; `undefined` where nobody has a usual time yet. */
  usualMs(nodes: readonly NodeId[]): number | undefined {
    let slowest: number | undefined;
    for (const node of nodes) {
      const usual = this.#deps.health.usualMs(node);
      if (usual !== undefined && (slowest === undefined || usual > slowest)) slowest = usual;
    }
    return slowest;
  }
}

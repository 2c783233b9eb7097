/**
 * Placement: which nodes hold a partition. Consistent hashing with bounded loads (Mirrokni, Thorup, Zadimoghaddam 2016):
 * walk clockwise from the partition, take the first N nodes in distinct zones (then distinct nodes), and pass by a node
 * that already holds more than (1 + e) of its fair share.
 *
 * - A pure function of members, N and Q: every machine computes the same table, whatever order the members come in.
 * - Every partition has exactly N homes, all different, and in different zones as long as there are N zones (with fewer
 *   zones, each zone has one).
 * - A look-up is one array read, and gives the same array object every time.
 */

import { assert } from '../assert.ts';
import { type NodeId, type PartitionId, partitionId } from '../identity.ts';
import { assignHomes, partitionStart } from './bounded-loads.ts';
import type { Layout, LayoutMember } from './layout.ts';
import { buildRing, firstAtOrAfter, type Ring } from './ring.ts';
import { type Hash64, isPartitionCount } from './token.ts';

/** Bounds the nodes remembered in preference lists: about 8 MB. */
const rememberedNodesMax = 1_000_000;

const noPartitions: readonly PartitionId[] = [];

export class Placement {
  readonly layout: Layout;
  /** N of this table: the layout's own, or that of a bucket with another. */
  readonly replication: number;
  readonly #members: readonly LayoutMember[];
  readonly #ring: Ring;
  readonly #homes: readonly (readonly NodeId[])[];
  readonly #homeIndexes: Uint16Array;
  readonly #owned: ReadonlyMap<NodeId, readonly PartitionId[]>;
  readonly #preferenceLists = new Map<PartitionId, readonly NodeId[]>();

  /** Builds the table. The layout must have no problems (`layoutProblems`) and at least `replication` members. */
  constructor(layout: Layout, replication: number, hash: Hash64) {
    assert(isPartitionCount(layout.partitions), 'the number of partitions is a power of two');
    assert(replication >= 1 && replication <= layout.members.length, 'every copy has a node of its own');
    this.layout = layout;
    this.replication = replication;
    // By code unit, not by locale: the order must be the same on every machine.
    this.#members = [...layout.members].sort((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0));
    this.#ring = buildRing(this.#members, hash);
    const homes = assignHomes(this.#members, this.#ring, layout.partitions, replication);

    const table: (readonly NodeId[])[] = [];
    const owned = new Map<NodeId, PartitionId[]>(this.#members.map((member) => [member.id, []]));
    for (let partition = 0; partition < layout.partitions; partition++) {
      const nodes: NodeId[] = [];
      for (let rank = 0; rank < replication; rank++) {
        const { id } = this.#members[homes[partition * replication + rank] as number] as LayoutMember;
        nodes.push(id);
        owned.get(id)?.push(partitionId(partition));
      }
      table.push(Object.freeze(nodes));
    }
    this.#homes = table;
    this.#homeIndexes = homes;
    this.#owned = owned;
  }

  /** The N nodes that hold a partition, in the order of preference. The same object every time; do not change it. */
  homes(partition: PartitionId): readonly NodeId[] {
    const homes = this.#homes[partition];
    assert(homes !== undefined, `partition ${partition} is none of ${this.layout.partitions}`);
    return homes;
  }

  /** All members by id, ascending: what `homeIndexes` counts in. */
  get memberIds(): readonly NodeId[] {
    return this.#members.map((member) => member.id);
  }

  /**
   * The whole table in one piece, for clients that place keys themselves: N entries for each partition, in the order of
   * preference, each an index into `memberIds`. The same object every time; do not change it.
   */
  get homeIndexes(): Uint16Array {
    return this.#homeIndexes;
  }

  /** The homes of a partition, then every other node in the order in which it stands in for a home that has failed. */
  preferenceList(partition: PartitionId): readonly NodeId[] {
    const known = this.#preferenceLists.get(partition);
    if (known !== undefined) return known;
    const list = Object.freeze(this.#walkAll(partition));
    // Forgotten all at once: with some hundred nodes everything fits, beyond that a list is soon walked again.
    if ((this.#preferenceLists.size + 1) * list.length > rememberedNodesMax) this.#preferenceLists.clear();
    this.#preferenceLists.set(partition, list);
    return list;
  }

  /** Whether a node is one of the N homes of a partition. */
  isHome(partition: PartitionId, node: NodeId): boolean {
    return this.homes(partition).includes(node);
  }

  /** The partitions that a node is a home of, ascending; none if it is no member. Do not change it. */
  ownedPartitions(node: NodeId): readonly PartitionId[] {
    return this.#owned.get(node) ?? noPartitions;
  }

  /** The part of all data that a node holds a copy of, from 0 to 1: N / members for each if all weights are equal. */
  ownedFraction(node: NodeId): number {
    return this.ownedPartitions(node).length / this.layout.partitions;
  }

  #walkAll(partition: PartitionId): NodeId[] {
    const { owner, size } = this.#ring;
    const list = [...this.homes(partition)];
    const listed = new Set(list);
    let position = firstAtOrAfter(this.#ring, partitionStart(partition, this.layout.partitions));
    for (let step = 0; step < size && list.length < this.#members.length; step++) {
      const { id } = this.#members[owner[position] as number] as LayoutMember;
      if (!listed.has(id)) {
        listed.add(id);
        list.push(id);
      }
      position = position + 1 === size ? 0 : position + 1;
    }
    return list;
  }
}

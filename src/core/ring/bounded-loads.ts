/**
 * Consistent hashing with bounded loads (Mirrokni, Thorup, Zadimoghaddam 2016), for N copies and with zones: every
 * partition walks clockwise and takes the first N nodes in distinct zones (then distinct nodes) that have room, and a
 * node has room for (1 + e) of its fair share.
 *
 * The paper places single balls, and then somebody always has room. With N copies a partition can find room only where
 * it may not go: on nodes or in zones that it already uses. It then takes a node that is full, and when all are placed
 * such surplus is passed on along a chain of exchanges (x gives a partition to y, who gives another to z, who has room).
 * The sets of homes that the rules allow for a partition are the bases of a matroid, and the fair shares solve the
 * fractional problem, so a shortest such chain always exists and always keeps the rules: no node ends above its bound.
 */

import { assert } from '../assert.ts';
import { fairShares } from './fair-share.ts';
import type { LayoutMember } from './layout.ts';
import { firstAtOrAfter, type Ring } from './ring.ts';

/**
 * e: how far above its fair share a node may be loaded. Smaller is more even and moves more partitions when nodes come
 * and go: measured in docs/internals/placement.md. It may not change for a cluster's life.
 */
export const loadSlack = 0.05;

/**
 * What a bound may be above a whole number and still be that number. Sums of weights are rounded, and differently in
 * each order of the members: 1.05 x 1,024 / 4.2 is 256, but may come out as 256.00000000000006, which is not 257. Far
 * more than the rounding of sums over all members, far less than e, so a bound is never below its fair share.
 */
const roundingTolerance = 1e-9;

/** The most partition copies that each member may hold, in the order of `members`. */
export function loadBounds(
  members: readonly LayoutMember[],
  partitions: number,
  copies: number,
): Uint32Array {
  const shares = fairShares(members, partitions, copies);
  const factor = (1 + loadSlack) * (1 - roundingTolerance);
  return Uint32Array.from(shares, (share) => Math.min(partitions, Math.ceil(factor * share)));
}

/**
 * The homes of all partitions, `copies` entries for each, as indexes into `members`, which must be those of the ring, in
 * the order of their ids.
 */
export function assignHomes(
  members: readonly LayoutMember[],
  ring: Ring,
  partitions: number,
  copies: number,
): Uint16Array {
  const assignment = new Assignment(members, ring, partitions, copies);
  // In bit-reversed order, so that the partitions whose first nodes are full by the time it is their turn are spread over
  // the whole ring. In order around the ring they would all lie at its end.
  const bits = 31 - Math.clz32(partitions);
  for (let turn = 0; turn < partitions; turn++) assignment.place(reverseBits(turn, bits));
  assignment.passSurplusOn();
  return assignment.homes;
}

/** The upper half of a partition's first token; the lower half is 0. The walk of a partition starts there. */
export function partitionStart(partition: number, partitionCount: number): number {
  return partition * (2 ** 32 / partitionCount);
}

class Assignment {
  readonly homes: Uint16Array;
  readonly #ring: Ring;
  /** By position on the ring: a later one with none between them whose node has room. */
  readonly #next: Uint32Array;
  readonly #copies: number;
  readonly #partitions: number;
  readonly #shares: Float64Array;
  readonly #bounds: Uint32Array;
  readonly #loads: Uint32Array;
  readonly #zoneOf: Uint16Array;
  /** How many zones a partition's homes are in: N, or all if there are fewer. */
  readonly #zonesNeeded: number;

  constructor(members: readonly LayoutMember[], ring: Ring, partitions: number, copies: number) {
    this.homes = new Uint16Array(partitions * copies);
    this.#ring = ring;
    this.#next = Uint32Array.from({ length: ring.size }, (_, position) => (position + 1) % ring.size);
    this.#copies = copies;
    this.#partitions = partitions;
    this.#shares = fairShares(members, partitions, copies);
    this.#bounds = loadBounds(members, partitions, copies);
    this.#loads = new Uint32Array(members.length);
    const zones = new Map<string, number>();
    this.#zoneOf = Uint16Array.from(members, ({ zone }) => {
      const index = zones.get(zone) ?? zones.size;
      zones.set(zone, index);
      return index;
    });
    this.#zonesNeeded = Math.min(copies, zones.size);
  }

  place(partition: number): void {
    const ring = this.#ring;
    const first = partition * this.#copies;
    const start = firstAtOrAfter(ring, partitionStart(partition, this.#partitions));
    let chosen = 0;
    for (const { goal, newZone } of [
      { goal: this.#zonesNeeded, newZone: true },
      { goal: this.#copies, newZone: false },
    ]) {
      const fits = (node: number): boolean => {
        for (let slot = first; slot < first + chosen; slot++) {
          const home = this.homes[slot] as number;
          if (home === node || (newZone && this.#zoneOf[home] === this.#zoneOf[node])) return false;
        }
        return true;
      };
      let position = start;
      let walked = 0;
      let refused = 0;
      while (chosen < goal) {
        const withRoom = this.#nextWithRoom(position);
        walked += withRoom >= position ? withRoom - position : withRoom - position + ring.size;
        if (walked >= ring.size) break;
        const node = ring.owner[withRoom] as number;
        if (fits(node)) this.#take(first + chosen++, node);
        // A walk that goes on and on asks once whether it can find anybody, before it goes all the way round.
        else if (++refused === this.#loads.length && !this.#anyHasRoom(fits)) break;
        position = withRoom + 1 === ring.size ? 0 : withRoom + 1;
        walked++;
      }
      while (chosen < goal) {
        const node = this.#leastFull(fits);
        this.#take(first + chosen++, node);
      }
    }
  }

  /**
   * The first position from here on whose node has room. Positions of full nodes are passed by for good, so the way past
   * them is shortened as it is walked (union-find): near the end almost all nodes of a large ring are full.
   */
  #nextWithRoom(from: number): number {
    const { owner } = this.#ring;
    let position = from;
    // Ends: the bounds add up to at least all copies, so somebody has room as long as a copy is not placed.
    while (!this.#hasRoom(owner[position] as number)) {
      const next = this.#next[position] as number;
      if (!this.#hasRoom(owner[next] as number)) this.#next[position] = this.#next[next] as number;
      position = this.#next[position] as number;
    }
    return position;
  }

  /** Brings every node down to its bound. */
  passSurplusOn(): void {
    // Nearly all surplus goes to somebody with room in one exchange, so those are made first, in one pass.
    for (let slot = 0; slot < this.homes.length; slot++) {
      const source = this.homes[slot] as number;
      if (!this.#hasSurplus(source)) continue;
      for (let node = 0; node < this.#loads.length; node++) {
        if (!this.#hasRoom(node) || !this.#mayReplace(slot, node)) continue;
        this.homes[slot] = node;
        this.#moveOne(source, node);
        break;
      }
    }
    for (let node = 0; node < this.#loads.length; node++) {
      while (this.#hasSurplus(node) && this.#passOneOn(node));
    }
  }

  /** Finds, breadth first, the shortest chain of exchanges from a full node to one with room, and makes them. */
  #passOneOn(source: number): boolean {
    const unseen = new Set(this.#loads.keys());
    unseen.delete(source);
    // By node: the slot that it would take over. The slot's home is the node before it in the chain.
    const slotOf = new Int32Array(this.#loads.length).fill(-1);
    let frontier = new Set([source]);
    while (frontier.size > 0 && unseen.size > 0) {
      const next = new Set<number>();
      for (let slot = 0; slot < this.homes.length && unseen.size > 0; slot++) {
        if (!frontier.has(this.homes[slot] as number)) continue;
        for (const node of unseen) {
          if (!this.#mayReplace(slot, node)) continue;
          slotOf[node] = slot;
          if (this.#hasRoom(node)) {
            this.#exchangeAlong(slotOf, source, node);
            return true;
          }
          unseen.delete(node);
          next.add(node);
        }
      }
      frontier = next;
    }
    return false;
  }

  #exchangeAlong(slotOf: Int32Array, source: number, target: number): void {
    let node = target;
    while (node !== source) {
      const slot = slotOf[node] as number;
      const giver = this.homes[slot] as number;
      this.homes[slot] = node;
      node = giver;
    }
    this.#moveOne(source, target);
  }

  #moveOne(source: number, target: number): void {
    this.#loads[source] = (this.#loads[source] as number) - 1;
    this.#loads[target] = (this.#loads[target] as number) + 1;
  }

  /** Whether a partition's homes keep the rules if `node` takes the place of the home in `slot`. */
  #mayReplace(slot: number, node: number): boolean {
    const first = slot - (slot % this.#copies);
    const end = first + this.#copies;
    const zone = this.#zoneOf[node];
    let zones = 1;
    for (let other = first; other < end; other++) {
      if (this.homes[other] === node) return false;
      if (other === slot) continue;
      const otherZone = this.#zoneOf[this.homes[other] as number];
      let isNew = otherZone !== zone;
      for (let earlier = first; isNew && earlier < other; earlier++) {
        if (earlier !== slot) isNew = otherZone !== this.#zoneOf[this.homes[earlier] as number];
      }
      if (isNew) zones++;
    }
    return zones === this.#zonesNeeded;
  }

  #leastFull(fits: (node: number) => boolean): number {
    let best = -1;
    let bestFullness = Number.POSITIVE_INFINITY;
    for (let node = 0; node < this.#loads.length; node++) {
      const fullness = (this.#loads[node] as number) / (this.#shares[node] as number);
      if (fullness < bestFullness && fits(node)) {
        best = node;
        bestFullness = fullness;
      }
    }
    assert(best >= 0, 'there are members and zones enough for every copy');
    return best;
  }

  #anyHasRoom(fits: (node: number) => boolean): boolean {
    for (let node = 0; node < this.#loads.length; node++) if (this.#hasRoom(node) && fits(node)) return true;
    return false;
  }

  #hasSurplus(node: number): boolean {
    return (this.#loads[node] as number) > (this.#bounds[node] as number);
  }

  #hasRoom(node: number): boolean {
    return (this.#loads[node] as number) < (this.#bounds[node] as number);
  }

  #take(slot: number, node: number): void {
    this.homes[slot] = node;
    this.#loads[node] = (this.#loads[node] as number) + 1;
  }
}

function reverseBits(value: number, bits: number): number {
  let reversed = 0;
  for (let bit = 0; bit < bits; bit++) reversed = (reversed << 1) | ((value >>> bit) & 1);
  return reversed;
}

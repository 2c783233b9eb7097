/**
 * Fair shares: how many partition copies each member should hold, by weight, as far as the rules of placement allow.
 * A partition's copies are on different nodes, so nobody can hold more than one copy of each; and they are in different
 * zones first, so a zone holds at most one copy of each partition while there are zones enough, and else at least one.
 */

import type { LayoutMember } from './layout.ts';

/** Copies each member should hold, in the order of `members`; they add up to `partitions` x `copies`. */
export function fairShares(
  members: readonly LayoutMember[],
  partitions: number,
  copies: number,
): Float64Array {
  const shares = new Float64Array(members.length);
  const zones = new Map<string, number[]>();
  for (const [index, member] of members.entries()) {
    const zone = zones.get(member.zone);
    if (zone === undefined) zones.set(member.zone, [index]);
    else zone.push(index);
  }

  // A zone that cannot have what its weight asks for gets exactly one copy of each partition; what is left is shared
  // anew among the others, until all of them fit. Each turn settles a zone, so it ends.
  let open = [...zones.values()];
  let left = partitions * copies;
  while (open.length > 0) {
    fill(open.flat(), left, partitions, members, shares);
    const sum = (zone: readonly number[]): number =>
      zone.reduce((total, index) => total + (shares[index] as number), 0);
    const enoughZones = zones.size >= copies;
    const unfit = open.filter((zone) => (enoughZones ? sum(zone) > partitions : sum(zone) < partitions));
    if (unfit.length === 0) break;
    for (const zone of unfit) {
      fill(zone, partitions, partitions, members, shares);
      left -= partitions;
    }
    open = open.filter((zone) => !unfit.includes(zone));
  }
  return shares;
}

/** Shares `total` out by weight among the members at `indexes`, none of them getting more than `most`. */
function fill(
  indexes: readonly number[],
  total: number,
  most: number,
  members: readonly LayoutMember[],
  shares: Float64Array,
): void {
  let open = indexes;
  let left = total;
  while (open.length > 0) {
    const weight = open.reduce((sum, index) => sum + (members[index] as LayoutMember).weight, 0);
    const full: number[] = [];
    for (const index of open) {
      const share = (left * (members[index] as LayoutMember).weight) / weight;
      shares[index] = Math.min(share, most);
      if (share >= most) full.push(index);
    }
    if (full.length === 0) return;
    left -= most * full.length;
    open = open.filter((index) => !full.includes(index));
  }
}

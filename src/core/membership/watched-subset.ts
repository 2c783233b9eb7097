/**
 * Whom a node listens to itself. In a small cluster everybody; in a large one its neighbours on a circle ordered by a hash of
 * the names, half of them on either side: every node then listens to so many and is listened to by as many, the same ones,
 * two neighbours have most of their own neighbours in common (who are asked to probe), and a node that joins or leaves changes
 * only the lists around it.
 */

/** The nodes that `self` listens to, sorted: all others where `members` are at most twice `watchedMax`, else `watchedMax` of them. */
export function watchedSubset(
  self: string,
  members: readonly string[],
  watchedMax: number,
): readonly string[] {
  const others = members.filter((node) => node !== self);
  if (others.length < 2 * watchedMax) return others.sort();
  const circle = [...members].map((node) => ({ node, place: placeOf(node) }));
  circle.sort((a, b) => a.place - b.place || (a.node < b.node ? -1 : 1));
  const own = circle.findIndex((each) => each.node === self);
  const watched: string[] = [];
  for (let step = 1; step <= watchedMax / 2; step++) {
    for (const at of [own + step, own - step]) {
      const neighbour = circle[(at + circle.length) % circle.length];
      if (neighbour !== undefined) watched.push(neighbour.node);
    }
  }
  return watched.sort();
}

/** FNV-1a, 32 bits, and a last stir, because names that differ in their end only would lie side by side. */
function placeOf(name: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

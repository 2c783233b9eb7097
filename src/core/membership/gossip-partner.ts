/**
 * With whom to gossip in a round, as Cassandra's Gossiper chooses: somebody who is up; sometimes somebody who is failed, so that
 * two halves that took each other for dead find out; sometimes a seed, so that islands which know only each other do.
 */

/** What is known when a round begins. `pick` is uniform in [0, 1), asked again for each choice. */
export interface PartnerChoice {
  readonly up: readonly string[];
  readonly failed: readonly string[];
  /** Without this node. */
  readonly seeds: readonly string[];
  readonly pick: () => number;
}

/** One to three different nodes; none where there are no others. */
export function choosePartners({ up, failed, seeds, pick }: PartnerChoice): readonly string[] {
  const chosen = new Set<string>();
  const choose = (nodes: readonly string[]): void => {
    const node = nodes[Math.floor(pick() * nodes.length)];
    if (node !== undefined) chosen.add(node);
  };
  choose(up);
  if (pick() < failed.length / (up.length + 1)) choose(failed);
  const seedMet = seeds.some((seed) => chosen.has(seed));
  // Alone with seeds: the only way back. In a large cluster seeds are not asked more than others can bear.
  if (!seedMet && pick() < seeds.length / (up.length + failed.length)) choose(seeds);
  return [...chosen];
}

/** Faults of single links between nodes, by proxies: late bytes, cut connections, silence, and flipped bits. */

import type { FaultKind, FaultWorld } from './fault-kinds.ts';
import { type LinkFault, LinkProxyNetwork } from './link-proxy.ts';
import { allLinks } from './network.ts';

const common = { eachEngine: false, network: 'proxies', disk: 'plain', needs: [] } as const;

export const linkFaults: readonly FaultKind[] = [
  {
    ...common,
    name: 'link-delay',
    describes: 'bytes between nodes arrive up to 400 ms late, on each link another delay and jitter',
    inject: (world) => keepSetting(world, { leastMs: 2_000, mostMs: 6_000 }, () => delay(world)),
  },
  {
    ...common,
    name: 'link-cut',
    describes: 'connections between nodes are reset within a frame, again and again',
    inject: (world) => keepSetting(world, { leastMs: 500, mostMs: 3_000 }, () => cut(world)),
  },
  {
    ...common,
    name: 'link-stall',
    describes: 'some links hold their bytes and deliver them up to 6 s later: half-open connections',
    inject: (world) =>
      keepSetting(world, { leastMs: 1_000, mostMs: 6_000 }, () =>
        world.random.percent(25) ? { kind: 'stall' } : { kind: 'none' },
      ),
  },
  {
    ...common,
    name: 'link-flip',
    describes: 'bits of what nodes send to each other are flipped, where TCP does not notice',
    inject: (world) =>
      keepSetting(world, { leastMs: 1_000, mostMs: 3_000 }, () =>
        world.random.percent(50) ? { kind: 'flip', percent: world.random.between(1, 5) } : { kind: 'none' },
      ),
  },
  {
    ...common,
    name: 'link-mixed',
    describes: 'each link has another of: nothing, delay, cuts, stall',
    inject: (world) =>
      keepSetting(world, { leastMs: 1_000, mostMs: 4_000 }, () =>
        world.random.pick<LinkFault>([{ kind: 'none' }, delay(world), cut(world), { kind: 'stall' }]),
      ),
  },
];

/** Draws the fault of every link anew, from time to time. */
async function keepSetting(
  world: FaultWorld,
  every: { readonly leastMs: number; readonly mostMs: number },
  draw: () => LinkFault,
): Promise<() => Promise<void>> {
  const { network } = world.cluster;
  if (!(network instanceof LinkProxyNetwork)) throw new Error('links are broken by proxies only');
  const before = { ...network.counts };
  while (!world.over()) {
    const faults = new Map(allLinks(world.cluster.nodes.length).map((link) => [link, draw()]));
    const broken = [...faults.values()].filter(({ kind }) => kind !== 'none').length;
    world.tell(`${broken} of ${faults.size} links are broken`);
    network.set(faults);
    await world.sleep(world.random.between(every.leastMs, every.mostMs));
  }
  const [cuts, flips] = [network.counts.cuts - before.cuts, network.counts.flips - before.flips];
  if (cuts + flips > 0) world.tell(`${cuts} connections were cut and ${flips} bits flipped`);
  return () => network.heal();
}

function delay(world: FaultWorld): LinkFault {
  const leastMs = world.random.between(0, 300);
  return { kind: 'delay', leastMs, mostMs: leastMs + world.random.between(0, 100) };
}

function cut(world: FaultWorld): LinkFault {
  return { kind: 'cut', afterBytes: world.random.between(1, 200_000) };
}

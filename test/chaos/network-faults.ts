/** Partitions and loss, in network namespaces or, partitions only, by proxies. Clients reach every node all the time. */

import { split } from './chance.ts';
import type { FaultKind, FaultWorld } from './fault-kinds.ts';
import { NamespaceNetwork } from './namespaces.ts';
import { allLinks, type DirectedLink, linksBetween } from './network.ts';

const common = { eachEngine: false, network: 'either', disk: 'plain', needs: [] } as const;

export const networkFaults: readonly FaultKind[] = [
  {
    ...common,
    name: 'partition',
    describes: 'one or two of the nodes and the others do not reach each other',
    async inject(world) {
      const [few, many] = groups(world);
      world.tell(`${named(few)} | ${named(many)}`);
      await cut(world, [...linksBetween(few, many), ...linksBetween(many, few)]);
      await world.sleep(world.faultMs);
      return () => world.cluster.network.heal();
    },
  },
  {
    ...common,
    name: 'partition-one-way',
    describes: 'packets from some of the nodes to the others are lost, those the other way arrive',
    async inject(world) {
      const [few, many] = groups(world);
      const [from, to] = world.random.percent(50) ? [few, many] : [many, few];
      world.tell(`${named(from)} -x-> ${named(to)}`);
      await cut(world, linksBetween(from, to));
      await world.sleep(world.faultMs);
      return () => world.cluster.network.heal();
    },
  },
  {
    ...common,
    name: 'partition-moving',
    describes:
      'another partition every 1 to 5 s, two-way, one-way, or of single links, without a pause between',
    async inject(world) {
      while (!world.over()) {
        const [few, many] = groups(world);
        const one = linksBetween(few, many);
        const draw = world.random.below(3);
        const some = allLinks(world.cluster.nodes.length).filter(() => world.random.percent(30));
        await cut(world, draw === 0 ? one : draw === 1 ? [...one, ...linksBetween(many, few)] : some);
        world.tell(
          draw === 2
            ? `${some.length} links cut`
            : `${named(few)} ${draw === 0 ? '-x->' : '|'} ${named(many)}`,
        );
        await world.sleep(world.random.between(1_000, 5_000));
      }
      return () => world.cluster.network.heal();
    },
  },
  {
    ...common,
    network: 'namespaces',
    name: 'packet-loss',
    describes: 'of the packets between nodes 5 to 40 % are lost',
    async inject(world) {
      const { network } = world.cluster;
      if (!(network instanceof NamespaceNetwork)) throw new Error('packets are lost in namespaces only');
      while (!world.over()) {
        const percent = world.random.between(5, 40);
        world.tell(`${percent} % of the packets are lost`);
        await network.lose(allLinks(world.cluster.nodes.length), percent);
        await world.sleep(world.random.between(2_000, 8_000));
      }
      return () => network.heal();
    },
  },
];

async function cut(world: FaultWorld, links: readonly DirectedLink[]): Promise<void> {
  await world.cluster.network.cut(links);
}

function groups(world: FaultWorld): readonly [readonly number[], readonly number[]] {
  return split(
    world.cluster.nodes.map((_, number) => number),
    world.random,
  );
}

function named(group: readonly number[]): string {
  return group.map((number) => `n${number + 1}`).join(' ');
}

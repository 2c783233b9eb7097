/** Faults of processes: killed without warning, and stopped for a while. */

import { pickSome } from './chance.ts';
import type { FaultKind, FaultWorld } from './fault-kinds.ts';

const common = { eachEngine: false, network: 'either', disk: 'plain', needs: [] } as const;

export const processFaults: readonly FaultKind[] = [
  {
    ...common,
    name: 'kill-one',
    killsOne: true,
    describes: 'kill -9 of one node, which stays away; it is started again at the end',
    async inject(world) {
      const victim = world.random.below(world.cluster.nodes.length);
      await world.kill(victim);
      await world.sleep(world.faultMs);
      return async () => world.cluster.start(victim);
    },
  },
  {
    ...common,
    name: 'kill-in-turn',
    killsOne: true,
    describes: 'kill -9 of one node after the other, each started again at once or after up to 3 s',
    async inject(world) {
      while (!world.over()) {
        const victim = world.random.below(world.cluster.nodes.length);
        await world.kill(victim);
        await world.sleep(world.random.between(0, 3_000));
        world.cluster.start(victim);
        await world.sleep(world.random.between(500, 4_000));
      }
      return async () => {};
    },
  },
  {
    ...common,
    name: 'kill-all',
    describes: 'kill -9 of all nodes at once, several times, each time started again',
    async inject(world) {
      const numbers = world.cluster.nodes.map((_, number) => number);
      for (;;) {
        await world.sleep(world.random.between(2_000, 8_000));
        world.tell('kill -9 of all');
        await Promise.all(world.cluster.nodes.map((node) => node.kill('SIGKILL')));
        if (world.over()) break;
        for (const number of numbers) world.cluster.start(number);
      }
      return async () => {
        for (const number of numbers) world.cluster.start(number);
      };
    },
  },
  {
    ...common,
    name: 'pause',
    describes: 'SIGSTOP of one or two nodes for 1 to 10 s, then SIGCONT, over and over',
    inject: pauseInTurn,
  },
];

async function pauseInTurn(world: FaultWorld): Promise<() => Promise<void>> {
  const numbers = world.cluster.nodes.map((_, number) => number);
  let stopped: readonly number[] = [];
  const go = (): void => {
    for (const number of stopped) world.cluster.node(number).signal('SIGCONT');
  };
  for (;;) {
    stopped = pickSome(numbers, world.random.between(1, 2), world.random);
    const ms = world.random.between(1_000, 10_000);
    world.tell(`SIGSTOP of ${stopped.map((number) => `n${number + 1}`).join(' and ')} for ${ms} ms`);
    for (const number of stopped) world.cluster.node(number).signal('SIGSTOP');
    await world.sleep(ms);
    if (world.over()) break;
    go();
    await world.sleep(world.random.between(0, 2_000));
  }
  return async () => go();
}

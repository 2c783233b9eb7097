/** Faults of disks: full, failing at fsync, and without what was not fsynced when the power failed. */

import { SERVER_EXIT } from '../../src/cli/exit-code.ts';
import { pickSome } from './chance.ts';
import { failFsync } from './failing-fsync.ts';
import type { FaultKind, FaultWorld } from './fault-kinds.ts';

const common = { eachEngine: true, network: 'either', needs: [] } as const;

export const diskFaults: readonly FaultKind[] = [
  {
    ...common,
    disk: 'small',
    needs: ['mount'],
    name: 'disk-full',
    describes: 'the disk of one node fills up; it has to stop and say so; there is room again at the end',
    async inject(world) {
      const victim = world.random.below(world.cluster.nodes.length);
      const disk = world.cluster.smallDisk(victim);
      world.tell(`the disk of n${victim + 1} is full`);
      disk.fill();
      await expectFailStop(world, victim, /Make room on the disk/);
      await world.sleep(world.faultMs);
      return async () => {
        disk.makeRoom();
        await restart(world, victim);
      };
    },
  },
  {
    ...common,
    disk: 'plain',
    needs: ['strace'],
    name: 'fsync-error',
    describes:
      'fsync fails on one node, always or, as Linux does, the first time only; it has to stop and say so',
    async inject(world) {
      const victim = world.random.below(world.cluster.nodes.length);
      const which = world.random.pick(['all', 'first'] as const);
      world.tell(
        `${which === 'all' ? 'every fsync' : 'the first fsync of each thread'} of n${victim + 1} fails`,
      );
      const pid = world.cluster.node(victim).pid as number;
      const tracer = await failFsync(world.cluster.directory, pid, which);
      await expectFailStop(world, victim, /Look at the disk/);
      await world.sleep(world.faultMs);
      return async () => {
        await tracer[Symbol.asyncDispose]();
        await restart(world, victim);
      };
    },
  },
  {
    ...common,
    disk: 'loop',
    needs: ['mount', 'loop'],
    name: 'power-loss-one',
    describes: 'one or two nodes lose power, and all that was not fsynced; several times',
    inject: (world) => losePower(world, () => world.random.between(1, 2)),
  },
  {
    ...common,
    disk: 'loop',
    needs: ['mount', 'loop'],
    name: 'power-loss-all',
    describes: 'all nodes lose power at once, and all that was not fsynced; several times',
    inject: (world) => losePower(world, () => world.cluster.nodes.length),
  },
];

async function losePower(world: FaultWorld, count: () => number): Promise<() => Promise<void>> {
  const numbers = world.cluster.nodes.map((_, number) => number);
  for (;;) {
    await world.sleep(world.random.between(2_000, 8_000));
    const victims = pickSome(numbers, count(), world.random);
    world.tell(`${victims.map((victim) => `n${victim + 1}`).join(' ')}: power lost`);
    // At one instant: no copy may be older than an acknowledgement that another node gave meanwhile.
    for (const victim of victims) world.cluster.node(victim).signal('SIGSTOP');
    await Promise.all(victims.map((victim) => world.cluster.loopDisk(victim).copyImage()));
    await Promise.all(victims.map((victim) => world.cluster.node(victim).kill('SIGKILL')));
    for (const victim of victims) {
      await world.cluster.loopDisk(victim).continueWithCopy();
      world.lostUnsynced(victim);
    }
    const powerOn = async (): Promise<void> => {
      for (const victim of victims) world.cluster.start(victim);
    };
    if (world.over()) return powerOn;
    await powerOn();
  }
}

/** Waits until the node has ended by itself, if it comes to that before the fault is over. */
async function expectFailStop(world: FaultWorld, victim: number, advice: RegExp): Promise<void> {
  const node = world.cluster.node(victim);
  let code: number | string | undefined;
  void node.exited.then((exit) => {
    code = exit;
  });
  while (code === undefined && !world.over()) await world.sleep(50);
  if (code === undefined) {
    // Legal if it needed nothing of the disk that failed; under load that would be strange.
    world.wrong(`${node.id} went on for ${world.faultMs} ms with a disk that fails`);
    return;
  }
  if (code !== SERVER_EXIT.storage) world.wrong(`${node.id} ended with ${code} when its disk failed`);
  if (!advice.test(node.log)) world.wrong(`${node.id} did not say what to do about its disk`);
  world.tell(`${node.id} has stopped`);
}

async function restart(world: FaultWorld, victim: number): Promise<void> {
  await world.cluster.node(victim).kill('SIGKILL');
  world.cluster.start(victim);
}

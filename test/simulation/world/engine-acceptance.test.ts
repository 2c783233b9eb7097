/** The engines that processes open on a simulated disk do what every engine does. */

import { afterAll, beforeAll } from 'vitest';
import { engineSuite } from '../../acceptance/engine-suite.ts';
import { EventOwner } from '../kernel/scheduler.ts';
import { SimulatedDisk } from './simulated-disk.ts';
import { calmDisk, TestWorld } from './test-world.ts';
import { eventKind } from './world.ts';

const world = new TestWorld(3);
const disks = new Map<string, SimulatedDisk>();
const clockwork = new EventOwner('clockwork', 2);
let running = true;

// The suite knows nothing of virtual time: it just goes by while the suite waits.
beforeAll(() => {
  const { scheduler } = world;
  const tick = (): void => {
    if (running) scheduler.at(scheduler.nowMicros + 1_000, clockwork, eventKind.fault, tick);
  };
  tick();
  void scheduler.run(() => !running);
});
afterAll(() => {
  running = false;
});

for (const kind of ['lsm', 'btree'] as const) {
  engineSuite(
    kind,
    (options) => {
      let disk = disks.get(options.path);
      if (disk === undefined) {
        disk = new SimulatedDisk(world, { node: options.path, weather: calmDisk });
        disks.set(options.path, disk);
      }
      return disk.engineFor(new EventOwner('process 1', 3))(options);
    },
    { persistent: false },
  );
}

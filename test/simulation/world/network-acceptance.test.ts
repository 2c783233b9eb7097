/** The simulated network does what every network does, with the real links and servers on top of it. */

import { describe } from 'vitest';
import { type NetworkHarness, networkSuite } from '../../acceptance/network-suite.ts';
import { EventOwner } from '../kernel/scheduler.ts';
import { SimulatedClock } from '../kernel/simulated-clock.ts';
import { SimulatedEnv } from '../kernel/simulated-env.ts';
import type { NetworkWeather } from '../plan/seed-plan.ts';
import { SimulatedNetwork } from './simulated-network.ts';
import { calmNetwork, roughNetwork, TestWorld } from './test-world.ts';

const host = '127.0.0.1';

describe.each([
  ['calm', calmNetwork],
  // The suite has calls that wait 100 ms.
  ['rough', { ...roughNetwork, spikeMicros: 10_000, retransmitMicros: 8_000 }],
] as const)('weather: %s', (name, weather) => {
  networkSuite(`simulated, ${name}`, async () => open(weather));
});

function open(weather: NetworkWeather): NetworkHarness {
  const world = new TestWorld(7);
  const owner = new EventOwner('node', 1);
  const network = new SimulatedNetwork(world, weather);
  const clock = new SimulatedClock(world.scheduler, { wallOffsetMicros: 0, driftPpm: 0 });
  return {
    env: new SimulatedEnv(world, { owner, clock, random: world.randomFor('env'), rarePathPercent: () => 0 }),
    network: network.endpoint(host, owner),
    route: async (port) => ({ address: { host, port }, cut: () => network.cut(host, host) }),
    until: (condition, what) => world.until(condition, what),
    close: () => world.pass(10_000),
  };
}

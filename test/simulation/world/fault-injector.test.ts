/** Faults of one kind on one target, one beginning before the other has ended. */

import { expect, test } from 'vitest';
import { planOf } from '../plan/generate-plan.ts';
import type { FaultPlan } from '../plan/seed-plan.ts';
import { FaultInjector } from './fault-injector.ts';
import type { SimulatedNetwork } from './simulated-network.ts';
import type { SimulatedProcess } from './simulated-process.ts';
import { TestWorld } from './test-world.ts';

/** Notes what is asked of a node and of the network, with the time in milliseconds. */
function injectorFor(world: TestWorld): { readonly injector: FaultInjector; readonly told: string[] } {
  const told: string[] = [];
  const note = (what: string): void => {
    told.push(`${world.scheduler.nowMicros / 1000}: ${what}`);
  };
  const disk = {
    setFull: (full: boolean) => note(`full ${full}`),
    slow: (factor: number) => note(`slow ${factor}`),
    failReads: (percent: number) => note(`fail ${percent}`),
  };
  const clock = { standStill: () => note('still'), goOn: () => note('goes on') };
  const network = { slow: (from: string, to: string, micros: number) => note(`${from} ${to} ${micros}`) };
  const process = { disk, clock } as unknown as SimulatedProcess;
  const injector = new FaultInjector(
    world,
    network as unknown as SimulatedNetwork,
    new Map([
      ['n1', process],
      ['n2', process],
    ]),
  );
  return { injector, told };
}

type Twice = readonly [first: Record<string, unknown>, second: Record<string, unknown>];

test.each<[kind: string, fields: Twice, told: readonly string[]]>([
  ['disk-full', [{}, {}], ['10: full true', '20: full true', '40: full true', '60: full false']],
  ['slow-disk', [{ factor: 9 }, { factor: 4 }], ['10: slow 9', '20: slow 9', '40: slow 4', '60: slow 1']],
  [
    'read-error',
    [{ percent: 5 }, { percent: 90 }],
    ['10: fail 5', '20: fail 90', '40: fail 90', '60: fail 0'],
  ],
  ['clock-stop', [{}, {}], ['10: still', '20: still', '40: still', '60: goes on']],
  [
    'slow-link',
    [
      { from: 'n1', to: 'n2', extraMs: 3 },
      { from: 'n1', to: 'n2', extraMs: 7 },
    ],
    ['10: n1 n2 3000', '20: n1 n2 7000', '40: n1 n2 7000', '60: n1 n2 0'],
  ],
])('two %s that overlap: the end of one does not end the other', async (kind, [first, second], expected) => {
  const world = new TestWorld();
  const { injector, told } = injectorFor(world);
  const target = kind === 'slow-link' ? {} : { node: 'n1' };
  const faults = [
    { id: 1, atMs: 10, forMs: 30, kind, ...target, ...first },
    { id: 2, atMs: 20, forMs: 40, kind, ...target, ...second },
  ] as unknown as readonly FaultPlan[];
  injector.schedule({ ...planOf(1), faults }, 0);
  await world.pass(100);
  expect(told).toEqual(expected);
});

test('a client that is cut off twice is reached again after both', async () => {
  const world = new TestWorld();
  const { injector } = injectorFor(world);
  const cut = { kind: 'client-cut', node: 'n1', direction: 'answers' } as const;
  const faults = [
    { id: 1, atMs: 10, forMs: 30, ...cut },
    { id: 2, atMs: 20, forMs: 40, ...cut },
  ];
  injector.schedule({ ...planOf(1), faults }, 0);
  const reached: boolean[] = [];
  for (let i = 0; i < 4; i++) {
    reached.push(injector.clientsReach('n1', 'answers'));
    await world.pass(25);
  }
  expect(reached).toEqual([true, false, false, true]);
});

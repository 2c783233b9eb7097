/** Each rule, broken by hand. */

import { expect, test } from 'vitest';
import { checkPlan } from './check-plan.ts';
import { planOf } from './generate-plan.ts';
import type { FaultPlan, SeedPlan } from './seed-plan.ts';

const sound: SeedPlan = { ...planOf(1), nodes: ['n1', 'n2', 'n3', 'n4', 'n5'], faults: [] };
const five: SeedPlan = {
  ...sound,
  clocks: sound.nodes.map((node) => ({ node, wallOffsetMicros: 0, driftPpm: 0 })),
};

function withFaults(...faults: readonly FaultPlan[]): readonly string[] {
  return checkPlan({ ...five, faults });
}

test('a plan without faults and clients is sound', () => {
  expect(checkPlan({ ...five, clients: [] })).toEqual([]);
});

test('only one node may forget', () => {
  const wipe = { id: 1, atMs: 1, kind: 'wipe', node: 'n1', downMs: 1 } as const;
  const flip = { id: 2, atMs: 1, kind: 'bit-flip', node: 'n2', records: 1 } as const;
  expect(withFaults(wipe, { ...flip, node: 'n1' })).toEqual([]);
  expect(withFaults(wipe, flip)).toEqual([
    'only one node may forget what it had synced; these would: n1, n2',
  ]);
});

test('beside one that forgets no other may lose power', () => {
  const wipe = { id: 1, atMs: 1, kind: 'wipe', node: 'n1', downMs: 1 } as const;
  const crash = { id: 2, atMs: 1, kind: 'crash', node: 'n2', downMs: 1, power: true } as const;
  expect(withFaults(wipe, { ...crash, power: false })).toEqual([]);
  expect(withFaults(crash, { ...crash, id: 3, node: 'n4' })).toEqual([]);
  expect(withFaults(wipe, crash)).toEqual([
    'n1 forgets what it had synced, so no other node may lose power; n2 would',
  ]);
});

test('faults name nodes of the plan, each fault once', () => {
  const cut = { id: 1, atMs: 1, kind: 'cut', from: 'n1', to: 'n9' } as const;
  expect(withFaults(cut, { ...cut, to: 'n2' })).toEqual([
    'fault 1: n9 is no node of the plan',
    'fault 1: is there twice',
  ]);
  const split = { id: 4, atMs: 1, kind: 'partition', direction: 'both', forMs: 9 } as const;
  expect(withFaults({ ...split, from: [], to: ['n2'] })).toEqual(['fault 4: one side is empty']);
  expect(withFaults({ ...split, from: ['n2'], to: ['n2'] })).toEqual([
    'fault 4: a node is cut off from itself',
  ]);
});

test('a register has one writer', () => {
  const keys = [{ bucket: 'default', key: 'a' }];
  const client = { name: 'c1', seed: 1, operations: 1, profile: 'register', pauseMs: 1, keys } as const;
  expect(checkPlan({ ...five, clients: [client] })).toEqual([]);
  expect(checkPlan({ ...five, clients: [client, { ...client, name: 'c2', profile: 'blind' }] })).toEqual([
    'client c1: is not the only one on default/a: c2',
  ]);
});

test('nodes have clocks, and partitions are a power of two', () => {
  expect(checkPlan({ ...five, partitions: 12, clocks: five.clocks.slice(1) })).toEqual([
    'partitions: must be a power of two from 8 on; found 12',
    'node n1: has no clock',
  ]);
});

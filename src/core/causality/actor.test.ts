import { expect, test } from 'vitest';
import { replicaId } from '../identity.ts';
import { coordinatingActor, provesAmnesia } from './actor.ts';
import type { VectorClock } from './vector-clock.ts';

const me = replicaId(7);
const other = replicaId(9);
const clock = (...entries: [replica: number, epoch: number, counter: number][]): VectorClock =>
  entries.map(([replica, epoch, counter]) => ({ replica: replicaId(replica), epoch, counter }));

test.for<[string, VectorClock | undefined, VectorClock, boolean]>([
  ['the sender knows nothing of this replica', clock([7, 1, 1]), clock([9, 1, 5]), false],
  ['nothing is held and the sender knows of this replica', undefined, clock([7, 1, 1]), true],
  ['nothing is held and the sender does not know it either', undefined, clock([9, 1, 1]), false],
  ['the record was never written here', clock([9, 1, 1]), clock([7, 1, 1]), true],
  ['a later counter', clock([7, 2, 3]), clock([7, 2, 4]), true],
  ['the same', clock([7, 2, 3]), clock([7, 2, 3]), false],
  ['an earlier counter', clock([7, 2, 3]), clock([7, 2, 2]), false],
  ['a later epoch, whatever its counter', clock([7, 2, 3]), clock([7, 3, 1]), true],
  ['an earlier epoch, whatever its counter', clock([7, 2, 3]), clock([7, 1, 99]), false],
])('amnesia: %s', ([, local, incoming, expected]) => {
  expect(provesAmnesia(local, incoming, me)).toBe(expected);
});

test.for<[string, VectorClock | undefined, VectorClock, number, number]>([
  ['holds nothing', undefined, [], 0, 50],
  ['never wrote this key', clock([9, 1, 1]), [], 0, 50],
  ['goes on from its greatest epoch', clock([7, 2, 3], [7, 4, 1]), [], 0, 4],
  ['the context knows more', clock([7, 2, 3]), clock([7, 2, 4]), 0, 50],
  ['the context knows as much', clock([7, 2, 3]), clock([7, 2, 3]), 0, 2],
  ['its epoch was closed', clock([7, 2, 3]), [], 3, 50],
  ['its epoch is the first that is open', clock([7, 3, 3]), [], 3, 3],
])('coordinating: %s', ([, local, context, epochFloor, epoch]) => {
  const own = { replica: me, epochFloor, nextEpoch: () => 50 };
  const actor = coordinatingActor(local, context, own);
  expect([actor.replica, actor.epoch]).toEqual([me, epoch]);
  expect(actor.replica).not.toBe(other);
});

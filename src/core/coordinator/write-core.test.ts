import { expect, test } from 'vitest';
import { type NodeId, nodeId } from '../identity.ts';
import { WriteCore } from './write-core.ts';

const homes = ['A', 'B', 'C'].map(nodeId);

/** `A` acknowledges and has synced, `a` acknowledges only, `-A` fails, `end` expires; the result after each. */
const cases: readonly (readonly [string, { required: number; syncedOnly?: boolean }, string])[] = [
  ['one is enough', { required: 1 }, 'A done'],
  ['two of three', { required: 2 }, 'A wait, B done, C done'],
  ['a replica counts once', { required: 2 }, 'A wait, A wait, a wait, B done'],
  ['nobody but a home counts', { required: 2 }, 'A wait, X wait, -Y wait, -Z wait, B done'],
  ['unmet as soon as the silent are too few', { required: 2 }, 'A wait, -B wait, -C unmet'],
  ['a replica fails once', { required: 2 }, 'A wait, -B wait, -B wait, -B wait, C done'],
  ['the first word of a replica counts', { required: 2 }, '-A wait, A wait, B wait, -B wait, C done'],
  ['all', { required: 3 }, 'A wait, B wait, C done'],
  ['all, and one fails', { required: 3 }, 'A wait, -B unmet'],
  ['only what is on disk counts', { required: 2, syncedOnly: true }, 'A wait, b wait, C done'],
  ['and too little of it is unmet', { required: 2, syncedOnly: true }, 'A wait, b wait, c unmet'],
  ['without the condition both count', { required: 2 }, 'A wait, b done'],
  ['the time is up', { required: 2 }, 'A wait, end unmet'],
  ['the time is up after the level was met', { required: 1 }, 'A done, end done'],
];

for (const [name, { required, syncedOnly = false }, scenario] of cases) {
  test(name, () => {
    const core = new WriteCore({ homes, required, syncedOnly });
    for (const line of scenario.split(', ')) {
      const [event = '', expected] = line.split(' ');
      if (event === 'end') core.expire();
      else if (event.startsWith('-')) core.failed(nodeId(event.slice(1)), 'lost');
      else core.acknowledged(nodeId(event.toUpperCase()), event === event.toUpperCase());
      expect([event, core.step().kind]).toEqual([event, expected]);
    }
  });
}

test('says who failed and why, and how much is on disk', () => {
  const core = new WriteCore({ homes, required: 3, syncedOnly: false });
  core.acknowledged(nodeId('A'), true);
  core.failed(nodeId('B'), 'storage-failed');
  expect(core.settled).toBe(false);
  core.expire();
  expect(core.settled).toBe(true);
  expect(core.failures).toEqual([
    { node: 'B', reason: 'storage-failed' },
    { node: 'C', reason: 'timed-out' },
  ]);
  expect([core.acked, core.synced, core.required]).toEqual([1, 1, 3]);
});

const [A, B, C, D, E] = ['A', 'B', 'C', 'D', 'E'].map(nodeId) as [NodeId, NodeId, NodeId, NodeId, NodeId];

test('nobody stands in while the homes can make up the level, and as many as are lacking when they cannot', () => {
  const core = new WriteCore({ homes, required: 2, syncedOnly: false, fallbacks: [D, E] });
  core.acknowledged(A, true);
  core.failed(B, 'not-sent', true);
  expect([core.standIns(), core.step().kind]).toEqual([[], 'wait']);
  core.failed(C, 'lost', true);
  expect([core.standIns(), core.step().kind]).toEqual([[{ fallback: D, target: B }], 'wait']);
  expect(core.standIns()).toEqual([]);
  core.stoodIn(D);
  core.stoodIn(D);
  expect([core.step().kind, core.acked, core.hinted]).toEqual(['done', 1, 1]);
});

test('a home that is believed to be down is not waited for, and its answer counts all the same', () => {
  const core = new WriteCore({ homes, required: 2, syncedOnly: false, fallbacks: [D, E], down: [B, C] });
  core.acknowledged(A, true);
  expect(core.standIns()).toEqual([{ fallback: D, target: B }]);
  core.acknowledged(C, true);
  expect([core.step().kind, core.acked, core.hinted]).toEqual(['done', 2, 0]);
  core.stoodIn(D);
  expect([core.step().kind, core.hinted]).toEqual(['done', 1]);
});

test('the next node is asked when one cannot stand in, and the level is unmet when there is none left', () => {
  const core = new WriteCore({ homes, required: 2, syncedOnly: false, fallbacks: [D, E] });
  core.acknowledged(A, true);
  core.failed(B, 'lost', true);
  core.failed(C, 'lost', true);
  expect(core.standIns()).toEqual([{ fallback: D, target: B }]);
  core.standInFailed(D, 'not-sent');
  core.standInFailed(D, 'not-sent');
  expect(core.standIns()).toEqual([{ fallback: E, target: B }]);
  expect(core.step().kind).toBe('wait');
  core.standInFailed(E, 'overloaded');
  expect(core.standIns()).toEqual([]);
  expect(core.step().kind).toBe('unmet');
  expect(core.failures.map(({ node }) => node)).toEqual([B, C, D, E]);
});

test('a home that turned the record down has nobody to stand in: a hint would be turned down too', () => {
  const core = new WriteCore({ homes, required: 2, syncedOnly: false, fallbacks: [D, E], down: [C] });
  core.acknowledged(A, true);
  core.failed(B, 'record-damaged');
  core.failed(C, 'refused');
  expect(core.standIns()).toEqual([]);
  expect(core.step().kind).toBe('unmet');
});

test('nobody is asked to stand in when the time is up', () => {
  const core = new WriteCore({ homes, required: 2, syncedOnly: false, fallbacks: [D, E] });
  core.acknowledged(A, true);
  core.expire();
  expect([core.standIns(), core.step().kind]).toEqual([[], 'unmet']);
});

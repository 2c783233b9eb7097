import { expect, test } from 'vitest';
import { nodeId } from '../identity.ts';
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

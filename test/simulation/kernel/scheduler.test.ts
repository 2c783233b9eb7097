import { expect, test } from 'vitest';
import { EventOwner, Scheduler } from './scheduler.ts';

const kind = 1;

test('events run in the order of time, then of their making', async () => {
  const scheduler = new Scheduler();
  const owner = new EventOwner('a', 1);
  const ran: string[] = [];
  scheduler.at(300, owner, kind, () => ran.push('third'));
  scheduler.at(100, owner, kind, () => ran.push('first'));
  scheduler.at(200, owner, kind, () => ran.push('second'));
  scheduler.at(300, owner, kind, () => ran.push('fourth'));
  await scheduler.run(() => ran.length === 4);
  expect(ran).toEqual(['first', 'second', 'third', 'fourth']);
  expect(scheduler.nowMicros).toBe(300);
});

test('promises run to their ends before the next event, however long the chain', async () => {
  const scheduler = new Scheduler();
  const owner = new EventOwner('a', 1);
  const ran: string[] = [];
  scheduler.at(1, owner, kind, () => {
    void (async () => {
      for (let i = 0; i < 100; i++) await null;
      ran.push('chain');
    })();
  });
  scheduler.at(1, owner, kind, () => ran.push('event'));
  await scheduler.run(() => ran.length === 2);
  expect(ran).toEqual(['chain', 'event']);
});

test('a suspended owner does later, in order, what came due; what was cancelled meanwhile never', async () => {
  const scheduler = new Scheduler();
  const sleeper = new EventOwner('sleeper', 1);
  const other = new EventOwner('other', 2);
  const ran: string[] = [];
  sleeper.state = 'suspended';
  scheduler.at(10, sleeper, kind, () => ran.push(`first at ${scheduler.nowMicros}`));
  const cancelled = scheduler.at(11, sleeper, kind, () => ran.push('cancelled'));
  scheduler.at(12, sleeper, kind, () => ran.push('second'));
  scheduler.at(50, other, kind, () => {
    scheduler.cancel(cancelled);
    scheduler.resume(sleeper);
  });
  await scheduler.run(() => ran.length === 2);
  expect(ran).toEqual(['first at 50', 'second']);
});

test('nothing of a halted owner runs any more', async () => {
  const scheduler = new Scheduler();
  const owner = new EventOwner('a', 1);
  const other = new EventOwner('b', 2);
  const ran: string[] = [];
  scheduler.at(1, owner, kind, () => ran.push('before'));
  scheduler.at(2, other, kind, () => {
    owner.state = 'halted';
  });
  scheduler.at(3, owner, kind, () => ran.push('after'));
  scheduler.at(4, other, kind, () => ran.push('other'));
  await scheduler.run(() => ran.includes('other'));
  expect(ran).toEqual(['before', 'other']);
});

test('the hash tells runs apart by what happened and when, and by nothing else', async () => {
  const run = async (times: readonly number[], carried: number): Promise<string> => {
    const scheduler = new Scheduler();
    const owner = new EventOwner('a', 1);
    let left = times.length;
    for (const at of times) {
      scheduler.at(at, owner, kind, () => {
        scheduler.mix(carried);
        left--;
      });
    }
    await scheduler.run(() => left === 0);
    return scheduler.hash;
  };
  expect(await run([1, 2, 3], 7)).toBe(await run([3, 2, 1], 7));
  expect(await run([1, 2, 3], 7)).not.toBe(await run([1, 2, 4], 7));
  expect(await run([1, 2, 3], 7)).not.toBe(await run([1, 2, 3], 8));
});

test('a run without anything left to happen, and an event that throws, end it with the reason', async () => {
  const scheduler = new Scheduler();
  await expect(scheduler.run(() => false)).rejects.toThrow('nothing is scheduled any more');
  scheduler.at(1, new EventOwner('a', 1), kind, () => {
    throw new Error('a defect');
  });
  await expect(scheduler.run(() => false)).rejects.toThrow('a defect');
});

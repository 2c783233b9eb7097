import { expect, test } from 'vitest';
import { FairQueue } from './fair-queue.ts';

test('whoever asks for much waits by himself', () => {
  const queue = new FairQueue<string>();
  const greedy = {};
  const modest = {};
  for (let i = 0; i < 5; i++) queue.push(greedy, `greedy ${i}`);
  queue.push(modest, 'modest 0');
  expect(queue.size).toBe(6);
  const taken = Array.from({ length: 7 }, () => queue.take());
  expect(taken).toEqual(['greedy 0', 'modest 0', 'greedy 1', 'greedy 2', 'greedy 3', 'greedy 4', undefined]);
});

test('an owner who comes back has his turn again', () => {
  const queue = new FairQueue<number>();
  const owner = {};
  for (let i = 0; i < 5_000; i++) {
    queue.push(owner, i);
    queue.push({}, -1);
    queue.push({}, -2);
    expect(queue.take()).toBeDefined();
    expect(queue.take()).toBeDefined();
  }
  expect(queue.size).toBe(5_000);
});

test('what has had its turn is let go, also while the queue of its owner is never empty', () => {
  const queue = new FairQueue<object>();
  const owner = {};
  for (let i = 0; i < 64; i++) queue.push(owner, {});
  for (let i = 0; i < 20_000; i++) {
    queue.push(owner, {});
    queue.take();
  }
  expect(queue.size).toBe(64);
  expect(queue.slots).toBeLessThan(5_000);
});

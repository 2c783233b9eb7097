import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { guarded, realWork } from './ambient-guard.ts';

const reaching: readonly (readonly [string, () => unknown])[] = [
  ['setTimeout', () => setTimeout(() => {}, 0)],
  ['setInterval', () => setInterval(() => {}, 1)],
  ['setImmediate', () => setImmediate(() => {})],
  ['Date.now', () => Date.now()],
  ['new Date', () => new Date()],
  ['performance.now', () => performance.now()],
  ['Math.random', () => Math.random()],
  ['randomBytes, imported by name', () => randomBytes(8)],
  ['a socket', () => connect(1)],
  ['fetch', () => fetch('http://127.0.0.1:1')],
];

for (const [name, reach] of reaching) {
  test(`inside a simulation ${name} is refused, and works again after it`, async () => {
    await expect(guarded(async () => reach())).rejects.toThrow(/inside a simulation/);
    if (name === 'Math.random') expect(Math.random()).toBeLessThan(1);
    if (name === 'new Date') expect(new Date().getFullYear()).toBeGreaterThan(2023);
  });
}

test('dates from numbers are no look at a clock', async () => {
  const text = await guarded(async () => new Date(0).toISOString());
  expect(text).toBe('1970-01-01T00:00:00.000Z');
});

test('real work that somebody has begun is named', async () => {
  const before = process.getActiveResourcesInfo();
  const reading = readFile(fileURLToPath(import.meta.url));
  expect(realWork(before).length).toBeGreaterThan(0);
  await reading;
});

import { spawnSync } from 'node:child_process';
import { createHash, generateKeyPairSync, getRandomValues, randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { existsSync, readdirSync, realpathSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { cpus, hostname } from 'node:os';
import { scheduler } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { getHeapStatistics } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { crc32, deflateRaw } from 'node:zlib';
import { expect, test } from 'vitest';
import { guarded, realWork } from './ambient-guard.ts';

const weak = new WeakRef({});
const formatter = new Intl.DateTimeFormat();
const event = new Event('made before');

const reaching: readonly (readonly [string, () => unknown])[] = [
  ['setTimeout', () => setTimeout(() => {}, 0)],
  ['setInterval', () => setInterval(() => {}, 1)],
  ['setImmediate', () => setImmediate(() => {})],
  ['scheduler.wait', () => scheduler.wait(1)],
  ['AbortSignal.timeout', () => AbortSignal.timeout(1)],
  ['Atomics.waitAsync', () => Atomics.waitAsync(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1)],
  ['MessageChannel', () => new MessageChannel()],
  ['Date.now', () => Date.now()],
  ['new Date', () => new Date()],
  ['Date()', () => Date()],
  ['the constructor of a date', () => new (new Date(0).constructor as DateConstructor)()],
  ['Intl.DateTimeFormat', () => Intl.DateTimeFormat().format()],
  ['a formatter from before', () => formatter.format()],
  ['performance.now', () => performance.now()],
  ['performance.mark', () => performance.mark('now')],
  ['performance.timeOrigin', () => performance.timeOrigin],
  ['event.timeStamp', () => event.timeStamp],
  ['process.uptime', () => process.uptime()],
  ['process.hrtime', () => process.hrtime()],
  ['process.hrtime.bigint', () => process.hrtime.bigint()],
  ['another context', () => runInNewContext('Date.now()')],
  ['process.memoryUsage', () => process.memoryUsage()],
  ['process.memoryUsage.rss', () => process.memoryUsage.rss()],
  ['process.cpuUsage', () => process.cpuUsage()],
  ['getHeapStatistics', () => getHeapStatistics()],
  ['os.hostname', () => hostname()],
  ['os.hostname as a text', () => `${hostname}`],
  ['os.cpus', () => cpus()],
  ['Math.random', () => Math.random()],
  ['randomBytes, imported by name', () => randomBytes(8)],
  ['generateKeyPairSync', () => generateKeyPairSync('ed25519')],
  ['getRandomValues, imported by name', () => getRandomValues(new Uint8Array(1))],
  ['crypto.randomUUID', () => crypto.randomUUID()],
  ['crypto.subtle', () => crypto.subtle.digest('SHA-1', new Uint8Array())],
  ['deflateRaw', () => deflateRaw('', () => {})],
  ['WeakRef', () => new WeakRef({})],
  ['WeakRef.deref', () => weak.deref()],
  ['FinalizationRegistry', () => new FinalizationRegistry(() => {})],
  ['statSync', () => statSync('/')],
  ['existsSync', () => existsSync('/')],
  ['readdirSync', () => readdirSync('/')],
  ['realpathSync.native', () => realpathSync.native('/')],
  ['spawnSync', () => spawnSync('true')],
  ['a datagram socket', () => createSocket('udp4')],
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

test('what only computes stays', async () => {
  const computed = (): unknown[] => [crc32('a'), createHash('sha1').update('a').digest('hex')];
  expect(await guarded(async () => computed())).toEqual(computed());
});

test('what was taken inside a simulation works after it', async () => {
  const taken = await guarded(async () => ({ Date, hrtime: process.hrtime, statSync }));
  expect(new taken.Date().getFullYear()).toBeGreaterThan(2023);
  expect(taken.hrtime.bigint()).toBeTypeOf('bigint');
  expect(taken.statSync('/').isDirectory()).toBe(true);
});

test('nothing of the guard is left', async () => {
  const state = (): unknown[] => [
    Object.getOwnPropertyDescriptors(globalThis.process),
    Object.getOwnPropertyDescriptors(Object.getPrototypeOf(performance) as object),
    Object.getOwnPropertyDescriptor(globalThis, 'WebSocket'),
    [Date, new Date(0).constructor, statSync, setTimeout],
  ];
  const before = state();
  await guarded(async () => {});
  expect(state()).toEqual(before);
});

test('a timer that was taken before is named as real work', async () => {
  const before = process.getActiveResourcesInfo();
  const taken = setTimeout;
  const timer = await guarded(async () => taken(() => {}, 1_000));
  expect(realWork(before)).toEqual(['Timeout']);
  clearTimeout(timer);
  expect(realWork(before)).toEqual([]);
});

test('real work that somebody has begun is named', async () => {
  const before = process.getActiveResourcesInfo();
  const reading = readFile(fileURLToPath(import.meta.url));
  expect(realWork(before).length).toBeGreaterThan(0);
  await reading;
});

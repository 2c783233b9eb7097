/** How the door lets calls in, with time in the test's hands. What goes over sockets is in `server.test.ts`. */

import type { StatusObject } from '@grpc/grpc-js';
import { beforeEach, expect, test } from 'vitest';
import { FakeEnv } from '../../test/support/fake-env.ts';
import { Admission } from './admission.ts';
import { Door, type DoorMethod } from './door.ts';
import { OpenUnary } from './open-unary.ts';
import type { UnaryExchange } from './unary-exchange.ts';

const text = {
  encode: (message: unknown) => ({ finish: () => Buffer.from(String(message)) }),
  decode: (bytes: Uint8Array) => Buffer.from(bytes).toString(),
};
const method: DoorMethod = {
  name: 'Get',
  writes: false,
  watches: false,
  alwaysOn: false,
  requestType: text,
  responseType: text,
};

let env: FakeEnv;
/** What waits for the end of the tick: one tick at a time, unlike those of FakeEnv, which take no time. */
let ends: (() => void)[];
let begun: string[];
let take: (exchange: UnaryExchange) => void;

beforeEach(() => {
  env = new FakeEnv();
  ends = [];
  begun = [];
  const admission = new Admission({ env }, { requestsInFlightMax: 10_000, bytesInFlightMax: 1e9 });
  const door = new Door(
    {
      env: { ...env, timers: { ...env.timers, endOfTick: (run) => ends.push(run) } },
      admission,
      reportIncident: () => 'incident',
      refused: () => {},
    },
    { headerBytesMax: 8192, queueMsMax: 40, requestMs: 5_000, requestMsMax: 10_000, deadlineMarginMs: 20 },
  );
  const handler = (request: string): Promise<string> => {
    begun.push(request);
    return Promise.resolve(request);
  };
  take = (exchange) => door.begin(new OpenUnary(door, method, handler, exchange), method);
});

/** A call, and the code that it ends with. */
function call(
  name: string,
  connection: object,
  timeoutMs = Number.POSITIVE_INFINITY,
  failed: (status: StatusObject) => void = () => {},
): { code?: number } {
  const ended: { code?: number } = {};
  const deadlineEpochMs = env.clock.wallMicros() / 1000 + timeoutMs;
  take({
    request: Buffer.from(name),
    connection,
    cancelled: false,
    stream: { writableEnded: false, close: () => {} },
    headerBytes: () => 0,
    isRetry: () => false,
    deadlineEpochMs: () => deadlineEpochMs,
    onceOver: () => {},
    answer: () => {
      ended.code = 0;
    },
    fail: (status: StatusObject) => {
      ended.code = status.code;
      failed(status);
    },
  });
  return ended;
}

/** One tick of the loop, which takes so long. */
function tick(ms: number): void {
  const due = ends;
  ends = [];
  for (const run of due) run();
  env.standStill(ms);
}

test('the connections take turns: one that asks for much does not keep another waiting', () => {
  const greedy = {};
  for (let i = 0; i < 100; i++) call(`greedy ${i}`, greedy);
  call('modest', {});
  tick(0);
  expect(begun.slice(0, 3)).toEqual(['greedy 0', 'modest', 'greedy 1']);
});

test('a standing queue turns down what has waited too long; a burst it works off', () => {
  const connection = {};
  // 32 begin in a tick of 10 ms, and 60 come.
  const calls: { code?: number }[] = [];
  for (let i = 0; i < 100; i++) {
    for (let k = 0; k < 60; k++) calls.push(call(`${i}.${k}`, connection));
    tick(10);
  }
  for (let i = 0; i < 100; i++) tick(10);
  const refused = calls.flatMap(({ code }, index) => (code === 8 ? [index] : []));
  expect(refused.length).toBeGreaterThan(1_000);
  // Nothing within the first 100 ms is.
  expect(Math.min(...refused)).toBeGreaterThan(60 * 5);
  expect(begun.length + refused.length).toBe(calls.length);
  // It goes on doing as much as it can.
  expect(begun.length).toBeGreaterThan(32 * 100);
  // And once it has worked it off, it is as before.
  const later = call('later', connection);
  tick(10);
  expect(begun.at(-1)).toBe('later');
  expect(later.code).not.toBe(8);
});

test('however many more come than are done, as many are done as before', () => {
  const connection = {};
  // 32 begin in a tick of 10 ms, and ten times as many come.
  for (let i = 0; i < 200; i++) {
    for (let k = 0; k < 320; k++) call(`${i}.${k}`, connection);
    tick(10);
  }
  expect(begun.length).toBeGreaterThan(0.98 * 200 * 32);
});

test('refusals that say the same are one status, with one of a few times to come back', () => {
  const connection = {};
  const statuses = new Map<StatusObject, number>();
  for (let i = 0; i < 50; i++) {
    for (let k = 0; k < 320; k++) {
      call(`${i}.${k}`, connection, Number.POSITIVE_INFINITY, (status) =>
        statuses.set(status, (statuses.get(status) ?? 0) + 1),
      );
    }
    tick(10);
  }
  expect([...statuses.values()].reduce((sum, count) => sum + count, 0)).toBeGreaterThan(5_000);
  expect(statuses.size).toBe(16);
  const pushbacks = [...statuses.keys()].map(({ metadata }) =>
    Number(metadata.get('grpc-retry-pushback-ms')),
  );
  expect(new Set(pushbacks).size).toBe(16);
  expect(Math.min(...pushbacks)).toBeGreaterThanOrEqual(50);
  expect(Math.max(...pushbacks)).toBeLessThanOrEqual(100);
});

test('a call whose deadline has passed while it waited is not begun', () => {
  const connection = {};
  for (let i = 0; i < 40; i++) call(`before ${i}`, connection);
  const late = call('late', connection, 5);
  tick(10);
  tick(10);
  expect(begun).toHaveLength(40);
  expect(late.code).toBe(4);
});

test('the time that a call has waited is not taken off its deadline twice', () => {
  const connection = {};
  for (let i = 0; i < 40; i++) call(`before ${i}`, connection);
  const late = call('late', connection, 150);
  tick(60);
  tick(0);
  expect(begun).toContain('late');
  expect(late.code).not.toBe(4);
});

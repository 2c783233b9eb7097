import { crc32 } from 'node:zlib';
import { expect, test, vi } from 'vitest';
import { brokenDisk, ControlledEngine } from '../../test/support/controlled-engine.ts';
import { FakeEnv } from '../../test/support/fake-env.ts';
import type { Bucket } from '../core/bucket.ts';
import { type CausalContext, emptyContext } from '../core/causality/context-token.ts';
import type { WriteIntent } from '../core/causality/coordinated-write.ts';
import { mergeRecords, type VersionedRecord } from '../core/causality/record.ts';
import { decodeRecord, encodeRecord } from '../core/causality/record-codec.ts';
import { HybridClock } from '../core/hybrid-clock.ts';
import { type NodeId, nodeId } from '../core/identity.ts';
import { systemEnv } from '../env/system-env.ts';
import { type KeepHint, ReplicaError_Kind } from '../gen/kindred/peer/v1/peer.ts';
import type { ReplyBody } from '../rpc/frame-size.ts';
import { type HintStore, openHintStore } from '../storage/hint-store.ts';
import { openIdentityStore } from '../storage/identity-store.ts';
import { HintCalls } from './hint-calls.ts';
import { HintKeeper } from './hint-keeper.ts';
import { type HintDelivery, HintReplay, type HintReplayOptions } from './hint-replay.ts';
import { type HintedWrite, HintedWriter } from './hinted-write.ts';

const [a, b] = ['a', 'b'].map(nodeId) as [NodeId, NodeId];
const bucket: Bucket = {
  name: 'default',
  replication: 2,
  readLevel: 'quorum',
  writeLevel: 'any',
  durability: 'sync-quorum',
  handoff: 'strict',
  conflictPolicy: 'siblings',
  blindWrite: 'overwrite',
  siblingsWarn: 25,
  siblingsMax: 100,
  ttlMs: undefined,
  valueBytesMax: 4096,
};
const always = (): boolean => true;

interface Store {
  readonly engine: ControlledEngine;
  readonly hints: HintStore;
  write(name: string, value: string, context?: CausalContext): Promise<HintedWrite>;
}

/** Opens a node's hints; a second time over the same engine it is the node after a restart. */
async function openStore(engine = new ControlledEngine(), bytesMax = 1_000_000): Promise<Store> {
  const env = systemEnv();
  const shared = { engine, crc32, env };
  const stored = await openIdentityStore(shared, {
    clusterId: 'test',
    nodeId: nodeId('self'),
    partitionCount: 64,
    path: 'memory',
  });
  const identity = {
    replica: stored.replicaId,
    epochFloor: stored.epochFloor,
    nextEpoch: () => stored.nextEpoch(),
    get epochsLeft() {
      return stored.epochsLeft;
    },
    ensureEpochs: () => stored.ensureEpochs(),
  };
  const hints = await openHintStore(shared, { bytesMax });
  const wallMicros = (): number => env.clock.wallMicros();
  const writer = new HintedWriter(
    { hints, identity, clock: new HybridClock(wallMicros, 0), wallMicros, markOf: () => 7 },
    { recordBytesMax: 64 * 1024 },
  );
  return {
    engine,
    hints,
    write: (name, value, context) =>
      writer.write({ recordKey: keyOf(name), bucket }, [a, b], intentOf(value, context), always),
  };
}

function keyOf(name: string): Uint8Array {
  return Buffer.from(`default\0${name}`);
}

function intentOf(value: string, context: CausalContext | undefined): WriteIntent {
  return {
    value: Buffer.from(value),
    causality:
      context === undefined
        ? { kind: 'blind', mode: 'overwrite' }
        : { kind: 'context', context, exact: false },
    expiry: { kind: 'never' },
    requestId: undefined,
  };
}

function written(outcome: HintedWrite): Extract<HintedWrite, { kind: 'written' }> {
  if (outcome.kind !== 'written') throw new Error(`expected a version, and got ${outcome.kind}`);
  return outcome;
}

function valuesOf(record: VersionedRecord | undefined): readonly string[] {
  return (record?.versions ?? []).map(({ value }) => Buffer.from(value ?? []).toString()).sort();
}

/** A replica that takes what it is given, once it is up. */
class Target {
  readonly records = new Map<string, VersionedRecord>();
  up = true;
  answer: HintDelivery = 'confirmed';
  deliveries = 0;
  /** The mark that came with each. */
  readonly marks: number[] = [];
  before: (recordKey: Uint8Array) => Promise<void> = () => Promise.resolve();

  async take(recordKey: Uint8Array, bytes: Uint8Array): Promise<HintDelivery> {
    this.deliveries++;
    await this.before(recordKey);
    if (this.answer === 'confirmed') {
      const name = Buffer.from(recordKey).toString();
      const held = this.records.get(name);
      const record = decodeRecord(bytes.slice(), crc32);
      this.records.set(name, held === undefined ? record : mergeRecords(held, record, 'siblings'));
    }
    return this.answer;
  }

  values(name: string): readonly string[] {
    return valuesOf(this.records.get(`default\0${name}`));
  }
}

interface Replaying {
  readonly replay: HintReplay;
  readonly replayed: string[];
  readonly refused: string[];
  readonly dropped: string[];
  /** What was told of those that a client was told count. */
  readonly countedDropped: string[];
  /** Bytes that background work was granted, hint by hint. */
  readonly granted: number[];
  readonly errors: unknown[];
  /** Lets the interval pass once, and waits until nothing is on its way. */
  look(ms?: number): Promise<void>;
}

function startReplay(
  hints: HintStore,
  targets: Readonly<Record<string, Target>>,
  options: Partial<HintReplayOptions> & {
    readonly env?: FakeEnv;
    readonly wallMicros?: () => number;
    readonly homes?: readonly NodeId[] | undefined;
    readonly markOf?: () => number;
    readonly take?: () => Promise<void>;
  } = {},
): Replaying {
  const { env = new FakeEnv(), wallMicros, markOf = () => 42, take, ...bounds } = options;
  const { timers, random, rarePath } = env;
  const clock = wallMicros === undefined ? env.clock : { ...env.clock, wallMicros };
  const homes = 'homes' in options ? options.homes : [a, b];
  const dropped: string[] = [];
  const countedDropped: string[] = [];
  const granted: number[] = [];
  const replayed: string[] = [];
  const refused: string[] = [];
  const errors: unknown[] = [];
  let running = 0;
  const replay = new HintReplay(
    {
      hints,
      env: { clock, timers, random, rarePath },
      isMember: (node) => node in targets,
      isUp: (node) => targets[node]?.up ?? false,
      homesOf: () => homes,
      markOf,
      throttle: {
        take: async (_keys, bytes) => {
          granted.push(bytes);
          await take?.();
        },
      },
      deliver: async (node, { recordKey, record, receiverMark }) => {
        running++;
        (targets[node] as Target).marks.push(receiverMark);
        try {
          return await (targets[node] as Target).take(recordKey, record);
        } finally {
          running--;
        }
      },
      onDropped: (node, why) => dropped.push(`${node} ${why}`),
      onCountedDropped: (node, count) => countedDropped.push(`${node} ${count}`),
      onReplayed: (node, count) => replayed.push(`${node} ${count}`),
      onRefused: (recordKey) => refused.push(Buffer.from(recordKey).toString()),
      onError: (error) => errors.push(error),
    },
    {
      intervalMs: 500,
      bytesPerSecond: 1e9,
      inFlightMax: 32,
      bytesInFlightMax: 1e6,
      ageMsMax: 3_600_000,
      ...bounds,
    },
  );
  replay.start();
  return {
    replay,
    replayed,
    refused,
    dropped,
    countedDropped,
    granted,
    errors,
    async look(ms = 500) {
      env.advance(ms);
      for (let quiet = 0; quiet < 20; quiet = running === 0 ? quiet + 1 : 0) {
        await new Promise((resolve) => setImmediate(resolve));
      }
    },
  };
}

test('a write while all homes are down is kept for each, and handed over when they are up', async () => {
  const store = await openStore();
  expect(written(await store.write('k', 'v')).hinted).toBe(2);
  const targets = { a: new Target(), b: new Target() };
  targets.b.up = false;
  const { look, replayed } = startReplay(store.hints, targets);
  await look();
  expect([targets.a.values('k'), targets.b.values('k'), replayed]).toEqual([['v'], [], ['a 1']]);
  targets.b.up = true;
  await look();
  expect([targets.b.values('k'), replayed, store.hints.bytes]).toEqual([['v'], ['a 1', 'b 1'], 0]);
});

test('hints survive a restart', async () => {
  const before = await openStore();
  await before.write('k', 'v');
  const after = await openStore(before.engine);
  const targets = { a: new Target(), b: new Target() };
  const { look } = startReplay(after.hints, targets);
  await look();
  expect([targets.a.values('k'), targets.b.values('k'), after.hints.bytes]).toEqual([['v'], ['v'], 0]);
});

test('an unconfirmed hint stays, and is tried again', async () => {
  const store = await openStore();
  await store.write('k', 'v');
  const targets = { a: new Target(), b: new Target() };
  targets.a.answer = 'unreachable';
  const { look } = startReplay(store.hints, targets);
  await look();
  await look();
  expect([targets.a.deliveries, store.hints.targets().get(a)?.count]).toEqual([2, 1]);
  targets.a.answer = 'confirmed';
  await look();
  expect([targets.a.values('k'), store.hints.bytes]).toEqual([['v'], 0]);
});

test('a hint that is refused does not hold back those behind it', async () => {
  const store = await openStore();
  for (const name of ['k1', 'k2', 'k3']) await store.write(name, 'v');
  const targets = { a: new Target(), b: new Target() };
  targets.a.before = async (recordKey) => {
    targets.a.answer = Buffer.from(recordKey).toString().endsWith('k1') ? 'refused' : 'confirmed';
  };
  const { look, replayed, refused } = startReplay(store.hints, targets, { inFlightMax: 1 });
  await look();
  await look();
  expect([targets.a.values('k1'), targets.a.values('k2'), targets.a.values('k3')]).toEqual([
    [],
    ['v'],
    ['v'],
  ]);
  expect(store.hints.targets().get(a)?.count).toBe(1);
  expect(replayed.filter((line) => line.startsWith('a'))).toEqual(['a 2']);
  // Somebody is told each time: the target's record has to be repaired before it takes the hint.
  expect(refused).toEqual([`default\0k1`, `default\0k1`]);
});

test('a target that refuses all it is handed is tried more and more rarely, until it takes something or was away', async () => {
  const store = await openStore();
  for (const name of ['k1', 'k2']) await store.write(name, 'v');
  const targets = { a: new Target(), b: new Target() };
  targets.b.up = false;
  targets.a.answer = 'refused';
  const { look, refused } = startReplay(store.hints, targets);
  const triesWithin = async (seconds: number): Promise<number> => {
    const before = targets.a.deliveries;
    for (let i = 0; i < 2 * seconds; i++) await look();
    return (targets.a.deliveries - before) / 2;
  };
  // At 0.5, 1.5, 3.5, 7.5 and 15.5 seconds; at 31.5 and 61.5; and every 30 seconds from there.
  expect(await triesWithin(30)).toBe(5);
  expect(await triesWithin(32)).toBe(2);
  expect(await triesWithin(60)).toBe(2);
  expect(refused.length).toBe(18);
  targets.a.up = false;
  await look();
  targets.a.up = true;
  expect(await triesWithin(3)).toBe(2);
  // k1 is repaired, and the target takes hints again: what it refuses now is tried as soon as at first.
  targets.a.before = async (recordKey) => {
    targets.a.answer = Buffer.from(recordKey).toString().endsWith('k1') ? 'confirmed' : 'refused';
  };
  await look();
  expect([targets.a.values('k1'), store.hints.targets().get(a)?.count]).toEqual([['v'], 1]);
  const before = targets.a.deliveries;
  await look();
  expect(targets.a.deliveries).toBe(before + 1);
});

test('a hint that was replaced while it was handed over is handed over again', async () => {
  const store = await openStore();
  const first = written(await store.write('k', 'old'));
  const targets = { a: new Target(), b: new Target() };
  targets.b.up = false;
  targets.a.before = async () => {
    targets.a.before = () => Promise.resolve();
    await store.write('k', 'new', first.context);
  };
  const { look } = startReplay(store.hints, targets);
  await look();
  expect([targets.a.values('k'), store.hints.targets().get(a)?.count]).toEqual([['old'], 1]);
  await look();
  expect([targets.a.values('k'), store.hints.targets().get(a)]).toEqual([['new'], undefined]);
});

test('a hint that is handed over again on a rare path changes nothing, and goes in the end', async () => {
  const store = await openStore();
  for (const name of ['k1', 'k2']) await store.write(name, 'v');
  const targets = { a: new Target(), b: new Target() };
  targets.b.up = false;
  const env = new FakeEnv();
  const { look, replayed } = startReplay(store.hints, targets, { env });
  env.rarePaths.add('hint-delivered-twice');
  await look();
  expect([targets.a.deliveries, store.hints.targets().get(a)?.count, replayed]).toEqual([2, 2, []]);
  env.rarePaths.clear();
  env.rarePaths.add('hint-batch-of-one');
  await look();
  expect([targets.a.deliveries, store.hints.targets().get(a)?.count, replayed]).toEqual([3, 1, ['a 1']]);
  await look();
  expect([targets.a.values('k1'), targets.a.values('k2')]).toEqual([['v'], ['v']]);
  expect(store.hints.targets().get(a)).toBe(undefined);
});

test('a stop waits for the hint on its way and begins no other', async () => {
  const store = await openStore();
  for (const name of ['k1', 'k2']) await store.write(name, 'v');
  const targets = { a: new Target(), b: new Target() };
  targets.b.up = false;
  let stopped: Promise<void> | undefined;
  const { look, replay, errors } = startReplay(store.hints, targets, { inFlightMax: 1 });
  targets.a.before = async () => {
    stopped ??= replay.stop();
  };
  await look();
  await stopped;
  await store.engine.close();
  await look();
  expect([targets.a.deliveries, errors]).toEqual([1, []]);
});

test('writes that follow one another count on, as long as every hint is there', async () => {
  const store = await openStore();
  const first = written(await store.write('k', 'v1'));
  const second = written(await store.write('k', 'v2'));
  expect(second.dot).toEqual({ ...first.dot, counter: 2 });
  expect(valuesOf(second.record)).toEqual(['v2']);
});

test('a write of which one hint is gone and an older one is left does not take its dot again', async () => {
  const small = await openStore();
  await small.write('k', 'v1');
  const room = small.hints.bytes;
  // Room for a longer hint at one target only: the other keeps the older one.
  const store = await openStore(small.engine, room + 60);
  const second = written(await store.write('k', 'a value that is longer by about fifty bytes'));
  expect(second.hinted).toBe(1);
  const newest = store.hints.get(a, keyOf('k'))?.record as Uint8Array;
  expect(await store.hints.remove(a, keyOf('k'), newest)).toBe(true);
  const third = written(await store.write('k', 'v3'));
  expect(third.dot).not.toEqual(second.dot);
  expect(third.dot.epoch).toBeGreaterThan(second.dot.epoch);
  // At the target that has the second write already, both meet as siblings: neither hides the other.
  const merged = mergeRecords(second.record, third.record, 'siblings');
  expect(valuesOf(merged)).toEqual(['a value that is longer by about fifty bytes', 'v3']);
});

test('hints that differ are one record together', async () => {
  const small = await openStore();
  await small.write('k', 'v1');
  const store = await openStore(small.engine, small.hints.bytes + 60);
  const second = written(await store.write('k', 'a value that is longer by about fifty bytes'));
  const third = written(await store.write('k', 'v3', second.context));
  expect(valuesOf(third.record)).toEqual(['v3']);
  expect(third.hinted).toBe(2);
});

test('full is said before anything is stored', async () => {
  const store = await openStore(undefined, 10);
  expect(await store.write('k', 'v')).toEqual({ kind: 'full' });
  expect(store.hints.bytes).toBe(0);
});

test('a disk that fails in the first hint leaves the outcome open', async () => {
  const store = await openStore();
  store.engine.hold();
  const writing = store.write('k', 'v');
  await new Promise((resolve) => setImmediate(resolve));
  store.engine.failure = brokenDisk();
  store.engine.release();
  expect(await writing).toMatchObject({ kind: 'storage-failed', begun: true });
  expect(await store.write('k', 'v')).toMatchObject({ kind: 'storage-failed', begun: false });
});

test('a context from elsewhere that is not reached is refused, and nothing is stored', async () => {
  const store = await openStore();
  const dot = { replica: 9 as never, epoch: 1, counter: 2 };
  const outcome = await store.write('k', 'v', { ...emptyContext, dots: [dot] });
  expect(outcome).toMatchObject({ kind: 'refused', why: 'context-not-reached' });
  expect(store.hints.bytes).toBe(0);
});

test('a record that no peer could be sent is refused, so that it cannot stop the hints behind it', async () => {
  const store = await openStore();
  const first = written(await store.write('k', 'x'.repeat(60 * 1024)));
  const before = store.hints.bytes;
  expect(await store.write('k', 'y'.repeat(60 * 1024), emptyContext)).toMatchObject({
    kind: 'refused',
    why: 'record-too-large',
  });
  expect(store.hints.bytes).toBe(before);
  // What shrinks it passes.
  expect(valuesOf(written(await store.write('k', 'z', first.context)).record)).toEqual(['z']);
});

function keep(
  store: Store,
  name: string,
  record: VersionedRecord,
  how: { readonly counted?: boolean; readonly target?: NodeId } = {},
): Promise<unknown> {
  const { counted = false, target = a } = how;
  return store.hints.keep(target, keyOf(name), encodeRecord(record, crc32), {
    policy: 'siblings',
    receiverMark: 3,
    counted,
    madeHere: false,
    unsent: false,
    sync: true,
  });
}

test('the oldest hints go first, and so many at once as may be on their way', async () => {
  const store = await openStore();
  // Places of equal age are in the order of the keys, and a timer of 1 ms may end within the millisecond of the clock.
  for (const name of ['c', 'b', 'a']) {
    await store.write(name, 'v');
    const keptAtMs = Date.now();
    while (Date.now() <= keptAtMs + 1) await new Promise((resolve) => setImmediate(resolve));
  }
  const targets = { a: new Target(), b: new Target() };
  targets.b.up = false;
  const order: string[] = [];
  let release = (): void => undefined;
  targets.a.before = (recordKey) => {
    order.push(Buffer.from(recordKey).toString().slice(-1));
    return new Promise((resolve) => {
      const before = release;
      release = () => {
        before();
        resolve();
      };
    });
  };
  const { look, replay } = startReplay(store.hints, targets, { inFlightMax: 2 });
  const looking = look();
  while (order.length < 2) await new Promise((resolve) => setImmediate(resolve));
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
  expect(order).toEqual(['c', 'b']);
  release();
  while (order.length < 3) await new Promise((resolve) => setImmediate(resolve));
  release();
  await looking;
  expect([order, store.hints.targets().get(a), replay.delivered]).toEqual([['c', 'b', 'a'], undefined, 3]);
});

test('a target is handed so many bytes a second, and what goes takes its tokens from background work', async () => {
  const store = await openStore();
  for (const name of ['k1', 'k2', 'k3']) await store.write(name, 'x'.repeat(5_000));
  const targets = { a: new Target(), b: new Target() };
  targets.b.up = false;
  const { look, granted } = startReplay(store.hints, targets, { bytesPerSecond: 5_000 });
  await look();
  // The first is charged in full, and the next waits a second for it.
  expect(targets.a.deliveries).toBe(1);
  await look(1_000);
  expect(targets.a.deliveries).toBe(2);
  await look(1_000);
  expect([targets.a.deliveries, store.hints.targets().get(a)]).toEqual([3, undefined]);
  expect(granted.length).toBe(3);
  expect(granted.every((bytes) => bytes > 5_000)).toBe(true);
});

test('a stop does not wait for the rate', async () => {
  const store = await openStore();
  for (const name of ['k1', 'k2']) await store.write(name, 'x'.repeat(5_000));
  const targets = { a: new Target(), b: new Target() };
  targets.b.up = false;
  const { look, replay } = startReplay(store.hints, targets, { bytesPerSecond: 10 });
  await look();
  await replay.stop();
  expect([targets.a.deliveries, store.hints.targets().get(a)?.count]).toEqual([1, 1]);
});

test('a hint that may be older than deletions which its target has collected is dropped, and counted', async () => {
  const store = await openStore();
  await store.write('k', 'v');
  const targets = { a: new Target(), b: new Target() };
  targets.b.up = false;
  targets.a.answer = 'outdated';
  const { look, dropped, replayed } = startReplay(store.hints, targets);
  await look();
  expect([dropped, replayed, store.hints.targets().get(a)]).toEqual([['a outdated'], [], undefined]);
});

test('of dropped hints that count somebody is told: how many for each target, once a minute and at the end', async () => {
  const store = await openStore();
  const { record } = written(await store.write('k1', 'v'));
  await store.write('k2', 'v');
  await keep(store, 'k3', record);
  const targets = { a: new Target(), b: new Target() };
  targets.b.up = false;
  targets.a.answer = 'outdated';
  targets.b.answer = 'outdated';
  const { look, replay, dropped, countedDropped } = startReplay(store.hints, targets);
  await look();
  expect([dropped.length, countedDropped]).toEqual([3, []]);
  await look(60_000);
  expect(countedDropped).toEqual(['a 2']);
  targets.b.up = true;
  await look();
  await replay.stop();
  expect([dropped.length, countedDropped]).toEqual([5, ['a 2', 'b 2']]);
});

test('what only this node knows cannot be older than any deletion: it goes with the mark of the first time that it is sent', async () => {
  const store = await openStore();
  await store.write('k', 'v');
  await keep(store, 'other', written(await store.write('x', 'v')).record);
  const targets = { a: new Target(), b: new Target() };
  targets.a.answer = 'unreachable';
  targets.b.up = false;
  const { look } = startReplay(store.hints, targets, { inFlightMax: 1, homes: [a, b] });
  await look();
  expect(targets.a.marks).toEqual([42]);
  // The other target's hint may be older than a deletion from now on, and says since when.
  expect(store.hints.get(b, keyOf('k'))).toMatchObject({ unsent: false, receiverMark: 42 });
  expect(store.hints.get(b, keyOf('x'))).toMatchObject({ unsent: true, receiverMark: 7 });
  // A hint that another node had taken before goes with the mark of its time.
  targets.a.answer = 'confirmed';
  await look();
  expect(targets.a.marks.slice(1).sort()).toEqual([3, 42, 42]);
});

test('a hint that waited for its turn while one for another target was sent goes with the mark of that time', async () => {
  const store = await openStore();
  await store.write('k', 'v');
  const targets = { a: new Target(), b: new Target() };
  targets.b.up = false;
  let heard = 42;
  const { look } = startReplay(store.hints, targets, {
    markOf: () => heard,
    // The turn of the hint for a: meanwhile the one for b is sent.
    take: async () => {
      await store.hints.aboutToSend(a, keyOf('k'), heard);
      heard = 50;
    },
  });
  await look();
  expect(targets.a.marks).toEqual([42]);
});

test('hints grow too old while their target is away, but those that a client was told count', async () => {
  const store = await openStore();
  const { record } = written(await store.write('counted', 'v'));
  await keep(store, 'k', record, { target: a });
  await keep(store, 'k', record, { target: b, counted: true });
  const targets = { a: new Target(), b: new Target() };
  targets.a.up = false;
  targets.b.up = false;
  // The store keeps hints by the clock of the machine.
  const startedMicros = Date.now() * 1_000;
  const env = new FakeEnv();
  const wallMicros = (): number => startedMicros + env.clock.monotonicMs() * 1_000;
  const { look, dropped } = startReplay(store.hints, targets, { env, wallMicros, ageMsMax: 60_000 });
  await look(50_000);
  expect(dropped).toEqual([]);
  await look(11_000);
  // The next search.
  await look(4_000);
  expect(dropped).toEqual(['a too-old']);
  expect([store.hints.targets().get(a)?.count, store.hints.targets().get(b)?.count]).toEqual([1, 2]);
});

test('counted hints that stay however old they are get read by one search for old ones, and no more', async () => {
  const store = await openStore();
  const { record } = written(await store.write('counted', 'v'));
  for (const name of ['k1', 'k2']) await keep(store, name, record, { target: b, counted: true });
  const targets = { a: new Target(), b: new Target() };
  targets.a.up = false;
  targets.b.up = false;
  const startedMicros = Date.now() * 1_000;
  const env = new FakeEnv();
  let setBackMicros = 0;
  const wallMicros = (): number => startedMicros + env.clock.monotonicMs() * 1_000 - setBackMicros;
  const { look, dropped } = startReplay(store.hints, targets, { env, wallMicros, ageMsMax: 60_000 });
  await look(64_000);
  await look(3_000);
  const read = vi.spyOn(store.hints, 'at');
  await look(3_000);
  expect(read).toHaveBeenCalledTimes(0);
  // What comes behind them is found.
  await keep(store, 'k3', record, { target: b });
  await look(3_000);
  expect([dropped, read.mock.calls.length]).toEqual([['b too-old'], 1]);
  // And so is what came before them in the order, because the clock was set back.
  setBackMicros = 100_000_000;
  await look(3_000);
  setBackMicros = 0;
  read.mockClear();
  await look(3_000);
  expect(read.mock.calls.map(([node]) => node).sort()).toEqual([a, b, b, b]);
  read.mockRestore();
});

test('a hint whose target is no home of the key any more goes to the homes, and when all have it, it goes', async () => {
  const store = await openStore();
  await store.write('k', 'v');
  const c = nodeId('c');
  const targets = { a: new Target(), b: new Target(), c: new Target() };
  targets.a.up = false;
  targets.c.answer = 'unreachable';
  const { look } = startReplay(store.hints, targets, { homes: [b, c] });
  await look();
  expect([targets.a.deliveries, targets.b.values('k'), store.hints.targets().get(a)?.count]).toEqual([
    0,
    ['v'],
    1,
  ]);
  // The first time it cannot be older than any deletion; from then on it can, and its mark is that of another store.
  expect(targets.b.marks).not.toContain(0);
  targets.c.answer = 'confirmed';
  targets.a.up = true;
  await look();
  expect(targets.b.marks).toContain(0);
  expect([targets.a.deliveries, targets.c.values('k'), store.hints.targets().get(a)]).toEqual([
    0,
    ['v'],
    undefined,
  ]);
});

test('a hint that a home could not be given is tried there again while its target stays away', async () => {
  const store = await openStore();
  await store.write('k', 'v');
  const c = nodeId('c');
  const targets = { a: new Target(), b: new Target(), c: new Target() };
  targets.a.up = false;
  targets.b.up = false;
  targets.c.up = false;
  const { look } = startReplay(store.hints, targets, { homes: [c] });
  await look();
  // Nobody is there to take it: it was not sent, and what only this node knows stays so.
  expect([targets.c.deliveries, store.hints.get(a, keyOf('k'))?.unsent]).toEqual([0, true]);
  targets.c.up = true;
  await look(31_000);
  expect([targets.c.values('k'), store.hints.targets().size]).toEqual([['v'], 0]);
  expect(targets.c.marks[0]).toBe(42);
});

test('the hints of a node that is no member any more go to the homes', async () => {
  const store = await openStore();
  await store.write('k', 'v');
  const targets = { b: new Target() };
  const { look } = startReplay(store.hints, targets, { homes: [b] });
  await look();
  expect([targets.b.values('k'), store.hints.bytes]).toEqual([['v'], 0]);
});

test('a hint of a bucket that is in the configuration no more is dropped, and counted', async () => {
  const store = await openStore();
  await store.write('k', 'v');
  const targets = { a: new Target(), b: new Target() };
  const { look, dropped } = startReplay(store.hints, targets, { homes: undefined });
  await look();
  expect([dropped.sort(), store.hints.bytes, targets.a.deliveries]).toEqual([
    ['a no-bucket', 'b no-bucket'],
    0,
    0,
  ]);
});

test('a write does not count on where another node has had this one keep something of the key', async () => {
  const store = await openStore();
  const first = written(await store.write('k', 'v1'));
  const second = written(await store.write('k', 'v2', first.context));
  // Both targets get the second and confirm it; then others have this node keep the first for both.
  for (const target of [a, b]) {
    const { record } = store.hints.get(target, keyOf('k')) as { readonly record: Uint8Array };
    await store.hints.remove(target, keyOf('k'), record);
    await keep(store, 'k', first.record, { target });
  }
  const third = written(await store.write('k', 'v3'));
  expect(third.dot.epoch).toBeGreaterThan(second.dot.epoch);
  expect(valuesOf(mergeRecords(second.record, third.record, 'siblings'))).toEqual(['v2', 'v3']);
});

test('what a home missed is kept in the background, and no more waits for the disk than is allowed', async () => {
  const store = await openStore();
  const { record } = written(await store.write('other', 'v'));
  const dropped: string[] = [];
  const unexpected: unknown[] = [];
  const keeper = new HintKeeper(
    {
      hints: store.hints,
      markOf: () => 5,
      onDropped: (node, why) => dropped.push(`${node} ${why}`),
      onUnexpected: (error) => unexpected.push(error),
    },
    { bytesWaitingMax: 2 * encodeRecord(record, crc32).length },
  );
  store.engine.hold();
  for (const name of ['k1', 'k2', 'k3'])
    keeper.missed(a, { recordKey: keyOf(name), bucket }, encodeRecord(record, crc32), true);
  expect(dropped).toEqual(['a too-many-waiting']);
  store.engine.release();
  while (store.hints.targets().get(a)?.count !== 3) await new Promise((resolve) => setImmediate(resolve));
  await new Promise((resolve) => setImmediate(resolve));
  expect(store.hints.get(a, keyOf('k1'))).toMatchObject({ receiverMark: 5, counted: false, madeHere: false });
  keeper.missed(a, { recordKey: keyOf('k4'), bucket }, encodeRecord(record, crc32), true);
  await new Promise((resolve) => setImmediate(resolve));
  expect([dropped.length, unexpected]).toEqual([1, []]);

  const full = await openStore(store.engine, store.hints.bytes);
  const another = new HintKeeper(
    {
      hints: full.hints,
      markOf: () => 0,
      onDropped: (node, why) => dropped.push(`${node} ${why}`),
      onUnexpected: (error) => unexpected.push(error),
    },
    { bytesWaitingMax: 100 },
  );
  another.missed(b, { recordKey: keyOf('k5'), bucket }, encodeRecord(record, crc32), true);
  await new Promise((resolve) => setImmediate(resolve));
  expect(dropped.at(-1)).toBe('b full');
});

test('a peer that asks to keep a hint is told what became of it, and nonsense is refused', async () => {
  const store = await openStore();
  const { record } = written(await store.write('other', 'v'));
  const bytes = encodeRecord(record, crc32);
  const keeper = new HintKeeper(
    { hints: store.hints, markOf: () => 0, onDropped: () => undefined, onUnexpected: () => undefined },
    { bytesWaitingMax: 100 },
  );
  const unexpected: unknown[] = [];
  const calls = new HintCalls({
    self: nodeId('self'),
    keeper,
    buckets: new Map([['default', bucket]]),
    isMember: (node) => ['self', 'a', 'b'].includes(node),
    onUnexpected: (error) => unexpected.push(error),
  });
  const ask = (call: Partial<KeepHint>): Promise<ReplyBody> =>
    new Promise((answer) =>
      calls.keepHint({ target: 'a', key: keyOf('k'), record: bytes, targetMark: 9, ...call }, answer),
    );
  expect(await ask({})).toEqual({ $case: 'hintKept', value: { stored: true } });
  expect(store.hints.get(a, keyOf('k'))).toMatchObject({ receiverMark: 9, counted: true, madeHere: false });
  for (const nonsense of [
    { target: 'self' },
    { target: 'nobody' },
    { key: Buffer.from('no bucket') },
    { key: Buffer.from('unknown\0k') },
    { record: bytes.slice(1) },
  ]) {
    expect(await ask(nonsense)).toMatchObject({
      $case: 'error',
      value: { kind: ReplicaError_Kind.KIND_INVALID },
    });
  }
  store.engine.failure = brokenDisk();
  expect(await ask({})).toMatchObject({
    $case: 'error',
    value: { kind: ReplicaError_Kind.KIND_STORAGE_FAILED },
  });
  expect(unexpected).toEqual([]);
});

import { crc32 } from 'node:zlib';
import { beforeEach, expect, test } from 'vitest';
import { FakeEnv } from '../../test/support/fake-env.ts';
import type { VersionedRecord } from '../core/causality/record.ts';
import { decodeRecord, encodeRecord } from '../core/causality/record-codec.ts';
import { type NodeId, nodeId, replicaId } from '../core/identity.ts';
import { systemEnv } from '../env/system-env.ts';
import type { StorageEngine } from './engine.ts';
import { type HintOrder, orderKeyOf } from './hint-format.ts';
import { type HintKeeping, type HintOutcome, type HintStore, openHintStore } from './hint-store.ts';
import { openMemoryEngine } from './memory.ts';
import { sealValue } from './value-envelope.ts';

const n2 = nodeId('n2');
const n3 = nodeId('n3');
const now = new FakeEnv().clock.wallMicros();

let time: FakeEnv;
let engine: StorageEngine;
let hints: HintStore;
beforeEach(async () => {
  time = new FakeEnv();
  engine = openMemoryEngine();
  hints = await open();
});

function open(bytesMax = 1_000_000): Promise<HintStore> {
  // Time is the test's, ticks are real.
  const env = { ...systemEnv(), clock: time.clock };
  return openHintStore({ engine, crc32, env }, { bytesMax });
}

function add(
  target: NodeId,
  key: string,
  record: Uint8Array,
  how: Partial<HintKeeping> = {},
): Promise<HintOutcome> {
  const usual = {
    policy: 'siblings',
    receiverMark: 0,
    counted: false,
    madeHere: false,
    unsent: false,
    sync: true,
  } as const;
  return hints.keep(target, bytes(key), record, { ...usual, ...how });
}

/** The record with writes 1 to `counter` of an actor, of which only the last is left. */
function written(actor: number, counter = 1, length = 1): VersionedRecord {
  const dot = { replica: replicaId(actor), epoch: 1, counter };
  const clock = counter === 1 ? [] : [{ ...dot, counter: counter - 1 }];
  const value = new Uint8Array(length).fill(65 + actor);
  return {
    clock: [dot],
    versions: [{ dot, clock, value, writtenAt: 1, expiresAt: undefined, requestId: undefined }],
  };
}

function encoded(actor: number, counter = 1, length = 1): Uint8Array {
  return encodeRecord(written(actor, counter, length), crc32);
}

/** Who wrote what is in a hint: `1:2 3:1`. */
function writesOf(record: Uint8Array | undefined): string | undefined {
  if (record === undefined) return undefined;
  const { versions } = decodeRecord(record.slice(), crc32);
  return versions.map(({ dot }) => `${dot.replica}:${dot.counter}`).join(' ');
}

function writes(target: NodeId, key: string): string | undefined {
  return writesOf(hints.get(target, bytes(key))?.record);
}

test('a hint is kept per target and key, and a later one is merged into it', async () => {
  await add(n2, 'k', encoded(1, 1));
  await add(n2, 'k', encoded(1, 2));
  await add(n2, 'k', encoded(2));
  // An older one that comes late takes nothing away.
  await add(n2, 'k', encoded(1, 1));
  await add(n3, 'k', encoded(3));
  expect(writes(n2, 'k')).toBe('1:2 2:1');
  expect(writes(n3, 'k')).toBe('3:1');
  expect(writes(n2, 'other')).toBeUndefined();
});

test('hints that are kept at the same time are merged as well', async () => {
  await Promise.all([add(n2, 'k', encoded(1)), add(n2, 'k', encoded(2)), add(n2, 'k', encoded(3))]);
  expect(writes(n2, 'k')).toBe('1:1 2:1 3:1');
  expect(hints.targets().get(n2)?.count).toBe(1);
  expect((await open()).targets()).toEqual(hints.targets());
});

test('the policy of the bucket decides what is left of two hints', async () => {
  await add(n2, 'k', encoded(1), { policy: 'last-write-wins' });
  await add(n2, 'k', encoded(2), { policy: 'last-write-wins' });
  expect(writes(n2, 'k')).toBe('2:1');
});

test('age and mark are those of the oldest part, and survive what is merged and a restart', async () => {
  await add(n2, 'k', encoded(1), { receiverMark: 7 });
  time.advance(60_000);
  await add(n2, 'k', encoded(2), { receiverMark: 99 });
  const expected = { keptAtMicros: now, receiverMark: 7, counted: false, madeHere: false };
  expect(hints.get(n2, bytes('k'))).toMatchObject(expected);
  hints = await open();
  expect(hints.get(n2, bytes('k'))).toMatchObject(expected);
  await hints.remove(n2, bytes('k'), hints.get(n2, bytes('k'))?.record as Uint8Array);
  await add(n2, 'k', encoded(2), { receiverMark: 99 });
  expect(hints.get(n2, bytes('k'))).toMatchObject({ keptAtMicros: now + 60_000_000, receiverMark: 99 });
});

test('what counted once counts for ever, and what came from elsewhere is not made here', async () => {
  await add(n2, 'k', encoded(1), { counted: true, madeHere: true });
  await add(n2, 'k', encoded(1));
  expect(hints.get(n2, bytes('k'))).toMatchObject({ counted: true, madeHere: true });
  await add(n2, 'k', encoded(2));
  expect(hints.get(n2, bytes('k'))).toMatchObject({ counted: true, madeHere: false });
  await add(n2, 'k', encoded(2, 2), { madeHere: true });
  expect(hints.get(n2, bytes('k'))).toMatchObject({ counted: true, madeHere: true });
});

test('a hint is unsent until it is about to be sent, or something is merged into it that was', async () => {
  const unsent = { madeHere: true, unsent: true, receiverMark: 7 };
  await add(n2, 'k', encoded(1), unsent);
  await add(n2, 'k', encoded(1, 2), unsent);
  expect(hints.get(n2, bytes('k'))).toMatchObject({ unsent: true, receiverMark: 7 });
  const before = hints.bytes;
  await hints.aboutToSend(n2, bytes('k'), 99);
  expect(hints.get(n2, bytes('k'))).toMatchObject({ unsent: false, receiverMark: 99, keptAtMicros: now });
  expect([hints.bytes, writes(n2, 'k')]).toEqual([before, '1:2']);
  // The mark is that of the first time.
  await hints.aboutToSend(n2, bytes('k'), 200);
  await add(n2, 'k', encoded(1, 3), unsent);
  expect(hints.get(n2, bytes('k'))).toMatchObject({ unsent: false, receiverMark: 99 });
  await add(n3, 'k', encoded(1), unsent);
  await add(n3, 'k', encoded(2));
  expect(hints.get(n3, bytes('k'))).toMatchObject({ unsent: false });
  hints = await open();
  expect(hints.get(n2, bytes('k'))).toMatchObject({ unsent: false, receiverMark: 99 });
});

test('counts and bytes per target are those of the stored entries, also after opening again', async () => {
  await add(n2, 'a', encoded(1, 1, 4));
  await add(n2, 'b', encoded(1, 1, 2));
  await add(n3, 'a', encoded(1, 1, 9));
  await add(n2, 'a', encoded(1, 2, 2));
  const record = encoded(1, 1, 2).length;
  // Of a hint: prefix, length, node id, key, header, record, checksum; of its place: the same key with the time, checksum.
  const header = 18;
  const hint = 1 + 1 + 2 + 1 + header + record + 4 + (1 + 1 + 2 + 8 + 1 + 4);
  // The clock of a later write has one entry of two bytes more.
  const expected = new Map([
    [n2, { count: 2, bytes: 2 * hint + 2 }],
    [n3, { count: 1, bytes: hint + 7 }],
  ]);
  expect(hints.targets()).toEqual(expected);
  expect((await open()).targets()).toEqual(expected);
  expect(hints.bytes).toBe(3 * hint + 9);
  await hints.remove(n3, bytes('a'), encoded(1, 1, 9));
  expect([...hints.targets().keys()]).toEqual([n2]);
  await hints.remove(n2, bytes('a'), encoded(1, 2, 2));
  await hints.remove(n2, bytes('b'), encoded(1, 1, 2));
  expect(await entryCount()).toBe(0);
});

test('the hints of one target come oldest first, and none of a target whose name begins alike', async () => {
  for (const name of ['c', 'a', 'b']) {
    await add(n2, name, encoded(1));
    time.advance(1_000);
  }
  // What is merged does not make it younger.
  await add(n2, 'c', encoded(2));
  await add(nodeId('n22'), 'x', encoded(1));
  await add(nodeId('n'), '2', encoded(1));
  expect(await list(n2, 10)).toEqual(['c', 'a', 'b']);
  expect(await list(n2, 2)).toEqual(['c', 'a']);
  const [, second] = await hints.oldest(n2, undefined, 2);
  expect(await list(n2, 10, second)).toEqual(['b']);
  expect(await list(nodeId('n'), 10)).toEqual(['2']);
  hints = await open();
  expect(await list(n2, 10)).toEqual(['c', 'a', 'b']);
});

test('only the hint that was confirmed is removed', async () => {
  await add(n2, 'k', encoded(1, 1));
  await add(n2, 'k', encoded(1, 2));
  expect(await hints.remove(n2, bytes('k'), encoded(1, 1))).toBe(false);
  expect(writes(n2, 'k')).toBe('1:2');
  expect(await hints.remove(n2, bytes('k'), encoded(1, 2))).toBe(true);
  expect(hints.get(n2, bytes('k'))).toBeUndefined();
  expect(await hints.remove(n2, bytes('k'), encoded(1, 2))).toBe(false);
  expect(hints.bytes).toBe(0);
  expect(await entryCount()).toBe(0);
});

test('what is merged into a hint while it is still being written survives the removal of the older', async () => {
  await add(n2, 'k', encoded(1, 1));
  const adding = add(n2, 'k', encoded(1, 2));
  const removed = await hints.remove(n2, bytes('k'), encoded(1, 1));
  await adding;
  expect(removed).toBe(false);
  expect(writes(n2, 'k')).toBe('1:2');
  expect((await open()).targets()).toEqual(hints.targets());
});

test('an added hint survives a removal that is still being written, and has a place in the order', async () => {
  await add(n2, 'k', encoded(1, 1));
  const removing = hints.remove(n2, bytes('k'), encoded(1, 1));
  await Promise.resolve();
  await add(n2, 'k', encoded(1, 2));
  await removing;
  expect(writes(n2, 'k')).toBe('1:2');
  expect(await list(n2, 10)).toEqual(['k']);
  expect((await open()).targets()).toEqual(hints.targets());
});

test('the bound is met exactly: one byte more is refused, replacing and removing make room', async () => {
  await add(n2, 'a', encoded(1, 1, 10));
  const size = hints.bytes;
  await hints.remove(n2, bytes('a'), encoded(1, 1, 10));
  hints = await open(2 * size);
  const counted = { counted: true };
  expect(await add(n2, 'a', encoded(1, 1, 10), counted)).toEqual({ kind: 'stored' });
  expect(await add(n2, 'b', encoded(1, 1, 11), counted)).toEqual({
    kind: 'full',
    bytes: size,
    bytesMax: 2 * size,
  });
  expect(await list(n2, 10)).toEqual(['a']);
  expect(await add(n2, 'b', encoded(1, 1, 10), counted)).toEqual({ kind: 'stored' });
  expect((await add(n2, 'c', encoded(1, 1, 0), counted)).kind).toBe('full');
  expect((await add(n2, 'a', encoded(1, 2, 8), counted)).kind).toBe('stored');
  await hints.remove(n2, bytes('b'), encoded(1, 1, 10));
  expect((await add(n2, 'c', encoded(1, 1, 0), counted)).kind).toBe('stored');
});

test('concurrent hints together respect the bound', async () => {
  hints = await open(300);
  const outcomes = await Promise.all(
    Array.from({ length: 20 }, (_, index) => add(n2, `key-${index}`, encoded(1))),
  );
  expect(outcomes.filter((outcome) => outcome.kind === 'stored').length).toBeGreaterThan(1);
  expect(hints.bytes).toBeLessThanOrEqual(300);
  expect((await open(300)).bytes).toBe(hints.bytes);
});

test('a damaged hint is neither returned nor replayed, but dropped and counted', async () => {
  await add(n2, 'a', encoded(1));
  await add(n2, 'b', encoded(1));
  const key = Buffer.from('\x02\x02n2b', 'latin1');
  const value = engine.get(key) as Uint8Array;
  value[0] = (value[0] as number) ^ 1;
  await engine.write([{ kind: 'put', key, value }], { sync: true });
  expect(hints.get(n2, bytes('b'))).toBeUndefined();
  expect(await list(n2, 10)).toEqual(['a']);
  expect(hints.damagedHints).toBe(1);
  expect(engine.get(key)).toBeUndefined();
  expect((await open()).targets()).toEqual(hints.targets());
});

test('hints of an earlier build, a record alone and in no order, are there and come first', async () => {
  const key = Buffer.from('\x02\x02n2old', 'latin1');
  await engine.write([{ kind: 'put', key, value: sealValue(crc32, key, encoded(1)) }], { sync: true });
  hints = await open();
  await add(n2, 'new', encoded(1));
  expect(hints.get(n2, bytes('old'))).toEqual({
    record: encoded(1),
    keptAtMicros: 0,
    receiverMark: 0,
    counted: true,
    madeHere: true,
    unsent: false,
  });
  expect(await list(n2, 10)).toEqual(['old', 'new']);
  await add(n2, 'old', encoded(2));
  expect(writes(n2, 'old')).toBe('1:1 2:1');
  expect(await list(n2, 10)).toEqual(['old', 'new']);
});

test('a place in the order whose hint a crash took is removed when it is met', async () => {
  await add(n2, 'a', encoded(1));
  await add(n2, 'b', encoded(1));
  await engine.write([{ kind: 'delete', key: Buffer.from('\x02\x02n2a', 'latin1') }], { sync: true });
  hints = await open();
  expect(await list(n2, 10)).toEqual(['b']);
  expect((await hints.oldest(n2, undefined, 10)).length).toBe(1);
});

test('a place that a crash took is made again, also where another is left without a hint', async () => {
  await add(n2, 'a', encoded(1));
  await add(n2, 'b', encoded(1));
  const [place] = await hints.oldest(n2, undefined, 1);
  expect(place?.recordKey).toEqual(bytes('a'));
  await engine.write(
    [
      { kind: 'delete', key: Buffer.from('\x02\x02n2b', 'latin1') },
      { kind: 'delete', key: orderKeyOf(n2, { keptAtMicros: now, recordKey: bytes('a') }) },
    ],
    { sync: true },
  );
  hints = await open();
  expect(await list(n2, 10)).toEqual(['a']);
});

async function list(target: NodeId, limit: number, after?: HintOrder): Promise<string[]> {
  const found: string[] = [];
  for (const place of await hints.oldest(target, after, limit)) {
    const hint = await hints.at(target, place);
    if (hint !== undefined) found.push(new TextDecoder().decode(hint.recordKey));
  }
  return found;
}

/** Entries that the engine holds. */
async function entryCount(): Promise<number> {
  let count = 0;
  for await (const _ of engine.entries({ from: Uint8Array.of(0), to: Uint8Array.of(0xff) })) count++;
  return count;
}

function bytes(content: string): Uint8Array {
  return new TextEncoder().encode(content);
}

test('hints that nobody counts leave a tenth of the room to those that are counted', async () => {
  await add(n2, 'k1', encoded(1, 1, 1_000));
  const bytesMax = hints.bytes * 10;
  hints = await open(bytesMax);
  for (let i = 2; i <= 20; i++) await add(n2, `k${i}`, encoded(1, 1, 1_000));
  expect([hints.targets().get(n2)?.count, hints.bytes <= 0.9 * bytesMax]).toEqual([9, true]);
  expect((await add(n3, 'k', encoded(1, 1, 900), { counted: true })).kind).toBe('stored');
  // What costs nothing more is still merged, and what does is not.
  expect((await add(n2, 'k1', encoded(1, 1, 1_000))).kind).toBe('stored');
  expect(await add(n2, 'k1', encoded(2, 1, 1))).toMatchObject({ kind: 'full' });
  expect((await add(n3, 'other', encoded(1, 1, 900), { counted: true })).kind).toBe('full');
  expect(hints.bytes <= bytesMax).toBe(true);
});

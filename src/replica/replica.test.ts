import { crc32 } from 'node:zlib';
import { expect, test } from 'vitest';
import { brokenDisk, ControlledEngine } from '../../test/support/controlled-engine.ts';
import type { Bucket } from '../core/bucket.ts';
import { contextOf } from '../core/causality/context-token.ts';
import type { Causality, WriteIntent } from '../core/causality/coordinated-write.ts';
import type { VersionedRecord } from '../core/causality/record.ts';
import { decodeRecord, encodeRecord } from '../core/causality/record-codec.ts';
import { descends } from '../core/causality/vector-clock.ts';
import { HybridClock } from '../core/hybrid-clock.ts';
import { nodeId, partitionId } from '../core/identity.ts';
import { systemEnv } from '../env/system-env.ts';
import { GroupCommit } from '../storage/group-commit.ts';
import { openIdentityStore } from '../storage/identity-store.ts';
import { RecordStore } from '../storage/record-store.ts';
import { sealValue } from '../storage/value-envelope.ts';
import { RecordCache } from './record-cache.ts';
import { type CoordinatedWrite, type PlacedKey, Replica } from './replica.ts';
import { RequestMemory } from './request-memory.ts';

const bucket: Bucket = {
  name: 'default',
  replication: 3,
  readLevel: 'quorum',
  writeLevel: 'quorum',
  durability: 'sync-quorum',
  handoff: 'strict',
  conflictPolicy: 'siblings',
  blindWrite: 'overwrite',
  siblingsWarn: 25,
  siblingsMax: 100,
  ttlMs: undefined,
  valueBytesMax: 1024,
};
const records = { from: Uint8Array.of(1), to: Uint8Array.of(2) };
const always = (): boolean => true;
const synced = { sync: true, forgetDamaged: false, mayBegin: always };
const repair = { sync: true, restoreDamaged: true };
const write = { sync: true, restoreDamaged: false };

interface Store {
  readonly engine: ControlledEngine;
  readonly replica: Replica;
  readonly requests: RequestMemory;
  epochsLeft: () => number;
}

async function openReplica(
  engine: ControlledEngine = new ControlledEngine(),
  // None: many of these tests change what the disk holds.
  cacheBytes = 0,
): Promise<Store> {
  const env = systemEnv();
  const commit = new GroupCommit({ engine, env });
  const shared = { engine, crc32, env, commit };
  const identity = await openIdentityStore(shared, {
    clusterId: 'test',
    nodeId: nodeId('n1'),
    partitionCount: 64,
    path: 'memory',
  });
  const wallMicros = (): number => env.clock.wallMicros();
  const requests = new RequestMemory(() => env.clock.monotonicMs(), { entriesMax: 100, windowMs: 60_000 });
  const replica = new Replica(
    {
      records: new RecordStore(shared),
      changes: { changed: () => undefined, isWalked: () => false },
      cache: new RecordCache(cacheBytes),
      // As the wiring does it.
      identity: {
        replica: identity.replicaId,
        epochFloor: identity.epochFloor,
        nextEpoch: () => identity.nextEpoch(),
        get epochsLeft() {
          return identity.epochsLeft;
        },
        ensureEpochs: () => identity.ensureEpochs(),
        markBufferedDots: () => identity.markBufferedDots(),
      },
      clock: new HybridClock(wallMicros, 0),
      requests,
      wallMicros,
    },
    { recordBytesMax: 64 * 1024 },
  );
  return { engine, replica, requests, epochsLeft: () => identity.epochsLeft };
}

function keyOf(name: string): PlacedKey {
  return { recordKey: Buffer.from(`default\0${name}`), partition: partitionId(1), bucket };
}

function intentOf(
  value: string | undefined,
  causality: Causality = { kind: 'blind', mode: 'overwrite' },
  request?: number,
): WriteIntent {
  return {
    value: value === undefined ? undefined : Buffer.from(value),
    causality,
    expiry: { kind: 'never' },
    requestId: request === undefined ? undefined : new Uint8Array(16).fill(request),
  };
}

const addSibling: Causality = { kind: 'blind', mode: 'add-sibling' };

function written(outcome: CoordinatedWrite): Extract<CoordinatedWrite, { kind: 'written' }> {
  if (outcome.kind !== 'written') throw new Error(`expected a version, and got ${outcome.kind}`);
  return outcome;
}

function stored(store: Store, key: PlacedKey): VersionedRecord {
  const read = store.replica.read(key);
  if (read.kind !== 'found') throw new Error(`expected a record, and got ${read.kind}`);
  return decodeRecord(read.record, crc32);
}

function valuesOf(record: VersionedRecord): readonly string[] {
  return record.versions.map(({ value }) => Buffer.from(value ?? []).toString()).sort();
}

test('writes to one key at once never share a dot, and none is lost', async () => {
  const store = await openReplica();
  const key = keyOf('hot');
  store.engine.hold();
  const all = Array.from({ length: 50 }, (_, i) =>
    store.replica.coordinate(key, intentOf(`v${i}`, addSibling), synced),
  );
  await new Promise((resolve) => setImmediate(resolve));
  store.engine.release();
  const dots = (await Promise.all(all)).map((outcome) => JSON.stringify(written(outcome).dot));
  expect(new Set(dots).size).toBe(50);
  expect(stored(store, key).versions.length).toBe(50);
});

test('merges and writes of one key in turn lose nothing', async () => {
  const [store, peer] = await Promise.all([openReplica(), openReplica()]);
  const key = keyOf('k');
  const theirs = written(await peer.replica.coordinate(key, intentOf('theirs', addSibling), synced));
  await Promise.all([
    store.replica.coordinate(key, intentOf('a', addSibling), synced),
    store.replica.merge(key, theirs.bytes, write),
    store.replica.coordinate(key, intentOf('b', addSibling), synced),
  ]);
  expect(valuesOf(stored(store, key))).toEqual(['a', 'b', 'theirs']);
});

test('a record for a key of which nothing is held is stored byte for byte', async () => {
  const [store, peer] = await Promise.all([openReplica(), openReplica()]);
  const key = keyOf('k');
  const { bytes } = written(await peer.replica.coordinate(key, intentOf('v'), synced));
  expect(await store.replica.merge(key, bytes, write)).toEqual({
    kind: 'merged',
    changed: true,
    synced: true,
  });
  const read = store.replica.read(key);
  expect(read.kind === 'found' && Buffer.compare(read.record, bytes)).toBe(0);
});

test('what is there already is written again only where the disk is asked for', async () => {
  const [store, peer] = await Promise.all([openReplica(), openReplica()]);
  const key = keyOf('k');
  const { bytes } = written(await peer.replica.coordinate(key, intentOf('v'), synced));
  await store.replica.merge(key, bytes, { sync: false, restoreDamaged: false });
  const before = store.engine.writes;
  expect(await store.replica.merge(key, bytes, { sync: false, restoreDamaged: false })).toEqual({
    kind: 'merged',
    changed: false,
    synced: false,
  });
  expect(store.engine.writes).toBe(before);
  expect(await store.replica.merge(key, bytes, write)).toEqual({
    kind: 'merged',
    changed: false,
    synced: true,
  });
  expect(store.engine.writes).toBe(before + 1);
});

test('bytes that are no record are refused by a rejection, not by an exception', async () => {
  const { replica } = await openReplica();
  const merged = replica.merge(keyOf('k'), Buffer.from('no record'), write);
  await expect(merged).rejects.toThrow(/format/);
});

for (const [what, change] of [
  ['fails its checksum', (value: Uint8Array) => value.with(0, (value[0] as number) ^ 1)],
  [
    'passes its checksum and is no record',
    (_: Uint8Array, key: Uint8Array) => sealValue(crc32, key, Buffer.from('something else')),
  ],
] as const) {
  test(`a stored record that ${what} is damaged, to everybody`, async () => {
    const [store, peer] = await Promise.all([openReplica(), openReplica()]);
    const key = keyOf('k');
    written(await store.replica.coordinate(key, intentOf('mine', addSibling, 7), synced));
    const theirs = written(await peer.replica.coordinate(key, intentOf('theirs'), synced));
    expect(await store.engine.replace(records, change)).toBe(1);

    expect(await store.replica.coordinate(key, intentOf('v'), synced)).toEqual({ kind: 'damaged' });
    expect(store.replica.findWrite(key, new Uint8Array(16).fill(7))).toEqual({ kind: 'damaged' });
    // One coordinator's record is not all that was acknowledged here.
    expect(await store.replica.merge(key, theirs.bytes, write)).toEqual({ kind: 'damaged' });
    expect(await store.replica.merge(key, theirs.bytes, repair)).toMatchObject({
      kind: 'merged',
      changed: true,
    });
    expect(valuesOf(stored(store, key))).toEqual(['theirs']);
  });
}

test('what was forgotten with a damaged record is not counted on from', async () => {
  const store = await openReplica();
  const key = keyOf('k');
  const before = written(await store.replica.coordinate(key, intentOf('v', addSibling, 7), synced));
  await store.engine.replace(records, (value) => value.with(0, 0xff));
  const after = written(
    await store.replica.coordinate(key, intentOf('w', addSibling), { ...synced, forgetDamaged: true }),
  );
  expect(after.dot.epoch).toBeGreaterThan(before.dot.epoch);
  // The first write is gone, so its retry must not be answered as if it were there.
  const retried = written(await store.replica.coordinate(key, intentOf('v', addSibling, 7), synced));
  expect(retried.replayed).toBe(false);
  expect(valuesOf(retried.record)).toEqual(['v', 'w']);
});

test('what memory holds and the disk has damaged since is written again before it is acknowledged again', async () => {
  const [store, peer] = await Promise.all([openReplica(undefined, 2 ** 20), openReplica()]);
  const buffered = { sync: false, forgetDamaged: false, mayBegin: () => true };
  const rot = (): Promise<number> => store.engine.replace(records, (value) => value.with(0, 0xff));
  const retried = keyOf('retried');
  const first = written(await store.replica.coordinate(retried, intentOf('v', addSibling, 7), buffered));
  expect(await rot()).toBe(1);
  const second = written(await store.replica.coordinate(retried, intentOf('v', addSibling, 7), buffered));
  expect([second.replayed, second.dot]).toEqual([true, first.dot]);
  expect(store.replica.isDamaged(retried)).toBe(false);

  const sent = keyOf('sent');
  const { bytes } = written(await peer.replica.coordinate(sent, intentOf('w'), synced));
  await store.replica.merge(sent, bytes, { sync: false, restoreDamaged: false });
  expect(await rot()).toBe(2);
  const merged = await store.replica.merge(sent, bytes, { sync: false, restoreDamaged: false });
  expect(merged).toEqual({ kind: 'merged', changed: false, synced: false });
  expect(store.replica.isDamaged(sent)).toBe(false);
  expect(valuesOf(stored(store, sent))).toEqual(['w']);
});

test('a retry of a buffered write brings it to the disk', async () => {
  const store = await openReplica();
  const key = keyOf('k');
  const first = written(
    await store.replica.coordinate(key, intentOf('v', addSibling, 7), { ...synced, sync: false }),
  );
  const before = store.engine.syncedWrites;
  const second = written(await store.replica.coordinate(key, intentOf('v', addSibling, 7), synced));
  expect([second.replayed, second.dot]).toEqual([true, first.dot]);
  expect(store.engine.syncedWrites).toBe(before + 1);
});

test('a retry of a write that was superseded since is not written again', async () => {
  const store = await openReplica();
  const key = keyOf('k');
  const first = written(await store.replica.coordinate(key, intentOf('v', addSibling, 7), synced));
  const context = { kind: 'context', context: contextOf(first.record), exact: false } as const;
  await store.replica.coordinate(key, intentOf('w', context), synced);
  const retried = written(await store.replica.coordinate(key, intentOf('v', addSibling, 7), synced));
  expect([retried.replayed, retried.dot, valuesOf(retried.record)]).toEqual([true, first.dot, ['w']]);
  // A later last-write-wins write with this context must come after the write that it saw.
  expect(retried.context.writtenAt).toBe(first.context.writtenAt);
  const other = await store.replica.coordinate(key, intentOf('other', addSibling, 7), synced);
  expect(other).toMatchObject({ kind: 'refused', why: 'request-id-reused' });
});

test('a write is known by its request id only once it is stored', async () => {
  const store = await openReplica();
  const key = keyOf('k');
  const requestId = new Uint8Array(16).fill(7);
  store.engine.hold();
  const writing = store.replica.coordinate(key, intentOf('v', addSibling, 7), synced);
  await new Promise((resolve) => setImmediate(resolve));
  expect(store.replica.findWrite(key, requestId)).toEqual({ kind: 'unseen' });
  store.engine.release();
  const { dot } = written(await writing);
  expect(store.replica.findWrite(key, requestId)).toEqual({ kind: 'found', dot });
});

test('a disk that fails before the write, and one that fails in it', async () => {
  const before = await openReplica();
  before.engine.failure = brokenDisk();
  expect(await before.replica.coordinate(keyOf('k'), intentOf('v'), synced)).toMatchObject({
    kind: 'storage-failed',
    begun: false,
  });

  const during = await openReplica();
  during.engine.hold();
  const writing = during.replica.coordinate(keyOf('k'), intentOf('v'), synced);
  await new Promise((resolve) => setImmediate(resolve));
  during.engine.failure = brokenDisk();
  during.engine.release();
  expect(await writing).toMatchObject({ kind: 'storage-failed', begun: true });
  await expect(during.replica.merge(keyOf('k'), new Uint8Array(), write)).rejects.toThrow();
  expect(() => during.replica.findWrite(keyOf('k'), new Uint8Array(16))).toThrow(/disk is broken/);
});

test('deletion drops the record: a deleted key keeps its deletion, and what a replica had missed does not bring it back', async () => {
  const store = await openReplica();
  const key = keyOf('k');
  const old = written(await store.replica.coordinate(key, intentOf('old'), synced));
  const gone = written(await store.replica.coordinate(key, intentOf(undefined), synced));
  expect(stored(store, key)).toEqual(gone.record);
  expect(gone.record.versions).toMatchObject([{ dot: gone.dot, value: undefined }]);
  // From a replica that was down when it was deleted.
  expect(await store.replica.merge(key, old.bytes, repair)).toMatchObject({ changed: false });
  expect(stored(store, key)).toEqual(gone.record);
  // Likewise where the deletion came from another replica.
  const other = await openReplica();
  await other.replica.merge(key, gone.bytes, write);
  await other.replica.merge(key, old.bytes, repair);
  expect(stored(other, key)).toEqual(gone.record);
});

test('buffered dots not marked: what an unclean end may have taken is never counted on from', async () => {
  const key = keyOf('k');
  for (const sync of [true, false]) {
    const engine = new ControlledEngine();
    const first = await openReplica(engine);
    const { dot } = written(await first.replica.coordinate(key, intentOf('x'), { ...synced, sync }));
    // The same engine again, without a clean end: the process was killed, or the power failed.
    const second = await openReplica(engine);
    const next = written(await second.replica.coordinate(key, intentOf('y'), synced));
    expect(next.dot.replica).toBe(dot.replica);
    if (sync) expect(next.dot).toEqual({ ...dot, counter: dot.counter + 1 });
    else expect(next.dot.epoch).toBeGreaterThan(dot.epoch);
  }
});

test('a write that nobody waits for any more is not begun', async () => {
  const store = await openReplica();
  const before = store.engine.writes;
  const outcome = await store.replica.coordinate(keyOf('k'), intentOf('v'), {
    ...synced,
    mayBegin: () => false,
  });
  expect(outcome).toEqual({ kind: 'abandoned' });
  expect(store.engine.writes).toBe(before);
});

test('more new keys at once than epochs are leased all get one', async () => {
  const store = await openReplica();
  // While the disk holds back the next lease, this burst finds the last epochs together.
  store.engine.hold();
  const burst = store.epochsLeft() + 100;
  const all = Array.from({ length: burst }, (_, i) =>
    store.replica.coordinate(keyOf(`k${i}`), intentOf('v'), synced),
  );
  await new Promise((resolve) => setImmediate(resolve));
  store.engine.release();
  const epochs = (await Promise.all(all)).map((outcome) => written(outcome).dot.epoch);
  expect(new Set(epochs).size).toBe(burst);
});

test('a replica that is told of its own forgotten writes opens a new epoch', async () => {
  const [store, peer] = await Promise.all([openReplica(), openReplica()]);
  const key = keyOf('k');
  const first = written(await store.replica.coordinate(key, intentOf('v'), synced));
  await peer.replica.merge(key, first.bytes, write);
  await store.engine.replace(records, (value) => value.with(0, 0xff));
  const theirs = peer.replica.read(key);
  if (theirs.kind !== 'found') throw new Error('the peer has it');
  await store.replica.merge(key, theirs.record, repair);
  const restored = stored(store, key);
  expect(descends(restored.clock, first.record.clock)).toBe(true);
  const next = written(await store.replica.coordinate(key, intentOf('w'), synced));
  expect(next.dot.epoch).toBeGreaterThan(first.dot.epoch);
  expect(encodeRecord(next.record, crc32)).toEqual(next.bytes);
});

test('the memory of request ids keeps the smallest dot, for its window and within its bound', () => {
  let nowMs = 0;
  const memory = new RequestMemory(() => nowMs, { entriesMax: 2, windowMs: 100 });
  const id = (n: number): Uint8Array => new Uint8Array(16).fill(n);
  const { recordKey } = keyOf('k');
  const dotOf = (counter: number) => ({ replica: 1 as never, epoch: 1, counter });
  memory.remember(recordKey, id(1), { dot: dotOf(2), fingerprint: 'a', writtenAt: 1 });
  memory.remember(recordKey, id(1), { dot: dotOf(1), fingerprint: 'a', writtenAt: 1 });
  memory.remember(recordKey, id(1), { dot: dotOf(3), fingerprint: 'a', writtenAt: 1 });
  expect(memory.find(recordKey, id(1))?.dot.counter).toBe(1);
  expect(memory.find(keyOf('other').recordKey, id(1))).toBeUndefined();
  nowMs = 50;
  memory.remember(recordKey, id(2), { dot: dotOf(4), fingerprint: 'a', writtenAt: 1 });
  memory.remember(recordKey, id(3), { dot: dotOf(5), fingerprint: 'a', writtenAt: 1 });
  expect([memory.size, memory.find(recordKey, id(1))]).toEqual([2, undefined]);
  nowMs = 151;
  expect(memory.find(recordKey, id(2))).toBeUndefined();
});

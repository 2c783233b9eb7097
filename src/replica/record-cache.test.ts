import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { MalformedError } from '../core/binary.ts';
import type { Version, VersionedRecord } from '../core/causality/record.ts';
import { decodeRecord, encodeRecord } from '../core/causality/record-codec.ts';
import { partitionId, replicaId } from '../core/identity.ts';
import { EngineError } from '../storage/engine.ts';
import type { StoredRead } from '../storage/record-store.ts';
import { PendingRecords, type Records } from './pending-records.ts';
import { CachedRecord, RecordCache } from './record-cache.ts';

const p1 = partitionId(1);
const bucket = { replication: 3 };

function recordOf(counter: number): VersionedRecord {
  const dot = { replica: replicaId(7), epoch: 1, counter };
  const value = Uint8Array.of(counter);
  const version = { dot, clock: [], value, writtenAt: 1, expiresAt: undefined, requestId: undefined };
  return { clock: [dot], versions: [version] };
}

/** A disk that applies and confirms writes when it is told to, in order; they can be seen from when they are applied. */
class Disk implements Records {
  failure: EngineError | undefined = undefined;
  readonly #stored = new Map<string, Uint8Array>();
  readonly #queue: {
    readonly apply: () => void;
    readonly resolve: () => void;
    readonly reject: (error: EngineError) => void;
  }[] = [];
  #applied = 0;
  reads = 0;
  isDamaged = false;
  isWalked = false;

  read(_partition: number, key: Uint8Array): StoredRead {
    this.reads++;
    if (this.failure !== undefined) throw this.failure;
    if (this.isDamaged) return { kind: 'damaged' };
    const record = this.#stored.get(String(key));
    return record === undefined ? { kind: 'absent' } : { kind: 'found', record: new Uint8Array(record) };
  }

  /** What a look at the files would find. */
  counterOf(key: string): number {
    const record = this.#stored.get(key);
    return record === undefined ? 0 : (decodeRecord(record, crc32).clock[0]?.counter ?? -1);
  }

  lose(key: string): void {
    this.#stored.delete(key);
  }

  write(_partition: number, key: Uint8Array, record: Uint8Array): Promise<void> {
    return this.#enqueue(() => this.#stored.set(String(key), new Uint8Array(record)));
  }

  remove(_partition: number, key: Uint8Array): Promise<void> {
    return this.#enqueue(() => this.#stored.delete(String(key)));
  }

  #enqueue(apply: () => void): Promise<void> {
    return new Promise((resolve, reject) => this.#queue.push({ apply, resolve, reject }));
  }

  apply(): void {
    this.#queue[this.#applied]?.apply();
    if (this.#applied < this.#queue.length) this.#applied++;
  }

  async confirm(): Promise<void> {
    if (this.#applied === 0) this.apply();
    this.#applied = Math.max(0, this.#applied - 1);
    this.#queue.shift()?.resolve();
    await new Promise((resolve) => setImmediate(resolve));
  }

  async fail(): Promise<void> {
    this.failure = new EngineError('io-error', 'no space');
    for (const { reject } of this.#queue.splice(0)) reject(this.failure);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

function pendingOf(disk: Disk, cache = new RecordCache(2 ** 20)): PendingRecords {
  return new PendingRecords(disk, { changed: () => undefined, isWalked: () => disk.isWalked }, cache);
}

function put(pending: PendingRecords, key: string, counter: number): Promise<void> {
  const recordKey = Buffer.from(key);
  const record = recordOf(counter);
  const current = pending.current(p1, recordKey);
  const bytes = encodeRecord(record, crc32);
  return pending.write({ recordKey, partition: p1, bucket }, current, record, bytes, { sync: true });
}

function counterOf(pending: PendingRecords, key: string): number {
  const read = pending.read(p1, Buffer.from(key));
  return read.kind === 'found' ? (read.decoded.clock[0]?.counter ?? -1) : 0;
}

test('the disk is asked once for a key that is not written to, and not at all for what was just stored', async () => {
  const disk = new Disk();
  const pending = pendingOf(disk);
  void put(pending, 'a', 1);
  await disk.confirm();
  const before = disk.reads;
  expect([counterOf(pending, 'a'), counterOf(pending, 'a'), disk.reads - before]).toEqual([1, 1, 0]);
  // Another life: nothing is remembered, everything is on the disk.
  const again = pendingOf(disk);
  expect([counterOf(again, 'a'), counterOf(again, 'a'), disk.reads - before]).toEqual([1, 1, 1]);
});

test('reads of one key never go back and agree with the disk, whatever is under way', async () => {
  const key = fc.constantFrom('a', 'b');
  const step = fc.oneof(
    {
      weight: 3,
      arbitrary: fc.record({ kind: fc.constantFrom('put', 'read', 'read', 'remove', 'drop'), key }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('apply', 'confirm'), key }) },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60, size: 'max' }), async (steps) => {
      const disk = new Disk();
      const cache = new RecordCache(2 ** 20);
      const pending = pendingOf(disk, cache);
      const seen: Record<string, number> = {};
      let counter = 0;
      for (const { kind, key: name } of steps) {
        const recordKey = Buffer.from(name);
        if (kind === 'put') void put(pending, name, ++counter);
        else if (kind === 'remove') {
          const removed = pending.remove({ recordKey, partition: p1, bucket }, () => true);
          if (removed.kind === 'removed') seen[name] = 0;
        } else if (kind === 'apply') disk.apply();
        else if (kind === 'confirm') await disk.confirm();
        else if (kind === 'drop') cache.delete(name);
        else {
          const now = counterOf(pending, name);
          if (now !== 0) {
            expect(now).toBeGreaterThanOrEqual(seen[name] ?? 0);
            seen[name] = now;
          }
          expect(now).toBe(disk.counterOf(name));
        }
      }
    }),
    { numRuns: 300 },
  );
});

test('after a failed write nothing is read from memory either, and what was not stored is not in it', async () => {
  const disk = new Disk();
  const cache = new RecordCache(2 ** 20);
  const pending = pendingOf(disk, cache);
  for (const key of ['a', 'b']) {
    void put(pending, key, 1);
    await disk.confirm();
  }
  put(pending, 'a', 2).catch(() => undefined);
  await disk.fail();
  const { reads } = disk;
  for (const key of ['a', 'b']) expect(() => counterOf(pending, key)).toThrow('no space');
  expect([disk.reads, cache.get('a'), cache.get('b')]).toEqual([reads, undefined, expect.anything()]);
});

test('what is on the disk is read, whatever memory holds: for comparisons, and for writes while the partition is read as a whole', async () => {
  const disk = new Disk();
  const pending = pendingOf(disk);
  void put(pending, 'a', 1);
  await disk.confirm();
  const recordKey = Buffer.from('a');
  expect(counterOf(pending, 'a')).toBe(1);
  disk.lose('a');
  expect(counterOf(pending, 'a')).toBe(1);
  expect(pending.readDisk(p1, recordKey)).toEqual({ kind: 'absent' });
  // Nor is what was lost there again for the write that follows.
  expect(pending.current(p1, recordKey)).toEqual({ kind: 'absent' });

  void put(pending, 'a', 2);
  await disk.confirm();
  disk.isDamaged = true;
  expect(pending.current(p1, recordKey).kind).toBe('found');
  disk.isWalked = true;
  expect(pending.current(p1, recordKey)).toEqual({ kind: 'damaged' });
});

test('a record is given up only while it is damaged on the disk', async () => {
  const disk = new Disk();
  const pending = pendingOf(disk);
  void put(pending, 'a', 1);
  await disk.confirm();
  const place = { recordKey: Buffer.from('a'), partition: p1, bucket };
  expect(pending.removeDamaged(place)).toBe(false);
  disk.isDamaged = true;
  expect(pending.removeDamaged(place)).toBe(true);
  // On its way already.
  expect(pending.removeDamaged(place)).toBe(false);
  disk.isDamaged = false;
  await disk.confirm();
  expect(pending.read(p1, place.recordKey)).toEqual({ kind: 'absent' });
});

test('siblings are not kept as objects, which would take many times their bytes', () => {
  const one = new CachedRecord(encodeRecord(recordOf(1), crc32));
  expect(one.decoded).toBe(one.decoded);
  const dots = [1, 2].map((id) => ({ replica: replicaId(id), epoch: 1, counter: 1 }));
  const versions = dots.map((dot) => ({ ...(recordOf(1).versions[0] as Version), dot }));
  const two = new CachedRecord(encodeRecord({ clock: dots, versions }, crc32));
  expect(two.decoded.versions).toHaveLength(2);
  expect(two.decoded).not.toBe(two.decoded);
});

test('what is removed for good is looked at on the disk: one that is damaged there is kept', async () => {
  const disk = new Disk();
  const pending = pendingOf(disk);
  void put(pending, 'a', 1);
  await disk.confirm();
  expect(counterOf(pending, 'a')).toBe(1);
  disk.isDamaged = true;
  const place = { recordKey: Buffer.from('a'), partition: p1, bucket };
  expect(pending.remove(place, () => true)).toEqual({ kind: 'kept' });
  expect(pending.read(p1, place.recordKey)).toEqual({ kind: 'damaged' });
});

test('a frame that a record came in may change afterwards', async () => {
  const disk = new Disk();
  const pending = pendingOf(disk);
  const frame = encodeRecord(recordOf(3), crc32);
  const recordKey = Buffer.from('a');
  const place = { recordKey, partition: p1, bucket };
  void pending.write(place, { kind: 'absent' }, recordOf(3), frame, { sync: true });
  await disk.confirm();
  frame.fill(0);
  expect(counterOf(pending, 'a')).toBe(3);
});

test('what is asked for stays, the rest is forgotten within the bound; large records are not kept', () => {
  const cache = new RecordCache(64 * 1024);
  cache.set('asked for', new CachedRecord(new Uint8Array(100)));
  for (let i = 0; i < 1_000; i++) {
    cache.set(`key-${i}`, new CachedRecord(new Uint8Array(100)));
    expect(cache.get('asked for')).toBeDefined();
    expect(cache.bytes).toBeLessThanOrEqual(64 * 1024);
  }
  expect(cache.get('key-1')).toBeUndefined();
  expect(cache.get('key-999')).toBeDefined();
  cache.set('large', new CachedRecord(new Uint8Array(10_000)));
  expect(cache.get('large')).toBeUndefined();
  const off = new RecordCache(0);
  off.set('a', new CachedRecord(new Uint8Array(1)));
  expect([off.get('a'), off.bytes]).toEqual([undefined, 0]);
  expect(() => new CachedRecord(Uint8Array.of(1, 2, 3)).decoded).toThrow(MalformedError);
});

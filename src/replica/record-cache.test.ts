import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { MalformedError } from '../core/binary.ts';
import type { VersionedRecord } from '../core/causality/record.ts';
import { encodeRecord } from '../core/causality/record-codec.ts';
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

  read(_partition: number, key: Uint8Array): StoredRead {
    this.reads++;
    if (this.failure !== undefined) throw this.failure;
    const record = this.#stored.get(String(key));
    return record === undefined ? { kind: 'absent' } : { kind: 'found', record: new Uint8Array(record) };
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
  return new PendingRecords(disk, { changed: () => undefined }, cache);
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

test('reads of one key never go back, whatever is under way: as they would not without a cache', async () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constantFrom('put', 'read', 'remove'), key: fc.constantFrom('a', 'b') }),
    fc.record({ kind: fc.constantFrom('apply', 'confirm', 'drop') }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const disk = new Disk();
      // So small that it forgets now and then.
      const cache = new RecordCache(40_000);
      const pending = pendingOf(disk, cache);
      const seen: Record<string, number> = {};
      let counter = 0;
      for (const each of steps) {
        if (each.kind === 'put' && 'key' in each) void put(pending, each.key, ++counter);
        else if (each.kind === 'remove' && 'key' in each) {
          const removed = pending.remove(
            { recordKey: Buffer.from(each.key), partition: p1, bucket },
            () => true,
          );
          if (removed.kind === 'removed') seen[each.key] = 0;
        } else if (each.kind === 'apply') disk.apply();
        else if (each.kind === 'confirm') await disk.confirm();
        else if (each.kind === 'drop') cache.delete('a');
        else if ('key' in each) {
          const now = counterOf(pending, each.key);
          const disks = disk.read(p1, Buffer.from(each.key));
          if (now !== 0) {
            expect(now).toBeGreaterThanOrEqual(seen[each.key] ?? 0);
            seen[each.key] = now;
          }
          // What is not being written is the same in memory and on the disk.
          if (!pending.has(Buffer.from(each.key))) expect(now === 0).toBe(disks.kind === 'absent');
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
  void put(pending, 'a', 1);
  await disk.confirm();
  put(pending, 'a', 2).catch(() => undefined);
  await disk.fail();
  expect(() => counterOf(pending, 'a')).toThrow('no space');
  expect(cache.get('a')).toBeUndefined();
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

import { crc32 } from 'node:zlib';
import { beforeEach, describe, expect, test } from 'vitest';
import { partitionId } from '../core/identity.ts';
import { systemEnv } from '../env/system-env.ts';
import { EngineError, type EngineOperation, type StorageEngine } from './engine.ts';
import { type CommittedBatch, GroupCommit } from './group-commit.ts';
import { openMemoryEngine } from './memory.ts';
import { RecordStore } from './record-store.ts';

const env = systemEnv();
const p7 = partitionId(7);
const synced = { sync: true };
const buffered = { sync: false };

/** A memory engine whose writes wait until they are let through, and can be made to fail. */
class GatedEngine {
  readonly writes: { readonly operations: readonly EngineOperation[]; readonly sync: boolean }[] = [];
  readonly inner: StorageEngine = openMemoryEngine();
  #waiting: { go: () => void; fail: (error: EngineError) => void }[] = [];
  readonly engine: StorageEngine = Object.assign(Object.create(this.inner) as StorageEngine, {
    get: (key: Uint8Array) => this.inner.get(key),
    entries: (range: { from: Uint8Array; to: Uint8Array }) => this.inner.entries(range),
    write: async (operations: readonly EngineOperation[], options: { readonly sync: boolean }) => {
      this.writes.push({ operations, sync: options.sync });
      await new Promise<void>((go, fail) => this.#waiting.push({ go, fail }));
      await this.inner.write(operations, options);
    },
  });

  /** Waits for the next write and lets it through, or fails it. */
  async next(error?: EngineError): Promise<void> {
    while (this.#waiting.length === 0) await tick();
    const one = this.#waiting.shift();
    if (error === undefined) one?.go();
    else one?.fail(error);
  }
}

describe('records', () => {
  let engine: StorageEngine;
  let store: RecordStore;
  beforeEach(() => {
    engine = openMemoryEngine();
    store = new RecordStore({ engine, crc32, env });
  });

  test('a record is found under its partition and key, and nowhere else', async () => {
    await store.write(p7, bytes('b\0k'), bytes('record'), synced);
    expect(store.read(p7, bytes('b\0k'))).toEqual({ kind: 'found', record: bytes('record') });
    expect(store.read(partitionId(8), bytes('b\0k'))).toEqual({ kind: 'absent' });
    expect(store.read(p7, bytes('b\0k2'))).toEqual({ kind: 'absent' });
  });

  test('the engine key is 01, the partition big-endian, the record key; this may not change', async () => {
    await store.write(partitionId(0x1234), bytes('b\0k'), bytes('r'), synced);
    const entries: string[] = [];
    for await (const [key, value] of engine.entries({ from: Uint8Array.of(0), to: Uint8Array.of(0xff) })) {
      entries.push(`${Buffer.from(key).toString('hex')} ${Buffer.from(value).toString('hex')}`);
    }
    const sum = crc32(Buffer.from('01123462006b72', 'hex')).toString(16).padStart(8, '0');
    expect(entries).toEqual([`01123462006b 72${sum}`]);
  });

  test('every flipped bit of a stored value is damage, reported with the record key', async () => {
    await store.write(p7, bytes('b\0k'), bytes('record'), synced);
    const key = Buffer.from('\x01\x00\x07b\0k', 'latin1');
    const value = engine.get(key) as Uint8Array;
    const reported: string[] = [];
    store.onDamaged((recordKey) => reported.push(Buffer.from(recordKey).toString()));
    for (let bit = 0; bit < value.length * 8; bit++) {
      const flipped = value.slice();
      flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7));
      await engine.write([{ kind: 'put', key, value: flipped }], synced);
      expect(store.read(p7, bytes('b\0k'))).toEqual({ kind: 'damaged' });
    }
    expect(store.damagedReads).toBe(value.length * 8);
    expect(reported).toEqual(Array.from({ length: value.length * 8 }, () => 'b\0k'));
    await store.write(p7, bytes('b\0k'), bytes('repaired'), synced);
    expect(store.read(p7, bytes('b\0k')).kind).toBe('found');
  });

  test.each([0, 1, 3])('a value cut to %s bytes is damage', async (length) => {
    const key = Buffer.from('\x01\x00\x07k', 'latin1');
    await engine.write([{ kind: 'put', key, value: new Uint8Array(length) }], synced);
    expect(store.read(p7, bytes('k'))).toEqual({ kind: 'damaged' });
  });

  test('an intact record under the wrong key is damage', async () => {
    await store.write(p7, bytes('a'), bytes('of a'), synced);
    const value = engine.get(Buffer.from('\x01\x00\x07a', 'latin1')) as Uint8Array;
    await engine.write([{ kind: 'put', key: Buffer.from('\x01\x00\x07b', 'latin1'), value }], synced);
    expect(store.read(p7, bytes('b'))).toEqual({ kind: 'damaged' });
  });

  test('the entries of a partition are its own, in order, damaged ones included', async () => {
    for (const partition of [0, 6, 7, 8, 255, 256, 65_535]) {
      for (const name of ['b', 'a', 'c']) {
        await store.write(partitionId(partition), bytes(name), bytes(`${partition}${name}`), buffered);
      }
    }
    await engine.write(
      [{ kind: 'put', key: Buffer.from('\x01\x00\x07b', 'latin1'), value: bytes('bad') }],
      synced,
    );
    const listed: string[] = [];
    for (const partition of [7, 65_535]) {
      for await (const [recordKey, read] of store.entries(partitionId(partition))) {
        const record = read.kind === 'found' ? Buffer.from(read.record).toString() : read.kind;
        listed.push(`${Buffer.from(recordKey).toString()}=${record}`);
      }
    }
    expect(listed).toEqual(['a=7a', 'b=damaged', 'c=7c', 'a=65535a', 'b=65535b', 'c=65535c']);
  });

  test('an engine that cannot read throws: that is not absence', () => {
    const failing = Object.assign(Object.create(engine) as StorageEngine, {
      get: () => {
        throw new EngineError('io-error', 'read failed');
      },
    });
    expect(() => new RecordStore({ engine: failing, crc32, env }).read(p7, bytes('k'))).toThrow(
      'read failed',
    );
  });
});

describe('group commit', () => {
  test('what is queued during one batch is the next; a synced write makes its batch a synced one', async () => {
    const gate = new GatedEngine();
    const store = new RecordStore({ engine: gate.engine, crc32, env });
    const first = [
      store.write(p7, bytes('1'), bytes('x'), buffered),
      store.write(p7, bytes('2'), bytes('x'), buffered),
    ];
    while (gate.writes.length === 0) await tick();
    const second = [
      store.write(p7, bytes('3'), bytes('x'), buffered),
      store.write(p7, bytes('4'), bytes('x'), synced),
      store.write(p7, bytes('5'), bytes('x'), buffered),
    ];
    await gate.next();
    await Promise.all(first);
    await gate.next();
    await Promise.all(second);
    expect(gate.writes.map(({ operations, sync }) => [operations.length, sync])).toEqual([
      [2, false],
      [3, true],
    ]);
  });

  test('no write resolves before its batch is written', async () => {
    const gate = new GatedEngine();
    const store = new RecordStore({ engine: gate.engine, crc32, env });
    let done = false;
    const write = store.write(p7, bytes('1'), bytes('x'), synced).then(() => {
      done = true;
    });
    while (gate.writes.length === 0) await tick();
    for (let i = 0; i < 20; i++) await tick();
    expect(done).toBe(false);
    await gate.next();
    await write;
  });

  test('batches are bounded in operations and bytes, and written in order', async () => {
    const observed: CommittedBatch[] = [];
    const engine = openMemoryEngine();
    const commit = new GroupCommit(
      { engine, env, observe: (batch) => observed.push(batch) },
      { batchOperationsMax: 4, batchBytesMax: 1000 },
    );
    const store = new RecordStore({ engine, crc32, env, commit });
    const done: number[] = [];
    await Promise.all(
      [10, 10, 10, 10, 10, 900, 900, 5000, 10].map((length, index) =>
        store
          .write(p7, bytes('same key'), new Uint8Array(length).fill(index), synced)
          .then(() => done.push(index)),
      ),
    );
    expect(observed.map((batch) => batch.operations)).toEqual([4, 3, 1, 1]);
    expect(observed.every((batch) => batch.sync && batch.seconds >= 0)).toBe(true);
    expect(done).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
    expect(store.read(p7, bytes('same key'))).toEqual({ kind: 'found', record: new Uint8Array(10).fill(8) });
    expect(commit.queuedBytes).toBe(0);
  });

  test('the first failure refuses everything: the batch, the queue, later writes, and reads', async () => {
    const gate = new GatedEngine();
    const store = new RecordStore({ engine: gate.engine, crc32, env });
    const heard: EngineError[] = [];
    store.onFailure((error) => heard.push(error));
    const before = store.write(p7, bytes('before'), bytes('x'), synced);
    await gate.next();
    await before;
    const failing = store.write(p7, bytes('1'), bytes('x'), synced);
    while (gate.writes.length < 2) await tick();
    const queued = store.write(p7, bytes('2'), bytes('x'), buffered);
    const error = new EngineError('disk-full', 'no room');
    void gate.next(error);
    await expect(failing).rejects.toBe(error);
    await expect(queued).rejects.toBe(error);
    await expect(store.write(p7, bytes('3'), bytes('x'), synced)).rejects.toBe(error);
    expect(() => store.read(p7, bytes('before'))).toThrow(error);
    expect(store.failure).toBe(error);
    expect(heard).toEqual([error]);
    expect(gate.writes).toHaveLength(2);
    store.onFailure((late) => heard.push(late));
    expect(heard).toEqual([error, error]);
  });
});

function tick(): Promise<void> {
  return new Promise((resolve) => env.timers.endOfTick(resolve));
}

function bytes(content: string): Uint8Array {
  return new TextEncoder().encode(content);
}

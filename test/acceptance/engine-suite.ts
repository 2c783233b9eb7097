/** What every storage engine must do, whoever implements it (src/storage/engine.ts). Called by engines.test.ts for each. */

import { type ChildProcess, fork } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { compareBytes } from '../../src/core/bytes.ts';
import type { EngineKind, EngineOperation, OpenEngine, StorageEngine } from '../../src/storage/engine.ts';
import { EngineError } from '../../src/storage/engine.ts';
import type { EngineProcessOrder, EngineProcessReport } from './engine-process.ts';

const all = { from: Uint8Array.of(0), to: Uint8Array.of(0xff, 0xff, 0xff) };

/** Declares the suite for one kind of engine; `persistent` adds what only an engine with a disk can do. */
export function engineSuite(
  kind: EngineKind,
  openEngine: OpenEngine,
  options: { readonly persistent: boolean },
): void {
  describe(kind, () => {
    let path: string;
    let engine: StorageEngine;

    beforeEach(async () => {
      path = await mkdtemp(join(tmpdir(), 'kindred-engine-'));
      engine = await openEngine({ kind, path });
    });
    afterEach(async () => {
      await engine.close();
      await rm(path, { recursive: true, force: true });
    });

    test('a key that was never written is absent', () => {
      expect(engine.get(bytes('nothing'))).toBeUndefined();
    });

    test.each([true, false])(
      'a written value is read back, a deleted one is absent (sync %s)',
      async (sync) => {
        await engine.write([put('a', 'first')], { sync });
        expect(text(engine.get(bytes('a')))).toBe('first');
        await engine.write([put('a', 'second')], { sync });
        expect(text(engine.get(bytes('a')))).toBe('second');
        await engine.write([remove('a'), remove('never there')], { sync });
        expect(engine.get(bytes('a'))).toBeUndefined();
      },
    );

    test('keys are ordered by unsigned bytes, with 0x00 and 0xff anywhere in them', async () => {
      const keys = [[0], [0, 0], [0, 0xff], [1], [1, 0], [0x7f], [0x80], [0xff], [0xff, 0], [0xff, 0xff]].map(
        (key) => Uint8Array.from(key),
      );
      await engine.write(
        keys.toReversed().map((key) => ({ kind: 'put', key, value: key })),
        { sync: true },
      );
      const read = await collect(engine.entries(all));
      expect(read).toEqual(keys.map((key) => [[...key], [...key]]));
    });

    test('a value may be empty', async () => {
      await engine.write([put('empty', '')], { sync: true });
      expect(engine.get(bytes('empty'))).toHaveLength(0);
      expect(await collect(engine.entries(all))).toEqual([[[...bytes('empty')], []]]);
    });

    test('a value may have 8 MiB, a key 1,092 bytes', async () => {
      const key = new Uint8Array(3 + 64 + 1 + 1024).fill(0xab);
      const value = new Uint8Array(8 * 2 ** 20).map((_, index) => index % 251);
      await engine.write([{ kind: 'put', key, value }], { sync: true });
      expect(Buffer.compare(engine.get(key) as Uint8Array, value)).toBe(0);
      for await (const [, read] of engine.entries(all)) expect(Buffer.compare(read, value)).toBe(0);
    });

    test('a batch is applied in order', async () => {
      await engine.write([put('a', '1'), remove('a'), put('a', '2'), put('b', '1'), remove('b')], {
        sync: true,
      });
      expect(text(engine.get(bytes('a')))).toBe('2');
      expect(engine.get(bytes('b'))).toBeUndefined();
    });

    test('a large batch is applied whole', async () => {
      const operations = Array.from({ length: 5000 }, (_, index) => put(`key-${index}`, `value-${index}`));
      await engine.write(operations, { sync: true });
      expect(await collect(engine.entries(all))).toHaveLength(5000);
      expect(text(engine.get(bytes('key-4999')))).toBe('value-4999');
    });

    test('the bytes that are read belong to the caller', async () => {
      await engine.write([put('a', 'first'), put('b', 'x'.repeat(100_000))], { sync: true });
      const held = engine.get(bytes('a')) as Uint8Array;
      for (const [key, value] of [
        [bytes('a'), engine.get(bytes('a'))],
        [bytes('b'), engine.get(bytes('b'))],
      ] as const) {
        value?.fill(0);
        key.fill(0);
      }
      for await (const [key, value] of engine.entries(all)) {
        key.fill(0);
        value.fill(0);
      }
      expect(text(engine.get(bytes('a')))).toBe('first');
      expect(text(engine.get(bytes('b')))).toBe('x'.repeat(100_000));
      await engine.write([put('a', 'other')], { sync: true });
      expect(text(held)).toBe('first');
    });

    test('the bytes that were written may be reused once the write has resolved', async () => {
      const key = bytes('key');
      const value = bytes('value');
      await engine.write([{ kind: 'put', key, value }], { sync: false });
      key.fill(0x7a);
      value.fill(0x7a);
      expect(text(engine.get(bytes('key')))).toBe('value');
    });

    test('a range takes its start and leaves out its end, up to the limit', async () => {
      await engine.write(
        ['a', 'b', 'c', 'd', 'e'].map((key) => put(key, key)),
        { sync: true },
      );
      const keys = async (from: string, to: string, limit?: number): Promise<string> => {
        const range = { from: bytes(from), to: bytes(to), ...(limit === undefined ? {} : { limit }) };
        return (await collect(engine.entries(range))).map(([key]) => String.fromCharCode(...key)).join('');
      };
      expect(await keys('b', 'd')).toBe('bc');
      expect(await keys('a', 'z')).toBe('abcde');
      expect(await keys('bb', 'cc')).toBe('c');
      expect(await keys('f', 'z')).toBe('');
      expect(await keys('d', 'b')).toBe('');
      expect(await keys('a', 'z', 2)).toBe('ab');
      expect(await keys('a', 'z', 0)).toBe('');
    });

    test('an iteration shows one moment, whatever is written meanwhile', async () => {
      const before = Array.from({ length: 2000 }, (_, index) => `key-${String(index).padStart(5, '0')}`);
      await engine.write(
        before.map((key) => put(key, 'old')),
        { sync: false },
      );
      const seen: string[] = [];
      for await (const [key, value] of engine.entries(all)) {
        if (seen.length % 500 === 0) {
          const index = seen.length;
          await engine.write(
            [
              put(`key-${index}-new`, 'new'),
              ...before.slice(index).map((name) => put(name, 'new')),
              remove('key-01999'),
            ],
            { sync: false },
          );
        }
        expect(text(value)).toBe('old');
        seen.push(text(key));
      }
      expect(seen).toEqual(before);
      expect(text(engine.get(bytes('key-00000')))).toBe('new');
    });

    test('an iteration may be left early, and several may run at once', async () => {
      await engine.write([put('a', '1'), put('b', '2'), put('c', '3')], { sync: false });
      for await (const [key] of engine.entries(all)) {
        if (text(key) === 'a') break;
      }
      const nested: string[] = [];
      for await (const [outer] of engine.entries(all)) {
        for await (const [inner] of engine.entries(all)) nested.push(text(outer) + text(inner));
      }
      expect(nested.join(' ')).toBe('aa ab ac ba bb bc ca cb cc');
    });

    test('its size grows with what is stored', async () => {
      const before = await engine.sizeBytes();
      await engine.write([{ kind: 'put', key: bytes('big'), value: Buffer.alloc(500_000, 'random?') }], {
        sync: true,
      });
      expect(await engine.sizeBytes()).toBeGreaterThan(before + 1000);
    });

    test('flushed: what was written without sync is still there, and writing goes on', async () => {
      await engine.write([put('a', '1')], { sync: false });
      await engine.flush();
      await engine.flush();
      await engine.write([put('b', '2')], { sync: false });
      expect(text(engine.get(bytes('a')) as Uint8Array)).toBe('1');
      expect(text(engine.get(bytes('b')) as Uint8Array)).toBe('2');
    });

    test('closed: everything is refused, closing again is not', async () => {
      await engine.write([put('a', '1')], { sync: false });
      const iteration = engine.entries(all)[Symbol.asyncIterator]();
      await iteration.next();
      await engine.close();
      expect(() => engine.get(bytes('a'))).toThrow(expect.objectContaining({ code: 'closed' }));
      await expect(engine.write([put('a', '2')], { sync: true })).rejects.toMatchObject({ code: 'closed' });
      await expect(collect(engine.entries(all))).rejects.toMatchObject({ code: 'closed' });
      await expect(iteration.next()).rejects.toMatchObject({ code: 'closed' });
      await expect(engine.sizeBytes()).rejects.toMatchObject({ code: 'closed' });
      await engine.close();
    });

    test('closing waits for the writes that were begun', async () => {
      const writes = Array.from({ length: 20 }, (_, index) =>
        engine.write([put(`key-${index}`, '1')], { sync: true }),
      );
      await engine.close();
      for (const result of await Promise.allSettled(writes)) expect(result.status).toBe('fulfilled');
    });

    test('any sequence of operations leaves what a sorted list would hold', { timeout: 60_000 }, async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
          const folder = await mkdtemp(join(tmpdir(), 'kindred-engine-'));
          let subject = await openEngine({ kind, path: folder });
          const twin = new SortedTwin();
          try {
            for (const one of steps) {
              if (one.kind === 'write') {
                twin.apply(one.operations);
                await subject.write(one.operations, { sync: one.sync });
              } else if (one.kind === 'get') {
                expect(plain(subject.get(one.key))).toEqual(plain(twin.get(one.key)));
              } else if (one.kind === 'range') {
                expect(await collect(subject.entries(one.range))).toEqual(twin.entries(one.range));
              } else if (options.persistent) {
                await subject.close();
                subject = await openEngine({ kind, path: folder });
              }
            }
            expect(await collect(subject.entries(all))).toEqual(twin.entries(all));
          } finally {
            await subject.close();
            await rm(folder, { recursive: true, force: true });
          }
        }),
        { numRuns: options.persistent ? 40 : 200 },
      );
    });

    if (options.persistent) persistenceSuite(kind, openEngine);
  });
}

function persistenceSuite(kind: EngineKind, openEngine: OpenEngine): void {
  let path: string;
  let child: ChildProcess | undefined;

  beforeEach(async () => {
    path = await mkdtemp(join(tmpdir(), 'kindred-engine-'));
  });
  afterEach(async () => {
    if (child !== undefined) await kill(child);
    child = undefined;
    await rm(path, { recursive: true, force: true });
  });

  test.each([true, false])('what was written is there after closing and opening (sync %s)', async (sync) => {
    const first = await openEngine({ kind, path });
    await first.write([put('a', '1'), put('b', '2'), remove('a')], { sync });
    await first.close();
    const second = await openEngine({ kind, path });
    expect(await collect(second.entries(all))).toEqual([[[...bytes('b')], [...bytes('2')]]]);
    expect(second.tailDropped).toBe(false);
    await second.close();
  });

  test.each(['write-synced', 'write-buffered'] as const)(
    'kill -9 loses nothing that was acknowledged (%s)',
    async (task) => {
      let acknowledged = -1;
      for (let round = 0; round < 3; round++) {
        acknowledged = -1;
        child = start({ kind, path, task });
        await new Promise<void>((resolve, reject) => {
          child?.on('message', (report: EngineProcessReport) => {
            if ('acknowledged' in report) acknowledged = report.acknowledged;
            if (acknowledged >= 200 + round * 50) resolve();
          });
          child?.on('exit', () => reject(new Error('the process ended by itself')));
        });
        await kill(child);
        const engine = await openEngine({ kind, path });
        for (let number = 0; number <= acknowledged; number++) {
          expect(text(engine.get(bytes(`key-${String(number).padStart(8, '0')}`)))).toBe(String(number));
        }
        await engine.close();
      }
      expect(acknowledged).toBeGreaterThanOrEqual(300);
    },
  );

  test('a second process is refused with the path and the holder, until the holder is killed', async () => {
    child = start({ kind, path, task: 'hold' });
    await new Promise<void>((resolve, reject) => {
      child?.once('message', () => resolve());
      child?.once('exit', () => reject(new Error('the process ended by itself')));
    });
    const refusal = await openEngine({ kind, path }).then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(refusal).toBeInstanceOf(EngineError);
    expect(refusal).toMatchObject({ code: 'locked' });
    expect(String(refusal)).toContain(path);
    expect(String(refusal)).toContain(`process ${child.pid}`);
    await kill(child);
    const engine = await openEngine({ kind, path });
    expect(engine.get(bytes('a'))).toBeUndefined();
    await engine.close();
  });

  test('the same process cannot open it twice either', async () => {
    const engine = await openEngine({ kind, path });
    await expect(openEngine({ kind, path })).rejects.toMatchObject({ code: 'locked' });
    await engine.write([put('still', 'works')], { sync: true });
    await engine.close();
  });

  test('a directory made by the other engine is refused', async () => {
    const engine = await openEngine({ kind, path });
    await engine.close();
    const other = kind === 'lsm' ? 'btree' : 'lsm';
    await expect(openEngine({ kind: other, path })).rejects.toMatchObject({
      code: 'other-engine',
      message: expect.stringContaining(kind),
    });
  });

  test('a path that cannot be made is an input-output error', async () => {
    const file = join(path, 'file');
    await writeFile(file, '');
    await expect(openEngine({ kind, path: join(file, 'data') })).rejects.toMatchObject({ code: 'io-error' });
  });
}

function start(order: EngineProcessOrder): ChildProcess {
  const child = fork(join(import.meta.dirname, 'engine-process.ts'), { execArgv: [] });
  child.send(order);
  return child;
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.removeAllListeners('exit');
  await new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
    child.kill('SIGKILL');
  });
}

type Step =
  | { readonly kind: 'write'; readonly operations: readonly EngineOperation[]; readonly sync: boolean }
  | { readonly kind: 'get'; readonly key: Uint8Array }
  | {
      readonly kind: 'range';
      readonly range: { readonly from: Uint8Array; readonly to: Uint8Array; readonly limit?: number };
    }
  | { readonly kind: 'reopen' };

/** Few bytes, so that keys meet; the extremes among them. */
const key: fc.Arbitrary<Uint8Array> = fc
  .array(fc.constantFrom(0, 1, 0x61, 0x7f, 0x80, 0xfe), { minLength: 1, maxLength: 3 })
  .map((list) => Uint8Array.from(list));
const value: fc.Arbitrary<Uint8Array> = fc.oneof(
  fc.uint8Array({ maxLength: 20 }),
  fc.integer({ min: 1000, max: 20_000 }).map((length) => new Uint8Array(length).fill(length & 255)),
);
const operation: fc.Arbitrary<EngineOperation> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('put' as const), key, value }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('delete' as const), key }) },
);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('write' as const),
      operations: fc.array(operation, { minLength: 1, maxLength: 12 }),
      sync: fc.boolean(),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('get' as const), key }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('range' as const),
      range: fc.record({ from: key, to: key, limit: fc.nat({ max: 5 }) }, { requiredKeys: ['from', 'to'] }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('reopen' as const) }) },
);

/** The dumb twin: a list that is sorted when it is looked at. */
class SortedTwin {
  #entries: [Uint8Array, Uint8Array][] = [];

  apply(operations: readonly EngineOperation[]): void {
    for (const one of operations) {
      this.#entries = this.#entries.filter(([existing]) => compareBytes(existing, one.key) !== 0);
      if (one.kind === 'put') this.#entries.push([one.key, one.value]);
    }
  }

  get(wanted: Uint8Array): Uint8Array | undefined {
    return this.#entries.find(([existing]) => compareBytes(existing, wanted) === 0)?.[1];
  }

  entries(range: {
    readonly from: Uint8Array;
    readonly to: Uint8Array;
    readonly limit?: number;
  }): [number[], number[]][] {
    return this.#entries
      .filter(([existing]) => compareBytes(existing, range.from) >= 0 && compareBytes(existing, range.to) < 0)
      .toSorted(([a], [b]) => compareBytes(a, b))
      .slice(0, range.limit ?? this.#entries.length)
      .map(([a, b]) => [[...a], [...b]]);
  }
}

async function collect(
  entries: AsyncIterable<readonly [Uint8Array, Uint8Array]>,
): Promise<[number[], number[]][]> {
  const list: [number[], number[]][] = [];
  for await (const [a, b] of entries) list.push([[...a], [...b]]);
  return list;
}

function plain(read: Uint8Array | undefined): number[] | undefined {
  return read === undefined ? undefined : [...read];
}

function bytes(content: string): Uint8Array {
  return new TextEncoder().encode(content);
}

function text(content: Uint8Array | undefined): string {
  return content === undefined ? '(absent)' : new TextDecoder().decode(content);
}

function put(name: string, content: string): EngineOperation {
  return { kind: 'put', key: bytes(name), value: bytes(content) };
}

function remove(name: string): EngineOperation {
  return { kind: 'delete', key: bytes(name) };
}

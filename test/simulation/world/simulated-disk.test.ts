/** What a simulated disk promises over crashes, and each way in which it fails. */

import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { recordKeyOf } from '../../../src/core/ring/record-key.ts';
import type { EngineKind, EngineOperation, StorageEngine } from '../../../src/storage/engine.ts';
import { sealValue } from '../../../src/storage/value-envelope.ts';
import { EventOwner } from '../kernel/scheduler.ts';
import { keyPrefix, SimulatedDisk } from './simulated-disk.ts';
import { calmDisk, TestWorld } from './test-world.ts';

/** A disk, and the process that has it open. */
class Machine {
  readonly world: TestWorld;
  readonly disk: SimulatedDisk;
  owner!: EventOwner;
  engine!: StorageEngine;
  readonly #kind: EngineKind;
  #lives = 0;

  constructor(seed: number, kind: EngineKind = 'lsm', traced = false) {
    this.world = new TestWorld(seed, { traced });
    this.disk = new SimulatedDisk(this.world, { node: 'n1', weather: calmDisk });
    this.#kind = kind;
  }

  open(): Promise<StorageEngine> {
    this.owner = new EventOwner('n1', 64 + ++this.#lives);
    return this.world.outcome(this.disk.engineFor(this.owner)({ kind: this.#kind, path: 'n1' }));
  }

  async start(): Promise<this> {
    this.engine = await this.open();
    return this;
  }

  crash(power: boolean): void {
    this.owner.state = 'halted';
    this.disk.crash(power);
  }

  async restart(power: boolean): Promise<void> {
    this.crash(power);
    await this.start();
  }

  write(name: string, content: string, sync: boolean): Promise<void> {
    return this.world.outcome(this.engine.write([put(name, content)], { sync }));
  }

  read(name: string): string | undefined {
    const value = this.engine.get(bytes(name));
    return value === undefined ? undefined : new TextDecoder().decode(value);
  }
}

const seeds = Array.from({ length: 40 }, (_, index) => index + 1);

test('the death of the process takes nothing that was answered, synced or not', async () => {
  for (const seed of seeds) {
    const machine = await new Machine(seed).start();
    await machine.write('a', '1', false);
    await machine.write('b', '1', true);
    await machine.write('c', '1', false);
    await machine.restart(false);
    expect([machine.read('a'), machine.read('b'), machine.read('c')]).toEqual(['1', '1', '1']);
    expect(machine.engine.tailDropped).toBe(false);
  }
});

test('a power failure takes what no sync has covered: any end of it, and nothing else', async () => {
  const outcomes = new Set<string>();
  let torn = 0;
  for (const seed of seeds) {
    const machine = await new Machine(seed).start();
    await machine.write('a', '1', false);
    await machine.write('b', '1', true);
    await machine.write('c', '1', false);
    await machine.write('d', '1', false);
    expect(machine.disk.unsyncedBatches).toBe(2);
    await machine.restart(true);
    expect([machine.read('a'), machine.read('b')]).toEqual(['1', '1']);
    outcomes.add(`${machine.read('c')} ${machine.read('d')}`);
    if (machine.engine.tailDropped) torn++;
    // What is there after a power failure is on the disk.
    const before = `${machine.read('c')} ${machine.read('d')}`;
    await machine.restart(true);
    expect(`${machine.read('c')} ${machine.read('d')}`).toBe(before);
    expect(machine.engine.tailDropped).toBe(false);
  }
  expect([...outcomes].sort()).toEqual(['1 1', '1 undefined', 'undefined undefined']);
  expect(torn).toBeGreaterThan(5);
  expect(torn).toBeLessThan(35);
});

test('an overwritten or deleted value that was not synced comes back with the power', async () => {
  const outcomes = new Set<string | undefined>();
  for (const seed of seeds) {
    const machine = await new Machine(seed).start();
    await machine.write('a', 'old', true);
    await machine.write('a', 'new', false);
    await machine.world.outcome(machine.engine.write([{ kind: 'delete', key: bytes('a') }], { sync: false }));
    expect(machine.read('a')).toBeUndefined();
    await machine.restart(true);
    outcomes.add(machine.read('a'));
  }
  expect([...outcomes].sort()).toEqual(['new', 'old', undefined]);
});

test('a flush, and the B-tree at every write, leave nothing to lose', async () => {
  for (const seed of seeds) {
    const flushed = await new Machine(seed).start();
    await flushed.write('a', '1', false);
    await flushed.world.outcome(flushed.engine.flush());
    await flushed.restart(true);
    expect(flushed.read('a')).toBe('1');
    const btree = await new Machine(seed, 'btree').start();
    await btree.write('a', '1', false);
    await btree.restart(true);
    expect(btree.read('a')).toBe('1');
    expect(btree.engine.tailDropped).toBe(false);
  }
});

test('what was dirty for half a minute is written back by the machine itself', async () => {
  for (const seed of seeds) {
    const machine = await new Machine(seed).start();
    await machine.write('a', '1', false);
    await machine.world.pass(31_000);
    await machine.write('b', '1', false);
    await machine.restart(true);
    expect(machine.read('a')).toBe('1');
  }
});

test.each([false, true])(
  'a batch that was under way is there as a whole or not at all (power %s)',
  async (power) => {
    const outcomes = new Set<string>();
    for (const seed of seeds) {
      const machine = await new Machine(seed).start();
      let settled = false;
      const settle = (): void => {
        settled = true;
      };
      for (const batch of ['1', '2']) {
        machine.engine.write([put('a', batch), put('b', batch)], { sync: true }).then(settle, settle);
      }
      machine.crash(power);
      await machine.world.pass(100);
      expect(settled).toBe(false);
      await machine.start();
      expect(machine.read('a')).toBe(machine.read('b'));
      outcomes.add(String(machine.read('a')));
    }
    expect([...outcomes].sort()).toEqual(['1', '2', 'undefined']);
  },
);

test('a write takes time, and a read may show it before its writer is told, never long before', async () => {
  let early = 0;
  for (const seed of seeds) {
    const machine = await new Machine(seed).start();
    let resolved = false;
    void machine.engine.write([put('a', '1')], { sync: true }).then(() => {
      resolved = true;
    });
    expect(machine.read('a')).toBeUndefined();
    await machine.world.scheduler.run(() => machine.read('a') !== undefined);
    // Of the same moment, or up to 50 µs later.
    if (!resolved) early++;
    await machine.world.pass(1);
    expect(resolved).toBe(true);
  }
  expect(early).toBeGreaterThan(5);
});

test('a write that was done and not answered is neither done again nor undone', async () => {
  let met = 0;
  for (const seed of seeds) {
    const machine = await new Machine(seed).start();
    const heard: string[] = [];
    machine.disk.onStored((key) => heard.push(text(key)));
    let resolved = false;
    void machine.engine.write([put('a', '1')], { sync: true }).then(() => {
      resolved = true;
    });
    await machine.world.scheduler.run(() => machine.read('a') !== undefined);
    if (resolved) continue;
    met++;
    await machine.restart(true);
    expect(machine.read('a')).toBe('1');
    expect(machine.engine.tailDropped).toBe(false);
    expect(heard).toEqual(['a']);
  }
  expect(met).toBeGreaterThan(5);
});

test('a store that is open is locked, until its process is gone', async () => {
  const machine = await new Machine(1).start();
  const other = new EventOwner('other', 99);
  const refused = machine.world.outcome(machine.disk.engineFor(other)({ kind: 'lsm', path: 'n1' }));
  await expect(refused).rejects.toMatchObject({ name: 'EngineError', code: 'locked' });
  machine.crash(false);
  await machine.world.outcome(machine.disk.engineFor(other)({ kind: 'lsm', path: 'n1' }));
  expect(machine.disk.isOpen).toBe(true);
});

test('a store that is being opened is locked too, and the opening of a process that dies never ends', async () => {
  const machine = new Machine(1);
  const owner = new EventOwner('n1', 65);
  let opened = false;
  void machine.disk
    .engineFor(owner)({ kind: 'lsm', path: 'n1' })
    .then(() => {
      opened = true;
    });
  const refused = machine.open();
  owner.state = 'halted';
  await expect(refused).rejects.toMatchObject({ code: 'locked' });
  machine.disk.crash(false);
  await machine.start();
  expect(opened).toBe(false);
});

test('the files of another engine are refused', async () => {
  const machine = await new Machine(1).start();
  await machine.world.outcome(machine.engine.close());
  const other = machine.disk.engineFor(new EventOwner('other', 99))({ kind: 'btree', path: 'n1' });
  await expect(machine.world.outcome(other)).rejects.toMatchObject({ code: 'other-engine' });
});

test.each([true, false, undefined])('a write fails with its batch applied: %s', async (applied) => {
  const found = new Set<string | undefined>();
  for (const seed of seeds) {
    const machine = await new Machine(seed).start();
    await machine.write('a', 'before', true);
    machine.disk.failNextWrite(applied);
    const failing = machine.engine.write([put('a', 'after')], { sync: true });
    const behind = machine.engine.write([put('b', 'behind')], { sync: true });
    const answers = await machine.world.outcome(Promise.allSettled([failing, behind]));
    for (const answer of answers)
      expect(answer).toMatchObject({ status: 'rejected', reason: { code: 'io-error' } });
    expect(() => machine.engine.get(bytes('a'))).toThrow(expect.objectContaining({ code: 'io-error' }));
    await expect(machine.engine.write([put('c', '1')], { sync: true })).rejects.toMatchObject({
      code: 'io-error',
    });
    await machine.world.outcome(machine.engine.close());
    await machine.restart(false);
    found.add(machine.read('a'));
    expect(machine.read('b')).toBeUndefined();
    await machine.write('a', 'again', true);
  }
  const expected = applied === true ? ['after'] : applied === false ? ['before'] : ['after', 'before'];
  expect([...found].sort()).toEqual(expected);
});

test('a full disk refuses writes, and perhaps to be opened, until there is room', async () => {
  let refused = 0;
  for (const seed of seeds) {
    const machine = await new Machine(seed).start();
    machine.disk.setFull(true);
    await expect(machine.write('a', '1', true)).rejects.toMatchObject({ code: 'disk-full' });
    machine.crash(false);
    await machine.start().catch((error: { code: string }) => {
      expect(error.code).toBe('disk-full');
      refused++;
    });
    machine.disk.setFull(false);
    await machine.restart(false);
    await machine.write('a', '2', true);
    expect(machine.read('a')).toBe('2');
  }
  expect(refused).toBeGreaterThan(5);
  expect(refused).toBeLessThan(35);
});

test('reads fail as often as they shall, and nothing else does', async () => {
  const machine = await new Machine(5).start();
  await machine.write('a', '1', true);
  const failures = async (): Promise<number> => {
    let failed = 0;
    for (let i = 0; i < 200; i++) {
      try {
        expect(machine.read('a')).toBe('1');
      } catch (error) {
        expect(error).toMatchObject({ code: 'io-error' });
        failed++;
      }
    }
    await machine.write('a', '1', true);
    return failed;
  };
  expect(await failures()).toBe(0);
  machine.disk.failReads(100);
  expect(await failures()).toBe(200);
  machine.disk.failReads(30);
  const some = await failures();
  expect(some).toBeGreaterThan(30);
  expect(some).toBeLessThan(100);
  machine.disk.failReads(0);
  expect(await failures()).toBe(0);
});

test('rotten bits hit as many records as asked for, and every one is found out', async () => {
  const machine = await new Machine(5).start();
  const batch = Array.from({ length: 10 }, (_, i) =>
    sealed(keyPrefix.record, `..default\0k${i}`, `value ${i}`),
  );
  const hint = sealed(keyPrefix.hint, '\x02n2default\0k', 'hint');
  const identity = sealed(keyPrefix.identity, 'replica', '12345678');
  await machine.world.outcome(machine.engine.write([...batch, hint, identity], { sync: true }));
  expect(machine.disk.recordsNow().map(({ record }) => record === undefined)).toEqual(
    new Array(10).fill(false),
  );
  expect(machine.disk.flipBits(3).length).toBe(3);
  const records = machine.disk.recordsNow();
  expect(records).toHaveLength(10);
  expect(records.filter(({ record }) => record === undefined)).toHaveLength(3);
  expect(records[0]?.partition).toBe(0x2e2e);
  expect(machine.engine.get(identity.key)).toEqual(new Uint8Array(identity.value));
  expect(machine.engine.get(hint.key)).toEqual(new Uint8Array(hint.value));
  expect(machine.disk.flipBits(9, keyPrefix.hint).length).toBe(1);
  expect(machine.engine.get(hint.key)).not.toEqual(new Uint8Array(hint.value));
  expect(machine.disk.flipBits(100).length).toBe(10);
});

test('a disk is wiped, copied, and replaced by the copy', async () => {
  const machine = await new Machine(1).start();
  await machine.write('a', 'old', true);
  const copy = machine.disk.copy();
  await machine.write('a', 'new', true);
  expect(() => machine.disk.wipe()).toThrow('in use');
  machine.crash(false);
  machine.disk.wipe();
  await machine.start();
  expect(machine.read('a')).toBeUndefined();
  expect(await machine.engine.sizeBytes()).toBe(0);
  machine.crash(false);
  machine.disk.restore(copy);
  await machine.start();
  expect(machine.read('a')).toBe('old');
  expect(await machine.engine.sizeBytes()).toBe(4);
  await machine.restart(true);
  expect(machine.read('a')).toBe('old');
});

test('a directory keeps the marks that were made in it, and a copy of it has others', async () => {
  const machine = await new Machine(1).start();
  const { mark } = machine.engine;
  expect(mark?.found).toEqual([]);
  const made = await machine.world.outcome(mark!.make());
  await machine.world.outcome(mark!.settle());
  const copy = machine.disk.copy();
  await machine.restart(true);
  expect(machine.engine.mark?.found).toEqual([made]);
  const next = await machine.world.outcome(machine.engine.mark!.make());
  expect(next).not.toBe(made);
  await machine.world.outcome(machine.engine.mark!.settle());
  await machine.restart(true);
  expect(machine.engine.mark?.found).toEqual([next]);
  machine.crash(false);
  machine.disk.restore(copy);
  await machine.start();
  expect(machine.engine.mark?.found).toHaveLength(1);
  expect([made, next]).not.toContain(machine.engine.mark?.found[0]);
});

test('a slow disk takes so many times as long', async () => {
  const spent = async (factor: number): Promise<number> => {
    const machine = await new Machine(9).start();
    machine.disk.slow(factor);
    const { scheduler } = machine.world;
    const before = scheduler.nowMicros;
    let done = false;
    void machine.engine.write([put('a', '1')], { sync: true }).then(() => {
      done = true;
    });
    await scheduler.run(() => done);
    return scheduler.nowMicros - before;
  };
  const usual = await spent(1);
  expect(usual).toBeGreaterThanOrEqual(calmDisk.writeMin + calmDisk.syncMin);
  expect(await spent(100)).toBeGreaterThan(usual * 90);
});

test('whoever listens hears of every put when a restart would find it', async () => {
  const machine = await new Machine(1, 'lsm', true).start();
  const heard: string[] = [];
  machine.disk.onStored((key, value) => heard.push(`${text(key)}=${text(value)}`));
  await machine.write('a', '1', false);
  await machine.write('b', '2', true);
  expect(heard).toEqual(['a=1', 'b=2']);
  expect(machine.world.entries.map((entry) => entry.kind)).toEqual(Array(5).fill('disk'));
});

test('the trace tells when a write begins and ends, what took so long, and every key of its batch', async () => {
  const world = new TestWorld(3, { traced: true });
  const weather = { ...calmDisk, stallPercent: 100, stallMicros: 150_000 };
  const disk = new SimulatedDisk(world, { node: 'n1', weather });
  const owner = new EventOwner('n1', 1);
  const engine = await world.outcome(disk.engineFor(owner)({ kind: 'lsm', path: '/n1' }));
  const keys = Array.from({ length: 20 }, (_, index) =>
    Uint8Array.of(keyPrefix.record, 0, 0, ...recordKeyOf('default', bytes(`k${index}`))),
  );
  const operations = keys.map((key) => ({ kind: 'put' as const, key, value: Uint8Array.of(1) }));
  disk.slow(3);
  await world.outcome(engine.write(operations, { sync: true }));
  const [, begin, end] = world.entries;
  expect(begin?.text).toMatch(/^writing default\/k0, .*, 8 more \(synced\)$/);
  expect(end?.text).toMatch(/^wrote default\/k0, .* after 30\d\.\d ms \(stalled, slow disk, 3 times\)$/);
  expect(end?.sinceMicros).toBe(begin?.atMicros);
  for (const entry of [begin, end]) expect(entry?.keys).toEqual(keys.map((_, index) => `default/k${index}`));
});

test('one seed gives one hash, another another', async () => {
  const run = async (seed: number): Promise<string> => {
    const machine = await new Machine(seed).start();
    for (let i = 0; i < 20; i++) {
      await machine.write(`k${i % 3}`, String(i), i % 4 === 0);
      if (i % 7 === 6) await machine.restart(i % 2 === 0);
    }
    return machine.world.scheduler.hash;
  };
  expect(await run(1)).toBe(await run(1));
  expect(await run(1)).not.toBe(await run(2));
});

type Step =
  | 'write'
  | 'synced write'
  | 'flush'
  | 'kill'
  | 'lose power'
  | 'kill during writes'
  | 'lose power during writes';

test('whatever happens, exactly a beginning of the batches survives, with all that was promised', async () => {
  const step = fc.constantFrom<Step>(
    ...(['write', 'write', 'write', 'synced write', 'flush', 'kill', 'lose power'] as const),
    ...(['kill during writes', 'lose power during writes'] as const),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), fc.nat(), async (steps, seed) => {
      const machine = await new Machine(seed).start();
      /** All batches that are there, in order; so many of them answered, so many of them synced. */
      let batches: { readonly id: number; readonly operations: EngineOperation[] }[] = [];
      let answered = 0;
      let synced = 0;
      let id = 0;
      const next = (): EngineOperation[] => {
        id++;
        const operations: EngineOperation[] = [
          put('last', 'to be replaced in the same batch'),
          put('last', String(id)),
          put(`k${id % 4}`, `${id}`),
          { kind: 'delete', key: bytes(`k${(id + 1) % 4}`) },
        ];
        batches.push({ id, operations });
        return operations;
      };
      for (const one of steps) {
        if (one === 'write' || one === 'synced write') {
          const sync = one === 'synced write';
          await machine.world.outcome(machine.engine.write(next(), { sync }));
          answered = batches.length;
          if (sync) synced = answered;
        } else if (one === 'flush') {
          await machine.world.outcome(machine.engine.flush());
          synced = answered;
        } else {
          const power = one.startsWith('lose power');
          if (one.endsWith('during writes')) {
            for (let i = 0; i < 3; i++) void machine.engine.write(next(), { sync: i === 1 });
          }
          await machine.restart(power);
          const last = Number(machine.read('last') ?? 0);
          const kept = batches.findIndex((batch) => batch.id === last) + 1;
          expect(kept).toBeGreaterThanOrEqual(power ? synced : answered);
          if (!power && !one.endsWith('during writes')) expect(kept).toBe(batches.length);
          batches = batches.slice(0, kept);
          answered = kept;
          if (power) synced = kept;
        }
        const twin = new Map<string, string>();
        for (const { operations } of batches) {
          for (const operation of operations) {
            if (operation.kind === 'put') twin.set(text(operation.key), text(operation.value));
            else twin.delete(text(operation.key));
          }
        }
        const entries: [string, string][] = [];
        for await (const [key, value] of machine.engine.entries({
          from: bytes(''),
          to: Uint8Array.of(0xff),
        })) {
          entries.push([text(key), text(value)]);
        }
        expect(entries).toEqual([...twin].sort(([a], [b]) => (a < b ? -1 : 1)));
      }
    }),
    { numRuns: 150 },
  );
});

function put(name: string, content: string): EngineOperation & { kind: 'put' } {
  return { kind: 'put', key: bytes(name), value: bytes(content) };
}

function sealed(prefix: number, name: string, content: string): EngineOperation & { kind: 'put' } {
  const key = Uint8Array.of(prefix, ...bytes(name));
  return { kind: 'put', key, value: sealValue(crc32, key, bytes(content)) };
}

function bytes(content: string): Uint8Array {
  return new TextEncoder().encode(content);
}

function text(content: Uint8Array): string {
  return new TextDecoder().decode(content);
}

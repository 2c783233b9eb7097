import { crc32 } from 'node:zlib';
import { beforeEach, describe, expect, test } from 'vitest';
import { ControlledEngine } from '../../test/support/controlled-engine.ts';
import { FakeEnv } from '../../test/support/fake-env.ts';
import { nodeId, partitionId } from '../core/identity.ts';
import { systemEnv } from '../env/system-env.ts';
import { EngineError, type StorageEngine } from './engine.ts';
import {
  IdentityError,
  type IdentityOptions,
  type IdentityStore,
  openIdentityStore,
} from './identity-store.ts';
import { openMemoryEngine } from './memory.ts';
import { RecordStore } from './record-store.ts';
import { sealValue } from './value-envelope.ts';

const env = systemEnv();
const options: IdentityOptions = {
  clusterId: 'blue',
  nodeId: nodeId('n1'),
  partitionCount: 4096,
  path: '/data/n1',
};
const everything = { from: Uint8Array.of(0), to: Uint8Array.of(0xff) };

let engine: StorageEngine;
beforeEach(() => {
  engine = openMemoryEngine();
});

/** The same engine again, as after a start of the process. */
function open(
  changes: Partial<IdentityOptions> = {},
  subject: StorageEngine = engine,
): Promise<IdentityStore> {
  return openIdentityStore({ engine: subject, crc32, env }, { ...options, ...changes });
}

describe('identity', () => {
  test('an empty store gets a replica id, and keeps it', async () => {
    const first = await open();
    expect(first.replicaId).toBeGreaterThan(0);
    expect((await open()).replicaId).toBe(first.replicaId);
    expect((await open({}, openMemoryEngine())).replicaId).not.toBe(first.replicaId);
  });

  test.each([
    [
      'other-cluster',
      { clusterId: 'green' },
      'belongs to cluster blue, and this node is configured for cluster green',
    ],
    ['other-node', { nodeId: nodeId('n2') }, 'belongs to node n1, and this node is configured for node n2'],
    [
      'other-partition-count',
      { partitionCount: 64 },
      'partition count 4096, and this node is configured for partition count 64',
    ],
  ] as const)('%s is refused, naming both sides', async (code, changes, message) => {
    await open();
    const error = await open(changes).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(IdentityError);
    expect(error).toMatchObject({ code, message: expect.stringContaining(message) });
    expect(String(error)).toContain('/data/n1');
    await open();
  });

  test('a newer format is refused, saying what to do', async () => {
    await open();
    const key = Buffer.from('\0format', 'latin1');
    await engine.write(
      [{ kind: 'put', key, value: sealValue(crc32, key, Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 2)) }],
      {
        sync: true,
      },
    );
    await expect(open()).rejects.toMatchObject({
      code: 'newer-format',
      message: expect.stringContaining('format 2'),
    });
  });

  test('records without an identity are refused', async () => {
    await new RecordStore({ engine, crc32, env }).write(partitionId(5), Buffer.from('k'), Buffer.from('r'), {
      sync: true,
    });
    await expect(open()).rejects.toMatchObject({
      code: 'records-without-identity',
      message: expect.stringContaining('empty data directory'),
    });
  });

  test('any single damaged or missing value is fatal, never a new identity', async () => {
    await open();
    const stored: [Uint8Array, Uint8Array][] = [];
    for await (const [key, value] of engine.entries(everything)) stored.push([key, value]);
    expect(stored).toHaveLength(10);
    for (const [key, value] of stored) {
      for (let byte = 0; byte < value.length; byte++) {
        const flipped = value.slice();
        flipped[byte] = (flipped[byte] as number) ^ 0x10;
        await engine.write([{ kind: 'put', key, value: flipped }], { sync: true });
        await expect(open()).rejects.toMatchObject({ code: 'damaged' });
      }
      await engine.write([{ kind: 'delete', key }], { sync: true });
      await expect(open()).rejects.toMatchObject({ code: 'damaged' });
      await engine.write([{ kind: 'put', key, value }], { sync: true });
    }
    await open();
  });
});

describe('epochs', () => {
  test('are never handed out twice, however the runs end', async () => {
    const seen = new Set<number>();
    for (let run = 0; run < 4; run++) {
      const identity = await open();
      for (let i = 0; i < 25_000; i++) {
        await identity.ensureEpochs();
        const epoch = identity.nextEpoch();
        expect(seen.has(epoch)).toBe(false);
        seen.add(epoch);
      }
      if (run % 2 === 0) await identity.endCleanly();
    }
    expect(Math.min(...seen)).toBe(1);
  });

  test('the lease is stored before any of it is handed out', async () => {
    const identity = await open();
    const taken: number[] = [];
    for (let i = 0; i < 12_000; i++) {
      await identity.ensureEpochs();
      taken.push(identity.nextEpoch());
      if (i % 1000 === 0) {
        // What a crash at this moment would leave: the next run has to start above everything handed out.
        const copy = openMemoryEngine();
        for await (const [key, value] of engine.entries(everything)) {
          await copy.write([{ kind: 'put', key, value }], { sync: true });
        }
        expect((await open({}, copy)).nextEpoch()).toBeGreaterThan(Math.max(...taken));
      }
    }
  });

  test('are never handed out twice when a lease covers a single one', async () => {
    const rare = new FakeEnv();
    rare.rarePaths.add('epoch-lease-of-one');
    const lazy = { ...env, rarePath: rare.rarePath };
    const taken: number[] = [];
    for (let run = 0; run < 3; run++) {
      const identity = await openIdentityStore({ engine, crc32, env: lazy }, options);
      for (let i = 0; i < 20; i++) {
        while (identity.epochsLeft <= 0) await identity.ensureEpochs();
        expect(identity.epochsLeft).toBe(1);
        taken.push(identity.nextEpoch());
      }
    }
    expect(new Set(taken).size).toBe(60);
    expect(Math.max(...taken)).toBeLessThan(100);
  });

  test('none left: a clean refusal, and the next lease comes by itself', async () => {
    const identity = await open();
    expect(identity.epochsLeft).toBe(10_000);
    let last = 0;
    while (identity.epochsLeft > 0) last = identity.nextEpoch();
    expect(() => identity.nextEpoch()).toThrow(expect.objectContaining({ code: 'epochs-used-up' }));
    await identity.ensureEpochs();
    expect(identity.nextEpoch()).toBe(last + 1);
  });

  test('a store that has used up 32 bits of them says so', async () => {
    await open();
    const key = Buffer.from('\0epoch-lease', 'latin1');
    const value = sealValue(crc32, key, Uint8Array.of(0, 0, 0, 0, 0xff, 0xff, 0xff, 0xf0));
    await engine.write([{ kind: 'put', key, value }], { sync: true });
    await expect(open()).rejects.toMatchObject({ code: 'epochs-used-up' });
  });
});

describe('the epoch floor', () => {
  test('stays 0 after clean ends, and after unclean ends without buffered dots', async () => {
    const first = await open();
    await first.markBufferedDots();
    await first.endCleanly();
    expect((await open()).epochFloor).toBe(0);
    expect((await open()).epochFloor).toBe(0);
  });

  test('rises above every epoch of a run that ended unclean with buffered dots, and never falls again', async () => {
    const first = await open();
    const used = Array.from({ length: 5000 }, () => first.nextEpoch());
    await first.markBufferedDots();
    const second = await open();
    expect(second.epochFloor).toBeGreaterThan(Math.max(...used));
    expect(second.nextEpoch()).toBeGreaterThanOrEqual(second.epochFloor);
    // The actors of the first run stay suspect, although the second wrote nothing buffered.
    const third = await open();
    expect(third.epochFloor).toBe(second.epochFloor);
    await third.endCleanly();
    expect((await open()).epochFloor).toBe(second.epochFloor);
  });

  test('rises when the engine lost the tail of its log', async () => {
    const first = await open();
    const used = first.nextEpoch();
    await first.endCleanly();
    const shortened = Object.assign(Object.create(engine) as StorageEngine, {
      tailDropped: true,
      get: engine.get.bind(engine),
      write: engine.write.bind(engine),
      entries: engine.entries.bind(engine),
    });
    expect((await open({}, shortened)).epochFloor).toBeGreaterThan(used);
  });

  test('buffered dots are marked with one synced write per run', async () => {
    const syncs: boolean[] = [];
    const counting = Object.assign(Object.create(engine) as StorageEngine, {
      write: (...call: Parameters<StorageEngine['write']>) => {
        syncs.push(call[1].sync);
        return engine.write(...call);
      },
      entries: engine.entries.bind(engine),
    });
    const identity = await open({}, counting);
    syncs.length = 0;
    await Promise.all(Array.from({ length: 10 }, () => identity.markBufferedDots()));
    await identity.markBufferedDots();
    expect(syncs).toEqual([true]);
  });
});

test('the high-water mark is kept over runs and never goes back', async () => {
  const first = await open();
  expect(first.highWaterMicros).toBe(0);
  await first.saveHighWater(1_800_000_000_123_456);
  await first.saveHighWater(1_700_000_000_000_000);
  expect(first.highWaterMicros).toBe(1_800_000_000_123_456);
  expect((await open()).highWaterMicros).toBe(1_800_000_000_123_456);
});

describe('the mark of the directory', () => {
  /** The same engine in a directory with these marks, where the next one is `next`. */
  function marked(found: readonly string[], next: string, order: string[] = []): StorageEngine {
    return Object.assign(Object.create(engine) as StorageEngine, {
      get: engine.get.bind(engine),
      entries: engine.entries.bind(engine),
      write: (...call: Parameters<StorageEngine['write']>) => {
        order.push('write');
        return engine.write(...call);
      },
      mark: {
        found,
        make: async () => {
          order.push('make');
          return next;
        },
        settle: async () => {
          order.push('settle');
        },
      },
    });
  }

  test('that was left behind is found again: the store is the same', async () => {
    const order: string[] = [];
    const first = await open({}, marked([], 'a', order));
    expect(order).toEqual(['make', 'write', 'settle']);
    // A crash before the earlier mark was removed leaves both.
    const second = await open({}, marked(['other', 'a'], 'b'));
    expect([second.replicaId, second.formerReplicaId]).toEqual([first.replicaId, undefined]);
    expect((await open({}, marked(['b'], 'c'))).replicaId).toBe(first.replicaId);
  });

  test.each([[[]], [['b', 'c']]])(
    '%j in place of it: another replica id, above all epochs',
    async (found) => {
      const first = await open({}, marked([], 'a'));
      const epoch = first.nextEpoch();
      const second = await open({}, marked(found, 'd'));
      expect(second.formerReplicaId).toBe(first.replicaId);
      expect(second.replicaId).not.toBe(first.replicaId);
      expect(second.nextEpoch()).toBeGreaterThan(epoch);
      const third = await open({}, marked(['d'], 'e'));
      expect([third.replicaId, third.formerReplicaId]).toEqual([second.replicaId, undefined]);
    },
  );

  test('is taken on by a store that had none, and does not matter where there is none', async () => {
    const first = await open();
    expect((await open({}, marked([], 'a'))).replicaId).toBe(first.replicaId);
    expect((await open()).replicaId).toBe(first.replicaId);
  });

  test('is not believed when it is damaged', async () => {
    await open({}, marked([], 'a'));
    await engine.write([{ kind: 'put', key: Buffer.from('\0mark', 'latin1'), value: Uint8Array.of(1) }], {
      sync: true,
    });
    await expect(open({}, marked(['a'], 'b'))).rejects.toMatchObject({ code: 'damaged' });
  });
});

test('a store that was stopped because its peers know more refuses everything, and starts as another replica', async () => {
  const first = await open();
  const error = new EngineError('set-back', 'it is');
  await first.retire(error);
  await expect(first.saveHighWater(1_800_000_000_000_000)).rejects.toBe(error);
  expect([first.openedAtMark, first.storedMark]).toEqual([0, 0]);
  const second = await open();
  expect(second.formerReplicaId).toBe(first.replicaId);
  expect(second.replicaId).not.toBe(first.replicaId);
  expect((await open()).replicaId).toBe(second.replicaId);
});

test('the stored mark is the one on stable storage, not the one on its way', async () => {
  const slow = new ControlledEngine();
  const identity = await open({}, slow);
  slow.hold();
  const saving = identity.saveHighWater(5_000_000);
  expect([identity.highWaterMicros, identity.storedMark]).toEqual([5_000_000, 0]);
  slow.release();
  await saving;
  expect(identity.storedMark).toBe(5_000_000);
  expect((await open({}, slow)).openedAtMark).toBe(5_000_000);
});

import { expect, test } from 'vitest';
import { systemEnv } from '../env/system-env.ts';
import { EngineError, type StorageEngine } from './engine.ts';
import { GroupCommit } from './group-commit.ts';
import { openMemoryEngine } from './memory.ts';

function opened() {
  const engine = openMemoryEngine();
  const flushes: number[] = [];
  const disk = { isBroken: false };
  let writes = 0;
  const counting: StorageEngine = {
    kind: engine.kind,
    tailDropped: engine.tailDropped,
    get: (key) => engine.get(key),
    entries: (range) => engine.entries(range),
    sizeBytes: () => engine.sizeBytes(),
    close: () => engine.close(),
    async write(operations, options) {
      await engine.write(operations, options);
      writes += operations.length;
    },
    async flush() {
      if (disk.isBroken) throw new EngineError('io-error', 'fsync failed');
      flushes.push(writes);
      await engine.flush();
    },
  };
  const commit = new GroupCommit({ engine: counting, env: systemEnv() });
  const put = (name: string, sync: boolean): Promise<void> =>
    commit.write({ kind: 'put', key: Buffer.from(name), value: Buffer.from('v') }, { sync });
  return { commit, put, flushes, disk };
}

test('a flush waits for what is queued, and comes after it', async () => {
  const { commit, put, flushes } = opened();
  const written = [put('a', false), put('b', false), put('c', false)];
  await commit.flush();
  expect(flushes).toEqual([3]);
  await Promise.all(written);
});

test('a flush costs something only when something was written without a sync', async () => {
  const { commit, put, flushes } = opened();
  // What the run before left is not known.
  await commit.flush();
  expect(flushes).toEqual([0]);
  await put('a', true);
  await commit.flush();
  expect(flushes).toEqual([0]);
  await put('b', false);
  await commit.flush();
  await commit.flush();
  await put('c', true);
  await commit.flush();
  expect(flushes).toEqual([0, 2]);
});

test('after a flush that failed everything is refused: what was acknowledged before it may be lost', async () => {
  const { commit, put, disk } = opened();
  const told: string[] = [];
  commit.onFailure(({ message }) => told.push(message));
  await put('a', false);
  disk.isBroken = true;
  await expect(commit.flush()).rejects.toThrow('fsync failed');
  expect(commit.failure).toMatchObject({ code: 'io-error' });
  await expect(put('b', false)).rejects.toThrow('fsync failed');
  expect(told).toHaveLength(1);
});

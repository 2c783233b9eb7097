/** A data directory that is a copy of another one is told from the original, with both engines, on this file system. */

import { cp, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { nodeId } from '../../src/core/identity.ts';
import { systemEnv } from '../../src/env/system-env.ts';
import { openDataStore } from '../../src/storage/data-store.ts';
import { openEngine } from '../../src/storage/open-engine.ts';

/** What one run of a store says of itself. */
interface Run {
  readonly replica: number;
  readonly former: number | undefined;
  readonly epoch: number;
}

describe.each(['lsm', 'btree'] as const)('%s', (kind) => {
  let folder: string;
  let data: string;
  let backup: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'kindred-restored-'));
    data = join(folder, 'data');
    backup = join(folder, 'backup');
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  async function run(path = data): Promise<Run> {
    const store = await openDataStore(
      { env: systemEnv(), openEngine, onCommit: () => undefined },
      {
        kind,
        path,
        integrityCheck: 'full',
        clusterId: 'test',
        nodeId: nodeId('n1'),
        partitionCount: 64,
        hintBytesMax: 1024,
      },
    );
    const { replicaId, formerReplicaId } = store.identity;
    const epoch = store.identity.nextEpoch();
    await store.close();
    return { replica: replicaId, former: formerReplicaId, epoch };
  }

  const copy = (from: string, to: string): Promise<void> =>
    cp(from, to, { recursive: true, preserveTimestamps: true, force: true });

  test('a directory that stays, and one that is moved, keep their replica id', async () => {
    const first = await run();
    expect(await run()).toMatchObject({ replica: first.replica, former: undefined });
    await rename(data, backup);
    expect(await run(backup)).toMatchObject({ replica: first.replica, former: undefined });
    expect(await readdir(join(backup, 'mark'))).toHaveLength(1);
  });

  test('a copy takes a new replica id and keeps it, and the original keeps its own', async () => {
    const first = await run();
    await copy(data, backup);
    const restored = await run(backup);
    expect(restored).toMatchObject({ former: first.replica });
    expect(restored.replica).not.toBe(first.replica);
    expect(await run(backup)).toMatchObject({ replica: restored.replica, former: undefined });
    expect(await run()).toMatchObject({ replica: first.replica, former: undefined });
  });

  test('a directory that was deleted and restored takes a new one', async () => {
    const first = await run();
    await copy(data, backup);
    await run();
    await rm(data, { recursive: true });
    await copy(backup, data);
    expect(await run()).toMatchObject({ former: first.replica });
  });

  test('a directory over which an older copy was laid takes a new one', async () => {
    const first = await run();
    await copy(data, backup);
    const second = await run();
    expect(second.replica).toBe(first.replica);
    for (const name of ['lsm', 'btree']) await rm(join(data, name), { recursive: true, force: true });
    await copy(backup, data);
    expect(await run()).toMatchObject({ former: first.replica });
  });

  test('a store whose mark is gone takes a new one', async () => {
    const first = await run();
    await rm(join(data, 'mark'), { recursive: true });
    expect(await run()).toMatchObject({ former: first.replica });
  });
});

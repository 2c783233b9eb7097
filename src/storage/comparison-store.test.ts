import { crc32 } from 'node:zlib';
import { expect, test } from 'vitest';
import type { PeerComparisons } from '../core/anti-entropy/peer-comparisons.ts';
import { nodeId } from '../core/identity.ts';
import { systemEnv } from '../env/system-env.ts';
import { ComparisonStore } from './comparison-store.ts';
import { GroupCommit } from './group-commit.ts';
import { openMemoryEngine } from './memory.ts';

const process = { replicaId: 7, generation: 1, openedAtMark: 50 };
const ripening = { startedAtMs: 1, endedAtMs: 2, process, peerMark: 3, ownMark: 4, ownMarkAtMs: 5 };
const kept: PeerComparisons = { ripening: [ripening], relied: [{ ...ripening, reliedAtMs: 6 }] };

test('comparisons under other rules are forgotten, and nothing else is', async () => {
  const engine = openMemoryEngine();
  const store = new ComparisonStore({
    engine,
    crc32,
    commit: new GroupCommit({ engine, env: systemEnv() }),
  });
  const rules = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);
  const comparisons = { peer: nodeId('n2'), replication: 3, kept };
  await store.keepUnder(rules);
  await store.putComparisons(comparisons, { sync: true });
  await store.putFence(7, { process, mark: 3 });
  await store.putStores(nodeId('n2'), [6, 7]);
  await store.keepUnder(rules);
  const all = {
    comparisons: [comparisons],
    fences: new Map([[7, { process, mark: 3 }]]),
    stores: new Map([[nodeId('n2'), [6, 7]]]),
  };
  expect(await store.read()).toEqual(all);
  await store.keepUnder(rules.toReversed());
  expect(await store.read()).toEqual({ ...all, comparisons: [] });
});

test('a fence that rotted accuses nobody', async () => {
  const engine = openMemoryEngine();
  const commit = new GroupCommit({ engine, env: systemEnv() });
  const store = new ComparisonStore({ engine, crc32, commit });
  await store.putFence(7, { process, mark: 3 });
  await store.putFence(8, { process: { ...process, replicaId: 8 }, mark: 4 });
  for await (const [key, value] of engine.entries({ from: Uint8Array.of(7, 2), to: Uint8Array.of(7, 3) })) {
    if (key.at(-1) !== 7) continue;
    value[5] = (value[5] as number) ^ 1;
    await engine.write([{ kind: 'put', key, value }], { sync: true });
  }
  expect([...(await store.read()).fences.keys()]).toEqual([8]);
});

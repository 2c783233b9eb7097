import { crc32 } from 'node:zlib';
import { beforeEach, expect, test } from 'vitest';
import type { GreetingStore } from '../core/anti-entropy/peer-comparisons.ts';
import { nodeId } from '../core/identity.ts';
import { systemEnv } from '../env/system-env.ts';
import { ComparisonStore } from '../storage/comparison-store.ts';
import { GroupCommit } from '../storage/group-commit.ts';
import { openMemoryEngine } from '../storage/memory.ts';
import { type ComparisonLog, openComparisonLog } from './comparison-log.ts';

const graceMs = 1_600;
const n3 = nodeId('n3');
const replication = 3;

let nowMs: number;
let mark: number;
let commit: GroupCommit;
let store: ComparisonStore;
let log: ComparisonLog;
beforeEach(async () => {
  nowMs = 10_000;
  mark = 1;
  const engine = openMemoryEngine();
  commit = new GroupCommit({ engine, env: systemEnv() });
  store = new ComparisonStore({ engine, crc32, commit });
  log = await open();
});

function open(): Promise<ComparisonLog> {
  const onError = (error: unknown): void => {
    throw error;
  };
  return openComparisonLog(
    { store, runningMs: () => nowMs, storedMark: () => mark++, onError },
    { graceMs, others: [nodeId('n2'), n3] },
  );
}

let generation = 0;
function opened(replicaId: number, openedAtMark: number, over: Partial<GreetingStore> = {}): GreetingStore {
  return { replicaId, generation: ++generation, openedAtMark, formerReplicaId: 0, formerMark: 0, ...over };
}

/** A comparison with the process ends well, and collection comes to rely on it. */
async function relyOn(process: GreetingStore, peerMark: number): Promise<void> {
  const relied = log.counters.reliedOn;
  log.told(n3, replication, { startedAtMs: nowMs, process, peerMark });
  for (let step = 0; step < 3; step++) {
    nowMs += graceMs / 2;
    await log.advance();
  }
  expect(log.counters.reliedOn).toBe(relied + 1);
}

test('a store that its node had before the one that is relied on does not come back', async () => {
  const first = opened(1, 0);
  expect(log.greeted(n3, first)).toBeUndefined();
  await relyOn(first, 100);
  // Another disk; and the first one, as it was last, until something relies on the second.
  const second = opened(2, 0);
  log.greeted(n3, second);
  expect(log.greeted(n3, opened(1, 200))).toBeUndefined();
  log.greeted(n3, second);
  await relyOn(second, 300);
  expect(log.greeted(n3, opened(1, 200))).toContain('older than deletions');
  expect(log.greeted(n3, opened(2, 300))).toBeUndefined();
  expect(log.greeted(n3, opened(3, 0))).toBeUndefined();
  expect(log.greeted(n3, opened(3, 250, { formerReplicaId: 1, formerMark: 200 }))).toContain('older');
  log = await open();
  expect(log.greeted(n3, opened(1, 200))).toContain('older than deletions');
});

test('nor one that was only ever seen, before a restart of this node', async () => {
  log.greeted(n3, opened(1, 0));
  const second = opened(2, 0);
  log.greeted(n3, second);
  await commit.flush();
  log = await open();
  await relyOn(second, 300);
  expect(log.greeted(n3, opened(1, 200))).toContain('older than deletions');
});

test('a store that took a new id over its data is not fenced with the id that it had', async () => {
  const first = opened(1, 0);
  log.greeted(n3, first);
  log.told(n3, replication, { startedAtMs: nowMs, process: first, peerMark: 100 });
  const copy = opened(2, 120, { formerReplicaId: 1, formerMark: 120 });
  log.greeted(n3, copy);
  // What was compared with the first is relied on.
  for (let step = 0; step < 3; step++) {
    nowMs += graceMs / 2;
    await log.advance();
  }
  expect(log.counters.reliedOn).toBe(1);
  expect(log.greeted(n3, copy)).toBeUndefined();
  // And then the copy, which has not yet stored that all have accepted it.
  await relyOn(copy, 300);
  expect(log.greeted(n3, opened(2, 300, { formerReplicaId: 1, formerMark: 120 }))).toBeUndefined();
  expect(log.greeted(n3, opened(1, 120))).toContain('older than deletions');
});

test('a new store is not taken for an older one because the clock of its node was ahead before', async () => {
  const first = opened(1, 0);
  log.greeted(n3, first);
  await relyOn(first, 1_000_000);
  expect(log.greeted(n3, opened(2, 0))).toBeUndefined();
  expect(log.greeted(n3, opened(2, 500))).toBeUndefined();
  expect(log.greeted(n3, opened(3, 500))).toContain('older than deletions');
});

test('a store that took a new id keeps what it had under the former one', () => {
  log.greeted(n3, opened(2, 50, { formerReplicaId: 1, formerMark: 40 }));
  log.greeted(nodeId('n2'), opened(9, 0));
  expect([1, 2, 9].map((id) => log.mayBeElsewhere(id, [nodeId('n2')]))).toEqual([true, true, false]);
});

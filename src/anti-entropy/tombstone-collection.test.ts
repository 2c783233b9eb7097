import { expect, test } from 'vitest';
import { partitionId } from '../core/identity.ts';
import { systemEnv } from '../env/system-env.ts';
import type { IndexedTombstone } from '../storage/tombstone-store.ts';
import { TombstoneCollection } from './tombstone-collection.ts';
import type { JudgedPlace } from './tombstone-judge.ts';

const graceMs = 1_000;
const nowMs = 10_000;

test('a walk reads only records that are old enough, and asks the throttle for them', async () => {
  const entry = (name: number, arrivedAtMs: number): IndexedTombstone => {
    const recordKey = Uint8Array.of(name);
    return { partition: partitionId(1), recordKey, arrivedAtMs, digest: undefined };
  };
  const entries = [entry(1, nowMs - graceMs), entry(2, nowMs - graceMs + 1), entry(3, nowMs - 2 * graceMs)];
  const read: number[] = [];
  const taken: number[] = [];
  const homes = { confirmedBeforeMs: nowMs, collectableBeforeMs: undefined, deletableBeforeMs: undefined };
  const collection = new TombstoneCollection<JudgedPlace>(
    {
      env: systemEnv(),
      index: {
        page: async () => ({ entries, last: undefined }),
        remove: async () => undefined,
        raiseCollectedMark: async () => undefined,
      },
      judge: {
        stateOf: () => ({ kind: 'waiting', overdue: false }),
        comparedOf: () => ({ ...homes, collectedMark: 0 }),
      },
      log: { advance: async () => undefined },
      records: {
        place: (recordKey) => ({ recordKey, partition: partitionId(1), bucket: { replication: 3 } }),
        readStored: ({ recordKey }) => {
          read.push(...recordKey);
          return { kind: 'found', record: recordKey };
        },
        isPending: () => false,
        remove: () => false,
      },
      runningMs: () => nowMs,
      isHome: () => true,
      throttle: { take: async (keys) => void taken.push(keys) },
      onError: (error) => {
        throw error;
      },
    },
    { graceMs },
  );
  await collection.pass();
  expect([read, taken]).toEqual([[1, 3], [2]]);
  expect(collection.counters).toMatchObject({ passes: 1, indexed: 3, oldestMs: 2 * graceMs });
});

import { expect, test } from 'vitest';
import { bucketOf } from '../../test/support/comparable-replica.ts';
import { FakeEnv } from '../../test/support/fake-env.ts';
import type { Version, VersionedRecord } from '../core/causality/record.ts';
import { nodeId, type PartitionId, partitionId, replicaId } from '../core/identity.ts';
import { compareViews, drawKeys, measureDivergence, type SampledStore } from './divergence.ts';
import type { ReplicaView } from './operation.ts';

const bucket = bucketOf('default', 3);
const other = bucketOf('other', 2);

/** Partition to record keys: names beginning with `o` are of the other bucket. */
function storeOf(partitions: readonly (readonly string[])[]): SampledStore & { readonly read: () => number } {
  let read = 0;
  return {
    partitions: () => partitions.map((_, index) => partitionId(index)),
    async *entries(partition: PartitionId) {
      for (const name of partitions[partition] ?? []) {
        read++;
        yield [Buffer.from(name), { kind: 'found', record: new Uint8Array() }] as const;
      }
    },
    bucketOf: (recordKey) => {
      const name = Buffer.from(recordKey).toString();
      if (name.startsWith('aged')) return undefined;
      return name.startsWith('o') ? other : bucket;
    },
    read: () => read,
  };
}

function names(from: number, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `k${from + index}`);
}

async function drawn(store: SampledStore, count: number, seed = 1, only = bucket): Promise<string[]> {
  const keys = await drawKeys(store, new FakeEnv(seed), only, count, Number.POSITIVE_INFINITY);
  return keys.map(({ recordKey }) => Buffer.from(recordKey).toString());
}

test('a sample has as many keys as asked, each once, and all of a node that holds fewer', async () => {
  const partitions = Array.from({ length: 40 }, (_, index) => names(index * 100, 100));
  for (const count of [1, 15, 16, 17, 300]) {
    const store = storeOf(partitions);
    const keys = await drawn(store, count);
    expect(new Set(keys).size).toBe(count);
    // It does not read all to draw a few.
    expect(store.read()).toBeLessThanOrEqual(100 * Math.ceil(count / 16));
  }
  expect((await drawn(storeOf([names(0, 50)]), 300)).sort()).toEqual(names(0, 50).sort());
  expect(await drawn(storeOf([[], ['o1', 'aged1'], ['k1']]), 300)).toEqual(['k1']);
  expect(await drawn(storeOf([[], ['o1', 'aged1'], ['k1']]), 300, 1, other)).toEqual(['o1']);
  expect(await drawn(storeOf([]), 300)).toEqual([]);
});

test('every key is drawn sometimes, and about equally often', async () => {
  const store = storeOf([names(0, 30), names(30, 30)]);
  const counts = new Map<string, number>();
  for (let seed = 1; seed <= 1_000; seed++) {
    for (const key of await drawn(store, 6, seed)) counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  expect(counts.size).toBe(60);
  for (const count of counts.values()) {
    expect(count).toBeGreaterThan(50);
    expect(count).toBeLessThan(160);
  }
});

test('drawing ends when there is no time left', async () => {
  const env = new FakeEnv();
  const store = storeOf([names(0, 1_000)]);
  expect(await drawKeys(store, env, bucket, 100, env.clock.monotonicMs())).toEqual([]);
});

const nowMicros = 1_700_000_000_000_000;

function record(...counters: readonly number[]): VersionedRecord {
  const newest = Math.max(...counters);
  const versions: Version[] = counters.map((counter) => ({
    dot: { replica: replicaId(counter), epoch: 1, counter: 1 },
    clock: [],
    value: new Uint8Array(),
    writtenAt: nowMicros - counter * 1_000_000,
    expiresAt: undefined,
    requestId: undefined,
  }));
  return { clock: versions.map(({ dot }) => dot), versions: versions.slice(0, newest) };
}

function views(
  ...answers: readonly (VersionedRecord | 'absent' | 'damaged' | 'unreachable')[]
): ReplicaView[] {
  return answers.map((answer, index) => ({
    node: nodeId(`n${index}`),
    answer:
      answer === 'unreachable'
        ? { kind: answer, why: 'lost' }
        : typeof answer === 'string'
          ? { kind: answer }
          : { kind: 'found', record: answer, bytes: 1 },
  }));
}

test.each([
  ['all equal', views(record(1), record(1), record(1)), { differ: false, lackedSinceMicros: undefined }],
  ['all absent', views('absent', 'absent'), { differ: false, lackedSinceMicros: undefined }],
  [
    'one lacks a version',
    views(record(1, 2), record(1), record(1, 2)),
    { differ: true, lackedSinceMicros: nowMicros - 2e6 },
  ],
  [
    'each lacks another',
    views(record(1), record(2), record(1, 2)),
    { differ: true, lackedSinceMicros: nowMicros - 2e6 },
  ],
  ['one holds nothing', views(record(3), 'absent'), { differ: true, lackedSinceMicros: nowMicros - 3e6 }],
  ['one is damaged', views(record(1), 'damaged'), { differ: true, lackedSinceMicros: nowMicros - 1e6 }],
  ['all are damaged', views('damaged', 'damaged'), { differ: true, lackedSinceMicros: undefined }],
  ['one says nothing', views(record(1), 'unreachable', 'absent'), 'unknown'],
])('%s', (_name, seen, expected) => {
  expect(compareViews(seen, bucket)).toEqual(expected);
});

test('a measurement counts, and what there was no time for is unknown', async () => {
  const env = new FakeEnv();
  const answers = [
    views(record(1), record(1)),
    views(record(1), 'absent'),
    views(record(5), record(1)),
    views('unreachable', record(1)),
  ];
  const keys = answers.map((_, index) => ({ bucket, recordKey: Buffer.from([index]) }));
  const coordination = { inspect: async (key: Uint8Array) => answers[key[0] as number] as ReplicaView[] };
  expect(await measureDivergence(coordination, env, keys, 1_000)).toEqual({
    sampled: 3,
    divergent: 2,
    unknown: 1,
    unansweredBy: ['n0'],
    oldestMs: 5_000,
  });
  expect(await measureDivergence(coordination, env, keys, 0)).toMatchObject({
    sampled: 0,
    unknown: 4,
    unansweredBy: [],
  });
  expect(await measureDivergence(coordination, env, [], 1_000)).toEqual({
    sampled: 0,
    divergent: 0,
    unknown: 0,
    unansweredBy: [],
    oldestMs: undefined,
  });
});

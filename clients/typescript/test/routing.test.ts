import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { GetPlacementResponse } from '../src/gen/kindred/v1/topology.ts';
import { loadHash64, PlacementTable, partitionOf, tokenOf, tokenText } from '../src/routing.ts';

interface Vectors {
  readonly partitions: number;
  readonly vectors: readonly {
    readonly bucket: string;
    readonly key: string;
    readonly token: string;
    readonly partition: number;
  }[];
}

const golden: Vectors = JSON.parse(
  readFileSync(new URL('../../../test/golden/key-tokens.json', import.meta.url), 'utf8'),
);

test('tokens and partitions are those that every language computes', async () => {
  const hash64 = await loadHash64();
  const bits = Math.log2(golden.partitions);
  expect(golden.vectors.length).toBeGreaterThanOrEqual(1000);
  for (const { bucket, key, token, partition } of golden.vectors) {
    const computed = tokenOf(hash64, bucket, Buffer.from(key, 'base64'));
    expect(tokenText(computed)).toBe(token);
    expect(partitionOf(computed, bits)).toBe(partition);
  }
});

const nodes = ['n1', 'n2', 'n3'].map((id, i) => ({ id, address: `10.0.0.${i + 1}:7400` }));
/** Two partitions, two homes each. */
const placement = GetPlacementResponse.fromPartial({
  topologyEpoch: 5,
  hash: 'xxh64',
  partitionBits: 1,
  replication: 2,
  nodes,
  homes: [0, 1, 2, 0],
});

test('the homes of a key are those of its partition, best first', async () => {
  const table = (await PlacementTable.of(placement)) as PlacementTable;
  for (const { bucket, key, token, partition } of golden.vectors.slice(0, 100)) {
    const upper = partition >= golden.partitions / 2;
    const place = table.place(bucket, Buffer.from(key, 'base64'));
    expect(place).toEqual({ token, homes: upper ? ['n3', 'n1'] : ['n1', 'n2'] });
    expect(table.addresses(bucket, Buffer.from(key, 'base64'))).toHaveLength(2);
  }
});

test('one partition has no bits', async () => {
  const hash64 = await loadHash64();
  expect(partitionOf(tokenOf(hash64, 'b', 'k'), 0)).toBe(0);
});

test('a table that cannot be read is none', async () => {
  expect(await PlacementTable.of({ ...placement, hash: 'murmur3' })).toBeUndefined();
  expect(await PlacementTable.of({ ...placement, homes: [0, 1, 2] })).toBeUndefined();
  expect(await PlacementTable.of({ ...placement, homes: [0, 1, 2, 3] })).toBeUndefined();
});

/** The laws at the head of `src/core/anti-entropy/merkle-tree.ts`, against a twin that hashes sets with bigints. */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  elementHash,
  leafOf,
  leavesPerPartition,
  PartitionTree,
  partitionsOfGroup,
  type TreeHash,
  treeHashes,
} from '../../src/core/anti-entropy/merkle-tree.ts';
import { type PartitionId, partitionId } from '../../src/core/identity.ts';
import { partitionOf, type Token } from '../../src/core/ring/token.ts';
import { loadHash64 } from '../../src/env/xxhash.ts';

const hash64 = await loadHash64();

interface Element {
  readonly token: Token;
  readonly digest: TreeHash;
}

const word = fc.nat({ max: 0xffff_ffff });
const halves = fc.record({ high: word, low: word });
const elements: fc.Arbitrary<Element[]> = fc.uniqueArray(fc.record({ token: halves, digest: halves }), {
  selector: ({ token }) => `${token.high} ${token.low}`,
  maxLength: 60,
});
const counts = fc.constantFrom(1, 2, 64, 256, 65_536);

const number = ({ high, low }: TreeHash): bigint => (BigInt(high) << 32n) | BigInt(low);

/** The hash of each leaf that is not empty: a set's hash is the XOR of its elements'. */
function twin(set: readonly Element[], count: number): Map<string, bigint> {
  const leaves = new Map<string, bigint>();
  const bits = BigInt(Math.log2(count));
  for (const { token, digest } of set) {
    const partition = number(token) >> (64n - bits);
    const leaf = (number(token) >> (58n - bits)) & 63n;
    const name = `${partition}/${leaf}`;
    leaves.set(name, (leaves.get(name) ?? 0n) ^ number(elementHash(token, digest)));
  }
  return leaves;
}

function build(set: readonly Element[], count: number): Map<PartitionId, PartitionTree> {
  const trees = new Map<PartitionId, PartitionTree>();
  for (const element of set) toggle(trees, element, count);
  return trees;
}

function toggle(trees: Map<PartitionId, PartitionTree>, { token, digest }: Element, count: number): void {
  const id = partitionOf(token, count);
  const tree = trees.get(id) ?? new PartitionTree();
  trees.set(id, tree);
  tree.toggle(leafOf(token, count), elementHash(token, digest));
}

test('a leaf is the hash of the set under it, whatever the order, and whatever came and went', () => {
  fc.assert(
    fc.property(elements, elements, counts, fc.nat(), (set, passing, count, seed) => {
      const trees = build(set, count);
      for (const element of passing) toggle(trees, element, count);
      for (const element of passing.toReversed()) toggle(trees, element, count);
      const order = set.map((element, i) => ({ element, at: (i * 7919 + seed) % 1009 }));
      const other = build(
        order.sort((a, b) => a.at - b.at).map(({ element }) => element),
        count,
      );
      const leaves = twin(set, count);
      for (const [id, tree] of trees) {
        let all = 0n;
        for (let leaf = 0; leaf < leavesPerPartition; leaf++) {
          const expected = leaves.get(`${id}/${leaf}`) ?? 0n;
          expect(number(tree.leaf(leaf))).toBe(expected);
          all ^= expected;
        }
        expect(number(tree.hash)).toBe(all);
        expect(tree.equals(other.get(id) ?? new PartitionTree())).toBe(true);
      }
    }),
    { numRuns: 300 },
  );
});

test('every level is the XOR of the one below, and two trees that differ in one record differ on one path only', () => {
  const shared = Array.from({ length: 200 }, (_, i) => partitionId(i * 5));
  const tokenOf = (id: number, low: number): Token => ({ high: ((id << 20) | (low << 14)) >>> 0, low });
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.constantFrom(...shared), fc.nat({ max: 63 }), halves), {
        minLength: 1,
        maxLength: 50,
      }),
      (entries) => {
        const set = entries.map(([id, low, digest]) => ({ token: tokenOf(id, low), digest }));
        const a = build(set, 4_096);
        const b = build(set.slice(1), 4_096);
        const [changed] = entries;
        const id = changed?.[0] as PartitionId;
        const group = Math.floor(shared.indexOf(id) / 64);
        const differing = (level: 0 | 1 | 2 | 3, parents: readonly number[]): number[] => {
          const x = treeHashes((p) => a.get(p), shared, level, parents) as Uint8Array;
          const y = treeHashes((p) => b.get(p), shared, level, parents) as Uint8Array;
          expect(x.length).toBe(y.length);
          const at: number[] = [];
          for (let i = 0; i < x.length; i += 8)
            if (Buffer.compare(x.subarray(i, i + 8), y.subarray(i, i + 8)) !== 0) at.push(i / 8);
          return at;
        };
        expect(differing(0, [])).toEqual([0]);
        expect(differing(1, [])).toEqual([group]);
        expect(differing(2, [group]).map((i) => partitionsOfGroup(shared, group)[i])).toEqual([id]);
        expect(differing(3, [id])).toEqual([changed?.[1]]);
        const xorOf = (hashes: Uint8Array): bigint => {
          const view = new DataView(hashes.buffer);
          let all = 0n;
          for (let i = 0; i < hashes.length; i += 8) all ^= view.getBigUint64(i);
          return all;
        };
        const level = (n: 0 | 1 | 2 | 3, parents: readonly number[]): bigint =>
          xorOf(treeHashes((p) => a.get(p), shared, n, parents) as Uint8Array);
        expect(level(1, [])).toBe(level(0, []));
        expect(level(2, [0, 1, 2, 3])).toBe(level(0, []));
        expect(level(3, shared)).toBe(level(0, []));
      },
    ),
    { numRuns: 200 },
  );
});

test('what makes no sense has no answer', () => {
  const shared = [3, 5, 9].map(partitionId);
  const ask = (level: 0 | 1 | 2 | 3, parents: readonly number[]): number | undefined =>
    treeHashes(() => undefined, shared, level, parents)?.length;
  expect(ask(0, [])).toBe(8);
  expect(ask(1, [])).toBe(8);
  expect(ask(2, [0])).toBe(24);
  expect(ask(3, [3, 9])).toBe(2 * 64 * 8);
  for (const [level, parents] of [
    [0, [0]],
    [1, [0]],
    [2, [1]],
    [2, [-1]],
    [2, [0.5]],
    [3, [4]],
    [3, [9, 3]],
    [3, [3, 3]],
    [3, [Number.NaN]],
  ] as const) {
    expect(ask(level, parents)).toBeUndefined();
  }
  const many = Array.from({ length: 1_025 }, (_, i) => partitionId(i));
  const askMany = (count: number): number | undefined =>
    treeHashes(() => undefined, many, 3, many.slice(0, count))?.length;
  expect(askMany(1_024)).toBe(1_024 * 64 * 8);
  expect(askMany(1_025)).toBeUndefined();
});

test('elements of records alike do not hash alike: a million of them, and every bit is even', () => {
  const seen = new Set<number>();
  const ones = new Array<number>(64).fill(0);
  const count = 1_000_000;
  const key = new Uint8Array(8);
  const view = new DataView(key.buffer);
  const digest = hash64(Uint8Array.of(1));
  let collisions = 0;
  for (let i = 0; i < count; i++) {
    view.setUint32(4, i);
    const { high, low } = elementHash(hash64(key), digest);
    // 53 bits of 64 fit a number: of a million, none should meet.
    const name = (high & 0x1f_ffff) * 0x1_0000_0000 + low;
    if (seen.has(name)) collisions++;
    seen.add(name);
    if (i % 16 !== 0) continue;
    for (let bit = 0; bit < 32; bit++) {
      if ((high >>> bit) & 1) ones[bit] = (ones[bit] as number) + 1;
      if ((low >>> bit) & 1) ones[32 + bit] = (ones[32 + bit] as number) + 1;
    }
  }
  expect(collisions).toBe(0);
  for (const one of ones) expect(Math.abs(one / (count / 16) - 0.5)).toBeLessThan(0.02);
});

test('the hashes are on disks and between nodes: they may not change', () => {
  const token = hash64(new TextEncoder().encode('default\0key'));
  const digest = hash64(new TextEncoder().encode('record'));
  const { high, low } = elementHash(token, digest);
  expect([leafOf(token, 4_096), high.toString(16), low.toString(16)]).toEqual([14, '74f8c5ed', '71c736e0']);
  // The records of two keys of a leaf cannot change places unnoticed.
  const other = hash64(new TextEncoder().encode('default\0other'));
  const another = hash64(new TextEncoder().encode('record 2'));
  const straight = number(elementHash(token, digest)) ^ number(elementHash(other, another));
  const crossed = number(elementHash(token, another)) ^ number(elementHash(other, digest));
  expect(straight).not.toBe(crossed);
});

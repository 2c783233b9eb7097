import { expect, test } from 'vitest';
import { loadHash64 } from '../../env/xxhash.ts';
import { recordKeyOf } from './record-key.ts';
import { compareTokens, isPartitionCount, partitionOf, type Token, tokenOf, tokenText } from './token.ts';

const hash = await loadHash64();

test('a token is xxh64 with seed 0 of bucket, zero byte, key', () => {
  expect(tokenText(hash(new Uint8Array(0)))).toBe('ef46db3751d8e999');
  const token = tokenOf(hash, recordKeyOf('b', Uint8Array.of(0x6b)));
  expect(tokenText(token)).toBe(tokenText(hash(Uint8Array.of(0x62, 0, 0x6b))));
});

test('tokens are ordered as unsigned 64-bit numbers and shown in 16 digits', () => {
  const ascending: Token[] = [
    { high: 0, low: 0 },
    { high: 0, low: 0xffffffff },
    { high: 1, low: 0 },
    { high: 0x7fffffff, low: 5 },
    { high: 0x80000000, low: 0 },
    { high: 0xffffffff, low: 0xffffffff },
  ];
  for (const [i, a] of ascending.entries()) {
    for (const [j, b] of ascending.entries()) expect(Math.sign(compareTokens(a, b))).toBe(Math.sign(i - j));
  }
  expect(ascending.map(tokenText)).toEqual([...ascending.map(tokenText)].sort());
  expect(tokenText({ high: 1, low: 0xab })).toBe('00000001000000ab');
});

test.each([
  [1, 0xffffffff, 0],
  [2, 0x7fffffff, 0],
  [2, 0x80000000, 1],
  [4_096, 0x000fffff, 0],
  [4_096, 0x00100000, 1],
  [4_096, 0xffffffff, 4_095],
  [65_536, 0xfffeffff, 65_534],
  [65_536, 0xffffffff, 65_535],
])('of %i partitions, the token with upper half %i is in number %i', (count, high, partition) => {
  expect(partitionOf({ high, low: 0xffffffff }, count)).toBe(partition);
});

test('a ring is cut into a power of two of partitions, at most 65,536', () => {
  expect([1, 2, 4_096, 65_536].filter(isPartitionCount)).toHaveLength(4);
  expect([0, -1, 3, 1.5, 131_072, Number.NaN].filter(isPartitionCount)).toEqual([]);
  expect(() => partitionOf({ high: 0, low: 0 }, 3)).toThrow('power of two');
});

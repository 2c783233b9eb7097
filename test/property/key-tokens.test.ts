/** The published token vectors. They were computed with another implementation of xxh64 than the one used here. */

import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { recordKeyOf } from '../../src/core/ring/record-key.ts';
import { partitionOf, tokenOf, tokenText } from '../../src/core/ring/token.ts';
import { digest64, loadHash64 } from '../../src/env/xxhash.ts';

interface Golden {
  readonly partitions: number;
  readonly vectors: readonly { bucket: string; key: string; token: string; partition: number }[];
}

const hash = await loadHash64();
const path = new URL('../golden/key-tokens.json', import.meta.url);
const golden: Golden = JSON.parse(readFileSync(path, 'utf8'));

test('1,000 published keys have the published tokens and partitions', () => {
  expect(golden.vectors).toHaveLength(1_000);
  const actual = golden.vectors.map(({ bucket, key }) => {
    const token = tokenOf(hash, recordKeyOf(bucket, Buffer.from(key, 'base64')));
    return { bucket, key, token: tokenText(token), partition: partitionOf(token, golden.partitions) };
  });
  expect(actual).toEqual(golden.vectors);
});

test('a digest is the same 64 bits, most significant byte first, in an array of its own', () => {
  for (const { bucket, key, token } of golden.vectors) {
    const digest = digest64(recordKeyOf(bucket, Buffer.from(key, 'base64')));
    if (Buffer.from(digest).toString('hex') !== token) expect.fail(`${bucket} ${key}`);
    expect(digest.buffer.byteLength).toBe(8);
  }
});

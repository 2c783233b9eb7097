import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  bucketNameLengthMax,
  isBucketName,
  readRecordKey,
  recordKeyOf,
  splitRecordKey,
} from './record-key.ts';

const bucketNames = fc.stringMatching(/^[a-z0-9_.-]{1,64}$/);

test('a record key comes apart into what it was made of', () => {
  fc.assert(
    fc.property(bucketNames, fc.uint8Array({ maxLength: 100 }), (bucket, key) => {
      expect(isBucketName(bucket)).toBe(true);
      expect(splitRecordKey(recordKeyOf(bucket, key))).toEqual({ bucket, key });
    }),
  );
});

test('bytes that are no record key are read as absent, and never throw', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
      const name = readRecordKey(bytes);
      if (name !== undefined) expect(recordKeyOf(name.bucket, name.key)).toEqual(bytes);
    }),
  );
  const ascii = (text: string): Uint8Array => Uint8Array.from(text, (character) => character.charCodeAt(0));
  for (const text of ['', 'bucket', '\0key', 'Bucket\0key', `${'b'.repeat(bucketNameLengthMax + 1)}\0key`]) {
    expect(readRecordKey(ascii(text))).toBeUndefined();
  }
  expect(() => splitRecordKey(ascii('bucket'))).toThrow('record key');
  expect(readRecordKey(ascii(`${'b'.repeat(bucketNameLengthMax)}\0`))?.key).toEqual(new Uint8Array(0));
});

test('only bucket names are put into a record key', () => {
  const names = ['', 'B', 'a/b', 'ü', 'a\0b', 'b'.repeat(65)];
  expect(names.filter(isBucketName)).toEqual([]);
  for (const name of names) expect(() => recordKeyOf(name, new Uint8Array(1))).toThrow('bucket name');
});

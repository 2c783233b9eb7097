/**
 * The record key: one byte string for a bucket and a key in it. It is what the ring hashes and what engines store, so
 * its form may not change: the bucket's name in ASCII, a zero byte, the key. No bucket name holds a zero byte, so two
 * different pairs never give the same record key, and the keys of one bucket lie together in byte order.
 */

import { assert } from '../assert.ts';
import { allocateBytes } from '../byte-slab.ts';

/** A record key taken apart. */
export interface RecordName {
  readonly bucket: string;
  /** Any bytes. A view into the record key that it was read from: copy it if that buffer is reused. */
  readonly key: Uint8Array;
}

/** The longest bucket name, in characters. */
export const bucketNameLengthMax = 64;

/** Whether `text` may name a bucket: 1 to 64 of a-z, 0-9, underscore, dot and hyphen. */
export function isBucketName(text: string): boolean {
  if (text.length === 0 || text.length > bucketNameLengthMax) return false;
  for (let i = 0; i < text.length; i++) if (!isBucketCharacter(text.charCodeAt(i))) return false;
  return true;
}

/** The record key of `key` in `bucket`, in bytes of its own. */
export function recordKeyOf(bucket: string, key: Uint8Array): Uint8Array {
  const bucketLength = bucket.length;
  assert(bucketLength > 0 && bucketLength <= bucketNameLengthMax, 'a bucket name has 1 to 64 characters');
  const recordKey = allocateBytes(bucketLength + 1 + key.length);
  for (let i = 0; i < bucketLength; i++) {
    const character = bucket.charCodeAt(i);
    assert(isBucketCharacter(character), 'a bucket name holds only a-z, 0-9, underscore, dot and hyphen');
    recordKey[i] = character;
  }
  recordKey.set(key, bucketLength + 1);
  return recordKey;
}

/** Takes a record key apart that this process made or has verified. Throws on anything else. */
export function splitRecordKey(recordKey: Uint8Array): RecordName {
  const name = readRecordKey(recordKey);
  assert(name !== undefined, 'a record key is a bucket name, a zero byte and a key');
  return name;
}

/** Takes bytes apart that a disk or a peer delivered: undefined when they are no record key. */
export function readRecordKey(bytes: Uint8Array): RecordName | undefined {
  let bucket = '';
  const end = Math.min(bytes.length, bucketNameLengthMax + 1);
  for (let i = 0; i < end; i++) {
    const character = bytes[i] as number;
    if (character === 0) return i === 0 ? undefined : { bucket, key: bytes.subarray(i + 1) };
    if (!isBucketCharacter(character)) return undefined;
    bucket += String.fromCharCode(character);
  }
  return undefined;
}

function isBucketCharacter(code: number): boolean {
  return (
    (code >= 0x61 && code <= 0x7a) ||
    (code >= 0x30 && code <= 0x39) ||
    code === 0x5f ||
    code === 0x2e ||
    code === 0x2d
  );
}

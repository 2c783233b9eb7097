/** The laws of the record, over histories of writes, retries, messages and forgetting. */

import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { MalformedError } from '../../src/core/binary.ts';
import { equalBytes } from '../../src/core/bytes.ts';
import { decodeContext } from '../../src/core/causality/context-token.ts';
import { mergeRecords, type VersionedRecord } from '../../src/core/causality/record.ts';
import {
  decodeRecord,
  decodeRecordClock,
  encodedLength,
  encodeRecord,
} from '../../src/core/causality/record-codec.ts';
import { covers, descends } from '../../src/core/causality/vector-clock.ts';
import { anyHistory, type History } from '../support/record-history.ts';

const numRuns = 1500;

/** Three records of one history, most often different ones. */
function three(retries: boolean): fc.Arbitrary<[History, VersionedRecord, VersionedRecord, VersionedRecord]> {
  return anyHistory(retries).chain((history) => {
    const one = fc.constantFrom(...history.records);
    return fc.tuple(fc.constant(history), one, one, one);
  });
}

test('merge is commutative and idempotent, and gives what descends both', () => {
  fc.assert(
    fc.property(three(true), ([{ policy }, a, b]) => {
      const both = mergeRecords(a, b, policy);
      expect(mergeRecords(b, a, policy)).toEqual(both);
      expect(mergeRecords(a, structuredClone(a), policy)).toBe(a);
      expect(mergeRecords(both, a, policy)).toBe(both);
      expect(mergeRecords(b, both, policy)).toEqual(both);
      expect(descends(both.clock, a.clock) && descends(both.clock, b.clock)).toBe(true);
    }),
    { numRuns },
  );
});

test('merge is associative where no request was retried', () => {
  fc.assert(
    fc.property(three(false), ([{ policy }, a, b, c]) => {
      const left = mergeRecords(mergeRecords(a, b, policy), c, policy);
      expect(mergeRecords(a, mergeRecords(b, c, policy), policy)).toEqual(left);
    }),
    { numRuns },
  );
});

test('with retries too, the two ways round a merge of three merge to one record that stays', () => {
  fc.assert(
    fc.property(three(true), ([{ policy }, a, b, c]) => {
      const left = mergeRecords(mergeRecords(a, b, policy), c, policy);
      const right = mergeRecords(a, mergeRecords(b, c, policy), policy);
      const end = mergeRecords(left, right, policy);
      for (const record of [a, b, c, left, right]) expect(mergeRecords(end, record, policy)).toBe(end);
    }),
    { numRuns },
  );
});

test('a record covers its versions and all that they had seen, and no version has seen itself', () => {
  fc.assert(
    fc.property(anyHistory(true), ({ records }) => {
      for (const { clock, versions } of records) {
        for (const version of versions) {
          expect(covers(clock, version.dot)).toBe(true);
          expect(descends(clock, version.clock)).toBe(true);
          expect(covers(version.clock, version.dot)).toBe(false);
        }
      }
    }),
    { numRuns: 500 },
  );
});

test('a record comes back from its bytes, and equal records are equal bytes', () => {
  fc.assert(
    fc.property(three(true), ([{ policy }, a, b]) => {
      const [left, right] = [encodeRecord(a, crc32), encodeRecord(b, crc32)];
      expect(left.length).toBe(encodedLength(a));
      expect(decodeRecord(left, crc32)).toEqual(a);
      expect(equalBytes(left, right)).toBe(isEqual(a, b));
      const merged = encodeRecord(mergeRecords(a, b, policy), crc32);
      expect(equalBytes(merged, encodeRecord(mergeRecords(b, a, policy), crc32))).toBe(true);
    }),
    { numRuns },
  );
});

/** Changes of bytes: an index and what is put there. */
const anyDamage = fc.array(fc.tuple(fc.nat(400), fc.nat(255)), { minLength: 1, maxLength: 6 });

test('what a decoder cannot read it refuses, and in no other way', () => {
  let accepted = 0;
  fc.assert(
    fc.property(anyHistory(true), anyDamage, fc.nat(8), (history, damage, cut) => {
      const record = history.records[history.records.length - 1] as VersionedRecord;
      const bytes = encodeRecord(record, crc32);
      for (const [at, byte] of damage) bytes[at % bytes.length] = byte;
      const damaged = bytes.subarray(0, bytes.length - (cut > 4 ? cut : 0));
      // A checksum that always agrees, so that the damage reaches the decoder.
      const body = damaged.subarray(0, Math.max(0, damaged.length - 4));
      const stored = damaged.length < 4 ? 0 : new DataView(damaged.slice(-4).buffer).getUint32(0, true);
      for (const decode of [decodeRecord, decodeRecordClock]) {
        try {
          const read = decode(damaged, () => stored);
          // What it accepts is canonical: it has these bytes and no others.
          if ('versions' in read) {
            accepted++;
            expect(equalBytes(encodeRecord(read, crc32).subarray(0, -4), body)).toBe(true);
          }
        } catch (error) {
          expect(error).toBeInstanceOf(MalformedError);
        }
      }
      expect(['context', 'invalid']).toContain(
        decodeContext(damaged, body.subarray(1, 9), () => stored).kind,
      );
    }),
    { numRuns: 5000 },
  );
  expect(accepted).toBeGreaterThan(100);
});

function isEqual(a: VersionedRecord, b: VersionedRecord): boolean {
  return JSON.stringify(plain(a)) === JSON.stringify(plain(b));
}

function plain(record: VersionedRecord): unknown {
  return [
    record.clock,
    record.versions.map(({ dot, clock, value, writtenAt, expiresAt, requestId }) => [
      dot,
      clock,
      value && [...value],
      writtenAt,
      expiresAt,
      requestId && [...requestId],
    ]),
  ];
}

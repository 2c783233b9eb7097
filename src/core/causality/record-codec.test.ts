import { readFileSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { expect, test } from 'vitest';
import { ByteWriter, MalformedError } from '../binary.ts';
import { toHex } from '../bytes.ts';
import { replicaId } from '../identity.ts';
import type { Dot } from './dot.ts';
import type { Version, VersionedRecord } from './record.ts';
import { decodeRecord, decodeRecordClock, encodedLength, encodeRecord } from './record-codec.ts';

/** The bytes of format 1. This file may never change: a store written by any release must stay readable. */
const golden: Record<string, string> = JSON.parse(
  readFileSync(new URL('../../../test/golden/records.json', import.meta.url), 'utf8'),
);

const dot = (replica: number, epoch: number, counter: number): Dot => ({
  replica: replicaId(replica),
  epoch,
  counter,
});
const largest = 2 ** 53 - 1;

function version(written: Dot, more: Partial<Version> = {}): Version {
  const value = Uint8Array.of(1, 2, 3);
  return {
    dot: written,
    clock: [],
    value,
    writtenAt: 1,
    expiresAt: undefined,
    requestId: undefined,
    ...more,
  };
}

const samples: Record<string, VersionedRecord> = {
  nothing: { clock: [], versions: [] },
  'knowledge only': { clock: [dot(1, 1, 3)], versions: [] },
  'one value': { clock: [dot(1, 1, 1)], versions: [version(dot(1, 1, 1))] },
  'an empty value': {
    clock: [dot(1, 1, 1)],
    versions: [version(dot(1, 1, 1), { value: new Uint8Array(0) })],
  },
  'a deletion': {
    clock: [dot(1, 1, 2)],
    versions: [version(dot(1, 1, 2), { clock: [dot(1, 1, 1)], value: undefined })],
  },
  'siblings with everything': {
    clock: [dot(1, 1, 300), dot(1, 2, 1), dot(0x1234_5678_9abc, 70_000, 2)],
    versions: [
      version(dot(1, 1, 299), {
        requestId: Uint8Array.from({ length: 16 }, (_, i) => i),
        expiresAt: 1_800_000_000_000_000,
        writtenAt: 1_700_000_000_000_000,
      }),
      version(dot(1, 1, 300), { clock: [dot(1, 1, 298)], value: new Uint8Array(200).fill(9) }),
      version(dot(0x1234_5678_9abc, 70_000, 2), {
        clock: [dot(1, 1, 17), dot(0x1234_5678_9abc, 70_000, 1)],
        value: undefined,
      }),
    ],
  },
  'the largest numbers': {
    clock: [dot(largest, 0xffff_ffff, 2 ** 52)],
    versions: [version(dot(largest, 0xffff_ffff, 2 ** 52), { writtenAt: largest, expiresAt: largest })],
  },
};

test('the golden file and the samples are the same set', () => {
  expect(Object.keys(golden)).toEqual(Object.keys(samples));
});

test.for(Object.entries(samples))('%s has its golden bytes, and comes back from them', ([name, record]) => {
  const bytes = encodeRecord(record, crc32);
  expect(toHex(bytes)).toBe(golden[name]);
  expect(encodedLength(record)).toBe(bytes.length);
  const copy = decodeRecord(bytes, crc32);
  expect(copy).toEqual(record);
  expect(decodeRecordClock(bytes, crc32)).toEqual(record.clock);
});

test.for(Object.entries(samples))(
  '%s: truncated, with a tail, or with any bit flipped, it is refused',
  ([, record]) => {
    const bytes = encodeRecord(record, crc32);
    for (let length = 0; length < bytes.length; length++) {
      expect(() => decodeRecord(bytes.subarray(0, length), crc32), `length ${length}`).toThrow(
        MalformedError,
      );
    }
    expect(() => decodeRecord(Uint8Array.of(...bytes, 0), crc32)).toThrow(MalformedError);
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const damaged = bytes.slice();
      damaged[bit >> 3] = (damaged[bit >> 3] as number) ^ (1 << (bit & 7));
      expect(() => decodeRecord(damaged, crc32), `bit ${bit}`).toThrow(MalformedError);
      expect(() => decodeRecordClock(damaged, crc32), `bit ${bit}`).toThrow(MalformedError);
    }
  },
);

const a = [1, 0, 0, 0, 0, 0, 0, 0];
const b = [2, 0, 0, 0, 0, 0, 0, 0];

test.for<[string, number[], RegExp]>([
  ['another format', [2, 0, 0], /format 2/],
  ['a number in a longer form than needed', [1, 0x80, 0, 0], /longer form/],
  ['a number of more than 53 bits', [1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0], /53 bits/],
  ['a number without end', [1, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0], /53 bits/],
  ['a replica of more than 53 bits', [1, 1, 0, 0, 0, 0, 0, 0, 0x20, 0, 1, 1, 0], /53 bits/],
  ['replica 0', [1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0], /actor/],
  ['epoch 0', [1, 1, ...a, 0, 1, 0], /actor/],
  ['an epoch of 33 bits', [1, 1, ...a, 0x80, 0x80, 0x80, 0x80, 0x10, 1, 0], /actor/],
  ['counter 0', [1, 1, ...a, 1, 0, 0], /counter/],
  ['a counter above 2^52', [1, 1, ...a, 1, 0x81, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x08, 0], /counter/],
  ['actors out of order', [1, 2, ...b, 1, 1, ...a, 1, 1, 0], /order/],
  ['an actor twice', [1, 2, ...a, 1, 1, ...a, 1, 2, 0], /order/],
  ['too many actors', [1, 0xa1, 0x8d, 0x06, 0], /clock of 100001/],
  ['too many versions', [1, 0, 0xa1, 0x8d, 0x06], /100001 versions/],
  ['a dot of no actor', [1, 1, ...a, 1, 1, 1, 1, 1, 1, 0, 1], /does not cover/],
  ['a dot beyond the clock', [1, 1, ...a, 1, 1, 1, 0, 2, 1, 0, 1], /does not cover/],
  ['a dot of counter 0', [1, 1, ...a, 1, 1, 1, 0, 0, 1, 0, 1], /does not cover/],
  ['unknown flags', [1, 1, ...a, 1, 1, 1, 0, 1, 8, 0, 1], /flags 8/],
  [
    'a version that has seen what its record has not',
    [1, 1, ...a, 1, 1, 1, 0, 1, 1, 1, 0, 2, 1],
    /does not cover/,
  ],
  [
    'a version clock longer than the record clock',
    [1, 1, ...a, 1, 2, 1, 0, 2, 1, 2, 0, 1, 0, 1, 1],
    /more actors/,
  ],
  [
    'a version clock out of order',
    [1, 2, ...a, 1, 2, ...b, 1, 1, 1, 0, 2, 1, 2, 1, 1, 0, 1, 1],
    /out of order/,
  ],
  ['versions out of order', [1, 1, ...a, 1, 2, 2, 0, 2, 1, 0, 1, 0, 1, 1, 0, 1], /versions out of order/],
  ['a version twice', [1, 1, ...a, 1, 1, 2, 0, 1, 1, 0, 1, 0, 1, 1, 0, 1], /versions out of order/],
  ['a value longer than the record', [1, 1, ...a, 1, 1, 1, 0, 1, 0, 0, 1, 9, 7], /truncated/],
  ['bytes after the last version', [1, 0, 0, 0], /after the last/],
])('with a right checksum, %s is refused', ([, body, problem]) => {
  const writer = new ByteWriter(body.length + 4);
  writer.raw(Uint8Array.from(body));
  writer.u32(crc32(Uint8Array.from(body)));
  const decode = (): VersionedRecord => decodeRecord(writer.bytes, crc32);
  expect(decode).toThrow(MalformedError);
  expect(decode).toThrow(problem);
});

test('a record whose clock does not cover a version is a programming mistake', () => {
  expect(() => encodeRecord({ clock: [], versions: [version(dot(1, 1, 1))] }, crc32)).toThrow(/I1/);
});

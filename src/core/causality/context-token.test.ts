import { crc32 } from 'node:zlib';
import { expect, test } from 'vitest';
import { ByteWriter } from '../binary.ts';
import { replicaId } from '../identity.ts';
import {
  type CausalContext,
  clockReaches,
  contextAfterWrite,
  contextBytesMax,
  contextCovers,
  contextLength,
  contextOf,
  decodeContext,
  emptyContext,
  encodeContext,
} from './context-token.ts';
import type { Dot } from './dot.ts';
import { writeClock } from './record-codec.ts';

const binding = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);
const dot = (replica: number, epoch: number, counter: number): Dot => ({
  replica: replicaId(replica),
  epoch,
  counter,
});
const sample: CausalContext = {
  clock: [dot(1, 1, 5), dot(2 ** 53 - 1, 0xffff_ffff, 300)],
  dots: [dot(1, 1, 7)],
  writtenAt: 1_700_000_000_000_000,
};

function problemOf(token: Uint8Array, of = binding): string {
  const result = decodeContext(token, of, crc32);
  return result.kind === 'invalid' ? result.problem : 'none';
}

test.for([emptyContext, sample])('comes back as it was', (context) => {
  const token = encodeContext(context, binding, crc32);
  expect(token.length).toBe(contextLength(context));
  expect(decodeContext(token, binding, crc32)).toEqual({ kind: 'context', context });
});

test('is refused for another key', () => {
  expect(problemOf(encodeContext(sample, binding, crc32), new Uint8Array(8))).toContain('another key');
});

test('is refused with any bit flipped, at any length but its own, and with a tail', () => {
  const token = encodeContext(sample, binding, crc32);
  for (let bit = 0; bit < token.length * 8; bit++) {
    const damaged = token.slice();
    damaged[bit >> 3] = (damaged[bit >> 3] as number) ^ (1 << (bit & 7));
    expect(problemOf(damaged), `bit ${bit}`).not.toBe('none');
  }
  for (let length = 0; length < token.length; length++) {
    expect(problemOf(token.subarray(0, length)), `length ${length}`).not.toBe('none');
  }
  expect(problemOf(Uint8Array.of(...token, 0))).not.toBe('none');
});

test(`may have ${contextBytesMax} bytes, and not one more`, () => {
  // 13 bytes an entry with counters of 4 bytes; the last entry's epoch fills up.
  const clockOf = (lastEpoch: number): Dot[] => [
    ...Array.from({ length: 312 }, (_, i) => dot(i + 1, 1, 2 ** 27)),
    dot(1000, lastEpoch, 2 ** 28),
  ];
  const size = (lastEpoch: number): number =>
    contextLength({ clock: clockOf(lastEpoch), dots: [], writtenAt: 2 ** 48 });
  const epochs = [1, 2 ** 14, 2 ** 21, 2 ** 28];
  const fitting = epochs.filter((epoch) => size(epoch) === contextBytesMax);
  const over = epochs.filter((epoch) => size(epoch) === contextBytesMax + 1);
  expect([fitting.length, over.length]).toEqual([1, 1]);
  const at = (epoch = 0): Uint8Array =>
    encodeContext({ clock: clockOf(epoch), dots: [], writtenAt: 2 ** 48 }, binding, crc32);
  expect(problemOf(at(fitting[0]))).toBe('none');
  expect(problemOf(at(over[0]))).toContain('4097 bytes');
});

test.for<[string, CausalContext, boolean]>([
  ['2^48 writes', { ...emptyContext, clock: [dot(1, 1, 2 ** 48)] }, true],
  ['more', { ...emptyContext, clock: [dot(1, 1, 2 ** 48 + 1)] }, false],
  ['more, in a single dot', { ...emptyContext, dots: [dot(1, 1, 2 ** 48 + 1)] }, false],
  ['the year 2112', { ...emptyContext, writtenAt: 2 ** 52 }, true],
  ['later', { ...emptyContext, writtenAt: 2 ** 52 + 1 }, false],
])('forged numbers leave room to go on: %s', ([, context, isValid]) => {
  expect(problemOf(encodeContext(context, binding, crc32)) === 'none').toBe(isValid);
});

test('a clock out of order is refused although its checksum is right', () => {
  const writer = new ByteWriter(64);
  writer.u8(1);
  writer.raw(binding);
  writer.varint(0);
  writeClock(writer, [dot(2, 1, 1), dot(1, 1, 1)]);
  writeClock(writer, []);
  writer.u32(crc32(writer.bytes.subarray(0, writer.length)));
  expect(problemOf(writer.bytes.subarray(0, writer.length))).toContain('order');
});

test('the context of a record covers all that it has seen, and its latest time', () => {
  const rest = { clock: [], value: undefined, expiresAt: undefined, requestId: undefined };
  const versions = [3, 9, 4].map((writtenAt, i) => ({ ...rest, writtenAt, dot: dot(1, 1, i + 1) }));
  expect(contextOf({ clock: [dot(1, 1, 3)], versions })).toEqual({
    clock: [dot(1, 1, 3)],
    dots: [],
    writtenAt: 9,
  });
  expect(contextOf(undefined)).toEqual(emptyContext);
});

test.for<[string, CausalContext, Dot, CausalContext]>([
  ['the first', emptyContext, dot(1, 1, 1), { clock: [dot(1, 1, 1)], dots: [], writtenAt: 8 }],
  [
    'the next of its actor',
    { ...emptyContext, clock: [dot(1, 1, 4)] },
    dot(1, 1, 5),
    { clock: [dot(1, 1, 5)], dots: [], writtenAt: 8 },
  ],
  [
    'one past a sibling',
    { ...emptyContext, clock: [dot(1, 1, 3)] },
    dot(1, 1, 5),
    { clock: [dot(1, 1, 3)], dots: [dot(1, 1, 5)], writtenAt: 8 },
  ],
  [
    'one that it had seen',
    { ...emptyContext, clock: [dot(1, 1, 6)] },
    dot(1, 1, 5),
    { clock: [dot(1, 1, 6)], dots: [], writtenAt: 8 },
  ],
])('after a write: %s', ([, seen, written, expected]) => {
  expect(contextAfterWrite(seen, written, 8)).toEqual(expected);
  expect(contextAfterWrite({ ...seen, writtenAt: 9 }, written, 8).writtenAt).toBe(9);
});

test('a single dot covers itself and nothing before it', () => {
  const context: CausalContext = { clock: [dot(1, 1, 3)], dots: [dot(1, 1, 5)], writtenAt: 0 };
  expect([3, 4, 5, 6].map((counter) => contextCovers(context, dot(1, 1, counter)))).toEqual([
    true,
    false,
    true,
    false,
  ]);
  expect([3, 4, 5].map((counter) => clockReaches([dot(1, 1, counter)], context))).toEqual([
    false,
    false,
    true,
  ]);
});

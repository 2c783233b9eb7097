import { crc32 } from 'node:zlib';
import { expect, test } from 'vitest';
import type { Version } from '../causality/record.ts';
import { encodeRecord } from '../causality/record-codec.ts';
import { replicaId } from '../identity.ts';
import {
  deathOf,
  deathOfEncoded,
  isAged,
  isCollectable,
  isDeletable,
  isSettled,
  type TombstoneTimes,
} from './tombstone.ts';

const graceMs = 1_000;
const dot = { replica: replicaId(7), epoch: 1, counter: 1 };
const ms = 1_000;

function version(parts: Partial<Version>): Version {
  return {
    dot,
    clock: [],
    value: undefined,
    writtenAt: 5_000 * ms,
    expiresAt: undefined,
    requestId: undefined,
    ...parts,
  };
}

const value = new Uint8Array([1]);

test.each([
  ['a value', [version({ value })], undefined],
  ['a deletion', [version({})], { deadSinceMicros: 5_000_000, ttlMicros: 0 }],
  ['a deletion and a value', [version({}), version({ value })], undefined],
  [
    'an expiry',
    [version({ value, expiresAt: 9_000_000 })],
    { deadSinceMicros: 9_000_000, ttlMicros: 4_000_000 },
  ],
  [
    'a later deletion beside an expiry',
    [version({ value, expiresAt: 6_000_000 }), version({ writtenAt: 8_000_000 })],
    { deadSinceMicros: 8_000_000, ttlMicros: 1_000_000 },
  ],
  ['no version at all', [], { deadSinceMicros: 0, ttlMicros: 0 }],
])('%s', (_name, versions, death) => {
  expect(deathOf({ versions })).toEqual(death);
});

test('an encoded record tells the same', () => {
  const requestId = new Uint8Array(16).fill(3);
  for (const versions of [
    [version({ value })],
    [version({ requestId })],
    [version({ value, expiresAt: 9_000_000, requestId, clock: [dot] })],
    [],
  ]) {
    const record = { clock: [dot], versions };
    expect(deathOfEncoded(encodeRecord(record, crc32))).toEqual(deathOf(record));
  }
});

const deletion = { deadSinceMicros: 5_000_000, ttlMicros: 0 };
const all: TombstoneTimes = {
  arrivedAtMs: 100,
  confirmedBeforeMs: 101,
  collectableBeforeMs: 101,
  deletableBeforeMs: 101,
};
const rules = { graceMs, nowMicros: 6_000_001, nowMs: 1_100 };

test('all conditions hold', () => {
  expect(isAged(deletion, rules)).toBe(true);
  expect(isSettled(deletion, all, rules)).toBe(true);
  expect(isCollectable(deletion, all, rules)).toBe(true);
  expect(isDeletable(deletion, all, rules)).toBe(true);
});

test.each<[string, Partial<TombstoneTimes>, Partial<typeof rules>, Partial<typeof deletion>]>([
  ['the grace is not over by the clock', {}, { nowMicros: 6_000_000 }, {}],
  [
    'it came in the moment in which the comparison began',
    { collectableBeforeMs: 100, deletableBeforeMs: 100 },
    {},
    {},
  ],
  [
    'some home was never compared with',
    { collectableBeforeMs: undefined, deletableBeforeMs: undefined },
    {},
    {},
  ],
  ['nobody knows when it came', { arrivedAtMs: undefined }, {}, {}],
  ['it has not been here for the grace', {}, { nowMs: 1_099 }, {}],
  ['the clock says that it has expired, and the running time does not', {}, {}, { ttlMicros: 1 }],
])('not collectable: %s', (_name, times, rule, death) => {
  const judged = [
    { ...deletion, ...death },
    { ...all, ...times },
    { ...rules, ...rule },
  ] as const;
  expect(isCollectable(...judged)).toBe(false);
  expect(isDeletable(...judged)).toBe(false);
});

test('collectable and not yet deletable; aged and not yet confirmed', () => {
  expect(isDeletable(deletion, { ...all, deletableBeforeMs: 100 }, rules)).toBe(false);
  expect(isCollectable(deletion, { ...all, deletableBeforeMs: 100 }, rules)).toBe(true);
  expect(isSettled(deletion, { ...all, confirmedBeforeMs: 100 }, rules)).toBe(false);
});

import { expect, test } from 'vitest';
import { replicaId } from '../identity.ts';
import type { Dot } from './dot.ts';
import { receiveRecord } from './received-record.ts';
import type { VersionedRecord } from './record.ts';

const dot = (replica: number, epoch: number, counter: number): Dot => ({
  replica: replicaId(replica),
  epoch,
  counter,
});
const own = { replica: replicaId(1), epochFloor: 0, nextEpoch: () => 5 };
const neverEpoch = { ...own, nextEpoch: () => expect.unreachable('no epoch is needed') };

function record(clock: Dot[], ...dots: Dot[]): VersionedRecord {
  const value = new Uint8Array(1);
  const rest = { clock: [], value, writtenAt: 1, expiresAt: undefined, requestId: undefined };
  return { clock, versions: dots.map((written) => ({ dot: written, ...rest })) };
}

test('who holds nothing stores what came, as it came', () => {
  const incoming = record([dot(2, 1, 1)], dot(2, 1, 1));
  expect(receiveRecord(undefined, incoming, 'siblings', neverEpoch)).toBe(incoming);
});

test('who holds it already keeps its own', () => {
  const local = record([dot(1, 1, 1), dot(2, 1, 1)], dot(1, 1, 1), dot(2, 1, 1));
  expect(receiveRecord(local, record([dot(2, 1, 1)], dot(2, 1, 1)), 'siblings', neverEpoch)).toBe(local);
});

test.for<[string, VersionedRecord | undefined]>([
  ['it holds nothing', undefined],
  ['it has forgotten the latest', record([dot(1, 1, 1)], dot(1, 1, 1))],
  ['it never wrote this record', record([dot(3, 1, 1)])],
])('who learns of its own forgotten writes opens an epoch without a version: %s', ([, local]) => {
  const incoming = record([dot(1, 1, 2), dot(2, 1, 1)], dot(1, 1, 2), dot(2, 1, 1));
  const kept = receiveRecord(local, incoming, 'siblings', own);
  expect(kept.clock).toContainEqual(dot(1, 5, 1));
  expect(kept.clock).toContainEqual(dot(1, 1, 2));
  expect(kept.versions.some((version) => version.dot.epoch === 5)).toBe(false);
  expect(kept.versions.filter((version) => version.dot.counter === 2)).toHaveLength(1);
  // It knows now that it forgot: the same record again opens no other epoch.
  expect(receiveRecord(kept, incoming, 'siblings', neverEpoch)).toBe(kept);
});

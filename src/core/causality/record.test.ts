import { expect, test } from 'vitest';
import type { ConflictPolicy } from '../bucket.ts';
import { replicaId } from '../identity.ts';
import type { Dot } from './dot.ts';
import {
  addVersion,
  compareWritten,
  distinctVersions,
  isLive,
  mergeRecords,
  sameBody,
  type Version,
  type VersionedRecord,
  versionOfRequest,
  versionsBeside,
} from './record.ts';
import { covers, type VectorClock } from './vector-clock.ts';

/** `a1`: the first write of replica 1 ("a") in epoch 1. */
function dot(text: string): Dot {
  return { replica: replicaId(text.charCodeAt(0) - 96), epoch: 1, counter: Number(text.slice(1)) };
}

function clock(text: string): VectorClock {
  return text === '' ? [] : text.split(' ').map(dot);
}

function version(name: string, seen = '', more: Partial<Version> = {}): Version {
  const value = Uint8Array.of(name.charCodeAt(0), Number(name.slice(1)));
  return {
    dot: dot(name),
    clock: clock(seen),
    value,
    writtenAt: 1,
    expiresAt: undefined,
    requestId: undefined,
    ...more,
  };
}

function record(known: string, ...versions: Version[]): VersionedRecord {
  return { clock: clock(known), versions };
}

function add(local: VersionedRecord | undefined, added: Version): VersionedRecord {
  return addVersion(local, added, (seen) => covers(added.clock, seen), 'siblings');
}

function names(of: VersionedRecord): string {
  const name = (d: Dot): string => `${String.fromCharCode(96 + d.replica)}${d.counter}`;
  return `${of.clock.map(name).join(' ')} | ${of.versions.map((v) => name(v.dot)).join(' ')}`;
}

test('expired comes back: every version keeps its expiry when records are merged, whichever side it comes from', () => {
  const a = version('a1', '', { expiresAt: 5 });
  const b = version('b1', '', { expiresAt: 7 });
  const both = version('c1', '', { expiresAt: 3 });
  const left = record('a1 c1', a, both);
  const right = record('b1 c1', b, both);
  for (const policy of ['siblings', 'last-write-wins'] as const) {
    const kept = policy === 'siblings' ? [a, b, both] : [both];
    expect(mergeRecords(left, right, policy).versions).toEqual(kept);
    expect(mergeRecords(right, left, policy).versions).toEqual(kept);
  }
  const merged = mergeRecords(left, right, 'siblings');
  expect(merged.versions.map((each) => isLive(each, 5))).toEqual([false, true, false]);
});

const request = (n: number): Partial<Version> => ({ requestId: new Uint8Array(16).fill(n) });

test.for<[string, VersionedRecord, VersionedRecord, string]>([
  ['concurrent writes stay', record('a1', version('a1')), record('b1', version('b1')), 'a1 b1 | a1 b1'],
  [
    'what the other has superseded goes',
    record('a1', version('a1')),
    record('a1 b1', version('b1', 'a1')),
    'a1 b1 | b1',
  ],
  [
    'what both hold stays',
    record('a1 b1', version('a1'), version('b1')),
    record('a1', version('a1')),
    'a1 b1 | a1 b1',
  ],
  [
    'a write that one side resolved',
    record('a1 b1', version('a1'), version('b1')),
    record('a1 b1 c1', version('c1', 'a1 b1')),
    'a1 b1 c1 | c1',
  ],
  [
    'an earlier write of an actor that the other still holds',
    record('a2', version('a1'), version('a2')),
    record('a1', version('a1')),
    'a2 | a1 a2',
  ],
  ['nothing but knowledge', record('a3'), record('a1', version('a1')), 'a3 | '],
  [
    'retries that had seen the same: the smallest',
    record('a1', version('a1', '', request(1))),
    record('b1', version('b1', '', request(1))),
    'a1 b1 | a1',
  ],
  [
    'other requests',
    record('a1', version('a1', '', request(1))),
    record('b1', version('b1', '', request(2))),
    'a1 b1 | a1 b1',
  ],
  [
    'retries that had not seen the same',
    record('a1', version('a1', '', request(1))),
    record('b1 c1', version('b1', 'c1', request(1))),
    'a1 b1 c1 | a1 b1',
  ],
])('merge: %s', ([, a, b, expected]) => {
  expect(names(mergeRecords(a, b, 'siblings'))).toBe(expected);
  expect(names(mergeRecords(b, a, 'siblings'))).toBe(expected);
});

test.for<[string, VersionedRecord, VersionedRecord, string]>([
  [
    'the later',
    record('a1', version('a1', '', { writtenAt: 5 })),
    record('b1', version('b1', '', { writtenAt: 4 })),
    'a1 b1 | a1',
  ],
  ['at one time the greater dot', record('a1', version('a1')), record('b1', version('b1')), 'a1 b1 | b1'],
  [
    'whatever the clocks say',
    record('a1', version('a1', '', { writtenAt: 9 })),
    record('a1 b1', version('b1', 'a1', { writtenAt: 8 })),
    'a1 b1 | a1',
  ],
])('merge where the last write wins: %s', ([, a, b, expected]) => {
  expect(names(mergeRecords(a, b, 'last-write-wins'))).toBe(expected);
  expect(names(mergeRecords(b, a, 'last-write-wins'))).toBe(expected);
});

test('a merge that changes nothing returns the record that it was given', () => {
  const small = record('a1', version('a1'));
  const large = record('a1 b1', version('b1', 'a1'));
  for (const policy of ['siblings', 'last-write-wins'] satisfies ConflictPolicy[]) {
    expect(mergeRecords(large, large, policy)).toBe(large);
    expect(mergeRecords(large, record('a1'), policy)).toBe(large);
    expect(mergeRecords(record('a1'), large, policy)).toBe(large);
  }
  expect(mergeRecords(large, small, 'siblings')).toBe(large);
  expect(mergeRecords(small, large, 'siblings')).toBe(large);
});

test.for<[string, VersionedRecord | undefined, Version, string]>([
  ['the first', undefined, version('a1'), 'a1 | a1'],
  ['supersedes what it has seen', record('a1', version('a1')), version('a2', 'a1'), 'a2 | a2'],
  [
    'joins what it has not seen',
    record('a1 b1', version('a1'), version('b1')),
    version('a2', 'b1'),
    'a2 b1 | a1 a2',
  ],
  ['joins the earlier write of its own actor', record('a1', version('a1')), version('a2'), 'a2 | a1 a2'],
  ['brings what only its writer knew', record('a1', version('a1')), version('a2', 'b7'), 'a2 b7 | a1 a2'],
])('add: %s', ([, local, added, expected]) => {
  expect(names(add(local, added))).toBe(expected);
});

test('two requests that overwrote one another blindly, each retried elsewhere, are not both dropped', () => {
  // Request 1: a1, b1 and, having overwritten a2, c1. Request 2: a2, which overwrote a1, and b2, which overwrote b1.
  const a1 = record('a1', version('a1', '', request(1)));
  const b1 = record('b1', version('b1', '', request(1)));
  const a2 = add(a1, version('a2', 'a1', request(2)));
  const b2 = add(b1, version('b2', 'b1', request(2)));
  const c1 = add(a2, version('c1', 'a2', request(1)));
  const viaB = mergeRecords(mergeRecords(c1, b1, 'siblings'), b2, 'siblings');
  const viaA = mergeRecords(mergeRecords(a2, b2, 'siblings'), c1, 'siblings');
  const all = mergeRecords(viaA, viaB, 'siblings');
  expect(all.versions.length).toBeGreaterThan(0);
  expect(names(all)).toBe(names(mergeRecords(viaB, viaA, 'siblings')));
});

test('a reader is shown one version of a request: the smallest dot', () => {
  const both = record('a1 b1 c1', version('a1', '', request(1)), version('b1', 'c1', request(1)));
  expect(distinctVersions(both).map((shown) => shown.dot)).toEqual([dot('a1')]);
  const other = record('a1 b1', version('a1', '', request(1)), version('b1', '', request(2)));
  expect(distinctVersions(other)).toEqual(other.versions);
  const none = record('a1 b1', version('a1'), version('b1'));
  expect(distinctVersions(none)).toEqual(none.versions);
});

test('beside a write there is what a reader is shown with it, and nothing is known of one that was superseded', () => {
  expect(versionsBeside(record('a1', version('a1')), dot('a1'))).toBe(1);
  const raced = record('a2 b1', version('a2', 'a1'), version('b1', 'a1', { value: undefined }));
  expect(versionsBeside(raced, dot('a2'))).toBe(2);
  expect(versionsBeside(raced, dot('a1'))).toBe(0);
  const retried = record('a1 b1 c1', version('a1', '', request(1)), version('b1', 'c1', request(1)));
  expect(versionsBeside(retried, dot('b1'))).toBe(1);
});

test('a version is live until it expires, and a deletion never', () => {
  expect(isLive(version('a1'), 100)).toBe(true);
  expect(isLive(version('a1', '', { expiresAt: 101 }), 100)).toBe(true);
  expect(isLive(version('a1', '', { expiresAt: 100 }), 100)).toBe(false);
  expect(isLive(version('a1', '', { value: undefined }), 100)).toBe(false);
});

test('written-at orders before the dot', () => {
  expect(
    compareWritten(version('b1', '', { writtenAt: 1 }), version('a1', '', { writtenAt: 2 })),
  ).toBeLessThan(0);
  expect(compareWritten(version('b1'), version('a1'))).toBeGreaterThan(0);
  expect(compareWritten(version('a1'), version('a1'))).toBe(0);
});

test('a request is found by all of its 16 bytes', () => {
  const held = record('a1 b1', version('a1'), version('b1', '', request(7)));
  expect(versionOfRequest(held, new Uint8Array(16).fill(7))?.dot).toEqual(dot('b1'));
  expect(versionOfRequest(held, new Uint8Array(16).fill(7).fill(8, 15))).toBeUndefined();
});

test.for<[Uint8Array | undefined, Uint8Array | undefined, boolean]>([
  [undefined, undefined, true],
  [undefined, new Uint8Array(0), false],
  [Uint8Array.of(1), Uint8Array.of(1), true],
  [Uint8Array.of(1), Uint8Array.of(1, 0), false],
])('the same body: %s and %s: %s', ([a, b, expected]) => {
  expect(sameBody(a, b)).toBe(expected);
  expect(sameBody(b, a)).toBe(expected);
});

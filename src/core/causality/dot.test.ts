import { expect, test } from 'vitest';
import { replicaId } from '../identity.ts';
import { compareActors, compareDots, type Dot, dotText, sameDot } from './dot.ts';

const dot = (replica: number, epoch: number, counter: number): Dot => ({
  replica: replicaId(replica),
  epoch,
  counter,
});
const largest = 2 ** 53 - 1;

/** Ascending. */
const ordered = [
  dot(1, 1, 1),
  dot(1, 1, 2),
  dot(1, 1, largest),
  dot(1, 2, 1),
  dot(1, 0xffff_ffff, 1),
  dot(2, 1, 1),
  dot(largest - 1, 9, 9),
  dot(largest, 1, 1),
];

test('dots are ordered by replica, epoch and counter, over the whole range', () => {
  ordered.forEach((a, i) => {
    ordered.forEach((b, j) => {
      expect(Math.sign(compareDots(a, b))).toBe(Math.sign(i - j));
      expect(sameDot(a, { ...b })).toBe(i === j);
    });
  });
});

test('actors are ordered without their counters', () => {
  expect(compareActors(dot(1, 2, 3), dot(1, 2, 9))).toBe(0);
  expect(compareActors(dot(1, 3, 1), dot(1, 2, 9))).toBeGreaterThan(0);
  expect(compareActors(dot(1, 3, 1), dot(2, 2, 9))).toBeLessThan(0);
});

test('the text has the replica in 14 hexadecimal digits', () => {
  expect(dotText(dot(255, 3, 12))).toBe('000000000000ff:3:12');
  expect(dotText(dot(largest, 1, 1))).toBe('1fffffffffffff:1:1');
});

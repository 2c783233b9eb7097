import { expect, test } from 'vitest';
import type { Hello } from '../gen/kindred/peer/v1/peer.ts';
import { configurationDifferences, wrongPeer } from './hello.ts';

function differences(one: unknown, other: unknown): readonly string[] {
  const text = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));
  return configurationDifferences(
    { node: 'n1', configuration: text(one) },
    { node: 'n2', configuration: text(other) },
  );
}

test('a difference names the path, both values and both nodes', () => {
  expect(differences({ replication: 3, q: { bits: 4 } }, { replication: 3, q: { bits: 5 } })).toEqual([
    'q.bits: 4 on "n1", 5 on "n2"',
  ]);
});

test('members of a list are matched by id or name, not by place', () => {
  const one = {
    members: [
      { id: 'a', weight: 1 },
      { id: 'b', weight: 1 },
    ],
    buckets: [{ name: 'x', ttl: 1 }],
  };
  const other = { members: [{ id: 'b', weight: 2 }], buckets: [{ name: 'x', ttl: 2 }] };
  expect(differences(one, other)).toEqual([
    'members[a]: {"id":"a","weight":1} on "n1", nothing on "n2"',
    'members[b].weight: 1 on "n1", 2 on "n2"',
    'buckets[x].ttl: 1 on "n1", 2 on "n2"',
  ]);
});

test('lists of other things are compared by place', () => {
  expect(differences({ seeds: ['a', 'b'] }, { seeds: ['a', 'c', 'd'] })).toEqual([
    'seeds[1]: "b" on "n1", "c" on "n2"',
    'seeds[2]: nothing on "n1", "d" on "n2"',
  ]);
});

test('five differences are shown, the others counted, and long values cut', () => {
  const one = Object.fromEntries(Array.from({ length: 9 }, (_, i) => [`f${i}`, i]));
  const other = Object.fromEntries(Array.from({ length: 9 }, (_, i) => [`f${i}`, 'x'.repeat(500)]));
  const found = differences(one, other);
  expect(found.length).toBe(6);
  expect(found[5]).toBe('and 4 more');
  expect(found.every((line) => line.length < 200)).toBe(true);
});

test('what is not JSON, of another shape, or very deep is a difference and no crash', () => {
  expect(differences('{', '{}')).toEqual(['the configuration of "n1" is not JSON']);
  expect(differences('{}', '[]')).toEqual(['all: {} on "n1", [] on "n2"']);
  expect(differences('3', 'null')).toEqual(['all: 3 on "n1", null on "n2"']);
  const deep = (leaf: number): string => `${'{"a":'.repeat(1_000)}${leaf}${'}'.repeat(1_000)}`;
  expect(differences(deep(1), deep(2)).length).toBe(1);
  expect(differences('{"a":1,"b":2}', '{"b":2,"a":1}')).toEqual([
    'only the order or the spelling of equal values',
  ]);
  // A name of the language is a field like any other.
  expect(differences('{"__proto__":1}', '{}')).toEqual(['__proto__: 1 on "n1", nothing on "n2"']);
});

test('an answer from another node names the address', () => {
  const self = { nodeId: 'n3' } as Hello;
  expect(wrongPeer(self, 'n3', 'a:1')).toBeUndefined();
  expect(wrongPeer(self, 'n2', 'a:1')).toBe(
    'the node at a:1 is "n3", not "n2": check the address of both in the configuration',
  );
  expect(wrongPeer(undefined, 'n2', 'a:1')).toBe('the node at a:1 did not say who it is');
});

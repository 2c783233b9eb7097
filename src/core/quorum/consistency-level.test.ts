import { expect, test } from 'vitest';
import { type ConsistencyLevel, quorumOf, requirementOf, restoreAnswersOf } from './consistency-level.ts';

/** Answers needed with N = 1, 2, 3, 4, 5; `-`: refused. */
const table: readonly (readonly [ConsistencyLevel, string, string])[] = [
  // level            reads        writes
  ['any', '- - - - -', '1 1 1 1 1'],
  ['one', '1 1 1 1 1', '1 1 1 1 1'],
  ['two', '- 2 2 2 2', '- 2 2 2 2'],
  ['three', '- - 3 3 3', '- - 3 3 3'],
  ['quorum', '1 2 2 3 3', '1 2 2 3 3'],
  ['all', '1 2 3 4 5', '1 2 3 4 5'],
  ['local-one', '1 1 1 1 1', '1 1 1 1 1'],
  ['local-quorum', '1 2 2 3 3', '1 2 2 3 3'],
  ['each-quorum', '1 2 2 3 3', '1 2 2 3 3'],
];

const sizes = [1, 2, 3, 4, 5];

for (const [level, reads, writes] of table) {
  test(`level ${level}`, () => {
    for (const [operation, expected] of [
      ['read', reads],
      ['write', writes],
    ] as const) {
      const needed = sizes.map((n) => {
        const requirement = requirementOf({ kind: 'level', level }, n, operation);
        return requirement.kind === 'invalid' ? '-' : requirement.answers;
      });
      expect([operation, needed.join(' ')]).toEqual([operation, expected]);
    }
  });
}

test('a hint counts for a write at ANY and for nothing else', () => {
  for (const [level] of table) {
    const requirement = requirementOf({ kind: 'level', level }, 3, 'write');
    expect([level, requirement.kind === 'required' && requirement.hintCounts]).toEqual([
      level,
      level === 'any',
    ]);
  }
});

test('an explicit number of replicas is from 1 to N', () => {
  for (const n of sizes) {
    for (const count of [0, 1, n, n + 1, -1, 1.5, Number.NaN]) {
      const requirement = requirementOf({ kind: 'replicas', count }, n, 'read');
      if (count === 1 || count === n) expect(requirement).toMatchObject({ kind: 'required', answers: count });
      else expect(requirement.kind).toBe('invalid');
    }
  }
});

test('two quorums always share a replica', () => {
  for (const n of sizes) expect(2 * quorumOf(n)).toBeGreaterThan(n);
});

test('of every quorum with a damaged replica one is among those that restore it', () => {
  for (const n of sizes) {
    const others = n - 1;
    const inQuorum = quorumOf(n) - 1;
    // The worst case: those heard are all those that were not in the quorum, and then some.
    const notInQuorum = others - inQuorum;
    const needed = restoreAnswersOf(n);
    expect(needed).toBeLessThanOrEqual(others);
    if (inQuorum > 0) expect(needed).toBe(notInQuorum + 1);
    else expect(needed).toBe(others);
  }
});

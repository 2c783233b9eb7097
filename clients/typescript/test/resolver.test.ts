import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { jsonSetUnion, lastWriter, type Resolver, Value } from '../src/index.ts';
import { assertResolver, checkResolver } from '../src/testing.ts';

const sets = fc.array(fc.string({ maxLength: 3 }), { maxLength: 4 }).map((items) => Value.json(items));
const numbers = fc.integer({ min: 0, max: 5 }).map((number) => Value.json(number));

/** The numbers of all versions that hold one. */
function numbersOf(versions: Parameters<Resolver>[0]): number[] {
  return versions.flatMap((version) => (version.kind === 'value' ? [version.value.json<number>()] : []));
}

describe('the resolvers that come with the client keep the laws', () => {
  test('lastWriter', () => {
    expect(checkResolver(lastWriter, numbers)).toEqual({ kind: 'passed', runs: 1200 });
  });

  test('jsonSetUnion', () => {
    assertResolver(jsonSetUnion, sets);
  });
});

describe('the checker finds', () => {
  const cases: readonly (readonly [string, Resolver, string])[] = [
    [
      'the first version wins',
      ([first]) => (first?.kind === 'value' ? first.value : undefined),
      'commutative',
    ],
    [
      'the average',
      (all) => Value.json(numbersOf(all).reduce((a, b) => a + b, 0) / (numbersOf(all).length || 1)),
      'associative',
    ],
    ['the sum', (all) => Value.json(numbersOf(all).reduce((a, b) => a + b, 0)), 'idempotent'],
    [
      'a resolver that throws',
      (all) => {
        if (numbersOf(all).length === 0) throw new Error('no numbers');
        return Value.json(Math.max(...numbersOf(all)));
      },
      'total',
    ],
  ];
  for (const [name, resolver, law] of cases) {
    test(`${name}: not ${law}`, () => {
      const check = checkResolver(resolver, numbers, { seed: 7 });
      expect(check).toMatchObject({ kind: 'failed', law, seed: 7 });
      if (check.kind === 'failed') expect(check.message).toContain(`not ${law} (seed 7)`);
      expect(() => assertResolver(resolver, numbers, { seed: 7 })).toThrow(law);
    });
  }

  test('with examples as well as with a generator', () => {
    const greatest: Resolver = (all) =>
      new Value(String(Math.max(0, ...numbersOf(all))), { metadata: { merged: String(all.length) } });
    expect(checkResolver(greatest, ['1', '2', '3']).kind).toBe('failed');
    const equals = (a: Value, b: Value): boolean => a.text() === b.text();
    expect(checkResolver(greatest, ['1', '2', '3'], { equals }).kind).toBe('passed');
  });
});

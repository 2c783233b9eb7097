import { expect, test } from 'vitest';
import { differences } from './matching.ts';
import type { Json } from './template.ts';

test.for<[string, Json, Json | undefined, boolean]>([
  ['the same', { a: 1 }, { a: 1, b: 2 }, true],
  ['another', { a: 1 }, { a: 2 }, false],
  ['a default that is not sent', { a: '', b: 0, c: false, d: [] }, {}, true],
  ['an object is no default', { ok: {} }, { error: {} }, false],
  ['a list by its length', [1, 2], [1, 2, 3], false],
  ['any', { $any: true }, 0, true],
  ['any, and it is not there', { $any: true }, undefined, false],
  ['absent', { $absent: true }, undefined, true],
  ['absent as empty', { $absent: true }, {}, true],
  ['absent, and it is there', { $absent: true }, 'x', false],
  ['one of', { $oneOf: ['a', 'b'] }, 'b', true],
  ['none of', { $oneOf: ['a', 'b'] }, 'c', false],
  ['not', { $not: { a: 1 } }, { a: 2 }, true],
  ['not, and it is', { $not: { a: 1 } }, { a: 1 }, false],
  ['at least', { $atLeast: 2 }, 2, true],
  ['at least, and it is less', { $atLeast: 2 }, 1, false],
  ['at most', { $atMost: 2 }, 3, false],
  ['length', { $length: 2 }, [1, 2], true],
  ['pattern', { $pattern: '^a+$' }, 'aaa', true],
  ['pattern, and it is not', { $pattern: '^a+$' }, 'aab', false],
  ['in any order', { $unordered: [{ a: 1 }, { a: 2 }] }, [{ a: 2 }, { a: 1 }], true],
  ['in any order, one twice', { $unordered: [{ a: 1 }, { a: 1 }] }, [{ a: 2 }, { a: 1 }], false],
  ['each', { $each: { a: 1 } }, [{ a: 1 }, { a: 2 }], false],
  ['count', { $count: 1, of: { a: 1 } }, [{ a: 1 }, { a: 2 }], true],
  ['count, and there are more', { $count: 1, of: { a: 1 } }, [{ a: 1 }, { a: 1 }], false],
])('%s', ([, expected, found, isMatch]) => {
  expect(differences(expected, found).length === 0).toBe(isMatch);
});

test('a difference names its place and both sides', () => {
  expect(differences({ ok: { versions: [{ data: 'x' }] } }, { ok: { versions: [{ data: 'y' }] } })).toEqual([
    'answer.ok.versions[0].data is "y", and not "x"',
  ]);
});

test('a matcher that does not exist is an error of the case', () => {
  expect(() => differences({ $atleast: 1 }, 1)).toThrow('no matcher');
});

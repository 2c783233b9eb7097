import { expect, test } from 'vitest';
import { type HeardVerdict, stateByVerdicts } from './verdict.ts';

const verdict = (by: string, state: 'suspect' | 'failed', incarnation = 3): HeardVerdict => ({
  node: 'x',
  by,
  state,
  incarnation,
});
const anybody = (): boolean => true;

test.each([
  ['nobody complains', [], 'up', []],
  ['one suspects it', [verdict('a', 'suspect')], 'suspect', ['a']],
  ['one alone says failed', [verdict('a', 'failed')], 'suspect', ['a']],
  ['two say failed', [verdict('a', 'failed'), verdict('b', 'failed')], 'failed', ['a', 'b']],
  [
    'one says failed, two suspect',
    [verdict('a', 'failed'), verdict('b', 'suspect'), verdict('c', 'suspect')],
    'suspect',
    ['a', 'b', 'c'],
  ],
  ['both are about an older incarnation', [verdict('a', 'failed', 2), verdict('b', 'failed', 1)], 'up', []],
  ['one of two is', [verdict('a', 'failed', 2), verdict('b', 'failed')], 'suspect', ['b']],
  ['they know of a newer one', [verdict('a', 'failed', 4), verdict('b', 'failed', 5)], 'failed', ['a', 'b']],
] as const)('%s', (_name, verdicts, state, by) => {
  expect(stateByVerdicts(verdicts, 3, anybody)).toEqual({ state, by });
});

test('whoever is not believed does not count', () => {
  const verdicts = [verdict('a', 'failed'), verdict('b', 'failed'), verdict('c', 'failed')];
  expect(stateByVerdicts(verdicts, 3, (by) => by === 'c').state).toBe('suspect');
  expect(stateByVerdicts(verdicts, 3, (by) => by !== 'c').state).toBe('failed');
  expect(stateByVerdicts(verdicts, 3, () => false).state).toBe('up');
});

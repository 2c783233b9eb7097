import { expect, test } from 'vitest';
import { type Finding, tableOf, withTable } from './finding.ts';

const version = { name: 'a-bug', bug: 'it lies', repeats: 'other#1', patches: [] };
const found: Finding = {
  version,
  seeds: 9,
  sighting: { seed: 7, checkers: ['no-loss', 'crash'], message: 'gone' },
  spoiled: [],
};

test('a row says how many seeds were needed, and who saw it', () => {
  const rows = tableOf([found, { ...found, sighting: undefined }]).split('\n');
  expect(rows.slice(2)).toEqual([
    '| `a-bug` | it lies | other#1 | 7 | no-loss, crash |',
    '| `a-bug` | it lies | other#1 | not within 9 |  |',
  ]);
});

test('the table takes the place between the marks, and nothing else', () => {
  const document = 'a\n<!-- broken-versions:begin -->\nold\n<!-- broken-versions:end -->\nb\n';
  const written = withTable(document, 'new');
  expect(written).toBe('a\n<!-- broken-versions:begin -->\nnew\n<!-- broken-versions:end -->\nb\n');
  expect(withTable(written, 'new')).toBe(written);
  expect(() => withTable('no marks', 'new')).toThrow(/no place between/);
});

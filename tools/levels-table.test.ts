/** The tables of levels in README.md and docs/consistency.md say what the code does. */

import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { type ConsistencyLevel, requirementOf } from '../src/core/quorum/consistency-level.ts';

const guide = readFileSync(new URL('../docs/consistency.md', import.meta.url), 'utf8');
const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');

const levels: readonly ConsistencyLevel[] = [
  'any',
  'one',
  'two',
  'three',
  'quorum',
  'all',
  'local-one',
  'local-quorum',
  'each-quorum',
];

/** Rows of a table whose first cell names levels: the levels, and the numbers of the cell in `column`. */
function rowsOf(page: string, column: number): Map<string, { readonly count: number; readonly row: string }> {
  const rows = new Map<string, { readonly count: number; readonly row: string }>();
  for (const row of page.match(/^\| `[A-Z_]+`.*\|$/gm) ?? []) {
    const cells = row.split('|').map((cell) => cell.trim());
    const names = [...(cells[1] as string).matchAll(/`([A-Z_]+)`/g)].map((match) => match[1] as string);
    // "floor(N/2) + 1 = 2": the last number is the one for N = 3.
    const cell = (cells[column] as string).replace(/^.*= /, '');
    const numbers = [...cell.matchAll(/\d+/g)].map((match) => Number(match[0]));
    for (const [index, name] of names.entries()) rows.set(name, { count: numbers[index] as number, row });
  }
  return rows;
}

test('the guide has every level, with the replicas that it needs of three', () => {
  const rows = rowsOf(guide.slice(0, guide.indexOf('## Siblings')), 2);
  expect([...rows.keys()].sort()).toEqual(levels.map(nameOf).sort());
  for (const level of levels) {
    const needed = requirementOf({ kind: 'level', level }, 3, 'write');
    expect(needed, level).toMatchObject({ kind: 'required', answers: rows.get(nameOf(level))?.count });
    const readable = requirementOf({ kind: 'level', level }, 3, 'read').kind === 'required';
    expect(rows.get(nameOf(level))?.row, level).toContain(readable ? '| yes | yes |' : '| no | yes |');
  }
});

test('README.md has every level, with how many of three replicas may be down', () => {
  const rows = rowsOf(readme, 4);
  expect([...rows.keys()].sort()).toEqual(levels.map(nameOf).sort());
  for (const level of levels) {
    if (level === 'any') continue;
    const needed = requirementOf({ kind: 'level', level }, 3, 'write');
    const down = rows.get(nameOf(level))?.count as number;
    expect(needed, level).toMatchObject({ kind: 'required', answers: 3 - down });
  }
});

function nameOf(level: ConsistencyLevel): string {
  return level.toUpperCase().replace('-', '_');
}

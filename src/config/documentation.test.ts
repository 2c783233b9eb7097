import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { knobs } from './schema.ts';

const page = readFileSync(new URL('../../docs/operating/configuration.md', import.meta.url), 'utf8');
/** Rows of the tables: field, default, unit, text. */
const rows = new Map(
  [...page.matchAll(/^\| `([a-z\d_.[\]]+)` \| (.+?) \| (?:([^|]*) )?\| (.+?) \|$/gm)].map((match) => [
    match[1],
    match,
  ]),
);
const sections = new Set([
  'cluster',
  'listen',
  'storage',
  'timeouts',
  'limits',
  'peers',
  'heartbeat',
  'failure_detector',
  'gossip',
  'hints',
  'anti_entropy',
  'tombstones',
]);

test.each(knobs().map((knob) => [knob.path, knob] as const))('the page tells of %s', (path, knob) => {
  const row = rows.get(path);
  expect(row, 'has no row').toBeDefined();
  if (knob.defaultJson !== undefined && knob.defaultJson !== '[]') {
    expect(row?.[2]).toBe(`\`${knob.defaultJson}\``);
  }
  const unit = /_(ms|bytes)(_|$)/.exec(path)?.[1];
  if (unit !== undefined) expect(row?.[3]).toContain(unit);
});

test('the page tells of nothing else', () => {
  const known = new Set(knobs().map((knob) => knob.path));
  expect([...rows.keys()].filter((path) => path !== undefined && !known.has(path))).toEqual([]);
  const named = [...page.matchAll(/`([a-z_]+)\.([a-z_]+)`/g)].filter((match) =>
    sections.has(match[1] as string),
  );
  expect(named.length).toBeGreaterThan(20);
  expect(named.map((match) => `${match[1]}.${match[2]}`).filter((path) => !known.has(path))).toEqual([]);
});

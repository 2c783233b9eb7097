/** The chart of a failed run: what is on it, and that a browser can read it. */

import { expect, test } from 'vitest';
import { failedEntries, failedPlan, failedResult } from './failed-run.ts';
import { pairMessages, sequenceChart, windowsOf } from './sequence-chart.ts';

const page = sequenceChart(failedPlan, failedResult, failedEntries);

test('time around the attempts of the violation is shown, and the rest is left out', () => {
  expect(windowsOf(failedResult, {})).toEqual([
    { fromMs: 1860, toMs: 1950 },
    { fromMs: 11_960, toMs: 12_045 },
  ]);
  expect(page).toContain('10,010.0 ms are left out');
  expect(windowsOf(failedResult, { fromMs: 5 })).toEqual([{ fromMs: 5, toMs: 13_000 }]);
  expect(windowsOf({ ...failedResult, violations: [] }, {})).toEqual([{ fromMs: 0, toMs: 13_000 }]);
});

test('messages are paired by number and way: a call and its answer have one number', () => {
  const arrows = pairMessages(failedEntries);
  expect(arrows.map(({ sent, arrived, lost }) => [sent.at, arrived?.at, lost])).toEqual([
    ['c1', 'n2', false],
    ['n2', undefined, true],
    ['n2', 'c1', false],
    ['c1', undefined, false],
  ]);
});

test('lanes, arrows, crosses, boxes of attempts and the violation are drawn', () => {
  for (const lane of ['c1', ...failedPlan.nodes]) expect(page).toContain(`>${lane}</text>`);
  expect(page.match(/<g class="message/g)).toHaveLength(4);
  expect(page.match(/<path class="cross"/g)).toHaveLength(1);
  expect(page.match(/<g class="attempt proof">/g)).toHaveLength(2);
  expect(page.match(/<g class="violation">/g)).toHaveLength(1);
  expect(page).not.toContain('NaN');
});

test('calls of one client at the same time stand side by side, and can be pointed at', () => {
  const [key] = failedResult.history.keys;
  const [put, read] = key?.attempts ?? [];
  if (key === undefined || put === undefined || read === undefined) throw new Error('the run has no key');
  const attempts = [put, { ...put, id: 8, returnedMs: put.invokedMs + 0.001 }, read];
  const history = { ...failedResult.history, keys: [{ ...key, attempts }] };
  const drawn = sequenceChart(failedPlan, { ...failedResult, history }, failedEntries);
  const boxes = [...drawn.matchAll(/<g class="attempt[^>]*>.*?<rect x="(\d+)".*? height="([\d.]+)"/gs)];
  expect(new Set(boxes.map(([, x]) => x)).size).toBe(2);
  for (const [, , height] of boxes) expect(Number(height)).toBeGreaterThanOrEqual(8);
});

test('a disk write is a bar from its beginning to its end, and heartbeats can be hidden', () => {
  const write = {
    atMicros: 1_909_000,
    sinceMicros: 1_904_000,
    kind: 'disk',
    at: 'n2',
    text: 'wrote',
  } as const;
  const beat = { atMicros: 1_905_000, kind: 'frame', at: 'n1', peer: 'n2', direction: 'sent' } as const;
  const drawn = sequenceChart(failedPlan, failedResult, [
    ...failedEntries,
    write,
    { ...beat, message: 77, text: 'heartbeat 4' },
  ]);
  expect(drawn).toMatch(/<g class="mark disk"><title>[^<]*wrote<\/title><rect /);
  expect(drawn).toContain('<g class="message heartbeat under-way"');
  expect(drawn).toContain('data-kind="heartbeat">');
});

test('a fault is drawn where it lasts into the time shown', () => {
  const shown = sequenceChart(failedPlan, failedResult, failedEntries, { fromMs: 2100, toMs: 2200 });
  expect(shown).toContain('<rect class="fault on-lane"');
  expect(shown).toContain('fault 1: wipe n2 down 300 ms');
  expect(shown).not.toContain('fault 2');
});

test('every element is closed, and text cannot become an element', () => {
  const svg = page.slice(page.indexOf('<svg'), page.indexOf('</svg>') + 6);
  const open: string[] = [];
  for (const [, slash, name, selfClosed] of svg.matchAll(/<(\/?)([a-zA-Z]+)[^>]*?(\/?)>/g)) {
    if (selfClosed === '/') continue;
    if (slash === '/') expect(open.pop()).toBe(name);
    else open.push(name as string);
  }
  expect(open).toEqual([]);
  expect(page).toContain('default/k&lt;1&gt;');
  expect(page).not.toContain('k<1>');
});

test('of very many messages those of clients and the lost ones are kept', () => {
  const many = Array.from({ length: 7000 }, (_, index) => ({
    atMicros: 1_900_000 + index,
    kind: 'frame' as const,
    at: 'n1',
    peer: 'n2',
    message: 100 + index,
    direction: 'sent' as const,
    text: 'heartbeat',
  }));
  const crowded = sequenceChart(failedPlan, failedResult, [...many, ...failedEntries]);
  expect(crowded.match(/<g class="message/g)).toHaveLength(6000);
  expect(crowded.match(/<path class="cross"/g)).toHaveLength(1);
  expect(crowded).toContain('1,004 messages are left out');
});

/** What each filter lets through. */

import { expect, test } from 'vitest';
import type { TraceEntry } from '../kernel/trace.ts';
import { passes, type TraceFilter } from './trace-filter.ts';

const entries: readonly TraceEntry[] = [
  { atMicros: 1000, kind: 'fault', at: '', text: 'fault' },
  { atMicros: 2000, kind: 'client', at: 'c1', peer: 'n1', key: 'default/a', text: 'a' },
  { atMicros: 3000, kind: 'client', at: 'c2', peer: 'n2', key: 'default/b', text: 'b' },
  { atMicros: 4000, kind: 'frame', at: 'n1', peer: 'n2', text: 'frame' },
  { atMicros: 4000, kind: 'disk', at: 'n3', keys: ['default/b', 'default/c'], text: 'batch' },
  { atMicros: 5000, kind: 'log', at: 'n2', text: 'log' },
  { atMicros: 6000, kind: 'check', at: '', text: 'check' },
];

const told = (filter: TraceFilter): readonly string[] =>
  entries.filter((entry) => passes(entry, filter)).map(({ text }) => text);

test.each<[TraceFilter, string]>([
  [{}, 'fault a b frame batch log check'],
  [{ only: ['client', 'log'] }, 'a b log'],
  [{ node: 'n1' }, 'fault a frame check'],
  [{ node: 'c2' }, 'fault b check'],
  [{ key: 'default/b' }, 'fault b batch check'],
  [{ key: 'default/c' }, 'fault batch check'],
  [{ key: 'default/c', only: ['client', 'frame'] }, 'frame'],
  [{ key: 'default/b', only: ['client', 'frame'] }, 'b frame'],
  [{ fromMs: 2, toMs: 4 }, 'a b frame batch'],
  [{ fromMs: 5 }, 'log check'],
])('%j', (filter, texts) => {
  expect(told(filter).join(' ')).toBe(texts);
});

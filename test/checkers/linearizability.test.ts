import { expect, test } from 'vitest';
import { SeededRandom } from '../support/seeded-random.ts';
import {
  checkLinearizable,
  linearizableByKey,
  type SequentialModel,
  type TimedOperation,
} from './linearizability.ts';

interface Op {
  readonly kind: 'put' | 'get' | 'append';
  readonly key: string;
  readonly value: string;
}

/** A string that is put, appended to and got: the model of Porcupine's tests. */
const text: SequentialModel<string, Op> = {
  init: '',
  step: (state, { kind, value }) => {
    if (kind === 'put') return value;
    if (kind === 'append') return state + value;
    return state === value ? state : undefined;
  },
  equal: (a, b) => a === b,
  hash: (state) => {
    let hash = 0;
    for (let i = 0; i < state.length; i++) hash = (Math.imul(hash, 31) + state.charCodeAt(i)) | 0;
    return hash;
  },
};

const forever = Number.POSITIVE_INFINITY;

function op(
  kind: Op['kind'],
  value: string,
  callMs: number,
  returnMs: number,
  key = 'k',
): TimedOperation<Op> {
  return { op: { kind, key, value }, callMs, returnMs };
}

function verdict(...operations: readonly TimedOperation<Op>[]): string {
  return checkLinearizable(text, operations).kind;
}

test('nothing, and one after the other', () => {
  expect(verdict()).toBe('linearizable');
  expect(
    verdict(op('put', 'a', 0, 1), op('get', 'a', 2, 3), op('put', 'b', 4, 5), op('get', 'b', 6, 7)),
  ).toBe('linearizable');
});

test('a stale read', () => {
  expect(verdict(op('put', 'a', 0, 1), op('put', 'b', 2, 3), op('get', 'a', 4, 5))).toBe('violated');
});

test('concurrent writes, reads agree on an order or they do not', () => {
  const writes = [op('put', 'a', 0, 10), op('put', 'b', 0, 10)];
  expect(verdict(...writes, op('get', 'a', 11, 12), op('get', 'a', 13, 14))).toBe('linearizable');
  expect(verdict(...writes, op('get', 'b', 1, 2), op('get', 'a', 3, 12))).toBe('linearizable');
  expect(verdict(...writes, op('get', 'a', 11, 12), op('get', 'b', 13, 14))).toBe('violated');
});

test('new to one reader, then old to another', () => {
  // Porcupine's example of a register: put 100, then get 0 after get 100.
  const put = op('put', '100', 0, 100);
  expect(verdict(put, op('get', '100', 5, 35), op('get', '', 30, 60))).toBe('linearizable');
  expect(verdict(put, op('get', '100', 10, 30), op('get', '', 40, 90))).toBe('violated');
});

test('an unknown outcome takes effect later, or never, and only once', () => {
  const unknown = op('append', 'x', 0, forever);
  expect(verdict(unknown, op('get', '', 5, 6))).toBe('linearizable');
  expect(verdict(unknown, op('get', '', 5, 6), op('get', 'x', 7, 8))).toBe('linearizable');
  expect(verdict(unknown, op('get', 'x', 5, 6), op('get', '', 7, 8))).toBe('violated');
  expect(verdict(unknown, op('get', 'xx', 5, 6))).toBe('violated');
  expect(verdict(op('get', 'x', 0, 1), op('append', 'x', 2, forever))).toBe('violated');
});

test('the order that it finds explains the history', () => {
  const operations = [op('get', 'ab', 0, 10), op('append', 'b', 0, 10), op('append', 'a', 0, 10)];
  expect(checkLinearizable(text, operations)).toEqual({ kind: 'linearizable', order: [2, 1, 0] });
});

test('who is to blame', () => {
  const operations = [op('put', 'a', 0, 1), op('get', 'a', 2, 3), op('get', 'z', 4, 5), op('get', 'a', 6, 7)];
  expect(checkLinearizable(text, operations)).toEqual({ kind: 'violated', order: [0, 1], blocked: 2 });
});

test('keys are checked apart', () => {
  const verdicts = linearizableByKey(
    text,
    [op('put', 'a', 0, 1, 'k'), op('get', '', 2, 3, 'l'), op('get', '', 4, 5, 'k')],
    ({ key }) => key,
  );
  expect([...verdicts].map(([key, { kind }]) => `${key} ${kind}`)).toEqual(['k violated', 'l linearizable']);
});

test('a search that takes too long is undecided', () => {
  const { operations } = concurrentHistory(3, 60, 20);
  const broken = [...operations, op('get', 'never written', 100_000, 100_001)];
  expect(checkLinearizable(text, broken, { stepsMax: 1_000 })).toEqual({ kind: 'undecided', steps: 1_000 });
});

/** A history that is linearizable because it was made from one order; `overlap` operations run at any time. */
function concurrentHistory(
  seed: number,
  count: number,
  overlap: number,
): { readonly operations: readonly TimedOperation<Op>[]; readonly points: readonly number[] } {
  const random = new SeededRandom(seed);
  const operations: TimedOperation<Op>[] = [];
  const points: number[] = [];
  let state = '';
  for (let i = 0; i < count; i++) {
    const point = i * 10 + 5;
    const spread = overlap * 5;
    const from = point - random.below(spread) - 1;
    const unknown = random.below(20) === 0;
    const to = point + random.below(spread) + 1;
    points.push(point);
    if (random.below(2) === 0) operations.push(op('get', state, from, to));
    else {
      state = `v${i}`;
      operations.push(op('put', state, from, unknown ? forever : to));
    }
  }
  return { operations, points };
}

test('200 operations, many at a time, are accepted fast', () => {
  const startedMs = performance.now();
  for (let seed = 1; seed <= 20; seed++) {
    expect(checkLinearizable(text, concurrentHistory(seed, 200, 16).operations).kind).toBe('linearizable');
  }
  expect(performance.now() - startedMs).toBeLessThan(2_000);
});

test('of random small histories it says what trying every order says', () => {
  const found = { linearizable: 0, violated: 0 };
  for (let seed = 1; seed <= 3_000; seed++) {
    const random = new SeededRandom(seed);
    const operations: TimedOperation<Op>[] = [];
    const size = 2 + random.below(5);
    for (let i = 0; i < size; i++) {
      const callMs = random.below(12);
      const kind = (['put', 'get', 'get', 'append'] as const)[random.below(4)] ?? 'get';
      const value =
        kind === 'get' ? (['', 'a', 'b', 'ab'][random.below(4)] ?? '') : random.below(2) === 0 ? 'a' : 'b';
      const returnMs = kind !== 'get' && random.below(4) === 0 ? forever : callMs + 1 + random.below(8);
      operations.push(op(kind, value, callMs, returnMs));
    }
    const expected = everyOrder(operations, new Set(), '') ? 'linearizable' : 'violated';
    expect(`${seed} ${verdict(...operations)}`).toBe(`${seed} ${expected}`);
    found[expected]++;
  }
  expect(found.linearizable).toBeGreaterThan(300);
  expect(found.violated).toBeGreaterThan(300);
});

/** The definition, tried out. */
function everyOrder(
  operations: readonly TimedOperation<Op>[],
  taken: ReadonlySet<number>,
  state: string,
): boolean {
  const left = operations.map((_, index) => index).filter((index) => !taken.has(index));
  const at = (index: number): TimedOperation<Op> => operations[index] as TimedOperation<Op>;
  if (left.every((index) => at(index).returnMs === forever)) return true;
  const firstReturn = Math.min(...left.map((index) => at(index).returnMs));
  for (const index of left) {
    if (at(index).callMs > firstReturn) continue;
    const next = text.step(state, at(index).op);
    if (next !== undefined && everyOrder(operations, new Set([...taken, index]), next)) return true;
  }
  return false;
}

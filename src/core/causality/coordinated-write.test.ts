import { expect, test } from 'vitest';
import type { BlindWrite, ConflictPolicy } from '../bucket.ts';
import { replicaId } from '../identity.ts';
import { type CausalContext, contextOf, emptyContext } from './context-token.ts';
import { type Causality, decideWrite, type WriteDecision, type WriteIntent } from './coordinated-write.ts';
import type { Dot } from './dot.ts';
import type { Version, VersionedRecord } from './record.ts';

const now = 1000;

/** `a1`: the first write of replica 1 ("a") in epoch 1. The coordinator is "a". */
function dot(text: string): Dot {
  return { replica: replicaId(text.charCodeAt(0) - 96), epoch: 1, counter: Number(text.slice(1)) };
}

function clock(text: string): Dot[] {
  return text === '' ? [] : text.split(' ').map(dot);
}

function record(known: string, held: string, more: Partial<Version> = {}): VersionedRecord {
  const value = Uint8Array.of(7);
  const rest = { clock: [], value, writtenAt: 10, expiresAt: undefined, requestId: undefined, ...more };
  return { clock: clock(known), versions: clock(held).map((written) => ({ dot: written, ...rest })) };
}

function seen(text: string, more: Partial<CausalContext> = {}): Causality {
  return { kind: 'context', context: { ...emptyContext, clock: clock(text), ...more }, exact: false };
}

const blind = (mode: BlindWrite): Causality => ({ kind: 'blind', mode });
const request = (n: number): Uint8Array => new Uint8Array(16).fill(n);

interface Setting {
  readonly policy?: ConflictPolicy;
  readonly siblingsMax?: number;
  readonly intent?: Partial<WriteIntent>;
}

function decide(
  local: VersionedRecord | undefined,
  causality: Causality,
  setting: Setting = {},
): WriteDecision {
  const { policy = 'siblings', siblingsMax = 100 } = setting;
  const value = Uint8Array.of(1);
  const intent: WriteIntent = {
    value,
    causality,
    expiry: { kind: 'never' },
    requestId: undefined,
    ...setting.intent,
  };
  return decideWrite(local, intent, {
    bucket: { conflictPolicy: policy, siblingsMax },
    own: { replica: replicaId(1), epochFloor: 0, nextEpoch: () => 1 },
    nowMicros: now,
    tick: (after) => Math.max(now, after + 1),
  });
}

function text(decision: WriteDecision): string {
  if (decision.kind === 'refused') return decision.why;
  const name = (d: Dot): string => `${String.fromCharCode(96 + d.replica)}${d.counter}`;
  const { record: made, context } = decision;
  const list = (dots: readonly Dot[]): string => dots.map(name).join(' ');
  return `${name(decision.dot)}: ${list(made.clock)} | ${list(made.versions.map((v) => v.dot))} | ${[...context.clock.map(name), ...context.dots.map((d) => `+${name(d)}`)].join(' ')}`;
}

function written(decision: WriteDecision): Version {
  if (decision.kind === 'refused') expect.fail(decision.why);
  return decision.record.versions.find((v) => v.dot === decision.dot) as Version;
}

// Columns: what is known, what is held, how it is written, and: dot, clock, versions, the answer's context.
test.for<[string, VersionedRecord | undefined, Causality, string]>([
  ['overwrite of nothing', undefined, blind('overwrite'), 'a1: a1 | a1 | a1'],
  ['overwrite', record('a1 b1', 'a1 b1'), blind('overwrite'), 'a2: a2 b1 | a2 | a2 b1'],
  ['add a sibling to nothing', undefined, blind('add-sibling'), 'a1: a1 | a1 | a1'],
  ['add a sibling', record('a1 b1', 'a1 b1'), blind('add-sibling'), 'a2: a2 b1 | a1 a2 b1 | +a2'],
  ['reject on nothing', undefined, blind('reject'), 'a1: a1 | a1 | a1'],
  ['reject on a value', record('a1', 'a1'), blind('reject'), 'key-exists'],
  ['reject on a deletion', record('a1', 'a1', { value: undefined }), blind('reject'), 'a2: a2 | a2 | a2'],
  ['reject on an expired value', record('a1', 'a1', { expiresAt: now }), blind('reject'), 'a2: a2 | a2 | a2'],
  [
    'reject on a value that is about to expire',
    record('a1', 'a1', { expiresAt: now + 1 }),
    blind('reject'),
    'key-exists',
  ],
  ['with the context of all', record('a1 b1', 'a1 b1'), seen('a1 b1'), 'a2: a2 b1 | a2 | a2 b1'],
  ['with the context of one', record('a1 b1', 'a1 b1'), seen('b1'), 'a2: a2 b1 | a1 a2 | b1 +a2'],
  ['with the context of nothing', record('b1', 'b1'), seen(''), 'a1: a1 b1 | a1 b1 | a1'],
  ['with a context of more than is held', record('a1', 'a1'), seen('a1 b9'), 'a2: a2 b9 | a2 | a2 b9'],
  [
    'with a single dot',
    record('a1 b3', 'b2 b3'),
    seen('b1', { dots: clock('b3') }),
    'a2: a2 b3 | a2 b2 | b1 +a2 +b3',
  ],
  [
    'with a single dot that is not here',
    record('a1 b2', 'b2'),
    seen('b1', { dots: clock('b3') }),
    'context-not-reached',
  ],
  ['with a single dot, holding nothing', undefined, seen('', { dots: clock('b3') }), 'context-not-reached'],
])('%s', ([, local, causality, expected]) => {
  expect(text(decide(local, causality))).toBe(expected);
});

test('what the writer had seen is kept with the version, without its dot', () => {
  expect(written(decide(record('a1 b1', 'a1 b1'), seen('b1'))).clock).toEqual(clock('b1'));
  expect(written(decide(record('a1 b1', 'a1 b1'), blind('overwrite'))).clock).toEqual(clock('a1 b1'));
  expect(written(decide(record('a1 b1', 'a1 b1'), blind('add-sibling'))).clock).toEqual([]);
});

test.for<[string, string, 'writes' | 'conflict']>([
  ['all', 'a1 b1', 'writes'],
  ['more', 'a1 b2', 'writes'],
  ['less', 'a1', 'conflict'],
])('an exact write with a context of %s', ([, known, expected]) => {
  const causality: Causality = {
    kind: 'context',
    context: { ...emptyContext, clock: clock(known) },
    exact: true,
  };
  const decision = decide(record('a1 b1', 'a1 b1'), causality);
  expect(decision.kind === 'refused' ? decision.why : 'writes').toBe(expected);
});

const held = (count: number): VersionedRecord => {
  const names = Array.from({ length: count }, (_, i) => `b${i + 1}`).join(' ');
  return record(`b${count}`, names);
};

test.for<[string, number, Causality, boolean]>([
  ['one below the bound, one more', 3, blind('add-sibling'), true],
  ['at the bound, one more', 4, blind('add-sibling'), false],
  ['beyond it, one more', 5, blind('add-sibling'), false],
  ['at the bound, one for one', 4, seen('b1'), true],
  ['beyond it, one for one', 5, seen('b1'), true],
  ['beyond it, one for all', 9, blind('overwrite'), true],
])('siblings are bounded to 4: %s', ([, count, causality, passes]) => {
  const decision = decide(held(count), causality, { siblingsMax: 4 });
  expect(decision.kind === 'refused' ? decision.why : 'passes').toBe(passes ? 'passes' : 'too-many-siblings');
});

test('siblings are not counted where the last write wins', () => {
  expect(decide(held(1), blind('add-sibling'), { siblingsMax: 1, policy: 'last-write-wins' }).kind).toBe(
    'write',
  );
});

test('the same request again makes nothing, whatever else it says', () => {
  const local = record('a1 b1', 'b1', { requestId: request(1), value: Uint8Array.of(1) });
  for (const causality of [blind('overwrite'), blind('reject'), seen('a1 b1'), seen('')]) {
    const decision = decide(local, causality, { intent: { requestId: request(1) } });
    expect(decision).toMatchObject({ kind: 'replayed', dot: dot('b1') });
    expect(decision.kind === 'replayed' && decision.record).toBe(local);
  }
});

test('a deletion is replayed like a value', () => {
  const local = record('b1', 'b1', { requestId: request(1), value: undefined });
  const intent = { requestId: request(1), value: undefined };
  expect(decide(local, blind('overwrite'), { intent }).kind).toBe('replayed');
});

test('another write under a request id that is held is refused', () => {
  const local = record('b1', 'b1', { requestId: request(1) });
  const again = (value: Uint8Array | undefined): string =>
    text(decide(local, blind('overwrite'), { intent: { requestId: request(1), value } }));
  expect(again(Uint8Array.of(2))).toBe('request-id-reused');
  expect(again(undefined)).toBe('request-id-reused');
  expect(decide(local, blind('overwrite'), { intent: { requestId: request(2) } }).kind).toBe('write');
});

test.for<[string, (number | undefined)[], number | undefined]>([
  ['one', [2000], 2000],
  ['the latest of several', [2000, 3000], 3000],
  ['never, if one never expires', [2000, undefined], undefined],
  ['not one that is over', [now], undefined],
  ['the latest that is not over', [now - 1, 2000], 2000],
])('keeping the expiry: %s', ([, expiries, expected]) => {
  const versions = expiries.map(
    (expiresAt, i) => record('', `b${i + 1}`, { expiresAt }).versions[0] as Version,
  );
  const local = { clock: clock(`b${versions.length}`), versions };
  const decision = decide(local, blind('overwrite'), { intent: { expiry: { kind: 'keep' } } });
  expect(written(decision).expiresAt).toBe(expected);
});

test('a deletion has no expiry to keep, and what is not superseded has no say', () => {
  const keep = { intent: { expiry: { kind: 'keep' } } } satisfies Setting;
  const deleted = record('b1', 'b1', { expiresAt: 2000, value: undefined });
  expect(written(decide(deleted, blind('overwrite'), keep)).expiresAt).toBeUndefined();
  expect(written(decide(record('b1', 'b1', { expiresAt: 2000 }), seen(''), keep)).expiresAt).toBeUndefined();
  const at = { intent: { expiry: { kind: 'at', micros: 77 } } } satisfies Setting;
  expect(written(decide(undefined, blind('overwrite'), at)).expiresAt).toBe(77);
});

test('a write comes after all that is held and all that its writer had seen', () => {
  expect(written(decide(record('b1', 'b1', { writtenAt: 5000 }), seen(''))).writtenAt).toBe(5001);
  expect(written(decide(undefined, seen('', { writtenAt: 6000 }))).writtenAt).toBe(6001);
  expect(written(decide(undefined, seen(''))).writtenAt).toBe(now);
});

test('where the last write wins the new one is all that stays', () => {
  const local = record('b1', 'b1', { writtenAt: 5000 });
  for (const causality of [seen(''), blind('add-sibling'), blind('overwrite')]) {
    const decision = decide(local, causality, { policy: 'last-write-wins' });
    expect(decision.kind === 'write' && decision.record.versions.map((v) => v.writtenAt)).toEqual([5001]);
  }
});

test('a context of this very record leads to a dot that follows it', () => {
  const local = record('a1 b1', 'a1 b1');
  const causality: Causality = { kind: 'context', context: contextOf(local), exact: true };
  expect(text(decide(local, causality))).toBe('a2: a2 b1 | a2 | a2 b1');
});

test('keep expiry with a context waits until this replica has received what the context covers', () => {
  const keep = { intent: { expiry: { kind: 'keep' } } } satisfies Setting;
  // b1 expires, and only replica b and a third one hold it: here its expiry is not known.
  expect(decide(undefined, seen('b1'), keep)).toEqual({ kind: 'refused', why: 'context-not-reached' });
  expect(decide(record('c1', 'c1'), seen('b1'), keep)).toEqual({
    kind: 'refused',
    why: 'context-not-reached',
  });
  expect(written(decide(record('b1', 'b1', { expiresAt: 2000 }), seen('b1'), keep)).expiresAt).toBe(2000);
});

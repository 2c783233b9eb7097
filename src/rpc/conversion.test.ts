import fc from 'fast-check';
import { expect, test } from 'vitest';
import { testBucket } from '../../test/support/client-port.ts';
import type { Version, VersionedRecord } from '../core/causality/record.ts';
import { OperationError } from '../core/coordinator/failure.ts';
import { replicaId } from '../core/identity.ts';
import { recordKeyOf } from '../core/ring/record-key.ts';
import { Value } from '../gen/kindred/v1/types.ts';
import {
  ContextTokens,
  durationOfMs,
  encodeValue,
  expiryOf,
  getResponseOf,
  latestOf,
  levelMessage,
  levelOf,
  microsOfDuration,
  microsOfTimestamp,
  readStateOf,
  strengthText,
  timestampOf,
  versionMessage,
} from './conversion.ts';

const text = fc.string({ unit: 'grapheme', maxLength: 12 });
const metadata = fc.dictionary(
  text.filter((name) => name !== '__proto__'),
  text,
  { maxKeys: 8 },
);

test('equal values are equal bytes, whatever the order of their metadata', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), text, metadata, (data, contentType, facts) => {
      const names = Object.keys(facts);
      const reversed = Object.fromEntries(names.reverse().map((name) => [name, facts[name] as string]));
      const bytes = encodeValue({ data, contentType, metadata: facts });
      expect(encodeValue({ data, contentType, metadata: reversed })).toEqual(bytes);
      expect(Value.decode(bytes)).toEqual({ data, contentType, metadata: facts });
    }),
  );
});

test('a value of nothing but data is encoded as the generated code does it', () => {
  for (const length of [0, 1, 127, 128, 16_383, 16_384, 70_000]) {
    const value = { data: new Uint8Array(length).fill(length), contentType: '', metadata: {} };
    expect(Buffer.compare(encodeValue(value), Value.encode(value).finish())).toBe(0);
  }
  const noted = { data: new Uint8Array(300).fill(7), contentType: 'text/plain', metadata: { a: '' } };
  expect(encodeValue(noted)).toEqual(Value.encode(noted).finish());
});

test('times and spans come back as they were', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }), (micros) => {
      expect(microsOfTimestamp(timestampOf(micros), 'f')).toBe(micros);
    }),
  );
  fc.assert(
    fc.property(fc.integer({ min: -1e9, max: 1e12 }), (ms) => {
      expect(microsOfDuration(durationOfMs(ms), 'f')).toBe(ms * 1000);
    }),
  );
  expect(microsOfDuration({ seconds: 0, nanos: 1 }, 'ttl')).toBe(1);
});

test('every level has one number and one name', () => {
  for (let wire = 1; wire <= 9; wire++) {
    const level = levelOf(wire, 'f');
    expect(level === undefined ? 0 : levelMessage(level)).toBe(wire);
  }
  expect(levelOf(0, 'f')).toBeUndefined();
  expect(() => levelOf(-1, 'f')).toThrow(OperationError);
  expect(strengthText({ kind: 'level', level: 'each-quorum' })).toBe('EACH_QUORUM');
});

test('a span becomes a time once, and the default of the bucket applies', () => {
  const nowMicros = 1_000_000_000;
  const ttl = { $case: 'ttl', value: { seconds: 2, nanos: 500 } } as const;
  expect(expiryOf(ttl, testBucket, nowMicros)).toEqual({ kind: 'at', micros: nowMicros + 2_000_001 });
  expect(expiryOf(undefined, testBucket, nowMicros)).toEqual({ kind: 'never' });
  expect(expiryOf(undefined, { ...testBucket, ttlMs: 5 }, nowMicros)).toEqual({
    kind: 'at',
    micros: nowMicros + 5000,
  });
});

// ---- reading a record ----------------------------------------------------------------------

const recordKey = recordKeyOf('default', Buffer.from('k'));
const now = 1000;

function version(counter: number, body: 'live' | 'deleted' | 'expired', writtenAt = counter): Version {
  return {
    dot: { replica: replicaId(counter), epoch: 1, counter: 1 },
    clock: [],
    value:
      body === 'deleted'
        ? undefined
        : encodeValue({ data: Buffer.from([counter]), contentType: '', metadata: {} }),
    writtenAt,
    expiresAt: body === 'expired' ? now : undefined,
    requestId: undefined,
  };
}

function record(...versions: Version[]): VersionedRecord {
  return { clock: versions.map(({ dot }) => dot), versions };
}

test.each([
  [undefined, 'absent'],
  [record(), 'absent'],
  [record(version(1, 'live')), 'found'],
  [record(version(1, 'deleted')), 'absent'],
  [record(version(1, 'expired')), 'absent'],
  [record(version(1, 'deleted'), version(2, 'expired')), 'absent'],
  [record(version(1, 'live'), version(2, 'live')), 'conflict'],
  [record(version(1, 'live'), version(2, 'deleted')), 'conflict'],
  [record(version(1, 'expired'), version(2, 'live')), 'conflict'],
] as const)('the state of %j is %s', (held, state) => {
  expect(readStateOf(held, now).kind).toBe(state);
});

test('the latest is the live version written last', () => {
  const versions = [version(1, 'live', 50), version(2, 'live', 40), version(3, 'deleted', 60)];
  expect(latestOf(versions, now)?.dot.replica).toBe(1);
  expect(latestOf([version(1, 'live', 5), version(2, 'live', 5)], now)?.dot.replica).toBe(2);
  expect(latestOf([version(3, 'deleted')], now)).toBeUndefined();
});

test('an expired version shows as deleted, with its dot and its time', () => {
  const shown = versionMessage(version(4, 'expired'), now, false);
  expect(shown.body).toEqual({ $case: 'deleted', value: {} });
  expect(shown.dot).toEqual({ replica: 4, epoch: 1, counter: 1 });
  expect(shown.expireTime).toEqual(timestampOf(now));
});

test('every answer has a context, and it covers what is not shown', () => {
  const tokens = new ContextTokens('c');
  const view = { recordKey, nowMicros: now, onConflict: 'pick-latest', omitData: false } as const;
  const held = record(version(1, 'live'), version(2, 'live'), version(3, 'deleted'));
  const answer = getResponseOf(held, undefined, view, tokens);
  expect(answer.versions).toHaveLength(1);
  expect(tokens.decode(answer.context, recordKey, 'context')?.clock).toEqual(held.clock);
  const absent = getResponseOf(undefined, undefined, view, tokens);
  expect(tokens.decode(absent.context, recordKey, 'context')?.clock).toEqual([]);
});

test('a token is bound to cluster, bucket and key', () => {
  const tokens = new ContextTokens('c');
  const token = tokens.encode({ clock: [], dots: [], writtenAt: 7 }, recordKey);
  expect(tokens.decode(token, recordKey, 'context')?.writtenAt).toBe(7);
  expect(tokens.decode(new Uint8Array(0), recordKey, 'context')).toBeUndefined();
  const others: [ContextTokens, Uint8Array][] = [
    [new ContextTokens('d'), recordKey],
    [tokens, recordKeyOf('default', Buffer.from('l'))],
    [tokens, recordKeyOf('other', Buffer.from('k'))],
  ];
  for (const [other, name] of others) {
    expect(() => other.decode(token, name, 'context')).toThrow(OperationError);
  }
});

test('damaged tokens are refused, never misread', () => {
  const tokens = new ContextTokens('c');
  const token = tokens.encode(
    { clock: [{ replica: replicaId(9), epoch: 1, counter: 4 }], dots: [], writtenAt: 7 },
    recordKey,
  );
  fc.assert(
    fc.property(fc.nat(token.length * 8 - 1), (bit) => {
      const flipped = new Uint8Array(token);
      flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7));
      expect(() => tokens.decode(flipped, recordKey, 'context')).toThrow(OperationError);
    }),
  );
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 100 }), (bytes) => {
      expect(() => tokens.decode(bytes, recordKey, 'context')).toThrow(OperationError);
    }),
  );
});

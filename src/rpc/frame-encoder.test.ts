import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  ExchangeRequest,
  ExchangeResponse,
  type ReplicaCall,
  type ReplicaReply,
} from '../gen/kindred/peer/v1/peer.ts';
import { encodeCalls, encodeReplies } from './frame-encoder.ts';
import type { CallBody, ReplyBody } from './frame-size.ts';

const id = fc.oneof(
  fc.constantFrom(0, 1, 127, 128, 2 ** 31, 2 ** 32, 2 ** 53 - 1),
  fc.nat({ max: 2 ** 53 - 1 }),
);
const bytes = fc.oneof(
  fc.uint8Array({ maxLength: 300 }),
  fc.constantFrom(127, 128, 16_383, 16_384, 100_000).map((length) => new Uint8Array(length).fill(7)),
);
const flag = fc.boolean();

const callBody: fc.Arbitrary<CallBody> = fc.oneof(
  fc.record({ key: bytes, digestOnly: flag }).map((value) => ({ $case: 'read' as const, value })),
  fc
    .record({
      key: bytes,
      record: bytes,
      origin: fc.constantFrom(0 as const, 1 as const, 2 as const, 3 as const, 4 as const),
      sync: flag,
      receiverMark: id,
    })
    .map((value) => ({ $case: 'merge' as const, value })),
  fc.record({ operation: bytes }).map((value) => ({ $case: 'forwarded' as const, value })),
  fc.record({ key: bytes, requestId: bytes }).map((value) => ({ $case: 'find' as const, value })),
  fc
    .record({ target: fc.string({ maxLength: 64 }), key: bytes, record: bytes, targetMark: id })
    .map((value) => ({ $case: 'keepHint' as const, value })),
  fc
    .record({
      replication: fc.nat({ max: 7 }),
      level: fc.nat({ max: 3 }),
      parents: fc.array(fc.nat({ max: 65_535 }), { maxLength: 50 }),
    })
    .map((value) => ({ $case: 'readTree' as const, value })),
  fc
    .record({
      replication: fc.nat({ max: 7 }),
      partition: fc.nat({ max: 65_535 }),
      leaves: fc.array(fc.nat({ max: 63 }), { maxLength: 64 }),
      after: bytes,
      limit: fc.nat({ max: 10_000 }),
    })
    .map((value) => ({ $case: 'listLeaf' as const, value })),
  fc.record({ replication: fc.nat({ max: 7 }) }).map((value) => ({ $case: 'endComparison' as const, value })),
);
const call: fc.Arbitrary<ReplicaCall> = fc.record({
  id,
  timeoutMs: fc.nat({ max: 0xffff_ffff }),
  call: fc.option(callBody, { nil: undefined, freq: 20 }),
});

const dot = fc.record({ replica: id, epoch: fc.nat({ max: 0xffff_ffff }), counter: id });
const replyBody: fc.Arbitrary<ReplyBody> = fc.oneof(
  fc
    .record({ record: bytes, digest: bytes, found: flag })
    .map((value) => ({ $case: 'stored' as const, value })),
  fc.record({ changed: flag, synced: flag }).map((value) => ({ $case: 'merged' as const, value })),
  bytes.map((value) => ({ $case: 'operationResult' as const, value })),
  fc
    .record({
      kind: fc.constantFrom(0 as const, 1 as const, 6 as const),
      message: fc.string({ unit: 'grapheme' }),
      layoutVersion: id,
    })
    .map((value) => ({ $case: 'error' as const, value })),
  fc
    .record({ found: flag, dot: fc.option(dot, { nil: undefined }) })
    .map((value) => ({ $case: 'found' as const, value })),
  fc.record({ stored: flag }).map((value) => ({ $case: 'hintKept' as const, value })),
  fc.record({ ready: flag, hashes: bytes }).map((value) => ({ $case: 'treeHashes' as const, value })),
  fc
    .record({ entries: fc.array(fc.record({ key: bytes, digest: bytes }), { maxLength: 9 }), more: flag })
    .map((value) => ({ $case: 'leafEntries' as const, value })),
  fc.record({ storedMark: id }).map((value) => ({ $case: 'comparisonEnded' as const, value })),
);
const reply: fc.Arbitrary<ReplicaReply> = fc.record({
  id,
  reply: fc.option(replyBody, { nil: undefined, freq: 20 }),
});

test('calls have the bytes that the generated encoder gives', () => {
  fc.assert(
    fc.property(id, fc.array(call, { maxLength: 8 }), (layoutVersion, calls) => {
      const expected = ExchangeRequest.encode({ layoutVersion, calls, hello: undefined }).finish();
      expect(Buffer.compare(encodeCalls(layoutVersion, calls), expected)).toBe(0);
    }),
    { numRuns: 1_000 },
  );
});

test('replies have the bytes that the generated encoder gives', () => {
  fc.assert(
    fc.property(fc.array(reply, { maxLength: 8 }), (replies) => {
      const expected = ExchangeResponse.encode({ replies, hello: undefined }).finish();
      expect(Buffer.compare(encodeReplies(replies), expected)).toBe(0);
    }),
    { numRuns: 1_000 },
  );
});

test('a number that does not fit is a mistake, not another number', () => {
  expect(() => encodeCalls(2 ** 53, [])).toThrow('assertion failed');
  expect(() => encodeCalls(1.5, [])).toThrow('assertion failed');
  expect(() => encodeCalls(-1, [])).toThrow('assertion failed');
});

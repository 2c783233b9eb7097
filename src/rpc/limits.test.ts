/** Every limit of the table, through a real client: one request that keeps it, one that does not. */

import { readFileSync } from 'node:fs';
import { Metadata } from 'nice-grpc';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  type ClientPort,
  type Clients,
  clientsOf,
  failureOf,
  startClientPort,
  testBucket,
} from '../../test/support/client-port.ts';
import { BlindWrite, ConflictMode, ConsistencyLevel, Durability } from '../gen/kindred/v1/types.ts';
import { limitTable, ttlMicrosMax } from './limits.ts';
import { codeText, reasonText } from './status.ts';

let port: ClientPort;
let clients: Clients;

beforeAll(async () => {
  port = await startClientPort({
    buckets: [
      { ...testBucket, name: 'small', valueBytesMax: 10 },
      { ...testBucket, name: 'a'.repeat(64) },
    ],
  });
  clients = clientsOf(port.address);
});

afterAll(async () => {
  clients.channel.close();
  await port.stop();
});

type Options = Parameters<Clients['keyValue']['get']>[1] & object;
type Attempt = (options: Options) => Promise<unknown>;

interface Case {
  /** As in the table, or a field that no table row names. */
  readonly field: string;
  readonly what: string;
  readonly good: Attempt;
  readonly bad: Attempt;
  /** Where the error puts it, when it is not `field` alone. */
  readonly at?: string;
  readonly code?: string;
  readonly reason: string;
}

const bytes = (length: number): Buffer => Buffer.alloc(length, 'k');
const key = { key: Buffer.from('k') };
const value = { data: Buffer.from('x') };
const level = (consistency: number) =>
  ({ strength: { $case: 'consistency', value: consistency as ConsistencyLevel } }) as const;
const levels = ConsistencyLevel;
const ttl = (seconds: number, nanos = 0) => ({ $case: 'ttl', value: { seconds, nanos } }) as const;
const at = (seconds: number, nanos = 0) => ({ $case: 'expireTime', value: { seconds, nanos } }) as const;

const get =
  (request: Parameters<Clients['keyValue']['get']>[0]): Attempt =>
  (options) =>
    clients.keyValue.get(request, options);
const put =
  (request: Parameters<Clients['keyValue']['put']>[0]): Attempt =>
  (options) =>
    clients.keyValue.put({ key, value, ...request }, options);
const batchGet =
  (count: number, minContext: Uint8Array = Buffer.alloc(0)): Attempt =>
  async (options) => {
    const keys = Array.from({ length: count }, (_, i) => ({ key: Buffer.from(`b${i}`) }));
    for await (const _ of clients.keyValue.batchGet({ keys, options: { minContext } }, options));
  };
const batchWrite =
  (count: number, size: number): Attempt =>
  async (options) => {
    const data = Buffer.alloc(size);
    const mutations = Array.from({ length: count }, (_, i) => ({
      op: { $case: 'put', value: { key: { key: Buffer.from(`b${i}`) }, value: { data } } } as const,
    }));
    for await (const _ of clients.keyValue.batchWrite({ mutations }, options));
  };
const pipeline =
  (count: number, size: number): Attempt =>
  async (options) => {
    const data = Buffer.alloc(size);
    const operations = Array.from({ length: count }, (_, id) => ({
      id,
      op: { $case: 'put', value: { key, value: { data } } } as const,
    }));
    async function* requests() {
      yield { operations };
    }
    for await (const _ of clients.keyValue.pipeline(requests(), options));
  };

/** A context of `length` bytes that is right in all but that. */
function contextOf(length: number): Buffer {
  return Buffer.alloc(length, 1);
}

const century = ttlMicrosMax / 1_000_000;
const now = Math.floor(Date.now() / 1000);

const cases: readonly Case[] = [
  {
    field: 'key.key',
    what: '1 byte',
    good: get({ key: { key: bytes(1) } }),
    bad: get({ key: {} }),
    reason: 'INVALID_REQUEST',
  },
  {
    field: 'key.key',
    what: '1,024 bytes',
    good: get({ key: { key: bytes(1024) } }),
    bad: get({ key: { key: bytes(1025) } }),
    reason: 'TOO_LARGE',
  },
  { field: 'key', what: 'required', good: get({ key }), bad: get({}), reason: 'INVALID_REQUEST' },
  {
    field: 'key.bucket',
    what: '64 characters',
    good: get({ key: { ...key, bucket: 'a'.repeat(64) } }),
    bad: get({ key: { ...key, bucket: 'a'.repeat(65) } }),
    reason: 'INVALID_REQUEST',
  },
  {
    field: 'key.bucket',
    what: 'its characters',
    good: get({ key: { ...key, bucket: '' } }),
    bad: get({ key: { ...key, bucket: 'A' } }),
    reason: 'INVALID_REQUEST',
  },
  {
    field: 'value',
    what: 'required',
    good: put({}),
    bad: (options) => clients.keyValue.put({ key }, options),
    reason: 'INVALID_REQUEST',
  },
  {
    field: 'value.data',
    what: '1 MiB',
    good: put({ value: { data: bytes(1024 * 1024) } }),
    bad: put({ value: { data: bytes(1024 * 1024 + 1) } }),
    reason: 'TOO_LARGE',
  },
  {
    field: 'value.data',
    what: "the bucket's",
    good: put({ key: { ...key, bucket: 'small' }, value: { data: bytes(10) } }),
    bad: put({ key: { ...key, bucket: 'small' }, value: { data: bytes(11) } }),
    reason: 'TOO_LARGE',
  },
  {
    field: 'value.content_type',
    what: '255 bytes',
    good: put({ value: { contentType: 'é'.repeat(127) } }),
    bad: put({ value: { contentType: 'é'.repeat(128) } }),
    reason: 'TOO_LARGE',
  },
  {
    field: 'value.metadata',
    what: '4,096 bytes together',
    good: put({ value: { contentType: 'abc', metadata: { k: 'v'.repeat(4092) } } }),
    bad: put({ value: { contentType: 'abc', metadata: { k: 'v'.repeat(4093) } } }),
    reason: 'TOO_LARGE',
  },
  {
    field: 'options.request_id',
    what: 'not 15',
    good: put({ options: { requestId: bytes(16) } }),
    bad: put({ options: { requestId: bytes(15) } }),
    reason: 'INVALID_REQUEST',
  },
  {
    field: 'options.request_id',
    what: 'not 17',
    good: put({ options: { requestId: bytes(0) } }),
    bad: put({ options: { requestId: bytes(17) } }),
    reason: 'INVALID_REQUEST',
  },
  {
    field: 'request_id',
    what: 'required',
    good: (options) => clients.keyValue.getWriteOutcome({ key, requestId: bytes(16) }, options),
    bad: (options) => clients.keyValue.getWriteOutcome({ key }, options),
    reason: 'INVALID_REQUEST',
  },
  {
    field: 'context',
    what: '4,096 bytes',
    good: put({ causality: { $case: 'context', value: contextOf(0) } }),
    bad: put({ causality: { $case: 'context', value: contextOf(4097) } }),
    reason: 'CONTEXT_INVALID',
  },
  {
    field: 'options.min_context',
    what: '4,096 bytes',
    good: get({ key, options: { minContext: contextOf(0) } }),
    bad: get({ key, options: { minContext: contextOf(4097) } }),
    reason: 'CONTEXT_INVALID',
  },
  {
    field: 'options.min_context',
    what: 'of one key',
    good: batchGet(2),
    bad: batchGet(2, contextOf(30)),
    reason: 'INVALID_REQUEST',
  },
  {
    field: 'ttl',
    what: 'more than zero',
    good: put({ expiry: ttl(0, 1) }),
    bad: put({ expiry: ttl(0) }),
    reason: 'INVALID_REQUEST',
  },
  {
    field: 'ttl',
    what: 'not negative',
    good: put({ expiry: ttl(1) }),
    bad: put({ expiry: ttl(-1, -1) }),
    reason: 'INVALID_REQUEST',
  },
  {
    field: 'ttl',
    what: 'a proper duration',
    good: put({ expiry: ttl(1, 999_999_999) }),
    bad: put({ expiry: ttl(1, -1) }),
    reason: 'INVALID_REQUEST',
  },
  {
    field: 'ttl',
    what: '100 years',
    good: put({ expiry: ttl(century) }),
    bad: put({ expiry: ttl(century + 1) }),
    reason: 'INVALID_REQUEST',
  },
  {
    field: 'expire_time',
    what: 'from 1970',
    good: put({ expiry: at(0) }),
    bad: put({ expiry: at(-1) }),
    reason: 'INVALID_REQUEST',
  },
  {
    field: 'expire_time',
    what: '100 years ahead',
    good: put({ expiry: at(now + century - 100) }),
    bad: put({ expiry: at(now + century + 100) }),
    reason: 'INVALID_REQUEST',
  },
  {
    field: 'expire_time',
    what: 'a proper timestamp',
    good: put({ expiry: at(now, 999_999_999) }),
    bad: put({ expiry: at(now, -1) }),
    reason: 'INVALID_REQUEST',
  },
  {
    field: 'keep_expiry',
    what: 'true when set',
    good: put({ expiry: { $case: 'keepExpiry', value: true } }),
    bad: put({ expiry: { $case: 'keepExpiry', value: false } }),
    reason: 'INVALID_REQUEST',
  },
  {
    field: 'options.replicas',
    what: '1',
    good: get({ key, options: { strength: { $case: 'replicas', value: 1 } } }),
    bad: get({ key, options: { strength: { $case: 'replicas', value: 0 } } }),
    reason: 'INVALID_REQUEST',
  },
  {
    field: 'options.replicas',
    what: 'N',
    good: put({ options: { strength: { $case: 'replicas', value: 3 } } }),
    bad: put({ options: { strength: { $case: 'replicas', value: 4 } } }),
    reason: 'INVALID_REQUEST',
  },
  {
    field: 'options.consistency',
    what: 'known levels',
    good: put({ options: level(levels.CONSISTENCY_LEVEL_EACH_QUORUM) }),
    bad: put({ options: level(99) }),
    reason: 'INVALID_REQUEST',
  },
  {
    field: 'options.consistency',
    what: 'ANY for writes only',
    good: put({ options: level(levels.CONSISTENCY_LEVEL_ANY) }),
    bad: get({ key, options: level(levels.CONSISTENCY_LEVEL_ANY) }),
    reason: 'INVALID_REQUEST',
  },
  {
    field: 'options.consistency',
    what: 'no LINEARIZABLE yet',
    good: get({ key, options: level(levels.CONSISTENCY_LEVEL_ALL) }),
    bad: get({ key, options: level(10) }),
    reason: 'INVALID_REQUEST',
  },
  {
    field: 'options.fallback',
    what: '9 levels',
    good: get({ key, options: { fallback: Array(9).fill(levels.CONSISTENCY_LEVEL_ONE) } }),
    bad: get({ key, options: { fallback: Array(10).fill(levels.CONSISTENCY_LEVEL_ONE) } }),
    reason: 'INVALID_REQUEST',
  },
  {
    field: 'options.fallback',
    what: 'weaker only',
    good: get({ key, options: { fallback: [levels.CONSISTENCY_LEVEL_ONE] } }),
    bad: get({ key, options: { fallback: [levels.CONSISTENCY_LEVEL_ALL] } }),
    reason: 'INVALID_REQUEST',
  },
  {
    field: 'options.fallback',
    what: 'for reads',
    good: get({ key, options: { fallback: [levels.CONSISTENCY_LEVEL_TWO, levels.CONSISTENCY_LEVEL_ONE] } }),
    bad: get({ key, options: { fallback: [levels.CONSISTENCY_LEVEL_ANY] } }),
    reason: 'INVALID_REQUEST',
  },
  {
    field: 'options.fallback',
    what: 'named',
    good: get({ key, options: { fallback: [] } }),
    bad: get({ key, options: { fallback: [0] } }),
    reason: 'INVALID_REQUEST',
  },
  {
    field: 'options.durability',
    what: 'known',
    good: put({ options: { durability: Durability.DURABILITY_SYNC_ONE } }),
    bad: put({ options: { durability: 9 as Durability } }),
    reason: 'INVALID_REQUEST',
  },
  {
    field: 'options.on_conflict',
    what: 'known',
    good: get({ key, options: { onConflict: ConflictMode.CONFLICT_MODE_FAIL } }),
    bad: get({ key, options: { onConflict: 9 as ConflictMode } }),
    reason: 'INVALID_REQUEST',
  },
  {
    field: 'blind',
    what: 'known',
    good: put({ causality: { $case: 'blind', value: BlindWrite.BLIND_WRITE_OVERWRITE } }),
    bad: put({ causality: { $case: 'blind', value: 9 as BlindWrite } }),
    reason: 'INVALID_REQUEST',
  },
  { field: 'keys', what: 'one at least', good: batchGet(1), bad: batchGet(0), reason: 'INVALID_REQUEST' },
  { field: 'keys', what: '1,000 items', good: batchGet(1000), bad: batchGet(1001), reason: 'TOO_LARGE' },
  {
    field: 'mutations',
    what: 'one at least',
    good: batchWrite(1, 1),
    bad: batchWrite(0, 1),
    reason: 'INVALID_REQUEST',
  },
  {
    field: 'mutations',
    what: '1,000 items',
    good: batchWrite(1000, 1),
    bad: batchWrite(1001, 1),
    reason: 'TOO_LARGE',
  },
  {
    field: 'mutations',
    what: '4 MiB',
    good: batchWrite(4, 1024 * 1024 - 100),
    bad: batchWrite(4, 1024 * 1024),
    reason: 'TOO_LARGE',
  },
  {
    field: 'operations',
    what: '1,000 in a message',
    good: pipeline(1000, 1),
    bad: pipeline(1001, 1),
    reason: 'TOO_LARGE',
  },
  {
    field: 'operations',
    what: '4 MiB',
    good: pipeline(4, 1024 * 1024 - 100),
    bad: pipeline(4, 1024 * 1024),
    reason: 'TOO_LARGE',
  },
  {
    field: 'page_size',
    what: '1,000',
    good: (options) => clients.buckets.listBuckets({ pageSize: 1000 }, options),
    bad: (options) => clients.buckets.listBuckets({ pageSize: 1001 }, options),
    reason: 'INVALID_REQUEST',
  },
  {
    field: 'metadata',
    what: '8,192 bytes',
    good: (options) =>
      clients.keyValue.get({ key }, { ...options, metadata: Metadata({ 'x-pad': 'x'.repeat(8000) }) }),
    bad: (options) =>
      clients.keyValue.get({ key }, { ...options, metadata: Metadata({ 'x-pad': 'x'.repeat(8193) }) }),
    code: 'RESOURCE_EXHAUSTED',
    reason: 'TOO_LARGE',
  },
];

test.each(cases)('$field: $what', async ({ field, good, bad, code, reason }) => {
  await good({});
  const writes = port.coordination.writes;
  const failure = await failureOf((options) => bad(options as Options));
  expect({
    code: codeText(failure.code),
    reason: reasonText(failure.detail?.reason ?? 0),
    field: failure.detail?.field,
  }).toEqual({ code: code ?? 'INVALID_ARGUMENT', reason, field });
  expect(failure.details.startsWith(`${field}: `)).toBe(true);
  expect(failure.detail?.safeToRetry).toBe(true);
  expect(port.coordination.writes).toBe(writes);
});

test('every row of the table has a case here, with its code and reason', () => {
  for (const row of limitTable) {
    const own = cases.filter(({ field }) => field === row.field);
    expect(own.map(({ reason }) => reason)).toContain(row.reason);
    for (const each of own) expect(each.code ?? 'INVALID_ARGUMENT').toBe(row.code);
  }
});

test('docs/limits.md has exactly the rows of the table', () => {
  const page = readFileSync(new URL('../../docs/limits.md', import.meta.url), 'utf8');
  const rows = page
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) => line.split('|').map((cell) => cell.trim().replaceAll('`', '')));
  const requestRows = rows.filter((cells) => cells.length === 6).map((cells) => cells.slice(1, 5));
  expect(requestRows).toEqual(limitTable.map((row) => [row.field, row.limit, row.code, row.reason]));
});

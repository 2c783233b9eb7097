/** Every reason of the contract, produced by real nodes and read through a real client with its ErrorDetail. */

import { randomBytes } from 'node:crypto';
import { Metadata } from 'nice-grpc';
import { afterAll, expect, test } from 'vitest';
import { replicaId } from '../../src/core/identity.ts';
import { recordKeyOf } from '../../src/core/ring/record-key.ts';
import { LongRunning_State } from '../../src/gen/kindred/v1/operation.ts';
import {
  BlindWrite,
  ConflictMode,
  ConsistencyLevel,
  ErrorReason,
  WriteOutcome,
} from '../../src/gen/kindred/v1/types.ts';
import { ContextTokens } from '../../src/rpc/conversion.ts';
import { codeText, reasonText } from '../../src/rpc/status.ts';
import { type ClientFailure, type Clients, failureOf } from '../support/client-port.ts';
import { type LocalNode, type LocalNodes, startLocalNodes } from '../support/local-nodes.ts';

const key = { key: Buffer.from('k') };
const value = { data: Buffer.from('x') };
const level = (consistency: ConsistencyLevel) =>
  ({ strength: { $case: 'consistency', value: consistency } }) as const;
const addSibling = { $case: 'blind', value: BlindWrite.BLIND_WRITE_ADD_SIBLING } as const;

const clusters: LocalNodes[] = [];
const produced = new Set<string>();

afterAll(async () => {
  await Promise.all(clusters.map((cluster) => cluster.stop()));
});

async function start(
  count: number,
  settings: Record<string, unknown> = {},
): Promise<readonly [LocalNode, ...LocalNode[]]> {
  const cluster = await startLocalNodes(count, settings);
  clusters.push(cluster);
  return cluster.nodes as readonly [LocalNode, ...LocalNode[]];
}

type Options = Parameters<Clients['keyValue']['get']>[1] & object;

/** Makes a call fail, checks it against the contract, and notes its reason. */
async function fails(
  call: (options: Options) => Promise<unknown>,
  expected: {
    readonly code: string;
    readonly reason: string;
    readonly outcome: '-' | 'NOT_APPLIED' | 'UNKNOWN';
  },
): Promise<ClientFailure> {
  const failure = await failureOf((options) => call(options as Options));
  const { detail } = failure;
  const outcomes = {
    [WriteOutcome.WRITE_OUTCOME_UNSPECIFIED]: '-',
    [WriteOutcome.WRITE_OUTCOME_NOT_APPLIED]: 'NOT_APPLIED',
    [WriteOutcome.WRITE_OUTCOME_UNKNOWN]: 'UNKNOWN',
    [WriteOutcome.UNRECOGNIZED]: 'unrecognized',
  };
  expect({
    code: codeText(failure.code),
    reason: reasonText(detail?.reason ?? 0),
    outcome: outcomes[detail?.writeOutcome ?? WriteOutcome.UNRECOGNIZED],
  }).toEqual(expected);
  expect(failure.details.length).toBeGreaterThan(20);
  produced.add(expected.reason);
  return failure;
}

test('what is wrong with the request or the state of the key', async () => {
  const buckets = [{ name: 'default' }, { name: 'narrow', siblings_max: 2, siblings_warn: 2 }];
  const [n1, n2] = await start(3, { buckets, limits: { record_bytes_max: 2 * 1024 * 1024 } });
  const { keyValue } = n1.clients;
  const name = (text: string) => ({ key: Buffer.from(text) });

  const invalid = await fails((options) => keyValue.put({ key: {}, value }, options), {
    code: 'INVALID_ARGUMENT',
    reason: 'INVALID_REQUEST',
    outcome: 'NOT_APPLIED',
  });
  expect(invalid.detail).toMatchObject({ field: 'key.key', safeToRetry: true });

  await fails((options) => keyValue.get({ key: { ...key, bucket: 'nobody' } }, options), {
    code: 'NOT_FOUND',
    reason: 'BUCKET_UNKNOWN',
    outcome: '-',
  });

  await fails((options) => keyValue.put({ key, value: { data: Buffer.alloc(1024 * 1024 + 1) } }, options), {
    code: 'INVALID_ARGUMENT',
    reason: 'TOO_LARGE',
    outcome: 'NOT_APPLIED',
  });
  const big = { data: Buffer.alloc(900_000) };
  await keyValue.put({ key: name('big'), value: big, causality: addSibling });
  await keyValue.put({ key: name('big'), value: big, causality: addSibling });
  const record = await fails(
    (options) => keyValue.put({ key: name('big'), value: big, causality: addSibling }, options),
    { code: 'RESOURCE_EXHAUSTED', reason: 'TOO_LARGE', outcome: 'NOT_APPLIED' },
  );
  expect(record.detail?.field).toBe('record');

  const other = await keyValue.put({ key: name('other'), value });
  await fails(
    (options) => keyValue.put({ key, value, causality: { $case: 'context', value: other.context } }, options),
    { code: 'INVALID_ARGUMENT', reason: 'CONTEXT_INVALID', outcome: 'NOT_APPLIED' },
  );

  const requestId = randomBytes(16);
  await keyValue.put({ key: name('id'), value, options: { requestId } });
  const reused = await fails(
    (options) =>
      n2?.clients.keyValue.put(
        { key: name('id'), value: { data: Buffer.from('y') }, options: { requestId } },
        options,
      ) ?? Promise.resolve(),
    { code: 'INVALID_ARGUMENT', reason: 'REQUEST_ID_REUSED', outcome: 'NOT_APPLIED' },
  );
  expect(reused.detail?.field).toBe('options.request_id');

  await keyValue.put({ key: name('raced'), value, causality: addSibling });
  await keyValue.put({ key: name('raced'), value: { data: Buffer.from('y') }, causality: addSibling });
  const conflict = await fails(
    (options) =>
      keyValue.get({ key: name('raced'), options: { onConflict: ConflictMode.CONFLICT_MODE_FAIL } }, options),
    { code: 'FAILED_PRECONDITION', reason: 'CONFLICT', outcome: '-' },
  );
  const resolved = { $case: 'context', value: conflict.detail?.context as Uint8Array } as const;
  await keyValue.put({ key: name('raced'), value, causality: resolved });
  expect((await keyValue.get({ key: name('raced') })).versions).toHaveLength(1);

  const reject = { $case: 'blind', value: BlindWrite.BLIND_WRITE_REJECT } as const;
  const exists = await fails(
    (options) => keyValue.put({ key: name('raced'), value, causality: reject }, options),
    {
      code: 'FAILED_PRECONDITION',
      reason: 'KEY_EXISTS',
      outcome: 'NOT_APPLIED',
    },
  );
  expect(exists.detail?.context.length).toBeGreaterThan(0);

  const narrow = { bucket: 'narrow', key: Buffer.from('k') };
  for (const text of ['a', 'b']) {
    await keyValue.put({ key: narrow, value: { data: Buffer.from(text) }, causality: addSibling });
  }
  const siblings = await fails(
    (options) => keyValue.put({ key: narrow, value, causality: addSibling }, options),
    {
      code: 'FAILED_PRECONDITION',
      reason: 'TOO_MANY_SIBLINGS',
      outcome: 'NOT_APPLIED',
    },
  );
  await keyValue.put({
    key: narrow,
    value,
    causality: { $case: 'context', value: siblings.detail?.context as Uint8Array },
  });

  const tokens = new ContextTokens('local');
  const ahead = tokens.encode(
    { clock: [{ replica: replicaId(99), epoch: 1, counter: 1 }], dots: [], writtenAt: 0 },
    recordKeyOf('default', key.key),
  );
  const notReached = await fails(
    (options) => keyValue.get({ key, options: { minContext: ahead } }, options),
    {
      code: 'UNAVAILABLE',
      reason: 'CONTEXT_NOT_REACHED',
      outcome: '-',
    },
  );
  expect(notReached.detail).toMatchObject({ alive: 3, answered: 3, safeToRetry: true });

  const retried = await fails(
    (options) =>
      keyValue.put({ key, value }, { ...options, metadata: Metadata({ 'grpc-previous-rpc-attempts': '2' }) }),
    { code: 'ABORTED', reason: 'RETRY_UNSAFE', outcome: 'UNKNOWN' },
  );
  expect(retried.detail?.safeToRetry).toBe(false);
});

test('replicas that are silent, fail, or are gone', async () => {
  const [n1, n2, n3] = await start(3);
  const { keyValue } = n1.clients;
  const put = (options: Options, requestId = Buffer.alloc(0)) =>
    keyValue.put(
      { key, value, options: { ...level(ConsistencyLevel.CONSISTENCY_LEVEL_ALL), requestId } },
      options,
    );
  const release = n3?.engine.hold() as () => void;
  const soon = { metadata: Metadata({ 'grpc-timeout': '600m' }) };
  const startedMs = performance.now();
  const silent = await fails((options) => put({ ...options, ...soon }), {
    code: 'DEADLINE_EXCEEDED',
    reason: 'QUORUM_TIMEOUT',
    outcome: 'UNKNOWN',
  });
  expect(performance.now() - startedMs).toBeLessThan(600);
  expect(silent.detail).toMatchObject({
    required: 3,
    alive: 3,
    answered: 2,
    safeToRetry: false,
    failures: [{ nodeId: 'n3', reason: ErrorReason.ERROR_REASON_QUORUM_TIMEOUT }],
    topologyEpoch: 1,
  });
  const withId = await fails((options) => put({ ...options, ...soon }, randomBytes(16)), {
    code: 'DEADLINE_EXCEEDED',
    reason: 'QUORUM_TIMEOUT',
    outcome: 'UNKNOWN',
  });
  expect(withId.detail?.safeToRetry).toBe(true);
  release();

  n3?.engine.fail('io-error');
  const failed = await fails((options) => put(options), {
    code: 'ABORTED',
    reason: 'REPLICA_FAILURE',
    outcome: 'UNKNOWN',
  });
  expect(failed.detail?.failures).toEqual([
    { nodeId: 'n3', reason: ErrorReason.ERROR_REASON_STORAGE_FAILED },
  ]);

  await Promise.all([n2, n3].map((each) => each?.node.stop({ deadlineMs: 0 })));
  await expect
    .poll(async () => (await n1.clients.topology.getTopology({})).topology?.nodes.map(({ state }) => state), {
      timeout: 20_000,
    })
    .toEqual([2, 4, 4]);
  const gone = await fails((options) => keyValue.put({ key, value }, options), {
    code: 'UNAVAILABLE',
    reason: 'NOT_ENOUGH_REPLICAS',
    outcome: 'NOT_APPLIED',
  });
  expect(gone.detail).toMatchObject({ required: 2, alive: 1, answered: 0, safeToRetry: true });
  const read = await fails((options) => keyValue.get({ key }, options), {
    code: 'UNAVAILABLE',
    reason: 'NOT_ENOUGH_REPLICAS',
    outcome: '-',
  });
  expect(read.detail).toMatchObject({ required: 2, alive: 1 });
});

test.each([
  ['disk-full', 'DISK_FULL', 'RESOURCE_EXHAUSTED'],
  ['io-error', 'STORAGE_FAILED', 'UNAVAILABLE'],
] as const)("this node's own disk: %s", async (code, reason, refused) => {
  const [n1] = await start(1);
  const { keyValue } = n1.clients;
  await keyValue.put({ key, value });
  n1.engine.fail(code);
  // The write that meets the failure may be in the log. Those after it are refused before they begin.
  const first = await fails((options) => keyValue.put({ key, value }, options), {
    code: 'ABORTED',
    reason,
    outcome: 'UNKNOWN',
  });
  expect(first.detail?.safeToRetry).toBe(false);
  const second = await fails((options) => keyValue.put({ key, value }, options), {
    code: refused,
    reason,
    outcome: 'NOT_APPLIED',
  });
  expect(second.detail?.safeToRetry).toBe(true);
});

test('a node that is full, and one that shuts down', async () => {
  const [n1] = await start(1, { limits: { requests_in_flight_max: 2 } });
  const { keyValue } = n1.clients;
  const release = n1.engine.hold();
  const running = [keyValue.put({ key, value }), keyValue.put({ key: { key: Buffer.from('l') }, value })];
  await expect
    .poll(async () => {
      const { gauges } = await n1.clients.diagnostic.getNodeStatus({}).catch(() => ({ gauges: {} }));
      return Object.keys(gauges).length;
    })
    .toBe(0);
  const full = await fails((options) => keyValue.put({ key, value }, options), {
    code: 'RESOURCE_EXHAUSTED',
    reason: 'NODE_OVERLOADED',
    outcome: 'NOT_APPLIED',
  });
  expect(full.detail?.retryAfter?.nanos).toBeGreaterThan(0);
  expect(Number(full.pushback)).toBeGreaterThan(0);

  const stopped = n1.node.stop({ deadlineMs: 5000 });
  const draining = await fails((options) => keyValue.put({ key, value }, options), {
    code: 'UNAVAILABLE',
    reason: 'NODE_DRAINING',
    outcome: 'NOT_APPLIED',
  });
  expect(draining.detail?.safeToRetry).toBe(true);
  release();
  expect((await Promise.all(running)).map(({ dot }) => dot?.counter)).toEqual([1, 1]);
  await stopped;
});

test('an operation that nobody knows, and one beside another of its kind', async () => {
  const [n1] = await start(2);
  const { operation } = n1.clients;
  await fails((options) => operation.getOperation({ id: 'nobody' }, options), {
    code: 'NOT_FOUND',
    reason: 'OPERATION_UNKNOWN',
    outcome: '-',
  });
  // A byte a second: it goes on until it is cancelled; but while the peer is not connected yet there is nothing to compare.
  let id = '';
  const isRunning = async (): Promise<boolean> => {
    id = (await operation.startRepair({ bytesPerSecondMax: 1 })).operation?.id ?? '';
    const { operation: now } = await operation.getOperation({ id });
    return now?.state === LongRunning_State.STATE_RUNNING;
  };
  await expect.poll(isRunning).toBe(true);
  const beside = await fails((options) => operation.startRepair({ dryRun: true }, options), {
    code: 'FAILED_PRECONDITION',
    reason: 'OPERATION_RUNNING',
    outcome: '-',
  });
  expect(beside.details).toContain(id);
  await operation.cancelOperation({ id });
});

test('every reason of the contract was produced above', () => {
  const reasons = Object.values(ErrorReason)
    .filter((reason) => reason > 0)
    .map((reason) => reasonText(reason));
  expect([...produced].sort()).toEqual(reasons.sort());
});

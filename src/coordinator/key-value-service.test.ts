import { randomBytes } from 'node:crypto';
import { Metadata } from 'nice-grpc';
import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  type ClientPort,
  type Clients,
  clientsOf,
  failureOf,
  startClientPort,
  testBucket,
} from '../../test/support/client-port.ts';
import { OperationError } from '../core/coordinator/failure.ts';
import { nodeId, replicaId } from '../core/identity.ts';
import { recordKeyOf } from '../core/ring/record-key.ts';
import { Operation, OperationResult } from '../gen/kindred/v1/kv.ts';
import { BlindWrite, ConflictMode, ConsistencyLevel } from '../gen/kindred/v1/types.ts';
import { itemRequestId } from './batch.ts';

let port: ClientPort;
let clients: Clients;

beforeEach(async () => {
  port = await startClientPort({
    buckets: [{ ...testBucket, name: 'short', ttlMs: 3_600_000, valueBytesMax: 10, siblingsMax: 2 }],
  });
  clients = clientsOf(port.address);
});

afterEach(async () => {
  clients.channel.close();
  await port.stop();
});

const key = { key: Buffer.from('k') };
const text = (data: string): { data: Buffer } => ({ data: Buffer.from(data) });
const addSibling = { $case: 'blind', value: BlindWrite.BLIND_WRITE_ADD_SIBLING } as const;

function dataOf(versions: readonly { readonly body?: unknown }[]): string[] {
  return versions.map(({ body }) => {
    const { $case, value } = body as { $case: string; value: { data?: Uint8Array } };
    return $case === 'value' ? Buffer.from(value.data ?? []).toString() : $case;
  });
}

test('put, get, overwrite, delete, re-create', async () => {
  const { keyValue } = clients;
  const put = await keyValue.put({
    key,
    value: { ...text('one'), contentType: 'text/plain', metadata: { a: '1' } },
  });
  expect(put.dot?.counter).toBe(1);
  expect(put.report).toMatchObject({
    acked: 3,
    synced: 3,
    achieved: ConsistencyLevel.CONSISTENCY_LEVEL_QUORUM,
  });
  let got = await keyValue.get({ key });
  expect(got.state).toBe(1);
  expect(got.versions[0]?.body).toEqual({
    $case: 'value',
    value: { data: Buffer.from('one'), contentType: 'text/plain', metadata: { a: '1' } },
  });
  expect(got.versions[0]?.clock?.entries).toEqual([]);
  expect(got.report).toMatchObject({ coordinator: 'n1', replicasAsked: 2 });

  await keyValue.put({ key, value: text('two') });
  got = await keyValue.get({ key });
  expect(dataOf(got.versions)).toEqual(['two']);
  expect(got.versions[0]?.clock?.entries).toEqual([put.dot]);

  const deleted = await keyValue.delete({ key });
  expect(deleted.dot?.counter).toBe(3);
  got = await keyValue.get({ key });
  expect([got.state, got.versions]).toEqual([3, []]);
  await keyValue.put({ key, value: text('three'), causality: { $case: 'context', value: got.context } });
  expect(dataOf((await keyValue.get({ key })).versions)).toEqual(['three']);
});

test('a key that never was has a context too', async () => {
  const got = await clients.keyValue.get({ key });
  expect(got.state).toBe(3);
  expect(got.context.length).toBeGreaterThan(0);
  await clients.keyValue.put({ key, value: text('x'), causality: { $case: 'context', value: got.context } });
  expect((await clients.keyValue.get({ key })).state).toBe(1);
});

test('writes that raced come back as siblings, and a put with the context resolves them', async () => {
  const { keyValue } = clients;
  const before = await keyValue.get({ key });
  const causality = { $case: 'context', value: before.context } as const;
  await keyValue.put({ key, value: text('left'), causality });
  await keyValue.put({ key, value: text('right'), causality });
  const got = await keyValue.get({ key });
  expect(got.state).toBe(2);
  expect(dataOf(got.versions).sort()).toEqual(['left', 'right']);

  const latest = await keyValue.get({ key, options: { onConflict: ConflictMode.CONFLICT_MODE_PICK_LATEST } });
  expect(latest.state).toBe(1);
  expect(dataOf(latest.versions)).toEqual(['right']);
  expect(latest.context).toEqual(got.context);

  const failure = await failureOf((options) =>
    keyValue.get({ key, options: { onConflict: ConflictMode.CONFLICT_MODE_FAIL } }, options),
  );
  expect(failure).toMatchObject({ code: 9, detail: { reason: 6, writeOutcome: 0, safeToRetry: true } });
  expect(failure.detail?.context).toEqual(got.context);

  await keyValue.put({ key, value: text('both'), causality: { $case: 'context', value: got.context } });
  expect(dataOf((await keyValue.get({ key })).versions)).toEqual(['both']);
});

test('a write tells how many versions are held beside it', async () => {
  const { keyValue } = clients;
  const first = await keyValue.put({ key, value: text('first') });
  expect(first.versionsHeld).toBe(1);
  const causality = { $case: 'context', value: first.context } as const;
  const requestId = Buffer.alloc(16, 7);
  const left = await keyValue.put({ key, value: text('left'), causality, options: { requestId } });
  expect(left.versionsHeld).toBe(1);
  const right = await keyValue.put({ key, value: text('right'), causality });
  expect(right.versionsHeld).toBe(2);
  // A repetition counts what is held by now.
  const repeated = await keyValue.put({ key, value: text('left'), causality, options: { requestId } });
  expect(repeated).toMatchObject({ versionsHeld: 2, report: { replayed: true } });
  const deleted = await keyValue.delete({ key, causality });
  expect(deleted.versionsHeld).toBe(3);
  const { context } = await keyValue.get({ key });
  const resolved = await keyValue.put({
    key,
    value: text('both'),
    causality: { $case: 'context', value: context },
  });
  expect(resolved.versionsHeld).toBe(1);
});

test('a deletion that raced a value is a sibling, and shown', async () => {
  const { keyValue } = clients;
  const first = await keyValue.put({ key, value: text('first') });
  const causality = { $case: 'context', value: first.context } as const;
  await keyValue.put({ key, value: text('kept'), causality });
  await keyValue.delete({ key, causality });
  const got = await keyValue.get({ key });
  expect(got.state).toBe(2);
  expect(dataOf(got.versions).sort()).toEqual(['deleted', 'kept']);
});

test('omit_data leaves the rest of the answer as it is', async () => {
  await clients.keyValue.put({ key, value: { ...text('data'), contentType: 'text/plain' } });
  const got = await clients.keyValue.get({ key, options: { omitData: true } });
  expect(got.versions[0]?.body).toMatchObject({
    $case: 'value',
    value: { data: new Uint8Array(0), contentType: 'text/plain' },
  });
});

test('min_context: the answer includes it, or says that it cannot', async () => {
  const put = await clients.keyValue.put({ key, value: text('x') });
  await clients.keyValue.get({ key, options: { minContext: put.context } });
  port.coordination.records.clear();
  const failure = await failureOf((options) =>
    clients.keyValue.get({ key, options: { minContext: put.context } }, options),
  );
  expect(failure).toMatchObject({
    code: 14,
    detail: { reason: 4, safeToRetry: true, required: 1, alive: 3 },
  });
});

test('a context of another key, another cluster, or damaged, is refused', async () => {
  const { keyValue } = clients;
  const put = await keyValue.put({ key, value: text('x') });
  const other = { key: Buffer.from('other') };
  const flipped = Buffer.from(put.context);
  flipped[12] = (flipped[12] as number) ^ 1;
  for (const [target, context] of [
    [other, put.context],
    [key, flipped],
    [key, put.context.subarray(0, 9)],
    [{ ...key, bucket: 'short' }, put.context],
  ] as const) {
    const failure = await failureOf((options) =>
      keyValue.put(
        { key: target, value: text('y'), causality: { $case: 'context', value: context } },
        options,
      ),
    );
    expect(failure).toMatchObject({ code: 3, detail: { reason: 5, field: 'context', writeOutcome: 1 } });
  }
  expect(dataOf((await keyValue.get({ key })).versions)).toEqual(['x']);
});

test('blind modes: REJECT refuses a live key with its context, ADD_SIBLING keeps everything', async () => {
  const { keyValue } = clients;
  const reject = { $case: 'blind', value: BlindWrite.BLIND_WRITE_REJECT } as const;
  await keyValue.put({ key, value: text('a'), causality: reject });
  const failure = await failureOf((options) =>
    keyValue.put({ key, value: text('b'), causality: reject }, options),
  );
  expect(failure).toMatchObject({ code: 9, detail: { reason: 20, writeOutcome: 1, safeToRetry: true } });
  const replaced = await keyValue.put({
    key,
    value: text('c'),
    causality: { $case: 'context', value: failure.detail?.context as Uint8Array },
  });
  expect(replaced.dot?.counter).toBe(2);
  await keyValue.put({ key, value: text('d'), causality: addSibling });
  expect((await keyValue.get({ key })).versions).toHaveLength(2);
});

test('siblings are bounded, and the refusal carries what resolves them', async () => {
  const { keyValue } = clients;
  const bounded = { key: Buffer.from('k'), bucket: 'short' };
  await keyValue.put({ key: bounded, value: text('a'), causality: addSibling });
  await keyValue.put({ key: bounded, value: text('b'), causality: addSibling });
  const failure = await failureOf((options) =>
    keyValue.put({ key: bounded, value: text('c'), causality: addSibling }, options),
  );
  expect(failure).toMatchObject({ code: 9, detail: { reason: 7, writeOutcome: 1 } });
  await keyValue.put({
    key: bounded,
    value: text('abc'),
    causality: { $case: 'context', value: failure.detail?.context as Uint8Array },
  });
  expect(dataOf((await keyValue.get({ key: bounded })).versions)).toEqual(['abc']);
});

test('a ttl becomes a time once; the bucket default applies; an expired value is absent', async () => {
  const { keyValue } = clients;
  await keyValue.put({ key, value: text('x'), expiry: { $case: 'ttl', value: { seconds: 3600, nanos: 0 } } });
  const first = await keyValue.get({ key });
  const second = await keyValue.get({ key });
  expect(first.versions[0]?.expireTime).toBeDefined();
  expect(first.versions[0]?.expireTime).toEqual(second.versions[0]?.expireTime);
  await keyValue.put({ key, value: text('y'), expiry: { $case: 'keepExpiry', value: true } });
  expect((await keyValue.get({ key })).versions[0]?.expireTime).toEqual(first.versions[0]?.expireTime);

  await keyValue.put({ key: { ...key, bucket: 'short' }, value: text('x') });
  const defaulted = await keyValue.get({ key: { ...key, bucket: 'short' } });
  expect(defaulted.versions[0]?.expireTime?.seconds).toBeGreaterThan(1_700_000_000);

  await keyValue.put({
    key,
    value: text('z'),
    expiry: { $case: 'expireTime', value: { seconds: 1, nanos: 0 } },
  });
  const expired = await keyValue.get({ key });
  expect([expired.state, expired.versions]).toEqual([3, []]);
});

test('touch changes the expiry and nothing else', async () => {
  const { keyValue } = clients;
  const never = { $case: 'never', value: true } as const;
  const ttl = { $case: 'ttl', value: { seconds: 60, nanos: 0 } } as const;
  expect(await keyValue.touch({ key, expiry: never })).toMatchObject({ applied: false, report: undefined });
  await keyValue.put({ key, value: { ...text('x'), contentType: 'text/plain' } });
  const touched = await keyValue.touch({ key, expiry: ttl });
  expect(touched).toMatchObject({ applied: true, report: { acked: 3 } });
  const got = await keyValue.get({ key, options: { minContext: touched.context } });
  expect(got.versions[0]?.expireTime).toBeDefined();
  expect(got.versions[0]?.body).toMatchObject({
    value: { contentType: 'text/plain', data: Buffer.from('x') },
  });
  await keyValue.touch({ key, expiry: never });
  expect((await keyValue.get({ key })).versions[0]?.expireTime).toBeUndefined();
  await keyValue.delete({ key });
  expect((await keyValue.touch({ key, expiry: ttl })).applied).toBe(false);
});

test('touch reads again when the key moves under it, and gives up with a stale context', async () => {
  const { keyValue } = clients;
  const put = await keyValue.put({ key, value: text('old') });
  let moves = 2;
  port.coordination.before = async (operation, kind) => {
    if (kind !== 'write' || moves === 0) return;
    moves--;
    const { before } = port.coordination;
    port.coordination.before = () => {};
    await port.coordination.write({
      ...(operation as Parameters<typeof port.coordination.write>[0]),
      intent: {
        value: Buffer.from([10, 3, 110, 101, 119]),
        causality: { kind: 'blind', mode: 'overwrite' },
        expiry: { kind: 'never' },
        requestId: undefined,
      },
    });
    port.coordination.before = before;
  };
  const touched = await keyValue.touch({ key, expiry: { $case: 'ttl', value: { seconds: 60, nanos: 0 } } });
  expect(touched.applied).toBe(true);
  expect(moves).toBe(0);
  const got = await keyValue.get({ key });
  expect(dataOf(got.versions)).toEqual(['new']);
  expect(got.versions[0]?.expireTime).toBeDefined();

  const failure = await failureOf((options) =>
    keyValue.touch({ key, context: put.context, expiry: { $case: 'never', value: true } }, options),
  );
  expect(failure).toMatchObject({ code: 9, detail: { reason: 6, writeOutcome: 1 } });
});

test('several siblings cannot be touched', async () => {
  await clients.keyValue.put({ key, value: text('a'), causality: addSibling });
  await clients.keyValue.put({ key, value: text('b'), causality: addSibling });
  const failure = await failureOf((options) =>
    clients.keyValue.touch({ key, expiry: { $case: 'never', value: true } }, options),
  );
  expect(failure).toMatchObject({ code: 9, detail: { reason: 6 } });
  expect(failure.detail?.context).toEqual((await clients.keyValue.get({ key })).context);
});

test('a request id makes a retry count once, and its outcome can be asked', async () => {
  const { keyValue } = clients;
  const requestId = randomBytes(16);
  const request = { key, value: text('x'), options: { requestId } };
  expect(await keyValue.getWriteOutcome({ key, requestId })).toMatchObject({ outcome: 2, dot: undefined });
  const first = await keyValue.put(request);
  const second = await keyValue.put(request);
  expect(second.dot).toEqual(first.dot);
  expect([first.report?.replayed, second.report?.replayed]).toEqual([false, true]);
  expect(await keyValue.getWriteOutcome({ key, requestId })).toMatchObject({ outcome: 1, dot: first.dot });
  const failure = await failureOf((options) => keyValue.put({ ...request, value: text('y') }, options));
  expect(failure).toMatchObject({ code: 3, detail: { reason: 9, field: 'options.request_id' } });
});

test('a touch that is repeated counts once, whatever the key holds by then', async () => {
  const { keyValue } = clients;
  const options = { requestId: randomBytes(16) };
  const touch = () =>
    keyValue.touch({ key, expiry: { $case: 'ttl', value: { seconds: 60, nanos: 0 } }, options });
  await keyValue.put({ key, value: text('x') });
  expect(await touch()).toMatchObject({ applied: true, report: { replayed: false } });
  const { dot } = await keyValue.getWriteOutcome({ key, requestId: options.requestId });
  await keyValue.put({ key, value: text('y') });
  // A replica remembers a write for longer than it holds its version.
  const written = { replica: replicaId(1), epoch: 1, counter: Number(dot?.counter) };
  port.coordination.findWrite = async () => ({ kind: 'applied', dot: written });
  expect(await touch()).toMatchObject({ applied: true, report: { replayed: true } });
  const got = await keyValue.get({ key });
  expect(got.versions[0]?.expireTime).toBeUndefined();
  await keyValue.delete({ key });
  expect(await touch()).toMatchObject({ applied: true, report: { replayed: true } });
  port.coordination.before = (_, kind) => {
    if (kind === 'read') throw new OperationError({ kind: 'not-enough-replicas', required: 2, alive: 1 });
  };
  expect(await touch()).toMatchObject({ applied: true, report: { replayed: true } });
});

test('the outcome of a write has a context: of what is held, and of the write at least', async () => {
  const { keyValue } = clients;
  await keyValue.put({ key, value: text('x') });
  const unseen = await keyValue.getWriteOutcome({ key, requestId: randomBytes(16) });
  expect(unseen.outcome).toBe(2);
  expect(unseen.context).toEqual((await keyValue.get({ key })).context);

  const requestId = randomBytes(16);
  const put = await keyValue.put({ key, value: text('y'), options: { requestId } });
  const found = await keyValue.getWriteOutcome({ key, requestId });
  expect(found.context).toEqual(put.context);
  const outcome = await port.coordination.findWrite(
    { recordKey: recordKeyOf('default', key.key) } as Parameters<typeof port.coordination.findWrite>[0],
    requestId,
  );
  port.coordination.findWrite = async () => outcome;
  port.coordination.read = () =>
    Promise.reject(new OperationError({ kind: 'not-enough-replicas', required: 2, alive: 1 }));
  const alone = await keyValue.getWriteOutcome({ key, requestId });
  expect(alone).toMatchObject({ outcome: 1, dot: put.dot });
  expect(alone.context.length).toBeGreaterThan(0);
});

test('a write that the gRPC library repeated by itself is refused unless it has a request id', async () => {
  const metadata = Metadata({ 'grpc-previous-rpc-attempts': '1' });
  const failure = await failureOf((options) =>
    clients.keyValue.put({ key, value: text('x') }, { ...options, metadata }),
  );
  expect(failure).toMatchObject({ code: 10, detail: { reason: 25, writeOutcome: 2, safeToRetry: false } });
  expect(port.coordination.writes).toBe(0);
  await clients.keyValue.put(
    { key, value: text('x'), options: { requestId: randomBytes(16) } },
    { metadata },
  );
  await clients.keyValue.get({ key }, { metadata });
});

test('refused retry says not applied: what meets a repeated write may be its own first attempt', async () => {
  const metadata = Metadata({ 'grpc-previous-rpc-attempts': '1' });
  await clients.keyValue.put({ key, value: text('x') });
  const causality = { $case: 'blind', value: BlindWrite.BLIND_WRITE_REJECT } as const;
  const put = { key, value: text('x'), causality, options: { requestId: randomBytes(16) } };
  const exists = await failureOf((options) => clients.keyValue.put(put, { ...options, metadata }));
  expect(exists).toMatchObject({ code: 10, detail: { reason: 20, writeOutcome: 2, safeToRetry: true } });
  expect(exists.detail?.context.length).toBeGreaterThan(0);
  const unknownBucket = { ...put, key: { bucket: 'later', key: key.key } };
  expect(
    await failureOf((options) => clients.keyValue.put(unknownBucket, { ...options, metadata })),
  ).toMatchObject({ code: 10, detail: { reason: 22, writeOutcome: 2, safeToRetry: true } });
});

test('refused retry says not applied: another node that carried it out knows nothing of the first attempt', async () => {
  const metadata = Metadata({ 'grpc-previous-rpc-attempts': '1' });
  const operations = port.keyValue;
  port.coordination.write = async (operation) => ({
    kind: 'forwarded',
    result: await operations.executeOperation(operation.encodeForwarded?.() as Uint8Array, 0),
  });
  const put = { key, value: text('x'), options: { requestId: randomBytes(16) } };
  const first = await failureOf((options) => clients.keyValue.put(put, options));
  expect(first).toMatchObject({ code: 4, detail: { reason: 2, writeOutcome: 1 } });
  const second = await failureOf((options) => clients.keyValue.put(put, { ...options, metadata }));
  expect(second).toMatchObject({ code: 4, detail: { reason: 2, writeOutcome: 2, safeToRetry: true } });
});

test('an unknown outcome is never UNAVAILABLE, and its advice depends on the request id', async () => {
  port.coordination.before = () => {
    throw new OperationError({
      kind: 'quorum-timeout',
      outcome: 'unknown',
      required: 2,
      alive: 3,
      answered: 1,
      failures: [{ node: nodeId('n2'), reason: 'timed-out' }],
    });
  };
  const plain = await failureOf((options) => clients.keyValue.put({ key, value: text('x') }, options));
  expect(plain).toMatchObject({
    code: 4,
    detail: {
      reason: 2,
      writeOutcome: 2,
      safeToRetry: false,
      required: 2,
      alive: 3,
      answered: 1,
      failures: [{ nodeId: 'n2', reason: 2 }],
      topologyEpoch: 1,
    },
  });
  const withId = await failureOf((options) =>
    clients.keyValue.put({ key, value: text('x'), options: { requestId: randomBytes(16) } }, options),
  );
  expect(withId.detail?.safeToRetry).toBe(true);
  const read = await failureOf((options) => clients.keyValue.get({ key }, options));
  expect(read.detail).toMatchObject({ writeOutcome: 0, safeToRetry: true });
});

test('a defect is INTERNAL with an incident id, and its text stays here', async () => {
  port.coordination.before = () => {
    throw new TypeError('secret path /etc');
  };
  const failure = await failureOf((options) => clients.keyValue.put({ key, value: text('x') }, options));
  expect(failure).toMatchObject({ code: 13, detail: { writeOutcome: 2, safeToRetry: false } });
  expect(failure.details).toContain('incident-1');
  expect(failure.details).not.toContain('secret');
  expect(port.incidents).toHaveLength(1);
  expect(port.observed.at(-1)).toBe('Put default QUORUM 13 0');
});

test('an unknown bucket is NOT_FOUND, a malformed name INVALID_ARGUMENT', async () => {
  const unknown = await failureOf((options) =>
    clients.keyValue.get({ key: { bucket: 'nobody', key: key.key } }, options),
  );
  expect(unknown).toMatchObject({ code: 5, detail: { reason: 22 } });
  const malformed = await failureOf((options) =>
    clients.keyValue.get({ key: { bucket: 'No Body', key: key.key } }, options),
  );
  expect(malformed).toMatchObject({ code: 3, detail: { reason: 21, field: 'key.bucket' } });
  expect(malformed.details).not.toContain('No Body');
});

test('a forwarded result is answered as if it were ours, errors included', async () => {
  const other = await startClientPort();
  port.coordination.forward = (operation) =>
    other.keyValue.executeOperation((operation.encodeForwarded as () => Uint8Array)(), 1000);
  const put = await clients.keyValue.put({ key, value: text('far') });
  expect(put.dot?.counter).toBe(1);
  expect(put.versionsHeld).toBe(1);
  expect(other.coordination.writes).toBe(1);
  const beside = await clients.keyValue.put({ key, value: text('beside'), causality: addSibling });
  expect(beside.versionsHeld).toBe(2);
  await clients.keyValue.put({ key, value: text('far2'), options: { requestId: randomBytes(16) } });
  expect(await clients.keyValue.delete({ key })).toMatchObject({ dot: { counter: 4 }, versionsHeld: 1 });

  other.coordination.before = (operation) => {
    expect('encodeForwarded' in operation && operation.encodeForwarded !== undefined).toBe(false);
    throw new OperationError({ kind: 'not-enough-replicas', required: 2, alive: 1 });
  };
  const failure = await failureOf((options) => clients.keyValue.put({ key, value: text('x') }, options));
  expect(failure).toMatchObject({ code: 14, detail: { reason: 1, required: 2, alive: 1, writeOutcome: 1 } });
  await other.stop();
});

test('a touch is passed on whole', async () => {
  const other = await startClientPort();
  const { keyValue } = clients;
  await keyValue.put({ key, value: text('x') });
  // Both hold the record, as replicas would.
  for (const [name, record] of port.coordination.records) other.coordination.records.set(name, record);
  port.coordination.forward = (operation) =>
    other.keyValue.executeOperation((operation.encodeForwarded as () => Uint8Array)(), 1000);
  const ttl = { $case: 'ttl', value: { seconds: 60, nanos: 0 } } as const;
  expect((await keyValue.touch({ key, expiry: ttl })).applied).toBe(true);
  expect([...other.coordination.records.values()][0]?.versions[0]?.expiresAt).toBeDefined();
  await other.stop();
});

test('executeOperation answers failures as results', async () => {
  const bytes = Operation.encode(
    Operation.fromPartial({ id: 9, op: { $case: 'get', value: { key: {} } } }),
  ).finish();
  const result = OperationResult.decode(await port.keyValue.executeOperation(bytes, 1000));
  expect(result).toMatchObject({ id: 9, status: { code: 3, detail: { field: 'key.key' } } });
  const empty = OperationResult.decode(await port.keyValue.executeOperation(new Uint8Array(0), 1000));
  expect(empty).toMatchObject({ status: { code: 3, detail: { field: 'op' } } });
});

test('a batch get answers every key once, matched by index', async () => {
  const { keyValue } = clients;
  for (let i = 0; i < 10; i++)
    await keyValue.put({ key: { key: Buffer.from(`k${i}`) }, value: text(`v${i}`) });
  const keys = Array.from({ length: 200 }, (_, i) => ({ key: Buffer.from(`k${i}`) }));
  const seen = new Map<number, number>();
  for await (const { index, status, result } of keyValue.batchGet({
    keys: [...keys, { key: Buffer.alloc(0) }],
  })) {
    expect(seen.has(index)).toBe(false);
    seen.set(index, result?.state ?? -(status?.code ?? 0));
    if (index < 10) expect(dataOf(result?.versions ?? [])).toEqual([`v${index}`]);
    if (index === 200) expect(status?.detail?.field).toBe('keys[200].key');
  }
  expect(seen.size).toBe(201);
  expect(seen.get(9)).toBe(1);
  expect(seen.get(10)).toBe(3);
  expect(seen.get(200)).toBe(-3);
});

test('a batch write answers every item alone, and its request id covers each', async () => {
  const { keyValue } = clients;
  const requestId = randomBytes(16);
  const batch: Parameters<typeof keyValue.batchWrite>[0] = {
    mutations: [
      { op: { $case: 'put', value: { key: { key: Buffer.from('a') }, value: text('1') } } },
      { op: { $case: 'delete', value: { key: { key: Buffer.from('b') } } } },
      { op: { $case: 'put', value: { key: { key: Buffer.from('c') } } } },
      {},
    ],
    options: { requestId },
  };
  const run = async (): Promise<Map<number, unknown>> => {
    const results = new Map<number, unknown>();
    for await (const { index, status, result } of keyValue.batchWrite(batch)) {
      results.set(index, status ?? result);
    }
    return results;
  };
  const first = await run();
  expect(first.get(0)).toMatchObject({ $case: 'put', value: { report: { replayed: false } } });
  expect(first.get(1)).toMatchObject({ $case: 'delete', value: { dot: { counter: 1 } } });
  expect(first.get(2)).toMatchObject({
    code: 3,
    detail: { field: 'mutations[2].put.value', writeOutcome: 1 },
  });
  expect(first.get(3)).toMatchObject({ code: 3, detail: { field: 'mutations[3].op' } });
  const again = await run();
  expect(again.get(0)).toMatchObject({ value: { report: { replayed: true } } });
  expect(again.get(1)).toMatchObject({ value: { report: { replayed: true } } });
  const outcome = await keyValue.getWriteOutcome({
    key: { key: Buffer.from('b') },
    requestId: itemRequestId(requestId, 1),
  });
  expect(outcome.outcome).toBe(1);
});

test('a batch works on a bounded number of items at once, and stops when the client leaves', async () => {
  let running = 0;
  let most = 0;
  const release: (() => void)[] = [];
  port.coordination.before = async () => {
    most = Math.max(most, ++running);
    await new Promise<void>((resolve) => release.push(resolve));
    running--;
  };
  const abort = new AbortController();
  const keys = Array.from({ length: 500 }, (_, i) => ({ key: Buffer.from(`k${i}`) }));
  const drain = (async () => {
    for await (const _ of clients.keyValue.batchGet({ keys }, { signal: abort.signal }));
  })();
  // Every answer lets one more begin, because it tells how large they are.
  for (const expected of [16, 32, 64, 64]) {
    await expect.poll(() => release.length).toBe(expected);
    if (expected < 64 || most < 64) for (const resume of release.splice(0)) resume();
  }
  abort.abort();
  await expect(drain).rejects.toThrow();
  // The server hears of it a moment later, on the connection.
  await expect
    .poll(async () => {
      for (const resume of release.splice(0)) resume();
      return port.server.requestsInFlight;
    })
    .toBe(0);
  expect(most).toBe(64);
  expect(port.coordination.reads).toBeLessThan(500);
});

test('what is measured: method, bucket, level, code', async () => {
  await clients.keyValue.put({ key, value: text('x') });
  await clients.keyValue.get({
    key,
    options: { strength: { $case: 'consistency', value: ConsistencyLevel.CONSISTENCY_LEVEL_LOCAL_ONE } },
  });
  await clients.keyValue.get({ key, options: { strength: { $case: 'replicas', value: 3 } } });
  expect(port.observed).toEqual(['Put default QUORUM OK', 'Get default LOCAL_ONE OK', 'Get default 3 OK']);
});

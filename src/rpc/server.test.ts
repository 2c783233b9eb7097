import { connect as connectHttp2, type Settings as Http2Settings } from 'node:http2';
import { connect, type Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import { createClientFactory, Metadata } from 'nice-grpc';
import { HealthDefinition } from 'nice-grpc-server-health';
import { afterEach, expect, test } from 'vitest';
import {
  type ClientPort,
  type ClientPortOptions,
  type Clients,
  clientsOf,
  failureOf,
  startClientPort,
} from '../../test/support/client-port.ts';
import {
  callHeaders,
  endHeaders,
  endStream,
  frame,
  frameTypes,
  grpcMessage,
  preface,
} from '../../test/support/raw-http2.ts';
import { OperationError } from '../core/coordinator/failure.ts';
import { systemEnv } from '../env/system-env.ts';
import {
  BatchGetRequest,
  GetRequest,
  type GetResponse,
  PipelineRequest,
  PutRequest,
} from '../gen/kindred/v1/kv.ts';

let port: ClientPort;
let clients: Clients;

async function start(options: ClientPortOptions = {}): Promise<void> {
  port = await startClientPort(options);
  clients = clientsOf(port.address);
}

afterEach(async () => {
  clients.channel.close();
  await port.stop();
});

const key = { key: Buffer.from('k') };
const value = { data: Buffer.from('x') };

interface RawAnswer {
  readonly httpStatus: number | undefined;
  readonly grpcStatus: string | undefined;
  readonly message: string;
  /** As Latin-1. */
  readonly body: string;
  readonly reset: number;
}

/** One request in HTTP/2 as a test writes it, and how it ended. */
async function raw(
  headers: Record<string, string | string[]>,
  sent: Uint8Array | undefined,
  settings: Http2Settings = {},
): Promise<RawAnswer> {
  const session = connectHttp2(`http://${port.address}`, { settings });
  session.on('error', () => {});
  try {
    return await new Promise<RawAnswer>((resolve) => {
      const stream = session.request({
        ':method': 'POST',
        ':path': '/kindred.v1.KeyValueService/Get',
        'content-type': 'application/grpc',
        te: 'trailers',
        ...headers,
      });
      let httpStatus: number | undefined;
      let grpcStatus: string | undefined;
      let message = '';
      const take = (received: Record<string, unknown>): void => {
        if (received[':status'] !== undefined) httpStatus = Number(received[':status']);
        if (received['grpc-status'] !== undefined) {
          grpcStatus = String(received['grpc-status']);
          message = decodeURI(String(received['grpc-message'] ?? ''));
        }
      };
      stream.on('response', take);
      stream.on('trailers', take);
      stream.on('error', () => {});
      let body = '';
      stream.on('data', (data: Buffer) => {
        body += data.toString('latin1');
      });
      stream.on('close', () => resolve({ httpStatus, grpcStatus, message, body, reset: stream.rstCode }));
      if (sent === undefined) stream.end();
      else stream.end(sent);
    });
  } finally {
    session.destroy();
  }
}

const getRequest = GetRequest.encode(GetRequest.fromPartial({ key })).finish();

async function stillWorks(): Promise<void> {
  await clients.keyValue.put({ key, value });
  expect((await clients.keyValue.get({ key })).state).toBe(1);
}

// ---- both ways to speak HTTP/2 --------------------------------------------------------------

function versionBytes(answer: GetResponse | undefined): number {
  const content = answer?.versions[0]?.body;
  return content?.$case === 'value' ? content.value.data.length : 0;
}

test.each(['own', 'node'] as const)(
  'HTTP/2 by %s: calls, streams, clients without a table',
  async (http2) => {
    await start({ http2 });
    await stillWorks();
    const found: number[] = [];
    const large = { data: Buffer.alloc(1_000_000, 'not the same everywhere') };
    await clients.keyValue.put({ key: { key: Buffer.from('large') }, value: large });
    const keys = ['k', 'large', 'large', 'absent'].map((name) => ({ key: Buffer.from(name) }));
    for await (const { result } of clients.keyValue.batchGet({ keys })) {
      found.push(versionBytes(result));
    }
    expect(found.sort((a, b) => a - b)).toEqual([0, 1, 1_000_000, 1_000_000]);
    expect(versionBytes(await clients.keyValue.get({ key: { key: Buffer.from('large') } }))).toBe(1_000_000);
    for (const settings of [{}, { headerTableSize: 0 }, { initialWindowSize: 100 }]) {
      expect(await raw({}, grpcMessage(getRequest), settings)).toMatchObject({ grpcStatus: '0', reset: 0 });
    }
  },
);

// ---- health and draining -------------------------------------------------------------------

test('health: serving by name, unknown names, and watches that hear of a drain', async () => {
  await start();
  const health = createClientFactory().create(HealthDefinition, clients.channel);
  expect((await health.check({ service: '' })).status).toBe(1);
  expect((await health.check({ service: 'kindred.v1.KeyValueService' })).status).toBe(1);
  expect(await failureOf((options) => health.check({ service: 'nobody' }, options))).toMatchObject({
    code: 5,
  });
  const seen: number[] = [];
  const watching = (async () => {
    for await (const { status } of health.watch({ service: '' })) seen.push(status);
  })();
  await expect.poll(() => seen).toEqual([1]);
  await port.server.drain(1000);
  await expect.poll(() => seen).toEqual([1, 2]);
  expect((await health.check({ service: '' })).status).toBe(2);
  await port.stop();
  await watching.catch(() => {});
});

test('a draining node refuses new calls by name and finishes those it has', async () => {
  await start();
  let release: () => void = () => {};
  port.coordination.before = () => new Promise<void>((resolve) => (release = resolve));
  const slow = clients.keyValue.put({ key, value });
  await expect.poll(() => port.coordination.writes).toBe(1);
  const drained = port.server.drain(5000);
  const failure = await failureOf((options) => clients.keyValue.put({ key, value }, options));
  expect(failure).toMatchObject({ code: 14, detail: { reason: 23, writeOutcome: 1, safeToRetry: true } });
  expect((await failureOf((options) => clients.keyValue.get({ key }, options))).detail).toMatchObject({
    reason: 23,
    writeOutcome: 0,
  });
  // The port closes as soon as the last handler is done. Its answer must arrive all the same.
  const stopped = drained.then(async (all) => {
    await port.server.close();
    return all;
  });
  release();
  expect((await slow).dot?.counter).toBe(1);
  expect(await stopped).toBe(true);
});

/** The write calls of one message, each with a request id or without. */
function writeCalls(options: object): Record<string, (requestId: Uint8Array) => Promise<unknown>> {
  const { keyValue } = clients;
  const expiry = { $case: 'never', value: true } as const;
  return {
    Put: (requestId) => keyValue.put({ key, value, options: { requestId } }, options),
    Delete: (requestId) => keyValue.delete({ key, options: { requestId } }, options),
    Touch: (requestId) => keyValue.touch({ key, expiry, options: { requestId } }, options),
    async BatchWrite(requestId) {
      const mutations = [{ op: { $case: 'put', value: { key, value } } as const }];
      for await (const _ of keyValue.batchWrite({ mutations, options: { requestId } }, options));
    },
  };
}

const repeated = Metadata({ 'grpc-previous-rpc-attempts': '1' });
const requestId = Buffer.alloc(16, 7);

async function expectUnknownOfAllWrites(reason: number): Promise<void> {
  for (const name of Object.keys(writeCalls({}))) {
    for (const [id, safeToRetry] of [
      [requestId, true],
      [Buffer.alloc(0), false],
    ] as const) {
      const failure = await failureOf((options) =>
        (writeCalls({ ...options, metadata: repeated })[name] as (id: Uint8Array) => Promise<unknown>)(id),
      );
      expect([name, failure], name).toMatchObject([
        name,
        { code: 10, detail: { reason, writeOutcome: 2, safeToRetry } },
      ]);
    }
  }
}

test('refused retry says not applied: a draining node leaves the outcome of a repeated write unknown', async () => {
  await start();
  let release: () => void = () => {};
  port.coordination.before = () => new Promise<void>((resolve) => (release = resolve));
  const slow = clients.keyValue.get({ key });
  await expect.poll(() => port.coordination.reads).toBe(1);
  const drained = port.server.drain(10_000);
  await expectUnknownOfAllWrites(23);
  expect(
    await failureOf((options) => clients.keyValue.get({ key }, { ...options, metadata: repeated })),
  ).toMatchObject({ code: 14, detail: { writeOutcome: 0, safeToRetry: true } });
  release();
  await slow;
  await drained;
});

test('refused retry says not applied: a full node leaves the outcome of a repeated write unknown', async () => {
  await start({ requestsInFlightMax: 1 });
  let release: () => void = () => {};
  port.coordination.before = () => new Promise<void>((resolve) => (release = resolve));
  const slow = clients.keyValue.get({ key });
  await expect.poll(() => port.coordination.reads).toBe(1);
  await expectUnknownOfAllWrites(13);
  release();
  await slow;
});

test('refused retry says not applied: headers too long for the retry, and bytes that are no message', async () => {
  await start();
  const metadata = Metadata({ 'grpc-previous-rpc-attempts': '2', 'x-pad': 'x'.repeat(8200) });
  const put = { key, value, options: { requestId } };
  expect(await failureOf((options) => clients.keyValue.put(put, { ...options, metadata }))).toMatchObject({
    code: 10,
    detail: { reason: 10, field: 'metadata', writeOutcome: 2, safeToRetry: true },
  });
  const headers = { ':path': '/kindred.v1.KeyValueService/Put', 'grpc-previous-rpc-attempts': '1' };
  const answer = await raw(headers, grpcMessage(Buffer.from([0xff, 0xff, 0xff, 0xff])));
  expect(answer.grpcStatus).toBe('10');
  expect(answer.message).toContain('does not parse');
});

test('a stream whose second message does not parse does not say that nothing of the first was applied', async () => {
  await start();
  let release: () => void = () => {};
  port.coordination.before = () => new Promise<void>((resolve) => (release = resolve));
  const put = { $case: 'put', value: { key, value } } as const;
  const message = PipelineRequest.encode(PipelineRequest.fromPartial({ operations: [{ id: 1, op: put }] }));
  const malformed = grpcMessage(Buffer.from([0xff, 0xff, 0xff, 0xff]));
  const path = { ':path': '/kindred.v1.KeyValueService/Pipeline' };
  const answer = await raw(path, Buffer.concat([grpcMessage(message.finish()), malformed]));
  expect([answer.grpcStatus, answer.message]).toEqual([
    '10',
    expect.stringContaining('may have been applied'),
  ]);
  expect(port.coordination.writes).toBe(1);
  release();
  // And where nothing came before it, nothing was applied.
  expect((await raw(path, malformed)).grpcStatus).toBe('3');
});

test('draining is bounded, and closing cuts off what still runs', async () => {
  await start();
  port.coordination.before = () => new Promise<void>(() => {});
  const stuck = failureOf((options) => clients.keyValue.get({ key }, options));
  await expect.poll(() => port.coordination.reads).toBe(1);
  expect(await port.server.drain(50)).toBe(false);
  await port.stop();
  expect(await stuck).toMatchObject({ code: 14, detail: undefined });
});

// ---- deadlines -----------------------------------------------------------------------------

/** Makes reads wait until their deadline and then fail, as the coordinator does. */
function answerAtTheDeadline(): number[] {
  const waits: number[] = [];
  const { timers, clock } = systemEnv();
  port.coordination.before = (operation) =>
    new Promise<void>((_, reject) => {
      const waitMs = operation.deadlineMs - clock.monotonicMs();
      waits.push(waitMs);
      const failure = {
        kind: 'quorum-timeout',
        outcome: 'unknown',
        required: 2,
        alive: 3,
        answered: 1,
        failures: [],
      } as const;
      timers.after(waitMs, () => reject(new OperationError(failure)));
    });
  return waits;
}

test('the server gives up before the client does, so that the detail arrives', async () => {
  await start();
  answerAtTheDeadline();
  const failure = await failureOf((options) =>
    clients.keyValue.put({ key, value }, { ...options, metadata: Metadata({ 'grpc-timeout': '300m' }) }),
  );
  expect(failure).toMatchObject({
    code: 4,
    detail: { reason: 2, writeOutcome: 2, required: 2, answered: 1 },
  });
});

test('calls without a deadline get one, and long ones are cut', async () => {
  await start({ requestMs: 300, requestMsMax: 600 });
  const waits = answerAtTheDeadline();
  const failure = await failureOf((options) => clients.keyValue.get({ key }, options));
  expect(failure).toMatchObject({ code: 4, detail: { reason: 2 } });
  const long = await raw({ 'grpc-timeout': '100S' }, grpcMessage(getRequest));
  expect(long.grpcStatus).toBe('4');
  expect(waits[0]).toBeGreaterThan(200);
  expect(waits[0]).toBeLessThanOrEqual(285);
  expect(waits[1]).toBeGreaterThan(500);
  expect(waits[1]).toBeLessThanOrEqual(570);
});

test.each(['', 'abc', '-1S', '99999999999S', '1', '1 S', '2147484S', '9999999M', '99999999H', '0n', '1.5S'])(
  'a strange grpc-timeout (%s) has a defined answer',
  async (timeout) => {
    await start();
    const answer = await raw({ 'grpc-timeout': timeout }, grpcMessage(getRequest));
    expect(['0', '4', '13']).toContain(answer.grpcStatus);
    await stillWorks();
  },
);

test('a stream of answers that meets its deadline ends with a status, and not in silence', async () => {
  await start();
  const keys = Array.from({ length: 50 }, (_, i) => ({ key: Buffer.from(`k${i}`) }));
  const message = BatchGetRequest.encode(BatchGetRequest.fromPartial({ keys })).finish();
  const headers = { ':path': '/kindred.v1.KeyValueService/BatchGet' };
  for (const timeout of ['1n', '1m', '3m', '5m', '8m', '12m', '20m']) {
    for (let round = 0; round < 5; round++) {
      const answer = await raw({ ...headers, 'grpc-timeout': timeout }, grpcMessage(message));
      expect(['0', '4'], timeout).toContain(answer.grpcStatus);
    }
  }
});

test('a stream whose next message is malformed ends with a status, and not in silence', async () => {
  await start();
  const ask = grpcMessage(Buffer.from([58, 0]));
  for (let round = 0; round < 20; round++) {
    const requests = Array.from({ length: round }, () => ask);
    const answer = await raw(
      { ':path': '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo' },
      Buffer.concat([...requests, grpcMessage(Buffer.alloc(0), 0, 0xffffffff)]),
    );
    expect(answer.grpcStatus).toBe('8');
  }
});

// ---- cancelling and overload ---------------------------------------------------------------

test('calls that are reset at once cost no work', async () => {
  await start();
  const socket = connect(port.server.port, '127.0.0.1');
  socket.on('error', () => {});
  socket.resume();
  const frames = [preface, frame(frameTypes.settings, 0, 0, Buffer.alloc(0))];
  const cancel = Buffer.from([0, 0, 0, 8]);
  for (let id = 1; id < 400; id += 2) {
    frames.push(frame(frameTypes.headers, endHeaders, id, callHeaders('/kindred.v1.KeyValueService/Get')));
    frames.push(frame(frameTypes.data, endStream, id, grpcMessage(getRequest)));
    frames.push(frame(frameTypes.reset, 0, id, cancel));
  }
  // The answer to a last, proper call on the same connection comes after all of them were seen.
  frames.push(frame(frameTypes.headers, endHeaders, 401, callHeaders('/kindred.v1.KeyValueService/Get')));
  frames.push(frame(frameTypes.data, endStream, 401, grpcMessage(getRequest)));
  socket.write(Buffer.concat(frames));
  await expect.poll(() => port.coordination.reads).toBeGreaterThan(0);
  await stillWorks();
  socket.destroy();
  // The last call and that of `stillWorks`.
  expect(port.coordination.reads).toBe(2);
});

test('a full node refuses at once, and says when to come back', async () => {
  await start({ requestsInFlightMax: 2 });
  const waiting: (() => void)[] = [];
  port.coordination.before = () => new Promise<void>((resolve) => waiting.push(resolve));
  const running = [clients.keyValue.put({ key, value }), clients.keyValue.put({ key, value })];
  await expect.poll(() => waiting.length).toBe(2);
  const failure = await failureOf((options) => clients.keyValue.put({ key, value }, options));
  expect(failure).toMatchObject({ code: 8, detail: { reason: 13, writeOutcome: 1, safeToRetry: true } });
  const waitMs = (failure.detail?.retryAfter?.nanos ?? 0) / 1_000_000;
  expect(waitMs).toBeGreaterThanOrEqual(50);
  expect(waitMs).toBeLessThanOrEqual(101);
  expect(Number(failure.pushback)).toBe(Math.ceil(waitMs));
  expect(port.observed).toContain('Put refused 8 13');
  for (const resume of waiting) resume();
  await Promise.all(running);
  port.coordination.before = () => {};
  await stillWorks();
  expect(port.server.requestsInFlight).toBe(0);
  expect(port.server.bytesInFlight).toBe(0);
});

test('bytes in flight are bounded too', async () => {
  await start({ bytesInFlightMax: 1500 });
  const waiting: (() => void)[] = [];
  port.coordination.before = () => new Promise<void>((resolve) => waiting.push(resolve));
  const big = { data: Buffer.alloc(1000) };
  const running = clients.keyValue.put({ key, value: big });
  await expect.poll(() => waiting.length).toBe(1);
  expect(
    (await failureOf((options) => clients.keyValue.put({ key, value: big }, options))).detail?.reason,
  ).toBe(13);
  for (const resume of waiting) resume();
  await running;
});

test('services that are always on take short requests only', async () => {
  await start();
  for (const path of [
    '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo',
    '/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo',
    '/grpc.health.v1.Health/Check',
    '/grpc.health.v1.Health/Watch',
  ]) {
    const name = Buffer.alloc(5000, 0x61);
    const request = Buffer.concat([Buffer.from([0x0a, 0x88, 0x27]), name]);
    const answer = await raw({ ':path': path }, grpcMessage(request));
    expect([path, answer.grpcStatus, answer.body.length]).toEqual([path, '3', 0]);
    expect(answer.message).toContain('5,003 bytes');
  }
});

// ---- answers that nobody takes -----------------------------------------------------------

/** A client that sends calls of one method, and takes no byte of what is answered. */
function neverReading(
  method: string,
  request: Uint8Array,
  count: number,
): { refused: number; close(): void } {
  const session = connectHttp2(`http://${port.address}`, { settings: { initialWindowSize: 0 } });
  session.on('error', () => {});
  const state = { refused: 0, close: () => session.destroy() };
  for (let i = 0; i < count; i++) {
    const stream = session.request({
      ':method': 'POST',
      ':path': `/kindred.v1.KeyValueService/${method}`,
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    stream.on('error', () => {});
    stream.on('response', (headers) => {
      if (headers['grpc-status'] === '8') state.refused++;
    });
    stream.end(grpcMessage(request));
  }
  return state;
}

const mebibyte = 1024 * 1024;

test('answers that a client does not take are counted, and beyond the bound reads are refused', async () => {
  await start({ bytesInFlightMax: 8 * mebibyte });
  await clients.keyValue.put({ key, value: { data: Buffer.alloc(mebibyte - 1024) } });
  const request = GetRequest.encode(GetRequest.fromPartial({ key })).finish();
  const silent = neverReading('Get', request, 100);
  await expect.poll(() => port.coordination.reads + silent.refused).toBeGreaterThanOrEqual(100);
  await expect.poll(() => silent.refused).toBeGreaterThanOrEqual(92);
  expect(port.server.bytesInFlight).toBeGreaterThan(6 * mebibyte);
  expect(port.server.bytesInFlight).toBeLessThanOrEqual(8 * mebibyte);
  expect(await failureOf((options) => clients.keyValue.get({ key }, options))).toMatchObject({
    code: 8,
    detail: { reason: 13, safeToRetry: true },
  });
  silent.close();
  await expect.poll(() => port.server.bytesInFlight).toBe(0);
  expect((await clients.keyValue.get({ key })).versions).toHaveLength(1);
});

test('a full node gives up answers that nobody takes for as long as a call may last', async () => {
  await start({ bytesInFlightMax: 4 * mebibyte, requestMsMax: 200 });
  await clients.keyValue.put({ key, value: { data: Buffer.alloc(mebibyte - 1024) } });
  const request = GetRequest.encode(GetRequest.fromPartial({ key })).finish();
  const silent = neverReading('Get', request, 20);
  await expect.poll(() => silent.refused).toBeGreaterThan(0);
  await expect.poll(() => port.server.bytesInFlight, { timeout: 5000 }).toBe(0);
  expect((await clients.keyValue.get({ key })).versions).toHaveLength(1);
  silent.close();
}, 15_000);

test('a batch that is not taken stops after a few answers', async () => {
  await start();
  await clients.keyValue.put({ key, value: { data: Buffer.alloc(mebibyte - 1024) } });
  const batch = BatchGetRequest.fromPartial({ keys: Array.from({ length: 500 }, () => key) });
  const silent = neverReading('BatchGet', BatchGetRequest.encode(batch).finish(), 1);
  await expect.poll(() => port.server.bytesInFlight).toBeGreaterThan(mebibyte);
  await stillWorks();
  expect(port.coordination.reads).toBeLessThan(40);
  silent.close();
  await expect.poll(() => port.server.requestsInFlight + port.server.bytesInFlight).toBe(0);
});

/** Every operation takes so long on the one thread, as if it were work. */
function worksFor(ms: number): void {
  port.coordination.before = () => {
    const untilMs = performance.now() + ms;
    while (performance.now() < untilMs);
  };
}

test('more than the node does: what has waited too long is refused at once, and health is not', async () => {
  await start({ queueMsMax: 20, streamsPerConnectionMax: 1_000 });
  worksFor(5);
  const health = createClientFactory().create(HealthDefinition, clients.channel);
  let refused = 0;
  let served = 0;
  const calls = Array.from({ length: 400 }, () =>
    failureOf((options) => clients.keyValue.put({ key, value }, options)).then(
      (failure) => {
        refused++;
        expect(failure).toMatchObject({
          code: 8,
          detail: { reason: 13, writeOutcome: 1, safeToRetry: true },
        });
        expect(failure.detail?.retryAfter?.nanos).toBeGreaterThan(0);
      },
      () => served++,
    ),
  );
  const healthy = await health.check({ service: '' });
  expect(healthy.status).toBe(1);
  await Promise.all(calls);
  // A burst of 100 ms is not refused; 400 calls of 5 ms are 2 s.
  expect(served).toBeGreaterThan(10);
  expect(refused).toBeGreaterThan(100);
  port.coordination.before = () => {};
  await stillWorks();
});

test('no connection may have more than its streams', async () => {
  await start({ streamsPerConnectionMax: 4 });
  const waiting: (() => void)[] = [];
  port.coordination.before = () => new Promise<void>((resolve) => waiting.push(resolve));
  const calls = Array.from({ length: 20 }, () => clients.keyValue.get({ key }));
  await expect.poll(() => waiting.length).toBe(4);
  let most = 0;
  await expect
    .poll(() => {
      most = Math.max(most, waiting.length);
      for (const resume of waiting.splice(0)) resume();
      return port.coordination.reads;
    })
    .toBe(20);
  for (const resume of waiting.splice(0)) resume();
  await Promise.all(calls);
  expect(most).toBe(4);
});

test('connections are capped, and those beyond are closed at once', async () => {
  await start({ connectionsMax: 3 });
  await stillWorks();
  const sockets: Socket[] = [];
  let closed = 0;
  for (let i = 0; i < 6; i++) {
    const socket = connect(port.server.port, '127.0.0.1');
    socket.on('error', () => {});
    socket.on('close', () => closed++);
    socket.resume();
    sockets.push(socket);
  }
  await expect.poll(() => closed).toBe(4);
  expect(port.server.connections).toBe(3);
  for (const socket of sockets) socket.destroy();
  await expect.poll(() => port.server.connections).toBe(1);
  await stillWorks();
});

// ---- what is not a proper call --------------------------------------------------------------

test('messages up to the limit pass, larger ones are RESOURCE_EXHAUSTED', async () => {
  await start({ messageBytesMax: 100_000 });
  const below = PutRequest.fromPartial({ key, value: { data: Buffer.alloc(99_900) } });
  await clients.keyValue.put(below);
  const above = await failureOf((options) =>
    clients.keyValue.put({ key, value: { data: Buffer.alloc(100_000) } }, options),
  );
  expect(above.code).toBe(8);
  await stillWorks();
});

test('headers up to the limit pass, larger ones are RESOURCE_EXHAUSTED with a detail', async () => {
  await start();
  const call = (bytes: number) => (options: object) =>
    clients.keyValue.put({ key, value }, { ...options, metadata: Metadata({ 'x-pad': 'x'.repeat(bytes) }) });
  await call(7000)({});
  expect(await failureOf(call(8200))).toMatchObject({
    code: 8,
    detail: { reason: 10, field: 'metadata', writeOutcome: 1 },
  });
  const huge = await failureOf(call(70_000));
  expect([8, 13, 14]).toContain(huge.code);
  const many: Record<string, string> = {};
  for (let i = 0; i < 400; i++) many[`x-${i}`] = 'y'.repeat(30);
  const answer = await raw(many, grpcMessage(getRequest));
  expect(answer.grpcStatus === '8' || answer.reset !== 0 || answer.httpStatus === 431).toBe(true);
  await stillWorks();
});

test.each([
  ['a message that does not parse', grpcMessage(Buffer.from([0xff, 0xff, 0xff, 0xff])), {}, ['3']],
  ['a number beyond 2^53', grpcMessage(Buffer.from([10, 2, 18, 0x99])), {}, ['3']],
  ['no message at all', undefined, {}, ['12', '13']],
  [
    'two messages on a unary call',
    Buffer.concat([grpcMessage(getRequest), grpcMessage(getRequest)]),
    {},
    ['12'],
  ],
  ['a length of 4 GiB', grpcMessage(getRequest, 0, 0xffffffff), {}, ['8']],
  ['half a message', grpcMessage(getRequest, 0, 1000), {}, ['12', '13', '3', undefined]],
  ['the flag of compression without an encoding', grpcMessage(getRequest, 1), {}, ['0', '13', '12']],
  ['gzip garbage', grpcMessage(Buffer.from('garbage'), 1), { 'grpc-encoding': 'gzip' }, ['13']],
  ['a gzip bomb', grpcMessage(gzipSync(Buffer.alloc(200_000_000)), 1), { 'grpc-encoding': 'gzip' }, ['8']],
  ['an unknown encoding', grpcMessage(getRequest, 1), { 'grpc-encoding': 'nonsense' }, ['12']],
  ['an unknown method', grpcMessage(getRequest), { ':path': '/kindred.v1.KeyValueService/Nothing' }, ['12']],
  ['a peer service', grpcMessage(getRequest), { ':path': '/kindred.peer.v1.PeerService/Data' }, ['12']],
] as const)('%s has a defined answer', async (_, body, headers, expected) => {
  await start();
  const answer = await raw(headers, body);
  expect(expected).toContain(answer.grpcStatus);
  await stillWorks();
  expect(port.incidents).toEqual([]);
});

test.each(['v1', 'v1alpha'])(
  'reflection %s: lists, describes, and survives a group that never ends',
  async (version) => {
    await start();
    const path = `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`;
    const ask = async (request: Uint8Array): Promise<string> =>
      (await raw({ ':path': path }, grpcMessage(request))).body;
    const question = (field: number, name: string): Buffer =>
      Buffer.concat([Buffer.from([field * 8 + 2, name.length]), Buffer.from(name)]);
    const listed = await ask(question(7, ''));
    expect(listed).toContain('kindred.v1.KeyValueService');
    expect(listed).toContain('grpc.health.v1.Health');
    expect(listed).not.toContain('kindred.peer');
    expect(await ask(question(4, 'grpc.health.v1.Health'))).toContain('grpc/health/v1/health.proto');
    for (const symbol of [
      'kindred.v1.KeyValueService',
      'kindred.v1.KeyValueService.Get',
      'kindred.v1.GetResponse.State',
    ]) {
      const found = await ask(question(4, symbol));
      // The file and what it imports.
      for (const file of [
        'kindred/v1/kv.proto',
        'kindred/v1/types.proto',
        'google/protobuf/duration.proto',
      ]) {
        expect(found).toContain(file);
      }
    }
    expect(await ask(question(3, 'kindred/v1/bucket.proto'))).toContain('BucketService');
    expect(await ask(question(4, 'kindred.peer.v1.PeerService'))).toContain('no such symbol');
    expect(await ask(Buffer.from([5 * 8 + 2, 0]))).toContain('no extensions');
    expect(await ask(Buffer.alloc(0))).toContain('no such question');
    // google-protobuf loops for ever over the first of these.
    for (const endless of [[0x0b], [0x0b, 0x08, 0x01], Array(10_000).fill(0x0b), [0x0c]]) {
      const answer = await raw({ ':path': path }, grpcMessage(Buffer.from(endless)));
      expect(answer.grpcStatus).toBe('3');
    }
    await stillWorks();
  },
);

test('what is no gRPC at all is refused in HTTP', async () => {
  await start();
  expect((await raw({ 'content-type': 'text/plain' }, grpcMessage(getRequest))).httpStatus).toBe(415);
  const garbage = connect(port.server.port, '127.0.0.1');
  garbage.on('error', () => {});
  garbage.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  await new Promise<void>((resolve) => {
    garbage.on('close', () => resolve());
    garbage.resume();
  });
  await stillWorks();
});

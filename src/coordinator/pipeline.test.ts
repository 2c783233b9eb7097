import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  type ClientPort,
  type Clients,
  clientsOf,
  failureOf,
  startClientPort,
} from '../../test/support/client-port.ts';
import type { OperationResult, PipelineRequest } from '../gen/kindred/v1/kv.ts';

let port: ClientPort;
let clients: Clients;

beforeEach(async () => {
  port = await startClientPort({ pipelineOperationsMax: 100, requestsInFlightMax: 150 });
  clients = clientsOf(port.address);
});

afterEach(async () => {
  clients.channel.close();
  await port.stop();
});

type Request = Parameters<Clients['keyValue']['pipeline']>[0] extends AsyncIterable<infer R> ? R : never;

/** A stream of requests that a test feeds. */
class Feed implements AsyncIterable<Request> {
  readonly #queue: Request[] = [];
  #wake: () => void = () => {};
  #ended = false;
  taken = 0;

  push(request: Request): void {
    this.#queue.push(request);
    this.#wake();
  }

  end(): void {
    this.#ended = true;
    this.#wake();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Request> {
    for (;;) {
      const next = this.#queue.shift();
      if (next !== undefined) {
        this.taken++;
        yield next;
      } else if (this.#ended) return;
      else await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}

const put = (
  id: number,
  name = `k${id}`,
  data = 'x',
): NonNullable<PipelineRequest['operations']>[number] => ({
  id,
  op: {
    $case: 'put',
    value: {
      key: { bucket: '', key: Buffer.from(name) },
      value: { data: Buffer.from(data), contentType: '', metadata: {} },
      causality: undefined,
      expiry: undefined,
      options: undefined,
    },
  },
  timeout: undefined,
});

const get = (id: number, name = `k${id}`): NonNullable<PipelineRequest['operations']>[number] => ({
  id,
  op: { $case: 'get', value: { key: { bucket: '', key: Buffer.from(name) }, options: undefined } },
  timeout: undefined,
});

/** Collects all results of a stream; `messages` is how many messages they came in. */
function collect(feed: AsyncIterable<Request>, signal?: AbortSignal) {
  const results: OperationResult[] = [];
  const state = { results, messages: 0, done: Promise.resolve() };
  state.done = (async () => {
    for await (const message of clients.keyValue.pipeline(feed, signal === undefined ? {} : { signal })) {
      state.messages++;
      results.push(...message.results);
    }
  })();
  // Looked at by the tests that expect it.
  state.done.catch(() => {});
  return state;
}

test('every operation is answered once, by id, and the stream ends after the last', async () => {
  const feed = new Feed();
  const answers = collect(feed);
  for (let batch = 0; batch < 10; batch++) {
    feed.push({ operations: Array.from({ length: 100 }, (_, i) => put(batch * 100 + i)) });
  }
  feed.push({ operations: [get(1000, 'k7'), { ...put(1001), op: undefined }] });
  feed.end();
  await answers.done;
  expect(answers.results).toHaveLength(1002);
  expect(new Set(answers.results.map(({ id }) => id)).size).toBe(1002);
  const byId = new Map(answers.results.map((result) => [result.id, result]));
  expect(byId.get(7)?.result?.$case).toBe('put');
  expect(byId.get(1000)?.result).toMatchObject({ $case: 'get', value: { state: 1 } });
  expect(byId.get(1001)?.status).toMatchObject({ code: 3, detail: { field: 'op' } });
  expect(answers.messages).toBeLessThan(200);
  expect(port.server.requestsInFlight).toBe(0);
});

test('results come in any order: a slow operation holds nobody up', async () => {
  let release: () => void = () => {};
  port.coordination.before = (operation) =>
    Buffer.from(operation.recordKey).toString().endsWith('slow')
      ? new Promise<void>((resolve) => (release = resolve))
      : undefined;
  const feed = new Feed();
  const answers = collect(feed);
  feed.push({ operations: [put(1, 'slow'), put(2, 'fast')] });
  await expect.poll(() => answers.results.map(({ id }) => id)).toEqual([2]);
  release();
  feed.end();
  await answers.done;
  expect(answers.results.map(({ id }) => id)).toEqual([2, 1]);
});

test('no more operations run than the bound, and reading stops beyond it', async () => {
  const waiting: (() => void)[] = [];
  port.coordination.before = () => new Promise<void>((resolve) => waiting.push(resolve));
  const feed = new Feed();
  const answers = collect(feed);
  for (let i = 0; i < 400; i++)
    feed.push({ operations: Array.from({ length: 50 }, (_, n) => put(i * 50 + n)) });
  feed.end();
  await expect.poll(() => waiting.length).toBe(100);
  expect(port.server.requestsInFlight).toBe(100);
  let most = 0;
  await expect
    .poll(
      () => {
        most = Math.max(most, waiting.length);
        for (const resume of waiting.splice(0)) resume();
        return answers.results.length;
      },
      { timeout: 8000, interval: 5 },
    )
    .toBe(20_000);
  await answers.done;
  expect(most).toBe(100);
});

test('a full node holds pipelines back and refuses nobody on them', async () => {
  const waiting: (() => void)[] = [];
  port.coordination.before = () => new Promise<void>((resolve) => waiting.push(resolve));
  const feeds = [new Feed(), new Feed(), new Feed()];
  const answers = feeds.map((feed) => collect(feed));
  for (const feed of feeds) {
    feed.push({ operations: Array.from({ length: 100 }, (_, i) => put(i)) });
    feed.end();
  }
  await expect.poll(() => waiting.length).toBe(150);
  const refused = await failureOf((options) =>
    clients.keyValue.get({ key: { key: Buffer.from('k') } }, options),
  );
  expect(refused).toMatchObject({ code: 8, detail: { reason: 13, safeToRetry: true } });
  expect(Number(refused.pushback)).toBeGreaterThan(0);
  await expect
    .poll(() => {
      for (const resume of waiting.splice(0)) resume();
      return answers.reduce((sum, each) => sum + each.results.length, 0);
    })
    .toBe(300);
  await Promise.all(answers.map(({ done }) => done));
  expect(answers.flatMap(({ results }) => results).filter(({ status }) => status !== undefined)).toEqual([]);
});

test('an id in flight cannot be used again; afterwards it can', async () => {
  let release: () => void = () => {};
  port.coordination.before = () => new Promise<void>((resolve) => (release = resolve));
  const feed = new Feed();
  const answers = collect(feed);
  feed.push({ operations: [put(5)] });
  await expect.poll(() => port.coordination.writes).toBe(1);
  feed.push({ operations: [put(5, 'other')] });
  await expect.poll(() => answers.results.length).toBe(1);
  expect(answers.results[0]).toMatchObject({
    id: 5,
    status: { code: 3, detail: { field: 'id', writeOutcome: 1 } },
  });
  port.coordination.before = () => {};
  release();
  await expect.poll(() => answers.results.length).toBe(2);
  feed.push({ operations: [put(5, 'third')] });
  feed.end();
  await answers.done;
  expect(answers.results[2]?.status).toBeUndefined();
});

test('an operation has its own time-out', async () => {
  const deadlines: number[] = [];
  port.coordination.before = (operation) => {
    deadlines.push(operation.deadlineMs - performance.now());
  };
  const feed = new Feed();
  const answers = collect(feed);
  feed.push({
    operations: [
      { ...put(1), timeout: { seconds: 1, nanos: 0 } },
      { ...put(2), timeout: { seconds: 3600, nanos: 0 } },
      { ...put(3), timeout: { seconds: 0, nanos: 0 } },
      put(4),
    ],
  });
  feed.end();
  await answers.done;
  // Each less 5 % for the way back, and a little for the way here.
  for (const [i, asked] of [1000, 10_000, 5000].entries()) {
    expect(deadlines[i]).toBeGreaterThan(asked * 0.85);
    expect(deadlines[i]).toBeLessThanOrEqual(asked * 0.95);
  }
  expect(answers.results.find(({ id }) => id === 3)?.status).toMatchObject({
    code: 3,
    detail: { field: 'timeout' },
  });
});

test('a client that leaves stops what was not begun', async () => {
  const waiting: (() => void)[] = [];
  port.coordination.before = () => new Promise<void>((resolve) => waiting.push(resolve));
  const abort = new AbortController();
  const feed = new Feed();
  const answers = collect(feed, abort.signal);
  feed.push({ operations: Array.from({ length: 300 }, (_, i) => put(i)) });
  await expect.poll(() => waiting.length).toBe(100);
  abort.abort();
  await expect(answers.done).rejects.toThrow();
  // The reset travels on the same connection, before this call: once that is answered, the server knows.
  await clients.buckets.getBucket({});
  await expect
    .poll(() => {
      for (const resume of waiting.splice(0)) resume();
      return port.server.requestsInFlight;
    })
    .toBe(0);
  expect(port.coordination.writes).toBe(100);
});

test('a slow reader is waited for, and no result is lost', async () => {
  const data = 'x'.repeat(100_000);
  await clients.keyValue.put({ key: { key: Buffer.from('big') }, value: { data: Buffer.from(data) } });
  const feed = new Feed();
  for (let i = 0; i < 10; i++) {
    feed.push({ operations: Array.from({ length: 100 }, (_, n) => get(i * 100 + n, 'big')) });
  }
  feed.end();
  const ids = new Set<number>();
  let first = true;
  let largest = 0;
  for await (const { results } of clients.keyValue.pipeline(feed)) {
    if (first) {
      first = false;
      // While nothing is taken, the server starts no more than fits its bounds: far from all 1,000 reads.
      await expect.poll(() => port.server.requestsInFlight, { timeout: 3000 }).toBe(0);
      expect(port.coordination.reads).toBeLessThan(600);
    }
    let bytes = 0;
    for (const { id, result } of results) {
      ids.add(id);
      if (result?.$case === 'get' && result.value.versions[0]?.body?.$case === 'value') {
        bytes += result.value.versions[0].body.value.data.length;
      }
    }
    largest = Math.max(largest, bytes);
  }
  expect(ids.size).toBe(1000);
  expect(largest).toBeLessThan(1024 * 1024);
}, 20_000);

test('reads of large values begin a few at a time, whatever one message asks for', async () => {
  const data = Buffer.alloc(1_000_000);
  await clients.keyValue.put({ key: { key: Buffer.from('big') }, value: { data } });
  const feed = new Feed();
  feed.push({ operations: Array.from({ length: 1000 }, (_, n) => get(n, 'big')) });
  const abort = new AbortController();
  const taken = clients.keyValue.pipeline(feed, { signal: abort.signal })[Symbol.asyncIterator]();
  expect((await taken.next()).value?.results.length).toBeGreaterThan(0);
  // The node is at rest when what it holds does not change any more.
  let held = -1;
  await expect
    .poll(
      () => {
        const before = held;
        held = port.server.bytesInFlight;
        return port.server.requestsInFlight === 0 && held === before;
      },
      { interval: 100 },
    )
    .toBe(true);
  expect(held).toBeGreaterThan(0);
  expect(port.coordination.reads).toBeLessThan(150);
  abort.abort();
  await taken.next().catch(() => {});
  await expect.poll(() => port.server.bytesInFlight).toBe(0);
});

test('too many operations in one message end the stream', async () => {
  const over = new Feed();
  over.push({ operations: Array.from({ length: 1001 }, (_, i) => put(i)) });
  const failure = await failureOf(async (options) => {
    for await (const _ of clients.keyValue.pipeline(over, options));
  });
  expect(failure).toMatchObject({ code: 3, detail: { reason: 10, field: 'operations' } });
  const exactly = new Feed();
  const answers = collect(exactly);
  exactly.push({ operations: Array.from({ length: 1000 }, (_, i) => put(i)) });
  exactly.end();
  await answers.done;
  expect(answers.results).toHaveLength(1000);
});

test('a stream that goes wrong while a write is under way does not say that nothing was applied', async () => {
  const waiting: (() => void)[] = [];
  port.coordination.before = () => new Promise<void>((resolve) => waiting.push(resolve));
  const feed = new Feed();
  feed.push({ operations: [put(1)] });
  const failed = failureOf(async (options) => {
    for await (const _ of clients.keyValue.pipeline(feed, options));
  });
  await expect.poll(() => waiting.length).toBe(1);
  feed.push({ operations: Array.from({ length: 1001 }, (_, i) => put(i)) });
  expect(await failed).toMatchObject({
    code: 10,
    detail: { reason: 10, field: 'operations', writeOutcome: 2, safeToRetry: false },
  });
  for (const go of waiting) go();
  port.coordination.before = () => {};
  await expect
    .poll(async () => (await clients.keyValue.get({ key: { key: Buffer.from('k1') } })).versions.length)
    .toBe(1);
});

test('a draining node finishes what it took, refuses the rest, and ends the stream', async () => {
  const waiting: (() => void)[] = [];
  port.coordination.before = () => new Promise<void>((resolve) => waiting.push(resolve));
  const feed = new Feed();
  const results: OperationResult[] = [];
  const failed = failureOf(async (options) => {
    for await (const message of clients.keyValue.pipeline(feed, options)) results.push(...message.results);
  });
  feed.push({ operations: Array.from({ length: 120 }, (_, i) => put(i)) });
  await expect.poll(() => waiting.length).toBe(100);
  const drained = port.server.drain(2000);
  await expect.poll(() => results.length).toBe(20);
  expect(results[0]?.status).toMatchObject({ code: 14, detail: { reason: 23, writeOutcome: 1 } });
  for (const resume of waiting.splice(0)) resume();
  expect(await drained).toBe(true);
  expect(await failed).toMatchObject({ code: 14, detail: { reason: 23 } });
  expect(results).toHaveLength(120);
  expect(results.filter(({ status }) => status === undefined)).toHaveLength(100);
});

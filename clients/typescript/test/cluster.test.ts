import { execFile } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { RealCluster } from '../../../test/support/real-cluster.ts';
import { Client, jsonSetUnion, Value } from '../src/index.ts';
import { failureOf } from './support/fixtures.ts';

/** What the examples print. */
const examples: Readonly<Record<string, RegExp>> = {
  'bulk-load.ts': /^2000 rows written, 0 failed\n$/,
  'errors.ts':
    /^nothing was written: BUCKET_UNKNOWN\norder 17: applied\nAbortError: the operation was cancelled\n$/,
  'sessions.ts': /^20 reads at ONE, each saw the write before it\ndone\n$/,
  // Siblings are sorted by dot, and replicas have random ids.
  'shopping-cart.ts':
    /^two carts: \[ '\["milk","(eggs|bread)"\]', '\["milk","(eggs|bread)"\]' \]\none cart: \["bread","eggs","milk","tea"\]\n$/,
};

let cluster: RealCluster;
let client: Client;
let endpoints: string[];

beforeAll(async () => {
  cluster = await RealCluster.start({ engine: 'memory', readyWithinMs: 150_000 });
  endpoints = cluster.nodes.map(({ ports }) => `127.0.0.1:${ports.client}`);
  client = new Client(endpoints, { resolvers: { default: jsonSetUnion }, timeoutMs: 30_000 });
});

afterAll(async () => {
  client?.close();
  await cluster?.[Symbol.asyncDispose]();
});

describe('a cluster of three nodes', () => {
  test('keeps a value with all that belongs to it', async () => {
    const value = new Value(Uint8Array.of(0, 255), { contentType: 'a/b', metadata: { by: 'Ann' } });
    const written = await client.put('default', 'value', value, { ttlMs: 60_000 });
    expect(written.versionsHeld).toBe(1);
    const read = await client.get('default', 'value');
    if (read.state !== 'found') throw new Error(read.state);
    expect(read.value).toEqual(value);
    expect(read.version.dot).toEqual(written.dot);
    expect(Math.abs(read.version.writtenAt.getTime() - Date.now())).toBeLessThan(60_000);
    expect(read.version.expireTime?.getTime()).toBeGreaterThan(Date.now());
    expect(read.report.achieved).toBe('QUORUM');
  });

  test('tells absence, and lets go on from it', async () => {
    const absent = await client.get('default', 'absence');
    expect(absent.state).toBe('absent');
    await client.put('default', 'absence', 'v', { context: absent.context });
    const { dot } = await client.delete('default', 'absence');
    expect(dot.counter).toBeGreaterThan(0);
    expect(await client.get('default', 'absence')).toMatchObject({ state: 'absent' });
  });

  test('keeps what raced, until an update resolves it', async () => {
    const { context } = await client.put('default', 'cart', Value.json([]));
    await client.put('default', 'cart', Value.json(['eggs']), { context });
    const second = await client.put('default', 'cart', Value.json(['bread']), { context });
    expect(second.versionsHeld).toBe(2);
    const conflict = await client.get('default', 'cart');
    expect(conflict.state === 'conflict' && conflict.versions.length).toBe(2);
    const add = (current: Value | undefined): Value =>
      Value.json([...(current?.json<string[]>() ?? []), 'tea']);
    const { value } = await client.update('default', 'cart', add);
    expect(value?.json()).toEqual(['bread', 'eggs', 'tea']);
    expect(await client.get('default', 'cart')).toMatchObject({ state: 'found', value });
  });

  test('loses nothing of updates that race', async () => {
    const items = Array.from({ length: 10 }, (_, i) => `item ${i}`);
    const add = (item: string) => (current: Value | undefined) =>
      Value.json([...(current?.json<string[]>() ?? []), item]);
    await Promise.all(
      items.map((item) =>
        client.update('default', 'race', add(item), { updateAttempts: 100, timeoutMs: 30_000 }),
      ),
    );
    const { value } = await client.update('default', 'race', () => undefined);
    expect(value?.json<string[]>().toSorted()).toEqual(items);
  });

  test('a request id counts once', async () => {
    const requestId = crypto.getRandomValues(new Uint8Array(16));
    const first = await client.put('default', 'once', 'v', { requestId });
    const again = await client.put('default', 'once', 'v', { requestId });
    expect(again.dot).toEqual(first.dot);
    expect(await client.writeOutcome('default', 'once', requestId)).toMatchObject({
      state: 'applied',
      dot: first.dot,
    });
    expect(await client.writeOutcome('default', 'once', new Uint8Array(16))).toMatchObject({
      state: 'not-seen',
    });
  });

  test('refuses with the reason, and with the context that helps', async () => {
    await client.put('default', 'taken', 'v');
    const error = await failureOf(client.put('default', 'taken', 'w', { blind: 'REJECT' }));
    expect(error).toMatchObject({
      code: 'FAILED_PRECONDITION',
      reason: 'KEY_EXISTS',
      outcome: 'NOT_APPLIED',
    });
    await client.put('default', 'taken', 'w', { context: error.detail?.context });
    const tooLong = await failureOf(client.get('default', new Uint8Array(1025)));
    expect(tooLong).toMatchObject({ reason: 'TOO_LARGE', outcome: 'NONE' });
    expect(tooLong.detail?.field).toBe('key.key');
  });

  test('touches: a key that is there, and not one that is absent', async () => {
    await client.put('default', 'touched', 'v');
    expect(await client.touch('default', 'touched', { ttlMs: 60_000 })).toMatchObject({ applied: true });
    expect(await client.touch('default', 'untouched', { never: true })).toMatchObject({ applied: false });
  });

  test('sessions see their own writes at ONE', async () => {
    const session = client.session();
    for (let i = 0; i < 50; i++) {
      await session.put('default', 'session', String(i), { consistency: 'ONE' });
      const read = await session.get('default', 'session', { consistency: 'ONE' });
      expect(read.state === 'found' && read.value.text()).toBe(String(i));
    }
  });

  test('batches and pipelines do what single calls do', async () => {
    const keys = Array.from({ length: 200 }, (_, i) => ({ bucket: 'default', key: `many/${i}` }));
    for await (const result of client.batchWrite(
      keys.map((key) => ({ kind: 'put', ...key, value: key.key }) as const),
    )) {
      expect(result.kind).toBe('ok');
    }
    const found = new Set<number>();
    for await (const result of client.batchGet(keys)) {
      if (result.kind === 'ok' && result.answer.state === 'found') found.add(result.index);
    }
    expect(found.size).toBe(200);

    await using pipeline = client.pipeline();
    const reads = await Promise.all(keys.map(({ key }) => pipeline.get('default', key)));
    expect(reads.map((read) => read.state === 'found' && read.value.text())).toEqual(
      keys.map(({ key }) => key),
    );
    await Promise.all(keys.slice(0, 5).map(({ key }) => pipeline.delete('default', key)));
    expect(await pipeline.get('default', 'many/0')).toMatchObject({ state: 'absent' });
    await expect(pipeline.touch('default', 'many/9', { never: true })).resolves.toMatchObject({
      applied: true,
    });
  });

  test('direct routing sends each key to its first home', async () => {
    using direct = new Client(endpoints.slice(0, 1), { directRouting: true, timeoutMs: 30_000 });
    const keys = Array.from({ length: 30 }, (_, i) => `direct/${i}`);
    const homes = await Promise.all(keys.map(async (key) => (await direct.locate('default', key)).homes[0]));
    expect(new Set(homes).size).toBe(3);
    // The connections to nodes that it has just learned of take a moment.
    await expect
      .poll(
        async () => {
          const reads = await Promise.all(keys.map((key) => direct.get('default', key)));
          return reads.map(({ report }) => report.coordinator);
        },
        { timeout: 20_000 },
      )
      .toEqual(homes);
  });

  for (const file of readdirSync(new URL('../examples/', import.meta.url))) {
    test(`example: ${file}`, async () => {
      const path = fileURLToPath(new URL(`../examples/${file}`, import.meta.url));
      const args = ['--conditions=@kindred/source', path, ...endpoints];
      const { stdout } = await promisify(execFile)(process.execPath, args);
      expect(stdout).toMatch(examples[file] ?? 'a line above for this example');
    });
  }
});

describe('when a node is killed', () => {
  test('a watch tells of it, and reads and writes go on', async () => {
    const stop = new AbortController();
    const states: string[] = [];
    const watching = (async () => {
      for await (const { nodes } of client.watchTopology({ signal: stop.signal })) {
        states.push(nodes.map(({ id, state }) => `${id} ${state}`).join(', '));
      }
    })();
    await expect.poll(() => states.at(-1), { timeout: 20_000 }).toBe('n1 UP, n2 UP, n3 UP');
    await cluster.nodes[1]?.kill('SIGKILL');
    for (let i = 0; i < 50; i++) {
      await client.put('default', `after/${i}`, 'v');
      expect(await client.get('default', `after/${i}`)).toMatchObject({ state: 'found' });
    }
    await expect.poll(() => states.at(-1), { timeout: 30_000 }).toMatch(/n1 UP, n2 (SUSPECT|FAILED), n3 UP/);
    stop.abort();
    await expect(watching).rejects.toMatchObject({ name: 'AbortError' });
  });

  test('too few replicas for the level are an error that says so', async () => {
    const error = await failureOf(client.put('default', 'k', 'v', { consistency: 'ALL', attempts: 1 }));
    expect(error).toMatchObject({ reason: 'NOT_ENOUGH_REPLICAS', outcome: 'NOT_APPLIED', attempts: 1 });
    expect(error.detail).toMatchObject({ required: 3, alive: 2 });
  });
});

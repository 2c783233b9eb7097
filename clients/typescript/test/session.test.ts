import { expect, test } from 'vitest';
import type { Context, GetOptions, PutOptions, UpdateFunction, UpdateOptions } from '../src/index.ts';
import { Session, type SessionClient } from '../src/session.ts';
import { updateKey } from '../src/update.ts';
import { MemoryKey } from './support/memory-key.ts';

/** A client of keys in memory that tells what contexts it was given. */
class RecordingClient implements Pick<SessionClient, 'get' | 'put' | 'update'> {
  readonly keys = new Map<string, MemoryKey>();
  readonly given: string[] = [];
  underWay = 0;
  mostUnderWay = 0;

  get(_: string, name: string, options: GetOptions = {}) {
    return this.#during(`get ${text(options.minContext)}`, () => this.#key(name).get(options));
  }

  put(_: string, name: string, value: string, options: PutOptions = {}) {
    return this.#during(`put ${text(options.context)}`, () => this.#key(name).put(value, options));
  }

  update(_: string, name: string, change: UpdateFunction, options: UpdateOptions = {}) {
    return updateKey(this.#key(name), change, { ...options, timeoutMs: 5000 });
  }

  #key(name: string): MemoryKey {
    const key = this.keys.get(name) ?? new MemoryKey();
    this.keys.set(name, key);
    return key;
  }

  async #during<Answer>(what: string, operation: () => Promise<Answer>): Promise<Answer> {
    this.given.push(what);
    this.underWay += 1;
    this.mostUnderWay = Math.max(this.mostUnderWay, this.underWay);
    await new Promise((resolve) => setImmediate(resolve));
    this.underWay -= 1;
    return operation();
  }
}

function text(context: Context | undefined): string {
  return context === undefined ? '-' : Buffer.from(context.bytes).toString();
}

function sessionOn(client: RecordingClient, keysMax?: number): Session {
  return new Session(client as unknown as SessionClient, { keysMax });
}

test('reads and writes carry what the last answer covered', async () => {
  const client = new RecordingClient();
  const session = sessionOn(client);
  await session.put('b', 'k', 'one');
  await session.get('b', 'k');
  await session.put('b', 'k', 'two');
  await session.put('b', 'k', 'three');
  expect(client.given).toEqual(['put -', 'get [1]', 'put [1,1]', 'put [1,2]']);
  expect(client.keys.get('k')?.texts).toEqual(['three']);
});

test('operations on one key go one after the other, those on others at once', async () => {
  const client = new RecordingClient();
  const session = sessionOn(client);
  await Promise.all([1, 2, 3].map((value) => session.put('b', 'k', String(value))));
  expect(client.mostUnderWay).toBe(1);
  expect(client.keys.get('k')?.texts).toEqual(['3']);
  await Promise.all(['a', 'b', 'c'].map((key) => session.put('b', key, 'v')));
  expect(client.mostUnderWay).toBe(3);
});

test('a failure ends the turn and forgets nothing', async () => {
  const client = new RecordingClient();
  const session = sessionOn(client);
  await session.put('b', 'k', 'one');
  const key = client.keys.get('k') as MemoryKey;
  key.beforeWrite = () => {
    throw new Error('no');
  };
  const failing = session.put('b', 'k', 'two');
  const after = session.get('b', 'k');
  await expect(failing).rejects.toThrow('no');
  expect(await after).toMatchObject({ state: 'found' });
  expect(client.given.at(-1)).toBe('get [1]');
});

test('an update that ends in a conflict after its write is remembered', async () => {
  const client = new RecordingClient();
  const session = sessionOn(client);
  const key = new MemoryKey();
  client.keys.set('k', key);
  key.beforeWrite = () => key.race('theirs');
  const failing = session.update('b', 'k', () => 'ours', {
    resolver: () => {
      throw new Error('no');
    },
  });
  await expect(failing).rejects.toMatchObject({ name: 'ConflictError', outcome: 'APPLIED' });
  key.beforeWrite = () => undefined;
  await session.put('b', 'k', 'merged');
  expect(key.texts).toEqual(['merged']);
});

test('the key used longest ago is forgotten first', async () => {
  const client = new RecordingClient();
  const session = sessionOn(client, 2);
  for (const key of ['a', 'b', 'a', 'c']) await session.put('b', key, 'v');
  client.given.length = 0;
  await session.get('b', 'a');
  await session.get('b', 'b');
  expect(client.given.map((one) => one !== 'get -')).toEqual([true, false]);
});

test('an empty bucket is the default one, and a text its UTF-8', async () => {
  const client = new RecordingClient();
  const session = sessionOn(client);
  await session.put('', 'é', 'v');
  await session.get('default', Buffer.from('é') as unknown as string);
  expect(client.given).toEqual(['put -', 'get [1]']);
});

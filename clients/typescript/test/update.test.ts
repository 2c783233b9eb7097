import { describe, expect, test } from 'vitest';
import type { GetRequest } from '../src/gen/kindred/v1/kv.ts';
import { ConflictMode } from '../src/gen/kindred/v1/types.ts';
import {
  ConflictError,
  deletion,
  jsonSetUnion,
  KindredError,
  type UpdateFunction,
  type UpdateOptions,
  type UpdateResult,
  Value,
} from '../src/index.ts';
import { updateKey } from '../src/update.ts';
import { found, stored } from './support/fake-node.ts';
import { clientOf, node } from './support/fixtures.ts';
import { MemoryKey } from './support/memory-key.ts';

function update(key: MemoryKey, change: UpdateFunction, options: UpdateOptions = {}): Promise<UpdateResult> {
  return updateKey(key, change, { ...options, timeoutMs: 5000 });
}

function add(item: string): (current: Value | undefined) => Value {
  return (current) => Value.json([...(current?.json<string[]>() ?? []), item]);
}

describe('an update', () => {
  test('reads all there is, whatever the client is told of other reads', async () => {
    const requests: GetRequest[] = [];
    const full = await node({
      get: (request) => {
        requests.push(request);
        return found('theirs');
      },
      put: () => stored(),
    });
    const client = clientOf([full], {
      read: { onConflict: 'PICK_LATEST', omitData: true, consistency: 'ONE' },
    });
    await client.update('b', 'k', () => 'ours');
    await client.session().update('b', 'k', () => 'ours');
    expect(requests.map(({ options }) => options)).toMatchObject([
      { onConflict: ConflictMode.CONFLICT_MODE_RETURN_ALL, omitData: false },
      { onConflict: ConflictMode.CONFLICT_MODE_RETURN_ALL, omitData: false },
    ]);
  });

  test('writes what the function makes of the value, with the context of the read', async () => {
    const key = new MemoryKey();
    expect((await update(key, () => 'one')).value?.text()).toBe('one');
    expect((await update(key, (current) => `${current?.text()} two`)).value?.text()).toBe('one two');
    expect(key.texts).toEqual(['one two']);
  });

  test('deletes, or leaves the key as it is', async () => {
    const key = new MemoryKey();
    await update(key, () => 'one');
    const kept = await update(key, () => undefined);
    expect(kept.value?.text()).toBe('one');
    expect(key.writes).toBe(1);
    expect((await update(key, () => deletion)).value).toBeUndefined();
    expect(key.texts).toEqual([]);
  });

  test('resolves siblings first', async () => {
    const key = new MemoryKey();
    key.race('["eggs"]', '["bread"]');
    const { value } = await update(key, add('tea'), { resolver: jsonSetUnion });
    expect(value?.json()).toEqual(['bread', 'eggs', 'tea']);
    expect(key.texts).toEqual(['["bread","eggs","tea"]']);
  });

  test('refuses siblings that nobody resolves, with what it takes to resolve them', async () => {
    const key = new MemoryKey();
    key.race('a', 'b');
    const error = await update(key, () => 'c').catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ConflictError);
    const conflict = error as ConflictError;
    expect(conflict).toMatchObject({ outcome: 'NOT_APPLIED', reason: 'CONFLICT' });
    expect(conflict.versions).toHaveLength(2);
    await key.put('c', { context: conflict.context });
    expect(key.texts).toEqual(['c']);
  });

  test('resolves what raced with its own write', async () => {
    const key = new MemoryKey();
    key.beforeWrite = () => {
      if (key.writes === 0) key.race('["theirs"]');
    };
    const { value, versionsHeld } = await update(key, add('ours'), { resolver: jsonSetUnion });
    expect(value?.json()).toEqual(['ours', 'theirs']);
    expect(versionsHeld).toBe(1);
    expect(key.texts).toEqual(['["ours","theirs"]']);
  });

  test('leaves what raced with its own write to others, without a resolver', async () => {
    const key = new MemoryKey();
    key.beforeWrite = () => key.race('theirs');
    expect(await update(key, () => 'ours')).toMatchObject({ versionsHeld: 2 });
    expect(key.texts.sort()).toEqual(['ours', 'theirs']);
  });

  test('calls the function again when its write certainly was not applied', async () => {
    const key = new MemoryKey();
    let refusals = 2;
    key.beforeWrite = () => {
      if (refusals-- > 0) throw refusal('TOO_MANY_SIBLINGS', 'NOT_APPLIED');
    };
    let calls = 0;
    await update(key, () => `call ${++calls}`);
    expect(key.texts).toEqual(['call 3']);
  });

  test('does not call the function again when its write may have been applied', async () => {
    const key = new MemoryKey();
    key.beforeWrite = () => {
      throw refusal('TOO_MANY_SIBLINGS', 'UNKNOWN');
    };
    let calls = 0;
    await expect(update(key, () => `call ${++calls}`)).rejects.toMatchObject({ outcome: 'UNKNOWN' });
    expect(calls).toBe(1);
  });

  test('gives up after so many attempts, and says that its value is written', async () => {
    const key = new MemoryKey();
    let other = 0;
    key.beforeWrite = () => key.race(`["theirs ${other++}"]`);
    const error = await update(key, add('ours'), { resolver: jsonSetUnion, updateAttempts: 3 }).catch(
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(ConflictError);
    expect(error).toMatchObject({ outcome: 'APPLIED', attempts: 3 });
    expect(key.writes).toBe(3);
  });

  test('gives up after so many lost races, with what it read last', async () => {
    const key = new MemoryKey();
    key.race('theirs');
    key.beforeWrite = () => {
      throw refusal('TOO_MANY_SIBLINGS', 'NOT_APPLIED');
    };
    const error = await update(key, () => 'ours', { updateAttempts: 2 }).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ConflictError);
    expect(error).toMatchObject({ outcome: 'NOT_APPLIED', attempts: 2 });
    expect((error as ConflictError).versions).toHaveLength(1);
    expect((error as Error).cause).toMatchObject({ reason: 'TOO_MANY_SIBLINGS' });
  });

  test('says that its value is written when the resolver throws then', async () => {
    const key = new MemoryKey();
    key.beforeWrite = () => key.race('theirs');
    // Of a kind that would be a lost race, had the write itself met it.
    const problem = refusal('TOO_MANY_SIBLINGS', 'NOT_APPLIED');
    let calls = 0;
    const error = await update(key, () => `call ${++calls}`, {
      resolver: () => {
        throw problem;
      },
    }).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ConflictError);
    expect(error).toMatchObject({ outcome: 'APPLIED', cause: problem });
    expect(calls).toBe(1);
    const { versions, context } = error as ConflictError;
    expect(versions).toHaveLength(2);
    key.beforeWrite = () => undefined;
    await key.put('merged', { context });
    expect(key.texts).toEqual(['merged']);
  });

  test('says that its value is written when resolving fails otherwise', async () => {
    const key = new MemoryKey();
    key.beforeWrite = () => {
      if (key.writes > 0) throw refusal('BUCKET_UNKNOWN', 'NOT_APPLIED');
      key.race('["theirs"]');
    };
    const error = await update(key, add('ours'), { resolver: jsonSetUnion }).catch(
      (thrown: unknown) => thrown,
    );
    expect(error).toMatchObject({ name: 'ConflictError', outcome: 'APPLIED' });
    expect((error as Error).cause).toMatchObject({ reason: 'BUCKET_UNKNOWN' });
  });
});

function refusal(
  reason: 'TOO_MANY_SIBLINGS' | 'BUCKET_UNKNOWN',
  outcome: 'NOT_APPLIED' | 'UNKNOWN',
): KindredError {
  return new KindredError(reason, {
    code: 'FAILED_PRECONDITION',
    outcome,
    safeToRetry: true,
    attempts: 1,
    endpoint: undefined,
    requestId: undefined,
    detail: {
      reason,
      required: 0,
      alive: 0,
      answered: 0,
      failures: [],
      field: '',
      context: undefined,
      retryAfterMs: undefined,
      topologyEpoch: 0,
    },
  });
}

import { Status } from 'nice-grpc';
import { expect, test } from 'vitest';
import { itemRequestId as serverItemRequestId } from '../../../src/coordinator/batch.ts';
import { ErrorReason, type ItemStatus, WriteOutcome } from '../src/gen/kindred/v1/types.ts';
import { itemRequestId } from '../src/requests.ts';
import { type FakeNode, found, stored } from './support/fake-node.ts';
import { clientOf, failureOf, node } from './support/fixtures.ts';

const keys = ['a', 'b', 'c'].map((key) => ({ bucket: 'b', key }));

test('one result for each item, in the order in which they come; a failed item is a result', async () => {
  const exists = {
    code: Status.FAILED_PRECONDITION,
    message: 'there is one',
    detail: {
      reason: ErrorReason.ERROR_REASON_KEY_EXISTS,
      writeOutcome: WriteOutcome.WRITE_OUTCOME_NOT_APPLIED,
    },
  } as ItemStatus;
  const answers = await node({
    batchWrite: async function* () {
      yield { index: 2, status: undefined, result: { $case: 'put', value: stored() } };
      yield { index: 0, status: exists, result: undefined };
      yield { index: 1, status: undefined, result: { $case: 'put', value: stored() } };
    },
  });
  const results: string[] = [];
  for await (const result of clientOf([answers]).batchWrite(
    keys.map((key) => ({ kind: 'put', ...key, value: 'v' }) as const),
  )) {
    results.push(
      `${result.index} ${result.kind === 'ok' ? 'ok' : `${result.error.reason} ${result.error.outcome}`}`,
    );
  }
  expect(results).toEqual(['2 ok', '0 KEY_EXISTS NOT_APPLIED', '1 ok']);
});

test('only what has no answer is sent again when the connection breaks', async () => {
  const asked: string[][] = [];
  const breaks: FakeNode = await node({
    batchGet: async function* (request) {
      asked.push(request.keys.map(({ key }) => Buffer.from(key).toString()));
      if (asked.length === 1) {
        yield { index: 1, status: undefined, result: found('b') };
        while (results.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
        breaks.cut();
        await new Promise(() => undefined);
      }
      for (const [index, { key }] of request.keys.entries()) {
        yield { index, status: undefined, result: found(Buffer.from(key).toString()) };
      }
    },
  });
  const results: string[] = [];
  for await (const result of clientOf([breaks]).batchGet(keys)) {
    if (result.kind === 'ok' && result.answer.state === 'found')
      results.push(`${result.index} ${result.answer.value.text()}`);
  }
  expect(asked).toEqual([
    ['a', 'b', 'c'],
    ['a', 'c'],
  ]);
  expect(results).toEqual(['1 b', '0 a', '2 c']);
});

test('each write has a request id and the options of the batch, unless it has its own', async () => {
  const sent: string[] = [];
  const answers = await node({
    batchWrite: async function* (request) {
      for (const [index, { op }] of request.mutations.entries()) {
        const options = op?.value.options;
        sent.push(`${options?.strength?.value} ${options?.requestId.length}`);
        yield { index, status: undefined, result: { $case: 'put', value: stored() } };
      }
    },
  });
  const write = { kind: 'put', bucket: 'b', key: 'k', value: 'v' } as const;
  for await (const _ of clientOf([answers]).batchWrite([write, { ...write, replicas: 3 }], { replicas: 2 }));
  expect(sent).toEqual(['2 16', '3 16']);
});

test('the request ids of the items are those that the server makes of the id of the batch', () => {
  const batchId = Buffer.from('0102030405060708090a0b0c0d0e0f10', 'hex');
  for (const place of [0, 1, 255, 256, 999, 0x01020304]) {
    expect(itemRequestId(batchId, place)).toEqual(serverItemRequestId(batchId, place));
  }
  expect(batchId[15]).toBe(0x10);
});

test('a loop that is left ends the call', async () => {
  let ended = false;
  const answers = await node({
    batchGet: async function* (_, context) {
      context.signal.addEventListener('abort', () => {
        ended = true;
      });
      yield { index: 0, status: undefined, result: found('a') };
      await new Promise(() => undefined);
    },
  });
  for await (const _ of clientOf([answers]).batchGet(keys)) break;
  await expect.poll(() => ended).toBe(true);
});

test('a call that fails throws, once the answers that came are taken', async () => {
  const ends = await node({
    batchGet: async function* () {
      yield { index: 0, status: undefined, result: found('a') };
    },
  });
  let taken = 0;
  const error = await failureOf(
    (async () => {
      for await (const _ of clientOf([ends]).batchGet(keys, { attempts: 1 })) taken += 1;
    })(),
  );
  expect(taken).toBe(1);
  expect(error).toMatchObject({ code: 'UNAVAILABLE', outcome: 'NONE', attempts: 1 });
});

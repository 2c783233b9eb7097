import { Status } from 'nice-grpc';
import { describe, expect, test } from 'vitest';
import type { Operation, PipelineRequest, PipelineResponse } from '../src/gen/kindred/v1/kv.ts';
import { ErrorReason, WriteOutcome } from '../src/gen/kindred/v1/types.ts';
import { type FakeNode, found, stored } from './support/fake-node.ts';
import { clientOf, failureOf, nobody, node } from './support/fixtures.ts';

/** A result as the stream carries it. */
function resultOf({ id, op }: Operation): PipelineResponse['results'][number] {
  if (op?.$case === 'put') return { id, status: undefined, result: { $case: 'put', value: stored() } };
  const key = op?.$case === 'get' ? Buffer.from(op.value.key?.key ?? []).toString() : '';
  return { id, status: undefined, result: { $case: 'get', value: found(key) } };
}

/** Answers each message with one of the same size, and tells of both. */
async function* answerAll(
  requests: AsyncIterable<PipelineRequest>,
  sizes: number[] = [],
): AsyncGenerator<PipelineResponse> {
  for await (const { operations } of requests) {
    sizes.push(operations.length);
    yield { results: operations.map(resultOf) };
  }
}

describe('a pipeline', () => {
  test('answers each operation with its own result', async () => {
    const answers = await node({ pipeline: (requests) => answerAll(requests) });
    await using pipeline = clientOf([answers]).pipeline();
    const keys = Array.from({ length: 100 }, (_, i) => `key ${i}`);
    const results = await Promise.all(keys.map((key) => pipeline.get('b', key)));
    expect(results.map((result) => result.state === 'found' && result.value.text())).toEqual(keys);
  });

  test('sends what was asked for in one turn as one message, and at most 1,000 in one', async () => {
    const sizes: number[] = [];
    const answers = await node({ pipeline: (requests) => answerAll(requests, sizes) });
    const client = clientOf([answers]);
    await client.pipeline().close();
    await using pipeline = client.pipeline({ inFlight: 5000 });
    await pipeline.get('b', 'connects');
    sizes.length = 0;
    await Promise.all(Array.from({ length: 2500 }, () => pipeline.put('b', 'k', 'v')));
    expect(sizes).toEqual([1000, 1000, 500]);
  });

  test('sends about 1 MiB in a message', async () => {
    const sizes: number[] = [];
    const answers = await node({ pipeline: (requests) => answerAll(requests, sizes) });
    await using pipeline = clientOf([answers]).pipeline();
    await pipeline.get('b', 'connects');
    sizes.length = 0;
    const value = Buffer.alloc(300_000);
    await Promise.all(Array.from({ length: 7 }, () => pipeline.put('b', 'k', value)));
    expect(sizes).toEqual([3, 3, 1]);
  });

  test('has no more under way than it is told to', async () => {
    let underWay = 0;
    let most = 0;
    const slow = await node({
      pipeline: async function* (requests) {
        for await (const { operations } of requests) {
          underWay += operations.length;
          most = Math.max(most, underWay);
          for (const operation of operations) {
            await new Promise((resolve) => setImmediate(resolve));
            underWay -= 1;
            yield { results: [resultOf(operation)] };
          }
        }
      },
    });
    await using pipeline = clientOf([slow]).pipeline({ inFlight: 7 });
    const results: Promise<unknown>[] = [];
    for (let i = 0; i < 60; i++) {
      await pipeline.ready;
      results.push(pipeline.get('b', 'k'));
    }
    await Promise.all(results);
    expect(most).toBe(7);
  });

  test('sends what has no answer again when the stream breaks, with the same request ids', async () => {
    const ids: string[][] = [];
    const idsOf = ({ operations }: PipelineRequest): string[] =>
      operations.map(({ op }) =>
        op?.$case === 'put' ? Buffer.from(op.value.options?.requestId ?? []).toString('hex') : '',
      );
    const breaks: FakeNode = await node({
      pipeline: async function* (requests) {
        for await (const request of requests) {
          ids.push(idsOf(request));
          const [first, ...others] = request.operations;
          if (ids.length > 1) yield { results: request.operations.map(resultOf) };
          else if (first !== undefined) {
            yield { results: [resultOf(first)] };
            expect(others).toHaveLength(4);
            breaks.cut();
          }
        }
      },
    });
    await using pipeline = clientOf([breaks]).pipeline();
    await Promise.all(Array.from({ length: 5 }, () => pipeline.put('b', 'k', 'v')));
    const again = ids.slice(1).flat().sort();
    const first = (ids[0] as string[]).slice();
    // The answer to the first may have been lost with the connection.
    expect(again.length).toBeGreaterThanOrEqual(4);
    for (const id of again) expect(first).toContain(id);
  });

  test('tells of an item that failed, and of no other', async () => {
    const refuses = await node({
      pipeline: async function* (requests) {
        for await (const { operations } of requests) {
          yield {
            results: operations.map((operation, place) =>
              place === 1
                ? {
                    id: operation.id,
                    result: undefined,
                    status: {
                      code: Status.FAILED_PRECONDITION,
                      message: 'there is one',
                      detail: {
                        reason: ErrorReason.ERROR_REASON_KEY_EXISTS,
                        writeOutcome: WriteOutcome.WRITE_OUTCOME_NOT_APPLIED,
                        safeToRetry: true,
                      },
                    },
                  }
                : resultOf(operation),
            ),
          } as PipelineResponse;
        }
      },
    });
    await using pipeline = clientOf([refuses]).pipeline();
    const first = pipeline.put('b', 'a', 'v');
    const error = await failureOf(pipeline.put('b', 'b', 'v', { blind: 'REJECT' }));
    expect(error).toMatchObject({ reason: 'KEY_EXISTS', outcome: 'NOT_APPLIED', attempts: 1 });
    await first;
  });

  test('gives up when time is over: unknown if it was sent', async () => {
    const silent = await node({
      pipeline: async function* (requests) {
        for await (const _ of requests) yield { results: [] };
      },
    });
    await using pipeline = clientOf([silent]).pipeline();
    const error = await failureOf(pipeline.put('b', 'k', 'v', { timeoutMs: 300 }));
    expect(error).toMatchObject({ code: 'DEADLINE_EXCEEDED', outcome: 'UNKNOWN' });
  });

  test('gives up when its caller does: not applied if it waited for its turn', async () => {
    const silent = await node({
      pipeline: async function* (requests) {
        for await (const _ of requests) yield { results: [] };
      },
    });
    await using pipeline = clientOf([silent]).pipeline({ inFlight: 1 });
    const controller = new AbortController();
    const first = failureOf(pipeline.put('b', 'k', 'v', { timeoutMs: 2000 }));
    const second = failureOf(pipeline.put('b', 'k', 'v', { signal: controller.signal }));
    controller.abort();
    expect(await second).toMatchObject({ code: 'CANCELLED', outcome: 'NOT_APPLIED', attempts: 0 });
    expect(await first).toMatchObject({ outcome: 'UNKNOWN' });
  });

  test('refuses a value that would end the stream for all', async () => {
    await using pipeline = clientOf([nobody]).pipeline();
    const error = await failureOf(pipeline.put('b', 'k', Buffer.alloc(5_000_000)));
    expect(error).toMatchObject({ reason: 'TOO_LARGE', outcome: 'NOT_APPLIED', attempts: 0 });
    expect(error.detail?.field).toBe('value.data');
  });

  test('fails when nobody can be reached', async () => {
    await using pipeline = clientOf([nobody]).pipeline();
    const error = await failureOf(pipeline.put('b', 'k', 'v'));
    expect(error).toMatchObject({ code: 'UNAVAILABLE', outcome: 'NOT_APPLIED', attempts: 4 });
  });

  test('closes when all are answered, and takes no more', async () => {
    const answers = await node({ pipeline: (requests) => answerAll(requests) });
    const pipeline = clientOf([answers]).pipeline();
    let answered = 0;
    const results = Array.from({ length: 10 }, () => pipeline.get('b', 'k').then(() => (answered += 1)));
    await pipeline.close();
    expect(answered).toBe(10);
    await Promise.all(results);
    expect(await failureOf(pipeline.put('b', 'k', 'v'))).toMatchObject({
      outcome: 'NOT_APPLIED',
      attempts: 0,
    });
  });
});

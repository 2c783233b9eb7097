import { Status } from 'nice-grpc';
import { describe, expect, test } from 'vitest';
import { ErrorReason, WriteOutcome } from '../src/gen/kindred/v1/types.ts';
import { Context } from '../src/index.ts';
import { type FakeNode, found, refuse, stored } from './support/fake-node.ts';
import { clientOf, failureOf, nobody, node } from './support/fixtures.ts';

const notEnough = {
  reason: ErrorReason.ERROR_REASON_NOT_ENOUGH_REPLICAS,
  writeOutcome: WriteOutcome.WRITE_OUTCOME_NOT_APPLIED,
  safeToRetry: true,
  required: 2,
  alive: 1,
};
const timeout = {
  reason: ErrorReason.ERROR_REASON_QUORUM_TIMEOUT,
  writeOutcome: WriteOutcome.WRITE_OUTCOME_UNKNOWN,
  safeToRetry: true,
};

describe('what is sent again', () => {
  test('a transient failure, with the same request id', async () => {
    const ids: string[] = [];
    const fails = await node({
      put: (request, context) => {
        ids.push(Buffer.from(request.options?.requestId ?? []).toString('hex'));
        if (ids.length < 3) refuse(context, Status.UNAVAILABLE, 'too few', notEnough);
        return stored();
      },
    });
    const written = await clientOf([fails]).put('b', 'k', 'v');
    expect(written.versionsHeld).toBe(1);
    expect(ids).toHaveLength(3);
    expect(new Set(ids).size).toBe(1);
    expect(ids[0]).toHaveLength(32);
  });

  test('through the other endpoint', async () => {
    let refused = 0;
    const draining = await node({
      get: (_, context) => {
        refused += 1;
        return refuse(context, Status.UNAVAILABLE, 'going away', {
          reason: ErrorReason.ERROR_REASON_NODE_DRAINING,
          safeToRetry: true,
        });
      },
    });
    const healthy = await node({ get: () => found('here') });
    const client = clientOf([draining, healthy]);
    for (let i = 0; i < 10; i++) expect(await client.get('b', 'k')).toMatchObject({ state: 'found' });
    expect(refused).toBeGreaterThan(0);
    // Never twice in one operation: there is another endpoint.
    expect(refused).toBeLessThanOrEqual(10);
  });

  test('no more often than the caller allows; the error tells how often', async () => {
    let calls = 0;
    const fails = await node({
      put: (_, context) => {
        calls += 1;
        return refuse(context, Status.UNAVAILABLE, 'too few', notEnough);
      },
    });
    const error = await failureOf(clientOf([fails]).put('b', 'k', 'v', { attempts: 2 }));
    expect(calls).toBe(2);
    expect(error).toMatchObject({
      code: 'UNAVAILABLE',
      reason: 'NOT_ENOUGH_REPLICAS',
      outcome: 'NOT_APPLIED',
      safeToRetry: true,
      attempts: 2,
      endpoint: fails.address,
      message: 'too few',
    });
    expect(error.detail).toMatchObject({ required: 2, alive: 1, answered: 0 });
    expect(error.requestId).toHaveLength(16);
  });

  test('not what another attempt cannot change', async () => {
    let calls = 0;
    const exists = await node({
      put: (_, context) => {
        calls += 1;
        return refuse(context, Status.FAILED_PRECONDITION, 'there is one', {
          reason: ErrorReason.ERROR_REASON_KEY_EXISTS,
          writeOutcome: WriteOutcome.WRITE_OUTCOME_NOT_APPLIED,
          safeToRetry: true,
          context: Buffer.from('seen'),
        });
      },
    });
    const error = await failureOf(clientOf([exists]).put('b', 'k', 'v', { blind: 'REJECT' }));
    expect(calls).toBe(1);
    expect(error.reason).toBe('KEY_EXISTS');
    expect(Buffer.from(error.detail?.context?.bytes ?? []).toString()).toBe('seen');
  });

  test('not before the time that the server asks for', async () => {
    const times: number[] = [];
    const busy = await node({
      get: (_, context) => {
        times.push(performance.now());
        if (times.length > 1) return found('now');
        return refuse(context, Status.RESOURCE_EXHAUSTED, 'busy', {
          reason: ErrorReason.ERROR_REASON_NODE_OVERLOADED,
          safeToRetry: true,
          retryAfter: { seconds: 0, nanos: 300e6 },
        });
      },
    });
    await clientOf([busy]).get('b', 'k');
    expect((times[1] as number) - (times[0] as number)).toBeGreaterThanOrEqual(295);
  });

  test('what was under way on a connection that broke', async () => {
    const ids: string[] = [];
    const breaks: FakeNode = await node({
      put: (request) => {
        ids.push(Buffer.from(request.options?.requestId ?? []).toString('hex'));
        if (ids.length > 1) return stored();
        breaks.cut();
        return new Promise(() => undefined);
      },
    });
    const client = clientOf([breaks]);
    await client.put('b', 'k', 'v');
    expect(ids).toHaveLength(2);
    expect(ids[0]).toBe(ids[1]);
  });
});

describe('what became of the write', () => {
  test('once unknown stays unknown', async () => {
    let calls = 0;
    const node1 = await node({
      put: (_, context) => {
        calls += 1;
        if (calls === 1) refuse(context, Status.DEADLINE_EXCEEDED, 'too slow', timeout);
        return refuse(context, Status.FAILED_PRECONDITION, 'there is one', {
          reason: ErrorReason.ERROR_REASON_KEY_EXISTS,
          writeOutcome: WriteOutcome.WRITE_OUTCOME_NOT_APPLIED,
          safeToRetry: true,
        });
      },
    });
    const error = await failureOf(clientOf([node1]).put('b', 'k', 'v'));
    expect(error).toMatchObject({ reason: 'KEY_EXISTS', outcome: 'UNKNOWN', attempts: 2 });
  });

  test('unknown without a detail', async () => {
    const breaks: FakeNode = await node({
      put: () => {
        breaks.cut();
        return new Promise(() => undefined);
      },
    });
    const error = await failureOf(clientOf([breaks]).put('b', 'k', 'v', { attempts: 1 }));
    expect(error).toMatchObject({
      outcome: 'UNKNOWN',
      detail: undefined,
      reason: undefined,
      safeToRetry: true,
    });
  });

  test('not applied when no connection could be made', async () => {
    const error = await failureOf(clientOf([nobody]).put('b', 'k', 'v'));
    expect(error).toMatchObject({
      code: 'UNAVAILABLE',
      outcome: 'NOT_APPLIED',
      endpoint: undefined,
      attempts: 4,
    });
  });

  test('none for reads', async () => {
    const error = await failureOf(clientOf([nobody]).get('b', 'k'));
    expect(error).toMatchObject({ code: 'UNAVAILABLE', outcome: 'NONE', requestId: undefined });
  });

  test('not applied when arguments are refused here', async () => {
    const client = clientOf([nobody]);
    const context = Context.parse('AAAA');
    const both = await failureOf(client.put('b', 'k', 'v', { context, blind: 'REJECT' }));
    expect(both).toMatchObject({ code: 'INVALID_ARGUMENT', outcome: 'NOT_APPLIED', attempts: 0 });
    const level = await failureOf(client.get('b', 'k', { consistency: 'quorum' as 'QUORUM' }));
    expect(level).toMatchObject({ reason: 'INVALID_REQUEST', outcome: 'NONE' });
    expect(level.detail?.field).toBe('options.consistency');
  });
});

describe('endpoints', () => {
  test('take turns', async () => {
    const counts = [0, 0, 0];
    const nodes = await Promise.all(
      counts.map((_, place) =>
        node({
          get: () => {
            counts[place] = (counts[place] as number) + 1;
            return found('x');
          },
        }),
      ),
    );
    const client = clientOf(nodes);
    // Until all are connected the first ones take the turns of the others.
    while (counts.some((count) => count === 0)) await client.get('b', 'k');
    counts.fill(0);
    for (let i = 0; i < 30; i++) await client.get('b', 'k');
    expect(counts).toEqual([10, 10, 10]);
  });

  test('that are broken are passed over', async () => {
    const healthy = await node({ get: () => found('x') });
    const client = clientOf([nobody, healthy, '127.0.0.1:2']);
    for (let i = 0; i < 20; i++) {
      expect(await client.get('b', 'k', { attempts: 1 })).toMatchObject({ state: 'found' });
    }
  });

  test('get the token', async () => {
    const seen: (string | undefined)[] = [];
    const asks = await node({
      get: (_, context) => {
        seen.push(context.metadata.get('authorization'));
        return found('x');
      },
    });
    let turn = 0;
    await clientOf([asks], { token: 'secret' }).get('b', 'k');
    await clientOf([asks], { token: () => `secret ${++turn}` }).get('b', 'k');
    expect(seen).toEqual(['Bearer secret', 'Bearer secret 1']);
  });
});

describe('time and cancellation', () => {
  test('one time for all attempts, told to the server', async () => {
    const timeouts: number[] = [];
    const silent = await node({
      get: (_, context) => {
        timeouts.push(Number.parseInt(context.metadata.get('grpc-timeout') ?? '', 10));
        if (timeouts.length === 1) refuse(context, Status.DEADLINE_EXCEEDED, 'too slow', timeout);
        return new Promise(() => undefined);
      },
    });
    const started = performance.now();
    const error = await failureOf(clientOf([silent]).get('b', 'k', { timeoutMs: 400 }));
    expect(error).toMatchObject({
      code: 'DEADLINE_EXCEEDED',
      attempts: 2,
      message: 'no answer within 400 ms',
    });
    expect(performance.now() - started).toBeGreaterThanOrEqual(395);
  });

  test('a write that is cancelled while under way is unknown', async () => {
    const controller = new AbortController();
    const silent = await node({
      put: () => {
        controller.abort(new Error('the user left'));
        return new Promise(() => undefined);
      },
    });
    const error = await failureOf(clientOf([silent]).put('b', 'k', 'v', { signal: controller.signal }));
    expect(error).toMatchObject({ name: 'AbortError', code: 'CANCELLED', outcome: 'UNKNOWN' });
    expect(error.cause).toEqual(new Error('the user left'));
  });

  test('a write that is cancelled before is not applied', async () => {
    const error = await failureOf(clientOf([nobody]).put('b', 'k', 'v', { signal: AbortSignal.abort() }));
    expect(error).toMatchObject({ name: 'AbortError', outcome: 'NOT_APPLIED' });
  });

  test('nothing begins on a client that is closed', async () => {
    const client = clientOf([nobody]);
    client.close();
    const error = await failureOf(client.put('b', 'k', 'v'));
    expect(error).toMatchObject({ code: 'FAILED_PRECONDITION', outcome: 'NOT_APPLIED', attempts: 0 });
  });
});

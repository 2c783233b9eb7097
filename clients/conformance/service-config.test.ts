/** The service configurations that docs/clients/protocol.md offers, in gRPC libraries of two languages that retry by themselves. */

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createChannel, createClient } from 'nice-grpc';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { KeyValueServiceDefinition, PutRequest } from '../../src/gen/kindred/v1/kv.ts';
import { root, runCommand } from '../../tools/command.ts';
import { ScriptedNode } from './scripted-node.ts';

const reads = join(root, 'docs/clients/service-config-reads.json');
const requestIds = join(root, 'docs/clients/service-config-request-ids.json');
const python = join(root, 'clients/python/.venv/bin/python');
const probe = join(import.meta.dirname, 'service_config_probe.py');

const put = PutRequest.fromPartial({
  key: { key: Buffer.from('a') },
  value: {},
  options: { requestId: Buffer.alloc(16, 1) },
});

let node: ScriptedNode;

beforeAll(async () => {
  node = await ScriptedNode.listen();
});

afterAll(() => node.close());

/** One put or get with a library that follows the configuration: `OK`, or the name of the code. */
type Call = (config: string, method: 'Get' | 'Put') => Promise<string>;

const typescript: Call = async (config, method) => {
  const channel = createChannel(node.address, undefined, {
    'grpc.service_config': readFileSync(config, 'utf8'),
  });
  const client = createClient(KeyValueServiceDefinition, channel);
  try {
    if (method === 'Put') await client.put(put);
    else await client.get({ key: put.key });
    return 'OK';
  } catch (error) {
    return /[A-Z]+_?[A-Z]+/.exec((error as Error).message.replace(/^\S+ /, ''))?.[0] ?? String(error);
  } finally {
    channel.close();
  }
};

const pythonLibrary: Call = async (config, method) => {
  const message = Buffer.from(PutRequest.encode(put).finish()).toString('hex');
  // A get is a put's first field: the key.
  const { stdout, output } = await runCommand(python, [probe, node.address, config, method, message]);
  return stdout.trim() || output;
};

const unavailable = { fail: { code: 'UNAVAILABLE' } } as const;

test.for<[string, Call, boolean]>([
  ['TypeScript (grpc-js)', typescript, true],
  ['Python (grpcio)', pythonLibrary, existsSync(python)],
])('%s retries what the configuration names, and nothing else', async ([, call, isThere], { skip }) => {
  if (!isThere) {
    if (process.env['CONFORMANCE_CLIENTS'] === 'all')
      expect.fail('clients/python/run/setup has not been run');
    skip('clients/python/run/setup has not been run');
  }
  node.follow([unavailable, unavailable]);
  expect(await call(reads, 'Get')).toBe('OK');
  expect(node.received).toMatchObject([
    { method: 'Get', attemptsBefore: 0 },
    { method: 'Get', attemptsBefore: 1 },
    { method: 'Get', attemptsBefore: 2 },
  ]);

  node.follow([unavailable]);
  expect(await call(reads, 'Put')).toBe('UNAVAILABLE');
  expect(node.received).toMatchObject([{ method: 'Put', attemptsBefore: 0 }]);

  const requestId = Buffer.alloc(16, 1).toString('base64');
  node.follow([
    unavailable,
    { fail: { code: 'ABORTED', detail: { reason: 'REPLICA_FAILURE', outcome: 'UNKNOWN' } } },
  ]);
  expect(await call(requestIds, 'Put')).toBe('OK');
  expect(node.received).toMatchObject([
    { method: 'Put', requestId, attemptsBefore: 0 },
    { method: 'Put', requestId, attemptsBefore: 1 },
    { method: 'Put', requestId, attemptsBefore: 2 },
  ]);

  node.follow([
    { fail: { code: 'RESOURCE_EXHAUSTED', detail: { reason: 'NODE_OVERLOADED', retryAfterMs: 300 } } },
  ]);
  expect(await call(requestIds, 'Put')).toBe('OK');
  // As the server says in grpc-retry-pushback-ms.
  expect(Number(node.received[1]?.['afterMs'])).toBeGreaterThan(290);

  node.follow([
    { fail: { code: 'FAILED_PRECONDITION', detail: { reason: 'KEY_EXISTS', outcome: 'NOT_APPLIED' } } },
  ]);
  expect(await call(requestIds, 'Put')).toBe('FAILED_PRECONDITION');
  expect(node.received).toHaveLength(1);
});

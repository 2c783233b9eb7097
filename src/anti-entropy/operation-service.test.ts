/** OperationService through a real client port: what a repair was asked for, and why one is refused. */

import { createChannel, createClientFactory, type Metadata } from 'nice-grpc';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { failureOf, testBucket } from '../../test/support/client-port.ts';
import { until } from '../../test/support/real-cluster.ts';
import { unthrottled } from '../core/background/throttle.ts';
import { nodeId } from '../core/identity.ts';
import { systemEnv } from '../env/system-env.ts';
import { descriptors } from '../gen/descriptors.ts';
import {
  LongRunning_State,
  type OperationServiceClient,
  OperationServiceDefinition,
} from '../gen/kindred/v1/operation.ts';
import { ErrorReason } from '../gen/kindred/v1/types.ts';
import { Admission } from '../rpc/admission.ts';
import { type ClientServer, startServer } from '../rpc/server.ts';
import { operationService } from './operation-service.ts';
import { Operations } from './operations.ts';

let server: ClientServer;
let client: OperationServiceClient;
let operations: Operations;
let closeChannel: () => void;
/** Comparisons that were begun, and do not end before they are cancelled. */
let comparisons = 0;

beforeAll(async () => {
  const env = systemEnv();
  operations = new Operations(env, () => {});
  const peer = nodeId('n2');
  const antiEntropy = {
    pairs: () => [{ peer, replication: 3, partitions: 8 }],
    compare: async ({ isStopped }: { readonly isStopped: () => boolean }) => {
      comparisons++;
      await until(async () => isStopped());
      return { kind: 'stopped' } as const;
    },
  };
  const service = operationService({
    self: nodeId('n1'),
    env,
    operations,
    repair: { env, antiEntropy, throttle: unthrottled },
    buckets: new Map([['carts', { ...testBucket, name: 'carts' }]]),
  });
  server = await startServer(
    {
      env,
      admission: new Admission({ env }, { requestsInFlightMax: 100, bytesInFlightMax: 1e6 }),
      services: [service],
      descriptors,
      reportIncident: (error) => {
        throw error;
      },
      refused: () => {},
    },
    {
      host: '127.0.0.1',
      http2: 'own',
      port: 0,
      messageBytesMax: 1e6,
      headerBytesMax: 8192,
      queueMsMax: 1_000,
      streamsPerConnectionMax: 16,
      connectionsMax: 10,
      connectionIdleMs: 300_000,
      connectionAgeMs: 3_600_000,
      requestMs: 5_000,
      requestMsMax: 10_000,
      deadlineMarginMs: 20,
    },
  );
  const channel = createChannel(`127.0.0.1:${server.port}`);
  client = createClientFactory().create(OperationServiceDefinition, channel);
  closeChannel = () => channel.close();
});

afterAll(async () => {
  await operations.stop();
  closeChannel();
  await server.close();
});

test('a repair says what it was asked for, and another one is refused with a reason that names the first', async () => {
  const { operation } = await client.startRepair({ bucket: 'carts', dryRun: true });
  const id = operation?.id ?? '';
  expect(operation).toMatchObject({ kind: 'repair', nodeId: 'n1', dryRun: true, bucket: 'carts' });
  await until(async () => comparisons === 1);
  for (const request of [{}, { bucket: 'carts' }, { bucket: 'carts', dryRun: true }]) {
    const refused = await failureOf((options: CallOptions) => client.startRepair(request, options));
    expect(refused).toMatchObject({
      code: 9,
      detail: { reason: ErrorReason.ERROR_REASON_OPERATION_RUNNING, safeToRetry: true },
    });
    expect(refused.details).toContain(`a dry run of the repair of bucket "carts" is running already: ${id}`);
  }
  await client.cancelOperation({ id });
  await until(
    async () => (await client.getOperation({ id })).operation?.state === LongRunning_State.STATE_CANCELLED,
  );

  const { operation: next } = await client.startRepair({});
  expect(next).toMatchObject({ dryRun: false, bucket: '' });
  const { operations: listed } = await client.listOperations({});
  expect(listed.map(({ dryRun, bucket }) => [dryRun, bucket])).toEqual([
    [false, ''],
    [true, 'carts'],
  ]);
  const refused = await failureOf((options: CallOptions) => client.startRepair({ dryRun: true }, options));
  expect(refused.details).toContain('a repair of all buckets is running already');
});

interface CallOptions {
  readonly onTrailer: (trailer: Metadata) => void;
}

test('an operation that the node does not remember is told with a reason', async () => {
  for (const ask of [
    (options: CallOptions) => client.getOperation({ id: 'repair-99' }, options),
    (options: CallOptions) => client.cancelOperation({ id: 'repair-99' }, options),
  ]) {
    expect(await failureOf(ask)).toMatchObject({
      code: 5,
      detail: { reason: ErrorReason.ERROR_REASON_OPERATION_UNKNOWN },
    });
  }
});

/** The clients of the simulator against real processes: over sockets, while a node dies and comes back. */

import { expect, test } from 'vitest';
import { systemEnv } from '../../src/env/system-env.ts';
import { ErrorReason } from '../../src/gen/kindred/v1/types.ts';
import type { ClientProfile } from '../simulation/plan/seed-plan.ts';
import { RealCluster, type RealNode, until } from '../support/real-cluster.ts';
import { WorkloadClient } from '../workload/client.ts';
import { finalReads } from '../workload/final-reads.ts';
import { GrpcTransport } from '../workload/grpc-transport.ts';
import { HistoryRecorder } from '../workload/history-recorder.ts';
import { workloadBuckets } from '../workload/workload-buckets.ts';

const profiles: readonly ClientProfile[] = ['mixed', 'session', 'retrier', 'streamer', 'batcher'];
const keys = ['default', 'lww', 'short-lived'].map((bucket) => ({ bucket, key: 'k' }));

test('clients go on while a node dies and comes back, and can tell how everything ended', async () => {
  const flags = ['--set', `buckets=${JSON.stringify(workloadBuckets)}`];
  await using cluster = await RealCluster.start({ flags });
  const env = systemEnv();
  const recorder = new HistoryRecorder({ clock: env.clock, clusterId: 'test' });
  const transports = cluster.nodes.map(
    ({ id, ports }) => new GrpcTransport({ node: id, address: `127.0.0.1:${ports.client}` }, env),
  );
  const clients = profiles.map((profile, index) => {
    const operations = Number.POSITIVE_INFINITY;
    const plan = { name: profile, seed: index + 1, operations, profile, pauseMs: 10, keys };
    return new WorkloadClient(plan, { env, recorder, transports });
  });
  const running = Promise.all(clients.map((client) => client.run()));
  const everyoneHasDone = async (further: number): Promise<void> => {
    const goals = clients.map((client) => client.operations + further);
    await until(async () => clients.every((client, index) => client.operations >= (goals[index] as number)));
  };
  await everyoneHasDone(40);
  const victim = cluster.nodes[1] as RealNode;
  await victim.kill('SIGKILL');
  await everyoneHasDone(15);
  victim.start();
  await cluster.ready();
  await everyoneHasDone(15);
  for (const client of clients) client.stop();
  await running;
  expect(recorder.underWay).toBe(0);
  expect(await finalReads(keys, { env, recorder, transports }, { withinMs: 10_000 })).toEqual([]);
  for (const transport of transports) transport.close();

  const attempts = recorder.keys().flatMap((key) => key.attempts);
  const done = attempts.filter(({ outcome }) => outcome.kind === 'done');
  expect(done.length / attempts.length).toBeGreaterThan(0.5);
  // Through the node that died: before, and after it was back.
  expect(done.some(({ node, id }) => node === victim.id && id < attempts.length / 2)).toBe(true);
  expect(done.some(({ node, id }) => node === victim.id && id > attempts.length - 30)).toBe(true);
  // What only the server can say arrived, and what nobody could say is unknown.
  const outcomes = attempts.filter(({ kind }) => kind === 'write').map(({ outcome }) => outcome);
  const contextInvalid = ErrorReason.ERROR_REASON_CONTEXT_INVALID;
  expect(
    outcomes.some((outcome) => outcome.kind === 'not-applied' && outcome.reason === contextInvalid),
  ).toBe(true);
  expect(outcomes.some((outcome) => outcome.kind === 'unknown' && outcome.reason === undefined)).toBe(true);
});

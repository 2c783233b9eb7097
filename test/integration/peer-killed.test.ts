/** A peer's process dies without a word: how soon do link and liveness know? */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, expect, test } from 'vitest';
import { systemEnv } from '../../src/env/system-env.ts';
import type { Hello } from '../../src/gen/kindred/peer/v1/peer.ts';
import { Heartbeat } from '../../src/membership/heartbeat.ts';
import { AccrualLiveness } from '../../src/membership/liveness.ts';
import { GrpcNetwork } from '../../src/rpc/grpc-network.ts';
import { type CallOutcome, PeerLink } from '../../src/rpc/peer-link.ts';

const closers: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function startPeer(): Promise<{ child: ChildProcess; port: number }> {
  const file = new URL('../support/peer-process.ts', import.meta.url).pathname;
  const child = spawn(process.execPath, [file], { stdio: ['ignore', 'pipe', 'inherit'] });
  closers.push(() => {
    child.kill('SIGKILL');
  });
  const [line] = await once(child.stdout!, 'data');
  return { child, port: Number(String(line)) };
}

function watch(port: number): { link: PeerLink; liveness: AccrualLiveness } {
  const env = systemEnv();
  const network = new GrpcNetwork({ env }, { closeGraceMs: 100 });
  const hello = (): Hello => ({
    protocolVersion: 1,
    clusterId: 'test',
    nodeId: 'n1',
    replicaId: 1,
    configuration: '{}',
    softwareVersion: '0.1.0',
    generation: 1,
    openedAtMark: 0,
    formerReplicaId: 0,
    formerMark: 0,
  });
  const address = { host: '127.0.0.1', port };
  const liveness = new AccrualLiveness({ env }, { self: 'n1', peers: ['n2'] });
  const link = new PeerLink({ network, env, hello, layoutVersion: () => 1 }, { peer: 'n2', address });
  link.onStateChange((state) => {
    if (state.kind === 'connected') liveness.channelOpened('n2', 'data');
    else liveness.channelBroken('n2', 'data', state.message);
  });
  const heartbeat = new Heartbeat(
    {
      network,
      env,
      hello,
      hybridMicros: () => env.clock.wallMicros(),
      onAnswer: (sample) => liveness.heartbeatAnswered('n2', sample),
      onOpen: () => liveness.channelOpened('n2', 'control'),
      onBroken: (reason) => liveness.channelBroken('n2', 'control', reason),
    },
    { peer: 'n2', address },
  );
  liveness.start();
  link.start();
  heartbeat.start();
  closers.push(() => network.close());
  closers.push(() => {
    liveness.close();
    heartbeat.close();
    link.close();
  });
  return { link, liveness };
}

test('kill -9 is noticed within 200 ms, means failed within a second, and calls under way are lost', async () => {
  const { child, port } = await startPeer();
  const { link, liveness } = watch(port);
  await expect.poll(() => link.connected && liveness.state('n2') === 'up', { timeout: 10_000 }).toBe(true);
  const outcomes: CallOutcome[] = [];
  link.call({ $case: 'read', value: { key: new Uint8Array([1]), digestOnly: false } }, 30_000, (outcome) =>
    outcomes.push(outcome),
  );
  await expect.poll(() => link.counters.callsSent).toBe(1);
  const afterMs = new Map<string, number>();
  const killedMs = performance.now();
  liveness.onChange((change) => afterMs.set(change.to, performance.now() - killedMs));
  child.kill('SIGKILL');
  await expect.poll(() => liveness.isUp('n2'), { timeout: 10_000 }).toBe(false);
  expect(afterMs.get('suspect')).toBeLessThan(200);
  // Nobody else can be asked: the broken channels had the time of a probe to be mended.
  expect(afterMs.get('failed')).toBeLessThan(1_000);
  await expect.poll(() => outcomes).toEqual([{ kind: 'lost', reason: 'reset' }]);
  expect(liveness.isUp('n2')).toBe(false);
});

test('a stopped process is suspect, then failed, and up again when it goes on', async () => {
  const { child, port } = await startPeer();
  const { liveness } = watch(port);
  await expect.poll(() => liveness.state('n2'), { timeout: 10_000 }).toBe('up');
  const seen: string[] = [];
  liveness.onChange(({ to }) => seen.push(to));
  child.kill('SIGSTOP');
  await expect.poll(() => liveness.state('n2'), { timeout: 10_000 }).toBe('failed');
  child.kill('SIGCONT');
  await expect.poll(() => liveness.state('n2'), { timeout: 10_000 }).toBe('up');
  expect(seen).toEqual(['suspect', 'failed', 'up']);
});

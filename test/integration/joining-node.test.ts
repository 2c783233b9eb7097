/** A node that starts: it makes no dot before the peers that can be reached have had their say. */

import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Config } from '../../src/config/config.ts';
import { parseConfig } from '../../src/config/parse-config.ts';
import { PeerReplica } from '../../src/coordinator/peer-replica.ts';
import type { ForwardAnswer } from '../../src/coordinator/replica-client.ts';
import { nodeId } from '../../src/core/identity.ts';
import { MemoryNetwork } from '../../src/env/memory-network.ts';
import { systemEnv } from '../../src/env/system-env.ts';
import { Operation } from '../../src/gen/kindred/v1/kv.ts';
import { Node } from '../../src/node.ts';
import { silentLogger } from '../../src/observe/log.ts';
import { type NodeParts, wireNode } from '../../src/wiring.ts';
import { ControlledEngine } from '../support/controlled-engine.ts';

let network: MemoryNetwork;
let nodes: NodeParts[];

beforeEach(() => {
  network = new MemoryNetwork({ env: systemEnv() });
  nodes = [];
});
afterEach(async () => {
  for (const { peers, store } of nodes) {
    await peers.stop();
    await store.close();
  }
});

function configOf(node: string, intervalMs: number, members = 3): Config {
  const lines = Array.from(
    { length: members },
    (_, i) => `  - { id: n${i + 1}, host: 127.0.0.${i + 1}, peer_port: ${7501 + i} }`,
  );
  const text = `cluster: { id: test, replication: ${members}, partitions: 64 }\nmembers:\n${lines.join('\n')}
heartbeat: { interval_ms: ${intervalMs} }
failure_detector: { acceptable_pause_ms: ${4 * intervalMs}, suspicion_ms: ${10 * intervalMs} }
storage: { engine: memory }
log: { level: silent }\nnode: ${node}\n`;
  return parseConfig({ file: { name: 'test.yaml', text } }).config;
}

/** All of a node but its doors. */
async function start(config: Config, engine = new ControlledEngine()): Promise<NodeParts> {
  const parts = await wireNode(config, { network, openEngine: async () => engine });
  nodes.push(parts);
  await parts.peers.start();
  return parts;
}

async function until(condition: () => boolean): Promise<void> {
  // Ended by the time-out of the test, if it never comes true.
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}

/** A memory engine forgets when it is closed: this one is left open, as a disk would be. */
class LastingEngine extends ControlledEngine {
  override close(): Promise<void> {
    return Promise.resolve();
  }
}

test('a set back node hands out dots: it is stopped by its peers before it opens the port for clients', async () => {
  const intervalMs = 2_000;
  const engine = new LastingEngine();
  await start(configOf('n2', intervalMs));
  const first = await start(configOf('n1', intervalMs), engine);
  await first.store.identity.saveHighWater(1_000_000);
  const snapshot = await engine.copy();
  await first.store.identity.saveHighWater(first.env.clock.wallMicros());
  await first.peers.stop();
  await first.store.close();
  nodes.pop();
  // n2 hears the mark in the greeting of the next life.
  const second = await start(configOf('n1', intervalMs), engine);
  await until(() => second.peers.isUp(nodeId('n2')));
  await second.peers.stop();
  await second.store.close();
  nodes.pop();

  const opened: string[] = [];
  const refuse = async (): Promise<never> => {
    opened.push('client port');
    throw new Error('opened');
  };
  const starting = Node.start(configOf('n1', intervalMs), {
    network,
    log: silentLogger(),
    openEngine: async () => snapshot,
    openClientPort: refuse,
  });
  await expect(starting).rejects.toMatchObject({ name: 'EngineError', code: 'set-back' });
  expect(opened).toEqual([]);
});

test('a set back node hands out dots: what peers pass on is refused until all have answered or could not be reached', async () => {
  const intervalMs = 60_000;
  const n2 = await start(configOf('n2', intervalMs));
  await start(configOf('n3', intervalMs));
  network.silence(7503, true);
  const n1 = await start(configOf('n1', intervalMs));
  await until(() => n2.peers.isUp(nodeId('n1')));
  const operation = Operation.fromPartial({
    id: 1,
    op: {
      $case: 'put',
      value: {
        key: { key: Buffer.from('k') },
        value: { data: Buffer.from('v') },
        options: { strength: { $case: 'replicas', value: 1 } },
      },
    },
  });
  const bytes = Operation.encode(operation).finish();
  const forward = (): Promise<ForwardAnswer> =>
    new Promise((resolve) =>
      new PeerReplica(nodeId('n1'), n2.peers.link(nodeId('n1'))).forward(bytes, 2_000, resolve),
    );
  // Certainly not carried out, so the other node may ask another replica.
  expect(await forward()).toEqual({ kind: 'failed', reason: 'overloaded' });
  expect(n1.peers.hasJoined).toBe(false);
  network.cut(7503);
  await n1.peers.joined;
  expect(await forward()).toMatchObject({ kind: 'result' });
});

test('a node waits for no peer that is down, for a silent one not long, and alone for nobody', async () => {
  const { clock } = systemEnv();
  const startedMs = clock.monotonicMs();
  const first = await start(configOf('n1', 60_000));
  await first.peers.joined;
  expect(clock.monotonicMs() - startedMs).toBeLessThan(30_000);

  network.silence(7501, true);
  const patient = await start(configOf('n2', 50));
  expect(patient.peers.hasJoined).toBe(false);
  await patient.peers.joined;

  network = new MemoryNetwork({ env: systemEnv() });
  const alone = await start(configOf('n1', 60_000, 1));
  expect(alone.peers.hasJoined).toBe(true);
});

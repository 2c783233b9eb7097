/** Gossip between whole nodes, over real sockets. */

import { afterEach, expect, test } from 'vitest';
import { parseConfig } from '../../src/config/parse-config.ts';
import { softwareVersion } from '../../src/config/software-version.ts';
import { type NodeParts, wireNode } from '../../src/wiring.ts';
import { freePorts } from '../../tools/free-ports.ts';
import { until } from '../support/real-cluster.ts';

const running: NodeParts[] = [];

afterEach(async () => {
  for (const parts of running.splice(0)) await stop(parts);
});

async function stop({ replay, peers, store }: NodeParts): Promise<void> {
  const replayed = replay.stop();
  await peers.stop();
  await replayed;
  await store.close();
}

async function start(node: string, ports: readonly number[], cluster = 'test'): Promise<NodeParts> {
  const members = ports.map((port, index) => ({
    id: `n${index + 1}`,
    host: '127.0.0.1',
    client_port: 1_000 + index,
    peer_port: port,
    http_port: 2_000 + index,
    zone: `zone-${index + 1}`,
  }));
  const text = JSON.stringify({
    cluster: { id: cluster, partitions: 8 },
    node,
    members,
    gossip: { interval_ms: 50 },
    storage: { engine: 'memory' },
    log: { level: 'silent' },
  });
  const { config } = parseConfig({ file: { name: 'test.json', text } });
  const parts = await wireNode(config, {});
  running.push(parts);
  await parts.peers.start();
  return parts;
}

test('nodes know each other, forget a life that is over, and refuse another cluster', async () => {
  const ports = await freePorts(3);
  const [n1, n2] = await Promise.all([start('n1', ports), start('n2', ports)]);
  const stranger = await start('n3', ports, 'other');
  const told = ({ peers }: NodeParts, node: string): readonly string[] =>
    peers.gossip.state.entriesOf(node).map(({ key }) => key);
  await until(async () => told(n1, 'n2').includes('load') && told(n2, 'n1').includes('load'));
  const { state } = n1.peers.gossip;
  expect(state.get('n2', 'address')).toBe(`127.0.0.1 1001 ${ports[1]} 2001`);
  expect(state.get('n2', 'zone')).toBe('zone-2');
  expect(state.get('n2', 'version')).toBe(softwareVersion);
  expect(state.get('n2', 'layout')).toMatch(/^[0-9a-f]{16}$/);
  expect(state.get('n2', 'layout')).toBe(state.get('n1', 'layout'));
  await until(async () => stranger.peers.gossip.counters.refused > 0);
  await until(async () => n1.peers.gossip.counters.refused > 0);
  expect(told(n1, 'n3')).toEqual([]);
  expect(told(stranger, 'n1')).toEqual([]);

  const { generation } = state.digestOf('n2');
  await stop(running.splice(running.indexOf(n2), 1)[0] as NodeParts);
  await until(async () => n1.peers.liveness.state('n2') === 'failed');
  await start('n2', ports);
  await until(async () => n1.peers.gossip.state.digestOf('n2').generation > generation);
  await until(async () => told(n1, 'n2').includes('load'));
  expect(n1.peers.gossip.counters.malformedFrames).toBe(0);
});

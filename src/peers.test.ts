/** Whole nodes without their doors, over a network in memory whose links can be cut one by one, in time that a test moves. */

import { expect, test } from 'vitest';
import { FakeEnv } from '../test/support/fake-env.ts';
import { parseConfig } from './config/parse-config.ts';
import { nodeId } from './core/identity.ts';
import { MemoryNetwork } from './env/memory-network.ts';
import type { FrameStream, Network, PeerChannel } from './env/network.ts';
import { silentLogger } from './observe/log.ts';
import { openMemoryEngine } from './storage/memory.ts';
import { type NodeParts, wireNode } from './wiring.ts';

const peerPort = 7500;

/** What one node dials with: remembers whom, and can be made deaf to some. */
class OwnNetwork implements Network {
  readonly listen: Network['listen'];
  readonly dialled: { readonly port: number; readonly channel: PeerChannel }[] = [];
  readonly #network: MemoryNetwork;
  readonly #deafTo = new Set<number>();

  constructor(network: MemoryNetwork) {
    this.#network = network;
    this.listen = (address, accept) => network.listen(address, accept);
  }

  /** From now on nothing that the node at `port` answers is heard, and nothing says so. */
  deafTo(port: number): void {
    this.#deafTo.add(port);
  }

  dial(address: { readonly host: string; readonly port: number }, channel: PeerChannel): FrameStream {
    this.dialled.push({ port: address.port, channel });
    const stream = this.#network.dial(address, channel);
    return {
      send: (frame) => stream.send(frame),
      onFrame: (listener) =>
        stream.onFrame((frame) => {
          if (!this.#deafTo.has(address.port)) listener(frame);
        }),
      onDrain: (listener) => stream.onDrain(listener),
      onClose: (listener) => stream.onClose(listener),
      close: () => stream.close(),
    };
  }
}

interface TestNode {
  readonly parts: NodeParts;
  readonly network: OwnNetwork;
}

async function startNode(
  env: FakeEnv,
  shared: MemoryNetwork,
  id: number,
  members: number,
): Promise<TestNode> {
  const lines = Array.from(
    { length: members },
    (_, i) =>
      `  - { id: n${i + 1}, host: 127.0.0.1, client_port: ${8000 + i}, peer_port: ${peerPort + i + 1}, http_port: ${9000 + i} }`,
  );
  const text = `cluster: { partitions: 64 }\nmembers:\n${lines.join('\n')}\nstorage: { engine: memory }\nnode: n${id}\n`;
  const { config } = parseConfig({ file: { name: 'test.yaml', text } });
  const network = new OwnNetwork(shared);
  let isWired = false;
  const wired = wireNode(config, {
    env,
    network,
    log: silentLogger(),
    openEngine: async () => openMemoryEngine(),
  }).finally(() => {
    isWired = true;
  });
  // What is stored at the start is written at the end of a tick, which here comes only when it is told to.
  while (!isWired) {
    env.settle();
    await new Promise((resolve) => setImmediate(resolve));
  }
  const parts = await wired;
  // Nothing in it is real: what is left of it goes with the test.
  await parts.peers.start();
  return { parts, network };
}

test('a node that one cannot hear and another can stays suspect for a while, and is failed then', async () => {
  const env = new FakeEnv();
  const shared = new MemoryNetwork({ env }, { latencyMs: 1 });
  const nodes: TestNode[] = [];
  for (let id = 1; id <= 3; id++) nodes.push(await startNode(env, shared, id, 3));
  const [first, second] = nodes as [TestNode, TestNode];
  env.advance(5_000);
  const n3 = nodeId('n3');
  expect(first.parts.peers.liveness.state(n3)).toBe('up');
  expect(first.parts.peers.storedMarkOf(n3)).toBe(nodes[2]?.parts.store.identity.storedMark);

  first.network.deafTo(peerPort + 3);
  const sinceMs = env.clock.monotonicMs();
  const seen: string[] = [];
  first.parts.peers.liveness.onChange(({ node, to, reason }) => seen.push(`${node} ${to}: ${reason}`));
  env.advance(5_000);
  expect(first.parts.peers.liveness.viewOf(n3)?.state).toBe('suspect');
  expect(first.parts.peers.liveness.viewOf(n3)?.reason).toMatch(/but n2 reaches it$/);
  expect(first.parts.peers.probes.reached).toBeGreaterThan(0);
  env.advance(5_000);
  expect(first.parts.peers.liveness.state(n3)).toBe('failed');
  expect(seen.map((change) => change.replace(/:.*/, ''))).toEqual(['n3 suspect', 'n3 failed']);
  expect(seen[1]).toMatch(/n2 reaches it, but this node has not for too long$/);
  expect(env.clock.monotonicMs() - sinceMs).toBeLessThanOrEqual(10_000);
  // Whoever hears it himself does not mind what the other says.
  expect(second.parts.peers.liveness.state(n3)).toBe('up');
  expect(second.parts.peers.isUp(n3)).toBe(true);
});

test('one of 100 nodes listens to 32, and can talk to all', async () => {
  const env = new FakeEnv();
  const shared = new MemoryNetwork({ env }, { latencyMs: 1 });
  const { network } = await startNode(env, shared, 1, 100);
  env.advance(10);
  const ports = (channel: PeerChannel): number =>
    new Set(network.dialled.filter((each) => each.channel === channel).map(({ port }) => port)).size;
  expect(ports('control')).toBe(32);
  expect(ports('data')).toBe(99);
});

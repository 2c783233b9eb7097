/** Three real processes: one is killed, stopped for 5 s, and shut down, while clients of the others watch what they make of it. */

import { createClient } from 'nice-grpc';
import { expect, test } from 'vitest';
import { NodeState, TopologyServiceDefinition } from '../../src/gen/kindred/v1/topology.ts';
import { ConsistencyLevel } from '../../src/gen/kindred/v1/types.ts';
import { acknowledgedMore } from '../crash/kill-rounds.ts';
import { CrashWorkload } from '../support/crash-workload.ts';
import { RealCluster, type RealNode, until } from '../support/real-cluster.ts';

const { NODE_STATE_UP: up, NODE_STATE_SUSPECT: suspect, NODE_STATE_FAILED: failed } = NodeState;

interface Seen {
  readonly state: NodeState;
  readonly reason: string;
  readonly atMs: number;
}

/** All that a node shows of another one, until it shuts down. */
class TopologyWatch {
  readonly seen: Seen[] = [];
  /** The code with which the stream ended. */
  readonly ended: Promise<number>;

  constructor(observer: RealNode, of: RealNode) {
    this.ended = this.#watch(observer, of);
  }

  get last(): Seen | undefined {
    return this.seen.at(-1);
  }

  statesSince(atMs: number): readonly NodeState[] {
    return this.seen.filter((each) => each.atMs >= atMs).map(({ state }) => state);
  }

  async #watch(observer: RealNode, of: RealNode): Promise<number> {
    const topology = createClient(TopologyServiceDefinition, observer.channel);
    try {
      for await (const answer of topology.watchTopology({})) {
        const node = answer.topology?.nodes.find(({ id }) => id === of.id);
        if (node === undefined || node.state === this.last?.state) continue;
        this.seen.push({ state: node.state, reason: node.stateReason, atMs: performance.now() });
      }
      return 0;
    } catch (error) {
      return (error as { code?: number }).code ?? -1;
    }
  }
}

test('a node is killed, stopped for 5 s, and shut down: the others see it, say why, and lose nothing', async () => {
  await using cluster = await RealCluster.start();
  const [first, second, third] = cluster.nodes as readonly [RealNode, RealNode, RealNode];
  const writers = new CrashWorkload(cluster.nodes, { writers: 8, keysPerWriter: 4 });
  writers.start();
  const watches = [new TopologyWatch(first, third), new TopologyWatch(second, third)];
  await until(async () => watches.every(({ last }) => last?.state === up));

  // A process that dies closes its connections: routed around at once, and failed when nobody reaches it.
  const killedMs = performance.now();
  await third.kill('SIGKILL');
  await until(async () => watches.every(({ last }) => last?.state === failed));
  expect(performance.now() - killedMs).toBeLessThan(2_000);
  for (const { last } of watches) {
    expect(last?.reason).toMatch(/^both channels are broken \(.*\), and (n1|n2) does not reach it either$/);
  }
  expect(first.log).toMatch(/n3 is failed: both channels are broken/);
  third.start();
  await cluster.ready();
  await until(async () => watches.every(({ last }) => last?.state === up));

  // One that stands still says nothing: suspect, then failed, and up again when it goes on.
  await acknowledgedMore(writers, 50);
  const stoppedMs = performance.now();
  third.signal('SIGSTOP');
  await until(async () => watches.every(({ last }) => last?.state === failed));
  const failedAfterMs = performance.now() - stoppedMs;
  expect(failedAfterMs).toBeGreaterThan(2_500);
  await until(async () => performance.now() - stoppedMs > 5_000);
  third.signal('SIGCONT');
  await until(async () => watches.every(({ last }) => last?.state === up));
  expect(performance.now() - stoppedMs).toBeLessThan(15_000);
  for (const watch of watches) expect(watch.statesSince(stoppedMs)).toEqual([suspect, failed, up]);
  // And it has not taken the others for dead, which it did not hear meanwhile.
  await cluster.ready();
  expect(third.log).not.toMatch(/n[12] is (suspect|failed): no heartbeat/);
  await acknowledgedMore(writers, 50);
  await writers.stop();
  expect(await writers.check(first, ConsistencyLevel.CONSISTENCY_LEVEL_ALL)).toEqual([]);

  // Whoever watches a node that shuts down is told, and the node does not wait for him.
  const terminatedMs = performance.now();
  expect(await first.kill('SIGTERM')).toBe(0);
  expect(performance.now() - terminatedMs).toBeLessThan(8_000);
  expect(await watches[0]?.ended).toBe(14);
});

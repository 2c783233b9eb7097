/**
 * Replicas that differ and that nobody reads: anti-entropy alone makes them identical, and then leaves them alone.
 *
 * Nothing here reads a key before it is to be equal: a read would repair it. `InspectKey` shows what each replica holds and
 * changes nothing.
 */

import { createClient } from 'nice-grpc';
import { expect, test } from 'vitest';
import { runKindred } from '../../src/cli/program.ts';
import { processTerminal, type Terminal } from '../../src/cli/terminal.ts';
import { OperationServiceDefinition } from '../../src/gen/kindred/v1/operation.ts';
import { ConsistencyLevel } from '../../src/gen/kindred/v1/types.ts';
import { RealCluster, type RealNode, until } from '../support/real-cluster.ts';

const quorum = ConsistencyLevel.CONSISTENCY_LEVEL_QUORUM;
const intervalMs = 300;
const keys = 200;
/** No hints: what a replica misses only anti-entropy can bring. */
const withoutHints = ['--set', 'hints.bytes_max=0', '--set', `anti_entropy.interval_ms=${intervalMs}`];

function keyOf(index: number) {
  return { bucket: '', key: Buffer.from(`key-${index}`) };
}

async function putAll(node: RealNode, text: string, from = 0, to: number = keys): Promise<void> {
  for (let index = from; index < to; index++) {
    await node.keyValue.put({
      key: keyOf(index),
      value: { data: Buffer.from(`${text} ${index}`) },
      options: { strength: { $case: 'consistency', value: quorum } },
    });
  }
}

/** How many replicas of all keys hold exactly what the others hold. */
async function identical(node: RealNode): Promise<number> {
  let count = 0;
  for (let index = 0; index < keys; index++) {
    const { replicas } = await node.diagnostics.inspectKey({ key: keyOf(index), includeData: true });
    const views = new Set(
      replicas.map(({ versions, contextText }) => JSON.stringify([versions, contextText])),
    );
    if (views.size === 1 && replicas.every(({ error, damaged }) => error === undefined && !damaged)) count++;
  }
  return count;
}

/** What a node says of itself under this name. */
async function gauge(node: RealNode, name: string): Promise<number> {
  const { gauges } = await node.diagnostics.getNodeStatus({});
  return gauges[name] ?? Number.NaN;
}

for (const engine of ['lsm', 'btree'] as const) {
  test(`${engine}: a node that missed writes is made equal without a read, and then nothing is repaired any more`, {
    timeout: 90_000,
  }, async () => {
    await using cluster = await RealCluster.start({ engine, flags: withoutHints });
    const [first, , last] = cluster.nodes as [RealNode, RealNode, RealNode];
    await putAll(first, 'before');
    await last.kill('SIGKILL');
    await putAll(first, 'during', 50, 150);
    for (let index = 150; index < 170; index++) {
      await first.keyValue.delete({
        key: keyOf(index),
        options: { strength: { $case: 'consistency', value: quorum } },
      });
    }
    last.start();
    await cluster.ready();
    await until(async () => (await identical(first)) === keys, 30_000);

    await fiveRounds(cluster);
    const { operation } = await createClient(OperationServiceDefinition, first.channel).startRepair({
      dryRun: true,
    });
    expect(operation?.nodeId).toBe('n1');
    const watched = [];
    const watching = createClient(OperationServiceDefinition, first.channel);
    for await (const { operation: now } of watching.watchOperation({ id: operation?.id ?? '' })) {
      watched.push(now);
    }
    expect(watched.at(-1)).toMatchObject({ state: 2, progress: 1 });
    expect(watched.at(-1)?.counters).toMatchObject({ keys_differing: 0, peers_skipped: 0 });
    expect(await kindred(first, 'repair', '--watch')).toMatchObject({
      repairs: ['n1', 'n2', 'n3'].map((node) => ({ node, state: 'done', counters: { keys_repaired: 0 } })),
    });
    expect(await kindred(first, 'divergence')).toMatchObject({
      nodes: ['n1', 'n2', 'n3'].map((node) => ({ node, sampled: keys, divergent: 0, unknown: 0 })),
    });
  });
}

/** What a command that must end well prints. */
async function kindred(node: RealNode, ...args: readonly string[]): Promise<unknown> {
  let out = '';
  const terminal: Terminal = {
    ...processTerminal(),
    out: (text) => {
      out += String(text);
    },
    environment: { KINDRED_ENDPOINT: `${node.host}:${node.ports.client}` },
  };
  expect(await runKindred([...args, '--json'], terminal, { version: 'test' })).toBe(0);
  return JSON.parse(out);
}

/** Waits until every node has compared with every other five times, in which nothing was repaired. */
async function fiveRounds({ nodes }: RealCluster): Promise<void> {
  const all = async (name: string): Promise<number[]> =>
    await Promise.all(nodes.map((node) => gauge(node, name)));
  const repaired = await all('keys_repaired');
  const before = await all('comparisons');
  await until(async () => {
    const now = await all('comparisons');
    return now.every((count, index) => count - (before[index] as number) >= 5 * (nodes.length - 1));
  }, 30_000);
  expect(await all('keys_repaired')).toEqual(repaired);
}

/**
 * Nodes that miss writes because they are down, with anti-entropy off and nobody reading: hints alone bring them level, also
 * when those that keep them are killed meanwhile. `InspectKey` shows what each replica holds and changes nothing.
 */

import { createClient } from 'nice-grpc';
import { expect, test } from 'vitest';
import { NodeState, TopologyServiceDefinition } from '../../src/gen/kindred/v1/topology.ts';
import { ConsistencyLevel, Handoff, type WriteReport } from '../../src/gen/kindred/v1/types.ts';
import { RealCluster, type RealNode, until } from '../support/real-cluster.ts';

const quorum = ConsistencyLevel.CONSISTENCY_LEVEL_QUORUM;
const hintsOnly = ['--set', 'anti_entropy.enabled=false', '--set', 'reads.repair_chance=0'];
const patienceMs = 60_000;

function keyOf(index: number) {
  return { bucket: '', key: Buffer.from(`key-${index}`) };
}

async function put(
  node: RealNode,
  index: number,
  text: string,
  handoff: Handoff = Handoff.HANDOFF_UNSPECIFIED,
): Promise<WriteReport | undefined> {
  const { report } = await node.keyValue.put({
    key: keyOf(index),
    value: { data: Buffer.from(text.padEnd(400)) },
    options: { strength: { $case: 'consistency', value: quorum }, handoff },
  });
  return report;
}

/** Of the keys, how many all replicas hold alike. */
async function identical(node: RealNode, indexes: readonly number[]): Promise<number> {
  let count = 0;
  for (const index of indexes) {
    const { replicas } = await node.diagnostics.inspectKey({ key: keyOf(index), includeData: true });
    const views = new Set(
      replicas.map(({ versions, contextText }) => JSON.stringify([versions, contextText])),
    );
    if (views.size === 1 && replicas.every(({ error, damaged }) => error === undefined && !damaged)) count++;
  }
  return count;
}

/** A metric of a node, summed over its labels. */
async function metric(node: RealNode, name: string): Promise<number> {
  const text = await (await fetch(`http://${node.host}:${node.ports.http}/metrics`)).text();
  let sum = 0;
  for (const match of text.matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? ([0-9.e+]+)$`, 'gm'))) {
    sum += Number(match[1]);
  }
  return sum;
}

async function noHints(nodes: readonly RealNode[]): Promise<boolean> {
  const pending = await Promise.all(nodes.map((node) => metric(node, 'kindred_hints_pending')));
  return pending.every((count) => count === 0);
}

async function hintsPending(node: RealNode, count: number): Promise<void> {
  let pending = -1;
  const reached = async (): Promise<boolean> => {
    pending = await metric(node, 'kindred_hints_pending');
    return pending === count;
  };
  await until(reached).catch((cause: unknown) => {
    throw new Error(`${node.id} has ${pending} hints, and not ${count}`, { cause });
  });
}

const range = (from: number, to: number): readonly number[] =>
  Array.from({ length: to - from }, (_, at) => from + at);

for (const engine of ['lsm', 'btree'] as const) {
  test(`${engine}: hints bring a node level that missed writes, though their holder and the node are killed meanwhile`, {
    timeout: 2 * patienceMs,
  }, async () => {
    // Slowly enough that the kills come in the midst of it.
    const slowly = ['--set', 'hints.replay_bytes_per_second=40000'];
    await using cluster = await RealCluster.start({ engine, flags: [...hintsOnly, ...slowly] });
    const [first, second, last] = cluster.nodes as [RealNode, RealNode, RealNode];
    for (const index of range(0, 100)) await put(first, index, 'before');
    // What is on its way when the node dies would be hinted too.
    await until(async () => (await identical(first, range(0, 100))) === 100);
    await last.kill('SIGKILL');
    const written = range(50, 250);
    for (const index of written) await put(index % 2 === 0 ? first : second, index, 'during');
    for (const index of range(0, 20)) {
      await first.keyValue.delete({
        key: keyOf(index),
        options: { strength: { $case: 'consistency', value: quorum } },
      });
    }
    // Overwritten: one hint holds both.
    await put(first, 100, 'again');
    await hintsPending(first, 120);
    await hintsPending(second, 100);

    await first.kill('SIGKILL');
    first.start();
    await first.ready();
    expect(await metric(first, 'kindred_hints_pending')).toBe(120);

    last.start();
    await until(async () => (await metric(first, 'kindred_hints_pending')) < 100, patienceMs);
    await first.kill('SIGKILL');
    await last.kill('SIGKILL');
    first.start();
    await first.ready();
    expect(await metric(first, 'kindred_hints_pending')).toBeGreaterThan(0);
    last.start();
    await cluster.ready();
    await until(() => noHints([first, second]), patienceMs);
    expect(await identical(last, range(0, 250))).toBe(250);
    for (const node of cluster.nodes) {
      expect(await metric(node, 'kindred_hints_dropped_total')).toBe(0);
      expect(await metric(node, 'kindred_read_repairs_total')).toBe(0);
    }
  });
}

test('sloppy: writes go on while most homes of a key are down, and what stood in for them is handed on', {
  timeout: 2 * patienceMs,
}, async () => {
  await using cluster = await RealCluster.start({ nodes: 5, flags: hintsOnly });
  const nodeOf = (id: string): RealNode => cluster.nodes.find((node) => node.id === id) as RealNode;
  const [down, alsoDown, ...up] = cluster.nodes as [RealNode, RealNode, RealNode, RealNode, RealNode];
  const topology = createClient(TopologyServiceDefinition, up[0].channel);
  const isAway = (id: string): boolean => id === down.id || id === alsoDown.id;
  // Keys of which two homes will be away.
  const hit: number[] = [];
  for (let index = 0; hit.length < 40; index++) {
    const { replicas } = await topology.locate({ key: keyOf(index) });
    if (replicas.slice(0, 3).filter(({ nodeId }) => isAway(nodeId)).length === 2) hit.push(index);
  }
  await Promise.all([down.kill('SIGKILL'), alsoDown.kill('SIGKILL')]);
  await until(async () => {
    const { topology: seen } = await topology.getTopology({});
    return seen?.nodes.filter(({ state }) => state !== NodeState.NODE_STATE_UP).length === 2;
  });
  const strict = put(up[0], hit[0] as number, 'strict', Handoff.HANDOFF_STRICT);
  await expect(strict).rejects.toThrow(/UNAVAILABLE/);
  for (const index of hit) {
    const { acked, hinted } = (await put(up[0], index, 'sloppy', Handoff.HANDOFF_SLOPPY)) as WriteReport;
    expect([acked, hinted]).toEqual([1, 1]);
  }
  // One home keeps a hint for one of those that are away, a node that is no home for the other.
  await until(async () => {
    const pending = await Promise.all(up.map((node) => metric(node, 'kindred_hints_pending')));
    return pending.reduce((sum, count) => sum + count) === 2 * hit.length;
  });
  // Those that stood in die, and hand on after their restart.
  for (const node of up.slice(1)) {
    await node.kill('SIGKILL');
    node.start();
    await until(async () => (await metric(node, 'kindred_hints_pending')) >= 0);
  }
  down.start();
  alsoDown.start();
  await cluster.ready();
  await until(() => noHints(cluster.nodes), patienceMs);
  expect(await identical(nodeOf('n1'), hit)).toBe(hit.length);
});

/** A node that is started on an older copy of its data directory: no dot names two writes, and the replicas end equal. */

import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { parseConfig } from '../../src/config/parse-config.ts';
import type { ReadResult, WriteResult } from '../../src/coordinator/operation.ts';
import type { Bucket } from '../../src/core/bucket.ts';
import { nodeId } from '../../src/core/identity.ts';
import type { ConsistencyLevel } from '../../src/core/quorum/consistency-level.ts';
import { recordKeyOf } from '../../src/core/ring/record-key.ts';
import { MemoryNetwork } from '../../src/env/memory-network.ts';
import { systemEnv } from '../../src/env/system-env.ts';
import { type NodeParts, wireNode } from '../../src/wiring.ts';

const names = ['n1', 'n2', 'n3'] as const;
type Name = (typeof names)[number];
const recordKey = recordKeyOf('default', Buffer.from('k'));

let folder: string;
let network: MemoryNetwork;
let nodes: Map<Name, NodeParts>;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kindred-restored-'));
  network = new MemoryNetwork({ env: systemEnv() });
  nodes = new Map();
  for (const name of names) await start(name);
  await allUp();
});
afterEach(async () => {
  for (const name of [...nodes.keys()]) await stop(name);
  await rm(folder, { recursive: true, force: true });
});

const node = (name: Name): NodeParts => nodes.get(name) as NodeParts;
const directory = (name: string): string => join(folder, name);

async function start(name: Name): Promise<void> {
  const members = names.map((id, i) => `  - { id: ${id}, host: 127.0.0.${i + 1}, peer_port: ${7501 + i} }`);
  const text = `cluster: { id: test, replication: 3, partitions: 64 }\nmembers:\n${members.join('\n')}
heartbeat: { interval_ms: 50 }
failure_detector: { acceptable_pause_ms: 200, deviation_ms_min: 20, probe_timeout_ms: 100, suspicion_ms: 500 }
reads: { repair_chance: 0 }
storage: { engine: lsm, path: ${JSON.stringify(directory(name))} }
log: { level: silent }\nnode: ${name}\n`;
  const { config } = parseConfig({ file: { name: 'test.yaml', text } });
  const parts = await wireNode(config, { network });
  nodes.set(name, parts);
  await parts.peers.start();
}

async function stop(name: Name): Promise<void> {
  const { peers, store } = node(name);
  nodes.delete(name);
  await peers.stop();
  await store.close();
}

async function allUp(): Promise<void> {
  const up = (): boolean =>
    [...nodes.values()].every(({ peers }) => names.every((name) => peers.isUp(nodeId(name))));
  // Ended by the time-out of the test, if it never comes true.
  while (!up()) await new Promise((resolve) => setImmediate(resolve));
}

function operation(at: Name, level: ConsistencyLevel) {
  const { buckets, env } = node(at);
  return {
    bucket: buckets.get('default') as Bucket,
    recordKey,
    strength: { kind: 'level', level } as const,
    deadlineMs: env.clock.monotonicMs() + 5_000,
  };
}

async function put(
  at: Name,
  value: string,
  level: ConsistencyLevel,
): Promise<Extract<WriteResult, { kind: 'written' }>> {
  const result = await node(at).coordinator.write({
    ...operation(at, level),
    intent: {
      value: Buffer.from(value),
      causality: { kind: 'blind', mode: 'overwrite' },
      expiry: { kind: 'never' },
      requestId: undefined,
    },
    durability: 'sync-quorum',
    handoff: 'strict',
    encodeForwarded: undefined,
  });
  if (result.kind !== 'written') throw new Error('every node is a home here');
  return result;
}

async function get(at: Name, level: ConsistencyLevel): Promise<ReadResult> {
  return node(at).coordinator.read({ ...operation(at, level), fallback: [], minContext: undefined });
}

const valuesOf = ({ record }: ReadResult): readonly string[] =>
  (record?.versions ?? []).map(({ value }) => Buffer.from(value ?? []).toString()).sort();

test('a write on a restored node does not take a dot that was given out after the copy was made', async () => {
  const first = await put('n1', 'one', 'all');
  await stop('n1');
  await cp(directory('n1'), directory('backup'), { recursive: true });
  await start('n1');
  await allUp();
  const second = await put('n1', 'two', 'all');
  // The copy does not know this one, and would count on to the same number.
  expect(second.dot).toEqual({ ...first.dot, counter: first.dot.counter + 1 });

  await stop('n1');
  await rm(directory('n1'), { recursive: true });
  await cp(directory('backup'), directory('n1'), { recursive: true });
  await start('n1');
  await allUp();
  const third = await put('n1', 'three', 'all');
  expect(third.dot.replica).not.toBe(first.dot.replica);

  // Neither is lost: the restored node wrote without having seen the second.
  for (const name of names) expect(valuesOf(await get(name, 'all'))).toEqual(['three', 'two']);
});

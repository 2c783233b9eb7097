/** Three whole nodes in one process, but for the doors: real coordinators, replicas, stores and peer links over a network in memory. */

import { afterEach, expect, test } from 'vitest';
import { parseConfig } from '../../src/config/parse-config.ts';
import type {
  ReadOperation,
  ReadResult,
  WriteOperation,
  WriteResult,
} from '../../src/coordinator/operation.ts';
import type { Bucket } from '../../src/core/bucket.ts';
import { type CausalContext, contextOf } from '../../src/core/causality/context-token.ts';
import type { Causality } from '../../src/core/causality/coordinated-write.ts';
import { OperationError } from '../../src/core/coordinator/failure.ts';
import { nodeId } from '../../src/core/identity.ts';
import type { ConsistencyLevel } from '../../src/core/quorum/consistency-level.ts';
import { recordKeyOf } from '../../src/core/ring/record-key.ts';
import { MemoryNetwork } from '../../src/env/memory-network.ts';
import { systemEnv } from '../../src/env/system-env.ts';
import type { StorageEngine } from '../../src/storage/engine.ts';
import { type NodeParts, wireNode } from '../../src/wiring.ts';
import { ControlledEngine } from '../support/controlled-engine.ts';

const recordsRange = { from: Uint8Array.of(1), to: Uint8Array.of(2) };

class InProcessCluster {
  readonly network = new MemoryNetwork({ env: systemEnv() });
  readonly nodes = new Map<string, NodeParts>();
  readonly engines = new Map<string, ControlledEngine>();
  readonly #members: number;

  constructor(members: number) {
    this.#members = members;
  }

  static async start(members = 3): Promise<InProcessCluster> {
    const cluster = new InProcessCluster(members);
    for (let i = 1; i <= members; i++) await cluster.startNode(`n${i}`);
    await cluster.until(() => cluster.#allConnected());
    return cluster;
  }

  /** Starts a node over what its earlier life stored. */
  async startNode(name: string): Promise<void> {
    const lines = Array.from(
      { length: this.#members },
      (_, i) => `  - { id: n${i + 1}, host: 127.0.0.${i + 1}, peer_port: ${7501 + i} }`,
    );
    const text = `cluster: { id: test, replication: 3, partitions: 64 }\nmembers:\n${lines.join('\n')}
heartbeat: { interval_ms: 50 }
reads: { repair_chance: 0 }
storage: { engine: memory, record_cache_bytes: 0 }
log: { level: silent }\nnode: ${name}\n`;
    const { config } = parseConfig({ file: { name: 'test.yaml', text } });
    const engine = this.engines.get(name) ?? new ControlledEngine();
    this.engines.set(name, engine);
    // A memory engine forgets when it is closed: this one is left open, as a disk would be.
    const disk: StorageEngine = Object.assign(Object.create(engine) as StorageEngine, {
      get: (key: Uint8Array) => engine.get(key),
      flush: () => engine.flush(),
      write: (...call: Parameters<StorageEngine['write']>) => engine.write(...call),
      entries: (...call: Parameters<StorageEngine['entries']>) => engine.entries(...call),
      close: () => Promise.resolve(),
    });
    const parts = await wireNode(config, { network: this.network, openEngine: () => Promise.resolve(disk) });
    this.nodes.set(name, parts);
    await parts.peers.start();
    parts.replay.start();
  }

  async stopNode(name: string): Promise<void> {
    const { replay, peers, store } = this.node(name);
    this.nodes.delete(name);
    const replayed = replay.stop();
    await peers.stop();
    await replayed;
    await store.close();
    await this.until(() => [...this.nodes.values()].every((other) => !other.peers.isUp(nodeId(name))));
  }

  async restart(name: string): Promise<void> {
    await this.startNode(name);
    await this.until(() => this.#allConnected());
  }

  async stop(): Promise<void> {
    for (const name of [...this.nodes.keys()]) await this.stopNode(name);
  }

  node(name: string): NodeParts {
    const parts = this.nodes.get(name);
    if (parts === undefined) throw new Error(`${name} is not running`);
    return parts;
  }

  async put(
    at: string,
    key: string,
    value: string,
    level: ConsistencyLevel,
    more: { readonly causality?: Causality; readonly requestId?: Uint8Array } = {},
  ): Promise<Extract<WriteResult, { kind: 'written' }>> {
    const operation: WriteOperation = {
      ...this.#operation(at, key, level),
      intent: {
        value: Buffer.from(value),
        causality: more.causality ?? { kind: 'blind', mode: 'overwrite' },
        expiry: { kind: 'never' },
        requestId: more.requestId,
      },
      durability: 'sync-quorum',
      handoff: 'strict',
      encodeForwarded: undefined,
    };
    const result = await this.node(at).coordinator.write(operation);
    if (result.kind !== 'written') throw new Error('every node is a home here');
    return result;
  }

  get(at: string, key: string, level: ConsistencyLevel, minContext?: CausalContext): Promise<ReadResult> {
    const operation: ReadOperation = { ...this.#operation(at, key, level), fallback: [], minContext };
    return this.node(at).coordinator.read(operation);
  }

  /** What the node has stored for the key, byte for byte; empty for nothing. */
  stored(name: string, key: string): string {
    const { store, placementFor } = this.node(name);
    const partitions = placementFor(3).layout.partitions;
    for (let partition = 0; partition < partitions; partition++) {
      const read = store.records.read(partition as never, recordKeyOf('default', Buffer.from(key)));
      if (read.kind === 'found') return Buffer.from(read.record).toString('hex');
      if (read.kind === 'damaged') return 'damaged';
    }
    return '';
  }

  /** All nodes hold the same bytes, and some. */
  converged(key: string): boolean {
    const all = new Set([...this.nodes.keys()].map((name) => this.stored(name, key)));
    return all.size === 1 && !all.has('') && !all.has('damaged');
  }

  async until(condition: () => boolean): Promise<void> {
    // Ended by the time-out of the test, if it never comes true.
    while (!condition()) await new Promise((resolve) => setImmediate(resolve));
  }

  #operation(at: string, key: string, level: ConsistencyLevel) {
    const { buckets, env } = this.node(at);
    return {
      bucket: buckets.get('default') as Bucket,
      recordKey: recordKeyOf('default', Buffer.from(key)),
      strength: { kind: 'level', level } as const,
      deadlineMs: env.clock.monotonicMs() + 5_000,
    };
  }

  #allConnected(): boolean {
    return [...this.nodes.values()].every((parts) =>
      [...this.nodes.keys()].every((name) => parts.peers.isUp(nodeId(name))),
    );
  }
}

function valuesOf({ record }: ReadResult): readonly string[] {
  return (record?.versions ?? [])
    .map(({ value }) => (value === undefined ? '(deleted)' : Buffer.from(value).toString()))
    .sort();
}

async function failureOf(running: Promise<unknown>): Promise<string> {
  try {
    await running;
    return 'none';
  } catch (error) {
    if (error instanceof OperationError) return error.failure.kind;
    throw error;
  }
}

let cluster: InProcessCluster;
afterEach(() => cluster.stop());

test('put and get at every level, through every node', async () => {
  cluster = await InProcessCluster.start();
  const levels = [
    'one',
    'two',
    'three',
    'quorum',
    'all',
    'local-one',
    'local-quorum',
    'each-quorum',
  ] as const;
  for (const level of levels) {
    for (const at of ['n1', 'n2', 'n3']) {
      const key = `${level}-${at}`;
      const { context, report } = await cluster.put(at, key, 'v', level);
      expect(report.synced).toBe(report.acked);
      // With the context of its own write even the weakest read sees it, wherever it is made.
      for (const reader of ['n1', 'n2', 'n3']) {
        expect(valuesOf(await cluster.get(reader, key, 'one', context))).toEqual(['v']);
        if (level !== 'one' && level !== 'local-one') {
          expect(valuesOf(await cluster.get(reader, key, 'quorum'))).toEqual(['v']);
        }
      }
      await cluster.until(() => cluster.converged(key));
    }
  }
  expect((await cluster.put('n1', 'k', 'v', 'any')).report).toMatchObject({ hinted: 0, acked: 1 });
  expect(await failureOf(cluster.get('n1', 'k', 'any'))).toBe('invalid');
});

test('writers that race leave siblings everywhere, and one put resolves them', async () => {
  cluster = await InProcessCluster.start();
  const causality = { kind: 'blind', mode: 'add-sibling' } as const;
  await Promise.all(
    ['n1', 'n2', 'n3'].flatMap((at) =>
      [1, 2, 3].map((i) => cluster.put(at, 'k', `${at}-${i}`, 'quorum', { causality })),
    ),
  );
  const read = await cluster.get('n2', 'k', 'all');
  expect(valuesOf(read).length).toBe(9);
  const seen = { kind: 'context', context: contextOf(read.record), exact: false } as const;
  await cluster.put('n3', 'k', 'resolved', 'quorum', { causality: seen });
  expect(valuesOf(await cluster.get('n1', 'k', 'quorum'))).toEqual(['resolved']);
  await cluster.until(() => cluster.converged('k'));
});

test('with one node stopped quorums go on; when it is back, reads bring it up to date', async () => {
  cluster = await InProcessCluster.start();
  await cluster.put('n1', 'k', 'before', 'all');
  await cluster.stopNode('n3');
  expect((await cluster.put('n1', 'k', 'after', 'quorum')).report.acked).toBe(2);
  await cluster.put('n2', 'new', 'v', 'quorum');
  expect(valuesOf(await cluster.get('n2', 'k', 'quorum'))).toEqual(['after']);
  expect(await failureOf(cluster.put('n1', 'k', 'x', 'all'))).toBe('not-enough-replicas');
  expect(await failureOf(cluster.get('n1', 'k', 'three'))).toBe('not-enough-replicas');

  await cluster.restart('n3');
  expect(cluster.converged('k')).toBe(false);
  // Coordinated by the one that missed the writes, which counts itself among the two.
  expect(valuesOf(await cluster.get('n3', 'k', 'quorum'))).toEqual(['after']);
  expect(valuesOf(await cluster.get('n3', 'new', 'quorum'))).toEqual(['v']);
  await cluster.until(() => cluster.converged('k') && cluster.converged('new'));
  const { report } = await cluster.get('n3', 'k', 'all');
  expect([report.agreed, report.repairStarted]).toEqual([3, false]);
});

test('a retry through another node counts once', async () => {
  cluster = await InProcessCluster.start();
  const more = {
    causality: { kind: 'blind', mode: 'add-sibling' } as const,
    requestId: new Uint8Array(16).fill(7),
  };
  const first = await cluster.put('n1', 'k', 'v', 'all', more);
  const second = await cluster.put('n2', 'k', 'v', 'quorum', more);
  expect([second.report.replayed, second.dot]).toEqual([true, first.dot]);
  expect(valuesOf(await cluster.get('n3', 'k', 'all'))).toEqual(['v']);
});

test('a record that rots is not served, and comes back from its peers', async () => {
  cluster = await InProcessCluster.start();
  await cluster.put('n1', 'k', 'v', 'all');
  await cluster.until(() => cluster.converged('k'));
  const good = cluster.stored('n2', 'k');
  const rot = (value: Uint8Array): Uint8Array => value.with(5, (value[5] as number) ^ 64);
  expect(await cluster.engines.get('n1')?.replace(recordsRange, rot)).toBe(1);
  expect(valuesOf(await cluster.get('n1', 'k', 'quorum'))).toEqual(['v']);
  await cluster.until(() => cluster.stored('n1', 'k') !== 'damaged');
  // What forgot has opened a new epoch, of which its peers hear at the next read of them all.
  expect(cluster.stored('n1', 'k').length).toBeGreaterThan(good.length);
  await cluster.get('n2', 'k', 'all');
  await cluster.until(() => cluster.converged('k'));

  expect(await cluster.engines.get('n1')?.replace(recordsRange, rot)).toBe(1);
  await cluster.put('n1', 'k', 'w', 'quorum');
  expect(valuesOf(await cluster.get('n2', 'k', 'quorum'))).toEqual(['w']);
});

test('with two copies of a key gone, a rotten third is not written over', async () => {
  cluster = await InProcessCluster.start();
  await cluster.put('n1', 'k', 'v', 'all');
  await cluster.until(() => cluster.converged('k'));
  await cluster.engines
    .get('n1')
    ?.replace(recordsRange, (value) => value.with(5, 0xff ^ (value[5] as number)));
  await cluster.stopNode('n3');
  expect(await failureOf(cluster.put('n1', 'k', 'w', 'quorum'))).toBe('storage-failed');
  expect(await failureOf(cluster.get('n2', 'k', 'quorum'))).toBe('replica-failure');
  expect(cluster.stored('n1', 'k')).toBe('damaged');
  await cluster.restart('n3');
  await cluster.put('n1', 'k', 'w', 'quorum');
  expect(valuesOf(await cluster.get('n3', 'k', 'quorum'))).toEqual(['w']);
});

test('a store that was put back below its file system is stopped by its peers, and returns as a new replica', async () => {
  cluster = await InProcessCluster.start();
  const first = await cluster.put('n1', 'k', 'one', 'all');
  // Of a store that has never kept a mark nobody could tell.
  await cluster.node('n1').store.identity.saveHighWater(1_000_000);
  const snapshot = await (cluster.engines.get('n1') as ControlledEngine).copy();
  const { store, env } = cluster.node('n1');
  await store.identity.saveHighWater(env.clock.wallMicros());
  await cluster.stopNode('n1');
  await cluster.restart('n1');
  const second = await cluster.put('n1', 'k', 'two', 'all');
  expect(second.dot).toEqual({ ...first.dot, counter: first.dot.counter + 1 });
  await cluster.stopNode('n1');

  cluster.engines.set('n1', snapshot);
  await cluster.startNode('n1');
  await cluster.until(() => cluster.node('n1').store.failure !== undefined);
  expect(cluster.node('n1').store.failure).toMatchObject({
    code: 'set-back',
    message: expect.stringContaining('the data store of n1 has been put back to an earlier state'),
  });
  expect(await failureOf(cluster.put('n1', 'k', 'never', 'one'))).toBe('storage-failed');
  await cluster.stopNode('n1');

  await cluster.restart('n1');
  const third = await cluster.put('n1', 'k', 'three', 'all');
  expect(third.dot.replica).not.toBe(first.dot.replica);
  for (const name of ['n1', 'n2', 'n3']) {
    expect(valuesOf(await cluster.get(name, 'k', 'all'))).toEqual(['three', 'two']);
  }
});

/**
 * What the Merkle trees cost: how fast they are read from the disk, and what keeping them takes of a put. One process, no network:
 * `npx node bench/trees.ts`, with `--keys`, `--rounds`, `--engine` and `--directory`.
 */

import { rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import { crc32 } from 'node:zlib';
import { ReplicaTrees } from '../src/anti-entropy/replica-trees.ts';
import { plainTable } from '../src/cli/answer-text.ts';
import { unthrottled } from '../src/core/background/throttle.ts';
import type { Bucket } from '../src/core/bucket.ts';
import { encodeRecord } from '../src/core/causality/record-codec.ts';
import { HybridClock } from '../src/core/hybrid-clock.ts';
import { nodeId, replicaId } from '../src/core/identity.ts';
import { Placement } from '../src/core/ring/placement.ts';
import { recordKeyOf } from '../src/core/ring/record-key.ts';
import { partitionOf } from '../src/core/ring/token.ts';
import { systemEnv } from '../src/env/system-env.ts';
import { loadHash64 } from '../src/env/xxhash.ts';
import type { RecordChanges } from '../src/replica/pending-records.ts';
import { RecordCache } from '../src/replica/record-cache.ts';
import { type PlacedKey, Replica } from '../src/replica/replica.ts';
import { RequestMemory } from '../src/replica/request-memory.ts';
import type { EngineKind, StorageEngine } from '../src/storage/engine.ts';
import { GroupCommit } from '../src/storage/group-commit.ts';
import { openIdentityStore } from '../src/storage/identity-store.ts';
import { openEngine } from '../src/storage/open-engine.ts';
import { RecordStore } from '../src/storage/record-store.ts';
import { TreeStore } from '../src/storage/tree-store.ts';
import { sealValue } from '../src/storage/value-envelope.ts';

const env = systemEnv();
const hash64 = await loadHash64();
const partitions = 4_096;
const valueBytes = 100;
const putKeys = 10_000;
const putsInFlight = 256;
const putWindowMs = 400;
const bucket: Bucket = {
  name: 'default',
  replication: 3,
  readLevel: 'quorum',
  writeLevel: 'quorum',
  durability: 'sync-quorum',
  handoff: 'strict',
  conflictPolicy: 'siblings',
  blindWrite: 'overwrite',
  siblingsWarn: 25,
  siblingsMax: 100,
  ttlMs: undefined,
  valueBytesMax: 2 ** 20,
};
const members = ['n1', 'n2', 'n3'].map((id) => ({ id: nodeId(id), zone: id, weight: 1 }));
const placement = new Placement({ version: 1, members, replication: 3, partitions }, 3, hash64);
const value = Buffer.alloc(valueBytes, 'v');

/** A replica's store with its trees, and nothing else of a node. */
interface Store {
  readonly engine: StorageEngine;
  readonly trees: ReplicaTrees;
  /** With `kept` every write is told to the trees, else to nobody. */
  replica(kept: boolean): Replica;
}

async function openStore(kind: EngineKind, path: string): Promise<Store> {
  const engine = await openEngine({ kind, path, integrityCheck: 'quick' });
  const shared = { engine, crc32, env, commit: new GroupCommit({ engine, env }) };
  const identity = await openIdentityStore(shared, {
    clusterId: 'bench',
    nodeId: nodeId('n1'),
    partitionCount: partitions,
    path,
  });
  const records = new RecordStore(shared);
  const replicas: Replica[] = [];
  const trees = new ReplicaTrees(
    {
      env,
      self: nodeId('n1'),
      hash64,
      buckets: new Map([[bucket.name, bucket]]),
      placementFor: () => placement,
      records,
      store: new TreeStore(shared),
      changesIn: (partition) => replicas.flatMap((replica) => [...replica.changesIn(partition)]),
      throttle: unthrottled,
      isAged: () => false,
      onRepaired: (partition) => {
        throw new Error(`the trees of partition ${partition} were wrong`);
      },
      onError: (error) => {
        throw error;
      },
    },
    // Neither stored nor read again while it is measured.
    { partitions, rebuildEveryMs: 7 * 24 * 3_600_000, storeEveryMs: 24 * 3_600_000 },
  );
  await trees.open();
  const nobody: RecordChanges = { changed: () => undefined, isWalked: () => false };
  const wallMicros = (): number => env.clock.wallMicros();
  const clock = new HybridClock(wallMicros, 0, 10_000_000);
  const own = {
    replica: identity.replicaId,
    epochFloor: identity.epochFloor,
    nextEpoch: () => identity.nextEpoch(),
    get epochsLeft() {
      return identity.epochsLeft;
    },
    ensureEpochs: () => identity.ensureEpochs(),
    markBufferedDots: () => identity.markBufferedDots(),
  };
  return {
    engine,
    trees,
    replica(kept) {
      // None: what one of them remembers the other may have changed.
      const cache = new RecordCache(0);
      const requests = new RequestMemory(() => env.clock.monotonicMs(), { entriesMax: 1, windowMs: 1 });
      const replica = new Replica(
        { records, changes: kept ? trees : nobody, cache, identity: own, clock, requests, wallMicros },
        { recordBytesMax: 8 * 2 ** 20 },
      );
      replicas.push(replica);
      return replica;
    },
  };
}

function keyOf(index: number): PlacedKey {
  const recordKey = recordKeyOf(bucket.name, new TextEncoder().encode(`key-${index}`));
  return { recordKey, partition: partitionOf(hash64(recordKey), partitions), bucket };
}

/** Records as puts leave them, without the time that puts take. */
async function fill(kind: EngineKind, path: string, keys: number): Promise<void> {
  const { engine } = await openStore(kind, path);
  for (let from = 0; from < keys; from += 1_000) {
    const operations = Array.from({ length: Math.min(1_000, keys - from) }, (_, i) => {
      const { recordKey, partition } = keyOf(from + i);
      const dot = { replica: replicaId(1), epoch: from + i + 1, counter: 1 };
      const version = { dot, clock: [], value, writtenAt: 1, expiresAt: undefined, requestId: undefined };
      const key = Buffer.concat([Uint8Array.of(1, partition >> 8, partition & 0xff), recordKey]);
      const record = encodeRecord({ clock: [dot], versions: [version] }, crc32);
      return { kind: 'put' as const, key, value: sealValue(crc32, key, record) };
    });
    await engine.write(operations, { sync: false });
  }
  await engine.flush();
  await engine.close();
}

interface Reading {
  readonly keysPerSecond: number;
  readonly cpuMicrosPerKey: number;
  readonly eventLoopDelayMsP99: number;
}

/** Opens the store and reads all trees. */
async function read(kind: EngineKind, path: string, keys: number): Promise<Reading> {
  const { engine, trees } = await openStore(kind, path);
  const delay = monitorEventLoopDelay({ resolution: 1 });
  const cpu = process.cpuUsage();
  const started = performance.now();
  delay.enable();
  trees.start();
  while (!trees.ready(bucket.replication)) await new Promise((resolve) => setTimeout(resolve, 5));
  const seconds = (performance.now() - started) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  delay.disable();
  const { keysRead } = trees.progress;
  if (keysRead !== keys) throw new Error(`${keysRead} keys were read, and there are ${keys}`);
  await engine.close();
  return {
    keysPerSecond: keys / seconds,
    cpuMicrosPerKey: (user + system) / keys,
    eventLoopDelayMsP99: delay.percentile(99) / 1e6,
  };
}

interface Putting {
  readonly putsPerSecond: number;
  readonly cpuMicrosPerPut: number;
  /** Of the one thread that runs JavaScript. */
  readonly threadMicrosPerPut: number;
}

/** Puts at random keys, each fsynced, as many at once as a busy node has. */
async function put(replica: Replica, windowMs: number): Promise<Putting> {
  const options = { sync: true, forgetDamaged: false, mayBegin: () => true };
  const intent = {
    value,
    causality: { kind: 'blind', mode: 'overwrite' },
    expiry: { kind: 'never' },
    requestId: undefined,
  } as const;
  const cpu = process.cpuUsage();
  const thread = process.threadCpuUsage();
  const started = performance.now();
  let puts = 0;
  await Promise.all(
    Array.from({ length: putsInFlight }, async () => {
      while (performance.now() - started < windowMs) {
        const { kind } = await replica.coordinate(
          keyOf(Math.floor(Math.random() * putKeys)),
          intent,
          options,
        );
        if (kind !== 'written') throw new Error(`a put was ${kind}`);
        puts++;
      }
    }),
  );
  const seconds = (performance.now() - started) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  const own = process.threadCpuUsage(thread);
  return {
    putsPerSecond: puts / seconds,
    cpuMicrosPerPut: (user + system) / puts,
    threadMicrosPerPut: (own.user + own.system) / puts,
  };
}

/** What `changed` takes by itself, in microseconds of CPU. */
function changeMicros(trees: ReplicaTrees): number {
  const places = Array.from({ length: putKeys }, (_, index) => keyOf(index));
  const [before, after] = [Buffer.alloc(150, 'a'), Buffer.alloc(150, 'b')];
  const rounds = 50;
  const started = process.threadCpuUsage();
  for (let round = 0; round < rounds; round++) {
    for (const place of places)
      trees.changed(place, round % 2 ? after : before, round % 2 ? before : after, true);
  }
  const { user, system } = process.threadCpuUsage(started);
  return (user + system) / (rounds * putKeys);
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] as number;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      keys: { type: 'string', default: '1000000' },
      rounds: { type: 'string', default: '30' },
      engine: { type: 'string', default: 'lsm' },
      directory: { type: 'string', default: tmpdir() },
    },
  });
  const { engine: kind } = values;
  const [keys, rounds] = [Number(values.keys), Number(values.rounds)];
  if (kind !== 'lsm' && kind !== 'btree') throw new Error(`--engine ${kind}: must be lsm or btree`);
  const directory = await mkdtemp(join(values.directory, 'kindred-bench-trees-'));
  process.on('exit', () => rmSync(directory, { recursive: true, force: true }));

  const full = join(directory, 'full');
  await fill(kind, full, keys);
  const readings: Reading[] = [];
  for (let round = 0; round < Math.min(rounds, 3); round++) readings.push(await read(kind, full, keys));
  const of = <Row>(rows: readonly Row[], figure: (row: Row) => number): number => median(rows.map(figure));
  process.stdout.write(
    `${kind}, ${keys} keys of ${valueBytes} bytes read from the disk: ` +
      `${Math.round(of(readings, (row) => row.keysPerSecond))} keys/s, ` +
      `${of(readings, (row) => row.cpuMicrosPerKey).toFixed(1)} us CPU/key (all threads), ` +
      `event loop late by ${of(readings, (row) => row.eventLoopDelayMsP99).toFixed(1)} ms (99th percentile)\n`,
  );

  const store = await openStore(kind, join(directory, 'puts'));
  const change = changeMicros(store.trees);
  const replicas = { without: store.replica(false), with: store.replica(true) };
  for (const replica of Object.values(replicas)) await put(replica, putWindowMs);
  const results: Record<'without' | 'with', Putting[]> = { without: [], with: [] };
  for (let round = 0; round < rounds; round++) {
    // In turn, and the order in turn: what the machine does meanwhile meets both.
    const order = round % 2 === 0 ? (['without', 'with'] as const) : (['with', 'without'] as const);
    for (const which of order) results[which].push(await put(replicas[which], putWindowMs));
  }
  const row = (which: 'without' | 'with'): string[] => [
    `${which} trees`,
    String(Math.round(of(results[which], (each) => each.putsPerSecond))),
    of(results[which], (each) => each.cpuMicrosPerPut).toFixed(1),
    of(results[which], (each) => each.threadMicrosPerPut).toFixed(1),
  ];
  process.stdout.write(
    `\n${plainTable(['puts of one replica', 'puts/s', 'CPU us/put', 'JavaScript us/put'], [row('without'), row('with')])}\n`,
  );
  // Each round against its neighbour: a machine that others use changes from one second to the next.
  const share = (figure: (each: Putting) => number): string => {
    const ratio = median(
      results.with.map((each, round) => figure(each) / figure(results.without[round] as Putting)),
    );
    return `${((ratio - 1) * 100).toFixed(1)} %`;
  };
  process.stdout.write(
    `\nwith trees, round by round: puts/s ${share((each) => each.putsPerSecond)}, ` +
      `CPU ${share((each) => each.cpuMicrosPerPut)}, JavaScript ${share((each) => each.threadMicrosPerPut)}\n`,
  );
  // The round that others disturbed least: their work takes the caches, and so CPU too.
  const least = (which: 'without' | 'with'): string =>
    Math.min(...results[which].map((each) => each.threadMicrosPerPut)).toFixed(1);
  process.stdout.write(
    `JavaScript us/put of the quietest round: ${least('without')} without, ${least('with')} with trees\n`,
  );
  process.stdout.write(`\none change of the trees alone: ${change.toFixed(2)} us\n`);
  await store.engine.close();
}

await main();
process.exit(0);

import { expect, test } from 'vitest';
import { ControlledEngine } from '../../test/support/controlled-engine.ts';
import {
  buckets,
  isHomeOf,
  partitions,
  peers,
  placeOf,
  self,
  TreeNode,
} from '../../test/support/tree-node.ts';
import { leafOf, leavesPerPartition, type TreeLevel } from '../core/anti-entropy/merkle-tree.ts';
import { nodeId, partitionId } from '../core/identity.ts';
import { digest64, loadHash64 } from '../env/xxhash.ts';
import type { RecordPlace } from '../replica/pending-records.ts';
import { BucketTrees } from './bucket-trees.ts';
import type { LeafEntry } from './replica-trees.ts';

const hash64 = await loadHash64();
const synced = { sync: true };
const allLeaves = Array.from({ length: leavesPerPartition }, (_, leaf) => leaf);
const allRecords = { from: Uint8Array.of(1), to: Uint8Array.of(2) };
const allTrees = { from: Uint8Array.of(4), to: Uint8Array.of(5) };
const nothing = new Uint8Array();
const [peer] = peers as [(typeof peers)[number]];

/** Places whose partition this node is a home of. */
function places(count: number): readonly RecordPlace[] {
  return Array.from({ length: count }, (_, key) => placeOf(key)).filter(isHomeOf);
}

async function fill(node: TreeNode, all: readonly RecordPlace[]): Promise<void> {
  await Promise.all(all.map((place, i) => node.put(place, `value ${i}`, synced)));
}

function flipBit(value: Uint8Array): Uint8Array {
  const flipped = value.slice();
  flipped[0] = (flipped[0] as number) ^ 1;
  return flipped;
}

async function expectTrue(node: TreeNode): Promise<void> {
  await node.rest();
  expect(node.leaves()).toEqual(await node.leavesOnDisk());
}

async function count(engine: ControlledEngine, range: typeof allTrees): Promise<number> {
  let entries = 0;
  for await (const _ of engine.entries(range)) entries++;
  return entries;
}

test('an empty store is ready at once, one with records after they were read', async () => {
  const engine = new ControlledEngine();
  const node = new TreeNode(engine);
  expect(node.trees.ready(3)).toBe(false);
  await node.trees.open();
  expect(node.trees.ready(3)).toBe(true);
  await fill(node, places(100));

  const next = new TreeNode(engine);
  await next.trees.open();
  expect(next.trees.ready(2)).toBe(false);
  expect(next.trees.hashes(peer, 3, 0, [])).toBeUndefined();
  next.trees.start();
  await expectTrue(next);
  expect(next.trees.ready(2)).toBe(true);
  expect(next.leaves()).toEqual(node.leaves());
  expect(next.trees.progress).toMatchObject({ keysRead: places(100).length, repaired: 0 });
});

test('after a clean stop nothing is read, and the first write to a partition takes its copy away before it is stored', async () => {
  const engine = new ControlledEngine();
  const node = await TreeNode.open(engine);
  await fill(node, places(100));
  await node.trees.stop();
  expect(await count(engine, allTrees)).toBe(partitions);

  const next = await TreeNode.open(engine);
  expect(next.trees.progress).toMatchObject({ unbuilt: 0, waiting: 0, stored: partitions });
  expect(next.leaves()).toEqual(node.leaves());
  const [place] = places(100) as [RecordPlace];
  const { syncedWrites } = engine;
  await next.put(place, 'new', { sync: false });
  // One batch, and it was synced for the sake of the copy.
  expect(engine.syncedWrites).toBe(syncedWrites + 1);
  expect(await count(engine, allTrees)).toBe(partitions - 1);
  expect(next.trees.progress.stored).toBe(partitions - 1);
  await next.put(place, 'newer', { sync: false });
  expect(engine.syncedWrites).toBe(syncedWrites + 1);
  await expectTrue(next);
});

test('a partition is stored once it had no write for a while', async () => {
  const node = await TreeNode.open(new ControlledEngine());
  await fill(node, places(100));
  node.fire('store');
  await node.rest();
  // They were written since the look before this one.
  expect(node.trees.progress.stored).toBe(0);
  node.fire('store');
  await node.rest();
  await node.commit.flush();
  expect(node.trees.progress.stored).toBe(partitions);
});

test('stored trees of other rules, of another format or damaged are not used, and go', async () => {
  const engine = new ControlledEngine();
  const node = await TreeNode.open(engine);
  await fill(node, places(100));
  await node.trees.stop();
  await engine.replace(allTrees, flipBit);
  const next = new TreeNode(engine);
  await next.trees.open();
  expect(next.trees.progress).toMatchObject({ unbuilt: partitions, stored: 0 });
  expect(await count(engine, allTrees)).toBe(0);
  next.trees.start();
  await expectTrue(next);

  const rules = new BucketTrees(buckets, hash64).rules;
  const others = new BucketTrees(new Map([...buckets, ['more', { replication: 3 }]]), hash64).rules;
  await next.trees.stop();
  const read = async (under: Uint8Array): Promise<(readonly unknown[] | undefined)[]> => {
    const all = [];
    for await (const { trees } of next.store.entries(under)) all.push(trees);
    return all;
  };
  expect((await read(rules)).map((trees) => trees?.length)).toEqual(new Array(partitions).fill(2));
  expect(await read(others)).toEqual(new Array(partitions).fill(undefined));
});

test('a key that is written while its partition is read, and whose stored copy is damaged unseen, leaves its tree right', async () => {
  const engine = new ControlledEngine();
  const node = await TreeNode.open(engine);
  const all = places(800);
  await fill(node, all);
  await node.rest();
  const [first] = all as [RecordPlace];
  // The last that is met, so that the write comes before.
  const last = all
    .filter(({ partition }) => partition === first.partition)
    .sort((a, b) => Buffer.compare(a.recordKey, b.recordKey))
    .at(-1) as RecordPlace;
  const isLast = (engineKey: Uint8Array): boolean =>
    Buffer.from(engineKey.subarray(3)).equals(Buffer.from(last.recordKey));
  await engine.replace(allRecords, (value, engineKey) => (isLast(engineKey) ? flipBit(value) : value));
  const read = node.trees.rebuild(first.partition);
  while (!node.trees.isWalked(first.partition)) await new Promise((resolve) => setImmediate(resolve));
  await node.put(last, 'new', synced);
  await read;
  await expectTrue(node);
});

test('a record that was damaged is missed by its tree once anybody has met it, and is there again when it is repaired', async () => {
  const engine = new ControlledEngine();
  const node = await TreeNode.open(engine);
  const all = places(60);
  await fill(node, all);
  const before = node.leaves();
  const [place] = all as [RecordPlace];
  const bytes = node.records.read(place.partition, place.recordKey);
  const key = Buffer.from(place.recordKey);
  const isPlace = (engineKey: Uint8Array): boolean => Buffer.from(engineKey.subarray(3)).equals(key);
  await engine.replace(allRecords, (value, engineKey) => (isPlace(engineKey) ? flipBit(value) : value));
  expect(node.leaves()).toEqual(before);
  expect(node.records.read(place.partition, place.recordKey)).toEqual({ kind: 'damaged' });
  await expectTrue(node);
  expect(node.leaves()).not.toEqual(before);
  expect(node.repaired).toEqual([place.partition]);
  const listed = await listing(node, place);
  expect(listed.find(({ recordKey }) => key.equals(recordKey))?.digest).toBe('damaged');
  await node.rest();

  // What was met once is not read again and again.
  const { rebuilt } = node.trees.progress;
  node.records.read(place.partition, place.recordKey);
  await node.rest();
  expect(node.trees.progress.rebuilt).toBe(rebuilt);

  expect(bytes.kind).toBe('found');
  await node.put(place, 'value 0', synced);
  await expectTrue(node);
});

async function listing(node: TreeNode, place: RecordPlace): Promise<readonly LeafEntry[]> {
  const { replication } = place.bucket;
  const { entries } = await node.trees.leafEntries(replication, place.partition, allLeaves, nothing, 10_000);
  return entries;
}

test('a listing has the keys of its leaves and replication, in pages, and without what is aged', async () => {
  let aged: Buffer | undefined;
  const node = await TreeNode.open(new ControlledEngine(), {
    isAged: (recordKey) => aged?.equals(recordKey) ?? false,
  });
  const all = places(200);
  await fill(node, all);
  const [first] = all as [RecordPlace];
  const inPartition = all.filter(
    ({ partition, bucket }) =>
      partition === first.partition && bucket.replication === first.bucket.replication,
  );
  const sorted = inPartition.map(({ recordKey }) => Buffer.from(recordKey)).sort(Buffer.compare);
  const { replication } = first.bucket;
  const whole = await listing(node, first);
  expect(whole.map(({ recordKey }) => Buffer.from(recordKey))).toEqual(sorted);
  for (const { recordKey, digest } of whole) {
    const read = node.records.read(first.partition, recordKey);
    expect(read.kind === 'found' && digest).toEqual(read.kind === 'found' && digest64(read.record));
  }

  const paged: Buffer[] = [];
  for (let after: Uint8Array = nothing; ; ) {
    const page = await node.trees.leafEntries(replication, first.partition, allLeaves, after, 3);
    paged.push(...page.entries.map(({ recordKey }) => Buffer.from(recordKey)));
    expect(page.more).toBe(paged.length < sorted.length);
    if (!page.more) break;
    expect(page.entries).toHaveLength(3);
    after = page.entries.at(-1)?.recordKey ?? nothing;
  }
  expect(paged).toEqual(sorted);

  const leaf = leafOf(hash64(first.recordKey), partitions);
  const ofLeaf = await node.trees.leafEntries(replication, first.partition, [leaf], nothing, 100);
  expect(ofLeaf.entries.map(({ recordKey }) => Buffer.from(recordKey))).toEqual(
    sorted.filter((recordKey) => leafOf(hash64(recordKey), partitions) === leaf),
  );
  aged = sorted[0];
  expect((await listing(node, first)).map(({ recordKey }) => Buffer.from(recordKey))).toEqual(
    sorted.slice(1),
  );
  expect(await node.trees.leafEntries(7, first.partition, allLeaves, nothing, 10)).toEqual({
    entries: [],
    more: false,
  });
});

test('what two nodes share is the same on both, and what makes no sense has no answer', async () => {
  const node = await TreeNode.open(new ControlledEngine());
  const everything = Array.from({ length: partitions }, (_, id) => partitionId(id));
  expect(node.trees.replications).toEqual([2, 3]);
  expect(node.trees.sharedPartitions(peer, 3)).toEqual(everything);
  expect(node.trees.sharedPartitions(peer, 3)).toBe(node.trees.sharedPartitions(peer, 3));
  expect(node.trees.sharedPartitions(peer, 4)).toEqual([]);
  expect(node.trees.sharedPartitions(self, 3)).toEqual([]);
  expect(node.trees.sharedPartitions(nodeId('stranger'), 3)).toEqual([]);
  const ask = (replication: number, level: TreeLevel, parents: readonly number[]): number | undefined =>
    node.trees.hashes(peer, replication, level, parents)?.length;
  expect(ask(3, 0, [])).toBe(8);
  expect(ask(4, 0, [])).toBeUndefined();
  expect(ask(3, 2, [1])).toBeUndefined();
  expect(node.trees.hashes(nodeId('stranger'), 3, 3, [0])).toBeUndefined();
});

test('a removal waits for nobody, goes only when allowed and at rest, and a write after it begins anew', async () => {
  const engine = new ControlledEngine();
  const node = await TreeNode.open(engine);
  const [place, absent] = places(10) as [RecordPlace, RecordPlace];
  const { pending } = node;
  expect(pending.remove(absent, () => true)).toEqual({ kind: 'absent' });
  engine.hold();
  const written = node.put(place, 'value', synced);
  // It is being written.
  expect(pending.remove(place, () => true)).toEqual({ kind: 'kept' });
  engine.release();
  await written;
  expect(pending.remove(place, () => false)).toEqual({ kind: 'kept' });
  engine.hold();
  const removed = pending.remove(place, ({ versions }) => versions.length === 1);
  expect(removed.kind).toBe('removed');
  expect(pending.current(place.partition, place.recordKey)).toEqual({ kind: 'absent' });
  const again = node.put(place, 'anew', synced);
  engine.release();
  await again;
  expect(pending.stored(place.partition, place.recordKey).kind).toBe('found');
  await expectTrue(node);
  const last = pending.remove(place, () => true);
  if (last.kind === 'removed') await last.stored;
  expect(node.records.read(place.partition, place.recordKey)).toEqual({ kind: 'absent' });
  await expectTrue(node);
  expect(Buffer.from(node.trees.hashes(peer, 3, 0, []) as Uint8Array)).toEqual(Buffer.alloc(8));
});

test('a walk over all partitions in turn reads each of them', async () => {
  const node = await TreeNode.open(new ControlledEngine());
  await fill(node, places(50));
  await node.rest();
  const { rebuilt, keysRead } = node.trees.progress;
  for (let turn = 0; turn < partitions; turn++) {
    node.fire('rebuild');
    await node.rest();
  }
  expect(node.trees.progress.rebuilt - rebuilt).toBe(partitions);
  expect(node.trees.progress.keysRead - keysRead).toBe(places(50).length);
  expect(node.repaired).toEqual([]);
});

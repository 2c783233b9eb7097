import fc from 'fast-check';
import { expect, test } from 'vitest';
import { bucketOf, ComparableReplica, keyOf } from '../../test/support/comparable-replica.ts';
import { unthrottled } from '../core/background/throttle.ts';
import { compareBytes } from '../core/bytes.ts';
import type { RarePath } from '../env/rare-path.ts';
import { systemEnv } from '../env/system-env.ts';
import { ReplicaError_Kind } from '../gen/kindred/peer/v1/peer.ts';
import type { ReplyBody } from '../rpc/frame-size.ts';
import type { CallOutcome } from '../rpc/peer-link.ts';
import { type ComparisonOutcome, type ComparisonRequest, noCounts, runComparison } from './comparison-run.ts';

const two = { members: ['a', 'b'], partitions: 8, buckets: [bucketOf('default', 2)] };

async function pair(options: Parameters<typeof ComparableReplica.open>[1] = two) {
  const a = await ComparableReplica.open('a', options);
  const b = await ComparableReplica.open('b', options);
  return { a, b };
}

async function compare(
  from: ComparableReplica,
  to: ComparableReplica,
  request: Partial<ComparisonRequest> = {},
) {
  const counts = noCounts();
  const outcome: ComparisonOutcome = await runComparison(
    from.comparing(to),
    {
      peer: to.id,
      replication: 2,
      bucket: undefined,
      dryRun: false,
      throttle: unthrottled,
      isStopped: () => false,
      ...request,
    },
    counts,
  );
  return { outcome, counts };
}

test('two equal replicas tell each other so in a few hundred bytes', async () => {
  const { a, b } = await pair();
  for (let i = 0; i < 100; i++) await b.receive(`k${i}`, await a.write(`k${i}`, `v${i}`));
  const { outcome, counts } = await compare(a, b);
  const { replicaId, generation, openedAtMark } = b.hello;
  expect(outcome).toEqual({
    kind: 'equal',
    storedMark: 1,
    process: { replicaId, generation, openedAtMark },
  });
  expect(counts).toMatchObject({ progress: 1, partitionsCompared: 8, keysCompared: 0, keysRepaired: 0 });
  expect(a.traffic.calls).toBe(2);
  expect(a.traffic.bytes).toBeLessThan(200);
});

test('a record that the disk has lost and memory has not is brought back', async () => {
  const { a, b } = await pair();
  for (let i = 0; i < 20; i++) await b.receive(`k${i}`, await a.write(`k${i}`, `v${i}`));
  const place = a.records.place(keyOf('k3'));
  expect(a.records.read(place.recordKey).kind).toBe('found');
  await a.store.remove(place.partition, place.recordKey, { sync: true });
  await a.trees.rebuild(place.partition);
  const { counts } = await compare(a, b);
  expect(counts.keysRepaired).toBe(1);
  expect((await a.contents()).size).toBe(20);
});

test('replicas that differ in any way hold the merge of both afterwards, and then nothing is left to repair', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.constantFrom('a', 'b', 'both'), fc.integer({ min: 0, max: 30 }), fc.boolean()), {
        maxLength: 60,
      }),
      async (writes) => {
        const { a, b } = await pair();
        const touched = new Set<string>();
        for (const [where, number, deletes] of writes) {
          const key = `k${number}`;
          const value = deletes ? undefined : `${where}${touched.size}`;
          const here = where === 'b' ? b : a;
          const record = await here.write(key, value);
          if (where === 'both') await b.receive(key, record);
          else touched.add(key);
        }
        const before = new Map([...(await a.contents()), ...(await b.contents())]);
        const differed = [...before.keys()].filter((key) => !same(a, b, key));
        const first = await compare(a, b);
        expect(first.outcome.kind).toBe('equal');
        expect(first.counts.keysRepaired).toBe(differed.length);
        expect(await a.contents()).toEqual(await b.contents());
        expect([...(await a.contents()).keys()].sort()).toEqual([...before.keys()].sort());
        for (const [from, to] of [
          [a, b],
          [b, a],
        ] as const) {
          const again = await compare(from, to);
          expect(again.outcome.kind).toBe('equal');
          expect(again.counts).toMatchObject({ keysDiffering: 0, keysRepaired: 0, calls: 2 });
        }
      },
    ),
    { numRuns: 60 },
  );
});

function same(a: ComparableReplica, b: ComparableReplica, recordKey: string): boolean {
  const [one, other] = [a, b].map(({ records }) => records.read(Buffer.from(recordKey)));
  return JSON.stringify(one) === JSON.stringify(other);
}

test('what waited for the throttle is sent as it is by then', async () => {
  const { a, b } = await pair();
  await a.write('k', 'value');
  const sent: Uint8Array[] = [];
  let hasRead = false;
  b.intercept = (body) => {
    if (body.$case === 'read') hasRead = true;
    if (body.$case === 'merge') sent.push(body.value.record.slice());
    return undefined;
  };
  let deletion: Uint8Array | undefined;
  const take = async (): Promise<void> => {
    // The next call after the read is the merge.
    if (hasRead && deletion === undefined) deletion = await a.write('k', undefined);
  };
  const { outcome } = await compare(a, b, { throttle: { take } });
  expect(outcome.kind).toBe('equal');
  expect(sent).toEqual([deletion]);
});

test('pages of any size lead to the same', async () => {
  const env = systemEnv();
  const rarePath = (path: RarePath): boolean =>
    path === 'comparison-page-of-one' && env.random.fraction() < 0.7;
  const { a, b } = await pair({ ...two, partitions: 8, env: { ...env, rarePath } });
  let listings = 0;
  b.intercept = ({ $case }) => {
    if ($case === 'listLeaf') listings++;
    return undefined;
  };
  let different = 0;
  for (let i = 0; i < 200; i++) {
    const record = await a.write(`k${i}`, 'v');
    if (i % 3 > 0) await b.receive(`k${i}`, record);
    if (i % 5 === 0) await b.write(`k${i}`, 'w');
    if (i % 3 === 0 || i % 5 === 0) different++;
  }
  const { outcome, counts } = await compare(a, b);
  expect(outcome.kind).toBe('equal');
  expect(counts.keysRepaired).toBe(different);
  // One for each of the eight partitions would do.
  expect(listings).toBeGreaterThan(8);
  expect(await a.contents()).toEqual(await b.contents());
});

test('one key of 100,000 is found and repaired with less than 64 KiB', { timeout: 60_000 }, async () => {
  const options = { ...two, partitions: 4096 };
  const { a, b } = await pair(options);
  // In the order in which they are stored: the engine in memory is slow at anything else.
  const keys = Array.from({ length: 100_000 }, (_, i) => `key-${i}`);
  const placed = keys.map((key) => ({ key, ...a.records.place(keyOf(key)) }));
  placed.sort((x, y) => x.partition - y.partition || compareBytes(x.recordKey, y.recordKey));
  for (let from = 0; from < placed.length; from += 10_000) {
    const some = placed.slice(from, from + 10_000);
    await Promise.all(some.map(async ({ key }) => b.receive(key, await a.write(key, `value of ${key}`))));
  }
  await b.write('key-4711', 'another value');
  const { outcome, counts } = await compare(a, b);
  expect(outcome.kind).toBe('equal');
  expect(counts).toMatchObject({ keysDiffering: 1, keysRepaired: 1 });
  expect(a.traffic.bytes).toBeLessThan(64 * 1024);
  // What a comparison says that it exchanged is an upper bound, and not far off.
  expect(counts.bytesExchanged).toBeGreaterThanOrEqual(a.traffic.bytes);
  expect(counts.bytesExchanged).toBeLessThan(a.traffic.bytes * 1.5);
  expect(a.traffic.bytes).toBeLessThan(4096);
  expect(a.traffic.calls).toBeLessThan(12);
});

test('a dry run counts what differs and changes nothing; one bucket alone is repaired alone', async () => {
  const buckets = [bucketOf('default', 2), bucketOf('other', 2)];
  const { a, b } = await pair({ ...two, buckets });
  for (let i = 0; i < 20; i++) await a.write(`k${i}`, 'v', i < 5 ? 'other' : 'default');
  const before = [await a.contents(), await b.contents()];
  const dry = await compare(a, b, { dryRun: true });
  expect(dry.outcome).toEqual({ kind: 'looked' });
  expect(dry.counts).toMatchObject({ keysDiffering: 20, keysRepaired: 0 });
  expect([await a.contents(), await b.contents()]).toEqual(before);
  expect(b.settled).toBe(0);

  const one = await compare(a, b, { bucket: 'other' });
  expect(one.outcome).toEqual({ kind: 'looked' });
  expect(one.counts).toMatchObject({ keysDiffering: 5, keysRepaired: 5 });
  expect((await b.contents()).size).toBe(5);
});

test('a dry run ships no records, counts as a repair does, and leaves what one side has collected', async () => {
  const aged = new Set<string>();
  const isAged = (recordKey: Uint8Array): boolean => aged.has(Buffer.from(recordKey).toString());
  const { a, b } = await pair({ ...two, isAged });
  const long = 'x'.repeat(10_000);
  for (let i = 0; i < 10; i++) await a.write(`own${i}`, long);
  for (let i = 0; i < 10; i++) await b.write(`theirs${i}`, long);
  for (let i = 0; i < 10; i++) {
    await b.receive(`both${i}`, await a.write(`both${i}`, long));
    await a.write(`both${i}`, `${long}y`);
  }
  await a.write('collected', undefined);
  aged.add(Buffer.from(keyOf('collected')).toString());
  const asked = new Set<string>();
  b.intercept = (body) => {
    asked.add(body.$case === 'read' ? `read ${body.value.digestOnly}` : body.$case);
    return undefined;
  };
  const dry = await compare(a, b, { dryRun: true });
  expect(dry.counts).toMatchObject({ keysDiffering: 30, keysRepaired: 0, keysLeft: 0 });
  expect(dry.counts.bytesExchanged).toBeLessThan(10_000);
  expect([...asked].sort()).toEqual(['listLeaf', 'read true', 'readTree']);
  const { counts } = await compare(a, b);
  expect(counts).toMatchObject({ keysDiffering: 30, keysRepaired: 30 });
  expect((await compare(a, b, { dryRun: true })).counts.keysDiffering).toBe(0);
});

test('replicas of different replication are compared one after the other, and only what both hold', async () => {
  const buckets = [bucketOf('default', 2), bucketOf('wide', 3)];
  const options = { members: ['a', 'b', 'c'], partitions: 16, buckets };
  const a = await ComparableReplica.open('a', options);
  const b = await ComparableReplica.open('b', options);
  for (let i = 0; i < 50; i++) {
    await a.write(`k${i}`, 'v');
    await a.write(`k${i}`, 'v', 'wide');
  }
  expect((await compare(a, b, { replication: 3 })).counts.keysRepaired).toBe(50);
  const { counts } = await compare(a, b, { replication: 2 });
  // A third of the partitions has a and b as its two homes.
  expect(counts.keysRepaired).toBeGreaterThan(5);
  expect(counts.keysRepaired).toBeLessThan(35);
});

test('what one side has collected does not come back from the other', async () => {
  const aged = new Set<string>();
  const isAged = (recordKey: Uint8Array): boolean => aged.has(Buffer.from(recordKey).toString());
  const { a, b } = await pair({ ...two, isAged });
  await b.receive('both', await a.write('both', 'v'));
  // b has collected this one, a is about to.
  await a.write('collected', 'v');
  await a.write('collected', undefined);
  aged.add(Buffer.from(keyOf('collected')).toString());
  const { outcome, counts } = await compare(a, b);
  expect(outcome.kind).toBe('equal');
  expect(counts).toMatchObject({ keysDiffering: 0, keysRepaired: 0 });
  expect((await b.contents()).size).toBe(1);
  expect((await compare(b, a)).counts.keysRepaired).toBe(0);

  // A replica that missed the deletion learns of it, aged or not.
  aged.clear();
  const value = await a.write('missed', 'v');
  await b.receive('missed', value);
  await a.write('missed', undefined);
  aged.add(Buffer.from(keyOf('missed')).toString());
  expect((await compare(b, a)).counts.keysRepaired).toBe(2);
  expect(await a.contents()).toEqual(await b.contents());
});

const busy: CallOutcome = {
  kind: 'reply',
  reply: {
    $case: 'error',
    value: { kind: ReplicaError_Kind.KIND_OVERLOADED, message: 'busy', layoutVersion: 0 },
  },
};

test('a peer that is busy for a moment is asked again', async () => {
  const { a, b } = await pair();
  await a.write('k', 'v');
  let refused = 0;
  b.intercept = () => (refused++ % 2 === 0 ? busy : undefined);
  const { outcome, counts } = await compare(a, b);
  expect(outcome.kind).toBe('equal');
  expect(counts.keysRepaired).toBe(1);
});

test.each([
  ['lost', { kind: 'lost', reason: 'reset' }],
  ['not sent', { kind: 'not-sent', reason: 'not-connected' }],
  ['timed out', { kind: 'timed-out', sent: true }],
] as const)('a call that is %s ends the comparison, whichever it is', async (_name, instead) => {
  for (const which of ['readTree', 'listLeaf', 'read', 'merge', 'endComparison']) {
    const { a, b } = await pair();
    for (let i = 0; i < 20; i++) await a.write(`k${i}`, 'v');
    for (let i = 10; i < 30; i++) await b.write(`k${i}`, 'w');
    b.intercept = ({ $case }) => ($case === which ? instead : undefined);
    expect((await compare(a, b)).outcome).toMatchObject({ kind: 'failed', why: 'away' });
    b.intercept = () => undefined;
    expect((await compare(a, b)).outcome.kind).toBe('equal');
    expect(await a.contents()).toEqual(await b.contents());
  }
});

test('a peer that started again in the midst of it has not ended a comparison well', async () => {
  const { a, b } = await pair();
  b.intercept = ({ $case }) => {
    if ($case === 'endComparison') b.hello = { ...b.hello, generation: 2 };
    return undefined;
  };
  expect((await compare(a, b)).outcome).toMatchObject({ kind: 'failed', why: 'away' });
  b.intercept = () => undefined;
  expect((await compare(a, b)).outcome.kind).toBe('equal');
});

test('damage on either side is left to a repair that asks all replicas', async () => {
  const { a, b } = await pair();
  await b.receive('k', await a.write('k', 'v'));
  await a.write('other', 'v');
  b.intercept = ({ $case, ...call }) => {
    const { value } = call as { value: { key?: Uint8Array } };
    if (
      $case !== 'read' ||
      Buffer.from(value.key ?? []).toString() !== Buffer.from(keyOf('other')).toString()
    ) {
      return undefined;
    }
    const error = { kind: ReplicaError_Kind.KIND_RECORD_DAMAGED, message: '', layoutVersion: 0 };
    return { kind: 'reply', reply: { $case: 'error', value: error } };
  };
  const { outcome, counts } = await compare(a, b);
  expect(outcome).toEqual({ kind: 'looked' });
  expect(counts).toMatchObject({ keysDiffering: 1, keysRepaired: 0, keysLeft: 1 });
  expect(a.leftToAll).toEqual([Buffer.from(keyOf('other')).toString()]);
  expect(b.settled).toBe(0);
});

test('hashes and listings that make no sense end the comparison', async () => {
  const answers: readonly (readonly [string, ReplyBody])[] = [
    ['readTree', { $case: 'treeHashes', value: { ready: true, hashes: new Uint8Array(7) } }],
    ['readTree', { $case: 'hintKept', value: { stored: true } }],
    ['listLeaf', { $case: 'leafEntries', value: { entries: [], more: true } }],
    ['endComparison', { $case: 'treeHashes', value: { ready: true, hashes: new Uint8Array() } }],
  ];
  for (const [which, reply] of answers) {
    const { a, b } = await pair();
    await a.write('k', 'v');
    b.intercept = ({ $case }) => ($case === which ? { kind: 'reply', reply } : undefined);
    expect((await compare(a, b)).outcome).toMatchObject({ kind: 'failed', why: 'malformed' });
  }
});

test('it waits for trees that are not complete, and ends when it is told to', async () => {
  const { a, b } = await pair();
  await a.write('k', 'v');
  b.intercept = ({ $case }) =>
    $case === 'readTree'
      ? {
          kind: 'reply',
          reply: { $case: 'treeHashes', value: { ready: false, hashes: new Uint8Array() } },
        }
      : undefined;
  expect((await compare(a, b)).outcome).toEqual({ kind: 'not-ready', where: 'there' });
  expect((await compare(a, b, { replication: 3 })).outcome).toEqual({ kind: 'not-ready', where: 'here' });
  b.intercept = () => undefined;
  expect((await compare(a, b, { isStopped: () => true })).outcome).toEqual({ kind: 'stopped' });
  expect(await b.contents()).toEqual(new Map());
});

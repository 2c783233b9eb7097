import { crc32 } from 'node:zlib';
import { expect, test } from 'vitest';
import { FakeEnv } from '../../test/support/fake-env.ts';
import { FakeReplica } from '../../test/support/fake-replica.ts';
import { unthrottled } from '../core/background/throttle.ts';
import type { Bucket } from '../core/bucket.ts';
import { contextOf, emptyContext } from '../core/causality/context-token.ts';
import type { VersionedRecord } from '../core/causality/record.ts';
import { encodeRecord } from '../core/causality/record-codec.ts';
import { type Failure, OperationError } from '../core/coordinator/failure.ts';
import { type NodeId, nodeId, replicaId } from '../core/identity.ts';
import type { ConsistencyLevel } from '../core/quorum/consistency-level.ts';
import type { Placement } from '../core/ring/placement.ts';
import { Coordinator } from './coordinator.ts';
import type { ReadOperation, WriteOperation } from './operation.ts';
import { RepairBacklog } from './repair-backlog.ts';
import type { CoordinatingReplica, HintedWrites } from './write-coordinator.ts';

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
  valueBytesMax: 1024,
};
const recordKey = Buffer.from('default\0k');
const timeoutMs = 1_000;

/** A record with one write of each actor named. */
function recordOf(...actors: number[]): VersionedRecord {
  const clock = actors.map((actor) => ({ replica: replicaId(actor), epoch: 1, counter: 1 }));
  const value = Uint8Array.of(118);
  return {
    clock,
    versions: clock.map((dot) => ({
      dot,
      clock: [],
      value,
      writtenAt: 1,
      expiresAt: undefined,
      requestId: undefined,
    })),
  };
}

type Coordinate = CoordinatingReplica['coordinate'];

class Cluster {
  readonly env = new FakeEnv();
  readonly replicas: readonly FakeReplica[];
  readonly down = new Set<NodeId>();
  readonly coordinator: Coordinator;
  hedges = 0;
  siblingAlarms = 0;
  givenUp = 0;
  usualMs: number | undefined;
  /** What this node's replica does with a write. */
  coordinate: Coordinate = async (_key, _intent, { mayBegin }) =>
    mayBegin() ? madeOf(recordOf(9)) : { kind: 'abandoned' };
  hintsWritten = 0;
  hinted: HintedWrites['write'] = async () => {
    this.hintsWritten++;
    return { ...madeOf(recordOf(9)), hinted: 2 };
  };
  /** Hints that were left for homes, in order: `c` with its record's writes, synced or not. */
  readonly missed: { readonly node: NodeId; readonly record: Uint8Array; readonly sync: boolean }[] = [];

  /** Node `a` coordinates; the homes are the letters of `homes`. */
  constructor(
    homes: string,
    options: {
      readonly repairChance?: number;
      readonly hedgeFactor?: number;
      /** The nodes that follow the homes. */
      readonly fallbacks?: string;
    } = {},
  ) {
    const all = [...homes, ...(options.fallbacks ?? '')];
    this.replicas = all.map((name) => new FakeReplica(nodeId(name), this.env));
    const layout = { version: 4, partitions: 64 };
    const nodes = [...homes].map(nodeId);
    this.coordinator = new Coordinator(
      {
        self: nodeId('a'),
        env: this.env,
        hash64: () => ({ high: 0, low: 0 }),
        placementFor: () =>
          ({ layout, homes: () => nodes, preferenceList: () => all.map(nodeId) }) as unknown as Placement,
        clientOf: (node) => this.of(node),
        replica: { coordinate: (...call) => this.coordinate(...call) },
        hints: {
          write: (...call) => this.hinted(...call),
          missed: (node, _key, record, sync) => this.missed.push({ node, record, sync }),
          markOf: (node) => node.charCodeAt(0),
        },
        health: {
          isUp: (node) => !this.down.has(node),
          latencyMs: (node) => node.charCodeAt(0),
          usualMs: () => this.usualMs,
        },
        observe: {
          readRepair: () => undefined,
          hedged: () => this.hedges++,
          manySiblings: () => this.siblingAlarms++,
        },
        repairThrottle: unthrottled,
        giveUpDamaged: () => this.givenUp++,
      },
      {
        hedgeFactor: options.hedgeFactor ?? 0,
        hedgeMsMin: 1,
        repairChance: options.repairChance ?? 0,
        repairsMax: 100,
      },
    );
  }

  of(name: string): FakeReplica {
    const replica = this.replicas.find(({ node }) => node === name);
    if (replica === undefined) throw new Error(`${name} is no home`);
    return replica;
  }

  read(level: ConsistencyLevel, more: Partial<ReadOperation> = {}): ReturnType<Coordinator['read']> {
    return this.coordinator.read({
      bucket,
      recordKey,
      strength: { kind: 'level', level },
      fallback: [],
      minContext: undefined,
      deadlineMs: this.env.clock.monotonicMs() + timeoutMs,
      ...more,
    });
  }

  write(level: ConsistencyLevel, more: Partial<WriteOperation> = {}): ReturnType<Coordinator['write']> {
    return this.coordinator.write({
      bucket,
      recordKey,
      intent: {
        value: Buffer.from('v'),
        causality: { kind: 'blind', mode: 'overwrite' },
        expiry: { kind: 'never' },
        requestId: undefined,
      },
      strength: { kind: 'level', level },
      durability: 'sync-quorum',
      handoff: 'strict',
      deadlineMs: this.env.clock.monotonicMs() + timeoutMs,
      encodeForwarded: () => new Uint8Array(1),
      ...more,
    });
  }

  /** Lets promises settle and time pass until `running` has ended. */
  async end<T>(running: Promise<T>): Promise<T | Failure> {
    let ended = false;
    const result = running
      .catch((error: unknown) => {
        if (error instanceof OperationError) return error.failure;
        throw error;
      })
      .finally(() => {
        ended = true;
      });
    for (let steps = 0; !ended && steps < 3_000; steps++) {
      await new Promise((resolve) => setImmediate(resolve));
      if (!ended) this.env.advance(1);
    }
    if (!ended) throw new Error('it does not end');
    return await result;
  }
}

function madeOf(record: VersionedRecord): Extract<Awaited<ReturnType<Coordinate>>, { kind: 'written' }> {
  const dot = record.clock[0];
  if (dot === undefined) throw new Error('a record of nothing');
  const bytes = encodeRecord(record, crc32);
  return { kind: 'written', dot, context: contextOf(record), record, bytes, replayed: false };
}

test('a write answers when its level is met, and goes to all homes', async () => {
  const cluster = new Cluster('abc');
  cluster.of('c').merging = 'silent';
  const result = await cluster.end(cluster.write('quorum'));
  expect(result).toMatchObject({
    kind: 'written',
    versionsHeld: 1,
    report: { acked: 2, synced: 2, layoutVersion: 4 },
  });
  expect([cluster.of('b').calls, cluster.of('c').calls]).toEqual([['merge'], ['merge']]);
});

test('a write whose replicas are silent fails at the deadline with an open outcome, and leaves no timer', async () => {
  const cluster = new Cluster('abc');
  cluster.of('b').merging = 'silent';
  cluster.of('c').merging = 'lost';
  const failure = await cluster.end(cluster.write('quorum', { deadlineMs: 100 }));
  expect(failure).toMatchObject({ kind: 'quorum-timeout', outcome: 'unknown', required: 2, answered: 1 });
  expect(cluster.env.clock.monotonicMs()).toBeLessThan(110);
  cluster.env.advance(5_000);
  expect(cluster.env.timersPending).toBe(0);
});

test('an acknowledgement without an fsync does not count where the disk was asked for', async () => {
  const cluster = new Cluster('abc');
  cluster.of('b').merge = (_key, _bytes, _options, _timeoutMs, done) =>
    done({ kind: 'merged', changed: true, synced: false });
  cluster.of('c').merging = 'storage-failed';
  const failure = await cluster.end(cluster.write('quorum'));
  expect(failure).toMatchObject({ kind: 'replica-failure', outcome: 'unknown', answered: 1 });
});

test('replicas that answer twice count once', async () => {
  const cluster = new Cluster('abc');
  cluster.of('b').stutters = true;
  cluster.of('c').merging = 'lost';
  const failure = await cluster.end(cluster.write('all'));
  expect(failure).toMatchObject({ kind: 'replica-failure', answered: 2 });
});

test('a local disk that hangs: the outcome is open at the deadline, and a late version still reaches the others', async () => {
  const cluster = new Cluster('abc');
  const disk = Promise.withResolvers<void>();
  cluster.coordinate = async (_key, _intent, { mayBegin }) => {
    expect(mayBegin()).toBe(true);
    await disk.promise;
    return madeOf(recordOf(9));
  };
  const failure = await cluster.end(cluster.write('quorum'));
  expect(failure).toEqual({ kind: 'expired', outcome: 'unknown' });
  disk.resolve();
  await new Promise((resolve) => setImmediate(resolve));
  expect([cluster.of('b').record, cluster.of('c').record]).toEqual([recordOf(9), recordOf(9)]);
  expect(cluster.env.timersPending).toBe(0);
});

test('a write that could not begin before the deadline never does', async () => {
  const cluster = new Cluster('abc');
  const turn = Promise.withResolvers<void>();
  let late: unknown;
  cluster.coordinate = async (_key, _intent, { mayBegin }) => {
    await turn.promise;
    late = mayBegin();
    return { kind: 'abandoned' };
  };
  const failure = await cluster.end(cluster.write('quorum'));
  expect(failure).toEqual({ kind: 'expired', outcome: 'not-applied' });
  turn.resolve();
  await new Promise((resolve) => setImmediate(resolve));
  expect([late, cluster.of('b').calls]).toEqual([false, []]);
});

test('too few replicas up is known before anything is sent', async () => {
  const cluster = new Cluster('abc');
  cluster.down.add(nodeId('b')).add(nodeId('c'));
  const expected = { kind: 'not-enough-replicas', required: 2, alive: 1 };
  expect(await cluster.end(cluster.write('quorum'))).toEqual(expected);
  expect(await cluster.end(cluster.read('quorum'))).toEqual(expected);
  expect(cluster.replicas.flatMap(({ calls }) => calls)).toEqual([]);
});

for (const [first, outcome] of [
  ['not-sent', 'tried elsewhere'],
  ['overloaded', 'tried elsewhere'],
  ['refused', 'tried elsewhere'],
  ['lost', { kind: 'replica-failure', outcome: 'unknown' }],
  ['storage-failed', { kind: 'replica-failure', outcome: 'unknown' }],
  ['timed-out', { kind: 'quorum-timeout', outcome: 'unknown' }],
] as const) {
  test(`a forwarded write whose first node says ${first}`, async () => {
    const cluster = new Cluster('bcd');
    cluster.of('b').forwarding = { kind: 'failed', reason: first };
    cluster.of('c').forwarding = { kind: 'result', bytes: Uint8Array.of(1) };
    const result = await cluster.end(cluster.write('quorum'));
    if (outcome === 'tried elsewhere')
      expect(result).toEqual({ kind: 'forwarded', result: Uint8Array.of(1) });
    else {
      expect(result).toMatchObject(outcome);
      expect(cluster.of('c').calls).toEqual([]);
    }
  });
}

test('a forwarded write that no home took was not applied, and says why', async () => {
  const cluster = new Cluster('bcd');
  expect(await cluster.end(cluster.write('quorum'))).toMatchObject({ kind: 'not-enough-replicas' });
  cluster.of('c').forwarding = { kind: 'failed', reason: 'overloaded' };
  expect(await cluster.end(cluster.write('quorum'))).toMatchObject({ kind: 'overloaded' });
  expect(await cluster.end(cluster.write('quorum', { encodeForwarded: undefined }))).toMatchObject({
    kind: 'invalid',
  });
  expect(await cluster.end(cluster.write('quorum', { deadlineMs: 0 }))).toEqual({
    kind: 'expired',
    outcome: 'not-applied',
  });
});

test('ANY keeps hints when no home is up, and when those that seemed up cannot be reached', async () => {
  const cluster = new Cluster('bcd');
  expect(await cluster.end(cluster.write('any'))).toMatchObject({
    versionsHeld: 0,
    report: { hinted: 2, acked: 0 },
  });
  for (const node of ['b', 'c', 'd']) cluster.down.add(nodeId(node));
  expect(await cluster.end(cluster.write('any'))).toMatchObject({ report: { hinted: 2 } });
  expect(cluster.hintsWritten).toBe(2);
  expect(await cluster.end(cluster.write('one'))).toMatchObject({ kind: 'not-enough-replicas' });
  cluster.hinted = async () => ({ kind: 'full' });
  expect(await cluster.end(cluster.write('any'))).toMatchObject({ kind: 'overloaded' });
  cluster.hinted = () => new Promise(() => undefined);
  expect(await cluster.end(cluster.write('any'))).toEqual({ kind: 'expired', outcome: 'not-applied' });
  expect(cluster.env.timersPending).toBe(0);
});

test('every home that misses a write, or perhaps did, is left a hint; one that refuses it is not', async () => {
  for (const reason of ['not-sent', 'lost', 'timed-out', 'overloaded', 'storage-failed'] as const) {
    const cluster = new Cluster('abc');
    cluster.of('c').merging = reason;
    expect(await cluster.end(cluster.write('quorum'))).toMatchObject({ report: { acked: 2, hinted: 0 } });
    expect(cluster.missed).toEqual([
      { node: nodeId('c'), record: encodeRecord(recordOf(9), crc32), sync: true },
    ]);
  }
  for (const reason of ['record-damaged', 'refused'] as const) {
    const cluster = new Cluster('abc');
    cluster.of('c').merging = reason;
    expect(await cluster.end(cluster.write('quorum'))).toMatchObject({ report: { acked: 2 } });
    expect(cluster.missed).toEqual([]);
  }
});

test('a hint comes after the answer, and for every home that missed a write which failed', async () => {
  const cluster = new Cluster('abc');
  cluster.of('c').merging = 'silent';
  expect(await cluster.end(cluster.write('quorum', { durability: 'buffered' }))).toMatchObject({
    report: { acked: 2 },
  });
  expect(cluster.missed).toEqual([]);
  cluster.env.advance(timeoutMs);
  expect(cluster.missed).toMatchObject([{ node: 'c', sync: false }]);

  const failing = new Cluster('abc');
  for (const name of ['b', 'c']) failing.of(name).merging = 'lost';
  expect(await failing.end(failing.write('quorum'))).toMatchObject({ kind: 'replica-failure' });
  expect(failing.missed.map(({ node }) => node)).toEqual(['b', 'c']);
});

test('sloppy: nodes that follow the homes stand in for those that are down, each for another one', async () => {
  const cluster = new Cluster('abc', { fallbacks: 'de' });
  for (const name of ['b', 'c']) {
    cluster.down.add(nodeId(name));
    cluster.of(name).merging = 'not-sent';
  }
  expect(await cluster.end(cluster.write('quorum'))).toMatchObject({ kind: 'not-enough-replicas', alive: 1 });
  expect(await cluster.end(cluster.write('quorum', { handoff: 'sloppy' }))).toMatchObject({
    report: { acked: 1, hinted: 1 },
  });
  expect([cluster.of('d').keptFor, cluster.of('e').keptFor]).toEqual([['b'], []]);
  // What no other node keeps is kept here.
  expect(cluster.missed.map(({ node }) => node)).toEqual(['c']);
  expect(await cluster.end(cluster.write('all', { handoff: 'sloppy' }))).toMatchObject({
    report: { acked: 1, hinted: 2 },
  });
  expect([cluster.of('d').keptFor, cluster.of('e').keptFor]).toEqual([['b', 'b'], ['c']]);
  expect(cluster.missed.length).toBe(1);
});

test('sloppy: nobody stands in while enough homes are up, and too few nodes in all are known before anything is sent', async () => {
  const cluster = new Cluster('abc', { fallbacks: 'de' });
  cluster.down.add(nodeId('c'));
  cluster.of('c').merging = 'not-sent';
  expect(await cluster.end(cluster.write('quorum', { handoff: 'sloppy' }))).toMatchObject({
    report: { acked: 2, hinted: 0 },
  });
  expect([...cluster.of('d').calls, ...cluster.of('e').calls]).toEqual([]);
  for (const name of ['b', 'd', 'e']) cluster.down.add(nodeId(name));
  const sent = cluster.of('b').calls.length;
  expect(await cluster.end(cluster.write('quorum', { handoff: 'sloppy' }))).toEqual({
    kind: 'not-enough-replicas',
    required: 2,
    alive: 1,
  });
  expect(cluster.of('b').calls.length).toBe(sent);
});

test('sloppy: the next node is asked when one has no room, and the outcome is open when none is left', async () => {
  const cluster = new Cluster('abc', { fallbacks: 'de' });
  for (const name of ['b', 'c']) cluster.of(name).merging = 'lost';
  cluster.of('d').keeping = { kind: 'full' };
  expect(await cluster.end(cluster.write('quorum', { handoff: 'sloppy' }))).toMatchObject({
    report: { acked: 1, hinted: 1 },
  });
  cluster.of('e').keeping = { kind: 'failed', reason: 'lost' };
  expect(await cluster.end(cluster.write('quorum', { handoff: 'sloppy' }))).toMatchObject({
    kind: 'replica-failure',
    outcome: 'unknown',
    required: 2,
    answered: 1,
    failures: [{ node: 'b' }, { node: 'c' }, { node: 'd', reason: 'overloaded' }, { node: 'e' }],
  });
  // Each home is left a hint here, once nobody else keeps it.
  expect(cluster.missed.map(({ node }) => node).sort()).toEqual(['b', 'b', 'c', 'c']);
});

test('sloppy: where no home is up this node makes the version, and as many others as the level asks for keep it', async () => {
  const cluster = new Cluster('bcd', { fallbacks: 'ef' });
  for (const name of 'bcd') cluster.down.add(nodeId(name));
  expect(await cluster.end(cluster.write('quorum'))).toMatchObject({ kind: 'not-enough-replicas', alive: 0 });
  expect(await cluster.end(cluster.write('quorum', { handoff: 'sloppy' }))).toMatchObject({
    report: { acked: 0, hinted: 2 },
  });
  expect([cluster.of('e').keptFor, cluster.of('f').keptFor]).toEqual([['b'], []]);
  cluster.of('e').keeping = { kind: 'failed', reason: 'not-sent' };
  await cluster.end(cluster.write('quorum', { handoff: 'sloppy' }));
  expect(cluster.of('f').keptFor).toEqual(['c']);
  cluster.of('f').keeping = 'silent';
  expect(await cluster.end(cluster.write('quorum', { handoff: 'sloppy' }))).toMatchObject({
    kind: 'quorum-timeout',
    outcome: 'unknown',
    answered: 1,
  });
  cluster.down.add(nodeId('f')).add(nodeId('e'));
  expect(await cluster.end(cluster.write('quorum', { handoff: 'sloppy' }))).toMatchObject({
    kind: 'not-enough-replicas',
    alive: 1,
  });
  expect(await cluster.end(cluster.write('one', { handoff: 'sloppy' }))).toMatchObject({
    report: { hinted: 2 },
  });
  expect(cluster.env.timersPending).toBe(0);
});

test('sloppy: a home that can be reached coordinates, and this node counts as one that can stand in', async () => {
  const cluster = new Cluster('bcd', { fallbacks: '' });
  for (const name of 'cd') cluster.down.add(nodeId(name));
  cluster.of('b').forwarding = { kind: 'result', bytes: Uint8Array.of(1) };
  expect(await cluster.end(cluster.write('quorum', { handoff: 'sloppy' }))).toEqual({
    kind: 'forwarded',
    result: Uint8Array.of(1),
  });
  // And keeps hints when the home turns out to be away.
  cluster.of('b').forwarding = { kind: 'failed', reason: 'not-sent' };
  expect(await cluster.end(cluster.write('one', { handoff: 'sloppy' }))).toMatchObject({
    report: { hinted: 2 },
  });
  expect(await cluster.end(cluster.write('quorum', { handoff: 'sloppy' }))).toMatchObject({
    kind: 'not-enough-replicas',
  });
});

for (const [down, forgets] of [
  ['', true],
  ['c', false],
] as const) {
  test(`a damaged record of this node with "${down}" down is ${forgets ? 'replaced' : 'kept'}`, async () => {
    const cluster = new Cluster('abc');
    for (const node of down) cluster.down.add(nodeId(node));
    cluster.of('a').reading = 'record-damaged';
    cluster.of('b').record = recordOf(5);
    const forgot: boolean[] = [];
    cluster.coordinate = async (_key, _intent, { forgetDamaged, mayBegin }) => {
      forgot.push(forgetDamaged);
      return forgetDamaged && mayBegin() ? madeOf(recordOf(9)) : { kind: 'damaged' };
    };
    const result = await cluster.end(cluster.write('quorum'));
    expect(forgot).toEqual([false, forgets]);
    expect(result).toMatchObject(
      forgets ? { kind: 'written' } : { kind: 'storage-failed', outcome: 'not-applied' },
    );
    // What this node holds is restored only from enough others.
    expect(cluster.of('a').record).toEqual(forgets ? recordOf(5) : undefined);
  });
}

test('a home whose record is damaged takes no write, and is repaired', async () => {
  const cluster = new Cluster('abc');
  for (const node of ['a', 'b']) cluster.of(node).record = recordOf(9);
  cluster.of('c').merging = 'record-damaged';
  cluster.of('c').reading = 'record-damaged';
  expect(await cluster.end(cluster.write('quorum'))).toMatchObject({ report: { acked: 2 } });
  expect(cluster.of('c').calls).toEqual(['merge', 'digest', 'merge']);
});

test('a read at ALL fails at a damaged record, and has it repaired', async () => {
  const cluster = new Cluster('abc');
  for (const node of ['a', 'b']) cluster.of(node).record = recordOf(9);
  cluster.of('c').reading = 'record-damaged';
  expect(await cluster.end(cluster.read('all'))).toMatchObject({ kind: 'replica-failure', answered: 2 });
  expect(cluster.of('c').calls).toContain('merge');
});

test('a damaged record is given up once all other homes have said that they hold nothing, and not before', async () => {
  const cluster = new Cluster('abc');
  const [a, b, c] = ['a', 'b', 'c'].map((name) => cluster.of(name)) as [
    FakeReplica,
    FakeReplica,
    FakeReplica,
  ];
  const repaired = async (): Promise<number> => {
    cluster.givenUp = 0;
    cluster.coordinator.repairLater(bucket, recordKey);
    while (cluster.coordinator.repairsPending > 0) {
      cluster.env.advance(1_000);
      await Promise.resolve();
    }
    return cluster.givenUp;
  };
  expect(await repaired()).toBe(0);
  a.reading = 'record-damaged';
  expect(await repaired()).toBe(1);
  // Each of these might know what it was.
  b.record = recordOf(5);
  expect(await repaired()).toBe(0);
  b.record = undefined;
  c.reading = 'silent';
  expect(await repaired()).toBe(0);
  c.reading = 'answer';
  cluster.down.add(c.node);
  expect(await repaired()).toBe(0);
  cluster.down.clear();
  // Another's it is not for this node to give up.
  a.reading = 'answer';
  b.reading = 'record-damaged';
  expect(await repaired()).toBe(0);
});

test('a quorum read repairs before it answers', async () => {
  const cluster = new Cluster('abc');
  cluster.of('b').record = recordOf(5);
  const result = await cluster.end(cluster.read('quorum'));
  expect(result).toMatchObject({
    record: recordOf(5),
    report: { agreed: 1, answered: 2, repairStarted: true },
  });
  expect(cluster.of('a').record).toEqual(recordOf(5));
  expect(cluster.env.timersPending).toBe(0);
});

test('repair after the answer: a quorum read is not answered while the replica that was behind has not stored the repair', async () => {
  const cluster = new Cluster('abc');
  cluster.of('b').record = recordOf(5);
  const repairs: (() => void)[] = [];
  cluster.of('a').merge = (_key, _bytes, { sync }, _timeoutMs, done) =>
    repairs.push(() => done({ kind: 'merged', changed: true, synced: sync }));
  let answered = false;
  const read = cluster.read('quorum').finally(() => {
    answered = true;
  });
  for (let turn = 0; turn < 100; turn++) await Promise.resolve();
  expect([repairs.length, answered]).toEqual([1, false]);
  for (const store of repairs) store();
  expect(await cluster.end(read)).toMatchObject({ record: recordOf(5), report: { answered: 2 } });
});

test('a repair that was not brought to the disk does not count as one', async () => {
  const cluster = new Cluster('abc');
  cluster.of('a').record = recordOf(5);
  cluster.of('b').merge = (_key, _bytes, _options, _timeoutMs, done) =>
    done({ kind: 'merged', changed: true, synced: false });
  const result = await cluster.end(cluster.read('quorum'));
  expect(result).toMatchObject({ record: recordOf(5) });
  expect(cluster.of('c').record).toEqual(recordOf(5));
});

test('a weaker level that the caller accepts has time to fetch and repair', async () => {
  const cluster = new Cluster('abc');
  cluster.of('a').record = recordOf(5);
  cluster.of('b').record = recordOf(6);
  cluster.of('c').reading = 'silent';
  const result = await cluster.end(cluster.read('all', { fallback: ['quorum'] }));
  expect(result).toMatchObject({
    record: recordOf(5, 6),
    report: { achieved: { kind: 'level', level: 'quorum' }, answered: 2 },
  });
  expect(cluster.env.clock.monotonicMs()).toBeLessThan(timeoutMs);
});

test('reads fail with what was needed and what was got', async () => {
  const cluster = new Cluster('abc');
  cluster.of('b').reading = 'silent';
  cluster.of('c').reading = 'storage-failed';
  expect(await cluster.end(cluster.read('all'))).toMatchObject({
    kind: 'replica-failure',
    outcome: 'not-a-write',
    required: 3,
  });
  expect(await cluster.end(cluster.read('quorum'))).toMatchObject({
    kind: 'quorum-timeout',
    required: 2,
    answered: 1,
  });
  const minContext = contextOf(recordOf(7));
  expect(await cluster.end(cluster.read('one', { minContext }))).toMatchObject({
    kind: 'context-not-reached',
  });
  expect(await cluster.end(cluster.read('one', { minContext: emptyContext }))).toMatchObject({
    record: undefined,
  });
  cluster.env.advance(5_000);
  expect(cluster.env.timersPending).toBe(0);
});

test('a slow answer is hedged with one replica more', async () => {
  const cluster = new Cluster('abc', { hedgeFactor: 3 });
  cluster.usualMs = 10;
  cluster.of('b').reading = 'silent';
  expect(await cluster.end(cluster.read('quorum'))).toMatchObject({ report: { asked: 3, answered: 2 } });
  expect([cluster.hedges, cluster.env.clock.monotonicMs()]).toEqual([1, 30]);
  cluster.of('b').reading = 'answer';
  await cluster.end(cluster.read('quorum'));
  cluster.env.advance(5_000);
  expect([cluster.hedges, cluster.env.timersPending]).toEqual([1, 0]);
});

test('at ONE the own copy is read and nobody else is asked, unless it cannot be read or lacks what the reader has seen', async () => {
  const cluster = new Cluster('abc');
  cluster.of('a').record = recordOf(7);
  cluster.of('b').record = recordOf(5, 7);
  const own = {
    achieved: { kind: 'level', level: 'one' },
    asked: 1,
    answered: 1,
    agreed: 1,
    coordinator: 'a',
  };
  expect(await cluster.end(cluster.read('one'))).toEqual({
    record: recordOf(7),
    report: { ...own, repairStarted: false, layoutVersion: 4 },
  });
  expect(cluster.replicas.map(({ calls }) => calls)).toEqual([['read'], [], []]);

  const minContext = contextOf(recordOf(5, 7));
  expect(await cluster.end(cluster.read('one', { minContext }))).toMatchObject({ record: recordOf(5, 7) });

  cluster.of('a').reading = 'record-damaged';
  expect(await cluster.end(cluster.read('one'))).toMatchObject({
    record: recordOf(5, 7),
    report: { asked: 2, answered: 1 },
  });
});

test('below quorum the repair comes after the answer', async () => {
  const cluster = new Cluster('abc', { repairChance: 1 });
  cluster.of('b').record = recordOf(5);
  expect(await cluster.end(cluster.read('one'))).toMatchObject({ record: undefined });
  expect(cluster.replicas.map(({ record }) => record)).toEqual([recordOf(5), recordOf(5), recordOf(5)]);
  expect(cluster.coordinator.repairsPending).toBe(0);
});

test('one that knows a write is enough; not to know it takes as many as the level', async () => {
  const cluster = new Cluster('abc');
  const id = new Uint8Array(16);
  const operation: ReadOperation = {
    bucket,
    recordKey,
    strength: { kind: 'level', level: 'quorum' },
    fallback: [],
    minContext: undefined,
    deadlineMs: timeoutMs,
  };
  const find = () => cluster.end(cluster.coordinator.findWrite(operation, id));
  expect(await find()).toEqual({ kind: 'not-seen' });

  const dot = { replica: replicaId(5), epoch: 1, counter: 1 };
  cluster.of('b').finding = 'silent';
  cluster.of('c').finding = { kind: 'found', dot };
  expect(await find()).toMatchObject({ kind: 'applied', dot });
  expect(cluster.env.clock.monotonicMs()).toBe(0);

  cluster.of('c').finding = { kind: 'failed', reason: 'record-damaged' };
  expect(await find()).toMatchObject({ kind: 'quorum-timeout', outcome: 'not-a-write', answered: 1 });
});

test('one copy, and two', async () => {
  const alone = new Cluster('a');
  alone.of('a').record = recordOf(5);
  expect(await alone.end(alone.read('quorum'))).toMatchObject({ record: recordOf(5) });
  expect(await alone.end(alone.write('all'))).toMatchObject({ report: { acked: 1 } });
  expect(await alone.end(alone.write('two'))).toMatchObject({ kind: 'invalid' });
  expect(await alone.end(alone.read('any'))).toMatchObject({ kind: 'invalid' });
  alone.of('a').reading = 'record-damaged';
  expect(await alone.end(alone.read('one'))).toMatchObject({ kind: 'replica-failure', answered: 0 });

  const pair = new Cluster('ab');
  pair.of('b').record = recordOf(5);
  expect(await pair.end(pair.read('quorum'))).toMatchObject({ record: recordOf(5), report: { answered: 2 } });
  expect(pair.of('a').record).toEqual(recordOf(5));
  const strength = { kind: 'replicas', count: 2 } as const;
  expect(await pair.end(pair.write('one', { strength }))).toMatchObject({
    report: { acked: 2, achieved: strength },
  });
  expect(await pair.end(pair.read('one', { strength: { kind: 'replicas', count: 3 } }))).toMatchObject({
    kind: 'invalid',
  });
});

test('every replica is inspected, up or not', async () => {
  const cluster = new Cluster('abc');
  cluster.of('b').record = recordOf(5);
  cluster.of('c').reading = 'not-sent';
  cluster.down.add(nodeId('c'));
  const views = await cluster.coordinator.inspect(recordKey, 3, timeoutMs);
  expect(views.map(({ node, answer }) => `${node} ${answer.kind}`)).toEqual([
    'a absent',
    'b found',
    'c unreachable',
  ]);
});

test('a key is repaired once at a time, and repairs that end at once do not pile up', () => {
  const started: string[] = [];
  const ends: (() => void)[] = [];
  let atOnce = false;
  const backlog = new RepairBacklog(50_000, (key, done) => {
    started.push(Buffer.from(key.recordKey).toString());
    if (atOnce) done();
    else ends.push(done);
  });
  const add = (name: string): void => backlog.add({ bucket, recordKey: Buffer.from(name) });
  add('hot');
  add('hot');
  expect([started, backlog.pending]).toEqual([['hot'], 1]);
  for (let i = 0; i < 40_000; i++) add(`k${i}`);
  expect(started.length).toBe(16);
  atOnce = true;
  ends[0]?.();
  expect(started.length).toBe(40_001);
  for (const end of ends.slice(1)) end();
  expect(backlog.pending).toBe(0);
});

test('a write that leaves as many siblings as the bucket warns of raises the alarm, one with fewer does not', async () => {
  const cluster = new Cluster('abc');
  await cluster.end(cluster.write('one'));
  expect(cluster.siblingAlarms).toBe(0);
  await cluster.end(cluster.write('one', { bucket: { ...bucket, siblingsWarn: 1 } }));
  expect(cluster.siblingAlarms).toBe(1);
});

for (const [path, calls] of [
  ['read-no-digests', [['read'], ['read'], []]],
  ['read-digest-differs', [['read'], ['digest', 'read'], []]],
  ['read-farthest-first', [[], ['digest'], ['read']]],
  ['hedge-at-once', [['read'], ['digest'], ['read']]],
  ['repair-needlessly', [['read', 'read'], ['digest', 'digest'], ['digest']]],
] as const) {
  test(`a read on the rare path ${path} answers the same`, async () => {
    const cluster = new Cluster('abc', { hedgeFactor: 1 });
    for (const replica of cluster.replicas) replica.record = recordOf(1);
    cluster.env.rarePaths.add(path);
    // Slow enough for the hedge to come first.
    if (path === 'hedge-at-once') cluster.of('b').reading = 'silent';
    const result = await cluster.end(cluster.read('quorum'));
    expect(result).toMatchObject({ record: recordOf(1), report: { answered: 2, repairStarted: false } });
    cluster.env.rarePaths.clear();
    expect(cluster.replicas.map((replica) => replica.calls)).toEqual(calls);
    expect(cluster.replicas.every(({ record }) => record?.versions.length === 1)).toBe(true);
  });
}

test('a repair that is dropped on a rare path is found by the next read', async () => {
  const cluster = new Cluster('abc');
  cluster.of('a').record = recordOf(1);
  cluster.of('b').record = recordOf(1, 2);
  cluster.env.rarePaths.add('repair-backlog-full').add('read-farthest-first');
  cluster.down.add(nodeId('c'));
  await cluster.end(cluster.read('two'));
  cluster.env.rarePaths.clear();
  await cluster.end(cluster.read('two'));
  expect(cluster.of('a').record).toEqual(recordOf(1, 2));
});

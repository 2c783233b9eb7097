import { expect, test } from 'vitest';
import { bucketOf, ComparableReplica } from '../../test/support/comparable-replica.ts';
import { until } from '../../test/support/real-cluster.ts';
import { unthrottled } from '../core/background/throttle.ts';
import { type NodeId, nodeId } from '../core/identity.ts';
import type { Env } from '../env/env.ts';
import { systemEnv } from '../env/system-env.ts';
import {
  AntiEntropy,
  type AntiEntropyDependencies,
  type ComparedPeer,
  type EndedComparison,
} from './anti-entropy.ts';
import { noCounts } from './comparison-run.ts';
import { Operations, type OperationView } from './operations.ts';
import { type RepairRequest, runRepair } from './repair-operation.ts';

const members = ['a', 'b', 'c', 'd'];
const options = { members, partitions: 16, buckets: [bucketOf('default', 4), bucketOf('two', 2)] };

interface Cluster {
  readonly a: ComparableReplica;
  readonly others: readonly ComparableReplica[];
  readonly down: Set<string>;
  readonly compared: ComparedPeer[];
  readonly ended: EndedComparison[];
  readonly errors: unknown[];
  make(intervalMs: number, different?: Partial<AntiEntropyDependencies>): AntiEntropy;
}

async function cluster(env: Env = systemEnv()): Promise<Cluster> {
  const a = await ComparableReplica.open('a', { ...options, env });
  const others = await Promise.all(
    ['b', 'c', 'd'].map((id) => ComparableReplica.open(id, { ...options, env })),
  );
  const down = new Set<string>();
  const compared: ComparedPeer[] = [];
  const ended: EndedComparison[] = [];
  const errors: unknown[] = [];
  let startMs = 0;
  return {
    a,
    others,
    down,
    compared,
    ended,
    errors,
    make: (intervalMs, different) =>
      new AntiEntropy(
        {
          ...a.comparing(...others),
          trees: a.trees,
          peers: others.map(({ id }) => id),
          isUp: (peer: NodeId) => !down.has(peer),
          throttle: unthrottled,
          startMs: () => ++startMs,
          onEqual: (one) => ended.push(one),
          onCompared: (one) => compared.push(one),
          onError: (error) => errors.push(error),
          ...different,
        },
        { enabled: true, intervalMs },
      ),
  };
}

/** The machine's own, and how many repeating timers run on it. */
function watchedEnv(): { readonly env: Env; readonly timers: () => number } {
  const env = systemEnv();
  let running = 0;
  const every: Env['timers']['every'] = (intervalMs, task) => {
    running++;
    const timer = env.timers.every(intervalMs, task);
    return {
      cancel: () => {
        running--;
        timer.cancel();
      },
    };
  };
  const { timers } = env;
  return {
    env: {
      ...env,
      timers: {
        after: (delayMs, task) => timers.after(delayMs, task),
        endOfTick: (task) => timers.endOfTick(task),
        every,
      },
    },
    timers: () => running,
  };
}

test('every peer that is up has its turn again and again, one at a time, and nobody else', async () => {
  const { env, timers } = watchedEnv();
  const { make, a, others, compared, ended, errors, down } = await cluster(env);
  const idle = timers();
  for (let i = 0; i < 30; i++) await a.write(`k${i}`, 'v');
  down.add('c');
  const antiEntropy = make(30);
  antiEntropy.start();
  await until(async () =>
    ['b', 'd'].every((peer) => compared.filter((one) => one.peer === peer).length >= 6),
  );
  await antiEntropy.stop();
  expect(errors).toEqual([]);
  expect(compared.some(({ peer }) => peer === 'c')).toBe(false);
  expect(new Set(compared.map(({ replication }) => replication))).toEqual(new Set([2, 4]));
  const { counters } = antiEntropy;
  expect(counters.comparisons).toBe(compared.length);
  expect(counters.keysRepaired).toBe(60);
  expect(await others[0]?.contents()).toEqual(await a.contents());

  // Each is told with a time of its own, later than that of the one before.
  expect(ended.length).toBeGreaterThan(10);
  let before = 0;
  for (const { peer, startedAtMs, process, peerMark } of ended) {
    expect(startedAtMs).toBeGreaterThan(before);
    expect(process.replicaId).toBe(others.find(({ id }) => id === peer)?.hello.replicaId);
    expect(peerMark).toBeGreaterThan(0);
    before = startedAtMs;
  }
  const rounds = antiEntropy.rounds();
  expect(rounds.map(({ peer }) => peer)).toEqual(['b', 'c', 'd']);
  expect(rounds.map(({ lastOutcome }) => lastOutcome)).toEqual(['equal', undefined, 'equal']);

  // Stopped, it begins nothing more.
  antiEntropy.peerIsBack(nodeId('b'));
  antiEntropy.start();
  expect(timers()).toBe(idle);
});

test('a peer that never answers does not keep the others from their turn', async () => {
  const { make, others, compared } = await cluster();
  const [b] = others as [ComparableReplica];
  b.intercept = () => ({ kind: 'timed-out', sent: true });
  const antiEntropy = make(40);
  antiEntropy.start();
  await until(async () =>
    ['c', 'd'].every(
      (peer) => compared.filter((one) => one.peer === peer && one.outcome.kind === 'equal').length >= 6,
    ),
  );
  await antiEntropy.stop();
  const tries = compared.filter(({ peer }) => peer === 'b');
  expect(tries.length).toBeGreaterThan(1);
  expect(tries.every(({ outcome }) => outcome.kind === 'failed')).toBe(true);
  expect(antiEntropy.counters.comparisonsFailed).toBe(tries.length);
});

test('a peer that comes back does not wait for its next turn', async () => {
  const { make, compared, down } = await cluster();
  down.add('b').add('c').add('d');
  const antiEntropy = make(5_000);
  antiEntropy.start();
  down.delete('c');
  const before = performance.now();
  antiEntropy.peerIsBack(nodeId('c'));
  await until(async () => compared.some(({ peer }) => peer === 'c'), 3_000);
  // Looked for ten times an interval, and a tenth of it for jitter.
  expect(performance.now() - before).toBeLessThan(2_000);
  await antiEntropy.stop();
});

test('switched off it compares only when somebody asks, and what is asked comes in turn', async () => {
  const { env, timers } = watchedEnv();
  const { make, a, others, compared } = await cluster(env);
  await a.write('k', 'v');
  const antiEntropy = new AntiEntropy(
    {
      ...a.comparing(...others),
      trees: a.trees,
      peers: others.map(({ id }) => id),
      isUp: () => true,
      throttle: unthrottled,
      startMs: () => 0,
      onEqual: () => {},
      onCompared: (one) => compared.push(one),
      onError: () => {},
    },
    { enabled: false, intervalMs: 10 },
  );
  expect(make(10).pairs().length).toBeGreaterThan(3);
  const idle = timers();
  antiEntropy.start();
  expect(timers()).toBe(idle);
  const wanted = {
    replication: 4,
    bucket: undefined,
    dryRun: false,
    isStopped: () => false,
    throttle: undefined,
  };
  const outcomes = await Promise.all(
    others.map(({ id }) => antiEntropy.compare({ ...wanted, peer: id }, noCounts())),
  );
  expect(outcomes.map(({ kind }) => kind)).toEqual(['equal', 'equal', 'equal']);
  expect(compared.map(({ peer }) => peer)).toEqual(['b', 'c', 'd']);
  expect(antiEntropy.underWay).toBe(0);
  await antiEntropy.stop();
});

async function repaired(
  { a, make }: Cluster,
  request: Partial<RepairRequest>,
  operations = new Operations(a.env, () => {}),
): Promise<{ readonly operations: Operations; readonly view: OperationView }> {
  const antiEntropy = make(1e6);
  const all = {
    bucket: undefined,
    replication: undefined,
    dryRun: false,
    bytesPerSecondMax: undefined,
    ...request,
  };
  const started = operations.start('repair', (run) =>
    runRepair({ env: a.env, antiEntropy, throttle: unthrottled }, all, run),
  );
  if (started.kind !== 'started') throw new Error('another one runs');
  const { id } = started.operation;
  await until(async () => operations.get(id)?.state !== 'running');
  return { operations, view: operations.get(id) as OperationView };
}

test('a repair compares with every peer, and says what it did', async () => {
  const all = await cluster();
  for (let i = 0; i < 20; i++) await all.a.write(`k${i}`, 'v');
  const dry = await repaired(all, { dryRun: true });
  expect(dry.view).toMatchObject({ state: 'done', progress: 1, detail: '60 keys differ' });
  expect(dry.view.counters).toMatchObject({ keys_differing: 60, keys_repaired: 0, peers_skipped: 0 });
  expect((await all.others[0]?.contents())?.size).toBe(0);

  const { view } = await repaired(all, {});
  expect(view).toMatchObject({ id: 'repair-1', kind: 'repair', state: 'done', error: undefined });
  expect(view.counters).toMatchObject({ keys_differing: 60, keys_repaired: 60, keys_left: 0 });
  const shared = all
    .make(1)
    .pairs()
    .reduce((sum, { partitions }) => sum + partitions, 0);
  expect(view.counters['partitions_compared']).toBe(shared);
  expect(await all.others[2]?.contents()).toEqual(await all.a.contents());
});

test('a repair of one bucket at a slow rate leaves the others, and tells of peers that are away', async () => {
  const all = await cluster();
  for (let i = 0; i < 10; i++) {
    await all.a.write(`k${i}`, 'v');
    await all.a.write(`k${i}`, 'v', 'two');
  }
  const [b] = all.others as [ComparableReplica];
  b.intercept = () => ({ kind: 'not-sent', reason: 'not-connected' });
  const { view } = await repaired(all, { bucket: 'default', replication: 4, bytesPerSecondMax: 20_000 });
  expect(view.counters).toMatchObject({ keys_repaired: 20, peers_skipped: 1 });
  expect(view.detail).toBe('20 keys repaired; not compared with b');
  const taken = (view.finishedAtMicros ?? 0) - view.startedAtMicros;
  // A tenth of a second's rate is there at once.
  const bytes = view.counters['bytes_exchanged'] as number;
  expect(taken / 1e6).toBeGreaterThan((bytes - 6_000) / 20_000);
});

test('operations are one at a time of their kind, can be cancelled, fail with a reason, and are forgotten in the end', async () => {
  const env = systemEnv();
  const errors: unknown[] = [];
  const operations = new Operations(env, (error) => errors.push(error));
  const forever = operations.start('repair', async ({ isCancelled, report }) => {
    while (!isCancelled()) {
      report(0.5, 'half way', { keys: 3 });
      await new Promise<void>((resolve) => {
        env.timers.after(1, resolve);
      });
    }
  });
  expect(forever).toMatchObject({ kind: 'started', operation: { id: 'repair-1', state: 'running' } });
  expect(operations.start('repair', async () => {})).toMatchObject({
    kind: 'busy',
    running: { id: 'repair-1', progress: 0.5, detail: 'half way', counters: { keys: 3 } },
  });
  expect(operations.cancel('repair-2')).toBeUndefined();
  expect(operations.cancel('repair-1')).toMatchObject({ state: 'running' });
  await until(async () => operations.get('repair-1')?.state === 'cancelled');
  expect(operations.get('repair-1')?.finishedAtMicros).toBeGreaterThan(0);

  operations.start('repair', async () => {
    throw new Error('the disk failed');
  });
  await until(async () => operations.get('repair-2')?.state === 'failed');
  expect(operations.get('repair-2')).toMatchObject({ error: 'the disk failed' });
  expect(errors).toHaveLength(1);

  for (let i = 3; i <= 120; i++) {
    operations.start('repair', async () => {});
    await until(async () => operations.get(`repair-${i}`)?.state === 'done');
  }
  expect(operations.list()).toHaveLength(100);
  expect(operations.list()[0]).toMatchObject({ id: 'repair-120', state: 'done', progress: 1 });
  expect(operations.get('repair-1')).toBeUndefined();

  operations.start('other', async ({ isCancelled }) => {
    while (!isCancelled()) {
      await new Promise<void>((resolve) => {
        env.timers.after(1, resolve);
      });
    }
  });
  await operations.stop();
  expect(operations.isStopped).toBe(true);
  expect(operations.get('other-121')).toMatchObject({ state: 'cancelled' });
});

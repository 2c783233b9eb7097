import { expect, test } from 'vitest';
import { parseConfig } from '../../src/config/parse-config.ts';
import type { WriteOperation } from '../../src/coordinator/operation.ts';
import { Value } from '../../src/gen/kindred/v1/types.ts';
import type { Attempt, ReadAttempt, WriteAttempt } from '../checkers/history.ts';
import { clockCovers } from '../checkers/history.ts';
import type { ClientPlan, ClientProfile, KeyName } from '../simulation/plan/seed-plan.ts';
import { FakeEnv } from '../support/fake-env.ts';
import { InProcessStore, InProcessTransport } from '../support/in-process-transport.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { WorkloadClient } from './client.ts';
import { finalReads } from './final-reads.ts';
import { HistoryRecorder } from './history-recorder.ts';
import { valueText } from './value-text.ts';
import { workloadBuckets } from './workload-buckets.ts';

const keys: readonly KeyName[] = [
  { bucket: 'default', key: 'a' },
  { bucket: 'default', key: 'b' },
  { bucket: 'lww', key: 'a' },
  { bucket: 'short-lived', key: 'a' },
];
const siblingKeys = keys.slice(0, 2);

function buckets(): ReturnType<typeof parseConfig>['config']['buckets'] {
  const members = ['n1', 'n2', 'n3'].map((id) => ({ id, host: id }));
  const file = { members, node: 'n1', storage: { engine: 'memory' }, buckets: workloadBuckets };
  return parseConfig({ file: { name: 'test', text: JSON.stringify(file) } }).config.buckets;
}

interface Run {
  readonly attempts: readonly Attempt[];
  readonly writes: readonly WriteAttempt[];
  readonly reads: readonly ReadAttempt[];
  /** Every version that the store made: its dot, and the text of its value. */
  readonly made: ReadonlyMap<string, string | undefined>;
  readonly recorder: HistoryRecorder;
  readonly clients: readonly WorkloadClient[];
  readonly store: InProcessStore;
  readonly env: FakeEnv;
  readonly transports: readonly InProcessTransport[];
}

function planOf(profile: ClientProfile, over: Partial<ClientPlan> = {}): ClientPlan {
  return { name: profile, seed: 1, operations: 300, profile, pauseMs: 20, keys: siblingKeys, ...over };
}

/** Moves time until it is over. */
async function settled(env: FakeEnv, over: Promise<unknown>, withinMs = 2_000_000): Promise<void> {
  let isOver = false;
  const ended = over.finally(() => {
    isOver = true;
  });
  const tick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  for (let ms = 0; !isOver; ms++) {
    if (ms > withinMs) throw new Error('the clients do not end');
    env.advance(1);
    await tick();
  }
  await ended;
}

async function run(plans: readonly ClientPlan[], lossPercent = 4): Promise<Run> {
  const env = new FakeEnv();
  const options = { clusterId: 'test', buckets: buckets(), lossPercent };
  const store = new InProcessStore(env, new SeededRandom(7), options);
  const made = new Map<string, string | undefined>();
  const write = store.coordination.write.bind(store.coordination);
  store.coordination.write = async (operation: WriteOperation) => {
    const result = await write(operation);
    if (result.kind === 'written' && !result.report.replayed) {
      const { replica, epoch, counter } = result.dot;
      const { value } = operation.intent;
      const name = Buffer.from(operation.recordKey).toString();
      const text = value === undefined ? undefined : valueText(Value.decode(value).data);
      made.set(`${name} ${replica}/${epoch}/${counter}`, text);
    }
    return result;
  };
  const recorder = new HistoryRecorder({ clock: env.clock, clusterId: 'test' });
  const transports = ['n1', 'n2', 'n3'].map((node) => new InProcessTransport(node, store));
  const clients = plans.map((plan) => new WorkloadClient(plan, { env, recorder, transports }));
  await settled(env, Promise.all(clients.map((client) => client.run())));
  const attempts = recorder
    .keys()
    .flatMap((key) => key.attempts)
    .sort((a, b) => a.id - b.id);
  return {
    attempts,
    writes: attempts.filter((attempt) => attempt.kind === 'write'),
    reads: attempts.filter((attempt) => attempt.kind === 'read'),
    made,
    recorder,
    clients,
    store,
    env,
    transports,
  };
}

/** That the history is complete, and says what the store did. */
function expectTruth({ attempts, writes, reads, made, recorder, clients, store }: Run): void {
  expect(store.incidents).toEqual([]);
  expect(recorder.underWay).toBe(0);
  expect(attempts.map(({ id }) => id)).toEqual(attempts.map((_, index) => index + 1));
  for (const client of clients) {
    const own = attempts.filter((attempt) => attempt.client === client.plan.name);
    expect(own.length).toBe(client.operations);
    // The last turn may go a little further.
    expect(own.length).toBeGreaterThanOrEqual(client.plan.operations);
    expect(own.length).toBeLessThan(client.plan.operations + 30);
  }
  const texts = new Set([...made.values()]);
  const applied = new Set<number>();
  for (const attempt of writes) {
    expect(attempt.returnedMs).toBeGreaterThanOrEqual(attempt.invokedMs);
    const { outcome } = attempt;
    if (outcome.kind !== 'done') continue;
    applied.add(attempt.write);
    const { dot } = outcome;
    if (dot === undefined) continue;
    const name = `${attempt.bucket}\0${attempt.key} ${dot}`;
    expect(made.has(name)).toBe(true);
    if (attempt.action !== 'touch') expect(made.get(name)).toBe(attempt.value);
    expect(clockCovers(outcome.context.clock, dot) || outcome.context.dots.includes(dot)).toBe(true);
  }
  for (const attempt of writes) {
    if (attempt.outcome.kind !== 'not-applied' || attempt.value === undefined) continue;
    const others = writes.filter((other) => other.write === attempt.write);
    if (others.some(({ outcome }) => outcome.kind !== 'not-applied')) continue;
    expect(texts.has(attempt.value)).toBe(false);
  }
  for (const attempt of reads) {
    if (attempt.outcome.kind !== 'done') continue;
    for (const { dot, value } of attempt.outcome.versions) {
      const name = `${attempt.bucket}\0${attempt.key} ${dot}`;
      expect(made.has(name)).toBe(true);
      if (value !== undefined) expect(made.get(name)).toBe(value);
    }
  }
  // Values name their write: another write never has the same.
  const writeOfValue = new Map<string, number>();
  for (const { value, write } of writes) {
    if (value === undefined) continue;
    expect(writeOfValue.get(value) ?? write).toBe(write);
    writeOfValue.set(value, write);
  }
  const writeOfRequest = new Map<string, number>();
  for (const { requestId, write } of writes) {
    if (requestId === undefined) continue;
    expect(requestId).toMatch(/^[0-9a-f]{32}$/);
    expect(writeOfRequest.get(requestId) ?? write).toBe(write);
    writeOfRequest.set(requestId, write);
  }
}

function share<T>(items: readonly T[], is: (item: T) => boolean): number {
  return items.filter(is).length / items.length;
}

/** What its name promises of each profile. */
const promises: Readonly<Record<ClientProfile, (run: Run) => void>> = {
  register({ writes, reads, attempts }) {
    expect(
      writes.every(
        ({ causality, level, action }) => causality === 'context' && level === 'quorum' && action === 'put',
      ),
    ).toBe(true);
    expect(reads.every(({ level }) => level === 'quorum')).toBe(true);
    // One write at a time and key, and reads beside it.
    const byWrite = new Map<number, { from: number; to: number }>();
    for (const { write, key, invokedMs, returnedMs } of writes) {
      const span = byWrite.get(write) ?? { from: invokedMs, to: returnedMs };
      byWrite.set(write, { from: span.from, to: Math.max(span.to, returnedMs) });
      const others = writes.filter((other) => other.key === key && other.write !== write);
      expect(others.some((other) => other.invokedMs < returnedMs && other.returnedMs > invokedMs)).toBe(
        false,
      );
    }
    const beside = (read: ReadAttempt): boolean =>
      writes.some(
        (write) =>
          write.key === read.key && write.invokedMs < read.returnedMs && read.invokedMs < write.returnedMs,
      );
    expect(share(reads, beside)).toBeGreaterThan(0.2);
    expect(share(attempts, ({ kind }) => kind === 'write')).toBeGreaterThan(0.3);
  },
  session({ writes, reads }) {
    expect(share(reads, ({ minContext }) => minContext !== undefined)).toBeGreaterThan(0.9);
    expect(share(reads, ({ level }) => level === 'one')).toBeGreaterThan(0.6);
    expect(writes.every(({ causality }) => causality === 'context')).toBe(true);
    expect(writes.some(({ level }) => level === 'any')).toBe(true);
  },
  merger({ writes, reads }) {
    expect(share(writes, ({ causality }) => causality === 'context')).toBeGreaterThan(0.9);
    expect(writes.every(({ requestId }) => requestId === undefined)).toBe(true);
    expect(reads.length).toBeGreaterThan(80);
  },
  blind({ writes }) {
    for (const mode of ['overwrite', 'add-sibling', 'reject']) {
      expect(share(writes, ({ causality }) => causality === mode)).toBeGreaterThan(0.05);
    }
    expect(writes.some(({ outcome }) => outcome.kind === 'not-applied' && outcome.reason === 20)).toBe(true);
  },
  retrier({ writes }) {
    expect(share(writes, ({ requestId }) => requestId !== undefined)).toBeGreaterThan(0.7);
    const repeats = writes.filter(({ id, write }) => id !== write);
    expect(repeats.length).toBeGreaterThan(20);
    const first = (repeat: WriteAttempt): WriteAttempt =>
      writes.find(({ id }) => id === repeat.write) as WriteAttempt;
    expect(repeats.some((repeat) => repeat.node !== first(repeat).node)).toBe(true);
    // At the same time, and after the first had failed.
    expect(repeats.some((repeat) => repeat.invokedMs < first(repeat).returnedMs)).toBe(true);
    expect(repeats.some((repeat) => repeat.invokedMs > first(repeat).returnedMs)).toBe(true);
    expect(writes.some(({ outcome }) => outcome.kind === 'done' && outcome.replayed)).toBe(true);
  },
  deleter({ writes }) {
    expect(share(writes, ({ action }) => action === 'delete')).toBeGreaterThan(0.2);
    expect(share(writes, ({ action }) => action === 'put')).toBeGreaterThan(0.2);
  },
  expirer({ writes, reads }) {
    expect(share(writes, ({ ttlMs }) => ttlMs !== undefined)).toBeGreaterThan(0.5);
    const touches = writes.filter(({ action }) => action === 'touch');
    expect(touches.length).toBeGreaterThan(20);
    const outcomes = touches.map(({ outcome }) => outcome);
    expect(outcomes.some((outcome) => outcome.kind === 'done' && outcome.dot !== undefined)).toBe(true);
    expect(outcomes.some((outcome) => outcome.kind === 'done' && outcome.acked === 0)).toBe(true);
    expect(reads.some(({ outcome }) => outcome.kind === 'done' && outcome.versions.length === 0)).toBe(true);
  },
  batcher({ attempts, writes }) {
    expect(mostAtOnce(attempts)).toBeGreaterThan(5);
    expect(writes.some(({ id, write }) => id !== write)).toBe(true);
  },
  streamer({ attempts }) {
    expect(mostAtOnce(attempts)).toBeGreaterThan(5);
    expect(new Set(attempts.map((attempt) => (attempt.kind === 'read' ? 'get' : attempt.action))).size).toBe(
      4,
    );
  },
  reader({ reads, writes }) {
    expect(writes).toEqual([]);
    expect(new Set(reads.map(({ key }) => key)).size).toBeGreaterThan(1);
    expect(share(reads, ({ level }) => level === 'quorum')).toBeGreaterThan(0.3);
  },
  mixed({ writes }) {
    const refused = (reason: number): boolean =>
      writes.some(({ outcome }) => outcome.kind === 'not-applied' && outcome.reason === reason);
    expect(refused(5)).toBe(true); // a context of another key
    expect(new Set(writes.map(({ action }) => action)).size).toBe(3);
  },
};

/** Attempts that began in one instant. */
function mostAtOnce(attempts: readonly Attempt[]): number {
  const counts = new Map<number, number>();
  for (const { invokedMs } of attempts) counts.set(invokedMs, (counts.get(invokedMs) ?? 0) + 1);
  return Math.max(...counts.values());
}

for (const profile of Object.keys(promises) as ClientProfile[]) {
  test(`${profile}: the history is complete and true, and the client does what its profile says`, async () => {
    const done = await run([planOf(profile, { operations: 400 })]);
    expectTruth(done);
    promises[profile](done);
  });
}

const everybody: readonly ClientPlan[] = (Object.keys(promises) as ClientProfile[]).map((profile, index) =>
  planOf(profile, {
    seed: index + 100,
    operations: 150,
    keys: profile === 'register' ? [{ bucket: 'default', key: 'own' }] : keys,
  }),
);

test('many clients at the same keys: siblings stay few, all levels and durabilities occur', async () => {
  const done = await run(everybody);
  expectTruth(done);
  const { writes, reads } = done;
  expect(new Set(writes.map(({ level }) => level)).size).toBe(6);
  expect(new Set(reads.map(({ level }) => level)).size).toBe(5);
  expect(new Set(writes.map(({ durability }) => durability)).size).toBe(3);
  const siblings = reads.map(({ outcome }) => (outcome.kind === 'done' ? outcome.versions.length : 0));
  expect(Math.max(...siblings)).toBeGreaterThan(2);
  expect(Math.max(...siblings)).toBeLessThan(60);
  const tooMany = writes.filter(({ outcome }) => outcome.kind === 'not-applied' && outcome.reason === 7);
  expect(tooMany).toEqual([]);
  expect(share(writes, ({ outcome }) => outcome.kind === 'done')).toBeGreaterThan(0.75);
});

test('the same seeds and the same answers give the same history', async () => {
  const [first, second] = [await run(everybody), await run(everybody)];
  expect(second.attempts).toEqual(first.attempts);
  const other = await run([...everybody.slice(1), planOf('register', { seed: 5, operations: 150 })]);
  expect(other.attempts).not.toEqual(first.attempts);
});

test('a client without end stops when it is told to', async () => {
  const env = new FakeEnv();
  const store = new InProcessStore(env, new SeededRandom(7), {
    clusterId: 'test',
    buckets: buckets(),
    lossPercent: 0,
  });
  const recorder = new HistoryRecorder({ clock: env.clock, clusterId: 'test' });
  const transports = [new InProcessTransport('n1', store)];
  const plan = planOf('mixed', { operations: Number.POSITIVE_INFINITY, pauseMs: 100_000 });
  const client = new WorkloadClient(plan, { env, recorder, transports });
  const over = client.run();
  env.timers.after(1_000_000, () => client.stop());
  await settled(env, over);
  expect(env.clock.monotonicMs()).toBeLessThan(1_010_000);
  expect(client.operations).toBeGreaterThan(2);
  expect(recorder.underWay).toBe(0);
});

test('final reads try again until every key was read through every node, or time is over', async () => {
  const done = await run([planOf('mixed', { operations: 60, keys })], 30);
  const { env, recorder, transports, store } = done;
  const options = { withinMs: 60_000, timeoutMs: 200 };
  let unread: unknown;
  const reading = finalReads(keys, { env, recorder, transports }, options).then((result) => {
    unread = result;
  });
  await settled(env, reading);
  expect(unread).toEqual([]);
  const finals = recorder
    .keys()
    .flatMap((key) => key.attempts)
    .filter((attempt): attempt is ReadAttempt => attempt.kind === 'read' && attempt.final);
  expect(finals.every(({ level, client }) => level === 'all' && client === 'final')).toBe(true);
  const read = finals
    .filter(({ outcome }) => outcome.kind === 'done')
    .map((each) => `${each.bucket}/${each.key} ${each.node}`);
  expect(new Set(read).size).toBe(keys.length * transports.length);
  expect(finals.length).toBeGreaterThan(read.length);

  store.coordination.before = () => new Promise(() => {});
  const hopeless = finalReads(keys.slice(0, 1), { env, recorder, transports }, { ...options, withinMs: 900 });
  await settled(env, hopeless);
  expect(await hopeless).toEqual(['n1', 'n2', 'n3'].map((node) => ({ ...keys[0], node })));
});

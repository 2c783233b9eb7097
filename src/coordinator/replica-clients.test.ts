import { expect, test } from 'vitest';
import { FakeEnv } from '../../test/support/fake-env.ts';
import { MalformedError } from '../core/binary.ts';
import { nodeId, replicaId } from '../core/identity.ts';
import { ReplicaError_Kind } from '../gen/kindred/peer/v1/peer.ts';
import type { CallOutcome } from '../rpc/peer-link.ts';
import { replicaError } from '../rpc/peer-server.ts';
import { EngineError } from '../storage/engine.ts';
import { type LocalRecords, LocalReplica } from './local-replica.ts';
import { PeerReplica } from './peer-replica.ts';
import type { FindAnswer, MergeAnswer, ReadAnswer } from './replica-client.ts';

const key = Uint8Array.of(1);
const repair = { origin: 'read-repair', sync: true } as const;

function localOf(records: Partial<LocalRecords>) {
  const env = new FakeEnv();
  const unexpected: unknown[] = [];
  const all: LocalRecords = {
    read: () => ({ kind: 'absent' }),
    merge: () => Promise.resolve({ kind: 'merged', changed: true, synced: true }),
    findWrite: () => ({ kind: 'unseen' }),
    isHintOutdated: () => false,
    ...records,
  };
  const replica = new LocalReplica(nodeId('a'), {
    records: all,
    timers: env.timers,
    onUnexpected: (error) => unexpected.push(error),
  });
  return { env, replica, unexpected };
}

async function mergedBy(records: Partial<LocalRecords>) {
  const { env, replica, unexpected } = localOf(records);
  const answers: MergeAnswer[] = [];
  replica.merge(key, key, repair, 100, (answer) => answers.push(answer));
  await new Promise((resolve) => setImmediate(resolve));
  env.advance(200);
  await new Promise((resolve) => setImmediate(resolve));
  return { answers, unexpected, timers: env.timersPending };
}

test('what becomes of a merge at home is said once, and never as an unhandled rejection', async () => {
  const broken = new EngineError('io-error', 'broken');
  const bug = new Error('a bug');
  expect(await mergedBy({})).toEqual({
    answers: [{ kind: 'merged', changed: true, synced: true }],
    unexpected: [],
    timers: 0,
  });
  for (const [error, reason, unexpected] of [
    [broken, 'storage-failed', []],
    [new MalformedError('no record'), 'refused', []],
    [bug, 'storage-failed', [bug]],
  ] as const) {
    const merged = await mergedBy({ merge: () => Promise.reject(error) });
    expect(merged).toEqual({ answers: [{ kind: 'failed', reason }], unexpected, timers: 0 });
  }
  expect((await mergedBy({ merge: () => Promise.resolve({ kind: 'damaged' }) })).answers).toEqual([
    { kind: 'failed', reason: 'record-damaged' },
  ]);
});

test('a merge at home that hangs in the disk times out like a call to a peer', async () => {
  const merged = await mergedBy({ merge: () => new Promise(() => undefined) });
  expect(merged).toEqual({ answers: [{ kind: 'failed', reason: 'timed-out' }], unexpected: [], timers: 0 });
});

test('a hint at home is fenced as one from a peer, and nothing else is', () => {
  const merged: unknown[] = [];
  const { replica, env } = localOf({
    isHintOutdated: (_key, mark) => mark < 5,
    merge: () => {
      merged.push(true);
      return new Promise(() => undefined);
    },
  });
  const answers: MergeAnswer[] = [];
  const merge = (options: Parameters<LocalReplica['merge']>[2]): void =>
    replica.merge(key, key, options, 100, (answer) => answers.push(answer));
  merge({ origin: 'hint', sync: true });
  merge({ origin: 'hint', sync: true, receiverMark: 4 });
  expect(answers).toEqual([
    { kind: 'failed', reason: 'outdated' },
    { kind: 'failed', reason: 'outdated' },
  ]);
  expect(env.timersPending).toBe(0);
  expect(merged).toEqual([]);
  merge({ origin: 'hint', sync: true, receiverMark: 5 });
  merge({ origin: 'write', sync: true });
  expect(merged.length).toBe(2);
});

test('only a repair may restore what is damaged', () => {
  const asked: boolean[] = [];
  const { replica } = localOf({
    merge: (_key, _record, { restoreDamaged }) => {
      asked.push(restoreDamaged);
      return new Promise(() => undefined);
    },
  });
  for (const origin of ['write', 'hint', 'read-repair'] as const) {
    replica.merge(key, key, { origin, sync: true }, 1, () => undefined);
  }
  expect(asked).toEqual([false, false, true]);
});

test('a damaged record at home does not say that it never saw a write', () => {
  const { replica } = localOf({ findWrite: () => ({ kind: 'damaged' }) });
  const answers: FindAnswer[] = [];
  replica.find(key, key, 100, (answer) => answers.push(answer));
  expect(answers).toEqual([{ kind: 'failed', reason: 'record-damaged' }]);
});

/** What a peer's replica answers when its link ends the call so. */
function through(outcome: CallOutcome) {
  const replica = new PeerReplica(nodeId('b'), {
    call: (_body: unknown, _timeoutMs: number, callback: (outcome: CallOutcome) => void) => callback(outcome),
  });
  const answers: { read?: ReadAnswer; digest?: ReadAnswer; find?: FindAnswer } = {};
  replica.read(key, false, 100, (answer) => {
    answers.read = answer;
  });
  replica.read(key, true, 100, (answer) => {
    answers.digest = answer;
  });
  replica.find(key, key, 100, (answer) => {
    answers.find = answer;
  });
  return answers;
}

for (const [what, outcome, reason] of [
  ['never left', { kind: 'not-sent', reason: 'queue-full' }, 'not-sent'],
  ['was lost', { kind: 'lost', reason: 'reset' }, 'lost'],
  ['never left, and never could', { kind: 'not-sent', reason: 'too-large' }, 'refused'],
  ['timed out in the queue', { kind: 'timed-out', sent: false }, 'not-sent'],
  ['timed out', { kind: 'timed-out', sent: true }, 'timed-out'],
  [
    'was refused at the door',
    { kind: 'reply', reply: replicaError(ReplicaError_Kind.KIND_OVERLOADED, '') },
    'overloaded',
  ],
  ['came too late', { kind: 'reply', reply: replicaError(ReplicaError_Kind.KIND_EXPIRED, '') }, 'overloaded'],
  [
    'was placed otherwise',
    { kind: 'reply', reply: replicaError(ReplicaError_Kind.KIND_WRONG_LAYOUT, '') },
    'refused',
  ],
  ['made no sense', { kind: 'reply', reply: replicaError(ReplicaError_Kind.KIND_INVALID, '') }, 'refused'],
  [
    'met a broken disk',
    { kind: 'reply', reply: replicaError(ReplicaError_Kind.KIND_STORAGE_FAILED, '') },
    'storage-failed',
  ],
  [
    'met damage',
    { kind: 'reply', reply: replicaError(ReplicaError_Kind.KIND_RECORD_DAMAGED, '') },
    'record-damaged',
  ],
  [
    'failed in a way of tomorrow',
    { kind: 'reply', reply: replicaError(99 as ReplicaError_Kind, '') },
    'lost',
  ],
  [
    'was answered with something else',
    { kind: 'reply', reply: { $case: 'merged', value: { changed: true, synced: true } } },
    'lost',
  ],
] as const) {
  test(`a call to a peer that ${what}`, () => {
    const failed = { kind: 'failed', reason };
    expect(through(outcome)).toEqual({ read: failed, digest: failed, find: failed });
  });
}

test('a digest that is too short is not the digest of nothing', () => {
  const nothing = new Uint8Array(0);
  const stored = (found: boolean, digest: Uint8Array): CallOutcome => ({
    kind: 'reply',
    reply: { $case: 'stored', value: { found, record: nothing, digest } },
  });
  expect(through(stored(true, nothing)).digest).toEqual({ kind: 'failed', reason: 'lost' });
  expect(through(stored(false, nothing)).digest).toEqual({ kind: 'digest', digest: '' });
  expect(through(stored(true, new Uint8Array(8))).digest).toEqual({ kind: 'digest', digest: '\0'.repeat(8) });
});

test('a write that a peer knows comes with its dot', () => {
  const dot = { replica: replicaId(3), epoch: 1, counter: 2 };
  const found = { kind: 'reply', reply: { $case: 'found', value: { found: true, dot } } } as const;
  expect(through(found).find).toEqual({ kind: 'found', dot });
});

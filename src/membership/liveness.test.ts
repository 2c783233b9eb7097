import { expect, test } from 'vitest';
import { FakeEnv } from '../../test/support/fake-env.ts';
import { type LivenessChange, TimeoutLiveness } from './liveness.ts';

const sample = { roundTripMs: 2, clockOffsetMicros: 100 };

function setUp(): { env: FakeEnv; liveness: TimeoutLiveness; changes: LivenessChange[] } {
  const env = new FakeEnv();
  const liveness = new TimeoutLiveness({ env }, { self: 'n1', peers: ['n2', 'n3'] });
  const changes: LivenessChange[] = [];
  liveness.onChange((change) => changes.push(change));
  liveness.start();
  return { env, liveness, changes };
}

/** Lets time pass while these nodes answer every 500 ms. */
function pass(
  env: FakeEnv,
  liveness: TimeoutLiveness,
  durationMs: number,
  answering: readonly string[],
): void {
  for (let t = 0; t < durationMs; t += 500) {
    env.advance(500);
    for (const node of answering) liveness.heartbeatAnswered(node, sample);
  }
}

test('this node is up, a stranger is failed, a peer not yet heard is suspect', () => {
  const { liveness } = setUp();
  expect(liveness.state('n1')).toBe('up');
  expect(liveness.isUp('n1')).toBe(true);
  expect(liveness.state('n9')).toBe('failed');
  expect(liveness.isUp('n9')).toBe(false);
  expect(liveness.state('n2')).toBe('suspect');
  expect(liveness.isUp('n2')).toBe(true);
});

test('a peer that is never heard is failed after 2 s', () => {
  const { env, liveness } = setUp();
  env.advance(1_900);
  expect(liveness.state('n2')).toBe('suspect');
  env.advance(200);
  expect(liveness.state('n2')).toBe('failed');
  expect(liveness.isUp('n2')).toBe(false);
});

test('silence makes a peer suspect after 1 s and failed after 2 s, an answer makes it up', () => {
  const { env, liveness, changes } = setUp();
  pass(env, liveness, 2_000, ['n2', 'n3']);
  expect(changes.map(({ node, to }) => `${node} ${to}`)).toEqual(['n2 up', 'n3 up']);
  changes.length = 0;
  pass(env, liveness, 4_000, ['n3']);
  expect(changes).toEqual([
    { node: 'n2', from: 'up', to: 'suspect', reason: 'no heartbeat answered for 1000 ms' },
    { node: 'n2', from: 'suspect', to: 'failed', reason: 'no heartbeat answered for 2000 ms' },
  ]);
  expect(liveness.state('n3')).toBe('up');
  liveness.heartbeatAnswered('n2', sample);
  expect(changes.at(-1)).toEqual({ node: 'n2', from: 'failed', to: 'up', reason: 'it answered a heartbeat' });
});

test('one broken channel means nothing yet, both mean failed at once', () => {
  const { env, liveness, changes } = setUp();
  pass(env, liveness, 1_000, ['n2', 'n3']);
  liveness.channelBroken('n2', 'data', 'reset');
  expect(liveness.state('n2')).toBe('up');
  liveness.channelBroken('n3', 'control', 'reset');
  expect(liveness.state('n3')).toBe('up');
  liveness.channelBroken('n2', 'control', 'connection refused');
  expect(liveness.state('n2')).toBe('failed');
  expect(changes.at(-1)?.reason).toBe('both channels are broken: connection refused');
});

test('a channel that came back before the other broke counts', () => {
  const { env, liveness } = setUp();
  pass(env, liveness, 1_000, ['n2', 'n3']);
  liveness.channelBroken('n2', 'data', 'reset');
  liveness.channelOpened('n2', 'data');
  liveness.channelBroken('n2', 'control', 'reset');
  expect(liveness.state('n2')).toBe('up');
});

test('a node whose own loop stood still judges nobody until fresh heartbeats had a chance', () => {
  const { env, liveness, changes } = setUp();
  pass(env, liveness, 2_000, ['n2', 'n3']);
  changes.length = 0;
  env.standStill(5_000);
  // What breaks now may have been broken by our own silence.
  liveness.channelBroken('n3', 'data', 'reset');
  liveness.channelBroken('n3', 'control', 'reset');
  env.advance(900);
  expect(changes).toEqual([]);
  liveness.heartbeatAnswered('n2', sample);
  env.advance(300);
  // n3 had its chance, and both its channels are still broken.
  expect(changes.map(({ node, to }) => `${node} ${to}`)).toEqual(['n3 failed']);
  env.advance(900);
  expect(changes.at(-1)).toMatchObject({ node: 'n2', to: 'suspect' });
});

test('a pause below 1 s of the own loop gives no grace', () => {
  const { env, liveness } = setUp();
  pass(env, liveness, 1_000, ['n2', 'n3']);
  env.standStill(900);
  env.advance(200);
  expect(liveness.state('n2')).toBe('suspect');
});

test('the view tells ages, offsets and round trips', () => {
  const { env, liveness } = setUp();
  pass(env, liveness, 500, ['n2']);
  env.advance(300);
  liveness.heartbeatAnswered('n2', { roundTripMs: 10, clockOffsetMicros: -50 });
  env.advance(200);
  expect(liveness.view()).toEqual([
    {
      node: 'n2',
      state: 'up',
      lastHeartbeatAgoMs: 200,
      clockOffsetMicros: -50,
      roundTripMs: 3,
      sinceMs: 500,
    },
    {
      node: 'n3',
      state: 'suspect',
      lastHeartbeatAgoMs: undefined,
      clockOffsetMicros: undefined,
      roundTripMs: undefined,
      sinceMs: 1_000,
    },
  ]);
});

test('after close nobody is judged', () => {
  const { env, liveness, changes } = setUp();
  liveness.close();
  env.advance(10_000);
  expect(changes).toEqual([]);
  expect(env.timersPending).toBe(0);
});

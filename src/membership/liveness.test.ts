import { expect, test } from 'vitest';
import { FakeEnv } from '../../test/support/fake-env.ts';
import { SeededRandom } from '../../test/support/seeded-random.ts';
import type { HeardVerdict, Verdict } from '../core/membership/verdict.ts';
import { AccrualLiveness, type AccrualLivenessOptions, type LivenessChange } from './liveness.ts';
import type { VerdictBoard } from './verdict-board.ts';

const sample = { roundTripMs: 2, clockOffsetMicros: 100, regular: true };

/** A board that a test writes on. */
class TestBoard implements VerdictBoard {
  published: readonly Verdict[] = [];
  announced = 0;
  readonly incarnations = new Map<string, number>();
  readonly heard: HeardVerdict[] = [];
  #listener: (nodes: Iterable<string>) => void = () => {};

  publish(verdicts: readonly Verdict[]): void {
    this.published = verdicts;
  }
  announce(incarnation: number): void {
    this.announced = incarnation;
  }
  incarnationOf(node: string): number {
    return this.incarnations.get(node) ?? 0;
  }
  verdictsOn(node: string): Iterable<HeardVerdict> {
    return this.heard.filter((verdict) => verdict.node === node);
  }
  onNews(listener: (nodes: Iterable<string>) => void): void {
    this.#listener = listener;
  }
  news(...nodes: string[]): void {
    this.#listener(nodes);
  }
}

interface World {
  readonly env: FakeEnv;
  readonly liveness: AccrualLiveness;
  readonly board: TestBoard;
  readonly changes: LivenessChange[];
  /** `n2 through n3,n4`, in order. */
  readonly probes: string[];
  /** Lets time pass while these nodes answer every 500 ms. */
  pass(durationMs: number, answering: readonly string[]): void;
}

function setUp(peers: readonly string[], options: Partial<AccrualLivenessOptions> = {}): World {
  const env = new FakeEnv();
  const board = new TestBoard();
  const probes: string[] = [];
  const liveness = new AccrualLiveness(
    { env, board, askToProbe: (node, helpers) => probes.push(`${node} through ${helpers.join()}`) },
    { self: 'n1', peers, ...options },
  );
  const changes: LivenessChange[] = [];
  liveness.onChange((change) => changes.push(change));
  liveness.start();
  const pass = (durationMs: number, answering: readonly string[]): void => {
    for (let t = 0; t < durationMs; t += 500) {
      env.advance(500);
      for (const node of answering) liveness.heartbeatAnswered(node, sample);
    }
  };
  return { env, liveness, board, changes, probes, pass };
}

const steps = (changes: readonly LivenessChange[]): string[] =>
  changes.map(({ node, to }) => `${node} ${to}`);

test('this node is up, a stranger is failed, a peer not yet heard is suspect', () => {
  const { liveness } = setUp(['n2', 'n3']);
  expect(liveness.state('n1')).toBe('up');
  expect(liveness.isUp('n1')).toBe(true);
  expect(liveness.state('n9')).toBe('failed');
  expect(liveness.isUp('n9')).toBe(false);
  expect(liveness.viewOf('n9')).toBeUndefined();
  expect(liveness.state('n2')).toBe('suspect');
  expect(liveness.isUp('n2')).toBe(true);
});

test('a silent peer is suspect within 3 s, and failed within 4 s when no helper reaches it', () => {
  const { env, liveness, changes, probes, pass } = setUp(['n2', 'n3', 'n4']);
  pass(20_000, ['n2', 'n3', 'n4']);
  expect(steps(changes)).toEqual(['n2 up', 'n3 up', 'n4 up']);
  changes.length = 0;
  const silentFromMs = env.clock.monotonicMs();
  const at: number[] = [];
  liveness.onChange(() => at.push(env.clock.monotonicMs() - silentFromMs));
  pass(6_000, ['n3', 'n4']);
  expect(steps(changes)).toEqual(['n2 suspect', 'n2 failed']);
  expect(probes).toEqual(['n2 through n3,n4']);
  expect(at[0]).toBeGreaterThan(2_500);
  expect(at[0]).toBeLessThanOrEqual(3_000);
  expect(at[1]).toBeLessThanOrEqual(4_000);
  expect(changes[0]?.reason).toMatch(/^no heartbeat answered for \d+ ms \(phi [5-7]\.\d\)$/);
  expect(changes[1]?.reason).toMatch(
    /^no heartbeat answered for \d+ ms \(phi \d+\.\d\), and neither n3 nor n4 reaches it$/,
  );
  expect(liveness.isUp('n2')).toBe(false);
  liveness.heartbeatAnswered('n2', sample);
  expect(changes.at(-1)).toMatchObject({
    node: 'n2',
    from: 'failed',
    to: 'up',
    reason: 'it answered a heartbeat',
  });
});

test('helpers that both say no end the suspicion before the time is over', () => {
  const { env, liveness, changes, pass } = setUp(['n2', 'n3', 'n4']);
  pass(5_000, ['n2', 'n3', 'n4']);
  liveness.channelBroken('n2', 'data', 'reset');
  liveness.channelBroken('n2', 'control', 'reset');
  expect(changes.at(-1)).toMatchObject({ to: 'suspect', reason: 'both channels are broken (reset)' });
  liveness.probed('n2', 'n3', false);
  // A word of somebody who was not asked, or twice from the same, says nothing.
  liveness.probed('n2', 'n3', false);
  liveness.probed('n2', 'n9', false);
  expect(liveness.state('n2')).toBe('suspect');
  liveness.probed('n2', 'n4', false);
  expect(changes.at(-1)).toMatchObject({
    to: 'failed',
    reason: 'both channels are broken (reset), and neither n3 nor n4 reaches it',
  });
  expect(liveness.probes).toEqual({ reached: 0, unreached: 2, unanswered: 0 });
  env.advance(1_000);
  expect(liveness.state('n2')).toBe('failed');
});

test('a killed peer is failed within a second although no helper says a word', () => {
  const { env, liveness, pass } = setUp(['n2', 'n3', 'n4']);
  pass(5_000, ['n2', 'n3', 'n4']);
  liveness.channelBroken('n2', 'data', 'reset');
  liveness.channelBroken('n2', 'control', 'connection refused');
  expect(liveness.state('n2')).toBe('suspect');
  env.advance(700);
  expect(liveness.state('n2')).toBe('failed');
  // Two who are up and do not even say no: perhaps it is this node that does not hear.
  expect(liveness.probes).toEqual({ reached: 0, unreached: 0, unanswered: 2 });
  expect(liveness.healthScore).toBe(1);
});

test('a peer that a helper reaches stays suspect, and is asked about again, until that takes too long', () => {
  const { env, liveness, changes, probes } = setUp(['n2', 'n3', 'n4']);
  const answer = (nodes: readonly string[]): void => {
    for (const node of nodes) liveness.heartbeatAnswered(node, sample);
  };
  for (let t = 0; t < 5_000; t += 500) {
    answer(['n2', 'n3', 'n4']);
    env.advance(500);
  }
  const silentFromMs = env.clock.monotonicMs() - 500;
  for (let t = 0; liveness.state('n2') !== 'failed' && t < 20_000; t += 100) {
    env.advance(100);
    if (t % 500 === 0) answer(['n3', 'n4']);
    liveness.probed('n2', 'n3', true);
  }
  expect(steps(changes.slice(3))).toEqual(['n2 suspect', 'n2 failed']);
  expect(probes.length).toBeGreaterThan(5);
  expect(changes.at(-1)?.reason).toMatch(/, and n3 reaches it, but this node has not for too long$/);
  const tookMs = env.clock.monotonicMs() - silentFromMs;
  expect(tookMs).toBeGreaterThan(8_000);
  expect(tookMs).toBeLessThan(10_000);
});

test('while it is suspect and reached by others, the reason says so', () => {
  const { env, liveness, pass } = setUp(['n2', 'n3', 'n4']);
  pass(5_000, ['n2', 'n3', 'n4']);
  liveness.channelBroken('n2', 'data', 'reset');
  liveness.channelBroken('n2', 'control', 'reset');
  liveness.probed('n2', 'n4', true);
  env.advance(200);
  expect(liveness.viewOf('n2')?.reason).toBe('both channels are broken (reset), but n4 reaches it');
  liveness.heartbeatAnswered('n2', sample);
  expect(liveness.state('n2')).toBe('up');
});

test('with nobody to ask, broken channels have the time of a probe to be mended', () => {
  const { env, liveness, changes, pass } = setUp(['n2']);
  pass(5_000, ['n2']);
  liveness.channelBroken('n2', 'data', 'reset');
  liveness.channelBroken('n2', 'control', 'reset');
  env.advance(300);
  expect(steps(changes)).toEqual(['n2 up', 'n2 suspect']);
  env.advance(400);
  expect(changes.at(-1)).toMatchObject({
    to: 'failed',
    reason: 'both channels are broken (reset), and no other node is up to ask',
  });
});

test('one broken channel means nothing yet, nor does one that came back before the other broke', () => {
  const { env, liveness, pass } = setUp(['n2', 'n3']);
  pass(2_000, ['n2', 'n3']);
  liveness.channelBroken('n2', 'data', 'reset');
  liveness.channelBroken('n3', 'data', 'reset');
  liveness.channelOpened('n3', 'data');
  liveness.channelBroken('n3', 'control', 'reset');
  env.advance(400);
  expect(liveness.state('n2')).toBe('up');
  expect(liveness.state('n3')).toBe('up');
});

test('a node whose own loop stood still judges nobody until fresh heartbeats had a chance', () => {
  const { env, liveness, changes, pass } = setUp(['n2', 'n3']);
  pass(5_000, ['n2', 'n3']);
  changes.length = 0;
  env.standStill(30_000);
  // What breaks now may have been broken by our own silence.
  liveness.channelBroken('n3', 'data', 'reset');
  liveness.channelBroken('n3', 'control', 'reset');
  env.advance(1_900);
  expect(changes).toEqual([]);
  liveness.heartbeatAnswered('n2', sample);
  // And the 32 s are no sample: the mean is what it was.
  expect(liveness.viewOf('n2')?.phi).toBeLessThan(0.01);
  env.advance(900);
  // n3 had its chance, and both its channels are still broken.
  expect(steps(changes)).toEqual(['n3 suspect', 'n3 failed']);
  env.advance(2_900);
  expect(steps(changes)[2]).toBe('n2 suspect');
});

test('a node whose own timers are late is more patient, and well again after a while', () => {
  const silenceUntilFailed = (late: boolean): number => {
    const { env, liveness, pass } = setUp(['n2']);
    pass(10_000, ['n2']);
    const sinceMs = env.clock.monotonicMs();
    while (liveness.state('n2') !== 'failed') {
      if (late) env.standStill(600);
      env.advance(100);
      if (env.clock.monotonicMs() > 60_000) throw new Error('never failed');
    }
    return env.clock.monotonicMs() - sinceMs;
  };
  const wellMs = silenceUntilFailed(false);
  const lateMs = silenceUntilFailed(true);
  expect(lateMs).toBeGreaterThan(wellMs + 3_000);
  expect(lateMs).toBeLessThan(10_000);

  const { env, liveness } = setUp([]);
  for (let i = 0; i < 20; i++) {
    env.standStill(600);
    env.advance(100);
  }
  expect(liveness.healthScore).toBeGreaterThanOrEqual(6);
  env.advance(8_000);
  expect(liveness.healthScore).toBe(0);
});

test('the worst of everything, and silence is failure within 10 s all the same', () => {
  const { env, liveness } = setUp(['n2']);
  // As uneven as a peer can be that is never suspected.
  for (let i = 0; i < 200; i++) {
    env.advance(i % 2 === 0 ? 2_900 : 10);
    liveness.heartbeatAnswered('n2', sample);
  }
  const sinceMs = env.clock.monotonicMs();
  while (liveness.state('n2') !== 'failed' && env.clock.monotonicMs() - sinceMs < 60_000) {
    env.standStill(600);
    env.advance(100);
  }
  expect(env.clock.monotonicMs() - sinceMs).toBeLessThan(10_000);
});

test('a peer that comes and goes has to answer more often in a row before it is up, within bounds', () => {
  const { env, liveness, pass } = setUp(['n2']);
  pass(3_000, ['n2']);
  const answersAsked: number[] = [];
  for (let round = 0; round < 7; round++) {
    liveness.channelBroken('n2', 'data', 'reset');
    liveness.channelBroken('n2', 'control', 'reset');
    env.advance(700);
    expect(liveness.state('n2')).toBe('failed');
    liveness.channelOpened('n2', 'data');
    let answers = 0;
    while (liveness.state('n2') !== 'up') {
      liveness.heartbeatAnswered('n2', sample);
      answers++;
      if (liveness.state('n2') === 'failed') {
        expect(liveness.viewOf('n2')?.reason).toMatch(/^it came back \d times in the last minute, and has/);
      }
      env.advance(500);
    }
    answersAsked.push(answers);
  }
  expect(answersAsked).toEqual([1, 2, 3, 4, 5, 5, 5]);
  pass(60_000, ['n2']);
  liveness.channelBroken('n2', 'data', 'reset');
  liveness.channelBroken('n2', 'control', 'reset');
  env.advance(700);
  liveness.heartbeatAnswered('n2', sample);
  expect(liveness.state('n2')).toBe('up');
});

test.each([1, 2, 3, 4, 5])(
  'seed %d: 30 minutes of a peer that stands still for a second all the time, and nobody doubts it',
  (seed) => {
    const { env, liveness, changes } = setUp(['n2', 'n3', 'n4']);
    const random = new SeededRandom(seed);
    const { clock, timers } = env;
    // Answers wait until the pause is over, and come all at once.
    let pausedUntilMs = 0;
    const asks = timers.every(500, () => {
      for (const node of ['n2', 'n3', 'n4']) {
        const restMs = node === 'n2' ? Math.max(0, pausedUntilMs - clock.monotonicMs()) : 0;
        timers.after(restMs + random.below(40), () => liveness.heartbeatAnswered(node, sample));
      }
    });
    const pauses = timers.every(1_700, () => {
      pausedUntilMs = clock.monotonicMs() + random.between(700, 1_300);
    });
    env.advance(1_800_000);
    expect(steps(changes).sort()).toEqual(['n2 up', 'n3 up', 'n4 up']);
    // And its death is noticed not much later for that.
    pauses.cancel();
    asks.cancel();
    env.advance(6_500);
    expect(liveness.state('n2')).toBe('failed');
  },
);

test('what this node found out is published, and taken back', () => {
  const { env, liveness, board, pass } = setUp(['n2', 'n3']);
  env.advance(500);
  // Not heard yet, because this node is new: nobody is accused for that.
  expect(board.published).toEqual([]);
  pass(5_000, ['n2', 'n3']);
  board.incarnations.set('n2', 7);
  liveness.channelBroken('n2', 'data', 'reset');
  liveness.channelBroken('n2', 'control', 'reset');
  expect(board.published).toEqual([{ node: 'n2', state: 'suspect', incarnation: 7 }]);
  env.advance(700);
  expect(board.published).toEqual([{ node: 'n2', state: 'failed', incarnation: 7 }]);
  liveness.heartbeatAnswered('n2', sample);
  expect(board.published).toEqual([]);
});

test('whoever hears that he is accused refutes with a higher incarnation, and is more patient himself', () => {
  const { liveness, board } = setUp(['n2', 'n3']);
  board.heard.push({ node: 'n1', by: 'n2', state: 'suspect', incarnation: 0 });
  board.news('n1');
  expect(board.announced).toBe(1);
  expect(liveness.incarnation).toBe(1);
  expect(liveness.healthScore).toBe(1);
  // The verdict is about an older one now.
  board.news('n1');
  expect(board.announced).toBe(1);
  // One that outlived a restart of this node.
  board.heard.push({ node: 'n1', by: 'n3', state: 'failed', incarnation: 9 });
  board.news('n1');
  expect(board.announced).toBe(10);
});

test('a refutation counts as much as a helper that reached the peer, and no more', () => {
  const { env, liveness, board, pass } = setUp(['n2']);
  pass(5_000, ['n2']);
  liveness.channelBroken('n2', 'data', 'reset');
  liveness.channelBroken('n2', 'control', 'reset');
  board.incarnations.set('n2', 1);
  board.news('n2');
  env.advance(400);
  expect(liveness.viewOf('n2')?.reason).toMatch(/but it refutes, so somebody reaches it$/);
  env.advance(10_000);
  expect(liveness.state('n2')).toBe('failed');
});

test('in a large cluster a node listens to some, and believes two who listen to the others', () => {
  const members = Array.from({ length: 100 }, (_, i) => `n${i + 1}`);
  const { env, liveness, board, changes } = setUp(members.slice(1));
  expect(liveness.watched.size).toBe(32);
  const stranger = members.find((node) => node !== 'n1' && !liveness.watched.has(node)) as string;
  expect(liveness.viewOf(stranger)).toMatchObject({ state: 'up', phi: 0, lastHeartbeatAgoMs: undefined });
  const [a, b] = members.filter((node) => node !== 'n1' && node !== stranger) as [string, string];
  board.heard.push({ node: stranger, by: a, state: 'failed', incarnation: 0 });
  board.news(stranger);
  expect(liveness.state(stranger)).toBe('suspect');
  board.heard.push({ node: stranger, by: b, state: 'failed', incarnation: 0 });
  board.news(stranger);
  expect(liveness.state(stranger)).toBe('failed');
  expect(changes.at(-1)?.reason).toBe(`${a}, ${b} found it failed`);
  // Hearsay is not published as this node's own.
  expect(board.published.some(({ node }) => node === stranger)).toBe(false);
  // It refutes, and the old verdicts are void.
  board.incarnations.set(stranger, 1);
  board.news(stranger);
  expect(liveness.state(stranger)).toBe('up');
  // A heartbeat of somebody this node does not listen to changes nothing.
  liveness.heartbeatAnswered(stranger, sample);
  expect(liveness.viewOf(stranger)?.lastHeartbeatAgoMs).toBeUndefined();
  env.advance(1_000);
});

test('the view tells ages, offsets, round trips, phi and why', () => {
  const { env, liveness, board, pass } = setUp(['n2', 'n3']);
  pass(500, ['n2']);
  env.advance(300);
  liveness.heartbeatAnswered('n2', { roundTripMs: 10, clockOffsetMicros: -50, regular: true });
  env.advance(200);
  board.incarnations.set('n2', 3);
  const [n2, n3] = liveness.view();
  expect(n2).toMatchObject({
    node: 'n2',
    state: 'up',
    reason: 'it answered a heartbeat',
    lastHeartbeatAgoMs: 200,
    clockOffsetMicros: -50,
    roundTripMs: 3,
    sinceMs: 500,
    incarnation: 3,
  });
  expect(n2?.phi).toBeLessThan(0.001);
  expect(n3).toMatchObject({
    node: 'n3',
    state: 'suspect',
    reason: 'it has not been heard yet',
    lastHeartbeatAgoMs: undefined,
    clockOffsetMicros: undefined,
    roundTripMs: undefined,
    sinceMs: 1_000,
    incarnation: 0,
  });
});

test('after close nobody is judged', () => {
  const { env, liveness, changes } = setUp(['n2', 'n3']);
  liveness.close();
  env.advance(10_000);
  expect(changes).toEqual([]);
  expect(env.timersPending).toBe(0);
});

test('nodes that notice a failure at the same time ask different helpers first', () => {
  const nodes = ['n1', 'n2', 'n3', 'n4', 'n5', 'n6'];
  const firstProbes = nodes.slice(0, 5).map((self) => {
    const peers = nodes.filter((node) => node !== self);
    const { pass, probes } = setUp(peers, { self });
    pass(20_000, peers);
    pass(
      6_000,
      peers.filter((node) => node !== 'n6'),
    );
    return probes[0];
  });
  expect(firstProbes).toEqual([
    'n6 through n2,n3',
    'n6 through n3,n4',
    'n6 through n4,n5',
    'n6 through n5,n1',
    'n6 through n1,n2',
  ]);
});

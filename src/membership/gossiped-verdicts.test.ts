import { expect, test } from 'vitest';
import { GossipState } from '../core/membership/gossip-state.ts';
import { GossipedVerdicts } from './gossiped-verdicts.ts';

const members = ['n1', 'n2', 'n3', 'n4'];
const nowMicros = 1_780_000_000_000_000;

interface Watcher {
  readonly state: GossipState;
  readonly board: GossipedVerdicts;
  readonly news: string[][];
}

function watcher(self: string, generation = nowMicros): Watcher {
  const state = new GossipState({ self, members, generation });
  state.set('zone', 'a');
  const board = new GossipedVerdicts(state, self);
  const news: string[][] = [];
  board.onNews((nodes) => news.push([...nodes].sort()));
  return { state, board, news };
}

/** All that `from` knows goes to `to`. */
function tell(from: Watcher, to: Watcher): void {
  const { deltas } = from.state.answer(to.state.digests(1e6, 0), 1e6, 0, nowMicros);
  to.board.noticed(to.state.merge(deltas, nowMicros));
}

test('a verdict reaches others through others, until it is taken back', () => {
  const [a, b, c] = [watcher('n1'), watcher('n2'), watcher('n3')];
  a.board.publish([{ node: 'n4', state: 'failed', incarnation: 3 }]);
  tell(a, b);
  tell(b, c);
  const expected = [{ by: 'n1', node: 'n4', state: 'failed', incarnation: 3 }];
  expect([...c.board.verdictsOn('n4')]).toEqual([expect.objectContaining(expected[0] as object)]);
  expect([...a.board.verdictsOn('n4')]).toEqual([]);
  expect(c.news.at(-1)).toContain('n4');
  a.board.publish([{ node: 'n3', state: 'suspect', incarnation: 0 }]);
  tell(a, c);
  expect([...c.board.verdictsOn('n4')]).toEqual([]);
  expect([...c.board.verdictsOn('n3')]).toHaveLength(1);
  expect(c.news.at(-1)).toEqual(['n3', 'n4']);
});

test('a node that is silent in its next life too is accused again', () => {
  const [a, c] = [watcher('n1'), watcher('n3')];
  tell(watcher('n2'), a);
  a.board.publish([{ node: 'n2', state: 'failed', incarnation: 0 }]);
  const reborn = watcher('n2', nowMicros + 1);
  tell(reborn, a);
  tell(a, c);
  expect([...c.board.verdictsOn('n2')]).toEqual([]);
  a.board.refresh();
  tell(a, c);
  expect([...c.board.verdictsOn('n2')]).toHaveLength(1);
  a.board.publish([]);
  a.board.refresh();
  tell(a, c);
  expect([...c.board.verdictsOn('n2')]).toEqual([]);
});

test('the accused announces a higher incarnation, and everybody hears of it', () => {
  const [a, b] = [watcher('n1'), watcher('n2')];
  a.board.publish([{ node: 'n2', state: 'suspect', incarnation: 0 }]);
  tell(a, b);
  expect([...b.board.verdictsOn('n2')].map(({ by }) => by)).toEqual(['n1']);
  b.board.announce(1);
  expect(b.board.incarnationOf('n2')).toBe(1);
  tell(b, a);
  expect(a.board.incarnationOf('n2')).toBe(1);
  expect(a.news.at(-1)).toContain('n2');
});

test('what was said of an earlier life does not count for the next one, nor does its incarnation', () => {
  const [a, b, c] = [watcher('n1'), watcher('n2'), watcher('n3')];
  b.board.announce(5);
  tell(b, a);
  tell(b, c);
  a.board.publish([{ node: 'n2', state: 'failed', incarnation: 5 }]);
  tell(a, c);
  expect([...c.board.verdictsOn('n2')]).toHaveLength(1);
  const reborn = watcher('n2', nowMicros + 1);
  tell(reborn, c);
  expect([...c.board.verdictsOn('n2')]).toEqual([]);
  expect(c.board.incarnationOf('n2')).toBe(0);
  expect(c.news.at(-1)).toContain('n2');
  // And what a watcher said dies with the watcher.
  b.board.publish([{ node: 'n4', state: 'failed', incarnation: 0 }]);
  tell(b, a);
  expect([...a.board.verdictsOn('n4')]).toHaveLength(1);
  tell(reborn, a);
  expect([...a.board.verdictsOn('n4')]).toEqual([]);
});

test('more than an entry holds is cut, suspicions first; words that make no sense are passed over', () => {
  const long = Array.from({ length: 64 }, (_, i) => `${'n'.repeat(60)}${100 + i}`);
  const state = new GossipState({ self: 'n1', members: ['n1', 'n2', ...long], generation: nowMicros });
  const board = new GossipedVerdicts(state, 'n1');
  board.publish(long.map((node, i) => ({ node, state: i === 63 ? 'failed' : 'suspect', incarnation: i })));
  const text = state.get('n1', 'verdicts') as string;
  expect(text.length).toBeLessThanOrEqual(4096);
  expect(text.startsWith(`${long[63]},0,63,f `)).toBe(true);
  const other = watcher('n2');
  other.state.set('verdicts', 'n4,zz,7,f nonsense ,,, n3,zz,1,x n3,zz,2,s');
  const reader = watcher('n1');
  tell(other, reader);
  expect([...reader.board.verdictsOn('n4')]).toHaveLength(1);
  expect([...reader.board.verdictsOn('n3')]).toEqual([expect.objectContaining({ incarnation: 2 })]);
});

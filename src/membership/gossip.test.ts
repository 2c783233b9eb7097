import { expect, test } from 'vitest';
import { FakeEnv } from '../../test/support/fake-env.ts';
import { GossipState } from '../core/membership/gossip-state.ts';
import { MemoryNetwork } from '../env/memory-network.ts';
import type { FrameStream } from '../env/network.ts';
import { Hello } from '../gen/kindred/peer/v1/peer.ts';
import { Gossip, type GossipOptions } from './gossip.ts';
import { GossipCodec } from './gossip-codec.ts';
import { GossipExchange } from './gossip-exchange.ts';
import { GossipServer, type GossipServerOptions } from './gossip-server.ts';

const host = '127.0.0.1';

interface Member {
  readonly state: GossipState;
  readonly exchange: GossipExchange;
  readonly gossip: Gossip;
  readonly server: GossipServer;
  readonly refusals: string[];
  readonly failed: Set<string>;
}

interface World {
  readonly env: FakeEnv;
  readonly network: MemoryNetwork;
  readonly members: readonly string[];
  portOf(node: string): number;
  join(
    node: string,
    change?: {
      readonly hello?: Partial<Hello>;
      readonly options?: Partial<GossipOptions>;
      readonly server?: GossipServerOptions;
      readonly messageBytesMax?: number;
    },
  ): Promise<Member>;
}

function world(members: readonly string[]): World {
  const env = new FakeEnv();
  const network = new MemoryNetwork({ env }, { latencyMs: 3 });
  const portOf = (node: string): number => 7000 + members.indexOf(node);
  return {
    env,
    network,
    members,
    portOf,
    async join(node, change = {}) {
      const hello = (): Hello =>
        Hello.fromPartial({
          protocolVersion: 3,
          clusterId: 'test',
          nodeId: node,
          configuration: '{}',
          ...change.hello,
        });
      const generation = env.clock.wallMicros();
      const state = new GossipState({ self: node, members, generation });
      state.set('zone', `zone of ${node}`);
      const exchange = new GossipExchange(
        { env, state, codec: new GossipCodec(members), onNews: () => {} },
        { messageBytesMax: change.messageBytesMax ?? 64 * 1024 },
      );
      const isMember = (id: string): boolean => members.includes(id);
      const server = new GossipServer({ env, exchange, hello, isMember }, change.server);
      const refusals: string[] = [];
      const failed = new Set<string>();
      const gossip = new Gossip(
        {
          env,
          network,
          exchange,
          hello,
          isFailed: (peer) => failed.has(peer),
          onRefused: (peer, reason) => refusals.push(`${peer}: ${reason}`),
        },
        {
          peers: members
            .filter((other) => other !== node)
            .map((other) => ({ node: other, host, port: portOf(other) })),
          seeds: [],
          ...change.options,
        },
      );
      await network.listen({ host, port: portOf(node) }, (channel, stream) => {
        expect(channel).toBe('gossip');
        server.accept(stream);
      });
      return { state, exchange, gossip, server, refusals, failed };
    },
  };
}

function names(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `n${i + 1}`);
}

test('what each node says of itself reaches all others within a few rounds', async () => {
  const { env, members, join } = world(names(12));
  const joined = await Promise.all(members.map((node) => join(node)));
  for (const { gossip } of joined) gossip.start();
  env.advance(12_000);
  for (const { state } of joined) {
    for (const node of members) expect(state.get(node, 'zone')).toBe(`zone of ${node}`);
  }
  joined[0]?.state.set('load', '17');
  env.advance(12_000);
  expect(joined.map(({ state }) => state.get('n1', 'load'))).toEqual(members.map(() => '17'));
  for (const { exchange } of joined) {
    expect(exchange.counters.exchanges).toBeGreaterThan(15);
    expect(exchange.counters.entriesLearned).toBeGreaterThanOrEqual(11);
    expect(exchange.counters.malformedFrames + exchange.counters.refused).toBe(0);
  }
});

test('news that one message cannot hold come in several, oldest first', async () => {
  const { env, join } = world(names(2));
  const a = await join('n1', { messageBytesMax: 16 * 1024 });
  const b = await join('n2', { messageBytesMax: 16 * 1024 });
  for (let i = 1; i <= 20; i++) a.state.set(`key${i}`, 'x'.repeat(2_000));
  b.gossip.start();
  const seen: number[] = [];
  for (let i = 0; i < 40; i++) {
    env.advance(250);
    const { version } = b.state.digestOf('n1');
    if (version !== seen.at(-1)) seen.push(version);
  }
  expect(seen.at(-1)).toBe(21);
  expect(seen).toEqual([8, 15, 21]);
  expect(b.state.entriesOf('n1')).toEqual(a.state.entriesOf('n1'));
});

test('a foreign cluster, an unknown sender and another configuration are refused, on either side, and counted', async () => {
  for (const [change, reason] of [
    [{ clusterId: 'other' }, /cluster ids differ/],
    [{ nodeId: 'n9' }, /not a member/],
    [{ configuration: '{"a":1}' }, /configurations differ/],
  ] as const) {
    const { env, join } = world(names(2));
    const a = await join('n1', { hello: change });
    const b = await join('n2');
    a.gossip.start();
    env.advance(5_000);
    expect(a.refusals).toEqual([expect.stringMatching(reason)]);
    expect(a.exchange.counters.refused).toBeGreaterThan(1);
    expect(b.exchange.counters.refused).toBe(a.exchange.counters.refused);
    expect(b.state.get('n1', 'zone')).toBeUndefined();
    expect(a.state.get('n2', 'zone')).toBeUndefined();
    a.gossip.close();
    env.advance(10_000);
    expect(b.server.streams).toBe(0);
  }
});

test('whoever answers at the address of another node is not believed', async () => {
  const { env, join } = world(names(2));
  const a = await join('n1');
  await join('n2', { hello: { nodeId: 'n1' } });
  a.gossip.start();
  env.advance(3_000);
  expect(a.refusals.length).toBe(1);
  expect(a.exchange.counters.exchanges).toBe(0);
});

test('a node that is failed is asked now and then, and a seed more often than others', async () => {
  const { env, members, join } = world(names(10));
  const joined = await Promise.all(
    members.map((node) => join(node, { options: { seeds: ['n1', 'n2', 'n3'] } })),
  );
  const asked = new Map<string, number>(members.map((node) => [node, 0]));
  const [a] = joined;
  a?.failed.add('n9').add('n10');
  a?.gossip.start();
  for (const [index, { exchange }] of joined.entries()) {
    const { answer } = exchange;
    exchange.answer = (theirs) => {
      const node = members[index] as string;
      asked.set(node, (asked.get(node) ?? 0) + 1);
      return answer.call(exchange, theirs);
    };
  }
  env.advance(1_000_000);
  const count = (node: string): number => asked.get(node) ?? 0;
  // Each of seven others 1,000 / 7 times; a failed one 1,000 x 2 / 8 / 2 times; seeds in between once more.
  expect(count('n5')).toBeGreaterThan(90);
  expect(count('n9')).toBeGreaterThan(70);
  expect(count('n9')).toBeLessThan(200);
  expect(count('n2')).toBeGreaterThan(1.3 * count('n5'));
});

test('a peer that takes exchanges and never answers costs one stream, and the round goes on', async () => {
  const { env, network, join, portOf } = world(names(3));
  const a = await join('n1');
  await join('n2');
  await network.listen({ host, port: portOf('n3') }, () => {});
  a.gossip.start();
  env.advance(60_000);
  const { exchanges, exchangesFailed } = a.exchange.counters;
  expect(exchanges).toBeGreaterThan(20);
  expect(exchangesFailed).toBeGreaterThan(5);
  expect(a.gossip.streams).toBeLessThanOrEqual(2);
});

test('streams are bounded, the longest unused one makes room, and idle ones are closed', async () => {
  const { env, members, join } = world(names(12));
  const joined = await Promise.all(
    members.map((node) => join(node, { options: { streamsMax: 4, idleMsMax: 5_000 } })),
  );
  const [a, b] = joined;
  a?.gossip.start();
  for (let i = 0; i < 400; i++) {
    env.advance(100);
    expect(a?.gossip.streams).toBeLessThanOrEqual(4);
  }
  expect(a?.exchange.counters.exchangesFailed).toBe(0);
  for (const node of members.slice(2)) a?.failed.add(node);
  a?.gossip.partnersChanged();
  expect(b?.server.streams).toBeLessThanOrEqual(1);
  a?.gossip.close();
  env.advance(100);
  for (const { server } of joined) expect(server.streams).toBe(0);
  expect(env.timersPending).toBe(0);
});

test('callers that do not greet in time, and those that are too many, are closed', async () => {
  const { env, network, join, portOf } = world(names(2));
  const b = await join('n2', { server: { streamsMax: 2 } });
  const closed: number[] = [];
  const dial = (index: number): FrameStream => {
    const stream = network.dial({ host, port: portOf('n2') }, 'gossip');
    stream.onClose(() => closed.push(index));
    return stream;
  };
  for (const index of [1, 2, 3]) dial(index);
  env.advance(20);
  expect(closed).toEqual([3]);
  env.advance(3_000);
  expect(closed).toEqual([3, 1, 2]);
  const stream = dial(4);
  stream.send(Uint8Array.of(0xff, 0xff));
  env.advance(20);
  expect(closed).toEqual([3, 1, 2, 4]);
  expect(b.exchange.counters.malformedFrames).toBe(1);
  expect(b.server.streams).toBe(0);
});

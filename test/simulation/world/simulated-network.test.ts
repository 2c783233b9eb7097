/** Each way in which the simulated network fails, and that a seed decides all of it. */

import { expect, test } from 'vitest';
import { recordKeyOf } from '../../../src/core/ring/record-key.ts';
import type { FrameStream, Network, NetworkError, PeerChannel } from '../../../src/env/network.ts';
import {
  ExchangeRequest,
  ExchangeResponse,
  Origin,
  type ReplicaCall,
} from '../../../src/gen/kindred/peer/v1/peer.ts';
import { EventOwner } from '../kernel/scheduler.ts';
import type { NetworkWeather } from '../plan/seed-plan.ts';
import { SimulatedNetwork } from './simulated-network.ts';
import { calmNetwork, roughNetwork, TestWorld } from './test-world.ts';

const port = 7400;
const seeds = Array.from({ length: 40 }, (_, index) => index + 1);

/** One end of a stream, and what it has heard. */
interface End {
  readonly stream: FrameStream;
  readonly got: number[];
  /** Each with the time in milliseconds. */
  readonly closes: { readonly code: string; readonly atMs: number }[];
}

/** Two hosts, `a` that dials and `b` that listens. */
class Pair {
  readonly world: TestWorld;
  readonly network: SimulatedNetwork;
  readonly ownerA = new EventOwner('a', 2);
  ownerB = new EventOwner('b', 3);
  readonly networkA: Network;
  readonly accepted: (End & { readonly channel: PeerChannel })[] = [];
  /** Of both ends and all streams, in the order of arrival: `b0:7` is byte 7 at the first stream that `b` accepted. */
  readonly arrivals: string[] = [];

  constructor(seed: number, weather: NetworkWeather = calmNetwork, traced = false) {
    this.world = new TestWorld(seed, { traced });
    this.network = new SimulatedNetwork(this.world, weather);
    this.networkA = this.network.endpoint('a', this.ownerA);
  }

  async listen(): Promise<this> {
    const { ownerB } = this;
    await this.network.endpoint('b', ownerB).listen({ host: '0.0.0.0', port }, (channel, stream) => {
      this.accepted.push({ channel, ...this.#end(`b${this.accepted.length}`, stream) });
    });
    return this;
  }

  dial(channel: PeerChannel = 'data'): End {
    return this.#end('a', this.networkA.dial({ host: 'b', port }, channel));
  }

  async connect(channel: PeerChannel = 'data'): Promise<[End, End]> {
    const before = this.accepted.length;
    const end = this.dial(channel);
    await this.world.until(() => this.accepted.length > before, 'the connection');
    await this.world.pass(5);
    return [end, this.accepted[before]!];
  }

  #end(name: string, stream: FrameStream): End {
    const end: End = { stream, got: [], closes: [] };
    stream.onFrame((frame) => {
      end.got.push(frame[0]!);
      this.arrivals.push(`${name}:${frame[0]}`);
    });
    stream.onClose((error: NetworkError | undefined) =>
      end.closes.push({ code: String(error?.code), atMs: this.world.scheduler.nowMicros / 1000 }),
    );
    return end;
  }
}

function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index);
}

function send(end: End, count: number): void {
  for (const i of numbers(count)) end.stream.send(Uint8Array.of(i));
}

test('frames take their time, stay in order within a stream, and overtake those of other streams', async () => {
  const pair = await new Pair(1, roughNetwork).listen();
  const [first] = await pair.connect();
  const [second] = await pair.connect('control');
  expect(pair.accepted.map(({ channel }) => channel)).toEqual(['data', 'control']);
  for (const i of numbers(100)) {
    first.stream.send(Uint8Array.of(i));
    second.stream.send(Uint8Array.of(i));
    await pair.world.pass(1);
  }
  await pair.world.pass(1_000);
  const [data, control] = pair.accepted;
  expect(data?.got).toEqual(numbers(100));
  expect(control?.got).toEqual(numbers(100));
  const places = (name: string): number[] => numbers(100).map((i) => pair.arrivals.indexOf(`${name}:${i}`));
  const [ofData, ofControl] = [places('b0'), places('b1')];
  expect(ofData.some((place, i) => place > ofControl[i + 1]!)).toBe(true);
  expect(ofControl.some((place, i) => place > ofData[i + 1]!)).toBe(true);
});

test('a frame that is late holds up those behind it in its stream, and no others', async () => {
  const pair = await new Pair(13).listen();
  const [late] = await pair.connect();
  const [other] = await pair.connect();
  pair.network.slow('a', 'b', 500_000);
  send(late, 1);
  pair.network.slow('a', 'b', 0);
  send(late, 1);
  send(other, 1);
  await pair.world.pass(490);
  expect(pair.accepted.map(({ got }) => got)).toEqual([[], [0]]);
  await pair.world.pass(20);
  expect(pair.accepted.map(({ got }) => got)).toEqual([[0, 0], [0]]);
});

test('a blocked link lets nothing through one way, and what waited comes in order afterwards', async () => {
  const pair = await new Pair(2).listen();
  const [a, b] = await pair.connect();
  pair.network.block('a', 'b', true);
  send(a, 10);
  send(b, 10);
  await pair.world.pass(5_000);
  expect(b.got).toEqual([]);
  expect(a.got).toEqual(numbers(10));
  pair.network.block('a', 'b', false);
  await pair.world.until(() => b.got.length === 10, 'the frames');
  expect(b.got).toEqual(numbers(10));
  await pair.world.pass(60_000);
  expect([...a.closes, ...b.closes]).toEqual([]);
});

test('a link that stays blocked makes both ends give up, each at its own time', async () => {
  const pair = await new Pair(3).listen();
  const [a, b] = await pair.connect();
  const startMs = pair.world.scheduler.nowMicros / 1000;
  pair.network.block('b', 'a', true);
  await pair.world.pass(30_000);
  for (const { closes } of [a, b]) {
    expect(closes).toHaveLength(1);
    expect(closes[0]?.code).toBe('reset');
    expect(closes[0]!.atMs - startMs).toBeGreaterThan(5_000);
    expect(closes[0]!.atMs - startMs).toBeLessThan(20_100);
  }
  expect(a.closes[0]?.atMs).not.toBe(b.closes[0]?.atMs);
  expect(pair.network.connections).toBe(0);
});

test.each([
  ['a', 'b'],
  ['b', 'a'],
])('nobody connects while the link from %s to %s is blocked, and nobody is told', async (from, to) => {
  const pair = await new Pair(4).listen();
  pair.network.block(from, to, true);
  const end = pair.dial();
  send(end, 3);
  await pair.world.pass(2_500);
  expect(end.closes).toEqual([]);
  expect(pair.accepted).toEqual([]);
  pair.network.heal();
  await pair.world.until(() => pair.accepted[0]?.got.length === 3, 'the frames');
  pair.network.block(from, to, true);
  const hopeless = pair.dial();
  await pair.world.until(() => hopeless.closes.length === 1, 'the end of its patience');
  expect(hopeless.closes[0]?.code).toBe('unreachable');
});

test('a cut breaks both ends at different times, after some of what was under way', async () => {
  const kept = new Set<number>();
  let apart = 0;
  for (const seed of seeds) {
    const pair = await new Pair(seed).listen();
    const [a, b] = await pair.connect();
    send(a, 10);
    pair.network.cut('b', 'a');
    a.stream.send(Uint8Array.of(99));
    await pair.world.pass(2_000);
    expect(a.closes.map(({ code }) => code)).toEqual(['reset']);
    expect(b.closes.map(({ code }) => code)).toEqual(['reset']);
    expect(b.got).toEqual(numbers(b.got.length));
    expect(b.got.length).toBeLessThanOrEqual(10);
    kept.add(b.got.length);
    if (Math.abs(a.closes[0]!.atMs - b.closes[0]!.atMs) > 0.05) apart++;
    expect(a.stream.send(Uint8Array.of(1))).toBe(false);
    expect(pair.network.connections).toBe(0);
  }
  expect(kept).toContain(10);
  expect(kept.size).toBeGreaterThan(4);
  expect(apart).toBeGreaterThan(20);
});

test('a cut while one way is blocked is heard of on the far side too, once that way is open', async () => {
  for (const seed of seeds) {
    const pair = await new Pair(seed).listen();
    const [a, b] = await pair.connect();
    pair.network.block('b', 'a', true);
    pair.network.cut('a', 'b');
    await pair.world.until(() => b.closes.length === 1, 'the near side');
    pair.network.block('b', 'a', false);
    a.stream.send(Uint8Array.of(1));
    await pair.world.until(() => a.closes.length === 1, 'the far side');
    expect(pair.network.connections).toBe(0);
  }
});

test('of a half-open connection one end hears at once, the other when it sends', async () => {
  const pair = await new Pair(5).listen();
  const [a, b] = await pair.connect();
  pair.network.halfOpen('a', 'b');
  await pair.world.pass(100);
  expect(a.closes[0]?.code).toBe('reset');
  expect(b.closes).toEqual([]);
  send(b, 1);
  await pair.world.pass(10);
  expect(b.closes[0]?.code).toBe('reset');
  expect(a.got).toEqual([]);
});

test('a half-open connection is found out by its keepalive at last, and not sooner than it may be', async () => {
  const pair = await new Pair(6).listen();
  const [, idle] = await pair.connect();
  const [, busy] = await pair.connect();
  pair.network.halfOpen('a', 'b', 3_000_000);
  await pair.world.pass(1_000);
  send(busy, 1);
  await pair.world.pass(1_000);
  expect(busy.closes).toEqual([]);
  await pair.world.pass(1_500);
  send(busy, 1);
  await pair.world.pass(10);
  expect(busy.closes).toHaveLength(1);
  expect(idle.closes).toEqual([]);
  await pair.world.pass(15_000);
  expect(idle.closes).toHaveLength(1);
});

test('frames of the old connection may come after those of the new one', async () => {
  let reordered = 0;
  for (const seed of seeds) {
    const pair = await new Pair(seed).listen();
    const [old] = await pair.connect();
    send(old, 5);
    pair.network.halfOpen('a', 'b');
    const fresh = pair.dial();
    send(fresh, 5);
    await pair.world.pass(2_000);
    expect(pair.accepted.map(({ got }) => got)).toEqual([numbers(5), numbers(5)]);
    if (pair.arrivals.indexOf('b0:4') > pair.arrivals.indexOf('b1:0')) reordered++;
  }
  expect(reordered).toBeGreaterThan(20);
});

test('a slow link delays everything one way', async () => {
  const pair = await new Pair(7).listen();
  const [a, b] = await pair.connect();
  pair.network.slow('a', 'b', 500_000);
  send(a, 1);
  send(b, 1);
  await pair.world.pass(10);
  expect([a.got.length, b.got.length]).toEqual([1, 0]);
  await pair.world.pass(500);
  expect(b.got).toEqual([0]);
  expect(pair.network.delayMicros('a', 'b', 10)).toBeGreaterThan(500_000);
  expect(pair.network.delayMicros('b', 'a', 10)).toBeLessThan(1_000);
  pair.network.heal();
  expect(pair.network.delayMicros('a', 'b', 10)).toBeLessThan(1_000);
  pair.network.block('a', 'b', true);
  expect(pair.network.delayMicros('a', 'b', 10)).toBe('blocked');
});

test('a process that is killed breaks its streams, and listens no more', async () => {
  let lost = 0;
  for (const seed of seeds) {
    const pair = await new Pair(seed).listen();
    const [a, b] = await pair.connect();
    send(b, 5);
    pair.ownerB.state = 'halted';
    pair.network.kill(pair.ownerB);
    await pair.world.pass(10);
    expect(a.closes.map(({ code }) => code)).toEqual(['reset']);
    expect(a.got).toEqual(numbers(a.got.length));
    if (a.got.length < 5) lost++;
    expect(b.closes).toEqual([]);
    const refused = pair.dial();
    await pair.world.pass(10);
    expect(refused.closes[0]?.code).toBe('unreachable');
    pair.ownerB = new EventOwner('b', 4);
    await pair.listen();
    const [, again] = await pair.connect();
    expect(again.closes).toEqual([]);
    expect(pair.network.connections).toBe(1);
  }
  expect(lost).toBeGreaterThan(5);
  expect(lost).toBeLessThan(35);
});

test('what a process closed in good order still arrives after its death', async () => {
  for (const seed of seeds) {
    const pair = await new Pair(seed).listen();
    const [a, b] = await pair.connect();
    send(b, 5);
    b.stream.close();
    pair.ownerB.state = 'halted';
    pair.network.kill(pair.ownerB);
    await pair.world.pass(10);
    expect(a.got).toEqual(numbers(5));
    expect(a.closes.map(({ code }) => code)).toEqual(['undefined']);
  }
});

test('of a power failure nobody is told, until the machine is back or the keepalive fails', async () => {
  const pair = await new Pair(8).listen();
  const [talking] = await pair.connect();
  const [idle] = await pair.connect();
  pair.ownerB.state = 'halted';
  pair.network.kill(pair.ownerB, { silently: true });
  const hanging = pair.dial();
  send(talking, 3);
  await pair.world.pass(4_000);
  expect([...talking.closes, ...idle.closes, ...hanging.closes]).toEqual([]);
  pair.ownerB = new EventOwner('b', 4);
  await pair.listen();
  await pair.world.pass(2_100);
  // Its machine says so to what is sent again and again.
  expect(talking.closes[0]?.code).toBe('reset');
  await pair.world.until(() => idle.closes.length === 1, 'the keepalive');
  expect(pair.accepted.slice(0, 2).map(({ got }) => got)).toEqual([[], []]);
  expect(pair.accepted).toHaveLength(3);
  expect(hanging.closes).toEqual([]);
});

test('a suspended process gets everything when it goes on, a dead one nothing', async () => {
  const pair = await new Pair(9).listen();
  const [a, b] = await pair.connect();
  pair.ownerB.state = 'suspended';
  send(a, 5);
  a.stream.close();
  const late = pair.dial();
  send(late, 2);
  await pair.world.pass(1_000);
  expect([b.got, pair.accepted.length, late.closes]).toEqual([[], 1, []]);
  pair.world.scheduler.resume(pair.ownerB);
  await pair.world.pass(1);
  expect([b.got, b.closes.length, pair.accepted[1]?.got]).toEqual([numbers(5), 1, numbers(2)]);
  send(late, 2);
  pair.ownerB.state = 'halted';
  await pair.world.pass(1_000);
  expect(pair.accepted[1]?.got).toEqual(numbers(2));
});

test('a dead process does nothing any more', async () => {
  const pair = await new Pair(10).listen();
  const [a, b] = await pair.connect();
  pair.ownerA.state = 'halted';
  pair.network.kill(pair.ownerA);
  expect(a.stream.send(Uint8Array.of(1))).toBe(false);
  a.stream.close();
  pair.dial().stream.send(Uint8Array.of(1));
  await pair.world.pass(100);
  expect(b.got).toEqual([]);
  expect(pair.accepted).toHaveLength(1);
  expect(pair.network.connections).toBe(0);
});

test('streams break for no reason, as often as the weather says', async () => {
  const pair = await new Pair(11, { ...calmNetwork, resetPerTenThousand: 100 }).listen();
  let broken = 0;
  let end = pair.dial();
  for (let i = 0; i < 3_000; i++) {
    end.stream.send(Uint8Array.of(1));
    await pair.world.pass(1);
    if (end.closes.length === 0) continue;
    broken++;
    end = pair.dial();
  }
  expect(broken).toBeGreaterThan(15);
  expect(broken).toBeLessThan(60);
});

test('the trace names what is in each frame, and both ends of its way', async () => {
  const pair = await new Pair(12, calmNetwork, true).listen();
  const [a, b] = await pair.connect();
  const key = recordKeyOf('default', new TextEncoder().encode('k1'));
  const merge = {
    $case: 'merge' as const,
    value: { key, record: new Uint8Array(9), origin: Origin.ORIGIN_WRITE, sync: true, receiverMark: 0 },
  };
  const read = { $case: 'read' as const, value: { key, digestOnly: true } };
  const calls: ReplicaCall[] = [
    { id: 12, timeoutMs: 100, call: merge },
    { id: 13, timeoutMs: 100, call: read },
  ];
  a.stream.send(ExchangeRequest.encode({ layoutVersion: 1, calls, hello: undefined }).finish());
  await pair.world.pass(5);
  const replies = [{ id: 12, reply: { $case: 'merged' as const, value: { changed: true, synced: true } } }];
  b.stream.send(ExchangeResponse.encode({ replies, hello: undefined }).finish());
  await pair.world.pass(5);
  const [control] = await pair.connect('control');
  control.stream.send(Uint8Array.of(0x08, 3));
  pair.network.block('a', 'b', true);
  a.stream.send(Uint8Array.of(255));
  pair.ownerA.state = 'halted';
  pair.network.kill(pair.ownerA, { silently: true });
  await pair.world.pass(5);
  const frames = pair.world.entries.filter(({ kind }) => kind === 'frame');
  expect(
    frames.map(({ message, direction, at, peer, text, key: about }) => ({
      message,
      direction,
      at,
      peer,
      text,
      about,
    })),
  ).toEqual([
    {
      message: 1,
      direction: 'sent',
      at: 'a',
      peer: 'b',
      text: 'merge synced default/k1 (#12), read digest default/k1 (#13)',
      about: 'default/k1',
    },
    {
      message: 1,
      direction: 'arrived',
      at: 'b',
      peer: 'a',
      text: 'merge synced default/k1 (#12), read digest default/k1 (#13)',
      about: 'default/k1',
    },
    {
      message: 2,
      direction: 'sent',
      at: 'b',
      peer: 'a',
      text: 'merged synced default/k1 (#12)',
      about: 'default/k1',
    },
    {
      message: 2,
      direction: 'arrived',
      at: 'a',
      peer: 'b',
      text: 'merged synced default/k1 (#12)',
      about: 'default/k1',
    },
    { message: 3, direction: 'sent', at: 'a', peer: 'b', text: 'heartbeat 3', about: undefined },
    {
      message: 4,
      direction: 'sent',
      at: 'a',
      peer: 'b',
      text: '1 bytes that do not decode',
      about: undefined,
    },
    {
      message: 4,
      direction: 'lost',
      at: 'b',
      peer: 'a',
      text: '1 bytes that do not decode',
      about: undefined,
    },
    { message: 3, direction: 'arrived', at: 'b', peer: 'a', text: 'heartbeat 3', about: undefined },
  ]);
  expect(pair.world.entries.filter(({ kind }) => kind === 'stream').map(({ text }) => text)).toContain(
    'data to b: dials',
  );
});

test('one seed gives one hash, another another, and a trace changes nothing', async () => {
  const run = async (seed: number, traced = false): Promise<string> => {
    const pair = await new Pair(seed, { ...roughNetwork, resetPerTenThousand: 100 }, traced).listen();
    for (let round = 0; round < 5; round++) {
      const end = pair.dial();
      send(end, 20);
      await pair.world.pass(20);
      const last = pair.accepted.at(-1);
      if (last !== undefined) send(last, 20);
      if (round % 2 === 0) pair.network.cut('a', 'b');
      else pair.network.halfOpen('b', 'a');
      await pair.world.pass(300);
    }
    return pair.world.scheduler.hash;
  };
  expect(await run(1)).toBe(await run(1));
  expect(await run(1)).toBe(await run(1, true));
  expect(await run(1)).not.toBe(await run(2));
});

test('the trace says of a message that took long how long, and why; and names all keys of a frame', async () => {
  const weather = { ...calmNetwork, lossPercent: 100, retransmitMicros: 200_000 };
  const pair = await new Pair(1, weather, true).listen();
  const [a] = await pair.connect();
  const calls = Array.from({ length: 20 }, (_, index): ReplicaCall => {
    const key = recordKeyOf('default', Buffer.from(`k${index}`));
    return { id: index + 1, timeoutMs: 1000, call: { $case: 'read', value: { key, digestOnly: false } } };
  });
  a.stream.send(ExchangeRequest.encode(ExchangeRequest.fromPartial({ calls })).finish());
  await pair.world.pass(1000);
  pair.network.slow('a', 'b', 50_000);
  pair.network.heal();
  pair.network.slow('a', 'b', 50_000);
  a.stream.send(Uint8Array.of(255));
  await pair.world.pass(1000);
  const arrived = pair.world.entries.filter(({ direction }) => direction === 'arrived');
  expect(arrived.map(({ text }) => text.replace(/^.*, (?=\d+\.\d ms under)/, ''))).toEqual([
    expect.stringMatching(/^200\.\d ms under way \(retransmitted\)$/),
    expect.stringMatching(/^50\.\d ms under way \(slow link\)$/),
  ]);
  expect(arrived[0]?.keys).toEqual(calls.map((_, index) => `default/k${index}`));
  expect(arrived[0]?.text).toContain(', 8 more, ');
});

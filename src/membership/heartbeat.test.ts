import { expect, test } from 'vitest';
import { FakeEnv } from '../../test/support/fake-env.ts';
import { MemoryNetwork } from '../env/memory-network.ts';
import type { FrameStream } from '../env/network.ts';
import { HeartbeatRequest, HeartbeatResponse, type Hello } from '../gen/kindred/peer/v1/peer.ts';
import { Heartbeat, type HeartbeatDependencies, HeartbeatServer } from './heartbeat.ts';
import { AccrualLiveness, type HeartbeatSample } from './liveness.ts';
import { StoreWitness } from './store-witness.ts';
import { StoredMarks } from './stored-marks.ts';

const host = '127.0.0.1';

function helloOf(nodeId: string, change: Partial<Hello> = {}): Hello {
  return {
    protocolVersion: 1,
    clusterId: 'test',
    nodeId,
    replicaId: 1,
    configuration: '{}',
    softwareVersion: '0.1.0',
    generation: 1,
    openedAtMark: 0,
    formerReplicaId: 0,
    formerMark: 0,
    ...change,
  };
}

interface World {
  readonly env: FakeEnv;
  readonly network: MemoryNetwork;
  readonly samples: HeartbeatSample[];
  readonly events: string[];
  ask(port: number, change?: Partial<HeartbeatDependencies>): Heartbeat;
  answer(port: number, aheadMicros?: number, hello?: Hello, witness?: StoreWitness): Promise<HeartbeatServer>;
}

function world(latencyMs = 3): World {
  const env = new FakeEnv();
  const network = new MemoryNetwork({ env }, { latencyMs });
  const samples: HeartbeatSample[] = [];
  const events: string[] = [];
  return {
    env,
    network,
    samples,
    events,
    ask(port, change = {}) {
      const heartbeat = new Heartbeat(
        {
          network,
          env,
          hello: () => helloOf('n1'),
          hybridMicros: () => env.clock.wallMicros(),
          onAnswer: (sample) => samples.push(sample),
          onOpen: (peer) => events.push(`open ${peer.nodeId}`),
          onBroken: (reason) => events.push(`broken ${reason}`),
          onRefused: (reason) => events.push(`refused ${reason}`),
          ...change,
        },
        { peer: 'n2', address: { host, port } },
      );
      heartbeat.start();
      return heartbeat;
    },
    async answer(port, aheadMicros = 0, hello = helloOf('n2'), witness = new StoreWitness()) {
      const server = new HeartbeatServer({
        env,
        hello: () => hello,
        isMember: (node) => node === 'n1' || node === 'n2',
        hybridMicros: () => env.clock.wallMicros() + aheadMicros,
        witness,
      });
      await network.listen({ host, port }, (_channel, stream) => server.accept(stream));
      return server;
    },
  };
}

test('every 500 ms an answer gives the round trip and the offset of the clocks', async () => {
  const { env, samples, events, ask, answer } = world(3);
  await answer(7500, 250_000);
  ask(7500);
  env.advance(10);
  // The greeting is a heartbeat: 3 ms for the connection, 3 there and 3 back, of which the first two overlap.
  expect(samples.length).toBe(1);
  expect(events).toEqual(['open n2']);
  env.advance(5_010);
  expect(samples.length).toBe(11);
  expect(samples.at(-1)).toEqual({ roundTripMs: 6, clockOffsetMicros: 250_000, regular: true });
});

test('a peer that is gone is told at once, and found again when it is back', async () => {
  const { env, network, samples, events, ask, answer } = world();
  const listener = await network.listen({ host, port: 7500 }, () => {});
  await listener.close();
  ask(7500);
  env.advance(20_000);
  const attempts = events.length;
  expect(events[0]).toBe('broken connection refused by 127.0.0.1:7500');
  // Full jitter up to 2 s: about one attempt a second.
  expect(attempts).toBeGreaterThan(10);
  expect(attempts).toBeLessThan(60);
  await answer(7500);
  env.advance(2_100);
  expect(events.at(-1)).toBe('open n2');
  expect(samples.length).toBeGreaterThan(0);
  network.cut(7500);
  env.advance(1);
  expect(events.at(-1)).toBe('broken connection to port 7500 was cut');
});

test('told that its peer is there, it asks again after the first pause', async () => {
  const { env, events, ask, answer } = world();
  const heartbeat = ask(7500);
  env.advance(20_000);
  const attempts = events.length;
  await answer(7500);
  heartbeat.redial();
  // Within the first pause of 100 ms, instead of up to 2 s.
  env.advance(110);
  expect(events.slice(attempts)).toEqual(['open n2']);
  heartbeat.redial();
  env.advance(3_000);
  expect(events.slice(attempts)).toEqual(['open n2']);
  heartbeat.close();
  heartbeat.redial();
  env.advance(5_000);
  expect(events.slice(attempts)).toEqual(['open n2']);
  expect(env.timersPending).toBe(0);
});

test('a silent peer gives no samples, and its late answers count once it speaks', async () => {
  const { env, network, samples, ask, answer } = world();
  await answer(7500);
  ask(7500);
  env.advance(1_100);
  const before = samples.length;
  network.silence(7500, true);
  env.advance(3_000);
  expect(samples.length).toBe(before);
  network.silence(7500, false);
  env.advance(600);
  expect(samples.length).toBe(before + 1);
});

test('a connection on which nothing is answered is given up for a new one', async () => {
  const { env, network, events, samples, ask, answer } = world();
  await answer(7500);
  ask(7500);
  env.advance(1_100);
  network.silence(7500, true);
  env.advance(3_600);
  expect(events.at(-1)).toMatch(/^broken 127.0.0.1:7500 has answered no heartbeat for \d+ ms$/);
  const before = samples.length;
  network.silence(7500, false);
  env.advance(5_100);
  expect(events.at(-1)).toBe('open n2');
  expect(samples.length).toBeGreaterThan(before);
});

test('after a standstill of its own process the answers that wait in the sockets are heard first', async () => {
  const { env, events, ask, answer } = world();
  await answer(7500);
  ask(7500);
  env.advance(1_100);
  env.standStill(4_000);
  env.advance(1_000);
  expect(events).toEqual(['open n2']);
});

test('a store that was put back is found out by whoever dials it, too', async () => {
  const { env, events, samples, ask, answer } = world();
  const witness = new StoreWitness();
  const before = helloOf('n2', { generation: 1, openedAtMark: 5_000_000 });
  expect(witness.setBack(before)).toBeUndefined();
  witness.heard(before, 9_000_000);
  await answer(7500, 0, helloOf('n2', { generation: 2, openedAtMark: 6_000_000 }));
  ask(7500, { witness });
  env.advance(3_000);
  expect(events[0]).toMatch(/^refused the data store of n2 has been put back/);
  expect(samples).toEqual([]);
});

test('a refused greeting is told once, the attempts go on', async () => {
  const { env, events, samples, ask, answer } = world();
  await answer(7500, 0, helloOf('n2', { clusterId: 'other' }));
  ask(7500);
  env.advance(10_000);
  const refused = events.filter((event) => event.startsWith('refused'));
  expect(refused).toEqual(['refused cluster ids differ: "test" on "n1", "other" on "n2"']);
  expect(events.filter((event) => event.startsWith('broken')).length).toBeGreaterThan(3);
  expect(samples).toEqual([]);
});

test('frames that make no sense end the stream, on both sides, and are counted', async () => {
  const { env, network, events, ask, answer } = world();
  const server = await answer(7500);
  const stream = network.dial({ host, port: 7500 }, 'control');
  let closed = false;
  stream.onFrame(() => {});
  stream.onClose(() => {
    closed = true;
  });
  stream.send(new Uint8Array([255, 255]));
  env.advance(20);
  expect(closed).toBe(true);
  expect(server.malformedFrames).toBe(1);

  let incoming: FrameStream | undefined;
  await network.listen({ host, port: 7501 }, (_channel, accepted) => {
    incoming = accepted;
    accepted.onFrame((frame) => {
      const { sequence } = HeartbeatRequest.decode(frame);
      accepted.send(
        HeartbeatResponse.encode({
          sequence,
          answeredAt: 1,
          hello: undefined,
          storedMark: 0,
          probed: [],
        }).finish(),
      );
    });
  });
  const heartbeat = ask(7501);
  env.advance(20);
  expect(incoming).toBeDefined();
  expect(heartbeat.malformedFrames).toBe(1);
  expect(events).toEqual(['broken 127.0.0.1:7501 sent a first frame that is not the answer to the greeting']);
});

test('an answer to a heartbeat that was never sent says nothing', async () => {
  const { env, network, samples, ask } = world();
  await network.listen({ host, port: 7500 }, (_channel, stream) => {
    stream.onFrame(() => {
      const hello = { accepted: true, refusal: '', self: helloOf('n2'), setBack: false, outdated: false };
      stream.send(
        HeartbeatResponse.encode({ sequence: 77, answeredAt: 1, hello, storedMark: 0, probed: [] }).finish(),
      );
    });
  });
  ask(7500);
  env.advance(100);
  expect(samples).toEqual([]);
});

test('after close nothing is left running', async () => {
  const { env, samples, ask, answer } = world();
  const server = await answer(7500);
  const heartbeat = ask(7500);
  env.advance(1_000);
  heartbeat.close();
  server.close();
  env.advance(100);
  const before = samples.length;
  env.advance(5_000);
  expect(samples.length).toBe(before);
  expect(env.timersPending).toBe(0);
});

test('with liveness: a killed peer is suspect as both its channels break, and soon failed', async () => {
  const { env, network, ask, answer } = world();
  await answer(7500);
  const liveness = new AccrualLiveness({ env }, { self: 'n1', peers: ['n2'] });
  liveness.start();
  ask(7500, {
    onAnswer: (sample) => liveness.heartbeatAnswered('n2', sample),
    onBroken: (reason) => liveness.channelBroken('n2', 'control', reason),
  });
  env.advance(700);
  expect(liveness.state('n2')).toBe('up');
  liveness.channelBroken('n2', 'data', 'reset');
  network.cut(7500);
  network.silence(7500, true);
  env.settle();
  expect(liveness.state('n2')).toBe('suspect');
  env.advance(700);
  expect(liveness.state('n2')).toBe('failed');
  network.silence(7500, false);
  // The dial that waits is given up after 3 s.
  env.advance(5_500);
  expect(liveness.state('n2')).toBe('up');
});

test('a store that comes back with less than its heartbeats said is refused, and told why', async () => {
  const { env, events, ask, answer } = world();
  await answer(7500);
  let mark = 1_000_000;
  const told: string[] = [];
  const onSetBack = (reason: string): void => {
    told.push(reason);
  };
  const life = (generation: number, openedAtMark: number): Partial<HeartbeatDependencies> => ({
    hello: () => helloOf('n1', { generation, openedAtMark }),
    storedMark: () => mark,
    onSetBack,
  });
  const first = ask(7500, life(1, 1_000_000));
  env.advance(1_000);
  mark = 9_000_000;
  env.advance(1_000);
  first.close();
  // The same store after an ordinary restart, and its connection renewed.
  for (let times = 0; times < 2; times++) {
    const second = ask(7500, life(2, 9_000_000));
    env.advance(1_000);
    second.close();
  }
  expect(told).toEqual([]);
  // And after a restart from a snapshot that was made before the last mark.
  events.length = 0;
  const third = ask(7500, life(3, 8_500_000));
  env.advance(10_000);
  third.close();
  expect(told.length).toBeGreaterThan(1);
  expect(told[0]).toContain(
    'the data store of n1 has been put back to an earlier state: it opened about 1 s behind',
  );
  expect(events.some((event) => event.startsWith('open'))).toBe(false);
  // As another replica it is welcome.
  ask(7500, { ...life(4, 8_500_000), hello: () => helloOf('n1', { replicaId: 2, generation: 4 }) });
  env.advance(1_000);
  expect(events.at(-1)).toBe('open n2');
});

test('a release that says nothing of marks is not accused', async () => {
  const { env, events, ask, answer } = world();
  await answer(7500);
  const first = ask(7500, { storedMark: () => 5_000_000 });
  env.advance(1_000);
  first.close();
  const second = ask(7500, { hello: () => helloOf('n1', { generation: 2, openedAtMark: 0 }) });
  env.advance(1_000);
  second.close();
  expect(events).toEqual(['open n2', 'open n2']);
});

/** Three nodes: n1 asks n2, and n2 listens to n3. */
async function probing(): Promise<{
  readonly env: FakeEnv;
  readonly network: MemoryNetwork;
  readonly asking: Heartbeat;
  readonly told: string[];
  readonly samples: HeartbeatSample[];
}> {
  const { env, network, ask, answer, samples } = world();
  await answer(7503, 0, helloOf('n3'));
  const listening = new Heartbeat(
    { network, env, hello: () => helloOf('n2'), hybridMicros: () => 0, onAnswer: () => {} },
    { peer: 'n3', address: { host, port: 7503 } },
  );
  listening.start();
  const server = new HeartbeatServer({
    env,
    hello: () => helloOf('n2'),
    isMember: () => true,
    hybridMicros: () => env.clock.wallMicros(),
    probe: (node, done) => node === 'n3' && listening.probe(400, done),
  });
  await network.listen({ host, port: 7502 }, (_channel, stream) => server.accept(stream));
  const told: string[] = [];
  const asking = ask(7502, {
    onProbed: (results) => told.push(...results.map(({ nodeId, reachable }) => `${nodeId} ${reachable}`)),
  });
  return { env, network, asking, told, samples };
}

test('a helper asks out of turn, and says yes as soon as it is answered', async () => {
  const { env, asking, told, samples } = await probing();
  // Nobody can be asked before the greeting.
  expect(asking.askToProbe(['n3'])).toBe(false);
  env.advance(1_200);
  const before = samples.length;
  expect(asking.askToProbe(['n3', 'n9'])).toBe(true);
  env.advance(11);
  expect(told).toEqual([]);
  // There, to n3 and back, and back: 3 ms each.
  env.advance(2);
  // Nothing is said of n9, to whom the helper does not listen.
  expect(told).toEqual(['n3 true']);
  // The request itself was a sign of life from n2, but no sample.
  expect(samples.slice(before).map(({ regular }) => regular)).toEqual([false]);
  env.advance(10_000);
  expect(told).toEqual(['n3 true']);
});

test('a helper that gets no answer says no in time, and asked twice it answers once', async () => {
  const { env, network, asking, told } = await probing();
  env.advance(1_200);
  network.silence(7503, true);
  asking.askToProbe(['n3']);
  asking.askToProbe(['n3', 'n3']);
  env.advance(400);
  expect(told).toEqual([]);
  env.advance(10);
  expect(told).toEqual(['n3 false']);
});

test('a helper whose own connection is broken dials at once, and says yes when it is greeted', async () => {
  const { env, network, asking, told } = await probing();
  env.advance(1_200);
  network.cut(7503);
  env.settle();
  asking.askToProbe(['n3']);
  env.advance(250);
  expect(told).toEqual(['n3 true']);
});

test('a helper answers so many at once, and no more', async () => {
  const { env, network, ask } = world();
  let asked = 0;
  const server = new HeartbeatServer({
    env,
    hello: () => helloOf('n2'),
    isMember: () => true,
    hybridMicros: () => 0,
    probe: () => {
      asked++;
      return true;
    },
  });
  await network.listen({ host, port: 7500 }, (_channel, stream) => server.accept(stream));
  const asking = ask(7500);
  env.advance(100);
  asking.askToProbe(Array.from({ length: 100 }, (_, i) => `m${i}`));
  asking.askToProbe(Array.from({ length: 100 }, (_, i) => `k${i}`));
  env.advance(100);
  expect(asked).toBe(16);
});

test('a helper that could not ask about a node is asked about it again', async () => {
  const { env, network, ask } = world();
  let takes = false;
  let asked = 0;
  const server = new HeartbeatServer({
    env,
    hello: () => helloOf('n2'),
    isMember: () => true,
    hybridMicros: () => 0,
    probe: (_node, done) => {
      asked++;
      if (takes) env.timers.after(1, () => done(true));
      return takes;
    },
  });
  await network.listen({ host, port: 7500 }, (_channel, stream) => server.accept(stream));
  const told: string[] = [];
  const asking = ask(7500, { onProbed: (results) => told.push(...results.map(({ nodeId }) => nodeId)) });
  env.advance(100);
  for (let i = 0; i < 20; i++) asking.askToProbe([`m${i}`]);
  env.advance(100);
  takes = true;
  asking.askToProbe(['m0', 'm19']);
  env.advance(100);
  expect(asked).toBe(22);
  expect(told).toEqual(['m0', 'm19']);
});

test('that its store must not go on a node believes only the peer that it dialled', async () => {
  const { env, network, ask } = world();
  let self: Hello | undefined;
  await network.listen({ host, port: 7500 }, (_channel, stream) => {
    stream.onFrame(() => {
      const hello = { accepted: false, refusal: 'older', self, setBack: true, outdated: true };
      const response = { sequence: 1, answeredAt: 0, storedMark: 0, probed: [], hello };
      stream.send(HeartbeatResponse.encode(response).finish());
    });
  });
  const told: string[] = [];
  ask(7500, { onOutdated: (reason) => told.push(reason), onSetBack: (reason) => told.push(reason) });
  for (self of [undefined, helloOf('n3'), helloOf('n2', { clusterId: 'other' })]) env.advance(5_000);
  expect(told).toEqual([]);
  self = helloOf('n2');
  env.advance(5_000);
  expect(told[0]).toBe('older');
});

test('both ends hear the marks of each other, and keep the newest of the store as it is now', async () => {
  const { env, network, ask } = world();
  let mark = 5_000;
  const heardByServer = new StoredMarks();
  const server = new HeartbeatServer({
    env,
    hello: () => helloOf('n2'),
    isMember: () => true,
    hybridMicros: () => 0,
    marks: heardByServer,
    storedMark: () => mark,
  });
  await network.listen({ host, port: 7500 }, (_channel, stream) => server.accept(stream));
  const heard = new StoredMarks();
  ask(7500, { marks: heard, storedMark: () => 777 });
  expect(heard.of('n2')).toBe(0);
  env.advance(600);
  expect(heard.of('n2')).toBe(5_000);
  expect(heardByServer.of('n1')).toBe(777);
  mark = 6_000;
  env.advance(600);
  expect(heard.of('n2')).toBe(6_000);
  // A frame that comes late does not turn it back.
  heard.heard(helloOf('n2'), 5_500);
  expect(heard.of('n2')).toBe(6_000);
  // Another store of the same node begins anew; a late frame from before it changes nothing.
  heard.heard(helloOf('n2', { replicaId: 2, generation: 2 }), 100);
  heard.heard(helloOf('n2'), 9_000);
  expect(heard.of('n2')).toBe(100);
  // So does what it becomes after it was put back to an earlier state, though its clock was put back as well.
  heard.heard(helloOf('n2', { replicaId: 3, formerReplicaId: 2, generation: 1 }), 50);
  heard.heard(helloOf('n2', { replicaId: 2, generation: 2 }), 9_000);
  expect(heard.of('n2')).toBe(50);
  // Whatever the clocks and the stores say: who answers at the address is there, also on the disk of before, or an emptied one.
  heard.answered(helloOf('n2', { replicaId: 2, generation: 3 }), 9_500);
  expect(heard.of('n2')).toBe(9_500);
  heard.answered(helloOf('n2', { replicaId: 4, generation: 1 }), 10);
  heard.answered(helloOf('n2', { replicaId: 4, generation: 1 }), 5);
  expect(heard.of('n2')).toBe(10);
});

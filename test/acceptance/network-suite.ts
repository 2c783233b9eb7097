/**
 * What every `Network` must do, and what links and servers do on top of it. The network in memory and the one over sockets
 * pass the same tests, so that what the simulator finds is true of real nodes.
 */

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Env } from '../../src/env/env.ts';
import type { FrameStream, Listener, Network, NetworkError, PeerChannel } from '../../src/env/network.ts';
import {
  type EndComparison,
  ExchangeRequest,
  ExchangeResponse,
  type FindWrite,
  type ForwardedOperation,
  type Hello,
  type KeepHint,
  type ListLeaf,
  type MergeRecord,
  type ReadRecord,
  type ReadTree,
  ReplicaError_Kind,
} from '../../src/gen/kindred/peer/v1/peer.ts';
import type { CallBody, ReplyBody } from '../../src/rpc/frame-size.ts';
import {
  type CallOutcome,
  type LinkState,
  PeerLink,
  type PeerLinkDependencies,
  type PeerLinkOptions,
} from '../../src/rpc/peer-link.ts';
import {
  type Answer,
  type CallContext,
  PeerServer,
  type PeerServerDependencies,
  type PeerServerOptions,
} from '../../src/rpc/peer-server.ts';

/** A network under test. */
export interface NetworkHarness {
  readonly env: Env;
  readonly network: Network;
  /** An address that leads to the listener at `port`, and whose connections can be broken from outside. */
  route(port: number): Promise<Route>;
  /** Lets time pass until the condition holds; throws if it never does. */
  until(condition: () => boolean, what: string): Promise<void>;
  close(): Promise<void>;
}

export interface Route {
  readonly address: Address;
  /** Breaks every connection there is now, as the death of the process behind it would. */
  cut(): void;
}

type Address = { readonly host: string; readonly port: number };

const anywhere: Address = { host: '127.0.0.1', port: 0 };

export function networkSuite(name: string, open: () => Promise<NetworkHarness>): void {
  let harness: NetworkHarness;
  const links: PeerLink[] = [];

  beforeEach(async () => {
    harness = await open();
  });
  afterEach(async () => {
    for (const link of links.splice(0)) link.close();
    await harness.close();
  });

  async function listen(
    accept: (channel: PeerChannel, stream: FrameStream) => void,
    address: Address = anywhere,
  ): Promise<{ listener: Listener; route: Route }> {
    const listener = await harness.network.listen(address, accept);
    return { listener, route: await harness.route(listener.port) };
  }

  describe(`${name}: frames`, () => {
    test('arrive whole and in order, both ways, on the channel that was dialled', async () => {
      const accepted: PeerChannel[] = [];
      const { route } = await listen((channel, stream) => {
        accepted.push(channel);
        stream.onFrame((frame) => stream.send(frame));
      });
      for (const channel of ['data', 'control'] as const) {
        const stream = harness.network.dial(route.address, channel);
        const echoed: number[] = [];
        stream.onFrame((frame) => echoed.push(new DataView(frame.slice().buffer).getUint32(0)));
        for (let i = 0; i < 500; i++) {
          const frame = new Uint8Array(4 + (i % 300));
          new DataView(frame.buffer).setUint32(0, i);
          stream.send(frame);
        }
        await harness.until(() => echoed.length === 500, '500 echoes');
        expect(echoed).toEqual(Array.from({ length: 500 }, (_, i) => i));
        stream.close();
      }
      expect(accepted).toEqual(['data', 'control']);
    });

    test('of 8 MiB arrive, an empty one too', async () => {
      const got: Uint8Array[] = [];
      const { route } = await listen((_channel, stream) => stream.onFrame((frame) => got.push(frame)));
      const stream = harness.network.dial(route.address, 'data');
      const large = new Uint8Array(8 * 1024 * 1024);
      for (let i = 0; i < large.length; i += 1000) large[i] = i % 251;
      stream.send(large);
      stream.send(new Uint8Array(0));
      await harness.until(() => got.length === 2, 'both frames');
      expect(Buffer.compare(got[0]!, large)).toBe(0);
      expect(got[1]!.length).toBe(0);
    });

    test('above the limit break the stream with a code', async () => {
      const { route } = await listen((_channel, stream) => stream.onFrame(() => {}));
      const stream = harness.network.dial(route.address, 'data');
      const reasons: (NetworkError | undefined)[] = [];
      stream.onClose((error) => reasons.push(error));
      expect(stream.send(new Uint8Array(16 * 1024 * 1024 + 1))).toBe(false);
      await harness.until(() => reasons.length === 1, 'the close');
      expect(reasons[0]?.code).toBe('frame-too-large');
      expect(reasons[0]?.message).toContain('16777217');
    });

    test('wait for a listener, hold the sender back, and let it go on', async () => {
      let incoming: FrameStream | undefined;
      const { route } = await listen((_channel, stream) => {
        incoming = stream;
      });
      const stream = harness.network.dial(route.address, 'data');
      let sent = 0;
      let drained = 0;
      stream.onDrain(() => drained++);
      const frame = new Uint8Array(100_000);
      while (stream.send(frame)) sent++;
      sent++;
      // 1 MiB may wait in the process; a kernel's buffers do not count, because nothing was flushed in between.
      expect(sent).toBeLessThanOrEqual(12);
      await harness.until(() => incoming !== undefined, 'the stream');
      // Fill what the sockets take, until nothing drains any more.
      let filled = 0;
      for (let quiet = 0; quiet < 20; quiet++) {
        if (drained > filled) {
          quiet = 0;
          filled = drained;
          while (stream.send(frame)) sent++;
          sent++;
        }
        await harness.until(() => true, 'a moment');
        expect(filled).toBeLessThan(100);
      }
      let got = 0;
      const drainedBefore = drained;
      incoming!.onFrame((bytes) => {
        got++;
        expect(bytes.length).toBe(100_000);
      });
      await harness.until(() => got === sent && drained > drainedBefore, 'all frames');
      expect(stream.send(frame)).toBe(true);
    });
  });

  describe(`${name}: closing`, () => {
    test('what was sent before a close arrives, and both sides hear of it without an error', async () => {
      const got: number[] = [];
      const closes: string[] = [];
      const { route } = await listen((_channel, stream) => {
        stream.onFrame((frame) => got.push(frame[0]!));
        stream.onClose((error) => closes.push(`accepting ${error?.code}`));
      });
      const stream = harness.network.dial(route.address, 'data');
      stream.onFrame(() => {});
      stream.onClose((error) => closes.push(`dialling ${error?.code}`));
      for (let i = 0; i < 100; i++) stream.send(new Uint8Array([i]));
      stream.close();
      expect(closes).toEqual([]);
      await harness.until(() => closes.length === 2, 'both closes');
      expect(got).toEqual(Array.from({ length: 100 }, (_, i) => i));
      expect(closes.sort()).toEqual(['accepting undefined', 'dialling undefined']);
      expect(stream.send(new Uint8Array([1]))).toBe(false);
    });

    test('the accepting side may close as well', async () => {
      const closes: string[] = [];
      const { route } = await listen((_channel, stream) => {
        stream.onClose((error) => closes.push(`accepting ${error?.code}`));
        stream.onFrame(() => {
          stream.send(new Uint8Array([7]));
          stream.close();
        });
      });
      const stream = harness.network.dial(route.address, 'data');
      const got: number[] = [];
      stream.onFrame((frame) => got.push(frame[0]!));
      stream.onClose((error) => closes.push(`dialling ${error?.code}`));
      stream.send(new Uint8Array([1]));
      await harness.until(() => closes.length === 2, 'both closes');
      expect(got).toEqual([7]);
      expect(closes.sort()).toEqual(['accepting undefined', 'dialling undefined']);
    });

    test('an address where nobody listens is unreachable', async () => {
      const { listener } = await listen(() => {});
      await listener.close();
      const stream = harness.network.dial({ host: '127.0.0.1', port: listener.port }, 'data');
      const reasons: (NetworkError | undefined)[] = [];
      stream.onClose((error) => reasons.push(error));
      stream.send(new Uint8Array([1]));
      await harness.until(() => reasons.length === 1, 'the close');
      expect(reasons[0]?.code).toBe('unreachable');
      expect(reasons[0]?.message).toContain(String(listener.port));
    });

    test('a cut connection is a reset on both sides', async () => {
      const closes: string[] = [];
      let got = 0;
      const { route } = await listen((_channel, stream) => {
        stream.onFrame(() => got++);
        stream.onClose((error) => closes.push(`accepting ${error?.code}`));
      });
      const stream = harness.network.dial(route.address, 'data');
      stream.onFrame(() => {});
      stream.onClose((error) => closes.push(`dialling ${error?.code}`));
      stream.send(new Uint8Array([1]));
      await harness.until(() => got === 1, 'the frame');
      route.cut();
      await harness.until(() => closes.length === 2, 'both closes');
      expect(closes.sort()).toEqual(['accepting reset', 'dialling reset']);
    });

    test('an address in use cannot be listened on, and is free again after the close', async () => {
      const { listener } = await listen(() => {});
      const address = { host: '127.0.0.1', port: listener.port };
      await expect(harness.network.listen(address, () => {})).rejects.toMatchObject({
        code: 'address-unavailable',
      });
      await listener.close();
      const again = await harness.network.listen(address, () => {});
      expect(again.port).toBe(listener.port);
    });
  });

  function helloOf(nodeId: string, change: Partial<Hello> = {}): Hello {
    return {
      protocolVersion: 1,
      clusterId: 'test',
      nodeId,
      replicaId: 42,
      configuration: '{"members":[{"host":"a","id":"n1"},{"host":"b","id":"n2"}],"replication":3}',
      softwareVersion: '0.1.0',
      generation: 1,
      openedAtMark: 0,
      formerReplicaId: 0,
      formerMark: 0,
      ...change,
    };
  }

  /** Answers reads with their key, merges with `changed`; keeps what it was asked. */
  class Replica {
    readonly asked: CallBody[] = [];
    readonly contexts: CallContext[] = [];
    readonly answers: Answer[] = [];
    answering = true;
    read(value: ReadRecord, context: CallContext, answer: Answer): void {
      this.#take({ $case: 'read', value }, context, answer, {
        $case: 'stored',
        value: { record: value.key.slice(), digest: new Uint8Array(8), found: true },
      });
    }
    merge(value: MergeRecord, context: CallContext, answer: Answer): void {
      this.#take({ $case: 'merge', value }, context, answer, {
        $case: 'merged',
        value: { changed: true, synced: value.sync },
      });
    }
    forwarded(value: ForwardedOperation, context: CallContext, answer: Answer): void {
      this.#take({ $case: 'forwarded', value }, context, answer, {
        $case: 'operationResult',
        value: value.operation.slice(),
      });
    }
    find(value: FindWrite, context: CallContext, answer: Answer): void {
      this.#take({ $case: 'find', value }, context, answer, {
        $case: 'found',
        value: { found: false, dot: undefined },
      });
    }
    keepHint(value: KeepHint, context: CallContext, answer: Answer): void {
      this.#take({ $case: 'keepHint', value }, context, answer, {
        $case: 'hintKept',
        value: { stored: true },
      });
    }
    readTree(value: ReadTree, context: CallContext, answer: Answer): void {
      this.#take({ $case: 'readTree', value }, context, answer, {
        $case: 'treeHashes',
        value: { ready: true, hashes: new Uint8Array(8 * value.parents.length) },
      });
    }
    listLeaf(value: ListLeaf, context: CallContext, answer: Answer): void {
      this.#take({ $case: 'listLeaf', value }, context, answer, {
        $case: 'leafEntries',
        value: { entries: [{ key: value.after.slice(), digest: new Uint8Array(8) }], more: false },
      });
    }
    endComparison(value: EndComparison, context: CallContext, answer: Answer): void {
      this.#take({ $case: 'endComparison', value }, context, answer, {
        $case: 'comparisonEnded',
        value: { storedMark: 7 },
      });
    }
    #take(call: CallBody, context: CallContext, answer: Answer, reply: ReplyBody): void {
      this.asked.push(call);
      this.contexts.push(context);
      if (this.answering) answer(reply);
      else this.answers.push(answer);
    }
  }

  async function serve(
    replica: Replica,
    dependencies: Partial<PeerServerDependencies> = {},
    options: PeerServerOptions = {},
    address: Address = anywhere,
  ): Promise<{ server: PeerServer; listener: Listener; route: Route }> {
    const server = new PeerServer(
      {
        env: harness.env,
        handler: replica,
        hello: () => helloOf('n2'),
        isMember: (node) => node === 'n1' || node === 'n2',
        layoutVersion: () => 1,
        ...dependencies,
      },
      options,
    );
    return { server, ...(await listen((_channel, stream) => server.accept(stream), address)) };
  }

  function link(
    address: Address,
    dependencies: Partial<PeerLinkDependencies> = {},
    options: Partial<PeerLinkOptions> = {},
  ): PeerLink {
    const made = new PeerLink(
      {
        network: harness.network,
        env: harness.env,
        hello: () => helloOf('n1'),
        layoutVersion: () => 1,
        ...dependencies,
      },
      { peer: 'n2', address, ...options },
    );
    links.push(made);
    made.start();
    return made;
  }

  const read = (key: number): CallBody => ({
    $case: 'read',
    value: { key: new Uint8Array([key >> 8, key & 255]), digestOnly: false },
  });
  const merge = (bytes: number): CallBody => ({
    $case: 'merge',
    value: {
      key: new Uint8Array([1]),
      record: new Uint8Array(bytes),
      origin: 1,
      sync: true,
      receiverMark: 0,
    },
  });

  describe(`${name}: links`, () => {
    test('every kind of call gets its reply', async () => {
      const replica = new Replica();
      const { route } = await serve(replica);
      const peer = link(route.address);
      await harness.until(() => peer.connected, 'the connection');
      expect(peer.peer?.nodeId).toBe('n2');
      expect(peer.peer?.replicaId).toBe(42);
      expect(peer.latencyMs).toBeGreaterThanOrEqual(0);
      const outcomes: CallOutcome[] = [];
      const calls: CallBody[] = [
        read(258),
        merge(10),
        { $case: 'forwarded', value: { operation: new Uint8Array([9]) } },
        { $case: 'find', value: { key: new Uint8Array([1]), requestId: new Uint8Array(16) } },
      ];
      for (const call of calls) peer.call(call, 1_000, (outcome) => outcomes.push(outcome));
      expect(outcomes).toEqual([]);
      await harness.until(() => outcomes.length === 4, 'the outcomes');
      expect(outcomes).toEqual([
        {
          kind: 'reply',
          reply: {
            $case: 'stored',
            value: { record: new Uint8Array([1, 2]), digest: new Uint8Array(8), found: true },
          },
        },
        { kind: 'reply', reply: { $case: 'merged', value: { changed: true, synced: true } } },
        { kind: 'reply', reply: { $case: 'operationResult', value: new Uint8Array([9]) } },
        { kind: 'reply', reply: { $case: 'found', value: { found: false, dot: undefined } } },
      ]);
      expect(replica.contexts[0]?.node).toBe('n1');
      expect(peer.callsInFlight).toBe(0);
    });

    test('1,000 calls of one tick travel in few frames, and so do their replies', async () => {
      const { route, server } = await serve(new Replica());
      const peer = link(route.address);
      await harness.until(() => peer.connected, 'the connection');
      const before = { ...peer.counters };
      const received: number[] = [];
      for (let i = 0; i < 1_000; i++) {
        peer.call(read(i), 5_000, (outcome) => {
          if (outcome.kind === 'reply' && outcome.reply.$case === 'stored') {
            received.push(outcome.reply.value.record[0]! * 256 + outcome.reply.value.record[1]!);
          }
        });
      }
      await harness.until(() => received.length === 1_000, 'the replies');
      expect(received).toEqual(Array.from({ length: 1_000 }, (_, i) => i));
      expect(peer.counters.framesSent - before.framesSent).toBe(1);
      expect(peer.counters.framesReceived - before.framesReceived).toBeLessThanOrEqual(2);
      expect(server.counters.calls).toBe(1_000);
    });

    test('frames that are cut short on a rare path carry every call, in order', async () => {
      const rare: ReadonlySet<string> = new Set([
        'peer-frame-cut-short',
        'peer-replies-cut-short',
        'peer-flush-late',
      ]);
      const env: Env = { ...harness.env, rarePath: (path) => rare.has(path) };
      const { route } = await serve(new Replica(), { env });
      const peer = link(route.address, { env });
      await harness.until(() => peer.connected, 'the connection');
      const before = { ...peer.counters };
      const received: number[] = [];
      for (let i = 0; i < 100; i++) {
        peer.call(read(i), 5_000, (outcome) => {
          if (outcome.kind === 'reply' && outcome.reply.$case === 'stored') {
            received.push(outcome.reply.value.record[0]! * 256 + outcome.reply.value.record[1]!);
          }
        });
      }
      await harness.until(() => received.length === 100, 'the replies');
      expect(received).toEqual(Array.from({ length: 100 }, (_, i) => i));
      expect(peer.counters.framesSent - before.framesSent).toBe(100);
      expect(peer.counters.framesReceived - before.framesReceived).toBe(100);
    });

    test('a call that a replica turns down on a rare path was not begun', async () => {
      const replica = new Replica();
      const env: Env = { ...harness.env, rarePath: (path) => path === 'replica-overloaded' };
      const { route } = await serve(replica, { env });
      const peer = link(route.address);
      await harness.until(() => peer.connected, 'the connection');
      const outcomes: CallOutcome[] = [];
      peer.call(merge(10), 5_000, (outcome) => outcomes.push(outcome));
      await harness.until(() => outcomes.length === 1, 'the reply');
      expect(outcomes).toMatchObject([
        { kind: 'reply', reply: { $case: 'error', value: { kind: ReplicaError_Kind.KIND_OVERLOADED } } },
      ]);
      expect(replica.asked).toEqual([]);
    });

    test('frames are cut at their size, and a call above it travels alone', async () => {
      const { route } = await serve(new Replica());
      const peer = link(route.address, {}, { frameBytesMax: 10_000 });
      await harness.until(() => peer.connected, 'the connection');
      let replies = 0;
      for (let i = 0; i < 10; i++)
        peer.call(merge(4_900), 5_000, (outcome) => (replies += outcome.kind === 'reply' ? 1 : 0));
      peer.call(merge(1_000_000), 5_000, (outcome) => (replies += outcome.kind === 'reply' ? 1 : 0));
      await harness.until(() => replies === 11, 'the replies');
      expect(peer.counters.framesSent).toBe(6);
    });

    test('calls fail at once, but never inside the call, while nobody is there', async () => {
      const { listener } = await listen(() => {});
      await listener.close();
      const states: LinkState[] = [];
      const peer = link({ host: '127.0.0.1', port: listener.port }, {}, { backoffMsMax: 100 });
      peer.onStateChange((state) => states.push(state));
      await harness.until(() => states.length >= 3, 'three attempts');
      expect(states[0]).toMatchObject({ kind: 'disconnected', reason: 'unreachable' });
      const outcomes: CallOutcome[] = [];
      peer.call(read(1), 1_000, (outcome) => outcomes.push(outcome));
      expect(outcomes).toEqual([]);
      await harness.until(() => outcomes.length === 1, 'the outcome');
      expect(outcomes).toEqual([{ kind: 'not-sent', reason: 'not-connected' }]);
    });

    test('a call without a reply times out as sent, and its late reply is ignored', async () => {
      const replica = new Replica();
      replica.answering = false;
      const { route } = await serve(replica);
      const peer = link(route.address);
      await harness.until(() => peer.connected, 'the connection');
      const outcomes: CallOutcome[] = [];
      peer.call(merge(10), 60, (outcome) => outcomes.push(outcome));
      const startedMs = harness.env.clock.monotonicMs();
      await harness.until(() => outcomes.length === 1, 'the time-out');
      expect(harness.env.clock.monotonicMs() - startedMs).toBeGreaterThanOrEqual(55);
      expect(outcomes).toEqual([{ kind: 'timed-out', sent: true }]);
      for (const answer of replica.answers)
        answer({ $case: 'merged', value: { changed: true, synced: true } });
      await harness.until(() => peer.counters.unknownReplies === 1, 'the late reply');
      expect(outcomes.length).toBe(1);
      expect(peer.counters.timedOut).toBe(1);
    });

    test('a connection on which calls wait and nothing comes is given up, pauses between calls not counted', async () => {
      const replica = new Replica();
      replica.answering = false;
      const { route } = await serve(replica);
      const peer = link(route.address, {}, { silentMsMax: 200, backoffMsMax: 100 });
      const states: string[] = [];
      peer.onStateChange((state) => states.push(state.kind === 'connected' ? 'connected' : state.message));
      await harness.until(() => peer.connected, 'the connection');
      const outcomes: CallOutcome[] = [];
      const { clock } = harness.env;
      for (let turn = 1; states.length === 1; turn++) {
        peer.call(merge(10), 60, (outcome) => outcomes.push(outcome));
        await harness.until(() => outcomes.length === turn, 'the outcome');
        const restedMs = clock.monotonicMs() + 100;
        await harness.until(() => clock.monotonicMs() >= restedMs, 'a pause');
      }
      expect(states[1]).toMatch(/has answered nothing for \d+ ms$/);
      expect(outcomes.length).toBeGreaterThanOrEqual(2);
      replica.answering = true;
      await harness.until(() => peer.connected, 'the next connection');
      peer.call(merge(10), 1_000, (outcome) => outcomes.push(outcome));
      await harness.until(() => outcomes.at(-1)?.kind === 'reply', 'the reply');
    });

    test('a broken stream makes what was sent lost and what was queued not sent; the link returns', async () => {
      const replica = new Replica();
      replica.answering = false;
      const { route } = await serve(replica);
      const peer = link(route.address, {}, { backoffMsMax: 100 });
      const states: string[] = [];
      peer.onStateChange((state) => states.push(state.kind === 'connected' ? 'connected' : state.reason));
      await harness.until(() => peer.connected, 'the connection');
      const outcomes: string[] = [];
      const note = (call: string) => (outcome: CallOutcome) => {
        outcomes.push(
          `${call} ${outcome.kind} ${'reason' in outcome ? outcome.reason : ''} ${peer.connected}`,
        );
      };
      peer.call(merge(10), 5_000, note('first'));
      await harness.until(() => replica.asked.length === 1, 'the call to arrive');
      route.cut();
      await harness.until(() => outcomes.length === 1, 'the outcome');
      expect(outcomes).toEqual(['first lost reset false']);
      await harness.until(() => peer.connected, 'the reconnection');
      expect(states).toEqual(['connected', 'reset', 'connected']);
      replica.answering = true;
      peer.call(merge(10), 5_000, note('second'));
      await harness.until(() => outcomes.length === 2, 'the outcome');
      expect(outcomes[1]).toBe('second reply  true');
    });

    test('calls behind a stream that takes nothing: queued ones were certainly not sent', async () => {
      let incoming: FrameStream | undefined;
      // A peer that greets without reading, then or ever.
      const { route } = await listen((_channel, stream) => {
        incoming = stream;
        stream.send(
          ExchangeResponse.encode({
            replies: [],
            hello: { accepted: true, refusal: '', self: helloOf('n2'), setBack: false, outdated: false },
          }).finish(),
        );
      });
      const peer = link(route.address, {}, { queueBytesMax: 4 * 1024 * 1024, frameBytesMax: 100_000 });
      await harness.until(() => peer.connected && incoming !== undefined, 'the connection');
      const outcomes = new Map<number, CallOutcome>();
      let made = 0;
      const rejected = () => [...outcomes.values()].some((outcome) => outcome.kind === 'not-sent');
      while (!rejected()) {
        for (let i = 0; i < 10; i++) {
          const id = made++;
          peer.call(merge(100_000), 60_000, (outcome) => outcomes.set(id, outcome));
        }
        await harness.until(() => true, 'a moment');
        expect(made).toBeLessThan(2_000);
      }
      expect([...outcomes.values()].every((o) => o.kind === 'not-sent' && o.reason === 'queue-full')).toBe(
        true,
      );
      const full = outcomes.size;
      route.cut();
      await harness.until(() => outcomes.size === made, 'all outcomes');
      const rest = [...outcomes.entries()].slice(full).sort(([a], [b]) => a - b);
      const kinds = rest.map(([, outcome]) => `${outcome.kind} ${'reason' in outcome ? outcome.reason : ''}`);
      const lost = kinds.filter((kind) => kind === 'lost reset').length;
      const notSent = kinds.filter((kind) => kind === 'not-sent not-connected').length;
      expect(lost).toBeGreaterThan(0);
      expect(notSent).toBeGreaterThan(0);
      expect(lost + notSent).toBe(rest.length);
      // In order: what was lost came before what was never sent.
      expect(kinds.slice(0, lost).every((kind) => kind === 'lost reset')).toBe(true);
      // Around 4 MiB of 100 kB calls were queued, within the bound.
      expect(notSent).toBeLessThanOrEqual(42);
    });

    test('a call that waited behind a full stream until its deadline was not sent', async () => {
      const { route } = await listen((_channel, stream) => {
        stream.send(
          ExchangeResponse.encode({
            replies: [],
            hello: { accepted: true, refusal: '', self: helloOf('n2'), setBack: false, outdated: false },
          }).finish(),
        );
      });
      const peer = link(route.address, {}, { frameBytesMax: 1_000_000, queueBytesMax: 64 * 1024 * 1024 });
      await harness.until(() => peer.connected, 'the connection');
      for (let i = 0; i < 40; i++) peer.call(merge(1_000_000), 60_000, () => {});
      await harness.until(() => true, 'a moment');
      const outcomes: CallOutcome[] = [];
      peer.call(read(1), 50, (outcome) => outcomes.push(outcome));
      await harness.until(() => outcomes.length === 1, 'the time-out');
      expect(outcomes).toEqual([{ kind: 'timed-out', sent: false }]);
    });

    test('a peer that comes back on the same address is found again', async () => {
      const first = await serve(new Replica());
      const address = { host: '127.0.0.1', port: first.listener.port };
      const states: string[] = [];
      const peer = link(address, {}, { backoffMsMax: 100 });
      peer.onStateChange((state) => states.push(state.kind === 'connected' ? 'connected' : state.reason));
      await harness.until(() => peer.connected, 'the connection');
      await first.listener.close();
      await harness.until(() => states.includes('unreachable'), 'the peer to be gone');
      const replica = new Replica();
      await serve(replica, {}, {}, address);
      await harness.until(() => peer.connected, 'the peer to be back');
      let replied = false;
      peer.call(read(1), 1_000, (outcome) => {
        replied = outcome.kind === 'reply';
      });
      await harness.until(() => replied, 'the reply');
      expect(replica.asked.length).toBe(1);
    });

    test('told that its peer is there, a link does not wait its pause out', async () => {
      let isMember = false;
      const greeted: string[] = [];
      const { route } = await serve(new Replica(), {
        isMember: () => isMember,
        onGreeted: (node) => greeted.push(node),
      });
      const refusals: string[] = [];
      const peer = link(
        route.address,
        { onRefused: (reason) => refusals.push(reason) },
        { refusedRetryMs: 3_600_000 },
      );
      await harness.until(() => refusals.length === 1, 'the refusal, after which it waits for half an hour');
      expect(greeted).toEqual([]);
      isMember = true;
      peer.redial();
      await harness.until(() => peer.connected, 'the connection');
      expect(greeted).toEqual(['n1']);
      // Connected, it stays as it is.
      peer.redial();
      await harness.until(() => greeted.length === 1 && peer.connected, 'nothing else');
      expect(peer.counters.connects).toBe(1);
    });

    test('closing the link ends every call and connects no more', async () => {
      const replica = new Replica();
      replica.answering = false;
      const { route, server } = await serve(replica);
      const peer = link(route.address);
      await harness.until(() => peer.connected, 'the connection');
      const outcomes: CallOutcome[] = [];
      peer.call(merge(10), 5_000, (outcome) => outcomes.push(outcome));
      await harness.until(() => replica.asked.length === 1, 'the call');
      peer.call(merge(10), 5_000, (outcome) => outcomes.push(outcome));
      peer.close();
      expect(peer.connected).toBe(false);
      peer.call(merge(10), 5_000, (outcome) => outcomes.push(outcome));
      await harness.until(() => outcomes.length === 3, 'the outcomes');
      expect(outcomes).toEqual([
        { kind: 'lost', reason: 'closed' },
        { kind: 'not-sent', reason: 'closed' },
        { kind: 'not-sent', reason: 'closed' },
      ]);
      await harness.until(() => server.callsInFlight === 0, 'the server to let go');
      expect(peer.counters.connects).toBe(1);
    });
  });

  describe(`${name}: greetings`, () => {
    test.each<[string, Partial<Hello>, string]>([
      ['another cluster', { clusterId: 'other' }, 'cluster ids differ: "other" on "n1", "test" on "n2"'],
      [
        'another protocol',
        { protocolVersion: 2 },
        'peer protocol versions differ: 2 on "n1" (0.1.0), 1 on "n2" (0.1.0)',
      ],
      ['a stranger', { nodeId: 'n9' }, '"n9" is not a member in the configuration of "n2"'],
      [
        'a twin',
        { nodeId: 'n2' },
        '"n2" is the id of the answering node too: two processes run with one node id',
      ],
      [
        'another configuration',
        { configuration: '{"members":[{"host":"a","id":"n1"},{"host":"c","id":"n2"}],"replication":5}' },
        'configurations differ: members[n2].host: "b" on "n2", "c" on "n1"; replication: 3 on "n2", 5 on "n1"',
      ],
    ])('of %s are refused with what differs, and told once', async (_what, change, message) => {
      const told: string[] = [];
      const toldThere: string[] = [];
      const { route, server } = await serve(new Replica(), {
        onRefused: ({ reason }) => toldThere.push(reason),
      });
      const peer = link(
        route.address,
        { hello: () => helloOf('n1', change), onRefused: (reason) => told.push(reason) },
        { refusedRetryMs: 20 },
      );
      const states: LinkState[] = [];
      peer.onStateChange((state) => states.push(state));
      await harness.until(() => peer.counters.refusals >= 3, 'three refusals');
      expect(told).toEqual([message]);
      expect(toldThere).toEqual([message]);
      expect(states[0]).toEqual({ kind: 'disconnected', reason: 'refused', message });
      expect(server.counters.accepted).toBe(0);
    });

    test('an address that leads to another node is refused by the caller', async () => {
      const told: string[] = [];
      const { route } = await serve(new Replica(), { isMember: () => true, hello: () => helloOf('n3') });
      link(route.address, { onRefused: (reason) => told.push(reason) });
      await harness.until(() => told.length === 1, 'the refusal');
      expect(told[0]).toContain('is "n3", not "n2"');
    });

    test('a node has one stream: a newer process takes over, an older one is refused', async () => {
      const { route, server } = await serve(new Replica());
      const first = link(route.address, {}, { backoffMsMin: 60_000, backoffMsMax: 60_000 });
      await harness.until(() => first.connected, 'the first connection');
      const second = link(route.address, { hello: () => helloOf('n1', { generation: 2 }) });
      await harness.until(() => second.connected && !first.connected, 'the second to take over');
      expect(server.counters.superseded).toBe(1);
      const told: string[] = [];
      link(route.address, { onRefused: (reason) => told.push(reason) });
      await harness.until(() => told.length === 1, 'the refusal');
      expect(told[0]).toBe('a newer process of n1 is connected: two processes run with one node id');
      expect(second.connected).toBe(true);
    });
  });

  describe(`${name}: processes of one node`, () => {
    /** Connects one process after the other; true when the second takes over, false when it is refused. */
    async function takesOver(
      earlier: Partial<Hello>,
      later: Partial<Hello>,
      known: Pick<PeerServerDependencies, 'answering'> = {},
    ): Promise<boolean> {
      const { route } = await serve(new Replica(), known);
      const pauses = { backoffMsMin: 60_000, backoffMsMax: 60_000, refusedRetryMs: 60_000 };
      const first = link(route.address, { hello: () => helloOf('n1', earlier) }, pauses);
      await harness.until(() => first.connected, 'the first connection');
      let refused = false;
      const second = link(
        route.address,
        {
          hello: () => helloOf('n1', later),
          onRefused: () => {
            refused = true;
          },
        },
        pauses,
      );
      await harness.until(() => refused || second.connected, 'the answer to the second');
      return second.connected;
    }

    test('wall clock went back: the process that opened the store later takes over all the same', async () => {
      const later = { generation: 100, openedAtMark: 6_000 };
      expect(await takesOver({ generation: 200, openedAtMark: 5_000 }, later)).toBe(true);
      // The first process of a new store, which held no mark yet.
      expect(await takesOver({ generation: 200, openedAtMark: 0 }, later)).toBe(true);
      // It died before it stored the mark of its own start.
      expect(await takesOver({ generation: 200, openedAtMark: 6_000 }, later)).toBe(true);
    });

    test('wall clock went back: the process that opened the store earlier does not pass for the newer one', async () => {
      const earlier = { generation: 200, openedAtMark: 5_000 };
      expect(await takesOver({ generation: 100, openedAtMark: 6_000 }, earlier)).toBe(false);
    });

    test('between two stores, and releases that tell no mark, the later start wins', async () => {
      const stores = [
        { replicaId: 1, openedAtMark: 9_000 },
        { replicaId: 2, openedAtMark: 5_000 },
      ];
      for (const [one, other] of [stores, [...stores].reverse(), [{}, {}]]) {
        expect(await takesOver({ ...one, generation: 1 }, { ...other, generation: 2 })).toBe(true);
        expect(await takesOver({ ...one, generation: 2 }, { ...other, generation: 1 })).toBe(false);
      }
    });

    test('wall clock went back: a store that took a new replica id comes after the one that it was', async () => {
      const restored = { replicaId: 2, formerReplicaId: 1, openedAtMark: 5_000, generation: 100 };
      const before = { replicaId: 1, openedAtMark: 9_000, generation: 200 };
      expect(await takesOver(before, restored)).toBe(true);
      expect(await takesOver(restored, before)).toBe(false);
    });

    test('wall clock went back, and the disk was emptied: the process that answers at the address takes over', async () => {
      const before = { replicaId: 1, openedAtMark: 9_000, generation: 200 };
      const emptied = { replicaId: 2, generation: 100 };
      const answering = (now: Partial<Hello>) => ({ answering: () => helloOf('n1', now) });
      expect(await takesOver(before, emptied, answering(emptied))).toBe(true);
      expect(await takesOver(before, emptied, answering(before))).toBe(false);
      // The disk of before is put back.
      const copied = { replicaId: 3, formerReplicaId: 1, openedAtMark: 9_500, generation: 300 };
      expect(await takesOver(copied, before, answering(before))).toBe(true);
      // One store is sure of the order of its processes: the answer is that of a connection which is half dead.
      const later = { ...before, openedAtMark: 9_900 };
      expect(await takesOver(later, before, answering(before))).toBe(false);
    });

    test('the first process of a store, which held no mark, does not pass for the newer one', async () => {
      const first = { generation: 200, openedAtMark: 0 };
      expect(await takesOver({ generation: 100, openedAtMark: 6_000 }, first)).toBe(false);
    });

    test('of two processes that both live, the one that answers at the address stays', async () => {
      const copied = { replicaId: 3, formerReplicaId: 1, openedAtMark: 9_500, generation: 300 };
      const before = { replicaId: 1, openedAtMark: 9_000, generation: 200 };
      const { route, server } = await serve(new Replica(), { answering: () => helloOf('n1', before) });
      const pauses = { backoffMsMin: 5, backoffMsMax: 5, refusedRetryMs: 60_000 };
      const told: string[] = [];
      const second = link(
        route.address,
        { hello: () => helloOf('n1', copied), onRefused: (reason) => told.push(reason) },
        pauses,
      );
      await harness.until(() => second.connected, 'the copy to connect');
      const first = link(route.address, { hello: () => helloOf('n1', before) }, pauses);
      await harness.until(() => told.length === 1, 'the copy to be refused');
      expect(told[0]).toBe('a newer process of n1 is connected: two processes run with one node id');
      expect(first.connected).toBe(true);
      expect(server.counters.superseded).toBe(1);
    });
  });

  describe(`${name}: what makes no sense`, () => {
    test.each<[string, (hello: Uint8Array) => Uint8Array[]]>([
      ['noise', () => [new Uint8Array([255, 255, 255, 255, 1, 2, 3])]],
      ['noise after the greeting', (hello) => [hello, new Uint8Array([18, 200, 1, 5])]],
      [
        'a call before the greeting',
        () => [
          ExchangeRequest.encode({
            layoutVersion: 1,
            calls: [{ id: 1, timeoutMs: 1, call: read(1) }],
            hello: undefined,
          }).finish(),
        ],
      ],
      ['two greetings', (hello) => [hello, hello]],
    ])('is cut off by the server: %s', async (_what, frames) => {
      const faults: string[] = [];
      const { route, server } = await serve(new Replica(), {
        onMalformed: ({ message }) => faults.push(message),
      });
      const stream = harness.network.dial(route.address, 'data');
      let closed = false;
      stream.onFrame(() => {});
      stream.onClose(() => {
        closed = true;
      });
      const hello = ExchangeRequest.encode({ layoutVersion: 1, calls: [], hello: helloOf('n1') }).finish();
      for (const frame of frames(hello)) stream.send(frame);
      await harness.until(() => closed, 'the close');
      expect(faults.length).toBe(1);
      expect(server.counters.malformedFrames).toBe(1);
    });

    test('is cut off by the link, calls are lost, and it tries again', async () => {
      let round = 0;
      const { route } = await listen((_channel, stream) => {
        round++;
        stream.onFrame((frame) => {
          if (ExchangeRequest.decode(frame).hello === undefined) stream.send(new Uint8Array([18, 200, 1, 5]));
          else
            stream.send(
              ExchangeResponse.encode({
                replies: [],
                hello: { accepted: true, refusal: '', self: helloOf('n2'), setBack: false, outdated: false },
              }).finish(),
            );
        });
      });
      const states: string[] = [];
      const peer = link(route.address);
      peer.onStateChange((state) => states.push(state.kind === 'connected' ? 'connected' : state.reason));
      await harness.until(() => peer.connected, 'the connection');
      const outcomes: CallOutcome[] = [];
      peer.call(merge(1), 5_000, (outcome) => outcomes.push(outcome));
      await harness.until(() => round === 2 && peer.connected, 'the second connection');
      expect(outcomes).toEqual([{ kind: 'lost', reason: 'malformed' }]);
      expect(states).toEqual(['connected', 'malformed', 'connected']);
      expect(peer.counters.malformedFrames).toBe(1);
    });

    test('a peer that never greets is given up, and tried again', async () => {
      const { route } = await listen((_channel, stream) => stream.onFrame(() => {}));
      const states: LinkState[] = [];
      const peer = link(route.address, {}, { helloTimeoutMs: 30 });
      peer.onStateChange((state) => states.push(state));
      await harness.until(() => states.length === 2, 'two attempts');
      expect(states[0]).toMatchObject({ kind: 'disconnected', reason: 'silent' });
    });

    test('a caller that never greets is let go', async () => {
      const { route } = await serve(new Replica(), {}, { helloTimeoutMs: 30 });
      const stream = harness.network.dial(route.address, 'data');
      let closed = false;
      stream.onFrame(() => {});
      stream.onClose(() => {
        closed = true;
      });
      await harness.until(() => closed, 'the close');
    });
  });

  describe(`${name}: bounds of the server`, () => {
    function errorKinds(outcomes: readonly CallOutcome[]): (string | number)[] {
      return outcomes.map((outcome) =>
        outcome.kind === 'reply' && outcome.reply.$case === 'error' ? outcome.reply.value.kind : outcome.kind,
      );
    }

    test('another layout is refused, call by call, with the version of the receiver', async () => {
      const replica = new Replica();
      const { route } = await serve(replica, { layoutVersion: () => 8 });
      let version = 7;
      const peer = link(route.address, { layoutVersion: () => version });
      await harness.until(() => peer.connected, 'the connection');
      const outcomes: CallOutcome[] = [];
      peer.call(merge(1), 5_000, (outcome) => outcomes.push(outcome));
      await harness.until(() => outcomes.length === 1, 'the refusal');
      expect(outcomes[0]).toEqual({
        kind: 'reply',
        reply: {
          $case: 'error',
          value: {
            kind: ReplicaError_Kind.KIND_WRONG_LAYOUT,
            message: 'placed by layout 7, this node is at 8',
            layoutVersion: 8,
          },
        },
      });
      expect(replica.asked).toEqual([]);
      version = 8;
      peer.call(merge(1), 5_000, (outcome) => outcomes.push(outcome));
      await harness.until(() => outcomes.length === 2, 'the reply');
      expect(errorKinds(outcomes)).toEqual([ReplicaError_Kind.KIND_WRONG_LAYOUT, 'reply']);
    });

    test('too many calls, or too many bytes, are refused as overload', async () => {
      const replica = new Replica();
      replica.answering = false;
      const { route, server } = await serve(replica, {}, { callsInFlightMax: 3, bytesInFlightMax: 10_000 });
      const peer = link(route.address);
      await harness.until(() => peer.connected, 'the connection');
      const outcomes: CallOutcome[] = [];
      const note = (outcome: CallOutcome) => outcomes.push(outcome);
      peer.call(merge(6_000), 5_000, note);
      peer.call(merge(6_000), 5_000, note);
      peer.call(merge(10), 5_000, note);
      peer.call(merge(10), 5_000, note);
      peer.call(merge(10), 5_000, note);
      await harness.until(() => outcomes.length === 2, 'the refusals');
      expect(errorKinds(outcomes)).toEqual([
        ReplicaError_Kind.KIND_OVERLOADED,
        ReplicaError_Kind.KIND_OVERLOADED,
      ]);
      expect(server.callsInFlight).toBe(3);
      expect(server.counters.overloaded).toBe(2);
      for (const answer of replica.answers)
        answer({ $case: 'merged', value: { changed: true, synced: true } });
      await harness.until(() => outcomes.length === 5, 'the replies');
      expect(server.callsInFlight).toBe(0);
    });

    test('replies that would fill the memory turn into overload, for reads only', async () => {
      const replica = new Replica();
      replica.answering = false;
      const { route } = await serve(replica, {}, { bytesInFlightMax: 100_000 });
      const peer = link(route.address);
      await harness.until(() => peer.connected, 'the connection');
      const outcomes: CallOutcome[] = [];
      for (let i = 0; i < 3; i++) peer.call(read(i), 5_000, (outcome) => outcomes.push(outcome));
      await harness.until(() => replica.asked.length === 3, 'the calls');
      // All at once: nothing is sent in between.
      harness.env.timers.endOfTick(() => {
        for (const answer of replica.answers) {
          answer({
            $case: 'stored',
            value: { record: new Uint8Array(60_000), digest: new Uint8Array(8), found: true },
          });
        }
      });
      await harness.until(() => outcomes.length === 3, 'the outcomes');
      expect(errorKinds(outcomes)).toEqual([
        'reply',
        ReplicaError_Kind.KIND_OVERLOADED,
        ReplicaError_Kind.KIND_OVERLOADED,
      ]);
    });

    test('an answer above the largest frame is an error of its own call, and the others go on', async () => {
      const replica = new Replica();
      replica.answering = false;
      const { route } = await serve(replica, {}, { replyBytesMax: 50_000 });
      const peer = link(route.address);
      await harness.until(() => peer.connected, 'the connection');
      const outcomes: CallOutcome[] = [];
      for (let i = 0; i < 3; i++) peer.call(read(i), 5_000, (outcome) => outcomes.push(outcome));
      await harness.until(() => replica.asked.length === 3, 'the calls');
      replica.answers.forEach((answer, index) => {
        const record = new Uint8Array(index === 1 ? 60_000 : 10);
        answer({ $case: 'stored', value: { record, digest: new Uint8Array(8), found: true } });
      });
      await harness.until(() => outcomes.length === 3, 'the outcomes');
      expect(errorKinds(outcomes)).toEqual(['reply', ReplicaError_Kind.KIND_INVALID, 'reply']);
      expect(peer.connected).toBe(true);
    });

    test('a call whose time has passed is not started', async () => {
      const replica = new Replica();
      const { route, server } = await serve(replica);
      const stream = harness.network.dial(route.address, 'data');
      const replies: ExchangeResponse[] = [];
      stream.onFrame((frame) => replies.push(ExchangeResponse.decode(frame)));
      stream.send(ExchangeRequest.encode({ layoutVersion: 1, calls: [], hello: helloOf('n1') }).finish());
      stream.send(
        ExchangeRequest.encode({
          layoutVersion: 1,
          calls: [{ id: 5, timeoutMs: 0, call: read(1) }],
          hello: undefined,
        }).finish(),
      );
      await harness.until(() => replies.length === 2, 'the reply');
      expect(replies[1]?.replies[0]?.reply).toMatchObject({
        $case: 'error',
        value: { kind: ReplicaError_Kind.KIND_EXPIRED },
      });
      expect(replica.asked).toEqual([]);
      expect(server.counters.expired).toBe(1);
    });
  });
}

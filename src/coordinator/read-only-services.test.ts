/** Buckets, topology and diagnosis through a real client. */

import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  type ClientPort,
  type Clients,
  clientsOf,
  failureOf,
  startClientPort,
  testBucket,
} from '../../test/support/client-port.ts';
import type { Version, VersionedRecord } from '../core/causality/record.ts';
import { nodeId, replicaId } from '../core/identity.ts';
import { encodeValue } from '../rpc/conversion.ts';
import { explain } from './diagnostic-service.ts';
import type { ReplicaView } from './operation.ts';

let port: ClientPort;
let clients: Clients;

beforeAll(async () => {
  port = await startClientPort({
    buckets: [
      { ...testBucket, name: 'a', conflictPolicy: 'last-write-wins', ttlMs: 1500 },
      { ...testBucket, name: 'z', blindWrite: 'reject', durability: 'buffered', readLevel: 'one' },
    ],
  });
  clients = clientsOf(port.address);
});

afterAll(async () => {
  clients.channel.close();
  await port.stop();
});

test('a bucket shows its effective settings', async () => {
  const { bucket } = await clients.buckets.getBucket({ name: 'a' });
  expect(bucket).toEqual({
    name: 'a',
    replication: 3,
    defaultRead: 5,
    defaultWrite: 5,
    defaultHandoff: 1,
    defaultDurability: 3,
    conflictPolicy: 2,
    defaultBlindWrite: 1,
    warnSiblings: 25,
    maxSiblings: 100,
    defaultTtl: { seconds: 1, nanos: 500_000_000 },
    maxValueBytes: 1_048_576,
  });
  expect((await clients.buckets.getBucket({})).bucket?.name).toBe('default');
  expect((await clients.buckets.getBucket({ name: 'z' })).bucket).toMatchObject({
    defaultRead: 2,
    defaultHandoff: 1,
    defaultDurability: 1,
    defaultBlindWrite: 3,
  });
  const unknown = await failureOf((options) => clients.buckets.getBucket({ name: 'nobody' }, options));
  expect(unknown).toMatchObject({ code: 5, detail: { reason: 22 } });
});

test('buckets are listed by name, page by page', async () => {
  const names: string[] = [];
  let pageToken = '';
  for (let pages = 0; pages < 10; pages++) {
    const page = await clients.buckets.listBuckets({ pageSize: 2, pageToken });
    names.push(...page.buckets.map(({ name }) => name));
    pageToken = page.nextPageToken;
    if (pageToken === '') break;
  }
  expect(names).toEqual(['a', 'default', 'z']);
  const whole = await clients.buckets.listBuckets({});
  expect([whole.buckets.length, whole.nextPageToken]).toEqual([3, '']);
  const bad = await failureOf((options) => clients.buckets.listBuckets({ pageToken: 'Ä' }, options));
  expect(bad).toMatchObject({ code: 3, detail: { field: 'page_token' } });
});

test('the topology shows every node as this one sees it', async () => {
  const { topology } = await clients.topology.getTopology({});
  expect(topology).toMatchObject({ clusterId: 'test', epoch: 1, hash: 'xxh64' });
  expect(topology?.nodes.map(({ id, state }) => `${id} ${state}`)).toEqual(['n1 2', 'n2 2', 'n3 4', 'n4 2']);
  expect(topology?.nodes[1]).toMatchObject({
    address: 'n2:7400',
    peerAddress: 'n2:7500',
    zone: 'zone-n2',
    weight: 1,
    tokens: [],
    clockSkew: { seconds: -1, nanos: -500_000_000 },
    upSince: { seconds: 1_700_000_000, nanos: 0 },
  });
  expect(topology?.nodes[1]).toMatchObject({ phi: 0, incarnation: 3, stateReason: '' });
  expect(topology?.nodes[1]?.lastHeartbeatAgo).toBeUndefined();
  expect(topology?.nodes[2]).toMatchObject({
    phi: 12.5,
    lastHeartbeatAgo: { seconds: 4, nanos: 200_000_000 },
    stateReason: 'both channels are broken (reset), and n2 does not reach it either',
  });
  expect(topology?.nodes[2]?.upSince).toBeUndefined();
  const owned = topology?.nodes.reduce((sum, { ownedFraction }) => sum + ownedFraction, 0);
  // Each key has three copies.
  expect(owned).toBeCloseTo(3);
  const withTokens = await clients.topology.getTopology({ includeTokens: true });
  for (const { tokens } of withTokens.topology?.nodes ?? []) {
    expect(tokens).toHaveLength(160);
    expect(tokens).toEqual([...tokens].sort());
    expect(tokens[0]).toMatch(/^[0-9a-f]{16}$/);
  }
});

test('whoever watches the topology is shown it at once, then at every change, until the node drains', async () => {
  const watched = await startClientPort();
  const watcher = clientsOf(watched.address);
  const seen: string[] = [];
  const failure = failureOf(async (options) => {
    for await (const { topology } of watcher.topology.watchTopology({}, options)) {
      seen.push(topology?.nodes.map(({ id, state }) => `${id} ${state}`).join() ?? 'none');
    }
  });
  await expect.poll(() => seen).toEqual(['n1 2,n2 2,n3 4,n4 2']);
  // Nothing has changed.
  watched.see(['n3']);
  watched.see([]);
  await expect.poll(() => seen.slice(1)).toEqual(['n1 2,n2 2,n3 2,n4 2']);
  // Many at once are one, and the last counts.
  for (let i = 0; i < 100; i++) watched.see(i % 2 === 0 ? ['n2'] : ['n4']);
  await expect.poll(() => seen.at(-1)).toBe('n1 2,n2 2,n3 2,n4 4');
  expect(seen.length).toBeLessThanOrEqual(4);
  // It is no work that a drain would wait for.
  expect(watched.server.requestsInFlight).toBe(0);
  expect(await watched.server.drain(10_000)).toBe(true);
  expect(await failure).toMatchObject({ code: 14, detail: { reason: 23, safeToRetry: true } });
  await expect.poll(() => watched.viewListeners).toBe(0);
  watcher.channel.close();
  await watched.stop();
});

test('a client that is gone watches no more', async () => {
  const abort = new AbortController();
  const watching = (async () => {
    for await (const _ of clients.topology.watchTopology({}, { signal: abort.signal })) abort.abort();
  })();
  await expect(watching).rejects.toThrow(/abort/i);
  await expect.poll(() => port.viewListeners).toBe(0);
});

test('a node opens 1,000 watches, refuses one more by name, and opens it when another has ended', async () => {
  const watched = await startClientPort();
  const watchers = Array.from({ length: 5 }, () => clientsOf(watched.address));
  const [first] = watchers as [Clients, ...Clients[]];
  const aborts: AbortController[] = [];
  let shown = 0;
  const watch = async (through: Clients): Promise<unknown> => {
    const abort = new AbortController();
    aborts.push(abort);
    try {
      for await (const _ of through.topology.watchTopology({}, { signal: abort.signal })) shown++;
      return 'ended by itself';
    } catch (error) {
      return abort.signal.aborted ? 'aborted' : error;
    }
  };
  const ended = watchers.flatMap((each) => Array.from({ length: 200 }, () => watch(each)));
  await expect.poll(() => shown, { timeout: 10_000 }).toBe(1_000);
  const refused = await failureOf(async (options) => {
    for await (const _ of first.topology.watchTopology({}, options)) shown++;
  });
  expect(refused).toMatchObject({ code: 8, detail: { reason: 13, safeToRetry: true } });
  expect(refused.details).toContain('1,000 streams of changes are open on this node');
  aborts[0]?.abort();
  await expect.poll(() => watched.viewListeners).toBe(999);
  ended.push(watch(first));
  await expect.poll(() => shown).toBe(1_001);
  for (const abort of aborts) abort.abort();
  expect(new Set(await Promise.all(ended))).toEqual(new Set(['aborted']));
  await expect.poll(() => watched.viewListeners).toBe(0);
  for (const each of watchers) each.channel.close();
  await watched.stop();
});

test('a key is located: its token, its homes, and who would stand in', async () => {
  const located = await clients.topology.locate({ key: { key: Buffer.from('k') } });
  expect(located.token).toMatch(/^[0-9a-f]{16}$/);
  expect(located.replicas.map(({ home }) => home)).toEqual([true, true, true, false]);
  expect(new Set(located.replicas.map((replica) => replica.nodeId)).size).toBe(4);
  expect(located.replicas.find((replica) => replica.nodeId === 'n3')?.state).toBe(4);
  const again = await clients.topology.locate({ key: { key: Buffer.from('k'), bucket: 'default' } });
  expect(again).toEqual(located);
  const other = await clients.topology.locate({ key: { key: Buffer.from('k'), bucket: 'a' } });
  expect(other.token).not.toBe(located.token);
  expect((await failureOf((options) => clients.topology.locate({}, options))).detail?.field).toBe('key');
});

test('the placement of a bucket is the table that keys are located by', async () => {
  const placement = await clients.topology.getPlacement({});
  expect(placement).toMatchObject({ topologyEpoch: 1, hash: 'xxh64', replication: 3 });
  expect(placement.nodes).toEqual(['n1', 'n2', 'n3', 'n4'].map((id) => ({ id, address: `${id}:7400` })));
  expect(placement.homes).toHaveLength(3 * 2 ** placement.partitionBits);
  for (let i = 0; i < 50; i++) {
    const { token, replicas } = await clients.topology.locate({ key: { key: Buffer.from(`key-${i}`) } });
    const partition = Number(BigInt(`0x${token}`) >> BigInt(64 - placement.partitionBits));
    const homes = placement.homes.slice(partition * 3, partition * 3 + 3);
    expect(homes.map((index) => placement.nodes[index]?.id)).toEqual(
      replicas.filter(({ home }) => home).map((replica) => replica.nodeId),
    );
  }
  expect(await clients.topology.getPlacement({ bucket: 'a' })).toEqual(placement);
  const unknown = await failureOf((options) => clients.topology.getPlacement({ bucket: 'nobody' }, options));
  expect(unknown).toMatchObject({ code: 5, detail: { reason: 22, safeToRetry: true } });
  const bad = await failureOf((options) => clients.topology.getPlacement({ bucket: 'Ä' }, options));
  expect(bad).toMatchObject({ code: 3, detail: { field: 'bucket' } });
});

test('the status of a node: itself, its figures, its alarms', async () => {
  const answer = await clients.diagnostic.getNodeStatus({});
  expect(answer.node?.id).toBe('n1');
  expect(answer.gauges).toEqual({ requests_in_flight: 1 });
  expect(answer.alarms).toEqual(['n3 is failed']);
});

// ---- inspecting a key ----------------------------------------------------------------------

const now = 1_000_000;

function version(replica: number, body: 'live' | 'deleted' | 'expired'): Version {
  return {
    dot: { replica: replicaId(replica), epoch: 1, counter: 1 },
    clock: [],
    value:
      body === 'deleted'
        ? undefined
        : encodeValue({ data: Buffer.from('secret'), contentType: '', metadata: {} }),
    writtenAt: replica,
    expiresAt: body === 'expired' ? now : undefined,
    requestId: undefined,
  };
}

function record(...versions: Version[]): VersionedRecord {
  return { clock: versions.map(({ dot }) => dot), versions };
}

function view(node: string, answer: VersionedRecord | 'absent' | 'damaged' | 'unreachable'): ReplicaView {
  if (answer === 'absent' || answer === 'damaged') return { node: nodeId(node), answer: { kind: answer } };
  if (answer === 'unreachable') return { node: nodeId(node), answer: { kind: answer, why: 'no route' } };
  return { node: nodeId(node), answer: { kind: 'found', record: answer, bytes: 77 } };
}

test('replicas are shown side by side, and what they mean together', async () => {
  const { replicas } = await clients.topology.locate({ key: { key: Buffer.from('k') } });
  const [first, second, third] = replicas.map((replica) => replica.nodeId) as [string, string, string];
  port.coordination.views = [
    view(first, record(version(1, 'live'), version(2, 'live'))),
    view(second, record(version(1, 'live'))),
    view(third, 'unreachable'),
  ];
  const answer = await clients.diagnostic.inspectKey({ key: { key: Buffer.from('k') } });
  expect(answer.merged).toHaveLength(2);
  expect(answer.replicas.map(({ nodeId: id, home }) => [id, home])).toEqual([
    [first, true],
    [second, true],
    [third, true],
  ]);
  expect(answer.replicas[0]).toMatchObject({ storedBytes: 77, damaged: false, error: undefined });
  expect(answer.replicas[0]?.contextText).toBe('{00000000000001:1:1, 00000000000002:1:1}');
  expect(answer.replicas[2]?.error).toMatchObject({ code: 14, message: 'no route' });
  expect(JSON.stringify(answer.merged)).not.toContain(JSON.stringify([...Buffer.from('secret')]));
  const body = answer.merged[0]?.body;
  expect(body?.$case === 'value' && body.value.data.length).toBe(0);
  const withData = await clients.diagnostic.inspectKey({ key: { key: Buffer.from('k') }, includeData: true });
  const full = withData.merged[0]?.body;
  expect(full?.$case === 'value' && Buffer.from(full.value.data).toString()).toBe('secret');
});

test.each([
  [['absent', 'absent', 'absent'], 'No replica that answered has ever seen the key.'],
  [
    ['unreachable', 'unreachable'],
    'No replica answered, so nothing is known about the key. n1 and n2 gave no answer.',
  ],
  [[record(version(1, 'live'))], 'The key holds one version. It has one replica.'],
  [
    [record(version(1, 'live')), record(version(1, 'live'))],
    'The key holds one version. All 2 replicas agree.',
  ],
  [[record(version(1, 'deleted'))], 'The key is deleted. It has one replica.'],
  [[record(version(1, 'expired'))], 'The key has expired. It has one replica.'],
  [
    [record(version(1, 'live')), 'absent', 'unreachable'],
    'The key holds one version. n2 has not seen all of it; a read at QUORUM repairs that. n3 gave no answer.',
  ],
  [
    [record(version(1, 'live'), version(2, 'deleted')), 'damaged'],
    'The key holds 2 versions that raced, 1 of them deleted or expired: read them, merge, and put the result with the ' +
      'context. The record on n2 failed its checksum: it is not served, and is replaced from the others at the next read or write.',
  ],
] as const)('explanation %#', (answers, sentence) => {
  const views = answers.map((answer, index) => view(`n${index + 1}`, answer));
  const merged = answers.find((answer) => typeof answer === 'object');
  expect(explain(views, merged, now)).toBe(sentence);
});

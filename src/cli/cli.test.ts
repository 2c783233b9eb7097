import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { PassThrough } from 'node:stream';
import { Status as Code, createServer, type Metadata, type Server, ServerError } from 'nice-grpc';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { Status } from '../gen/google/rpc/status.ts';
import { Bucket, BucketServiceDefinition, ConflictPolicy } from '../gen/kindred/v1/bucket.ts';
import {
  DiagnosticServiceDefinition,
  type DiagnosticServiceImplementation,
  InspectKeyResponse,
} from '../gen/kindred/v1/diagnostic.ts';
import {
  type DeleteRequest,
  type GetRequest,
  GetResponse,
  GetResponse_State,
  KeyValueServiceDefinition,
  type KeyValueServiceImplementation,
  type PutRequest,
  PutResponse,
  type TouchRequest,
} from '../gen/kindred/v1/kv.ts';
import {
  NodeState,
  TopologyServiceDefinition,
  type TopologyServiceImplementation,
} from '../gen/kindred/v1/topology.ts';
import {
  BlindWrite,
  ConflictMode,
  ConsistencyLevel,
  Durability,
  ErrorDetail,
  ErrorReason,
  Handoff,
  Version,
  WriteOutcome,
} from '../gen/kindred/v1/types.ts';
import { ClusterClient } from './client.ts';
import { watchStatus } from './commands/status.ts';
import { runKindred } from './program.ts';

/** A server that answers what a test tells it, and keeps what it was asked. */
interface Script {
  get: (request: GetRequest) => Partial<GetResponse>;
  put: (request: PutRequest) => Partial<PutResponse>;
}
const script: Script = { get: () => ({}), put: () => ({}) };
const asked: { gets: GetRequest[]; puts: PutRequest[]; deletes: DeleteRequest[]; touches: TouchRequest[] } = {
  gets: [],
  puts: [],
  deletes: [],
  touches: [],
};
/** When set, get answers nothing until the call is cancelled or its deadline passes. */
let hang = false;
let server: Server;
let endpoint: string;

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const CONTEXT = bytes('context!');
const CONTEXT_TEXT = 'Y29udGV4dCE';

function version(text: string, dot: { replica: number; counter: number }, seconds = 0): Version {
  const own = { replica: dot.replica, epoch: 1, counter: dot.counter };
  return Version.create({
    body: { $case: 'value', value: { data: bytes(text), contentType: '', metadata: {} } },
    dot: own,
    clock: { entries: [own] },
    writtenAt: { seconds: 1_800_000_000 + seconds, nanos: 5000 },
  });
}

/** A failure as the server sends it. */
function failure(
  code: Code,
  message: string,
  detail: Partial<ErrorDetail>,
): (context: { trailer: Metadata }) => never {
  return ({ trailer }) => {
    const packed = {
      typeUrl: 'type.googleapis.com/kindred.v1.ErrorDetail',
      value: ErrorDetail.encode(ErrorDetail.create(detail)).finish(),
    };
    trailer.set('grpc-status-details-bin', Status.encode({ code, message, details: [packed] }).finish());
    throw new ServerError(code, message);
  };
}
let fail: ((context: { trailer: Metadata }) => never) | undefined;

beforeAll(async () => {
  server = createServer();
  const keyValue: KeyValueServiceImplementation = {
    async get(request, context) {
      asked.gets.push(structuredClone(request));
      if (hang) await new Promise((resolve) => context.signal.addEventListener('abort', resolve));
      fail?.(context);
      return GetResponse.create(script.get(request));
    },
    async put(request, context) {
      asked.puts.push(structuredClone(request));
      fail?.(context);
      return PutResponse.create({
        context: CONTEXT,
        dot: { replica: 255, epoch: 1, counter: 2 },
        ...script.put(request),
      });
    },
    async delete(request, context) {
      asked.deletes.push(structuredClone(request));
      fail?.(context);
      return { context: CONTEXT, dot: undefined, report: undefined };
    },
    async touch(request) {
      asked.touches.push(structuredClone(request));
      return { applied: request.context.length > 0, context: CONTEXT, report: undefined };
    },
    async *batchGet() {},
    async *batchWrite() {},
    async *pipeline(requests) {
      for await (const { operations } of requests) {
        yield {
          results: operations.map(({ id }) => ({
            id,
            status: undefined,
            result: { $case: 'put' as const, value: PutResponse.create() },
          })),
        };
      }
    },
    async getWriteOutcome() {
      throw new ServerError(Code.UNIMPLEMENTED, 'not asked for here');
    },
  };
  const topology: TopologyServiceImplementation = {
    // Ends at once: not asked for here.
    async *watchTopology() {},
    async getTopology() {
      const node = {
        datacenter: '',
        zone: 'a',
        tokens: [],
        ownedFraction: 0.5,
        clockSkew: { seconds: 0, nanos: 3_000_000 },
        version: '0.1.0',
        upSince: undefined,
        weight: 1,
        peerAddress: '',
        phi: 9.5,
        lastHeartbeatAgo: undefined,
        stateReason: '',
        incarnation: 0,
      };
      return {
        topology: {
          clusterId: 'c',
          epoch: 1,
          hash: '',
          nodes: [
            { ...node, id: 'n1', address: endpoint, state: NodeState.NODE_STATE_UP },
            { ...node, id: 'n2', address: '127.0.0.1:1', state: NodeState.NODE_STATE_FAILED },
          ],
        },
      };
    },
    async locate() {
      const replicas = [
        { nodeId: 'n1', home: true, state: NodeState.NODE_STATE_UP },
        { nodeId: 'n2', home: false, state: NodeState.NODE_STATE_FAILED },
      ];
      return { token: '00ff00ff00ff00ff', replicas, topologyEpoch: 1 };
    },
    getPlacement: async () => ({}),
  };
  const diagnostic: DiagnosticServiceImplementation = {
    async measureDivergence() {
      throw new ServerError(Code.UNIMPLEMENTED, 'not asked for here');
    },
    async inspectKey() {
      const red = version('red', { replica: 255, counter: 1 });
      return InspectKeyResponse.create({
        explanation: 'One replica is behind.',
        merged: [red],
        replicas: [
          { nodeId: 'n1', home: true, state: 2, versions: [red], contextText: 'x', storedBytes: 70 },
          { nodeId: 'n2', home: true, state: 2, damaged: true, storedBytes: 9 },
          { nodeId: 'n3', home: true, state: 4, error: { code: 14, message: 'is down' } },
          { nodeId: 'n4', home: true, state: 4, error: { code: 14, message: 'not-sent' } },
        ],
      });
    },
    async getNodeStatus() {
      return { node: undefined, gauges: { stored_bytes: 7 }, alarms: ['disk is 95 % full'] };
    },
  };
  server.add(KeyValueServiceDefinition, keyValue);
  server.add(TopologyServiceDefinition, topology);
  server.add(DiagnosticServiceDefinition, diagnostic);
  const bucket = (name: string, ttlSeconds?: number): Bucket =>
    Bucket.create({
      name,
      replication: 3,
      defaultRead: ConsistencyLevel.CONSISTENCY_LEVEL_LOCAL_QUORUM,
      defaultWrite: ConsistencyLevel.CONSISTENCY_LEVEL_ALL,
      defaultDurability: Durability.DURABILITY_SYNC_QUORUM,
      defaultHandoff: Handoff.HANDOFF_STRICT,
      conflictPolicy: ConflictPolicy.CONFLICT_POLICY_LAST_WRITE_WINS,
      defaultBlindWrite: BlindWrite.BLIND_WRITE_ADD_SIBLING,
      defaultTtl: ttlSeconds === undefined ? undefined : { seconds: ttlSeconds, nanos: 0 },
      maxValueBytes: 1,
    });
  server.add(BucketServiceDefinition, {
    async getBucket() {
      throw new ServerError(Code.UNIMPLEMENTED, 'not asked for here');
    },
    async listBuckets({ pageToken }) {
      return pageToken === ''
        ? { buckets: [bucket('carts')], nextPageToken: 'carts' }
        : { buckets: [bucket('sessions', 3600)], nextPageToken: '' };
    },
  });
  endpoint = `127.0.0.1:${await server.listen('127.0.0.1:0')}`;
});
afterAll(() => server.shutdown());

beforeEach(() => {
  Object.assign(asked, { gets: [], puts: [], deletes: [], touches: [] });
  hang = false;
  fail = undefined;
  script.get = () => ({});
  script.put = () => ({});
});

/** Runs a command line against the server. */
async function run(
  args: readonly string[],
  options: {
    input?: string | Uint8Array;
    environment?: Record<string, string>;
    terminal?: boolean;
    columns?: number;
  } = {},
): Promise<{ code: number; out: string; raw: Uint8Array; err: string; json: () => Record<string, unknown> }> {
  const chunks: Uint8Array[] = [];
  let err = '';
  const stdin = new PassThrough();
  stdin.end(options.input ?? '');
  const code = await runKindred(
    args,
    {
      stdin,
      out: (text) => void chunks.push(typeof text === 'string' ? bytes(text) : text),
      err: (text) => {
        err += text;
      },
      outIsTerminal: options.terminal ?? false,
      errIsTerminal: options.terminal ?? false,
      columns: options.columns ?? 100,
      environment: { KINDRED_ENDPOINT: endpoint, ...options.environment },
    },
    { version: '1.2.3' },
  );
  const raw = Buffer.concat(chunks);
  const out = raw.toString();
  return { code, out, raw, err, json: () => JSON.parse(out) as Record<string, unknown> };
}

const found = (text: string): Partial<GetResponse> => ({
  state: GetResponse_State.STATE_FOUND,
  versions: [version(text, { replica: 255, counter: 1 })],
  context: CONTEXT,
});
const raced = (): Partial<GetResponse> => ({
  state: GetResponse_State.STATE_CONFLICT,
  versions: [
    version('milk\neggs\n', { replica: 0x1111aa, counter: 1 }, 5),
    version('milk\nbread and butter\n', { replica: 0x2222bb, counter: 1 }, 2),
  ],
  context: CONTEXT,
});

test('get gives a pipe the exact bytes, and options reach the server', async () => {
  script.get = () => found('red\u0007');
  const result = await run([
    'get',
    'k',
    '-l',
    'each-quorum',
    '--min-context',
    CONTEXT_TEXT,
    '--fallback',
    'two,one',
    '--timeout',
    '1500ms',
    '-b',
    'shop',
  ]);
  expect([result.code, result.out, result.err]).toEqual([0, 'red\u0007', '']);
  expect(asked.gets[0]).toEqual({
    key: { bucket: 'shop', key: bytes('k') },
    options: {
      strength: { $case: 'consistency', value: ConsistencyLevel.CONSISTENCY_LEVEL_EACH_QUORUM },
      minContext: CONTEXT,
      onConflict: ConflictMode.CONFLICT_MODE_UNSPECIFIED,
      omitData: false,
      fallback: [ConsistencyLevel.CONSISTENCY_LEVEL_TWO, ConsistencyLevel.CONSISTENCY_LEVEL_ONE],
    },
  });
});

test('get gives a terminal a line, and no control characters', async () => {
  script.get = () => found('red');
  expect((await run(['get', 'k'], { terminal: true })).out).toBe('red\n');
  script.get = () => found('\u001b[2J');
  const result = await run(['get', 'k'], { terminal: true });
  expect(result.out).toBe('G1sySg==\n');
  expect(result.err).toContain('4 bytes that are no plain text');
});

test('keys and values in base64 and hex', async () => {
  script.get = () => found('hi');
  expect((await run(['get', 'aGk=', '--base64'])).out).toBe('aGk=\n');
  expect((await run(['get', '6869', '--hex'])).out).toBe('6869\n');
  expect(asked.gets.map((request) => request.key?.key)).toEqual([bytes('hi'), bytes('hi')]);
  expect((await run(['get', 'a', '--base64', '--hex'])).code).toBe(2);
  expect((await run(['get', 'xyz', '--hex'])).err).toContain('KEY is not hex');
});

test('absent is exit code 4, a conflict 5 with all siblings and the context', async () => {
  script.get = () => ({ state: GetResponse_State.STATE_ABSENT, context: CONTEXT });
  const absent = await run(['get', 'k', '-v']);
  expect([absent.code, absent.out]).toEqual([4, '']);
  expect(absent.err).toContain(CONTEXT_TEXT);
  script.get = raced;
  const conflict = await run(['get', 'k']);
  expect(conflict.code).toBe(5);
  for (const part of [
    '[1]',
    '[2]',
    '"milk\\neggs\\n"',
    '1111aa:1:1',
    '2222bb:1:1',
    '2027-01-15T08:00:05.000005Z',
  ]) {
    expect(conflict.out).toContain(part);
  }
  expect(conflict.err).toContain(`--context ${CONTEXT_TEXT}`);
});

test('the JSON of get is stable', async () => {
  script.get = () => ({
    ...found('hi'),
    report: {
      achieved: ConsistencyLevel.CONSISTENCY_LEVEL_QUORUM,
      replicasAsked: 2,
      replicasAnswered: 2,
      replicasAgreed: 1,
      repairStarted: true,
      coordinator: 'n1',
      topologyEpoch: 1,
    },
  });
  const dot = { replica: 255, epoch: 1, counter: 1, text: '000000000000ff:1:1' };
  expect((await run(['get', 'k', '--json'])).json()).toEqual({
    key: { bucket: 'default', base64: 'aw==', text: 'k' },
    state: 'found',
    versions: [
      {
        value: { base64: 'aGk=', text: 'hi' },
        deleted: false,
        contentType: '',
        metadata: {},
        dot,
        clock: [dot],
        writtenAt: '2027-01-15T08:00:00.000005Z',
        expiresAt: null,
      },
    ],
    context: CONTEXT_TEXT,
    report: {
      level: 'QUORUM',
      replicasAsked: 2,
      replicasAnswered: 2,
      replicasAgreed: 1,
      repairStarted: true,
      coordinator: 'n1',
      layoutVersion: 1,
    },
  });
});

test('put sends all it was given, with a request id, and prints the context', async () => {
  const result = await run([
    'put',
    'k',
    'v',
    '--ttl',
    '1500ms',
    '--durability',
    'sync-one',
    '--handoff',
    'sloppy',
    '--replicas',
    '2',
    '--content-type',
    'text/plain',
    '--metadata',
    'a=b=c',
    '--blind',
    'reject',
    '--request-id',
    '00112233-4455-6677-8899-aabbccddeeff',
  ]);
  expect([result.code, result.out, result.err]).toEqual([0, `${CONTEXT_TEXT}\n`, '']);
  expect(asked.puts[0]).toEqual({
    key: { bucket: 'default', key: bytes('k') },
    value: { data: bytes('v'), contentType: 'text/plain', metadata: { a: 'b=c' } },
    causality: { $case: 'blind', value: BlindWrite.BLIND_WRITE_REJECT },
    expiry: { $case: 'ttl', value: { seconds: 1, nanos: 500_000_000 } },
    options: {
      strength: { $case: 'replicas', value: 2 },
      handoff: Handoff.HANDOFF_SLOPPY,
      durability: Durability.DURABILITY_SYNC_ONE,
      requestId: new Uint8Array(Buffer.from('00112233445566778899aabbccddeeff', 'hex')),
    },
  });
});

test('put takes the value from standard input, byte for byte, and supersedes a context', async () => {
  const data = new Uint8Array([0, 255, 10]);
  expect((await run(['put', 'k', '-', '-c', CONTEXT_TEXT], { input: data })).code).toBe(0);
  expect(asked.puts[0]?.value?.data).toEqual(data);
  expect(asked.puts[0]?.causality).toEqual({ $case: 'context', value: CONTEXT });
  expect(asked.puts[0]?.options?.requestId).toHaveLength(16);
  await run(['put', 'k', '-', '--keep-ttl'], { input: 'piped' });
  expect(asked.puts[1]?.value?.data).toEqual(bytes('piped'));
  expect(asked.puts[1]?.expiry).toEqual({ $case: 'keepExpiry', value: true });
});

test('delete and touch', async () => {
  expect((await run(['delete', 'k', '--context', CONTEXT_TEXT])).code).toBe(0);
  expect(asked.deletes[0]?.causality).toEqual({ $case: 'context', value: CONTEXT });
  const absent = await run(['touch', 'k', '--never']);
  expect([absent.code, absent.err]).toEqual([4, 'absent: nothing to touch\n']);
  expect((await run(['touch', 'k', '--ttl', '1h', '-c', CONTEXT_TEXT, '--json'])).json()).toMatchObject({
    applied: true,
  });
  expect(asked.touches.map((request) => request.expiry?.$case)).toEqual(['never', 'ttl']);
});

const wrongUsage: [string[], RegExp][] = [
  [['get'], /missing required argument 'key'/],
  [['get', ''], /KEY is empty/],
  [['got', 'k'], /unknown command 'got'/],
  [['get', 'k', '--level', 'any'], /argument 'any' is invalid/],
  [['get', 'k', '--level', 'one', '--replicas', '1'], /cannot be used with/],
  [['get', 'k', '--replicas', '0'], /whole number from 1/],
  [['get', 'k', '--timeout', '5'], /must be a number with a unit/],
  [['get', 'k', '-e', 'host'], /endpoint "host" must be host:port/],
  [['get', 'k', '-e', 'host:70000'], /must be host:port/],
  [['get', 'k', '--min-context', '!'], /--min-context is not base64/],
  [['put', 'k', 'v', '-f', '/dev/null'], /VALUE and --file are both given/],
  [['put', 'k', '-f', '/nowhere/x'], /--file: ENOENT/],
  [['put', 'k', 'v', '-c', ''], /--context is empty/],
  [['touch', 'k', '--never', '-c', ''], /--context is empty/],
  [['get', 'k', '--min-context', ''], /--min-context is empty/],
  [['put', 'k', 'v', '--request-id', 'abc'], /must be 32 hex digits/],
  [['put', 'k', 'v', '--metadata', 'x'], /must be name=value/],
  [['put', 'k', 'v', '--ttl', '1s', '--keep-ttl'], /choose one/],
  [['touch', 'k'], /--ttl 1h or --never/],
  [['bench', '--level', 'any'], /--level any is for writes only/],
  [['dev', '--nodes', '51'], /at most 50/],
  [['get', 'k', '--timeout', '30d'], /at most 1h/],
  [['put', 'k', 'v', '--timeout', '400d'], /at most 1h/],
  [['bench', '--duration', '30d'], /--duration is above 1h/],
  [['put', 'k'], /VALUE is missing: give it, or --file PATH, or - for standard input/],
];
test.each(wrongUsage)('wrong usage is exit code 2 and sends nothing: %j', async (args, message) => {
  const result = await run(args);
  expect(result.code).toBe(2);
  expect(result.err).toMatch(message);
  expect([asked.gets, asked.puts].flat()).toEqual([]);
});

test('a definite failure tells that nothing was written, why, and what to do', async () => {
  fail = failure(Code.UNAVAILABLE, 'QUORUM needs 2 replicas, 1 is up', {
    reason: ErrorReason.ERROR_REASON_NOT_ENOUGH_REPLICAS,
    writeOutcome: WriteOutcome.WRITE_OUTCOME_NOT_APPLIED,
    safeToRetry: true,
    required: 2,
    alive: 1,
  });
  const result = await run(['put', 'k', 'v']);
  expect(result.code).toBe(1);
  expect(result.err).toContain('QUORUM needs 2 replicas, 1 is up [UNAVAILABLE, NOT_ENOUGH_REPLICAS');
  expect(result.err).toContain('2 needed, 1 up');
  expect(result.err).toContain('NOT APPLIED');
  expect(result.err).toContain('--level one');
});

test('an unknown outcome is exit code 3, with the request id that makes a retry safe', async () => {
  fail = failure(Code.DEADLINE_EXCEEDED, '1 of 2 answered in time', {
    reason: ErrorReason.ERROR_REASON_QUORUM_TIMEOUT,
    writeOutcome: WriteOutcome.WRITE_OUTCOME_UNKNOWN,
    required: 2,
    alive: 3,
    answered: 1,
    failures: [{ nodeId: 'n3', reason: ErrorReason.ERROR_REASON_QUORUM_TIMEOUT }],
  });
  const text = await run(['put', 'k', 'v']);
  const id = Buffer.from(asked.puts[0]?.options?.requestId ?? []).toString('hex');
  expect(text.code).toBe(3);
  expect(text.err).toContain('UNKNOWN');
  expect(text.err).toContain(`--request-id ${id}`);
  expect(text.err).toContain('n3: QUORUM_TIMEOUT');
  const json = await run(['delete', 'k', '--json']);
  expect(json.code).toBe(3);
  expect(json.json()).toMatchObject({
    error: {
      code: 'DEADLINE_EXCEEDED',
      reason: 'QUORUM_TIMEOUT',
      outcome: 'unknown',
      answered: 1,
      safeToRetry: false,
    },
  });
});

test.each([
  [Code.ABORTED, ErrorReason.ERROR_REASON_STORAGE_FAILED],
  [Code.ABORTED, ErrorReason.ERROR_REASON_DISK_FULL],
  [Code.UNAVAILABLE, ErrorReason.ERROR_REASON_NODE_DRAINING],
])('whatever made the outcome unknown (%i, %i), the request id is told', async (code, reason) => {
  fail = failure(code, 'it failed', { reason, writeOutcome: WriteOutcome.WRITE_OUTCOME_UNKNOWN });
  const result = await run(['put', 'k', 'v']);
  const id = Buffer.from(asked.puts[0]?.options?.requestId ?? []).toString('hex');
  expect(result.code).toBe(3);
  expect(result.err).toContain(`--request-id ${id}`);
});

test('a value above the hard limit is refused here; a message that gRPC refuses was not applied', async () => {
  const big = new Uint8Array(1024 * 1024 + 1);
  const here = await run(['put', 'k', '-'], { input: big });
  expect(here.code).toBe(1);
  expect(here.err).toContain('VALUE: 1,048,577 bytes; the limit is 1,048,576 bytes');
  expect(here.err).toContain('NOT APPLIED');
  expect(here.err).toContain('TOO_LARGE');
  expect(asked.puts).toEqual([]);
  const largest = await run(['put', 'k', '--file', '-'], { input: big.subarray(1) });
  expect([largest.code, asked.puts[0]?.value?.data.length]).toEqual([0, 1024 * 1024]);
  fail = () => {
    throw new ServerError(Code.RESOURCE_EXHAUSTED, 'Received message larger than max (20000044 vs 5242880)');
  };
  const there = await run(['put', 'k', 'v', '--json']);
  expect(there.code).toBe(1);
  expect(there.json()).toMatchObject({ error: { reason: 'TOO_LARGE', outcome: 'not-applied' } });
  // The same words about the answer, from our own gRPC: the write may well have happened.
  fail = () => {
    throw new ServerError(Code.RESOURCE_EXHAUSTED, 'Received message larger than max (20000044 vs 16777216)');
  };
  expect((await run(['put', 'k', 'v'])).code).toBe(3);
});

test('failures name what is on the command line, not the fields of requests', async () => {
  const detail = { reason: ErrorReason.ERROR_REASON_INVALID_REQUEST, field: 'options.replicas' };
  fail = failure(Code.INVALID_ARGUMENT, 'options.replicas: must be 1 to 3', detail);
  const { err } = await run(['get', 'k', '--replicas', '9']);
  expect(err).toContain('error: --replicas: must be 1 to 3');
  expect(err).toContain('what to do: correct --replicas');
  const reason = ErrorReason.ERROR_REASON_BUCKET_UNKNOWN;
  fail = failure(Code.NOT_FOUND, 'no bucket "b": name one of ListBuckets, or add it', { reason });
  const unknown = await run(['get', 'k']);
  expect(unknown.err).toContain('error: no bucket "b" [');
  expect(unknown.err).toContain('kindred buckets');
});

test('a port that is no client port is called so', async () => {
  const http = createHttpServer().listen(0, '127.0.0.1');
  await once(http, 'listening');
  try {
    const { port } = http.address() as AddressInfo;
    const result = await run(['put', 'k', 'v', '-e', `127.0.0.1:${port}`]);
    expect(result.code).toBe(1);
    expect(result.err).toContain(`127.0.0.1:${port} is not a client port`);
    expect(result.err).not.toContain('Resolution note');
  } finally {
    http.close();
  }
  fail = () => {
    throw new ServerError(Code.UNIMPLEMENTED, 'The server does not implement the method');
  };
  expect((await run(['put', 'k', 'v'])).err).toContain(`${endpoint} is not a client port`);
});

test('a failure without a detail is not called "not applied" unless nothing can have been sent', async () => {
  fail = () => {
    throw new ServerError(Code.UNAVAILABLE, 'proxy lost its upstream');
  };
  expect((await run(['put', 'k', 'v'])).code).toBe(3);
  expect((await run(['get', 'k'])).code).toBe(1);
  const refused = await run(['put', 'k', 'v', '-e', '127.0.0.1:1']);
  expect(refused.code).toBe(1);
  expect(refused.err).toContain('NOT APPLIED');
  expect(refused.err).toContain('error: connection refused [UNAVAILABLE, CONNECTION; 127.0.0.1:1]');
  expect(refused.err).toContain('is a node running at 127.0.0.1:1?');
});

test('the server knows the deadline, and a read that exceeds it failed', async () => {
  hang = true;
  const result = await run(['get', 'k', '--timeout', '200ms', '--json']);
  expect(result.code).toBe(1);
  // "no answer within" is the client's own word, for servers that stay silent even after it.
  expect(result.json()).toMatchObject({
    error: { code: 'DEADLINE_EXCEEDED', outcome: 'not-a-write', message: 'Deadline exceeded' },
  });
});

test('an endpoint that cannot be reached is passed over, for reads and for writes', async () => {
  script.get = () => found('hi');
  expect((await run(['get', 'k', '-e', `127.0.0.1:1,${endpoint}`])).out).toBe('hi');
  expect((await run(['put', 'k', 'v', '-e', '127.0.0.1:1', '-e', endpoint])).code).toBe(0);
  expect(asked.puts).toHaveLength(1);
});

test('once an attempt may have happened, a later refusal does not make it definite', async () => {
  fail = () => {
    fail = failure(Code.UNAVAILABLE, 'too few', {
      reason: ErrorReason.ERROR_REASON_NOT_ENOUGH_REPLICAS,
      writeOutcome: WriteOutcome.WRITE_OUTCOME_NOT_APPLIED,
    });
    throw new ServerError(Code.UNAVAILABLE, 'connection dropped');
  };
  const alias = endpoint.replace('127.0.0.1', 'localhost');
  const result = await run(['put', 'k', 'v', '-e', `${endpoint},${alias}`]);
  expect(asked.puts).toHaveLength(2);
  expect(asked.puts[0]?.options?.requestId).toEqual(asked.puts[1]?.options?.requestId);
  expect(result.code).toBe(3);
  expect(result.err).toContain('UNKNOWN');
});

test('resolve picks, puts with the context of what it showed, and keeps the expiry', async () => {
  for (const [rule, value] of [
    ['latest', 'milk\neggs\n'],
    ['largest', 'milk\nbread and butter\n'],
    ['union', 'milk\nbread and butter\neggs\n'],
  ] as const) {
    asked.puts = [];
    script.get = (request) => (request.options?.minContext.length ? found(value) : raced());
    const result = await run(['resolve', 'k', '--pick', rule]);
    expect([result.code, result.out]).toEqual([0, `${CONTEXT_TEXT}\n`]);
    expect(asked.puts[0]?.value?.data).toEqual(bytes(value));
    expect(asked.puts[0]?.causality).toEqual({ $case: 'context', value: CONTEXT });
    expect(asked.puts[0]?.expiry).toEqual({ $case: 'keepExpiry', value: true });
  }
});

test('resolve chooses by number, and through the editor', async () => {
  script.get = (request) => (request.options?.minContext.length ? found('x') : raced());
  expect((await run(['resolve', 'k', '--choose', '2'])).code).toBe(0);
  expect((await run(['resolve', 'k', '--choose', '3'])).err).toContain('there is no version [3]');
  const keep = await run(['resolve', 'k', '--edit'], { environment: { EDITOR: 'true' } });
  expect(keep.code).toBe(5);
  expect(keep.err).toContain('the markers <<<<<<< and >>>>>>> are still there');
  const merged = await run(['resolve', 'k', '--edit'], { environment: { EDITOR: "sed -i '/^[<>]/d'" } });
  expect(merged.code).toBe(0);
  const partly = await run(['resolve', 'k', '--edit'], { environment: { EDITOR: "sed -i '1d'" } });
  expect(partly.code).toBe(5);
  const kept = /your text is kept in (\S+)/.exec(partly.err)?.[1] as string;
  expect(readFileSync(kept, 'utf8')).toMatch(/^milk\neggs\n<<<<<<< \[2\]/);
  rmSync(dirname(kept), { recursive: true });
  const emptied = await run(['resolve', 'k', '--edit'], { environment: { EDITOR: 'truncate -s 0' } });
  expect(emptied.code).toBe(5);
  expect(emptied.err).toContain('the result is empty');
  expect((await run(['resolve', 'k', '--edit'])).err).toContain('--edit needs $VISUAL or $EDITOR');
  expect(asked.puts.map((put) => new TextDecoder().decode(put.value?.data))).toEqual([
    'milk\nbread and butter\n',
    'milk\neggs\nmilk\nbread and butter\n',
  ]);
});

test('resolve stores an empty result when that is wanted', async () => {
  script.get = (request) => (request.options?.minContext.length ? found('') : raced());
  const args = ['resolve', 'k', '--edit', '--allow-empty'];
  expect((await run(args, { environment: { EDITOR: 'truncate -s 0' } })).code).toBe(0);
  expect(asked.puts[0]?.value?.data).toHaveLength(0);
});

test('resolve carries a chosen deletion out; latest is a deletion only where there is nothing else', async () => {
  const deletion = Version.create({
    ...version('', { replica: 0x3333cc, counter: 1 }, 60),
    body: { $case: 'deleted', value: {} },
  });
  const withDeletion = { ...raced(), versions: [...(raced().versions ?? []), deletion] };
  const absent = { state: GetResponse_State.STATE_ABSENT, context: CONTEXT };
  script.get = (request) => (request.options?.minContext.length ? absent : withDeletion);
  const chosen = await run(['resolve', 'k', '--choose', '3', '--json']);
  expect(chosen.code).toBe(0);
  expect(chosen.json()).toMatchObject({ resolved: true, state: 'absent', superseded: 3 });
  expect(asked.deletes[0]?.causality).toEqual({ $case: 'context', value: CONTEXT });
  expect(asked.deletes[0]?.options?.requestId).toHaveLength(16);
  await run(['resolve', 'k', '--pick', 'latest']);
  expect(asked.puts[0]?.value?.data).toEqual(bytes('milk\neggs\n'));
  script.get = (request) =>
    request.options?.minContext.length ? absent : { ...withDeletion, versions: [deletion, deletion] };
  for (const rule of ['latest', 'largest', 'union']) {
    expect((await run(['resolve', 'k', '--pick', rule])).err).toContain('the key is deleted');
  }
  expect([asked.puts.length, asked.deletes.length]).toEqual([1, 4]);
});

test('resolve changes nothing unasked, and has nothing to do without siblings', async () => {
  script.get = raced;
  const result = await run(['resolve', 'k']);
  expect(result.code).toBe(5);
  expect(result.out).toContain('[2]');
  expect((await run(['resolve', 'k', '--json'])).json()).toMatchObject({
    resolved: false,
    state: 'conflict',
  });
  script.get = () => found('hi');
  expect((await run(['resolve', 'k', '--pick', 'latest'])).code).toBe(0);
  expect(asked.puts).toEqual([]);
});

test('resolve says when others raced with the resolution', async () => {
  script.get = raced;
  const result = await run(['resolve', 'k', '--pick', 'latest']);
  expect(asked.puts).toHaveLength(1);
  expect(result.code).toBe(5);
  expect(result.err).toContain('others were written meanwhile: nothing is lost, 2 versions');
});

test('siblings stand side by side where there is room, else one below the other', async () => {
  script.get = raced;
  const wide = (await run(['get', 'k'], { columns: 100 })).out.split('\n');
  expect(wide.some((line) => line.includes('1111aa:1:1') && line.includes('2222bb:1:1'))).toBe(true);
  const narrow = (await run(['get', 'k'], { columns: 45 })).out.split('\n');
  expect(narrow.some((line) => line.includes('1111aa:1:1') && line.includes('2222bb:1:1'))).toBe(false);
  expect(Math.max(...narrow.map((line) => line.length))).toBeLessThanOrEqual(45);
});

test('inspect, locate and status', async () => {
  const inspect = await run(['inspect', 'k']);
  expect(inspect.code).toBe(0);
  for (const part of [
    'n1',
    'DAMAGED',
    'no answer: is down',
    'no answer: it cannot be reached',
    '0000ff:1:1',
    '"red"',
    'One replica is behind.',
  ]) {
    expect(inspect.out).toContain(part);
  }
  expect((await run(['inspect', 'k', '--json'])).json()).toMatchObject({
    replicas: [{ node: 'n1' }, { damaged: true }, { error: 'is down' }, { error: 'not-sent' }],
  });
  expect((await run(['locate', 'k'])).out).toContain('token 00ff00ff00ff00ff, layout 1');
  expect((await run(['locate', 'k', '--json'])).json()).toMatchObject({
    replicas: [{ home: true }, { state: 'failed' }],
  });
  const status = await run(['status']);
  expect(status.code).toBe(1);
  expect(status.out).toContain('1 of 2 nodes up');
  expect(status.out).toContain('! n1: disk is 95 % full');
  expect(status.out).toContain('! n2: does not answer here');
  expect((await run(['status', '--json'])).json()).toMatchObject({
    healthy: false,
    nodes: [{ gauges: { stored_bytes: 7 }, sees: [{ id: 'n2', state: 'failed', phi: 9.5 }] }, { sees: [] }],
  });
  // What was measured of a clock before the failure is not shown.
  expect(status.out).toMatch(/n1 sees +failed 9\.5\n/);
  expect(status.out).toContain('! n2 is failed (seen by n1)\n');
});

test('status --watch goes on when nobody answers, and ends with the last word', async () => {
  const printed: string[] = [];
  const terminal = {
    stdin: new PassThrough(),
    out: (text: string | Uint8Array) => void printed.push(String(text)),
    err: (text: string) => void printed.push(text),
    outIsTerminal: false,
    errIsTerminal: false,
    columns: 100,
    environment: {},
  };
  const flags = { endpoint: [endpoint], timeout: '1s', json: true };
  const client = new ClusterClient([endpoint], { timeoutMs: 1_000 });
  expect(await watchStatus(client, flags, terminal, { intervalMs: 1, rounds: 2 })).toBe(1);
  client.close();
  expect(printed.map((line) => JSON.parse(line).clusterId)).toEqual(['c', 'c']);
  printed.length = 0;
  const lost = new ClusterClient(['127.0.0.1:1'], { timeoutMs: 1_000 });
  expect(await watchStatus(lost, flags, terminal, { intervalMs: 1, rounds: 2 })).toBe(1);
  lost.close();
  expect(printed.map((line) => JSON.parse(line).error.code)).toEqual(['UNAVAILABLE', 'UNAVAILABLE']);
});

test('buckets shows all of them, page by page, with what they are set to', async () => {
  const text = await run(['buckets']);
  expect(text.out).toMatch(
    /carts +3 +local-quorum +all +sync-quorum +strict +last-write-wins +add-sibling +never +1 byte\n/,
  );
  const json = (await run(['buckets', '--json'])).json();
  expect(json).toMatchObject({
    buckets: [
      { name: 'carts', ttlMs: null },
      { name: 'sessions', ttlMs: 3_600_000 },
    ],
  });
});

test('a command line that does not parse is told as JSON too where that was asked for', async () => {
  const result = await run(['get', 'k', '--json', '--nonsense']);
  expect(result.code).toBe(2);
  expect(result.json()).toEqual({
    error: { message: "unknown option '--nonsense'", code: 'USAGE', outcome: 'not-applied' },
  });
  expect((await run(['get', '--nonsense', '--', '--json'])).out).toBe('');
});

test('bench measures calls and pipelines', async () => {
  script.get = () => found('hi');
  const unary = (await run(['bench', '--duration', '200ms', '--concurrency', '4', '--json'])).json();
  expect(unary).toMatchObject({
    results: [
      { operation: 'put', failures: {} },
      { operation: 'get', failures: {} },
    ],
  });
  const [put] = unary['results'] as { operations: number; latencyMs: { p50: number; max: number } }[];
  expect(put?.operations).toBeGreaterThan(10);
  expect(put?.latencyMs.p50).toBeGreaterThan(0);
  const pipelined = await run(['bench', '--duration', '200ms', '--operation', 'put', '--pipeline']);
  expect(pipelined.code).toBe(0);
  expect(pipelined.out).toMatch(/^pipelined, 64 in flight, 100-byte values/);
  fail = failure(Code.RESOURCE_EXHAUSTED, 'busy', { reason: ErrorReason.ERROR_REASON_NODE_OVERLOADED });
  expect((await run(['bench', '--duration', '50ms', '--operation', 'put'])).code).toBe(1);
});

test('server prints its configuration, and refuses a wrong one with exit code 2', async () => {
  const good = await run(['server', '--print-config', '--set', 'timeouts.drain_ms=7', '--data', '/d'], {
    environment: { KINDRED_LOG_LEVEL: 'warn' },
  });
  expect(good.code).toBe(0);
  expect(good.json()).toMatchObject({
    timeouts: { drain_ms: 7 },
    storage: { path: '/d' },
    log: { level: 'warn' },
  });
  // What it prints is a configuration file.
  const folder = mkdtempSync(join(tmpdir(), 'kindred-print-config-'));
  try {
    writeFileSync(join(folder, 'printed.yaml'), good.out);
    const again = await run(['server', '--print-config', '--config', join(folder, 'printed.yaml')]);
    expect([again.err, again.out]).toEqual(['', good.out]);
  } finally {
    rmSync(folder, { recursive: true });
  }
  expect((await run(['server', '--print-agreement', '--node', 'x'])).json()).toMatchObject({
    members: [{ id: 'x' }],
  });
  const bad = await run(['server', '--set', 'timeouts.drain=7', '--config', '/nowhere.yaml']);
  expect(bad.code).toBe(2);
  expect(bad.err).toContain('/nowhere.yaml: cannot be read');
  expect((await run(['server', '--set', 'timeouts.drain=7'])).err).toContain(
    'there is no field timeouts.drain',
  );
});

test('version, help and completion', async () => {
  expect(await run(['--version'])).toMatchObject({ code: 0, out: '1.2.3\n' });
  const help = await run(['--help']);
  expect(help.code).toBe(0);
  for (const name of [
    'server',
    'dev',
    'get',
    'put',
    'delete',
    'touch',
    'resolve',
    'inspect',
    'locate',
    'status',
    'bench',
    'completion',
  ]) {
    expect(help.out).toContain(`\n  ${name} `);
  }
  expect(help.out).toContain('3  the outcome of the write is unknown');
  expect((await run([])).code).toBe(2);
});

/** The connection as a client finds it: windows, bounds, and how it ends. What h2spec asks is not asked again here. */

import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import {
  callHeaders,
  endHeaders,
  endStream,
  frameTypes,
  headerBlock,
} from '../../../test/support/raw-http2.ts';
import { RawHttp2Client, uint32 } from '../../../test/support/raw-http2-client.ts';
import { systemEnv } from '../../env/system-env.ts';
import { Connection, type ConnectionOptions } from './connection.ts';
import { errorCodes, settings, windowMax } from './frame.ts';
import { encodeFields } from './hpack-encoder.ts';
import type { Http2Stream } from './stream.ts';

/** What a served stream was told. */
interface Served {
  readonly stream: Http2Stream;
  readonly path: string;
  bytes: number;
  halfClosed: boolean;
  over: number | undefined;
}

const hourMs = 3_600_000;
const heading = encodeFields([[':status', '200']]);

let server: Server;
let port: number;
let served: Served[];
let sockets: Socket[];
let connections: Connection[];

async function start(options: Partial<ConnectionOptions> = {}): Promise<void> {
  served = [];
  sockets = [];
  connections = [];
  server = createServer({ noDelay: true }, (socket) => {
    socket.on('error', () => socket.destroy());
    sockets.push(socket);
    const connection = new Connection(
      {
        env: systemEnv(),
        socket,
        serve(stream, { path }) {
          const one: Served = { stream, path, bytes: 0, halfClosed: false, over: undefined };
          served.push(one);
          stream.receiver = {
            body(bytes) {
              one.bytes += bytes.length;
            },
            halfClosed() {
              one.halfClosed = true;
            },
            over(code) {
              one.over = code;
            },
          };
        },
      },
      {
        streamsMax: 100,
        idleMs: hourMs,
        ageMs: hourMs,
        ageGraceMs: hourMs,
        keepaliveMs: hourMs,
        keepaliveTimeoutMs: hourMs,
        ...options,
      },
    );
    connections.push(connection);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  port = (server.address() as AddressInfo).port;
}

afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  await new Promise((resolve) => server.close(resolve));
});

function open(client: RawHttp2Client, id: number, path = '/a', flags = endHeaders | endStream): void {
  client.send(frameTypes.headers, flags, id, callHeaders(path));
}

/** The stream of the n-th request, once it is there. */
async function request(n: number): Promise<Served> {
  await expect.poll(() => served.length).toBeGreaterThan(n);
  return served[n] as Served;
}

function answer({ stream }: Served, body: Uint8Array): void {
  stream.respond(heading, false);
  stream.write(body);
  stream.finish('none');
}

const bytes = (length: number): Buffer =>
  Buffer.alloc(length, 'a body that does not look the same everywhere');

// ---- windows of the client -----------------------------------------------------------------

test('an answer goes as far as the window of its stream, also one that became negative', async () => {
  await start();
  const client = new RawHttp2Client(port, [[settings.initialWindowSize, 10]]);
  open(client, 1);
  const body = bytes(100);
  const one = await request(0);
  answer(one, body);
  await expect.poll(() => client.body(1).length).toBe(10);
  // 10 sent of a window of 4: it is at -6.
  const smaller = Buffer.concat([Buffer.from([0, settings.initialWindowSize]), uint32(4)]);
  client.send(frameTypes.settings, 0, 0, smaller);
  client.widen(1, 6);
  client.send(frameTypes.ping, 0, 0, Buffer.alloc(8));
  await expect.poll(() => client.of(frameTypes.ping).length).toBe(1);
  expect(client.body(1).length).toBe(10);
  client.widen(1, 5);
  await expect.poll(() => client.body(1).length).toBe(15);
  expect(one.over).toBeUndefined();
  client.widen(1, 1000);
  await expect.poll(() => one.over).toBe(errorCodes.none);
  expect(client.body(1)).toEqual(body);
});

test('streams share the window of the connection, and headers need none', async () => {
  await start();
  const client = new RawHttp2Client(port, [[settings.initialWindowSize, windowMax]]);
  for (const id of [1, 3, 5]) open(client, id);
  await request(2);
  const body = bytes(100_000);
  for (const one of served) answer(one, body);
  await expect.poll(() => client.body(1).length + client.body(3).length + client.body(5).length).toBe(65_535);
  await expect.poll(() => client.of(frameTypes.headers).length).toBe(3);
  client.widen(0, windowMax - 65_535);
  for (const id of [1, 3, 5]) await expect.poll(() => client.body(id).equals(body)).toBe(true);
});

test('the first words of an answer wait for nobody, and its frames are no larger than the client takes', async () => {
  await start();
  const client = new RawHttp2Client(port, [
    [settings.initialWindowSize, windowMax],
    [settings.maxFrameSize, 16_384],
  ]);
  client.widen(0, 1_000_000);
  open(client, 1);
  answer(await request(0), bytes(200_000));
  await expect.poll(() => client.body(1).length).toBe(200_000);
  expect(Math.max(...client.of(frameTypes.data).map(({ payload }) => payload.length))).toBe(16_384);
});

// ---- windows of the server -----------------------------------------------------------------

test('a client that sends more than the window of its stream is told, and the connection goes on', async () => {
  await start();
  const client = new RawHttp2Client(port);
  open(client, 1, '/a', endHeaders);
  for (let i = 0; i < 5; i++) client.send(frameTypes.data, 0, 1, Buffer.alloc(16_384));
  await expect.poll(() => client.resetCode(1)).toBe(errorCodes.flowControl);
  expect((await request(0)).over).toBe(errorCodes.flowControl);
  open(client, 3);
  answer(await request(1), bytes(10));
  await expect.poll(() => client.body(3).length).toBe(10);
});

test('a client hears of more room once its bytes have been used', async () => {
  await start();
  const client = new RawHttp2Client(port);
  open(client, 1, '/a', endHeaders);
  for (let i = 0; i < 3; i++) client.send(frameTypes.data, 0, 1, Buffer.alloc(16_384));
  const one = await request(0);
  await expect.poll(() => one.bytes).toBe(3 * 16_384);
  expect(client.of(frameTypes.windowUpdate, 1)).toEqual([]);
  one.stream.credit(3 * 16_384);
  await expect.poll(() => client.of(frameTypes.windowUpdate, 1)[0]?.payload.readUInt32BE(0)).toBe(3 * 16_384);
});

test('bytes that nobody uses hold back their streams, and not the connection', async () => {
  await start();
  const client = new RawHttp2Client(port);
  for (let id = 1; id < 120; id += 2) open(client, id, '/a', endHeaders);
  await request(59);
  for (let id = 1; id < 120; id += 2) client.send(frameTypes.data, 0, id, Buffer.alloc(16_384));
  await expect.poll(() => served.reduce((sum, one) => sum + one.bytes, 0)).toBe(60 * 16_384);
  expect(client.goawayCodes).toEqual([]);
});

// ---- clients that do not read ----------------------------------------------------------------

test('of an answer that nobody reads little is given to the socket, and all of it arrives later', async () => {
  await start();
  const client = new RawHttp2Client(port, [[settings.initialWindowSize, windowMax]]);
  client.widen(0, windowMax - 65_535);
  client.socket.pause();
  open(client, 1);
  const body = bytes(16 * 1024 * 1024);
  const one = await request(0);
  answer(one, body);
  const socket = sockets[0] as Socket;
  await expect.poll(() => socket.writableLength).toBeGreaterThan(0);
  expect(socket.writableLength).toBeLessThan(512 * 1024);
  expect(one.over).toBeUndefined();
  client.socket.resume();
  await expect.poll(() => one.over, { timeout: 9000 }).toBe(errorCodes.none);
  await expect.poll(() => client.body(1).length, { timeout: 9000 }).toBe(body.length);
  expect(client.body(1).equals(body)).toBe(true);
}, 20_000);

test('an answer that is in the socket is not over before the client takes it, unless it goes', async () => {
  await start();
  const client = new RawHttp2Client(port, [[settings.initialWindowSize, windowMax]]);
  client.widen(0, windowMax - 65_535);
  client.socket.pause();
  open(client, 1);
  const one = await request(0);
  answer(one, bytes(16 * 1024 * 1024));
  await expect.poll(() => (sockets[0] as Socket).writableLength).toBeGreaterThan(0);
  expect(one.over).toBeUndefined();
  client.socket.destroy();
  await expect.poll(() => one.over).toBe(errorCodes.cancel);
});

test('a stream that is given up here is over at once', async () => {
  await start();
  const client = new RawHttp2Client(port, [[settings.initialWindowSize, 0]]);
  open(client, 1);
  const one = await request(0);
  let taken = 0;
  one.stream.respond(heading, false);
  one.stream.write(bytes(1000), () => taken++);
  one.stream.close(errorCodes.cancel);
  expect([one.over, taken]).toEqual([errorCodes.cancel, 1]);
  await expect.poll(() => client.resetCode(1)).toBe(errorCodes.cancel);
});

// ---- floods ------------------------------------------------------------------------------------

function many(count: number, type: number, flags: number, streamId: number, payload: Uint8Array): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(streamId, 5);
  return Buffer.concat(Array.from({ length: count }, () => [head, payload]).flat());
}

test.each([
  ['PING', many(30_000, frameTypes.ping, 0, 0, Buffer.alloc(8))],
  ['SETTINGS', many(30_000, frameTypes.settings, 0, 0, Buffer.alloc(0))],
  ['DATA without bytes', many(30_000, frameTypes.data, 0, 1, Buffer.alloc(0))],
  ['unknown frames', many(30_000, 200, 0, 0, Buffer.alloc(0))],
  ['PRIORITY', many(30_000, frameTypes.priority, 0, 1, Buffer.from([0, 0, 0, 3, 0]))],
  ['RST_STREAM', many(30_000, frameTypes.reset, 0, 1, uint32(errorCodes.cancel))],
])('a flood of %s ends the connection', async (_, flood) => {
  await start();
  const client = new RawHttp2Client(port);
  open(client, 1, '/a', endHeaders);
  client.socket.write(flood);
  await expect.poll(() => client.goawayCodes, { timeout: 5000 }).toEqual([errorCodes.enhanceYourCalm]);
  await expect.poll(() => client.closed).toBe(true);
  await expect.poll(() => (served[0] as Served).over).toBeGreaterThan(0);
});

test('streams that are opened and reset without end, end the connection', async () => {
  await start();
  const client = new RawHttp2Client(port);
  const calls: Buffer[] = [];
  for (let id = 1; id < 20_000; id += 2) {
    calls.push(many(1, frameTypes.headers, endHeaders, id, callHeaders('/a')));
    calls.push(many(1, frameTypes.reset, 0, id, uint32(errorCodes.cancel)));
  }
  client.socket.write(Buffer.concat(calls));
  await expect.poll(() => client.goawayCodes, { timeout: 5000 }).toEqual([errorCodes.enhanceYourCalm]);
  // The bound, and what a slow machine lets through while it goes on counting.
  expect(served.length).toBeLessThan(9_000);
});

test('headers that never end, end the connection', async () => {
  await start();
  for (const part of [Buffer.alloc(16_000, 0x82), Buffer.alloc(0)]) {
    const client = new RawHttp2Client(port);
    client.send(frameTypes.headers, 0, 1, callHeaders('/a'));
    for (let i = 0; i < 100; i++) client.send(frameTypes.continuation, 0, 1, part);
    await expect.poll(() => client.goawayCodes).toEqual([errorCodes.enhanceYourCalm]);
  }
  expect(served).toEqual([]);
});

test('headers that say much in few bytes are refused, and the connection goes on', async () => {
  await start();
  const client = new RawHttp2Client(port);
  const long = Buffer.concat([
    Buffer.from([0x40, 1, 0x61, 0x7f, 0xa1, 0x1e]),
    Buffer.alloc(4000, 0x78),
    Buffer.alloc(10_000, 0xbe),
  ]);
  client.send(frameTypes.headers, endHeaders | endStream, 1, Buffer.concat([callHeaders('/a'), long]));
  await expect.poll(() => client.resetCode(1)).toBe(errorCodes.enhanceYourCalm);
  const more = Array.from({ length: 200 }, (_, i): [string, string] => [`x-${i}`, 'y']);
  client.send(frameTypes.headers, endHeaders | endStream, 3, callHeaders('/a', more));
  await expect.poll(() => client.resetCode(3)).toBe(errorCodes.enhanceYourCalm);
  // The table has kept what the refused headers put there.
  const block = Buffer.concat([callHeaders('/b'), Buffer.from([0xbe])]);
  client.send(frameTypes.headers, endHeaders | endStream, 5, block);
  expect((await request(0)).path).toBe('/b');
});

test.each([
  ['upper case', [['X-Upper', 'a']]],
  ['connection-specific', [['connection', 'close']]],
  ['te', [['te', 'gzip']]],
  ['a line break in a value', [['x-a', 'a\nb']]],
  ['white space around a value', [['x-a', ' a']]],
  ['no name', [['', 'a']]],
  ['an unknown pseudo-header', [[':x', 'a']]],
  ['a pseudo-header after others', [[':authority', 'b']]],
  [
    'two lengths',
    [
      ['content-length', '1'],
      ['content-length', '2'],
    ],
  ],
  ['a length that is no number', [['content-length', '-1']]],
] as const)('malformed: %s', async (_, fields) => {
  await start();
  const client = new RawHttp2Client(port);
  client.send(frameTypes.headers, endHeaders, 1, callHeaders('/a', fields));
  await expect.poll(() => client.resetCode(1)).toBe(errorCodes.protocol);
  client.send(frameTypes.headers, endHeaders | endStream, 3, headerBlock([[':method', 'POST']]));
  await expect.poll(() => client.resetCode(3)).toBe(errorCodes.protocol);
  open(client, 5);
  expect((await request(0)).halfClosed).toBe(true);
});

test('streams beyond the bound are refused, and what is sent on them is no mistake', async () => {
  await start({ streamsMax: 2 });
  const client = new RawHttp2Client(port);
  for (const id of [1, 3, 5]) {
    open(client, id, '/a', endHeaders);
    client.send(frameTypes.data, endStream, id, Buffer.alloc(10));
  }
  await expect.poll(() => client.resetCode(5)).toBe(errorCodes.refusedStream);
  answer(await request(0), bytes(10));
  await expect.poll(() => client.body(1).length).toBe(10);
  open(client, 7);
  expect((await request(2)).path).toBe('/a');
  expect(client.goawayCodes).toEqual([]);
});

// ---- the end -----------------------------------------------------------------------------------

test('an idle connection ends politely, and not while it has a stream', async () => {
  await start({ idleMs: 100 });
  const client = new RawHttp2Client(port);
  open(client, 1);
  const one = await request(0);
  const quiet = new RawHttp2Client(port);
  const answersPings = setInterval(() => {
    for (const { payload, flags } of quiet.of(frameTypes.ping).splice(0)) {
      if (flags === 0) quiet.send(frameTypes.ping, 1, 0, payload);
    }
  }, 10);
  await expect.poll(() => quiet.closed, { timeout: 5000 }).toBe(true);
  clearInterval(answersPings);
  expect(quiet.goawayCodes.slice(0, 2)).toEqual([errorCodes.none, errorCodes.none]);
  expect(client.goawayCodes).toEqual([]);
  answer(one, bytes(5));
  await expect.poll(() => client.goawayCodes.length).toBe(1);
});

test('a connection that is asked to end serves what was on its way, and nothing later', async () => {
  await start();
  const client = new RawHttp2Client(port);
  open(client, 1);
  const first = await request(0);
  (connections[0] as Connection).shutdown('max_age');
  await expect.poll(() => client.of(frameTypes.ping).length).toBe(1);
  expect(client.of(frameTypes.goaway)[0]?.payload.readUInt32BE(0)).toBe(windowMax);
  open(client, 3);
  const second = await request(1);
  client.send(frameTypes.ping, 1, 0, (client.of(frameTypes.ping)[0] as { payload: Buffer }).payload);
  await expect.poll(() => client.goawayCodes.length).toBe(2);
  expect(client.of(frameTypes.goaway)[1]?.payload.readUInt32BE(0)).toBe(3);
  open(client, 5);
  answer(first, bytes(5));
  answer(second, bytes(7));
  await expect.poll(() => client.closed, { timeout: 5000 }).toBe(true);
  expect([client.body(1).length, client.body(3).length, served.length]).toEqual([5, 7, 2]);
});

test('a connection grows old, and is cut when its streams do not end', async () => {
  await start({ ageMs: 100, ageGraceMs: 200 });
  const client = new RawHttp2Client(port);
  open(client, 1);
  const one = await request(0);
  await expect.poll(() => client.goawayCodes.length).toBeGreaterThan(0);
  await expect.poll(() => client.closed).toBe(true);
  expect(one.over).toBe(errorCodes.cancel);
});

test('a client that gives no sign of life is cut, and one that answers is not', async () => {
  await start({ keepaliveMs: 50, keepaliveTimeoutMs: 300 });
  const client = new RawHttp2Client(port);
  const dead = new RawHttp2Client(port);
  let answered = 0;
  client.socket.on('data', () => {
    for (const { payload, flags } of client.of(frameTypes.ping).slice(answered)) {
      answered++;
      if (flags === 0) client.send(frameTypes.ping, 1, 0, payload);
    }
  });
  await expect.poll(() => dead.closed, { timeout: 5000 }).toBe(true);
  await expect.poll(() => answered).toBeGreaterThan(2);
  expect(client.closed).toBe(false);
});

test('what is no HTTP/2 is refused', async () => {
  await start();
  const client = new RawHttp2Client(port);
  client.socket.write('GET / HTTP/1.1\r\n\r\n');
  await expect.poll(() => client.closed, { timeout: 5000 }).toBe(true);
});

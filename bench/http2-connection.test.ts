import { createServer, type Http2Server, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import type { HeaderFields } from './hpack-static.ts';
import { Http2Connection } from './http2-connection.ts';

const servers: Http2Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

/** A server whose streams are handled by `handle`, and a connection to it. */
async function connected(
  handle: (stream: ServerHttp2Stream, path: string) => void,
  settings: { readonly initialWindowSize?: number } = {},
): Promise<Http2Connection> {
  const server = createServer({ settings });
  servers.push(server);
  server.on('stream', (stream, headers) => handle(stream, String(headers[':path'])));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return Http2Connection.open(`127.0.0.1:${(server.address() as AddressInfo).port}`);
}

function fields(path: string): HeaderFields {
  return [
    [':method', 'POST'],
    [':scheme', 'http'],
    [':path', path],
    [':authority', 'somewhere'],
    ['content-type', 'application/grpc'],
    ['te', 'trailers'],
  ];
}

interface Answer {
  readonly body: Buffer;
  readonly failure: string | undefined;
}

function call(connection: Http2Connection, path: HeaderFields, message: Buffer): Promise<Answer> {
  const chunks: Buffer[] = [];
  return new Promise((resolve) => {
    connection.start(path, message, true, {
      data: (chunk) => chunks.push(Buffer.from(chunk)),
      end: (failure) => resolve({ body: Buffer.concat(chunks), failure }),
    });
  });
}

/** Answers with what came, and with the status that the path names. */
function echo(stream: ServerHttp2Stream, path: string): void {
  const chunks: Buffer[] = [];
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  stream.on('end', () => {
    stream.respond({ ':status': 200 }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': path.slice(1) }));
    stream.end(Buffer.concat(chunks));
  });
}

test.each(Array.from({ length: 17 }, (_, code) => code))('reads grpc-status %d', async (code) => {
  const connection = await connected(echo);
  const { failure } = await call(connection, fields(`/${code}`), Buffer.from('x'));
  expect(failure).toBe(code === 0 ? undefined : String(code));
  connection.close();
});

test('a server that decodes headers understands indexes that move as others are added', async () => {
  const paths: string[] = [];
  const connection = await connected((stream, path) => {
    paths.push(path);
    echo(stream, '/0');
  });
  const [a, b] = [fields('/a'), fields('/b')];
  for (const each of [a, a, b, a, b, a]) {
    expect((await call(connection, each, Buffer.from('x'))).failure).toBeUndefined();
  }
  expect(paths).toEqual(['/a', '/a', '/b', '/a', '/b', '/a']);
  connection.close();
});

test('sends no more than the windows of the server allow, and all in the end', async () => {
  const connection = await connected(echo, { initialWindowSize: 1_000 });
  const messages = [1, 2, 3].map((fill) => Buffer.alloc(200_000, fill));
  const answers = await Promise.all(messages.map((message) => call(connection, fields('/0'), message)));
  expect(answers.map(({ failure }) => failure)).toEqual([undefined, undefined, undefined]);
  for (const [index, { body }] of answers.entries())
    expect(body.equals(messages[index] as Buffer)).toBe(true);
  connection.close();
});

test('a status in the first headers, a reset and a lost connection are failures', async () => {
  const connection = await connected((stream, path) => {
    if (path === '/only') stream.respond({ ':status': 200, 'grpc-status': '8' }, { endStream: true });
    else if (path === '/reset') stream.on('error', () => {}).close(7);
    else stream.session?.destroy();
  });
  const none = Buffer.from('x');
  expect((await call(connection, fields('/only'), none)).failure).toBe('8');
  expect((await call(connection, fields('/reset'), none)).failure).toBe('RST_STREAM 7');
  expect((await call(connection, fields('/lost'), none)).failure).toBeDefined();
  expect(connection.free).toBe(0);
});

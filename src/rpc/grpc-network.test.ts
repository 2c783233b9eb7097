/** What only the network over sockets has to do; the rest is in test/acceptance/network-suite.ts. */

import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import * as grpc from '@grpc/grpc-js';
import { afterEach, expect, test } from 'vitest';
import type { NetworkError } from '../env/network.ts';
import { systemEnv } from '../env/system-env.ts';
import { GrpcNetwork } from './grpc-network.ts';

const env = systemEnv();
const network = new GrpcNetwork({ env }, { closeGraceMs: 100 });
const host = '127.0.0.1';
const identity = (bytes: Buffer): Buffer => bytes;

afterEach(() => network.close());

test('the peer port serves the two peer methods and nothing else', async () => {
  const listener = await network.listen({ host, port: 0 }, () => {});
  const client = new grpc.Client(`${host}:${listener.port}`, grpc.credentials.createInsecure());
  const codes: number[] = [];
  for (const path of [
    '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo',
    '/grpc.health.v1.Health/Check',
    '/kindred.v1.KeyValueService/Get',
    '/kindred.peer.v1.ReplicaService/Other',
  ]) {
    await new Promise<void>((resolve) => {
      client.makeUnaryRequest(path, identity, identity, Buffer.alloc(0), (error) => {
        codes.push(error?.code ?? grpc.status.OK);
        resolve();
      });
    });
  }
  client.close();
  expect(codes).toEqual(Array(4).fill(grpc.status.UNIMPLEMENTED));
});

test('a gRPC server that is no peer is named as such', async () => {
  const other = new grpc.Server();
  const port = await new Promise<number>((resolve, reject) => {
    other.bindAsync(`${host}:0`, grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  const stream = network.dial({ host, port }, 'data');
  stream.send(new Uint8Array([1]));
  const error = await new Promise<NetworkError | undefined>((resolve) => stream.onClose(resolve));
  other.forceShutdown();
  expect(error?.code).toBe('not-a-peer');
  expect(error?.message).toContain('is it the client port?');
});

test('why nothing can be reached is said in plain words', async () => {
  const { port, close } = await network.listen({ host, port: 0 }, () => {});
  await close();
  const stream = network.dial({ host, port }, 'data');
  const closed = new Promise<NetworkError | undefined>((resolve) => stream.onClose(resolve));
  stream.send(new Uint8Array([1]));
  expect(await closed).toMatchObject({
    code: 'unreachable',
    message: `stream to ${host}:${port}: connection refused`,
  });
});

test('closing gives up a connection that the other side does not answer', async () => {
  // Accepts TCP and says nothing: neither HTTP/2 nor a refusal.
  const sockets: Socket[] = [];
  const mute = createServer((socket) => sockets.push(socket.resume()));
  mute.listen(0, host);
  await once(mute, 'listening');
  const address = mute.address();
  if (address === null || typeof address === 'string') throw new Error('a TCP server has a port');
  const stream = network.dial({ host, port: address.port }, 'data');
  stream.send(new Uint8Array([1]));
  await expect.poll(() => sockets.length).toBe(1);
  const closed = new Promise<NetworkError | undefined>((resolve) => stream.onClose(resolve));
  stream.close();
  expect(await closed).toBeUndefined();
  await expect.poll(() => sockets[0]?.destroyed).toBe(true);
  mute.close();
});

test('a partition that heals crashes nobody: an attempt that was given up while it connected stays given up', async () => {
  const quick = new GrpcNetwork({ env }, { closeGraceMs: 0 });
  const { port, close } = await network.listen({ host, port: 0 }, () => {});
  const closes: unknown[] = [];
  for (let i = 0; i < 20; i++) {
    const stream = quick.dial({ host, port }, 'data');
    stream.onClose((error) => closes.push(error));
    stream.close();
  }
  await expect.poll(() => closes.length).toBe(20);
  // The connections that came about all the same would throw from an event by now.
  const other = quick.dial({ host, port }, 'data');
  other.send(new Uint8Array([1]));
  const closed = new Promise((resolve) => other.onClose(resolve));
  await close();
  await closed;
  await quick.close();
});

test('port 0 gives a port of its own each time, and an address that is not ours is refused', async () => {
  const one = await network.listen({ host, port: 0 }, () => {});
  const two = await network.listen({ host, port: 0 }, () => {});
  expect(one.port).not.toBe(two.port);
  await expect(network.listen({ host: '203.0.113.1', port: 0 }, () => {})).rejects.toMatchObject({
    code: 'address-unavailable',
    message: expect.stringContaining('203.0.113.1'),
  });
});

test('a frame that was damaged on its way breaks the connection, and is not delivered', async () => {
  const received: Uint8Array[] = [];
  const closes: (NetworkError | undefined)[] = [];
  const listener = await network.listen({ host, port: 0 }, (_channel, stream) => {
    stream.onFrame((frame) => received.push(frame));
    stream.onClose((error) => closes.push(error));
  });
  const good = new Uint8Array(300).fill(0xab);
  const proxy = createServer((socket) => {
    const onward = connect({ host, port: listener.port });
    // One bit in the second of the two frames; whoever sums the segments up anew sees nothing.
    socket.on('data', (bytes: Buffer) => {
      const at = bytes.indexOf(Buffer.alloc(100, 0xcd));
      if (at >= 0) bytes[at + 50] = 0xcc;
      onward.write(bytes);
    });
    onward.on('data', (bytes) => socket.write(bytes));
    for (const each of [socket, onward]) each.on('error', () => {});
    socket.on('close', () => onward.destroy());
    onward.on('close', () => socket.destroy());
  });
  proxy.listen(0, host);
  await once(proxy, 'listening');
  const { port } = proxy.address() as AddressInfo;
  const stream = network.dial({ host, port }, 'data');
  const closed = new Promise<NetworkError | undefined>((resolve) => stream.onClose(resolve));
  stream.onFrame(() => {});
  stream.send(good);
  stream.send(new Uint8Array(300).fill(0xcd));
  await expect.poll(() => closes.length).toBe(1);
  expect(closes[0]?.code).toBe('frame-damaged');
  expect(received.map((frame) => Buffer.from(frame))).toEqual([Buffer.from(good)]);
  expect(await closed).toBeDefined();
  proxy.close();
});

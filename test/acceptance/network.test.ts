/** Both networks pass the one suite. */

import { connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { MemoryNetwork } from '../../src/env/memory-network.ts';
import { systemEnv } from '../../src/env/system-env.ts';
import { GrpcNetwork } from '../../src/rpc/grpc-network.ts';
import { FakeEnv } from '../support/fake-env.ts';
import { type NetworkHarness, networkSuite, type Route } from './network-suite.ts';

networkSuite('memory', async (): Promise<NetworkHarness> => {
  const env = new FakeEnv();
  const network = new MemoryNetwork({ env });
  return {
    env,
    network,
    route: async (port) => ({ address: { host: '127.0.0.1', port }, cut: () => network.cut(port) }),
    async until(condition, what) {
      for (let stepsMs = 0; stepsMs < 60_000; stepsMs++) {
        env.advance(1);
        // Promises of the code under test go on here.
        await Promise.resolve();
        if (condition()) return;
      }
      throw new Error(`a minute of fake time passed without ${what}`);
    },
    async close() {
      env.advance(10_000);
    },
  };
});

networkSuite('grpc', async (): Promise<NetworkHarness> => {
  const env = systemEnv();
  const network = new GrpcNetwork({ env }, { closeGraceMs: 200 });
  const proxies: Proxy[] = [];
  return {
    env,
    network,
    async route(port): Promise<Route> {
      const proxy = await openProxy(port);
      proxies.push(proxy);
      return proxy;
    },
    async until(condition, what) {
      for (const startedMs = env.clock.monotonicMs(); ; ) {
        await sleep(2);
        if (condition()) return;
        if (env.clock.monotonicMs() - startedMs > 8_000) throw new Error(`8 s passed without ${what}`);
      }
    },
    async close() {
      await network.close();
      await Promise.all(proxies.map((proxy) => proxy.close()));
    },
  };
});

interface Proxy extends Route {
  close(): Promise<void>;
}

/** Passes TCP bytes on to `port`, until it is cut. */
async function openProxy(port: number): Promise<Proxy> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((from) => {
    const to = connect(port, '127.0.0.1');
    for (const [one, other] of [
      [from, to],
      [to, from],
    ] as const) {
      sockets.add(one);
      one.pipe(other);
      one.on('error', () => other.destroy());
      one.on('close', () => {
        sockets.delete(one);
        other.destroy();
      });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('a TCP server has a port');
  return {
    address: { host: '127.0.0.1', port: address.port },
    cut() {
      for (const socket of sockets) socket.resetAndDestroy();
    },
    close() {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

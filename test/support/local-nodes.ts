/** Whole nodes in this process, over real sockets, on engines in memory that a test can hold back or break. */

import { parseConfig } from '../../src/config/parse-config.ts';
import type { Env } from '../../src/env/env.ts';
import { systemEnv } from '../../src/env/system-env.ts';
import { Node } from '../../src/node.ts';
import { silentLogger } from '../../src/observe/log.ts';
import {
  EngineError,
  type EngineErrorCode,
  type EngineOperation,
  type StorageEngine,
} from '../../src/storage/engine.ts';
import { openMemoryEngine } from '../../src/storage/memory.ts';
import { freePorts } from '../../tools/free-ports.ts';
import { type Clients, clientsOf } from './client-port.ts';
import { until } from './real-cluster.ts';

/** An engine that a test can make wait or fail. */
export class BreakableEngine implements StorageEngine {
  readonly kind = 'memory';
  readonly tailDropped = false;
  readonly #engine = openMemoryEngine();
  #held: Promise<void> | undefined;
  #release: () => void = () => {};
  #failure: EngineErrorCode | undefined;

  /** Writes wait from now on, until the returned function is called. */
  hold(): () => void {
    this.#held = new Promise((resolve) => {
      this.#release = resolve;
    });
    return () => {
      this.#held = undefined;
      this.#release();
    };
  }

  /** Writes fail from now on. */
  fail(code: EngineErrorCode): void {
    this.#failure = code;
  }

  get(key: Uint8Array): Uint8Array | undefined {
    return this.#engine.get(key);
  }

  async write(operations: readonly EngineOperation[], options: { readonly sync: boolean }): Promise<void> {
    if (this.#held !== undefined) await this.#held;
    if (this.#failure !== undefined) throw new EngineError(this.#failure, `the disk says ${this.#failure}`);
    await this.#engine.write(operations, options);
  }

  entries(range: Parameters<StorageEngine['entries']>[0]): ReturnType<StorageEngine['entries']> {
    return this.#engine.entries(range);
  }

  sizeBytes(): Promise<number> {
    return this.#engine.sizeBytes();
  }

  flush(): Promise<void> {
    return this.#engine.flush();
  }

  close(): Promise<void> {
    return this.#engine.close();
  }
}

export interface LocalNode {
  readonly id: string;
  readonly node: Node;
  readonly engine: BreakableEngine;
  readonly clients: Clients;
  readonly address: string;
}

export interface LocalNodes {
  readonly nodes: readonly LocalNode[];
  stop(): Promise<void>;
}

/** `settings`: further parts of the configuration, as a file has them. `env`: of all nodes, the machine's own by default. */
export async function startLocalNodes(
  count: number,
  settings: Readonly<Record<string, unknown>> = {},
  env: Env = systemEnv(),
): Promise<LocalNodes> {
  const ports = await freePorts(count * 3);
  const members = Array.from({ length: count }, (_, index) => ({
    id: `n${index + 1}`,
    host: '127.0.0.1',
    client_port: ports[index * 3],
    peer_port: ports[index * 3 + 1],
    http_port: ports[index * 3 + 2],
  }));
  const cluster = { id: 'local', partitions: 64 };
  const started: LocalNode[] = [];
  const stop = async (): Promise<void> => {
    for (const { clients, engine } of started) {
      clients.channel.close();
      engine.hold()();
    }
    await Promise.all(started.map(({ node }) => node.stop({ deadlineMs: 0 })));
  };
  try {
    for (const { id, client_port } of members) {
      const file = { cluster, members, node: id, storage: { engine: 'memory' }, ...settings };
      const { config } = parseConfig({ file: { name: 'test', text: JSON.stringify(file) } });
      const engine = new BreakableEngine();
      const node = await Node.start(config, { env, log: silentLogger(), openEngine: async () => engine });
      const address = `127.0.0.1:${client_port}`;
      started.push({ id, node, engine, address, clients: clientsOf(address) });
    }
    await until(async () => {
      const views = await Promise.all(started.map(({ clients }) => clients.topology.getTopology({})));
      return views.every(({ topology }) => topology?.nodes.every(({ state }) => state === 2));
    }, 20_000);
  } catch (error) {
    await stop();
    throw error;
  }
  return { nodes: started, stop };
}

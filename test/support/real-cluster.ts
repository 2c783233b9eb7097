/**
 * A cluster of real processes on free loopback ports with real disks: `kindred server`, as a user runs it. Processes are
 * killed by id, and all of them end with the test.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Channel, createChannel, createClient } from 'nice-grpc';
import {
  type DiagnosticServiceClient,
  DiagnosticServiceDefinition,
} from '../../src/gen/kindred/v1/diagnostic.ts';
import { type KeyValueServiceClient, KeyValueServiceDefinition } from '../../src/gen/kindred/v1/kv.ts';
import { type TopologyServiceClient, TopologyServiceDefinition } from '../../src/gen/kindred/v1/topology.ts';
import { freePorts } from '../../tools/free-ports.ts';

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
const readyWithinMsDefault = 30_000;
const logKept = 200_000;

export interface RealClusterOptions {
  readonly nodes?: number;
  readonly engine?: 'lsm' | 'btree' | 'memory';
  /** Further flags of `kindred server`, for all nodes. */
  readonly flags?: readonly string[];
  /** Flags of the processes' Node, before the program. */
  readonly nodeFlags?: readonly string[];
  /** Where data directories are made; default a temporary one, removed at the end. */
  readonly directory?: string;
  /** How long the nodes may take to start; longer for tests that run beside much else. */
  readonly readyWithinMs?: number;
  /** Where nodes differ from each other. Further flags come after the others, so that they win. */
  readonly of?: (id: string) => NodeDifference;
}

/** What one node has of its own. */
export interface NodeDifference {
  readonly data?: string;
  readonly flags?: readonly string[];
}

export class RealNode {
  readonly id: string;
  readonly ports: { readonly client: number; readonly peer: number; readonly http: number };
  readonly data: string;
  /** Where it listens. */
  readonly host: string;
  readonly keyValue: KeyValueServiceClient;
  readonly diagnostics: DiagnosticServiceClient;
  readonly topology: TopologyServiceClient;
  readonly channel: Channel;
  #child: ChildProcess | undefined;
  #exited: Promise<number | string> = Promise.resolve('never started');
  #log = '';
  readonly #command: readonly string[];

  constructor(
    id: string,
    ports: RealNode['ports'],
    data: string,
    command: readonly string[],
    host = '127.0.0.1',
  ) {
    this.id = id;
    this.ports = ports;
    this.data = data;
    this.host = host;
    this.#command = command;
    this.channel = createChannel(`${host}:${ports.client}`, undefined, {
      'grpc.enable_retries': 0,
      'grpc.initial_reconnect_backoff_ms': 50,
      'grpc.max_reconnect_backoff_ms': 200,
      'grpc.max_receive_message_length': 32 * 1024 * 1024,
    });
    this.keyValue = createClient(KeyValueServiceDefinition, this.channel);
    this.diagnostics = createClient(DiagnosticServiceDefinition, this.channel);
    this.topology = createClient(TopologyServiceDefinition, this.channel);
  }

  /** What the process has logged, its last part. */
  get log(): string {
    return this.#log;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Starts the process, with further flags if given, for this time only. Its log begins anew. */
  start(furtherFlags: readonly string[] = []): void {
    this.#log = '';
    const [command, ...rest] = this.#command as [string, ...string[]];
    const child = spawn(command, [...rest, ...furtherFlags], { stdio: ['ignore', 'pipe', 'pipe', 'ipc'] });
    this.#child = child;
    const keep = (text: Buffer): void => {
      this.#log = (this.#log + text.toString()).slice(-logKept);
    };
    child.stdout?.on('data', keep);
    child.stderr?.on('data', keep);
    this.#exited = new Promise((resolve) =>
      child.once('exit', (code, signal) => resolve(code ?? signal ?? 'gone')),
    );
  }

  /** Resolves with the exit code, or the name of the signal. */
  get exited(): Promise<number | string> {
    return this.#exited;
  }

  /** Sends the signal and waits until the process is gone. */
  async kill(signal: NodeJS.Signals): Promise<number | string> {
    this.#child?.kill(signal);
    return await this.#exited;
  }

  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  /** Waits until /readyz says so. Throws with the log when the process exits or takes too long. */
  async ready(withinMs: number = readyWithinMsDefault): Promise<void> {
    const deadline = performance.now() + withinMs;
    const gone = this.#exited.then((code) => `exited with ${code}`);
    for (;;) {
      const state = await Promise.race([gone, this.#readiness()]);
      if (state === 'ready') return;
      if (state.startsWith('exited') || performance.now() > deadline) {
        throw new Error(`${this.id} is not ready: ${state}\n${this.#log}`);
      }
    }
  }

  async #readiness(): Promise<string> {
    try {
      const response = await fetch(`http://${this.host}:${this.ports.http}/readyz`, {
        signal: AbortSignal.timeout(1000),
      });
      if (response.status === 200) return 'ready';
      await pause(20);
      return await response.text();
    } catch (error) {
      await pause(20);
      return String(error);
    }
  }
}

export class RealCluster {
  readonly nodes: readonly RealNode[];
  readonly directory: string;
  readonly #removeDirectory: boolean;

  private constructor(nodes: readonly RealNode[], directory: string, removeDirectory: boolean) {
    this.nodes = nodes;
    this.directory = directory;
    this.#removeDirectory = removeDirectory;
  }

  static async start(options: RealClusterOptions = {}): Promise<RealCluster> {
    const cluster = await RealCluster.plan(options);
    for (const node of cluster.nodes) node.start();
    try {
      await cluster.ready(options.readyWithinMs);
    } catch (error) {
      await cluster[Symbol.asyncDispose]();
      throw error;
    }
    return cluster;
  }

  /** The cluster with nothing started yet. */
  static async plan(options: RealClusterOptions = {}): Promise<RealCluster> {
    const {
      nodes: count = 3,
      engine = 'lsm',
      flags = [],
      nodeFlags = [],
      of = (): NodeDifference => ({}),
    } = options;
    const directory = options.directory ?? mkdtempSync(join(tmpdir(), 'kindred-cluster-'));
    const ports = await freePorts(count * 3);
    const portsOf = (index: number): RealNode['ports'] => ({
      client: ports[index * 3] as number,
      peer: ports[index * 3 + 1] as number,
      http: ports[index * 3 + 2] as number,
    });
    const members = Array.from({ length: count }, (_, index) => {
      const { client, peer, http } = portsOf(index);
      return ['--member', `n${index + 1}@127.0.0.1:${client}:${peer}:${http}`];
    }).flat();
    const nodes = Array.from({ length: count }, (_, index) => {
      const id = `n${index + 1}`;
      const { data = join(directory, id), flags: flagsOfNode = [] } = of(id);
      const own = [
        '--node',
        id,
        '--data',
        data,
        '--engine',
        engine,
        '--log-format',
        'json',
        '--cluster-id',
        'test',
      ];
      // The IPC channel ends the node when the test's process dies, however that happens.
      const command = [
        process.execPath,
        ...nodeFlags,
        main,
        'server',
        '--exit-with-parent',
        ...own,
        ...members,
        ...flags,
        ...flagsOfNode,
      ];
      return new RealNode(id, portsOf(index), data, command);
    });
    return new RealCluster(nodes, directory, options.directory === undefined);
  }

  /** Waits until every node can reach every other. */
  async ready(withinMs: number = readyWithinMsDefault): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.ready(withinMs)));
    for (const node of this.nodes) {
      await until(async () => {
        const { alarms } = await node.diagnostics.getNodeStatus({});
        return alarms.every((alarm) => !/^n\d+ is /.test(alarm));
      }, withinMs);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const node of this.nodes) node.channel.close();
    await Promise.all(this.nodes.map((node) => node.kill('SIGKILL')));
    if (this.#removeDirectory) rmSync(this.directory, { recursive: true, force: true });
  }
}

/** Waits for a condition. Throws when it does not come true in time, with the last error if there was one. */
export async function until(condition: () => Promise<boolean>, withinMs = 10_000): Promise<void> {
  const deadline = performance.now() + withinMs;
  let last: unknown;
  for (;;) {
    try {
      if (await condition()) return;
    } catch (error) {
      last = error;
    }
    if (performance.now() > deadline) throw new Error(`not within ${withinMs} ms`, { cause: last });
    await pause(20);
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

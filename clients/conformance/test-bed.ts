/** Three real nodes, each behind a proxy that can break its clients' connections. One bed serves all cases of a run. */

import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RealCluster, type RealNode, until } from '../../test/support/real-cluster.ts';
import { freePorts } from '../../tools/free-ports.ts';
import type { NodeName } from './case-file.ts';
import { FaultProxy } from './fault-proxy.ts';
import { ScriptedNode } from './scripted-node.ts';

/** What the cases rely on, beside the bucket `default`. */
const buckets = [
  { name: 'narrow', siblings_warn: 3, siblings_max: 3 },
  { name: 'latest', conflict_policy: 'last-write-wins' },
  { name: 'create', blind_write: 'reject' },
  { name: 'collect', blind_write: 'add-sibling' },
  { name: 'brief', ttl_ms: 300 },
  { name: 'small', value_bytes_max: 100 },
  { name: 'one', read_level: 'one', write_level: 'one' },
  { name: 'single', replication: 1 },
];

/**
 * Nothing heals by itself: a replica that was away stays behind until a read repairs it, so that a case can rely on it. And
 * nodes are found again soon.
 */
const settings = [
  `buckets=${JSON.stringify(buckets)}`,
  'hints.bytes_max=0',
  'anti_entropy.enabled=false',
  'reads.repair_chance=0',
  'reads.hedge_factor=0',
  'heartbeat.interval_ms=100',
  'peers.reconnect_ms=50',
  'peers.reconnect_ms_max=300',
  'timeouts.drain_ms=4000',
  // A machine that is busy with something else is no overload.
  'limits.queue_ms_max=5000',
];

/** Where files cost no disk: what a disk makes of a write is not the clients' business, and time is. */
const memory = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();

const names: readonly NodeName[] = ['n1', 'n2', 'n3'];
/** On a machine that compiles five clients at the same time a process takes half a minute to start. */
const wholeWithinMs = 120_000;

export class TestBed {
  readonly #cluster: RealCluster;
  readonly #proxies: ReadonlyMap<NodeName, FaultProxy>;
  readonly scripted: ScriptedNode;
  readonly #running = new Set<NodeName>(names);
  readonly #paused = new Set<NodeName>();

  private constructor(
    cluster: RealCluster,
    proxies: ReadonlyMap<NodeName, FaultProxy>,
    scripted: ScriptedNode,
  ) {
    this.#cluster = cluster;
    this.#proxies = proxies;
    this.scripted = scripted;
  }

  /** `nodeFlags`: of the processes' Node, before the program. */
  static async start(nodeFlags: readonly string[] = []): Promise<TestBed> {
    const flags = settings.flatMap((setting) => ['--set', setting]);
    const cluster = await RealCluster.plan({
      flags,
      nodeFlags,
      directory: mkdtempSync(join(memory, 'kindred-conformance-')),
    });
    const ports = await freePorts(names.length);
    const proxies = new Map<NodeName, FaultProxy>();
    for (const [index, name] of names.entries()) {
      const target = cluster.nodes[index] as RealNode;
      proxies.set(name, await FaultProxy.listen(ports[index] as number, target.ports.client));
    }
    const bed = new TestBed(cluster, proxies, await ScriptedNode.listen());
    for (const node of cluster.nodes) node.start();
    try {
      await bed.#whole();
    } catch (error) {
      const logs = bed.logs(5);
      await bed[Symbol.asyncDispose]();
      throw new Error(`the cluster does not come up:\n${logs}`, { cause: error });
    }
    return bed;
  }

  get names(): readonly NodeName[] {
    return names;
  }

  /** `n1`: the node's proxy. `direct n1`: the node itself. `scripted`: the scripted node. */
  endpoint(text: string): string {
    if (text === 'scripted') return this.scripted.address;
    const [first = '', second] = text.split(' ');
    const name = names.find((each) => each === (second ?? first));
    if (name === undefined) throw new Error(`there is no endpoint "${text}"`);
    return first === 'direct' ? `127.0.0.1:${this.node(name).ports.client}` : this.proxy(name).address;
  }

  proxy(name: NodeName): FaultProxy {
    return this.#proxies.get(name) as FaultProxy;
  }

  node(name: NodeName): RealNode {
    return this.#cluster.nodes[names.indexOf(name)] as RealNode;
  }

  async change(name: NodeName, what: 'kill' | 'start' | 'pause' | 'resume' | 'drain'): Promise<void> {
    const node = this.node(name);
    switch (what) {
      case 'kill':
        this.#running.delete(name);
        // A process that is stopped dies of SIGKILL all the same.
        this.#paused.delete(name);
        await node.kill('SIGKILL');
        return;
      case 'start':
        await node.exited;
        node.start();
        this.#running.add(name);
        await this.#whole();
        return;
      case 'pause':
        this.#paused.add(name);
        node.signal('SIGSTOP');
        return;
      case 'resume':
        this.#paused.delete(name);
        node.signal('SIGCONT');
        return;
      case 'drain':
        this.#running.delete(name);
        node.signal('SIGTERM');
        return;
    }
  }

  /** No faults, and just these nodes down, as the others know. */
  async arrange(down: readonly NodeName[]): Promise<void> {
    for (const proxy of this.#proxies.values()) await proxy.heal();
    const wasPaused = this.#paused.size > 0;
    for (const name of this.#paused) await this.change(name, 'resume');
    const toKill = down.filter((name) => this.#running.has(name));
    for (const name of toKill) await this.change(name, 'kill');
    const toStart = names.filter((name) => !down.includes(name) && !this.#running.has(name));
    for (const name of toStart) {
      await this.node(name).exited;
      this.node(name).start();
      this.#running.add(name);
    }
    if (wasPaused || toKill.length > 0 || toStart.length > 0) await this.#whole();
  }

  /** The end of what each node has logged, for a report. */
  logs(linesEach: number): string {
    return this.#cluster.nodes
      .map((node) => `${node.id}:\n${node.log.trimEnd().split('\n').slice(-linesEach).join('\n')}`)
      .join('\n');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.scripted.close();
    for (const proxy of this.#proxies.values()) await proxy[Symbol.asyncDispose]();
    await this.#cluster[Symbol.asyncDispose]();
    rmSync(this.#cluster.directory, { recursive: true, force: true });
  }

  /** Waits until each running node reaches just the nodes that run. One alone is never ready, but serves ONE. */
  async #whole(): Promise<void> {
    const running = names.filter((name) => this.#running.has(name));
    const away = names.filter((name) => !this.#running.has(name));
    for (const name of running) {
      await until(async () => {
        const { alarms } = await this.node(name).diagnostics.getNodeStatus({});
        const missed = names.filter((other) => alarms.some((alarm) => alarm.startsWith(`${other} is `)));
        return missed.join() === away.join();
      }, wholeWithinMs);
    }
  }
}

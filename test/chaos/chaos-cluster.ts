/** Real nodes, each with its own address and its own disk, on a network that can be broken. */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { RealNode, until } from '../support/real-cluster.ts';
import { workloadBuckets } from '../workload/workload-buckets.ts';
import { type DiskKind, type LoopDisk, loopDisk, plainDisk, type SmallDisk, smallDisk } from './disks.ts';
import type { ChaosNetwork } from './network.ts';
import type { RunDirectory } from './run-directory.ts';

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
/** Every node has an address of its own, so all may use the same ports. */
export const CHAOS_PORTS = { client: 7400, peer: 7500, http: 7600 } as const;

export const CHAOS_CLUSTER_ID = 'chaos';

export interface ChaosClusterOptions {
  readonly nodes: number;
  readonly engine: 'lsm' | 'btree';
  readonly disk: DiskKind;
  /** Further knobs of all nodes, as `--set` takes them: `hints.bytes_max=0`. */
  readonly settings?: readonly string[];
}

export class ChaosCluster {
  readonly nodes: readonly RealNode[];
  readonly network: ChaosNetwork;
  readonly directory: RunDirectory;
  readonly #smallDisks: readonly SmallDisk[];
  readonly #loopDisks: readonly LoopDisk[];

  private constructor(
    nodes: readonly RealNode[],
    network: ChaosNetwork,
    directory: RunDirectory,
    disks: { readonly small: readonly SmallDisk[]; readonly loop: readonly LoopDisk[] },
  ) {
    this.nodes = nodes;
    this.network = network;
    this.directory = directory;
    this.#smallDisks = disks.small;
    this.#loopDisks = disks.loop;
  }

  /** Starts all nodes and waits until every one reaches every other. */
  static async start(
    directory: RunDirectory,
    network: ChaosNetwork,
    options: ChaosClusterOptions,
  ): Promise<ChaosCluster> {
    const numbers = Array.from({ length: options.nodes }, (_, node) => node);
    const members = numbers.flatMap((node) => ['--member', `${idOf(node)}@${network.memberHost(node)}`]);
    const buckets = ['--set', `buckets=${JSON.stringify(workloadBuckets)}`];
    const knobs = (options.settings ?? []).flatMap((setting) => ['--set', setting]);
    const nodes: RealNode[] = [];
    const disks = { small: [] as SmallDisk[], loop: [] as LoopDisk[] };
    for (const node of numbers) {
      const id = idOf(node);
      const disk = await makeDisk(directory, id, options.disk, disks);
      const command = [
        ...network.commandPrefix(node),
        process.execPath,
        main,
        'server',
        '--exit-with-parent',
      ];
      const settings = [
        '--node',
        id,
        '--data',
        disk.data,
        '--engine',
        options.engine,
        '--cluster-id',
        'chaos',
      ];
      const listen = ['--set', `listen.host=${network.listenHost(node)}`, '--log-format', 'json'];
      const all = [...command, ...settings, ...listen, ...buckets, ...knobs, ...members];
      nodes.push(new RealNode(id, CHAOS_PORTS, disk.data, all, network.listenHost(node)));
    }
    const cluster = new ChaosCluster(nodes, network, directory, disks);
    for (const node of numbers) cluster.start(node);
    for (const node of nodes) {
      await node.ready();
      await until(async () => (await node.diagnostics.getNodeStatus({})).alarms.length === 0, 30_000);
    }
    return cluster;
  }

  node(number: number): RealNode {
    return this.nodes[number] as RealNode;
  }

  smallDisk(number: number): SmallDisk {
    return this.#smallDisks[number] as SmallDisk;
  }

  loopDisk(number: number): LoopDisk {
    return this.#loopDisks[number] as LoopDisk;
  }

  /** Starts the process of a node, with what it has on its disk. */
  start(number: number): void {
    const node = this.node(number);
    node.start();
    this.directory.note(node.pid);
    if (node.pid !== undefined) this.network.started(number, node.pid);
  }

  /** Writes what the nodes have logged, its last part, into files. */
  saveLogs(directory: string): void {
    for (const node of this.nodes) writeFileSync(join(directory, `${node.id}.log`), node.log);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const node of this.nodes) node.channel.close();
    await Promise.all(this.nodes.map((node) => node.kill('SIGKILL')));
  }
}

function idOf(node: number): string {
  return `n${node + 1}`;
}

async function makeDisk(
  directory: RunDirectory,
  id: string,
  kind: DiskKind,
  made: { readonly small: SmallDisk[]; readonly loop: LoopDisk[] },
): Promise<{ readonly data: string }> {
  if (kind === 'plain') return plainDisk(directory, id);
  if (kind === 'small') {
    const disk = await smallDisk(directory, id);
    made.small.push(disk);
    return disk;
  }
  const disk = await loopDisk(directory, id);
  made.loop.push(disk);
  return disk;
}

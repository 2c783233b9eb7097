/**
 * Kindred nodes on loopback, three unless it is said otherwise: the configuration that a user gets (fsync before every
 * acknowledgement that counts), with a zone each, so that no key has two copies on one node.
 */

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { freePorts } from '../tools/free-ports.ts';
import { type Cluster, startAll } from './cluster.ts';
import { answers, ServerProcess } from './server-process.ts';

export interface KindredOptions {
  /** Configuration, data and logs go here. */
  readonly directory: string;
  readonly engine: 'lsm' | 'btree' | 'memory';
  /** Writes a CPU profile of the first node into this directory when it stops. */
  readonly profileDirectory?: string;
  /** How many (3). Fewer than three keep fewer copies. */
  readonly nodes?: number;
  /** How long they may take to open what they hold. */
  readonly readyMsMax?: number;
}

const copies = 3;
const host = '127.0.0.1';
const mainPath = join(import.meta.dirname, '..', 'src', 'main.ts');

/** Starts the nodes, and waits until each sees a quorum. */
export async function startKindred(options: KindredOptions): Promise<Cluster> {
  const { directory, engine, profileDirectory, readyMsMax } = options;
  const nodes = Array.from({ length: options.nodes ?? copies }, (_, index) => `n${index + 1}`);
  await mkdir(directory, { recursive: true });
  const ports = await freePorts(nodes.length * 3);
  const members = nodes.map((id, index) => ({
    id,
    host,
    client_port: ports[index * 3] as number,
    peer_port: ports[index * 3 + 1] as number,
    http_port: ports[index * 3 + 2] as number,
  }));
  const configPath = join(directory, 'kindred.yaml');
  await writeFile(
    configPath,
    stringify({
      cluster: { id: 'bench', replication: Math.min(copies, nodes.length) },
      members,
      storage: { engine },
      log: { level: 'warn', format: 'json' },
    }),
  );
  const processes = members.map(
    ({ id }) =>
      new ServerProcess({
        name: `kindred ${id}`,
        program: process.execPath,
        args: [
          ...(profileDirectory !== undefined && id === nodes[0]
            ? ['--cpu-prof', `--cpu-prof-dir=${profileDirectory}`]
            : []),
          mainPath,
          'server',
          '--exit-with-parent',
          `--config=${configPath}`,
          `--node=${id}`,
          `--data=${join(directory, id)}`,
        ],
        logPath: join(directory, `${id}.log`),
        ipc: true,
        ...(readyMsMax === undefined ? {} : { readyMsMax }),
      }),
  );
  return startAll(
    members.map((member) => `${host}:${member.client_port}`),
    processes,
    (index) => answers(`http://${host}:${members[index]?.http_port}/readyz`),
  );
}

/**
 * Three Kindred nodes on loopback: the configuration that a user gets (fsync before every acknowledgement that counts),
 * with a zone each, so that every key has a copy on every node.
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
}

const nodes = ['n1', 'n2', 'n3'] as const;
const host = '127.0.0.1';
const mainPath = join(import.meta.dirname, '..', 'src', 'main.ts');

/** Starts the nodes, and waits until each sees a quorum. */
export async function startKindred(options: KindredOptions): Promise<Cluster> {
  const { directory, engine, profileDirectory } = options;
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
      cluster: { id: 'bench', replication: nodes.length },
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
      }),
  );
  return startAll(
    members.map((member) => `${host}:${member.client_port}`),
    processes,
    (index) => answers(`http://${host}:${members[index]?.http_port}/readyz`),
  );
}

/** Three etcd members on loopback, as Debian's etcd-server package has them: one Raft group, fsync before every answer. */

import { execFile } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { freePorts } from '../tools/free-ports.ts';
import { type Cluster, startAll } from './cluster.ts';
import { answers, ServerProcess } from './server-process.ts';

const members = ['m1', 'm2', 'm3'] as const;
const host = '127.0.0.1';
/** Room for what a long run writes: the default of 2 GiB would end it with "database space exceeded". */
const quotaBytes = 8 * 1024 ** 3;
/** Twice the defaults: three members, three nodes and the drivers share the cores, and an election is not the subject. */
const heartbeatMs = 200;
const electionMs = 2_000;

/** The version of the etcd binary on the path, or `undefined` when there is none. */
export async function etcdVersion(): Promise<string | undefined> {
  try {
    const { stdout } = await promisify(execFile)('etcd', ['--version']);
    return /etcd Version: (\S+)/.exec(stdout)?.[1] ?? 'of an unknown version';
  } catch {
    return undefined;
  }
}

/** Starts the members, and waits until each has a leader. Configuration is all flags; data and logs go to `directory`. */
export async function startEtcd(options: { readonly directory: string }): Promise<Cluster> {
  const { directory } = options;
  await mkdir(directory, { recursive: true });
  const ports = await freePorts(members.length * 2);
  const all = members.map((id, index) => ({
    id,
    client: `http://${host}:${ports[index * 2]}`,
    peer: `http://${host}:${ports[index * 2 + 1]}`,
  }));
  const processes = all.map(
    ({ id, client, peer }) =>
      new ServerProcess({
        name: `etcd ${id}`,
        program: 'etcd',
        args: [
          `--name=${id}`,
          `--data-dir=${join(directory, id)}`,
          `--listen-client-urls=${client}`,
          `--advertise-client-urls=${client}`,
          `--listen-peer-urls=${peer}`,
          `--initial-advertise-peer-urls=${peer}`,
          `--initial-cluster=${all.map((each) => `${each.id}=${each.peer}`).join(',')}`,
          '--initial-cluster-state=new',
          `--quota-backend-bytes=${quotaBytes}`,
          `--heartbeat-interval=${heartbeatMs}`,
          `--election-timeout=${electionMs}`,
          '--logger=zap',
          '--log-level=error',
        ],
        logPath: join(directory, `${id}.log`),
        ipc: false,
      }),
  );
  return startAll(
    all.map(({ client }) => client.slice('http://'.length)),
    processes,
    (index) => answers(`${all[index]?.client}/health`, (body) => body.includes('"true"')),
  );
}

/**
 * One Redis on loopback that fsyncs its log before it answers (appendfsync always): what a single process in C does without
 * copies. It is a reference, not a peer: with a machine lost, its data is lost.
 */

import { execFile } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { freePorts } from '../tools/free-ports.ts';
import { type Cluster, startAll } from './cluster.ts';
import { ServerProcess } from './server-process.ts';

const host = '127.0.0.1';

/** The version of redis-server on the path, or `undefined` when there is none. */
export async function redisVersion(): Promise<string | undefined> {
  try {
    const { stdout } = await promisify(execFile)('redis-server', ['--version']);
    return /v=(\S+)/.exec(stdout)?.[1] ?? 'of an unknown version';
  } catch {
    return undefined;
  }
}

/** Starts it, and waits until it answers. Data and log go to `directory`. */
export async function startRedis(options: { readonly directory: string }): Promise<Cluster> {
  const { directory } = options;
  await mkdir(directory, { recursive: true });
  const [port = 0] = await freePorts(1);
  const server = new ServerProcess({
    name: 'redis',
    program: 'redis-server',
    args: [
      ...['--port', String(port), '--bind', host, '--dir', directory],
      ...['--appendonly', 'yes', '--appendfsync', 'always'],
      // No snapshots beside the log, and no rewriting of the log while it is measured.
      ...['--save', '', '--auto-aof-rewrite-percentage', '0'],
    ],
    logPath: join(directory, 'redis.log'),
    ipc: false,
  });
  return startAll([`${host}:${port}`], [server], () => answersPing(port));
}

function answersPing(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, host, () => socket.write('PING\r\n'));
    const end = (answered: boolean): void => {
      socket.destroy();
      resolve(answered);
    };
    socket.once('data', (bytes) => end(bytes.toString('latin1').startsWith('+PONG')));
    socket.once('error', () => end(false));
  });
}

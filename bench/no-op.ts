/**
 * The floor under the floor: a bare grpc-js server in a process of its own, whose one method answers nothing. What a no-op
 * call to a Kindred node costs above this is Kindred's door: deadlines, limits, admission.
 *
 *   node bench/no-op.ts PORT
 */

import { connect } from 'node:net';
import { join } from 'node:path';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { freePorts } from '../tools/free-ports.ts';
import { type Cluster, startAll } from './cluster.ts';
import { ServerProcess } from './server-process.ts';

/** The method that does nothing. */
export const noOpPath = '/bench.NoOp/Call';

const host = '127.0.0.1';
const empty = Buffer.alloc(0);

/** Starts the process. */
export async function startNoOp(options: { readonly directory: string }): Promise<Cluster> {
  const [port = 0] = await freePorts(1);
  const server = new ServerProcess({
    name: 'no-op server',
    program: process.execPath,
    args: [import.meta.filename, String(port)],
    logPath: join(options.directory, 'no-op.log'),
    ipc: true,
  });
  return startAll([`${host}:${port}`], [server], () => accepts(port));
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, host);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

function serve(port: number): void {
  const server = new Server({ 'grpc.enable_channelz': 0 });
  server.register(
    noOpPath,
    (_call: unknown, callback: (error: null, answer: Buffer) => void) => callback(null, empty),
    (answer: Buffer) => answer,
    (request: Buffer) => request,
    'unary',
  );
  server.bindAsync(`${host}:${port}`, ServerCredentials.createInsecure(), (error) => {
    if (error !== null) throw error;
  });
  process.once('disconnect', () => process.exit(0));
}

if (process.argv[1] === import.meta.filename) serve(Number(process.argv[2]));

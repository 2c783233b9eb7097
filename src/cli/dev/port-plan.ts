/** Ports of a development cluster: which, and whether they are free, asked before anything is started. */

import { createServer } from 'node:net';

/** What one node of the cluster listens on. */
export interface NodePorts {
  readonly id: string;
  readonly client: number;
  readonly peer: number;
  readonly http: number;
}

/** Peer ports start this much above the client ports, HTTP ports twice this much. */
const STEP = 100;
/** More would run into the ports of the next kind. */
export const NODES_MAX = 50;

/** `n1` at base, base + 100 and base + 200; `n2` one higher each; and so on. */
export function planPorts(count: number, base: number): NodePorts[] {
  return Array.from({ length: count }, (_, index) => ({
    id: `n${index + 1}`,
    client: base + index,
    peer: base + STEP + index,
    http: base + 2 * STEP + index,
  }));
}

/** The ports of the plan that something else holds, with what they would have been for. */
export async function busyPorts(
  plan: readonly NodePorts[],
  host: string,
): Promise<{ readonly port: number; readonly use: string }[]> {
  const wanted = plan.flatMap((node) => [
    { port: node.client, use: `clients of ${node.id}` },
    { port: node.peer, use: `peers of ${node.id}` },
    { port: node.http, use: `HTTP of ${node.id}` },
  ]);
  const busy: { port: number; use: string }[] = [];
  for (const one of wanted) if (!(await isFree(host, one.port))) busy.push(one);
  return busy;
}

function isFree(host: string, port: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE' || error.code === 'EACCES') resolve(false);
      else reject(error);
    });
    server.listen(port, host, () => server.close(() => resolve(true)));
  });
}

/**
 * Ports on loopback for servers that tests and benchmarks start. From below the range that the kernel takes for outgoing
 * connections: a port from within it that was free a moment ago may belong to somebody's connection by the time the server
 * starts.
 */

import { createServer } from 'node:net';

/** Linux begins to take ports for connections at 32,768; well-known services end far below 10,000. */
const from = 10_000;
const to = 32_000;
const attemptsMax = 1_000;

/** Ports that were free a moment ago, all different. */
export async function freePorts(count: number): Promise<readonly number[]> {
  const found = new Set<number>();
  for (let attempt = 0; attempt < attemptsMax && found.size < count; attempt++) {
    const port = from + Math.floor(Math.random() * (to - from));
    if (!found.has(port) && (await isFree(port))) found.add(port);
  }
  if (found.size < count) throw new Error(`${count} free ports from ${from} to ${to} were not found`);
  return [...found];
}

/** A base from which the client, peer and HTTP ports (+0, +100, +200) of `count` nodes were free a moment ago. */
export async function freePortBase(count: number): Promise<number> {
  for (let attempt = 0; attempt < attemptsMax; attempt++) {
    const base = from + Math.floor(Math.random() * (to - from - 300));
    const ports = [0, 100, 200].flatMap((step) =>
      Array.from({ length: count }, (_, index) => base + step + index),
    );
    if ((await Promise.all(ports.map(isFree))).every(Boolean)) return base;
  }
  throw new Error(`no base with free ports for ${count} nodes from ${from} to ${to}`);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

/** `kindred server --nodes`: the nodes of one host, as processes of their own. */

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, expect, test } from 'vitest';
import { freePorts } from '../../tools/free-ports.ts';
import { clientsOf } from '../support/client-port.ts';

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'kindred-host-'));
const hosts: Host[] = [];

afterEach(async () => {
  await Promise.all(hosts.splice(0).map((host) => host.end('SIGKILL')));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

class Host {
  readonly process: ChildProcess;
  readonly ended: Promise<number | string>;
  output = '';

  constructor(...args: string[]) {
    this.process = spawn(process.execPath, [main, 'server', ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [this.process.stdout, this.process.stderr]) {
      stream?.on('data', (chunk: Buffer) => {
        this.output += chunk.toString();
      });
    }
    this.ended = new Promise((resolve) =>
      this.process.once('close', (code, signal) => resolve(code ?? signal ?? 'gone')),
    );
    hosts.push(this);
  }

  end(signal: NodeJS.Signals): Promise<number | string> {
    this.process.kill(signal);
    return this.ended;
  }
}

async function configuration(
  zones: readonly string[],
): Promise<{ file: string; clients: string[]; http: number[] }> {
  const ports = await freePorts(zones.length * 3);
  const port = (index: number): number => ports[index] as number;
  const members = zones.map((zone, i) => ({
    id: `n${i + 1}`,
    host: '127.0.0.1',
    zone,
    client_port: port(3 * i),
    peer_port: port(3 * i + 1),
    http_port: port(3 * i + 2),
  }));
  const file = join(folder, `${ports[0]}.yaml`);
  const cluster = { id: 'hosts', replication: Math.min(2, zones.length), partitions: 64 };
  writeFileSync(file, JSON.stringify({ cluster, members, storage: { path: join(folder, `${ports[0]}`) } }));
  return {
    file,
    clients: members.map((member) => `127.0.0.1:${member.client_port}`),
    http: members.map((member) => member.http_port),
  };
}

/** The process of a node, as the system knows it. */
function processOf(host: Host, node: string): number | undefined {
  const { pid } = host.process;
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').map(Number);
  return children.find((child) => {
    try {
      return readFileSync(`/proc/${child}/cmdline`, 'utf8').includes(`--node\0${node}\0`);
    } catch {
      return false; // it has just ended
    }
  });
}

async function isReady(port: number): Promise<boolean> {
  try {
    return (await fetch(`http://127.0.0.1:${port}/readyz`, { signal: AbortSignal.timeout(1_000) })).ok;
  } catch {
    return false; // not there yet
  }
}

const patience = { timeout: 60_000, interval: 50 };

test('two hosts of two nodes: no key twice on one, a node that is killed comes back, SIGTERM stops all', async () => {
  const { file, clients, http } = await configuration(['h1', 'h1', 'h2', 'h2']);
  const one = new Host('--config', file, '--nodes', 'n1,n2');
  const two = new Host('--config', file, '--nodes', 'n3, n4');
  for (const port of http) await expect.poll(() => isReady(port), patience).toBe(true);

  const { topology, keyValue, channel } = clientsOf(clients[0] as string);
  for (let i = 0; i < 20; i++) {
    const { replicas } = await topology.locate({ key: { key: Buffer.from(`k${i}`) } });
    const homes = replicas.filter(({ home }) => home).map(({ nodeId }) => nodeId);
    expect(homes.filter((id) => id === 'n1' || id === 'n2')).toHaveLength(1);
  }

  const pid = processOf(one, 'n2') as number;
  process.kill(pid, 'SIGKILL');
  await expect
    .poll(() => one.output, patience)
    .toContain('n2 has ended (signal SIGKILL); it is started again');
  await expect.poll(() => processOf(one, 'n2'), patience).toBeDefined();
  expect(processOf(one, 'n2')).not.toBe(pid);
  await expect.poll(() => isReady(http[1] as number), patience).toBe(true);
  // Until n1 sees it again, too.
  const put = { key: { key: Buffer.from('k') }, value: { data: Buffer.from('v') } };
  const report = async (): Promise<number> => (await keyValue.put(put)).report?.acked ?? 0;
  await expect.poll(() => report().catch(() => 0), patience).toBe(2);
  channel.close();

  expect(await Promise.all([one.end('SIGTERM'), two.end('SIGTERM')])).toEqual([0, 0]);
  for (const port of http) expect(await isReady(port)).toBe(false);
});

test('what cannot be is refused before anything starts', async () => {
  const { file } = await configuration(['h1', 'h2']);
  const refused = async (...args: string[]): Promise<string> => {
    const host = new Host('--config', file, ...args);
    expect(await host.ended).toBe(2);
    return host.output;
  };
  expect(await refused('--nodes', 'n1,n2')).toContain('must share a zone');
  expect(await refused('--nodes', 'n1,n1')).toContain('name each node once');
  expect(await refused('--nodes', 'n1', '--node', 'n1')).toContain('choose one');
  expect(await refused('--nodes', 'n9')).toContain('n9');
});

test('a host whose nodes cannot start ends with their exit code', async () => {
  const { file, http } = await configuration(['h1']);
  const first = new Host('--config', file, '--nodes', 'n1');
  await expect.poll(() => isReady(http[0] as number), patience).toBe(true);
  const second = new Host('--config', file, '--nodes', 'n1');
  expect(await second.ended).toBe(3);
  expect(second.output).toContain('is not started again');
  expect(await first.end('SIGTERM')).toBe(0);
});

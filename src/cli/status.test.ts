/** `kindred status` against nodes that say what a test tells them. */

import { PassThrough } from 'node:stream';
import { Status as Code, createServer, type Server, ServerError } from 'nice-grpc';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { DiagnosticServiceDefinition } from '../gen/kindred/v1/diagnostic.ts';
import { Node, NodeState, TopologyServiceDefinition } from '../gen/kindred/v1/topology.ts';
import { runKindred } from './program.ts';
import type { Terminal } from './terminal.ts';

const { NODE_STATE_UP: up, NODE_STATE_FAILED: failed } = NodeState;

/** n1 and n2 see n3 failed; n3 hears, and answers nothing. */
const servers: Server[] = [];
const addresses: string[] = [];
const gauges: Record<string, Record<string, number>> = {
  n1: { comparison_interval_ms: 0 },
  n2: { comparison_interval_ms: 300 },
};

async function listen(id: string): Promise<void> {
  const server = createServer();
  server.add(TopologyServiceDefinition, {
    getTopology: async (_request, { signal }) => {
      if (id === 'n3') await new Promise((resolve) => signal.addEventListener('abort', resolve));
      const nodes = ['n1', 'n2', 'n3'].map((peer, index) =>
        Node.create({
          id: peer,
          address: addresses[index] ?? '',
          state: peer === 'n3' ? failed : up,
          stateReason: peer === 'n3' ? `both channels of ${id} are broken` : '',
          clockSkew: { seconds: 0, nanos: 3_000_000 },
          phi: peer === 'n3' ? 9.5 : 0.004,
        }),
      );
      return { topology: { clusterId: 'c', epoch: 1, hash: '', nodes } };
    },
    // biome-ignore lint/correctness/useYield: never asked
    async *watchTopology() {
      throw new ServerError(Code.UNIMPLEMENTED, '');
    },
    locate: async () => ({}),
    getPlacement: async () => ({}),
  });
  server.add(DiagnosticServiceDefinition, {
    inspectKey: async () => ({}),
    getNodeStatus: async () => ({
      gauges: gauges[id] ?? {},
      alarms: [`n3 is failed: both channels of ${id} are broken`, `the disk of ${id} is slow`],
    }),
    measureDivergence: async () => ({}),
  });
  addresses.push(`127.0.0.1:${await server.listen('127.0.0.1:0')}`);
  servers.push(server);
}

beforeAll(async () => {
  for (const id of ['n1', 'n2', 'n3']) await listen(id);
});
afterAll(() => {
  for (const server of servers) server.forceShutdown();
});

async function run(isTerminal: boolean, ...args: readonly string[]) {
  const said = { out: '', err: '' };
  const terminal: Terminal = {
    stdin: new PassThrough(),
    out: (text) => {
      said.out += String(text);
    },
    err: (text) => {
      said.err += text;
    },
    outIsTerminal: false,
    errIsTerminal: isTerminal,
    columns: 80,
    environment: { KINDRED_ENDPOINT: addresses[0] ?? '' },
  };
  return { code: await runKindred(args, terminal, { version: '1' }), ...said };
}

test('a peer that is not up is one line with all who see it so, and whoever waits is told for whom', async () => {
  const { code, out, err } = await run(true, 'status');
  expect(code).toBe(1);
  expect(out).toContain('! n3 is failed: both channels of n1 are broken (seen by n1, n2)\n');
  expect(out.match(/n3 is failed/g)).toHaveLength(1);
  expect(out).toContain('! n1: the disk of n1 is slow\n! n2: the disk of n2 is slow\n! n3: does not answer');
  expect(err).toBe('\r\u001b[Kwaiting for n3 ...\r\u001b[K');
});

test('what is switched off or has not happened is said, and nothing is measured of the failed', async () => {
  const { out, err } = await run(false, 'status');
  expect(err).toBe('');
  const row = (id: string): string => out.split('\n').find((line) => line.startsWith(`${id} `)) ?? '';
  expect(row('n1')).toMatch(/ 3ms .* off *$/);
  expect(row('n2')).toMatch(/ 3ms .* not yet *$/);
  expect(row('n3')).toMatch(/ failed .* - +- *$/);
  expect(row('n3')).not.toContain('3ms');
  expect(out).toMatch(/n1 sees +up 0, clock 3ms +failed 9\.5\n/);
});

test('an interval of nothing is refused in plain words', async () => {
  for (const text of ['0', '0s']) {
    const { code, err } = await run(false, 'status', '--watch', text);
    expect([code, err]).toEqual([
      2,
      `error: --watch is "${text}", but must be longer than nothing: 500ms, 2s. Without a time it is every 2s\n`,
    ]);
  }
});

/** `kindred repair` and `kindred divergence` against two nodes that do what a test tells them. */

import { PassThrough } from 'node:stream';
import { Status as Code, createServer, type Server, ServerError } from 'nice-grpc';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { DiagnosticServiceDefinition, MeasureDivergenceResponse } from '../gen/kindred/v1/diagnostic.ts';
import {
  LongRunning,
  LongRunning_State,
  OperationServiceDefinition,
  type StartRepairRequest,
} from '../gen/kindred/v1/operation.ts';
import { TopologyServiceDefinition } from '../gen/kindred/v1/topology.ts';
import { ClusterClient } from './client.ts';
import { type Interrupt, type NodeRepair, watchRepair } from './commands/repair.ts';
import { runKindred } from './program.ts';
import type { Terminal } from './terminal.ts';

/** One node: the repair that it has, how often it was asked, and what it was asked. */
class ScriptedNode {
  readonly id: string;
  readonly server: Server = createServer();
  address = '';
  started: StartRepairRequest[] = [];
  cancelled: string[] = [];
  /** Looks until the repair is done. */
  looks = 0;
  running: LongRunning | undefined;
  /** What the running one was asked for. */
  scope = { dryRun: false, bucket: '' };
  divergence: Partial<MeasureDivergenceResponse> | 'fails' = {};

  constructor(id: string) {
    this.id = id;
  }

  #view(looksLeft: number): LongRunning {
    const done = looksLeft <= 0;
    return LongRunning.create({
      id: 'repair-7',
      kind: 'repair',
      state: done ? LongRunning_State.STATE_DONE : LongRunning_State.STATE_RUNNING,
      progress: done ? 1 : 1 / (looksLeft + 1),
      startedAt: { seconds: 1_800_000_000, nanos: 0 },
      nodeId: this.id,
      ...this.scope,
      counters: { partitions_compared: 64, keys_differing: 3, keys_repaired: 3, bytes_exchanged: 1_234 },
      detail: 'repairing with n9',
    });
  }

  async listen(nodes: readonly ScriptedNode[]): Promise<void> {
    this.server.add(TopologyServiceDefinition, {
      getTopology: async () => ({
        topology: { clusterId: 'c', nodes: nodes.map(({ id, address }) => ({ id, address })) },
      }),
      // biome-ignore lint/correctness/useYield: never asked
      async *watchTopology() {
        throw new ServerError(Code.UNIMPLEMENTED, '');
      },
      locate: async () => ({}),
      getPlacement: async () => ({}),
    });
    this.server.add(OperationServiceDefinition, {
      startRepair: async (request) => {
        this.started.push(request);
        if (this.running?.state === LongRunning_State.STATE_RUNNING) {
          const { dryRun, bucket } = this.scope;
          const what = `${dryRun ? 'a dry run' : 'a repair'} of "${bucket}"`;
          throw new ServerError(Code.FAILED_PRECONDITION, `${what} is running already: repair-7`);
        }
        this.scope = { dryRun: request.dryRun, bucket: request.bucket };
        this.running = this.#view(this.looks);
        return { operation: this.running };
      },
      getOperation: async () => {
        if (this.running?.state === LongRunning_State.STATE_RUNNING) this.running = this.#view(--this.looks);
        return { operation: this.running };
      },
      listOperations: async () => ({ operations: this.running === undefined ? [] : [this.running] }),
      cancelOperation: async ({ id }) => {
        this.cancelled.push(id);
        if (this.running !== undefined) {
          this.running = { ...this.running, state: LongRunning_State.STATE_CANCELLED };
        }
        return { operation: this.running };
      },
      // biome-ignore lint/correctness/useYield: never asked
      async *watchOperation() {
        throw new ServerError(Code.UNIMPLEMENTED, '');
      },
    });
    this.server.add(DiagnosticServiceDefinition, {
      inspectKey: async () => ({}),
      getNodeStatus: async () => ({}),
      measureDivergence: async () => {
        if (this.divergence === 'fails') throw new ServerError(Code.INTERNAL, 'no');
        return MeasureDivergenceResponse.create(this.divergence);
      },
    });
    this.address = `127.0.0.1:${await this.server.listen('127.0.0.1:0')}`;
  }
}

const n1 = new ScriptedNode('n1');
const n2 = new ScriptedNode('n2');

beforeAll(async () => {
  for (const node of [n1, n2]) await node.listen([n1, n2]);
});
afterAll(async () => {
  for (const { server } of [n1, n2]) await server.shutdown();
});
beforeEach(() => {
  for (const node of [n1, n2]) {
    Object.assign(node, { started: [], cancelled: [], looks: 0, running: undefined, divergence: {} });
    node.scope = { dryRun: false, bucket: '' };
  }
});

function terminalOf(isTerminal = false) {
  const said = { out: '', err: '' };
  const terminal: Terminal = {
    stdin: new PassThrough(),
    out: (text) => {
      said.out += String(text);
    },
    err: (text) => {
      said.err += text;
    },
    outIsTerminal: isTerminal,
    errIsTerminal: isTerminal,
    columns: 60,
    environment: { KINDRED_ENDPOINT: n1.address },
  };
  return { terminal, said };
}

async function run(...args: readonly string[]) {
  const { terminal, said } = terminalOf();
  const code = await runKindred(args, terminal, { version: '1' });
  return { code, ...said };
}

test('repair starts on every node, and says how to go on', async () => {
  n1.looks = n2.looks = 5;
  const { code, out, err } = await run('repair');
  expect([code, out]).toEqual([0, 'n1: repair-7 has begun\nn2: repair-7 has begun\n']);
  expect(err).toContain('kindred repair --watch');
  expect(n1.started).toEqual([{ bucket: '', dryRun: false, bytesPerSecondMax: 0 }]);
  const again = await run('repair', '--node', 'n2', '--bytes-per-second', '5000');
  expect([again.code, again.out]).toEqual([0, 'n2: repair-7 is running already\n']);
  expect(n2.started.at(-1)).toEqual({ bucket: '', dryRun: false, bytesPerSecondMax: 5000 });
  expect(n1.started).toHaveLength(1);
  const json = JSON.parse((await run('repair', '--node', 'n2', '--json')).out);
  expect(json).toMatchObject({ repairs: [{ node: 'n2', attached: true, dryRun: false, bucket: '' }] });
});

test('a dry run waits for the end, shows what it counted, and advises nothing that repairs', async () => {
  n1.looks = 2;
  const { code, out, err } = await run('repair', 'carts', '--dry-run');
  expect([code, err]).toEqual([0, '']);
  expect(n1.started).toEqual([{ bucket: 'carts', dryRun: true, bytesPerSecondMax: 0 }]);
  expect(out).toMatch(/n1 +dry run of carts +done +64 +3 /);
  expect(out).not.toContain('--watch');
  const json = JSON.parse((await run('repair', '--dry-run', '--json')).out);
  expect(json).toMatchObject({ repairs: [{ node: 'n1', state: 'done', dryRun: true, bucket: '' }, {}] });
});

test.each([
  ['a dry run', ['--dry-run'], []],
  ['a repair', [], ['--dry-run']],
  ['a repair', ['carts'], ['--watch']],
  ['a repair', [], ['carts']],
] as const)('%s is told of (%j), and not taken for another kind (%j)', async (what, first, second) => {
  n1.scope = { dryRun: first[0] === '--dry-run', bucket: first[0] === 'carts' ? 'carts' : '' };
  n1.looks = 1e9;
  n1.running = LongRunning.create({
    id: 'repair-7',
    kind: 'repair',
    state: LongRunning_State.STATE_RUNNING,
    ...n1.scope,
  });
  const { code, out, err } = await run('repair', ...second, '--node', 'n1');
  expect(code).toBe(1);
  expect(out + err).toContain(`${what} of "${n1.scope.bucket}" is running already: repair-7`);
  expect(out + err).not.toContain('shows how far it is');
  expect(n1.cancelled).toEqual([]);
});

test('the advice after a start names the bucket, so that it attaches to what was started', async () => {
  n1.looks = n2.looks = 5;
  expect((await run('repair', 'carts')).err).toContain('"kindred repair carts --watch"');
});

test('repair --watch waits for the end and shows what was done', async () => {
  n1.looks = 2;
  const text = await run('repair', '--watch');
  expect(text.code).toBe(0);
  expect(text.err).toBe('');
  expect(text.out).toMatch(/n1 +repair +done +64 +3 +3 +0 +1234 bytes +0\nn2 +repair +done /);
  const { code, out } = await run('repair', '--watch', '--json');
  expect(code).toBe(0);
  expect(JSON.parse(out)).toMatchObject({
    repairs: [
      { node: 'n1', id: 'repair-7', state: 'done', progress: 1, counters: { keys_repaired: 3 }, error: null },
      { node: 'n2' },
    ],
  });
});

test('on a terminal the progress is shown in place, no wider than it', async () => {
  n1.looks = 3;
  const { terminal, said } = terminalOf(true);
  expect(await runKindred(['repair', '--watch'], terminal, { version: '1' })).toBe(0);
  expect(said.err).toMatch(/n1 {2}#####\.{15} {2}25 % {2}running: repairing/);
  expect(said.err).toContain('\u001b[2A\u001b[0J');
  for (const line of said.err.split('\n')) expect(line.replace(/^.*0J/, '').length).toBeLessThan(60);
  expect(said.out).toContain('done');
});

test('an interrupt cancels what was started here, and leaves the others running', async () => {
  n1.looks = n2.looks = 1e9;
  await run('repair');
  const client = new ClusterClient([n1.address], { timeoutMs: 1_000 });
  const { terminal, said } = terminalOf();
  const repairs: NodeRepair[] = [n1, n2].map((node) => ({
    node: { id: node.id, address: node.address },
    operation: node.running,
    attached: node === n2,
    error: undefined,
  }));
  const interrupt: Interrupt = { requested: true, whenRequested: Promise.resolve() };
  expect(await watchRepair(client, repairs, {}, terminal, { interrupt, lookMs: 1 })).toBe(1);
  client.close();
  expect([n1.cancelled, n2.cancelled]).toEqual([['repair-7'], []]);
  expect(said.out).toMatch(/n1 +repair +cancelled/);
  expect(said.out).toContain('n2: left running');
});

test('repair --cancel stops what runs', async () => {
  n1.looks = 5;
  await run('repair', '--node', 'n1');
  const { code, out } = await run('repair', '--cancel');
  expect([code, out]).toEqual([0, 'n1: stops repair-7\nn2: no repair runs\n']);
  expect(n1.cancelled).toEqual(['repair-7']);
  expect((await run('repair', '--cancel', '--watch')).code).toBe(2);
});

test('peers that were skipped and nodes that do not exist are failures', async () => {
  n1.looks = 1;
  n1.running = LongRunning.create({
    id: 'repair-7',
    kind: 'repair',
    state: LongRunning_State.STATE_DONE,
    counters: { peers_skipped: 1 },
    detail: '0 keys repaired; not compared with n2',
  });
  const client = new ClusterClient([n1.address], { timeoutMs: 1_000 });
  const { terminal, said } = terminalOf();
  const skipped: NodeRepair = {
    node: { id: 'n1', address: n1.address },
    operation: n1.running,
    attached: false,
    error: undefined,
  };
  const interrupt: Interrupt = { requested: false, whenRequested: new Promise(() => {}) };
  expect(await watchRepair(client, [skipped], {}, terminal, { interrupt, lookMs: 1 })).toBe(1);
  client.close();
  expect(said.out).toMatch(/n1 +repair +done, without n2 /);
  expect(said.out).toContain('n1: 0 keys repaired; not compared with n2\n');

  const nobody = await run('repair', '--node', 'n1,n9');
  expect([nobody.code, nobody.err]).toEqual([2, 'error: --node: there is no "n9", only n1, n2\n']);
  expect((await run('repair', '--bytes-per-second', '0')).code).toBe(2);
});

test('divergence asks every node and adds up', async () => {
  n1.divergence = {
    sampled: 1000,
    divergent: 3,
    unknown: 1,
    unansweredBy: ['n3'],
    oldestDivergence: { seconds: 61, nanos: 0 },
  };
  n2.divergence = { sampled: 500 };
  const text = await run('divergence');
  expect(text.code).toBe(0);
  expect(text.out).toMatch(/n1 +1000 +3 +1 +1m 1s\nn2 +500 +0 +0 +-\n/);
  expect(text.out).toContain(
    'of 1500 keys, sampled on each node, 3 differ (0.2 %); 1 could not be compared because n3 did not answer\n',
  );
  n2.divergence = 'fails';
  const { code, out } = await run('divergence', '--json', '--sample', '10');
  expect(code).toBe(1);
  expect(JSON.parse(out)).toMatchObject({
    nodes: [
      {
        node: 'n1',
        sampled: 1000,
        divergent: 3,
        unknown: 1,
        unansweredBy: ['n3'],
        oldestDivergenceMs: 61_000,
      },
      { node: 'n2', error: 'no' },
    ],
  });
  expect((await run('divergence', '--sample', '0')).code).toBe(2);
  n1.divergence = { unknown: 4 };
  n2.divergence = {};
  expect((await run('divergence')).out).toContain(
    'no keys, sampled on each node, were compared; 4 could not be compared for want of an answer in time\n',
  );
  n1.divergence = n2.divergence = { sampled: 5 };
  expect((await run('divergence')).out).toContain('of 10 keys, sampled on each node, 0 differ (0.0 %)\n');
});

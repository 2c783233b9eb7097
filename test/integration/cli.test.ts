/** The command line as people use it: `kindred dev` as a process with nodes as its children, and commands against it. */

import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { runKindred } from '../../src/cli/program.ts';
import { freePortBase } from '../../tools/free-ports.ts';

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'kindred-cli-test-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A `kindred` process, its output, and a way to wait for words in it. */
class Kindred {
  readonly process: ChildProcess;
  readonly ended: Promise<number | string>;
  output = '';
  private readonly waiting = new Set<() => void>();

  constructor(args: readonly string[], options: { detached?: boolean } = {}) {
    this.process = spawn(process.execPath, [MAIN, ...args], {
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: options.detached ?? false,
    });
    for (const stream of [this.process.stdout, this.process.stderr]) {
      stream?.on('data', (chunk: Buffer) => {
        this.output += chunk.toString();
        for (const check of this.waiting) check();
      });
    }
    this.ended = new Promise((resolve) => {
      this.process.once('close', (code, signal) => {
        resolve(code ?? signal ?? 'unknown');
        for (const check of this.waiting) check();
      });
    });
  }

  /** Waits until the output after `from` matches. Rejects when the process ends before that. */
  async until(pattern: RegExp, from = 0): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const check = (): void => {
        const over = this.process.exitCode !== null || this.process.signalCode !== null;
        if (!pattern.test(this.output.slice(from)) && !over) return;
        this.waiting.delete(check);
        if (pattern.test(this.output.slice(from))) resolve();
        else reject(new Error(`ended without ${pattern}:\n${this.output}`));
      };
      this.waiting.add(check);
      check();
    });
  }

  type(line: string): void {
    this.process.stdin?.write(`${line}\n`);
  }
}

const started: Kindred[] = [];

function start(args: readonly string[], options: { detached?: boolean } = {}): Kindred {
  const kindred = new Kindred(args, options);
  started.push(kindred);
  return kindred;
}

/** Ends what a test started, also when it failed. */
async function endAll(): Promise<void> {
  for (const kindred of started.splice(0)) {
    if (kindred.process.exitCode === null) kindred.process.kill('SIGTERM');
    await kindred.ended;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

/** Waits until nobody listens on these ports any more: their processes are gone. */
async function untilFree(ports: readonly number[]): Promise<void> {
  await expect
    .poll(async () => (await Promise.all(ports.map(isFree))).every(Boolean), {
      timeout: 20_000,
      interval: 50,
    })
    .toBe(true);
}

interface Answer {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** A client command in this process: starting one for each would take most of the test's time. */
async function run(endpoint: string, args: readonly string[], input = ''): Promise<Answer> {
  let [out, err] = ['', ''];
  const stdin = new PassThrough();
  stdin.end(input);
  const code = await runKindred(
    args,
    {
      stdin,
      out: (text) => {
        out += typeof text === 'string' ? text : Buffer.from(text).toString();
      },
      err: (text) => {
        err += text;
      },
      outIsTerminal: false,
      errIsTerminal: false,
      columns: 100,
      environment: { KINDRED_ENDPOINT: endpoint },
    },
    { version: '0' },
  );
  return { code, out, err };
}

describe('against a cluster of three', () => {
  let base: number;
  let dev: Kindred;
  let endpoint: string;
  const kindred = (...args: string[]): Promise<Answer> => run(endpoint, args);

  beforeAll(async () => {
    base = await freePortBase(3);
    endpoint = `127.0.0.1:${base}`;
    dev = new Kindred(['dev', '--commands', '--port-base', String(base), '--data', join(folder, 'three')]);
    await dev.until(/is ready: 3 nodes/);
  });
  afterAll(async () => {
    if (dev.process.exitCode === null) dev.process.kill('SIGTERM');
    await dev.ended;
  });

  test('a value goes in and comes out, through any node', async () => {
    const put = await kindred('put', 'greeting', 'hello');
    expect(put.code).toBe(0);
    const context = put.out.trim();
    for (const node of [0, 1, 2]) {
      const get = await kindred(
        'get',
        'greeting',
        '-e',
        `127.0.0.1:${base + node}`,
        '--level',
        'one',
        '--min-context',
        context,
      );
      expect([get.code, get.out]).toEqual([0, 'hello']);
    }
    expect((await kindred('delete', 'greeting')).code).toBe(0);
    expect((await kindred('get', 'greeting')).code).toBe(4);
  });

  test('a pipe carries bytes unharmed', async () => {
    expect((await run(endpoint, ['put', 'piped', '-'], 'a\r\n\tb')).code).toBe(0);
    expect((await kindred('get', 'piped')).out).toBe('a\r\n\tb');
    expect((await kindred('put', 'QUJD', 'AAH/', '--base64', '--content-type', 'x/y')).code).toBe(0);
    expect((await kindred('get', 'ABC', '--hex')).code).toBe(2);
    expect((await kindred('get', '414243', '--hex')).out).toBe('0001ff\n');
  });

  test('two writers race, the siblings come back, and resolve makes one value of them', async () => {
    const seen = (await kindred('put', 'cart', 'milk')).out.trim();
    await kindred('put', 'cart', 'milk\neggs', '--context', seen);
    await kindred('put', 'cart', 'milk\nbread', '--context', seen);
    const both = await kindred('get', 'cart', '--json');
    expect(both.code).toBe(5);
    const answer = JSON.parse(both.out) as {
      state: string;
      versions: { value: { text: string }; dot: { text: string } }[];
    };
    expect(answer.state).toBe('conflict');
    expect(answer.versions.map((version) => version.value.text).sort()).toEqual([
      'milk\nbread',
      'milk\neggs',
    ]);
    expect(new Set(answer.versions.map((version) => version.dot.text)).size).toBe(2);
    expect((await kindred('resolve', 'cart', '--pick', 'union')).code).toBe(0);
    expect(await kindred('get', 'cart')).toMatchObject({ code: 0, out: 'milk\neggs\nbread' });
    expect((await kindred('resolve', 'cart')).err).toContain('nothing to resolve');
  });

  test('a write sent twice with one request id counts once', async () => {
    const id = '0123456789abcdef0123456789abcdef';
    const first = await kindred('put', 'once', 'v', '--blind', 'add-sibling', '--request-id', id, '--json');
    const again = await kindred('put', 'once', 'v', '--blind', 'add-sibling', '--request-id', id, '--json');
    expect(JSON.parse(first.out)).toMatchObject({ report: { replayed: false } });
    expect(JSON.parse(again.out)).toMatchObject({ report: { replayed: true } });
    expect((await kindred('get', 'once')).code).toBe(0);
  });

  test('expiry: given, changed, and removed', async () => {
    expect((await kindred('put', 'brief', 'v', '--ttl', '1h')).code).toBe(0);
    const expiry = async (): Promise<string | null> =>
      (
        JSON.parse((await kindred('get', 'brief', '--json')).out) as {
          versions: { expiresAt: string | null }[];
        }
      ).versions[0]?.expiresAt ?? null;
    expect(Date.parse((await expiry()) ?? '') - Date.now()).toBeGreaterThan(3_500_000);
    expect((await kindred('touch', 'brief', '--never')).code).toBe(0);
    expect(await expiry()).toBe(null);
    expect((await kindred('touch', 'brief', '--ttl', '1ms')).code).toBe(0);
    await expect.poll(async () => (await kindred('get', 'brief')).code).toBe(4);
  });

  test('inspect, locate and status see three nodes', async () => {
    await kindred('put', 'seen', 'v', '--level', 'all');
    const inspect = JSON.parse((await kindred('inspect', 'seen', '--json')).out) as {
      replicas: { versions: unknown[] }[];
    };
    expect(inspect.replicas.map((replica) => replica.versions.length)).toEqual([1, 1, 1]);
    const locate = JSON.parse((await kindred('locate', 'seen', '--json')).out) as {
      replicas: { node: string }[];
    };
    expect(locate.replicas.map((replica) => replica.node).sort()).toEqual(['n1', 'n2', 'n3']);
    const status = await kindred('status', '--json');
    expect(JSON.parse(status.out)).toMatchObject({ clusterId: 'dev', healthy: true });
    expect(status.code).toBe(0);
  });

  test('bench: calls and pipelines', async () => {
    const args = [
      'bench',
      '--duration',
      '300ms',
      '--concurrency',
      '8',
      '--json',
      '-e',
      `${endpoint},127.0.0.1:${base + 1}`,
    ];
    for (const extra of [[], ['--pipeline']]) {
      const result = await kindred(...args, ...extra);
      expect(result.code, result.out).toBe(0);
      const { results } = JSON.parse(result.out) as { results: { operations: number; failures: object }[] };
      for (const one of results) expect(one).toMatchObject({ failures: {}, operations: expect.any(Number) });
      expect(Math.min(...results.map((one) => one.operations))).toBeGreaterThan(10);
    }
  });

  test('a node is killed and started again by typing so; ALL fails meanwhile, QUORUM does not', async () => {
    const before = dev.output.length;
    dev.type('kill n3');
    await dev.until(/n3 has ended: signal SIGKILL; to start it again type: start n3/, before);
    await expect
      .poll(async () => (await kindred('put', 'k', 'v', '--level', 'all')).code, { timeout: 20_000 })
      .toBe(1);
    const refused = await kindred('put', 'k', 'v', '--level', 'all');
    expect(refused.err).toContain('NOT APPLIED');
    expect((await kindred('put', 'k', 'v', '--level', 'quorum')).code).toBe(0);
    expect((await kindred('status')).code).toBe(1);
    dev.type('start n3');
    await dev.until(/n3 is ready/, before);
    await expect
      .poll(async () => (await kindred('put', 'k', 'v', '--level', 'all')).code, { timeout: 20_000 })
      .toBe(0);
    dev.type('kill n9');
    await dev.until(/no node n9: there are n1, n2, n3/, before);
    dev.type('nonsense');
    await dev.until(/commands: kill n2/, before);
  });

  test('a second cluster on the same ports is refused before anything starts', async () => {
    const second = new Kindred(['dev', '--port-base', String(base), '--ephemeral']);
    expect(await second.ended).toBe(4);
    expect(second.output).toContain(`${base} (clients of n1)`);
    expect(second.output).toContain(`--port-base ${base + 1000}`);
  });

  test('a second server on the same data is refused with exit code 3', async () => {
    const free = await freePortBase(1);
    const member = `n1@127.0.0.1:${free}:${free + 100}:${free + 200}`;
    const second = new Kindred([
      'server',
      '--cluster-id',
      'dev',
      '--member',
      member,
      '--data',
      join(folder, 'three', 'n1'),
    ]);
    expect(await second.ended).toBe(3);
    expect(second.output).toContain('"level":"fatal"');
  });

  test('a server whose port is in use ends with exit code 4', async () => {
    const free = await freePortBase(1);
    const member = `n1@127.0.0.1:${base}:${free + 100}:${free + 200}`;
    const second = new Kindred(['server', '--member', member, '--engine', 'memory']);
    expect(await second.ended).toBe(4);
  });

  test('the data survive Ctrl-C and a new start; another number of nodes is refused', async () => {
    await kindred('put', 'kept', 'still here', '--level', 'all');
    dev.process.kill('SIGINT');
    expect(await dev.ended).toBe(0);
    const args = ['dev', '--port-base', String(base), '--data', join(folder, 'three')];
    const other = new Kindred([...args, '--nodes', '2']);
    expect(await other.ended).toBe(2);
    expect(other.output).toContain('holds a cluster of 3 nodes with engine lsm');
    dev = new Kindred(args);
    await dev.until(/is ready: 3 nodes/);
    expect((await kindred('get', 'kept')).out).toBe('still here');
  });
});

describe('the life of processes', () => {
  afterEach(endAll);

  test('no node outlives dev, even when it is killed', async () => {
    const base = await freePortBase(2);
    const dev = start([
      'dev',
      '--nodes',
      '2',
      '--port-base',
      String(base),
      '--engine',
      'memory',
      '--data',
      join(folder, 'two'),
    ]);
    await dev.until(/is ready: 2 nodes/);
    dev.process.kill('SIGKILL');
    await dev.ended;
    await untilFree([base, base + 1, base + 100, base + 101, base + 200, base + 201]);
  });

  test('Ctrl-C in the terminal, which reaches the whole process group, stops in order; --ephemeral leaves nothing', async () => {
    const base = await freePortBase(2);
    const before = new Set(readdirSync(tmpdir()));
    const dev = start(['dev', '--nodes', '2', '--port-base', String(base), '--ephemeral'], {
      detached: true,
    });
    await dev.until(/is ready: 2 nodes/);
    const made = readdirSync(tmpdir()).filter((name) => name.startsWith('kindred-dev-') && !before.has(name));
    process.kill(-(dev.process.pid as number), 'SIGINT');
    expect(await dev.ended).toBe(0);
    expect(dev.output).not.toContain('second signal');
    await untilFree([base, base + 1]);
    expect(made.length).toBeGreaterThan(0);
    const data = dev.output.match(/\S*kindred-dev-[^/\s]+/)?.[0] as string;
    expect(existsSync(data)).toBe(false);
  });

  test('a node that dies is reported with its exit, and not started again', async () => {
    const base = await freePortBase(3);
    const dev = start([
      'dev',
      '--commands',
      '--port-base',
      String(base),
      '--ephemeral',
      '--engine',
      'memory',
    ]);
    await dev.until(/is ready: 3 nodes/);
    dev.type('status');
    await dev.until(/n2 +ready +\d+\n/);
    process.kill(Number(/n2 +ready +(\d+)\n/.exec(dev.output)?.[1]), 'SIGKILL');
    await dev.until(/n2 has ended: signal SIGKILL; to start it again type: start n2/);
    const before = dev.output.length;
    dev.type('status');
    await dev.until(/n2 +stopped +-\n/, before);
    dev.process.kill('SIGTERM');
    expect(await dev.ended).toBe(0);
  });

  test.each([
    ['--set', 'timeouts.nonsense=1', 'there is no field timeouts.nonsense'],
    ['--log-level', 'loud', 'log.level'],
    ['--data', 'x', '--ephemeral and --data are both given'],
  ])(
    'what no node could start with is refused before one is started: %s %s',
    async (flag, value, message) => {
      const base = await freePortBase(3);
      const dev = start(['dev', '--port-base', String(base), '--ephemeral', flag, value]);
      expect(await dev.ended).toBe(2);
      expect(dev.output).toContain(message);
      expect(dev.output).not.toContain('has ended');
    },
  );

  test('dev ends with the exit code of the node that could not start', async () => {
    const base = await freePortBase(1);
    const data = join(folder, 'unusable');
    mkdirSync(data);
    // Where the node wants a directory there is a file.
    writeFileSync(join(data, 'n1'), 'in the way');
    const dev = start(['dev', '--nodes', '1', '--port-base', String(base), '--data', data]);
    expect(await dev.ended).toBe(3);
    expect(dev.output).toContain('n1 has ended: exit code 3');
    expect(dev.output).toContain('give the node another data directory');
    expect(dev.output).not.toMatch(/smartctl| at async /);
  });

  test('a data folder that cannot be used is told in one line', async () => {
    const base = await freePortBase(1);
    const file = join(folder, 'a-file');
    writeFileSync(file, '');
    const args = ['dev', '--nodes', '1', '--port-base', String(base), '--data'];
    for (const [path, code] of [
      [file, 2],
      [join(file, 'below'), 2],
      ['/sys/kindred', 3],
    ] as const) {
      const dev = start([...args, path]);
      expect([path, await dev.ended]).toEqual([path, code]);
      expect(dev.output.trim().split('\n')).toHaveLength(1);
      expect(dev.output).toContain('--data');
    }
  });

  test('a second Ctrl-C removes what --ephemeral kept, and so does the next start after kill -9', async () => {
    const base = await freePortBase(1);
    const args = ['dev', '--nodes', '1', '--port-base', String(base), '--ephemeral'];
    const folderOf = (dev: Kindred): string => /\S*kindred-dev-\d+-[^/\s]+/.exec(dev.output)?.[0] as string;
    const killed = start(args);
    await killed.until(/is ready: 1 nodes?/);
    killed.process.kill('SIGKILL');
    await killed.ended;
    await untilFree([base, base + 100, base + 200]);
    expect(existsSync(folderOf(killed))).toBe(true);
    const dev = start(args);
    await dev.until(/is ready: 1 nodes?/);
    expect(existsSync(folderOf(killed))).toBe(false);
    expect(existsSync(folderOf(dev))).toBe(true);
    dev.process.kill('SIGINT');
    await dev.until(/stopping all nodes/);
    dev.process.kill('SIGINT');
    await dev.ended;
    expect(existsSync(folderOf(dev))).toBe(false);
  });

  test('a server drains on SIGTERM and ends with 0', async () => {
    const base = await freePortBase(1);
    const server = start([
      'server',
      '--member',
      `solo@127.0.0.1:${base}:${base + 100}:${base + 200}`,
      '--engine',
      'memory',
    ]);
    await expect
      .poll(
        () =>
          fetch(`http://127.0.0.1:${base + 200}/readyz`).then(
            (answer) => answer.status,
            () => 0,
          ),
        { timeout: 20_000 },
      )
      .toBe(200);
    const lines = server.output.trim().split('\n');
    expect(lines.every((line) => typeof (JSON.parse(line) as { msg: string }).msg === 'string')).toBe(true);
    server.process.kill('SIGTERM');
    expect(await server.ended).toBe(0);
    expect(server.output).toContain('"msg":"stopped"');
  });

  test.each(['bash', 'zsh', 'fish'])('completion for %s', async (shell) => {
    const script = start(['completion', shell]);
    expect(await script.ended).toBe(0);
    expect(script.output).toContain('kindred');
    const words = start(['complete', '--', 'get', '--']);
    expect(await words.ended).toBe(0);
    expect(words.output).toContain('--min-context');
  });
});

/** `kindred dev`: a cluster of real processes in one terminal, for trying out and for breaking on purpose. */

import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { type Command, Option } from 'commander';
import picocolors from 'picocolors';
import { ConfigError } from '../../config/parse-config.ts';
import { plainTable } from '../answer-text.ts';
import { childEnvironment, DevCluster, type DevNode } from '../dev/dev-cluster.ts';
import { type Colors, lineFormatter } from '../dev/merged-log.ts';
import { busyPorts, NODES_MAX, type NodePorts, planPorts } from '../dev/port-plan.ts';
import { SERVER_EXIT } from '../exit-code.ts';
import { collect, parseCount } from '../request-options.ts';
import type { CommandContext } from '../run-command.ts';
import { loadConfig, type ServerFlags, serverArguments } from '../server-settings.ts';
import { type Terminal, UsageError } from '../terminal.ts';

interface DevFlags {
  readonly nodes: number;
  readonly portBase: number;
  readonly data?: string;
  readonly ephemeral?: boolean;
  readonly engine: string;
  readonly logLevel: string;
  readonly json?: boolean;
  readonly commands?: boolean;
  readonly set: readonly string[];
}

const DATA_DEFAULT = './.kindred/dev';
const HOST = '127.0.0.1';
/** How long nodes may finish what is in flight, and how long until they are killed. */
const DRAIN_MS = 3000;
const STOP_MS = 10_000;
const MAIN_PATH = fileURLToPath(new URL('../../main.ts', import.meta.url));

/** Adds the command to `program`. */
export function addDevCommand(program: Command, context: CommandContext): void {
  program
    .command('dev')
    .description('run a cluster on this machine: every node a process of its own, one log, data kept')
    .option('--nodes <count>', 'how many nodes', parseCount, 3)
    .option(
      '--port-base <port>',
      'clients from here on, peers from 100 above, HTTP from 200 above',
      parseCount,
      7400,
    )
    .option('--data <directory>', `where the data are kept (default: ${DATA_DEFAULT})`)
    .option('--ephemeral', 'keep nothing: the data go when it ends')
    .addOption(
      new Option('--engine <kind>', 'storage engine').choices(['lsm', 'btree', 'memory']).default('lsm'),
    )
    .option('--log-level <level>', 'of the nodes', 'info')
    .option('--json', 'show the log lines of the nodes as they are')
    .option(
      '--commands',
      'read commands (kill n2, start n2, ...) from standard input even if it is no terminal',
    )
    .addOption(
      new Option(
        '-s, --set <path=value>',
        'any knob, for all nodes: heartbeat.interval_ms=200; repeat for more',
      )
        .argParser(collect)
        .default([], 'none'),
    )
    .action(async (flags: DevFlags) => {
      try {
        context.exit(await runDev(flags, context.terminal));
      } catch (error) {
        if (error instanceof UsageError || error instanceof ConfigError) {
          context.terminal.err(`error: ${error.message}\n`);
          context.exit(SERVER_EXIT.usage);
        } else if (error instanceof FolderError) {
          context.terminal.err(`error: ${error.message}\n`);
          context.exit(SERVER_EXIT.storage);
        } else throw error;
      }
    });
}

/** The data folder cannot be used: the disk's business, not the command line's. */
class FolderError extends Error {
  override readonly name = 'FolderError';
}

async function runDev(flags: DevFlags, terminal: Terminal): Promise<number> {
  if (flags.nodes > NODES_MAX) throw new UsageError(`--nodes is ${flags.nodes}; at most ${NODES_MAX}`);
  if (flags.portBase + 200 + flags.nodes > 65_536)
    throw new UsageError(`--port-base ${flags.portBase} is too high`);
  if (flags.ephemeral === true && flags.data !== undefined)
    throw new UsageError('--ephemeral and --data are both given: choose one');
  const ports = planPorts(flags.nodes, flags.portBase);
  // What no node would start with is refused once and here, not by every node in its log.
  const [first] = ports;
  if (first !== undefined) loadConfig(serverFlagsOf(flags, ports, first, '.'), terminalOfNode(terminal));
  const busy = await busyPorts(ports, HOST);
  if (busy.length > 0) {
    const list = busy.map(({ port, use }) => `${port} (${use})`).join(', ');
    terminal.err(
      `error: ${busy.length === 1 ? 'a port is' : 'ports are'} in use: ${list}\n` +
        `  what to do: stop what holds ${busy.length === 1 ? 'it' : 'them'}, or choose others: kindred dev --port-base ${flags.portBase + 1000}\n`,
    );
    return SERVER_EXIT.portInUse;
  }
  if (flags.ephemeral === true) {
    const folder = openEphemeralFolder();
    try {
      return await new DevSession(flags, terminal, ports, folder).run();
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }
  return new DevSession(flags, terminal, ports, openFolder(flags)).run();
}

/** The data folder. It remembers what it was made with: other nodes or another engine would not find the data in it. */
function openFolder(flags: DevFlags): string {
  const folder = resolve(flags.data ?? DATA_DEFAULT);
  const path = join(folder, 'cluster.json');
  const made = { nodes: flags.nodes, engine: flags.engine };
  try {
    if (existsSync(path)) {
      const found = JSON.parse(readFileSync(path, 'utf8')) as Partial<typeof made>;
      if (found.nodes !== made.nodes || found.engine !== made.engine) {
        throw new UsageError(
          `${folder} holds a cluster of ${found.nodes} nodes with engine ${found.engine}, but --nodes is ${made.nodes} and --engine ${made.engine}: ` +
            `use the same again, or --data with another folder, or --ephemeral, or delete ${folder}`,
        );
      }
      return folder;
    }
    mkdirSync(folder, { recursive: true });
    writeFileSync(path, `${JSON.stringify(made)}\n`);
    return folder;
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw folderError(folder, error as NodeJS.ErrnoException);
  }
}

function folderError(folder: string, error: NodeJS.ErrnoException): Error {
  const instead = 'give another with --data DIRECTORY, or --ephemeral';
  if (error.code === 'EEXIST' || error.code === 'ENOTDIR')
    return new UsageError(`${folder} is not a directory, or lies in a file: ${instead}`, { cause: error });
  if (error instanceof SyntaxError)
    return new FolderError(`${join(folder, 'cluster.json')} is damaged: delete ${folder}, or ${instead}`, {
      cause: error,
    });
  const what =
    error.code === 'ENOSPC'
      ? 'the disk is full: make room'
      : error.code === 'EROFS' || error.code === 'EACCES' || error.code === 'EPERM'
        ? 'this user may not write there (owner, mode, read-only mount)'
        : error.message;
  return new FolderError(`${folder} cannot be used for data: ${what}, or ${instead}`, { cause: error });
}

const EPHEMERAL_PREFIX = 'kindred-dev-';

/** A folder that goes with this process. Its name holds the process id, so that leftovers of a killed one can be told. */
function openEphemeralFolder(): string {
  const base = tmpdir();
  try {
    for (const name of readdirSync(base)) {
      const pid = /^kindred-dev-(\d+)-[A-Za-z0-9]{6}$/.exec(name)?.[1];
      if (pid === undefined || isAlive(Number(pid))) continue;
      // Another user's is theirs to remove.
      try {
        rmSync(join(base, name), { recursive: true, force: true });
      } catch (error) {
        if (!['EACCES', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
      }
    }
    return mkdtempSync(join(base, `${EPHEMERAL_PREFIX}${process.pid}-`));
  } catch (error) {
    throw folderError(base, error as NodeJS.ErrnoException);
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it lives, and belongs to somebody else.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** The flags of `kindred server` for one node. */
function serverFlagsOf(
  flags: DevFlags,
  ports: readonly NodePorts[],
  node: NodePorts,
  folder: string,
): ServerFlags {
  return {
    clusterId: 'dev',
    node: node.id,
    member: ports.map(({ id, client, peer, http }) => `${id}@${HOST}:${client}:${peer}:${http}`),
    data: join(folder, node.id),
    engine: flags.engine,
    logLevel: flags.logLevel,
    logFormat: 'json',
    set: [`timeouts.drain_ms=${DRAIN_MS}`, ...flags.set],
  };
}

/** What a node sees of the environment. */
function terminalOfNode(terminal: Terminal): Pick<Terminal, 'environment' | 'outIsTerminal'> {
  return { environment: childEnvironment(terminal.environment), outIsTerminal: false };
}

/** One run of the cluster, from the first process to the last. */
class DevSession {
  private readonly flags: DevFlags;
  private readonly terminal: Terminal;
  private readonly ports: readonly NodePorts[];
  private readonly folder: string;
  private readonly colors: Colors;
  private readonly cluster: DevCluster;
  private readonly formatters: ReadonlyMap<string, (line: string) => string>;
  private readonly ended: PromiseWithResolvers<number> = Promise.withResolvers();
  private readonly givenUp = new AbortController();
  private stopping = false;
  private announced = false;

  constructor(flags: DevFlags, terminal: Terminal, ports: readonly NodePorts[], folder: string) {
    this.flags = flags;
    this.terminal = terminal;
    this.ports = ports;
    this.folder = folder;
    this.colors = picocolors.createColors(terminal.outIsTerminal && !terminal.environment['NO_COLOR']);
    const width = Math.max(...ports.map((node) => node.id.length));
    this.formatters = new Map(
      ports.map((node, index) => [node.id, lineFormatter(node.id, { index, width, colors: this.colors })]),
    );
    this.cluster = new DevCluster(
      {
        events: {
          onLine: (id, line) => this.line(id, line),
          onDeath: (id, how, exitCode) => this.died(id, how, exitCode),
        },
      },
      { nodes: ports.map((node) => this.nodeOf(node)), mainPath: MAIN_PATH, host: HOST },
    );
  }

  async run(): Promise<number> {
    const onSignal = (): void => {
      if (this.stopping) {
        process.exit(SERVER_EXIT.killed);
      }
      this.stop(SERVER_EXIT.ok);
    };
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal);
    // Whatever ends this process: no node stays behind.
    process.once('exit', () => {
      this.cluster.killAllNow();
      if (this.flags.ephemeral === true) this.removeFolder();
    });
    const commands = this.readCommands();
    try {
      for (const id of this.cluster.ids) this.cluster.start(id);
      const ready = await Promise.all(
        this.cluster.ids.map((id) => this.cluster.waitUntilReady(id, this.givenUp.signal)),
      );
      if (!this.stopping && ready.every(Boolean)) this.announce();
      return await this.ended.promise;
    } finally {
      commands?.close();
      for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.off(signal, onSignal);
    }
  }

  /** Without waiting, for the last moment: nodes that were just killed may still write for an instant. */
  private removeFolder(): void {
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
  }

  private nodeOf(node: NodePorts): DevNode {
    return {
      ...node,
      arguments: [
        'server',
        '--exit-with-parent',
        ...serverArguments(serverFlagsOf(this.flags, this.ports, node, this.folder)),
      ],
    };
  }

  private line(id: string, line: string): void {
    if (this.flags.json === true) this.terminal.out(`${line}\n`);
    else this.terminal.out(`${this.formatters.get(id)?.(line) ?? line}\n`);
  }

  private say(text: string): void {
    // With --json standard output holds log lines only.
    if (this.flags.json === true) this.terminal.err(`${text}\n`);
    else this.terminal.out(`${text}\n`);
  }

  private died(id: string, how: string, exitCode: number | undefined): void {
    const { colors } = this;
    const again = this.takesCommands
      ? `; to start it again type: start ${id}`
      : '; it is not started again by itself';
    this.say(colors.red(`${id} has ended: ${how}${again}`));
    if (this.cluster.ids.every((other) => this.cluster.state(other) === 'stopped')) {
      this.say(colors.red(`all nodes have ended`));
      if (!this.takesCommands || !this.announced) this.stop(exitCode ?? SERVER_EXIT.failed);
    } else if (!this.announced) {
      // A node that cannot even start is a mistake to mend, not a fault to watch.
      this.stop(exitCode ?? SERVER_EXIT.failed);
    }
  }

  private stop(code: number): void {
    if (this.stopping) return;
    this.stopping = true;
    this.givenUp.abort();
    this.say(this.colors.dim('stopping all nodes ... (Ctrl-C again kills them)'));
    this.cluster.stopAll(STOP_MS).then(() => this.ended.resolve(code), this.ended.reject);
  }

  private get takesCommands(): boolean {
    return this.flags.commands === true || this.terminal.stdin.isTTY === true;
  }

  private announce(): void {
    this.announced = true;
    const { colors, ports } = this;
    const first = `${HOST}:${ports[0]?.client}`;
    const elsewhere = this.flags.portBase === 7400 ? '' : ` -e ${first}`;
    const table = plainTable(
      ['node', 'clients (gRPC)', 'peers', 'HTTP', 'data'],
      ports.map(({ id, client, peer, http }) => [
        id,
        `${HOST}:${client}`,
        `${HOST}:${peer}`,
        `http://${HOST}:${http}/metrics`,
        this.flags.engine === 'memory' ? 'in memory' : join(this.folder, id),
      ]),
    );
    // "greeting" and "hello" in base64: bytes are base64 in the JSON of grpcurl.
    const request = '{"key":{"key":"Z3JlZXRpbmc="},"value":{"data":"aGVsbG8="}}';
    this.say(
      [
        '',
        colors.bold(`Kindred is ready: ${ports.length} nodes.`),
        table.trimEnd(),
        '',
        'Try, in another terminal:',
        `  npx kindred put greeting hello${elsewhere} && npx kindred get greeting${elsewhere}`,
        `  grpcurl -plaintext -d '${request}' ${first} kindred.v1.KeyValueService/Put`,
        `  npx kindred status${elsewhere}`,
        ...(this.takesCommands ? ['', `Here: ${COMMAND_HELP}`] : []),
        '',
      ].join('\n'),
    );
  }

  /** Commands typed while the log runs by. */
  private readCommands(): { close(): void } | undefined {
    if (!this.takesCommands) return undefined;
    const lines = createInterface({ input: this.terminal.stdin });
    lines.on('line', (line) => {
      this.command(line.trim().split(/\s+/)).catch((error: Error) => this.say(`${error.message}`));
    });
    return lines;
  }

  private async command([verb, id]: string[]): Promise<void> {
    switch (verb) {
      case '':
      case undefined:
        return;
      case 'quit':
      case 'exit':
      case 'q':
        this.stop(SERVER_EXIT.ok);
        return;
      case 'status':
        this.say(
          plainTable(
            ['node', 'state', 'pid'],
            this.cluster.ids.map((one) => [
              one,
              this.cluster.state(one),
              String(this.cluster.processId(one) ?? '-'),
            ]),
          ).trimEnd(),
        );
        return;
      default:
    }
    const nodes = this.cluster.ids.join(', ');
    if ((verb !== 'kill' && verb !== 'stop' && verb !== 'start') || id === undefined) {
      this.say(`commands: ${COMMAND_HELP}; nodes: ${nodes}`);
      return;
    }
    if (!this.cluster.ids.includes(id)) {
      this.say(`no node ${id}: there are ${nodes}`);
      return;
    }
    if (verb === 'start') {
      this.cluster.start(id);
      if (await this.cluster.waitUntilReady(id, this.givenUp.signal)) this.say(`${id} is ready`);
      return;
    }
    const how = verb === 'kill' ? await this.cluster.kill(id) : await this.cluster.stop(id, STOP_MS);
    if (!this.stopping) this.say(`${id} has ended: ${how}; to start it again type: start ${id}`);
  }
}

const COMMAND_HELP = 'kill n2 (as kill -9), stop n2, start n2, status, quit';

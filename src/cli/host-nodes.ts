/**
 * Several nodes on one host, each a process of its own: a node has one JavaScript thread, so this is how a machine with many cores
 * is used. They share a zone, so that no key has two of its copies here.
 */

import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Config, ownMember } from '../config/config.ts';
import { ConfigError } from '../config/parse-config.ts';
import { DevCluster } from './dev/dev-cluster.ts';
import { SERVER_EXIT } from './exit-code.ts';
import { loadConfig, type ServerFlags, serverArguments } from './server-settings.ts';
import type { Terminal } from './terminal.ts';

const MAIN_PATH = fileURLToPath(new URL('../main.ts', import.meta.url));
/** A node that ended by itself is started again after this, and after twice as long each time. */
const RESTART_MS_MIN = 1_000;
const RESTART_MS_MAX = 30_000;
/** After this long without an end the next pause is the first again. */
const SETTLED_MS = 60_000;
/** Beyond the time for draining, before a node that does not stop is killed. */
const STOP_GRACE_MS = 10_000;

/** Ends that starting again would not mend. */
const NOT_RESTARTED: ReadonlySet<number> = new Set([
  SERVER_EXIT.usage,
  SERVER_EXIT.storage,
  SERVER_EXIT.portInUse,
]);

/** One of the nodes, as it is to be run. */
export interface HostNode {
  readonly id: string;
  readonly flags: ServerFlags;
  readonly config: Config;
}

/**
 * The nodes that `--nodes` names. Each keeps its data in a directory of its own name below the one that is configured. Throws
 * ConfigError: unknown or doubled names, or members that do not share a zone.
 */
export function planHostNodes(
  ids: readonly string[],
  flags: ServerFlags,
  terminal: Pick<Terminal, 'environment' | 'outIsTerminal'>,
): readonly HostNode[] {
  if (new Set(ids).size !== ids.length || ids.some((id) => id === ''))
    throw new ConfigError([`--nodes ${ids.join(',')}: name each node once, separated by commas`]);
  if (flags.node !== undefined) throw new ConfigError(['--node and --nodes are both given: choose one']);
  const nodes = ids.map((id) => {
    const { config } = loadConfig({ ...flags, node: id }, terminal);
    const data = dataOf(config.storage.path, id);
    return { id, config, flags: { ...flags, node: id, data, logFormat: flags.logFormat ?? 'json' } };
  });
  const zones = new Map(nodes.map(({ id, config }) => [id, ownMember(config).zone]));
  if (new Set(zones.values()).size > 1) {
    const list = [...zones].map(([id, zone]) => `${id} in ${zone === '' ? 'none' : zone}`).join(', ');
    throw new ConfigError([
      `--nodes: nodes on one host must share a zone, or a key may have two of its copies on it: ${list}. ` +
        'Give all members of a host the same zone, as its name, and each host another',
    ]);
  }
  return nodes;
}

/** Names of what a store has in its directory. */
const STORE_FOLDERS = ['lsm', 'btree'];

/** The default names the node already; a directory that is configured is for all of them. */
function dataOf(path: string, id: string): string {
  if (basename(path) === id) return path;
  if (STORE_FOLDERS.some((folder) => existsSync(join(path, folder)))) {
    throw new ConfigError([
      `--nodes: ${path} holds the data of one node, which was started with --node: with --nodes each node has a directory of its own ` +
        `below it. Stop that node, move its data to ${join(path, 'ID')} with its id, and start again; started now, it would be empty`,
    ]);
  }
  return join(path, id);
}

export interface HostOutput {
  /** A log line of a node, or of the host itself, as JSON. */
  readonly line: (line: string) => void;
}

/** Runs the nodes until they are asked to stop (`stopped`), or none can go on. Resolves with the exit code. */
export class HostNodes {
  readonly #nodes: readonly HostNode[];
  readonly #output: HostOutput;
  readonly #cluster: DevCluster;
  readonly #ended = Promise.withResolvers<number>();
  /** Pause before the next start of a node, and when it was last started. */
  readonly #restarts = new Map<string, { pauseMs: number; startedMs: number }>();
  readonly #givenUp = new Set<string>();
  readonly #timers = new Set<NodeJS.Timeout>();
  #stopping = false;

  constructor(nodes: readonly HostNode[], output: HostOutput) {
    this.#nodes = nodes;
    this.#output = output;
    const [first] = nodes as [HostNode];
    this.#cluster = new DevCluster(
      {
        events: {
          onLine: (_id, line) => output.line(line),
          onDeath: (id, how, exitCode) => this.#died(id, how, exitCode),
        },
      },
      {
        nodes: nodes.map(({ id, flags, config }) => {
          const { clientPort, peerPort, httpPort } = ownMember(config);
          return {
            id,
            client: clientPort,
            peer: peerPort,
            http: httpPort,
            arguments: ['server', '--exit-with-parent', ...serverArguments(flags)],
          };
        }),
        mainPath: MAIN_PATH,
        host: first.config.listen.host,
        environment: environmentOfNode,
      },
    );
  }

  async run(): Promise<number> {
    process.once('exit', () => this.#cluster.killAllNow());
    for (const { id } of this.#nodes) this.#start(id);
    return await this.#ended.promise;
  }

  /** Asks all nodes to drain and stop. */
  stop(): void {
    if (this.#stopping) return;
    this.#stopping = true;
    for (const timer of this.#timers) clearTimeout(timer);
    const drainMs = Math.max(...this.#nodes.map(({ config }) => config.timeouts.drainMs));
    this.#cluster
      .stopAll(drainMs + STOP_GRACE_MS)
      .then(() => this.#ended.resolve(SERVER_EXIT.ok), this.#ended.reject);
  }

  #start(id: string): void {
    const before = this.#restarts.get(id);
    this.#restarts.set(id, { pauseMs: before?.pauseMs ?? RESTART_MS_MIN, startedMs: performance.now() });
    this.#cluster.start(id);
  }

  #died(id: string, how: string, exitCode: number | undefined): void {
    if (this.#stopping) return;
    if (exitCode !== undefined && NOT_RESTARTED.has(exitCode)) {
      this.#say('error', id, `${id} has ended (${how}) and is not started again: see its last lines`);
      this.#givenUp.add(id);
      if (this.#givenUp.size === this.#nodes.length) this.#ended.resolve(exitCode);
      return;
    }
    const restart = this.#restarts.get(id) ?? { pauseMs: RESTART_MS_MIN, startedMs: 0 };
    const settled = performance.now() - restart.startedMs > SETTLED_MS;
    const pauseMs = settled ? RESTART_MS_MIN : restart.pauseMs;
    this.#restarts.set(id, { ...restart, pauseMs: Math.min(RESTART_MS_MAX, 2 * pauseMs) });
    this.#say('warn', id, `${id} has ended (${how}); it is started again in ${pauseMs / 1000} s`);
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      this.#start(id);
    }, pauseMs);
    this.#timers.add(timer);
  }

  #say(level: 'warn' | 'error', node: string, msg: string): void {
    this.#output.line(JSON.stringify({ level, time: new Date().toISOString(), node, msg }));
  }
}

/** What a node sees of the environment: all but what the command line of each node says. */
function environmentOfNode(
  environment: Readonly<Record<string, string | undefined>>,
): Record<string, string | undefined> {
  const { KINDRED_NODE: _node, KINDRED_STORAGE_PATH: _path, ...kept } = environment;
  return kept;
}

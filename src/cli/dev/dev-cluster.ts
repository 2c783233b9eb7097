/**
 * The processes of a development cluster. Each node is a child of its own, so that `kill -9` is a real one. Children
 * never outlive this process: the IPC channel closes with it, however it ends, and they stop.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { NodePorts } from './port-plan.ts';

/** One node, as it is to be run. */
export interface DevNode extends NodePorts {
  /** Arguments after `main.ts`. */
  readonly arguments: readonly string[];
}

/** What the cluster tells of itself. */
export interface DevEvents {
  /** A line of a node's standard output or standard error. */
  onLine(id: string, line: string): void;
  /** A node ended, and nobody had asked it to. No exit code: a signal ended it, or it could not be started. */
  onDeath(id: string, how: string, exitCode: number | undefined): void;
}

/** `starting`: the process runs; `ready`: it serves; `stopped`: asked to end, or ended. */
export type DevState = 'starting' | 'ready' | 'stopped';

interface Running {
  readonly process: ChildProcess;
  readonly ended: Promise<string>;
  asked: boolean;
  ready: boolean;
}

const READY_POLL_MS = 50;
const PROBE_MS_MAX = 1000;

/** Starts, watches and stops the nodes. Nothing is restarted by itself. */
export class DevCluster {
  private readonly nodes: ReadonlyMap<string, DevNode>;
  private readonly running = new Map<string, Running>();
  private readonly events: DevEvents;
  private readonly mainPath: string;
  private readonly host: string;
  private readonly environment: typeof childEnvironment;

  constructor(
    dependencies: { readonly events: DevEvents },
    options: {
      readonly nodes: readonly DevNode[];
      readonly mainPath: string;
      readonly host: string;
      /** What the nodes see of the environment. Default: `childEnvironment`. */
      readonly environment?: typeof childEnvironment;
    },
  ) {
    this.events = dependencies.events;
    this.nodes = new Map(options.nodes.map((node) => [node.id, node]));
    this.mainPath = options.mainPath;
    this.host = options.host;
    this.environment = options.environment ?? childEnvironment;
  }

  get ids(): string[] {
    return [...this.nodes.keys()];
  }

  state(id: string): DevState {
    const found = this.running.get(id);
    if (found === undefined) return 'stopped';
    return found.ready ? 'ready' : 'starting';
  }

  /** Process id of a running node. */
  processId(id: string): number | undefined {
    return this.running.get(id)?.process.pid;
  }

  /** Starts the process of a node that is not running. */
  start(id: string): void {
    const node = this.node(id);
    if (this.running.has(id)) throw new Error(`${id} is running already`);
    const child = spawn(process.execPath, [...process.execArgv, this.mainPath, ...node.arguments], {
      // A process group of its own: Ctrl-C in the terminal reaches only us, and we stop the nodes in order.
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      env: this.environment(process.env),
    });
    const ended = Promise.withResolvers<string>();
    const run: Running = { process: child, ended: ended.promise, asked: false, ready: false };
    this.running.set(id, run);
    for (const stream of [child.stdout, child.stderr]) {
      if (stream !== null)
        createInterface({ input: stream }).on('line', (line) => this.events.onLine(id, line));
    }
    const end = (how: string, exitCode?: number): void => {
      if (this.running.get(id) !== run) return;
      this.running.delete(id);
      ended.resolve(how);
      if (!run.asked) this.events.onDeath(id, how, exitCode);
    };
    child.once('error', (error) => end(`could not be started: ${error.message}`));
    // `close`, not `exit`: then its last words have been read.
    child.once('close', (code, signal) => {
      if (signal === null) end(`exit code ${code}`, code ?? undefined);
      else end(`signal ${signal}`);
    });
  }

  /** Resolves to true when the node serves; to false when it ended, or `giveUp` was aborted, before that. */
  async waitUntilReady(id: string, giveUp: AbortSignal): Promise<boolean> {
    const { http } = this.node(id);
    for (;;) {
      const run = this.running.get(id);
      if (run === undefined || giveUp.aborted) return false;
      if (await isReady(this.host, http)) {
        run.ready = true;
        return true;
      }
      await new Promise((resolve) => setTimeout(resolve, READY_POLL_MS));
    }
  }

  /** Asks a node to stop, and kills it when that takes longer than `withinMs`. Returns how it ended. */
  async stop(id: string, withinMs: number): Promise<string> {
    const run = this.running.get(id);
    if (run === undefined) return 'was not running';
    run.asked = true;
    run.process.kill('SIGTERM');
    const timer = setTimeout(() => run.process.kill('SIGKILL'), withinMs);
    try {
      return await run.ended;
    } finally {
      clearTimeout(timer);
    }
  }

  /** `kill -9`: the node gets no chance to finish anything. Returns how it ended. */
  async kill(id: string): Promise<string> {
    const run = this.running.get(id);
    if (run === undefined) return 'was not running';
    run.asked = true;
    run.process.kill('SIGKILL');
    return run.ended;
  }

  /** Stops all nodes at once. */
  async stopAll(withinMs: number): Promise<void> {
    await Promise.all([...this.running.keys()].map((id) => this.stop(id, withinMs)));
  }

  /** Kills whatever still runs, without waiting: for the last moment of this process. */
  killAllNow(): void {
    for (const run of this.running.values()) {
      run.asked = true;
      run.process.kill('SIGKILL');
    }
  }

  private node(id: string): DevNode {
    const node = this.nodes.get(id);
    if (node === undefined) throw new Error(`there is no node ${id}; there are ${this.ids.join(', ')}`);
    return node;
  }
}

/** Settings of the user's own nodes are not for these. */
export function childEnvironment(
  environment: Readonly<Record<string, string | undefined>>,
): Record<string, string | undefined> {
  const kept = Object.entries(environment).filter(
    ([name]) => !/^KINDRED_(?!LOG_|TIMEOUTS_|LIMITS_)/.test(name),
  );
  return { ...Object.fromEntries(kept), NO_COLOR: '1' };
}

async function isReady(host: string, port: number): Promise<boolean> {
  try {
    const answer = await fetch(`http://${host}:${port}/readyz`, {
      signal: AbortSignal.timeout(PROBE_MS_MAX),
    });
    await answer.text();
    return answer.ok;
  } catch {
    // Not listening yet: that is what is being waited for.
    return false;
  }
}

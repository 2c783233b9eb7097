/**
 * A node's machine and the process on it: the real `Node`, one life after the other, over one disk and one pair of clocks.
 * What systemd, an operator and the power supply do to a process is done to it here.
 */

import pino from 'pino';
import type { Config } from '../../../src/config/config.ts';
import { parseConfig } from '../../../src/config/parse-config.ts';
import { knobs } from '../../../src/config/schema.ts';
import { Node } from '../../../src/node.ts';
import type { Logger } from '../../../src/observe/log.ts';
import { workloadBuckets } from '../../workload/workload-buckets.ts';
import { EventOwner } from '../kernel/scheduler.ts';
import type { SimulatedClock } from '../kernel/simulated-clock.ts';
import { SimulatedEnv } from '../kernel/simulated-env.ts';
import type { RepairPlan } from '../plan/seed-plan.ts';
import { clientPortOpener, type SimulatedClientPort } from './client-port.ts';
import type { SimulatedDisk } from './simulated-disk.ts';
import type { SimulatedNetwork } from './simulated-network.ts';
import { eventKind, type World } from './world.ts';

/** Name of the simulated cluster: contexts are bound to it. */
export const clusterId = 'simulated';

export interface ProcessOptions {
  readonly id: string;
  /** All nodes of the cluster. */
  readonly members: readonly string[];
  readonly partitions: number;
  readonly repair: RepairPlan;
  /** Trees are read again from the disk this often; absent: as seldom as in production. */
  readonly rebuildMs: number | undefined;
  readonly rarePaths: Readonly<Record<string, number>>;
}

export interface ProcessDependencies {
  readonly world: World;
  readonly network: SimulatedNetwork;
  readonly disk: SimulatedDisk;
  readonly clock: SimulatedClock;
  /** Told of what must never happen, whatever fails: a defect that the node itself noticed. */
  readonly onDefect: (node: string, problem: string) => void;
  /** Told when the node has set its outdated disk aside and begins with an empty one. */
  readonly onSetAside: (node: string) => void;
}

/** One life of the process: from its start to its end. */
interface Life {
  readonly owner: EventOwner;
  node: Node | undefined;
  port: SimulatedClientPort | undefined;
}

/** Gauges that count from the start of the process on. */
const countingGauges = [
  'hints_delivered',
  'comparisons',
  'keys_compared',
  'keys_repaired',
  'trees_repaired',
] as const;

/** A service manager starts a process again after this. */
const restartMicros = 500_000;
/** What `kindred server` grants the end of a stop before it exits as it is. */
const closeGraceMicros = 5_000_000;
/** A defect says so in the log: see `reportIncident` and `onUnexpected` in wiring.ts. */
const defectText = 'failed unexpectedly';

/** What a node needs to be a member, once for each cluster: reading and checking it takes longer than many operations. */
const configs = new Map<string, Config>();

export class SimulatedProcess {
  readonly id: string;
  readonly disk: SimulatedDisk;
  readonly clock: SimulatedClock;
  restarts = 0;
  /** Until the faults end: some rare paths put off what must happen in the end. */
  takesRarePaths = true;
  readonly #deps: ProcessDependencies;
  readonly #options: ProcessOptions;
  readonly #machine: EventOwner;
  readonly #counted = new Map<string, number>();
  #life: Life | undefined;
  #lives = 0;
  #suspensions = 0;
  /** Nobody starts it again before this. */
  #downUntilMicros = 0;
  #minimumDownMicros = restartMicros;

  constructor(dependencies: ProcessDependencies, options: ProcessOptions) {
    this.#deps = dependencies;
    this.#options = options;
    this.id = options.id;
    this.disk = dependencies.disk;
    this.clock = dependencies.clock;
    this.#machine = new EventOwner(options.id, this.#number * 64);
  }

  /** What a counter among the node's gauges came to, in all lives together. */
  counted(gauge: string): number {
    return (this.#counted.get(gauge) ?? 0) + (this.#life?.node?.snapshot.gauges[gauge] ?? 0);
  }

  /** The running node, once it serves. */
  get node(): Node | undefined {
    return this.#life?.node;
  }

  get port(): SimulatedClientPort | undefined {
    return this.#life?.port;
  }

  get isRunning(): boolean {
    return this.#life !== undefined;
  }

  /** Starts a life, now. Nothing happens if one runs. */
  start(): void {
    if (this.#life !== undefined) return;
    const { world, network, disk } = this.#deps;
    this.#lives++;
    if (this.#lives > 1) this.restarts++;
    const owner = new EventOwner(this.id, this.#number * 64 + Math.min(this.#lives, 63));
    if (this.#suspensions > 0) owner.state = 'suspended';
    const life: Life = { owner, node: undefined, port: undefined };
    this.#life = life;
    this.#tell(`starts, life ${this.#lives}`);
    const env = new SimulatedEnv(world, {
      owner,
      clock: this.clock,
      random: world.randomFor(`process ${this.id} ${this.#lives}`),
      rarePathPercent: (path) => (this.takesRarePaths ? (this.#options.rarePaths[path] ?? 0) : 0),
    });
    // The first thing that runs belongs to the life: a suspended one does not even begin.
    world.scheduler.at(world.scheduler.nowMicros, owner, eventKind.process, () => {
      const started = Node.start(this.#config(), {
        env,
        network: network.endpoint(this.id, owner),
        openEngine: disk.engineFor(owner),
        setAside: async (path, stamp) => {
          this.#tell('sets its outdated disk aside');
          disk.wipe();
          this.#deps.onSetAside(this.id);
          return `${path}.outdated-${stamp}`;
        },
        openClientPort: clientPortOpener(owner, this.clock, (port) => {
          life.port = port;
        }),
        openHttpPort: async (_dependencies, options) => ({ port: options.port, close: async () => {} }),
        log: this.#logger(),
      });
      started.then(
        (node) => {
          life.node = node;
          this.#tell('serves');
          void node.failed.then((error) => {
            this.#tell(`its disk has failed: ${error.message}`);
            this.#stop(life, node);
          });
        },
        (error: Error) => {
          this.#tell(`could not start: ${error.message}`);
          if (
            error.name !== 'EngineError' &&
            error.name !== 'IdentityError' &&
            error.name !== 'NetworkError'
          ) {
            this.#deps.onDefect(this.id, `could not start: ${error.stack ?? error.message}`);
          }
          this.#exit(life, 'process');
        },
      );
    });
  }

  /** Ends the life at once. With `power` the machine goes down: what was not synced is lost, and nobody is told. */
  crash(how: 'process' | 'power', downMicros: number): void {
    this.#downUntilMicros = Math.max(
      this.#downUntilMicros,
      this.#deps.world.scheduler.nowMicros + downMicros,
    );
    const life = this.#life;
    if (life === undefined) {
      if (how === 'power') this.disk.crash(true);
      this.#startLater();
      return;
    }
    this.#tell(how === 'power' ? 'loses power' : 'is killed');
    this.#exit(life, how);
  }

  /** Stops in good order, as by SIGTERM, and starts again. */
  restart(downMicros: number): void {
    const life = this.#life;
    this.#downUntilMicros = Math.max(
      this.#downUntilMicros,
      this.#deps.world.scheduler.nowMicros + downMicros,
    );
    if (life === undefined) this.#startLater();
    else if (life.node === undefined) this.crash('process', downMicros);
    else this.#stop(life, life.node);
  }

  /** As by SIGSTOP. As often as it is suspended it has to be resumed. */
  suspend(): void {
    this.#suspensions++;
    if (this.#life?.owner.state === 'running') this.#life.owner.state = 'suspended';
  }

  resume(): void {
    if (this.#suspensions === 0) return;
    this.#suspensions--;
    if (this.#suspensions === 0 && this.#life !== undefined)
      this.#deps.world.scheduler.resume(this.#life.owner);
  }

  /** When it ends next, it is not started again before this. */
  staysDown(downMicros: number): void {
    this.#minimumDownMicros = downMicros;
  }

  /** Starts it now if it is down, whatever was to keep it down. */
  startNow(): void {
    this.#downUntilMicros = 0;
    this.start();
  }

  #stop(life: Life, node: Node): void {
    const { scheduler } = this.#deps.world;
    const { drainMs } = node.config.timeouts;
    this.#tell('stops');
    const end = (): void => this.#exit(life, 'process');
    scheduler.at(scheduler.nowMicros + drainMs * 1000 + closeGraceMicros, life.owner, eventKind.process, end);
    node.stop({ deadlineMs: drainMs }).then(end, end);
  }

  #exit(life: Life, how: 'process' | 'power'): void {
    if (this.#life !== life) return;
    this.#keepCounts(life);
    this.#life = undefined;
    life.owner.state = 'halted';
    this.disk.crash(how === 'power');
    this.#deps.network.kill(life.owner, { silently: how === 'power' });
    if (how === 'process') life.port?.close('dead');
    life.port = undefined;
    life.node = undefined;
    this.#startLater();
  }

  #keepCounts({ node }: Life): void {
    if (node === undefined) return;
    const { gauges } = node.snapshot;
    for (const name of countingGauges)
      this.#counted.set(name, (this.#counted.get(name) ?? 0) + (gauges[name] ?? 0));
  }

  #startLater(): void {
    const { scheduler } = this.#deps.world;
    const atMicros = Math.max(this.#downUntilMicros, scheduler.nowMicros + this.#minimumDownMicros);
    this.#minimumDownMicros = restartMicros;
    scheduler.at(atMicros, this.#machine, eventKind.process, () => {
      if (scheduler.nowMicros >= this.#downUntilMicros) this.start();
    });
  }

  get #number(): number {
    return 1 + this.#options.members.indexOf(this.id);
  }

  #config(): Config {
    const text = configText(this.#options);
    let config = configs.get(`${this.id} ${text}`);
    if (config === undefined) {
      ({ config } = parseConfig({ file: { name: 'simulated.yaml', text: `${text}${ownText(this.id)}` } }));
      configs.set(`${this.id} ${text}`, config);
    }
    return config;
  }

  #logger(): Logger {
    const { world, onDefect } = this.#deps;
    const { trace, scheduler } = world;
    const target = {
      write: (line: string): void => {
        if (trace === undefined && !line.includes(defectText)) return;
        const { level, msg, error } = JSON.parse(line) as {
          level: string;
          msg: string;
          error?: { stack?: string; message?: string };
        };
        trace?.add({ atMicros: scheduler.nowMicros, kind: 'log', at: this.id, text: `${level}: ${msg}` });
        if (msg.includes(defectText)) onDefect(this.id, `${msg}: ${error?.stack ?? error?.message ?? ''}`);
      },
    };
    return pino(
      {
        level: trace === undefined ? 'error' : 'info',
        base: null,
        timestamp: false,
        formatters: { level: (label) => ({ level: label }) },
        serializers: { error: pino.stdSerializers.errWithCause },
      },
      target,
    );
  }

  #tell(text: string): void {
    const { trace, scheduler } = this.#deps.world;
    trace?.add({ atMicros: scheduler.nowMicros, kind: 'process', at: this.id, text: `${this.id} ${text}` });
  }
}

/** What a node has of its own: one in three keeps its records in a B-tree, whose every commit is synced. */
function ownText(id: string): string {
  const engine = Number(id.slice(1)) % 3 === 0 ? 'btree' : 'lsm';
  return `node: ${id}\nstorage: { engine: ${engine}, path: /simulated/${id} }\n`;
}

/** Knobs that a configuration may set; the others are left out. */
const known: ReadonlySet<string> = new Set(knobs().map(({ path }) => path));

function configText({ members, partitions, repair, rebuildMs }: ProcessOptions): string {
  const lines = members.map((id) => `  - { id: ${id}, host: ${id} }`);
  const { graceMs, comparisonMs } = repair;
  const settings: [path: string, value: number][] = [['anti_entropy.interval_ms', comparisonMs]];
  if (rebuildMs !== undefined) settings.push(['anti_entropy.rebuild_interval_ms', rebuildMs]);
  if (graceMs !== undefined) {
    settings.push(['tombstones.grace_ms', graceMs], ['hints.age_ms_max', Math.floor(graceMs / 4)]);
  }
  const sections = new Map<string, string[]>();
  for (const [path, value] of settings) {
    if (!known.has(path)) continue;
    const [section = '', field] = path.split('.');
    const fields = sections.get(section) ?? [];
    sections.set(section, [...fields, `${field}: ${value}`]);
  }
  const own = [...sections].map(([section, fields]) => `${section}: { ${fields.join(', ')} }\n`);
  return `cluster: { id: ${clusterId}, replication: 3, partitions: ${partitions} }
members:
${lines.join('\n')}
buckets: ${JSON.stringify(workloadBuckets)}
timeouts: { request_ms: 2000, request_ms_max: ${graceMs === undefined ? 5000 : 2000}, drain_ms: 2000 }
${own.join('')}log: { level: silent }
`;
}

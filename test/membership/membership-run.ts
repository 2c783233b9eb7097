/**
 * A cluster of members in virtual time: nodes are killed one after the other, half of them with their machines, and come
 * back; how long it takes until every other node knows is measured, and what all of it costs in bytes.
 */

import type { Config } from '../../src/config/config.ts';
import { parseConfig } from '../../src/config/parse-config.ts';
import { nodeId } from '../../src/core/identity.ts';
import type { LivenessChange } from '../../src/membership/liveness.ts';
import { EventOwner, Scheduler } from '../simulation/kernel/scheduler.ts';
import { SimulatedClock } from '../simulation/kernel/simulated-clock.ts';
import { SimulatedNetwork } from '../simulation/world/simulated-network.ts';
import { calmNetwork } from '../simulation/world/test-world.ts';
import { eventKind, type World } from '../simulation/world/world.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { MembershipNode } from './membership-node.ts';
import type { BytesSent } from './metered-network.ts';

export interface MembershipRunOptions {
  readonly nodes: number;
  /** Virtual seconds. */
  readonly seconds: number;
  readonly seed: number;
}

/** One node that was killed. All times are virtual milliseconds since that moment. */
export interface Failure {
  readonly node: string;
  /** Its process ended, and the connections with it; or its machine did, and nobody was told. */
  readonly kind: 'process' | 'machine';
  /** When the first node counted it as failed. */
  readonly firstMs: number | undefined;
  /** When the last one did, of those that lived from before it until now. `undefined`: somebody never did. */
  readonly everywhereMs: number | undefined;
  /** Rounds of gossip from the first verdict until all live nodes had heard that very verdict. */
  readonly rounds: number | undefined;
  /** When it was up again for the last of them, since it came back; `undefined` while it had not. */
  readonly backMs: number | undefined;
}

export interface MembershipResult {
  readonly nodes: number;
  readonly seconds: number;
  readonly seed: number;
  readonly failures: readonly Failure[];
  /** Nodes that somebody counted as failed while they were alive. */
  readonly falseFailed: readonly string[];
  /** Rounds of gossip from the start of the last node until everybody knew the address of everybody. */
  readonly joinRounds: number | undefined;
  /** Bytes of frames that a node sends in a second, once all are up: mean of all nodes, and the node with the most. */
  readonly bytesPerSecond: Readonly<Record<'control' | 'gossip' | 'all', { mean: number; max: number }>>;
  /** The largest frame of gossip, in bytes. */
  readonly gossipFrameBytesMax: number;
  /** Exchanges of gossip that were answered, and those that were not, as all lives count that run at the end. */
  readonly exchanges: number;
  readonly exchangesFailed: number;
  readonly events: number;
  readonly hash: string;
}

const intervalMs = 1_000;
/** Nodes start within this time. */
const startMs = 5_000;
/** The first is killed here, or in the middle of a short run. */
const firstKillMs = 15_000;
const killEveryMs = 5_000;
/** Nobody is killed so late that the others could not know by the end. */
const quietMs = 20_000;
/** A killed node stays away for so long at least, after everybody knows. */
const awayMs = 1_000;
const awayMsMax = 25_000;

interface Watched {
  readonly node: string;
  readonly kind: 'process' | 'machine';
  readonly killedMs: number;
  /** Who lived then, and lives yet, and does not know. */
  readonly unknowing: Set<string>;
  firstMs: number | undefined;
  everywhereMs: number | undefined;
  /** The first verdict, and who has not heard of it. */
  accuser: string | undefined;
  version: number;
  accusedMs: number;
  readonly unheard: Set<string>;
  rounds: number | undefined;
  returnedMs: number | undefined;
  readonly unmet: Set<string>;
  backMs: number | undefined;
}

/** Runs a cluster. The same options give the same result. */
export async function runMembership(options: MembershipRunOptions): Promise<MembershipResult> {
  return new MembershipRun(options).run();
}

class MembershipRun {
  readonly #options: MembershipRunOptions;
  readonly #scheduler = new Scheduler();
  readonly #world: World;
  readonly #network: SimulatedNetwork;
  readonly #random: SeededRandom;
  readonly #driver = new EventOwner('driver', 4_000);
  readonly #config: Config;
  readonly #ids: readonly string[];
  readonly #clocks: readonly SimulatedClock[];
  readonly #lives: number[];
  readonly #running = new Map<string, MembershipNode>();
  readonly #sent: readonly BytesSent[];
  readonly #failures: Watched[] = [];
  readonly #falseFailed = new Set<string>();
  /** Nodes that do not know everybody yet. */
  readonly #ignorant: Set<string>;
  #joinedMs: number | undefined;
  #lastStartMs = 0;
  #measuredFromMs = 0;

  constructor(options: MembershipRunOptions) {
    this.#options = options;
    const { nodes, seed } = options;
    const randomFor = (name: string): SeededRandom => {
      let sum = seed;
      for (let i = 0; i < name.length; i++) sum = (Math.imul(sum, 31) + name.charCodeAt(i)) | 0;
      return new SeededRandom(sum >>> 0);
    };
    this.#world = { scheduler: this.#scheduler, trace: undefined, randomFor };
    this.#random = randomFor('driver');
    this.#network = new SimulatedNetwork(this.#world, { ...calmNetwork, lossPercent: 0.1 });
    this.#config = configOf(nodes);
    this.#ids = this.#config.members.map(({ id }) => id);
    this.#ignorant = new Set(this.#ids);
    this.#clocks = this.#ids.map(
      () =>
        new SimulatedClock(this.#scheduler, {
          wallOffsetMicros: this.#random.between(-50_000, 50_000),
          driftPpm: this.#random.between(-50, 50),
        }),
    );
    this.#lives = this.#ids.map(() => 0);
    this.#sent = this.#ids.map(() => ({ control: 0, gossip: 0, data: 0, background: 0, gossipFrameMax: 0 }));
  }

  async run(): Promise<MembershipResult> {
    const { seconds } = this.#options;
    const endMs = seconds * 1_000;
    for (const id of this.#ids) {
      const atMs = this.#random.below(Math.min(startMs, endMs / 4));
      this.#lastStartMs = Math.max(this.#lastStartMs, atMs);
      this.#at(atMs, () => this.#start(id));
    }
    const killFromMs = Math.min(firstKillMs, endMs / 2);
    this.#at(killFromMs, () => {
      this.#measuredFromMs = this.#nowMs;
      for (const sent of this.#sent) sent.control = sent.gossip = 0;
    });
    for (let atMs = killFromMs; atMs <= Math.max(killFromMs, endMs - quietMs); atMs += killEveryMs) {
      this.#at(atMs, () => this.#killOne());
    }
    let over = false;
    this.#at(endMs, () => {
      over = true;
    });
    await this.#scheduler.run(() => over);
    return this.#result();
  }

  get #nowMs(): number {
    return this.#scheduler.nowMicros / 1_000;
  }

  #at(atMs: number, run: () => void): void {
    this.#scheduler.at(atMs * 1_000, this.#driver, eventKind.fault, run);
  }

  #start(id: string): void {
    const index = this.#ids.indexOf(id);
    const life = (this.#lives[index] ?? 0) + 1;
    this.#lives[index] = life;
    const node = new MembershipNode(
      {
        world: this.#world,
        network: this.#network,
        clock: this.#clocks[index] as SimulatedClock,
        sent: this.#sent[index] as BytesSent,
        onChange: (change) => this.#changed(id, change),
        onNews: (nodes) => this.#heard(id, nodes),
      },
      {
        config: { ...this.#config, node: nodeId(id) },
        index,
        life,
      },
    );
    this.#running.set(id, node);
    void node.start();
  }

  #killOne(): void {
    const alive = this.#ids.filter((id) => this.#running.has(id));
    // Who has not come back for everybody yet cannot fail for them.
    const away = new Set(this.#failures.filter(({ backMs }) => backMs === undefined).map(({ node }) => node));
    const whole = alive.filter((id) => !away.has(id));
    // A few are away at a time, and in the smallest cluster only one: somebody has to be left who can know.
    const awayMax = Math.max(1, Math.floor(this.#ids.length / 10));
    if (this.#ids.length - whole.length >= awayMax) return;
    const id = this.#random.pick(whole);
    const kind = this.#failures.length % 2 === 0 ? 'machine' : 'process';
    this.#running.get(id)?.kill(kind === 'machine');
    this.#running.delete(id);
    for (const failure of this.#failures) this.#leaves(failure, id);
    const others = alive.filter((other) => other !== id);
    this.#failures.push({
      node: id,
      kind,
      killedMs: this.#nowMs,
      unknowing: new Set(others),
      firstMs: undefined,
      everywhereMs: undefined,
      accuser: undefined,
      version: 0,
      accusedMs: 0,
      unheard: new Set(others),
      rounds: undefined,
      returnedMs: undefined,
      unmet: new Set(),
      backMs: undefined,
    });
  }

  /** Who dies does not count among those that have to know. */
  #leaves(failure: Watched, id: string): void {
    if (failure.unknowing.delete(id)) this.#knows(failure);
    if (failure.unheard.delete(id)) this.#hasHeard(failure);
    if (failure.unmet.delete(id)) this.#hasMet(failure);
  }

  #changed(by: string, { node, to }: LivenessChange): void {
    const failure = this.#failures.findLast((each) => each.node === node);
    if (to === 'failed') {
      if (this.#running.has(node) && failure?.returnedMs === undefined && this.#joinedMs !== undefined)
        this.#falseFailed.add(node);
      if (failure === undefined || failure.returnedMs !== undefined) return;
      failure.firstMs ??= this.#nowMs;
      if (failure.unknowing.delete(by)) this.#knows(failure);
      if (failure.accuser === undefined && this.#running.get(by)?.liveness.watched.has(node)) {
        failure.accuser = by;
        failure.accusedMs = this.#nowMs;
        // What it found out is published in the same turn, right after this.
        this.#scheduler.at(this.#scheduler.nowMicros, this.#driver, eventKind.fault, () => {
          failure.version = this.#running.get(by)?.gossip.state.digestOf(by).version ?? 0;
          failure.unheard.delete(by);
        });
      }
    } else if (to === 'up' && failure?.unmet.delete(by)) this.#hasMet(failure);
  }

  #heard(by: string, nodes: readonly string[]): void {
    for (const failure of this.#failures) {
      const { accuser, version, unheard } = failure;
      if (accuser === undefined || version === 0 || !unheard.has(by) || !nodes.includes(accuser)) continue;
      if ((this.#running.get(by)?.gossip.state.digestOf(accuser).version ?? 0) < version) continue;
      unheard.delete(by);
      this.#hasHeard(failure);
    }
    if (!this.#ignorant.has(by)) return;
    const state = this.#running.get(by)?.gossip.state;
    if (state === undefined || !this.#ids.every((id) => state.get(id, 'address') !== undefined)) return;
    this.#ignorant.delete(by);
    if (this.#ignorant.size === 0) this.#joinedMs = this.#nowMs;
  }

  #knows(failure: Watched): void {
    if (failure.unknowing.size > 0 || failure.everywhereMs !== undefined) return;
    failure.everywhereMs = this.#nowMs;
    // Not before the verdict has had its time to get around.
    const index = this.#failures.indexOf(failure);
    const latestMs = failure.killedMs + awayMsMax;
    const comeBack = (): void => {
      if (failure.rounds === undefined && this.#nowMs < latestMs) this.#at(this.#nowMs + awayMs, comeBack);
      else this.#comesBack(this.#failures[index] as Watched);
    };
    this.#at(this.#nowMs + awayMs, comeBack);
  }

  #hasHeard(failure: Watched): void {
    if (failure.unheard.size > 0 || failure.version === 0 || failure.rounds !== undefined) return;
    failure.rounds = (this.#nowMs - failure.accusedMs) / intervalMs;
  }

  #comesBack(failure: Watched): void {
    failure.returnedMs = this.#nowMs;
    for (const [id, node] of this.#running) {
      if (node.liveness.state(failure.node) !== 'up') failure.unmet.add(id);
    }
    this.#start(failure.node);
  }

  #hasMet(failure: Watched): void {
    if (failure.unmet.size === 0 && failure.returnedMs !== undefined) failure.backMs ??= this.#nowMs;
  }

  #result(): MembershipResult {
    const { nodes, seconds, seed } = this.#options;
    const measuredSeconds = (this.#nowMs - this.#measuredFromMs) / 1_000;
    const rates = (pick: (sent: BytesSent) => number): { mean: number; max: number } => {
      const all = this.#sent.map((sent) => pick(sent) / measuredSeconds);
      return { mean: all.reduce((sum, rate) => sum + rate, 0) / all.length, max: Math.max(...all) };
    };
    const counters = [...this.#running.values()].map((node) => node.gossip.counters);
    const since = (ms: number | undefined, fromMs: number | undefined): number | undefined =>
      ms === undefined || fromMs === undefined ? undefined : ms - fromMs;
    return {
      nodes,
      seconds,
      seed,
      failures: this.#failures.map((failure) => ({
        node: failure.node,
        kind: failure.kind,
        firstMs: since(failure.firstMs, failure.killedMs),
        everywhereMs: since(failure.everywhereMs, failure.killedMs),
        rounds: failure.rounds,
        backMs: since(failure.backMs, failure.returnedMs),
      })),
      falseFailed: [...this.#falseFailed],
      joinRounds:
        this.#joinedMs === undefined ? undefined : (this.#joinedMs - this.#lastStartMs) / intervalMs,
      bytesPerSecond: {
        control: rates(({ control }) => control),
        gossip: rates(({ gossip }) => gossip),
        all: rates(({ control, gossip }) => control + gossip),
      },
      gossipFrameBytesMax: Math.max(...this.#sent.map(({ gossipFrameMax }) => gossipFrameMax)),
      exchanges: counters.reduce((sum, { exchanges }) => sum + exchanges, 0),
      exchangesFailed: counters.reduce((sum, { exchangesFailed }) => sum + exchangesFailed, 0),
      events: this.#scheduler.executed,
      hash: this.#scheduler.hash,
    };
  }
}

/** Members `n1`, `n2`, ..., of which a hundred at most share a zone. */
function configOf(nodes: number): Config {
  const members = Array.from({ length: nodes }, (_, i) => ({
    id: `n${i + 1}`,
    host: `n${i + 1}`,
    zone: `zone-${i % 10}`,
  }));
  return parseConfig({ file: { name: 'members', text: JSON.stringify({ node: 'n1', members }) } }).config;
}

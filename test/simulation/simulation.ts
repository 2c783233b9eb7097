/**
 * One seed, from its plan to its verdict: real nodes on simulated machines, clients with work to do, faults, and then the end
 * of all faults, after which everything must become available and converge within a bound of virtual time. TigerBeetle's
 * simulator has the same two phases (safety, then liveness).
 */

import { checkRun } from '../checkers/all-checkers.ts';
import type { KeyHistory, RunHistory, Violation } from '../checkers/history.ts';
import { resourcesAtRest } from '../checkers/resources-at-rest.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { WorkloadClient } from '../workload/client.ts';
import type { ClientTransport } from '../workload/client-transport.ts';
import { finalReads } from '../workload/final-reads.ts';
import { HistoryRecorder } from '../workload/history-recorder.ts';
import { accuse, allUp, runTrial, type TrialGround } from './detection-trial.ts';
import { guarded, realWork } from './kernel/ambient-guard.ts';
import { EventOwner, Scheduler } from './kernel/scheduler.ts';
import { epochMicros, SimulatedClock } from './kernel/simulated-clock.ts';
import { SimulatedEnv } from './kernel/simulated-env.ts';
import type { Trace } from './kernel/trace.ts';
import type { KeyName, SeedPlan } from './plan/seed-plan.ts';
import type { RunCounts, SeedResult } from './seed-result.ts';
import { Cluster } from './world/cluster.ts';
import { clusterId } from './world/simulated-process.ts';
import { eventKind, type World } from './world/world.ts';

export interface SimulationOptions {
  readonly trace?: Trace;
}

/** Bounds of virtual time in which everything must be well again once nothing fails any more. */
const readyWithinMs = 15_000;
const convergedWithinMs = 60_000;
/** A run that takes more virtual time than this hangs. */
const clientsWithinMs = 180_000;
/** Silence that began before the faults ended has been noticed and mended by then. */
const silenceOfFaultsMs = 10_000;
/** Nodes have this long to find each other before the first client calls. */
const settleMs = 1_500;

/** Longer than any message travels once the faults have ended. */
const onTheWireMs = 2_000;
/** An answer between two nodes takes less, once nothing fails. */
const countedWithinMs = 500;
/** Nodes through which each key is read at QUORUM before it is read at ALL. */
const quorumReaders = 2;
/** All replicas are looked at so often, to see whether they are equal. */
const lookMs = 20;
/** All nodes are asked so often what they think of each other. */
const judgeMs = 250;

/** A promise of progress that was not kept. */
class LivenessFailure extends Error {
  override readonly name = 'LivenessFailure';
}

/** Runs the plan. Never rejects: what goes wrong inside is in the result. Only one simulation at a time in a process. */
export async function runSeed(plan: SeedPlan, options: SimulationOptions = {}): Promise<SeedResult> {
  const simulation = new Simulation(plan, options);
  const before = process.getActiveResourcesInfo();
  let crash: string | undefined;
  const onRejection = (error: unknown): void => {
    crash ??= `a promise was rejected and nobody listened: ${textOf(error)}`;
  };
  process.on('unhandledRejection', onRejection);
  try {
    await guarded(() => simulation.run());
  } catch (error) {
    if (error instanceof LivenessFailure) simulation.violate('liveness', error.message);
    else crash ??= textOf(error);
  } finally {
    process.off('unhandledRejection', onRejection);
  }
  const real = realWork(before);
  if (real.length > 0) crash ??= `real work was begun inside the simulation: ${real.join(', ')}`;
  return simulation.result(crash);
}

class Simulation {
  readonly #plan: SeedPlan;
  readonly #scheduler = new Scheduler();
  readonly #world: World;
  readonly #cluster: Cluster;
  readonly #recorder: HistoryRecorder;
  readonly #clientOwner = new EventOwner('clients', 63);
  readonly #clientEnv: SimulatedEnv;
  readonly #violations: Violation[] = [];
  #healedMs = Number.POSITIVE_INFINITY;
  #clockErrorMs: number | undefined;
  #history: RunHistory | undefined;

  constructor(plan: SeedPlan, { trace }: SimulationOptions) {
    this.#plan = plan;
    const scheduler = this.#scheduler;
    this.#world = {
      scheduler,
      trace,
      randomFor: (name) => new SeededRandom(plan.seed * 0x1_0000 + hashOf(name)),
    };
    this.#cluster = new Cluster(this.#world, plan, (node, problem) =>
      this.violate('defect', `${node}: ${problem}`),
    );
    this.#clientEnv = new SimulatedEnv(this.#world, {
      owner: this.#clientOwner,
      clock: new SimulatedClock(scheduler, { wallOffsetMicros: 0, driftPpm: 0 }),
      random: this.#world.randomFor('client timers'),
      rarePathPercent: () => 0,
    });
    this.#recorder = new HistoryRecorder({
      clock: this.#clientEnv.clock,
      clusterId,
      trace,
      onWriteDone: (attempt) => this.#cluster.acknowledgements.writeDone(attempt),
    });
  }

  async run(): Promise<void> {
    const scheduler = this.#scheduler;
    const cluster = this.#cluster;
    cluster.startAll();
    await this.#until(() => this.#nowMs >= settleMs, settleMs + 1, 'time passes');
    const { faults } = cluster;
    const stopWatching = this.#plan.profile === 'quiet' ? this.#watchJudgements() : undefined;
    faults.schedule(this.#plan, scheduler.nowMicros);
    let working = 0;
    for (const plan of this.#plan.clients) {
      working++;
      const client = new WorkloadClient(plan, {
        env: this.#clientEnv,
        recorder: this.#recorder,
        transports: cluster.connections(plan.name, this.#clientOwner),
      });
      scheduler.at(scheduler.nowMicros, this.#clientOwner, eventKind.client, () => {
        void client.run().then(() => {
          working--;
        });
      });
    }
    const faultsOverMs = settleMs + Math.max(0, ...this.#plan.faults.map((fault) => fault.atMs));
    await this.#until(
      () => working === 0 && this.#nowMs > faultsOverMs,
      clientsWithinMs,
      'every client has an answer to every call',
    );

    faults.heal();
    cluster.acknowledgements.faultsOver();
    this.#healedMs = this.#nowMs;
    this.#clockErrorMs = cluster.clockErrorMsMax;
    cluster.forgetClockErrors();
    await this.#until(
      () => cluster.unready === undefined,
      this.#nowMs + readyWithinMs,
      'every node is ready',
      () => cluster.unready,
    );
    stopWatching?.();
    const ground = this.#trialGround();
    await allUp(ground);
    const healthy = this.#watchJudgements();
    await this.#converge();
    healthy();
    const resting = cluster.resting();
    for (const violation of resourcesAtRest(resting, this.#nowMs)) this.#violations.push(violation);
    this.#history = this.#makeHistory();
    await this.#try(ground);
    const observed = [
      ...cluster.acknowledgements.violations,
      ...cluster.collections.violations,
      ...(cluster.hints?.violations ?? []),
    ];
    this.#violations.push(...observed, ...checkRun(this.#history));
    for (const violation of this.#violations) {
      this.#world.trace?.add({
        atMicros: Math.round(violation.atMs * 1000),
        kind: 'check',
        at: '',
        key: `${violation.bucket}/${violation.key}`,
        text: `${violation.checker}: ${violation.message}`,
      });
    }
  }

  violate(checker: string, message: string): void {
    this.#violations.push({ checker, message, bucket: '', key: '', attempts: [], atMs: this.#nowMs });
  }

  result(crash: string | undefined): SeedResult {
    const history = this.#history ?? this.#makeHistory();
    const { restarts, faults, work } = this.#cluster;
    return {
      seed: this.#plan.seed,
      hash: this.#scheduler.hash,
      violations: this.#violations,
      ...(crash !== undefined && { crash }),
      counts: {
        ...countAttempts(history),
        faults: faults.injected,
        restarts,
        hintsDelivered: work.hintsDelivered,
        comparisons: work.comparisons,
        keysRepaired: work.keysRepaired,
        collected: this.#cluster.collections.collected,
        events: this.#scheduler.executed,
      },
      virtualMs: this.#nowMs,
      history,
    };
  }

  /**
   * Hints find their homes, and comparisons bring all replicas together: nobody reads meanwhile, for readers repair. Then no
   * reader finds anything to repair any more, and neither do further comparisons.
   */
  async #converge(): Promise<void> {
    const cluster = this.#cluster;
    const boundMs = this.#nowMs + convergedWithinMs;
    await this.#until(
      () => cluster.hintsLeft === 0,
      boundMs,
      'every hint is delivered',
      () => `${cluster.hintsLeft} bytes of hints are left`,
    );
    // What is on the wire since the faults still arrives, and must not arrive between the reads.
    const settledMs = this.#nowMs + onTheWireMs;
    await this.#until(() => this.#nowMs >= settledMs && cluster.isQuiet, boundMs, 'what was under way ends');
    const keys = this.#keys();
    const differing = this.#seldom(lookMs, () => cluster.differing(keys));
    await this.#until(
      () => differing() === undefined && cluster.isQuiet,
      boundMs,
      'the replicas of every key are equal, by hints and comparisons alone',
      () => this.#differenceText(cluster.differing(keys)),
    );
    // A comparison counts what it repaired when its peer has answered.
    const countedMs = this.#nowMs + countedWithinMs;
    await this.#until(() => this.#nowMs >= countedMs && cluster.isQuiet, countedMs + 10_000, 'time passes');
    const workBefore = cluster.work;
    const collectingBefore = new Set(keys.filter((key) => cluster.isBeingCollected(key)).map(pathOf));
    const transports = cluster.connections('final', this.#clientOwner);
    const before = this.#recorder.attempts;
    // A majority alone knows all that was acknowledged.
    await this.#readAll(this.#chosen(transports, quorumReaders), boundMs, 'quorum');
    await this.#readAll(transports, boundMs, 'all');
    const comparedBefore = cluster.work.keysCompared;
    const silentMs = this.#nowMs + 2 * (this.#plan.repair?.comparisonMs ?? 0);
    await this.#until(() => this.#nowMs >= silentMs && cluster.isQuiet, silentMs + 10_000, 'time passes');
    this.#checkSilence(before, workBefore.keysRepaired, comparedBefore, collectingBefore);
    const hasRot = this.#plan.faults.some(({ kind }) => kind === 'bit-flip');
    const { treesRepaired } = cluster.work;
    if (treesRepaired > 0 && !hasRot)
      this.violate(
        'defect',
        `${treesRepaired} trees were not those of the records on the disk, and no bit has rotted`,
      );
  }

  /** Nothing was repaired since all replicas were equal, but for tombstones that some have collected, and some not yet. */
  #checkSilence(
    attemptsBefore: number,
    repairedBefore: number,
    comparedBefore: number,
    collectingBefore: ReadonlySet<string>,
  ): void {
    const message = 'though all replicas were equal before';
    let collecting = 0;
    for (const { bucket, key, attempts } of this.#recorder.keys()) {
      if (collectingBefore.has(pathOf({ bucket, key })) || this.#cluster.isBeingCollected({ bucket, key })) {
        collecting++;
        continue;
      }
      const late = attempts.find(
        ({ kind, id, outcome }) =>
          kind === 'read' && id > attemptsBefore && outcome.kind === 'done' && outcome.repaired,
      );
      if (late === undefined) continue;
      this.#violations.push({
        checker: 'repair-falls-silent',
        message: `read ${late.id} repaired a replica, ${message}`,
        bucket,
        key,
        attempts: [late.id],
        atMs: late.returnedMs,
      });
    }
    if (collecting > 0) return;
    const { keysRepaired, keysCompared } = this.#cluster.work;
    const repaired = keysRepaired - repairedBefore;
    if (repaired > 0)
      this.violate('repair-falls-silent', `comparisons repaired ${repaired} keys, ${message}`);
    const compared = keysCompared - comparedBefore;
    if (compared > 0)
      this.violate(
        'repair-falls-silent',
        `comparisons went down to ${compared} keys, ${message}: hashes of equal records differ`,
      );
  }

  #differenceText(key: { readonly bucket: string; readonly key: string } | undefined): string | undefined {
    if (key === undefined) return undefined;
    const { replicas } = this.#cluster.observed(key.bucket, key.key);
    const parts = replicas.map(({ node, record, versions }) => {
      const dots = versions.map(({ dot }) => dot).join(' ');
      return `${node}: ${record === undefined ? 'nothing' : record === 'damaged' ? record : `{${dots}}`}`;
    });
    return `the homes of ${key.bucket}/${key.key} differ: ${parts.join('; ')}`;
  }

  /** Computed again only after so much virtual time: it costs more than an event. */
  #seldom<T>(everyMs: number, compute: () => T): () => T {
    let nextMs = 0;
    let last: T;
    return () => {
      if (this.#nowMs >= nextMs) {
        last = compute();
        nextMs = this.#nowMs + everyMs;
      }
      return last;
    };
  }

  /** What failure detection is put to, where nothing else happens. */
  #trialGround(): TrialGround {
    const cluster = this.#cluster;
    const accused = new Set<string>();
    return {
      nodes: this.#plan.nodes,
      nowMs: () => this.#nowMs,
      judgements: this.#seldom(lookMs, () => cluster.judgements()),
      kill: (node, how) => cluster.kill(node, how),
      start: (node) => cluster.start(node),
      separate: (a, b, on) => cluster.separate(a, b, on),
      unready: () => cluster.unready,
      until: (condition, boundMs, what) =>
        this.#until(condition, boundMs, what, () => {
          const [one] = cluster.judgements();
          return one === undefined ? undefined : `${one.node} is ${one.state} for ${one.by}: ${one.reason}`;
        }),
      violate: (checker, message) => {
        if (!accused.has(message)) this.violate(checker, message);
        accused.add(message);
      },
    };
  }

  /** From now on nobody may be taken for failed, until the result is called. */
  #watchJudgements(): () => void {
    let over = false;
    const ground = this.#trialGround();
    const look = (): void => {
      if (over) return;
      // A connection that a fault has silenced may be taken for up until its silence counts, and for failed right after.
      const isOfFaults = this.#nowMs >= this.#healedMs && this.#nowMs < this.#healedMs + silenceOfFaultsMs;
      if (!isOfFaults)
        accuse(
          this.#cluster.judgements().filter(({ state }) => state === 'failed'),
          ground,
        );
      this.#scheduler.at(
        this.#scheduler.nowMicros + judgeMs * 1000,
        this.#clientOwner,
        eventKind.client,
        look,
      );
    };
    look();
    return () => {
      over = true;
    };
  }

  async #try(ground: TrialGround): Promise<void> {
    const { trial, nodes } = this.#plan;
    if (trial === undefined) return;
    const random = this.#world.randomFor('trial');
    const first = random.pick(nodes);
    const second = random.pick(nodes.filter((node) => node !== first));
    await runTrial(trial, [first, second], ground);
  }

  #chosen(transports: readonly ClientTransport[], count: number): readonly ClientTransport[] {
    const random = this.#world.randomFor('readers');
    const left = [...transports];
    while (left.length > count) left.splice(random.below(left.length), 1);
    return left;
  }

  /** Reads every key through each of the transports, and waits until the repairs of that are done. */
  async #readAll(
    transports: readonly ClientTransport[],
    boundMs: number,
    level: 'quorum' | 'all',
  ): Promise<void> {
    let over = false;
    this.#scheduler.at(this.#scheduler.nowMicros, this.#clientOwner, eventKind.client, () => {
      void finalReads(
        this.#keys(),
        { env: this.#clientEnv, recorder: this.#recorder, transports },
        { withinMs: boundMs - this.#nowMs, level },
      ).then((unread) => {
        for (const { bucket, key, node } of unread) {
          this.violate(
            'liveness',
            `${bucket}/${key} could not be read at ${level.toUpperCase()} through ${node} after the faults`,
          );
        }
        over = true;
      });
    });
    await this.#until(() => over, boundMs + 10_000, 'the final reads end');
    await this.#until(() => this.#cluster.isQuiet, boundMs + 20_000, 'repairs and peer calls fall silent');
  }

  #keys(): readonly { readonly bucket: string; readonly key: string }[] {
    const keys = new Map<string, { readonly bucket: string; readonly key: string }>();
    for (const client of this.#plan.clients) {
      for (const key of client.keys) keys.set(`${key.bucket}/${key.key}`, key);
    }
    return [...keys.values()];
  }

  #makeHistory(): RunHistory {
    const keys: KeyHistory[] = [];
    const attempts = new Map(
      this.#recorder.keys().map((each) => [`${each.bucket}/${each.key}`, each.attempts]),
    );
    for (const { bucket, key } of this.#keys()) {
      keys.push({
        bucket,
        key,
        ...this.#cluster.observed(bucket, key),
        attempts: attempts.get(`${bucket}/${key}`) ?? [],
      });
    }
    return {
      keys,
      memoryLosses: this.#cluster.faults.memoryLosses,
      healedMs: this.#healedMs,
      endedMs: this.#nowMs,
      omniscient: true,
      ...(this.#clockErrorMs !== undefined && {
        wallClocks: {
          microsAtZero: epochMicros,
          errorMsMax: Math.max(this.#clockErrorMs, this.#cluster.clockErrorMsMax),
          errorMsAfterHeal: this.#cluster.clockErrorMsMax,
        },
      }),
    };
  }

  get #nowMs(): number {
    return this.#scheduler.nowMicros / 1000;
  }

  /** Lets time pass until the condition holds. Throws LivenessFailure after `boundMs` of virtual time. */
  async #until(
    condition: () => boolean,
    boundMs: number,
    what: string,
    why: () => string | undefined = () => undefined,
  ): Promise<void> {
    const boundMicros = boundMs * 1000;
    // Something always happens, so that time can pass.
    const tick = (): void => {
      if (!reached)
        this.#scheduler.at(this.#scheduler.nowMicros + 50_000, this.#clientOwner, eventKind.client, tick);
    };
    let reached = false;
    tick();
    await this.#scheduler.run(() => {
      reached = condition();
      if (!reached && this.#scheduler.nowMicros > boundMicros) {
        const reason = why();
        throw new LivenessFailure(
          `${what} within ${Math.round(boundMs)} ms of virtual time: not so${reason === undefined ? '' : `, ${reason}`}`,
        );
      }
      return reached;
    });
  }
}

type AttemptCounts = Pick<
  RunCounts,
  'operations' | 'acknowledged' | 'unknown' | 'notApplied' | 'reads' | 'failedReads'
>;

function countAttempts(history: RunHistory): AttemptCounts {
  const counts = { operations: 0, acknowledged: 0, unknown: 0, notApplied: 0, reads: 0, failedReads: 0 };
  for (const { attempts } of history.keys) {
    for (const attempt of attempts) {
      if (attempt.kind === 'read') {
        if (attempt.final) continue;
        if (attempt.outcome.kind === 'done') counts.reads++;
        else counts.failedReads++;
      } else if (attempt.outcome.kind === 'done') counts.acknowledged++;
      else if (attempt.outcome.kind === 'unknown') counts.unknown++;
      else counts.notApplied++;
      counts.operations++;
    }
  }
  return counts;
}

function pathOf({ bucket, key }: KeyName): string {
  return `${bucket}/${key}`;
}

function hashOf(name: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

function textOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

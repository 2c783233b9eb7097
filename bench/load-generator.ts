/**
 * The load generator: draws operations, starts them when they are due, and records what came of them. With open arrivals a
 * latency counts from the time at which the operation was due, so that a stall of the server, or of this process, is in the
 * figures of all operations that it held up (no coordinated omission).
 */

import { LatencyHistogram } from '../src/cli/load-run.ts';
import { type KeyChooser, keyChooser, seededRandom } from './key-chooser.ts';
import type { Lane } from './lane.ts';
import { type LoadJob, type LoadSamples, type LoadSecond, txnOperations } from './load-job.ts';
import { epochMs, type Window } from './measurement.ts';
import { openPipelineLane } from './pipeline-lane.ts';
import { openRedisLane } from './redis-lane.ts';
import { openUnaryLane } from './unary-lane.ts';
import { kindChooser, type OperationKind } from './ycsb.ts';

/** Answers that come later than this after the end of the load count as failures. */
const answerMsMax = 15_000;
/** Operations that are due and wait for a connection; beyond it they are shed. */
const waitingMax = 500_000;
const tickMs = 1;
const restMs = 10;
const seed = 20_071_014;

/** Opens the connections, and returns what runs until the window has ended and all is answered. */
export async function prepareLoad(
  job: LoadJob,
): Promise<(window: Window | undefined) => Promise<LoadSamples>> {
  const lanes = await Promise.all(
    Array.from({ length: job.connections }, (_, index) => {
      const endpoint = job.endpoints[index % job.endpoints.length] as string;
      return openLane(endpoint, job);
    }),
  );
  return async (window) => {
    const from = window ?? { fromMs: epochMs(), untilMs: Number.POSITIVE_INFINITY };
    const generator = new LoadGenerator(job, lanes, from);
    try {
      return await generator.run();
    } finally {
      for (const lane of lanes) lane.close();
    }
  };
}

export function openLane(endpoint: string, job: LoadJob): Promise<Lane> {
  switch (job.target) {
    case 'kindred-pipeline':
      return openPipelineLane(endpoint, job);
    case 'redis':
      return openRedisLane(endpoint, job);
    case 'kindred':
    case 'etcd':
    case 'etcd-txn':
    case 'no-op':
    case 'bare':
      return openUnaryLane(endpoint, job);
    case 'cassandra':
      throw new Error('the load of Cassandra is sent by the driver of its cluster');
  }
}

interface Due {
  readonly kind: OperationKind;
  readonly key: number;
  readonly dueMs: number;
}

class LoadGenerator {
  readonly #job: LoadJob;
  readonly #lanes: readonly Lane[];
  readonly #window: Window;
  readonly #random = seededRandom(seed);
  readonly #nextKind: () => OperationKind;
  readonly #keys: KeyChooser;
  readonly #perCall: number;
  readonly #all = new LatencyHistogram();
  readonly #byKind = new Map<OperationKind, LatencyHistogram>();
  readonly #sendLag = new LatencyHistogram();
  readonly #seconds: { latencies: LatencyHistogram; failures: number }[] = [];
  readonly #failures: Record<string, number> = {};
  #operations = 0;
  #shed = 0;
  #inFlight = 0;
  #sending = true;
  #nextNewKey: number;
  /** Inserts that were answered before one that was sent earlier. */
  readonly #insertedEarly = new Set<number>();
  #insertedUpTo: number;
  #nextLane = 0;
  #waiting: Due[] = [];
  #waitingFrom = 0;
  #idle: () => void = () => {};
  #cpuBefore = process.cpuUsage();

  constructor(job: LoadJob, lanes: readonly Lane[], window: Window) {
    this.#job = job;
    this.#lanes = lanes;
    this.#window = window;
    this.#nextKind = kindChooser(job.mix, this.#random);
    this.#keys = keyChooser(job.mix.distribution, job.keys, this.#random);
    this.#perCall = job.target === 'etcd-txn' ? txnOperations : 1;
    this.#nextNewKey = job.arrivals.kind === 'each-once' ? 0 : job.keys;
    this.#insertedUpTo = job.keys;
  }

  async run(): Promise<LoadSamples> {
    const { fromMs, untilMs } = this.#window;
    const untilIdle = new Promise<void>((resolve) => {
      this.#idle = resolve;
    });
    at(fromMs, () => {
      this.#cpuBefore = process.cpuUsage();
    });
    let cpu = process.cpuUsage(this.#cpuBefore);
    at(untilMs, () => {
      this.#sending = false;
      cpu = process.cpuUsage(this.#cpuBefore);
      if (this.#inFlight === 0 && this.#waiting.length === this.#waitingFrom) this.#idle();
    });
    if (this.#job.arrivals.kind === 'open') this.#arrive(this.#job.arrivals.perSecond);
    else {
      for (const lane of this.#lanes) {
        for (let index = 0; index < this.#job.arrivals.inFlight; index++) this.#again(lane);
      }
    }
    let giveUp: NodeJS.Timeout | undefined;
    at(untilMs, () => {
      giveUp = setTimeout(() => this.#idle(), answerMsMax);
    });
    await untilIdle;
    clearTimeout(giveUp);
    if (this.#inFlight > 0) this.#failures['no answer'] = this.#inFlight;
    if (untilMs === Number.POSITIVE_INFINITY) cpu = process.cpuUsage(this.#cpuBefore);
    return this.#samples(cpu.user + cpu.system);
  }

  /** Starts the operations of an open load as they become due: random, at the given rate. */
  #arrive(perSecond: number): void {
    const gapMs = (1000 * this.#perCall) / perSecond;
    let dueMs = epochMs();
    const tick = (): void => {
      const nowMs = epochMs();
      while (dueMs <= nowMs) {
        if (dueMs >= this.#window.untilMs) return;
        this.#due({ ...this.#draw(), dueMs });
        dueMs -= gapMs * Math.log(1 - this.#random());
      }
      setTimeout(tick, tickMs);
    };
    tick();
  }

  #due(operation: Due): void {
    const lane = this.#waiting.length > this.#waitingFrom ? undefined : this.#freeLane();
    if (lane !== undefined) {
      if (this.#counts(operation.dueMs)) this.#sendLag.add(epochMs() - operation.dueMs);
      this.#send(lane, operation);
      return;
    }
    const { arrivals } = this.#job;
    const full = this.#waiting.length - this.#waitingFrom >= waitingMax;
    if (full || (arrivals.kind === 'open' && arrivals.whenFull === 'shed')) {
      if (this.#counts(operation.dueMs)) this.#shed++;
    } else this.#waiting.push(operation);
  }

  #freeLane(): Lane | undefined {
    for (let tried = 0; tried < this.#lanes.length; tried++) {
      const lane = this.#lanes[this.#nextLane] as Lane;
      this.#nextLane = (this.#nextLane + 1) % this.#lanes.length;
      if (lane.free > 0) return lane;
    }
    return undefined;
  }

  /** The next operation of a closed load on this lane. */
  #again(lane: Lane): void {
    if (!this.#sending) return;
    if (this.#job.arrivals.kind === 'each-once') {
      const key = this.#nextNewKey;
      if (key >= this.#job.keys) {
        this.#sending = false;
        return;
      }
      this.#nextNewKey += this.#perCall;
      this.#send(lane, { kind: 'update', key, dueMs: epochMs() });
    } else this.#send(lane, { ...this.#draw(), dueMs: epochMs() });
  }

  #draw(): { readonly kind: OperationKind; readonly key: number } {
    const kind = this.#nextKind();
    return { kind, key: kind === 'insert' ? this.#nextNewKey++ : this.#keys.next() };
  }

  #send(lane: Lane, operation: Due): void {
    this.#inFlight++;
    lane.send(operation.kind, operation.key, (failure) => {
      this.#inFlight--;
      this.#answered(operation, failure);
      // A node that refuses is not asked a million times; an open load does not care.
      if (failure === undefined || this.#job.arrivals.kind === 'open') this.#goOn(lane);
      else setTimeout(() => this.#goOn(lane), restMs);
    });
  }

  #goOn(lane: Lane): void {
    if (this.#job.arrivals.kind !== 'open') {
      // A connection that is gone would fail for ever.
      if (lane.free > 0) this.#again(lane);
    } else {
      while (this.#waitingFrom < this.#waiting.length && lane.free > 0) {
        this.#send(lane, this.#waiting[this.#waitingFrom++] as Due);
      }
      if (this.#waitingFrom > 10_000) {
        this.#waiting = this.#waiting.slice(this.#waitingFrom);
        this.#waitingFrom = 0;
      }
    }
    if (this.#inFlight === 0 && !this.#sending) this.#idle();
  }

  /** A key may be read once it, and all before it, are there. */
  #inserted(key: number): void {
    this.#insertedEarly.add(key);
    while (this.#insertedEarly.delete(this.#insertedUpTo)) {
      this.#insertedUpTo++;
      this.#keys.added();
    }
  }

  #answered({ kind, key, dueMs }: Due, failure: string | undefined): void {
    const nowMs = epochMs();
    const tookMs = nowMs - dueMs;
    // Also one that failed, or nothing after it would ever be read: its readers fail too, and both are counted.
    if (kind === 'insert') this.#inserted(key);
    const second = this.#secondOf(nowMs);
    if (failure !== undefined) {
      this.#failures[failure] = (this.#failures[failure] ?? 0) + 1;
      if (second !== undefined) second.failures++;
      return;
    }
    second?.latencies.add(tookMs);
    // Of an open load, by when they were due: those that a stall held up until after the window belong to it.
    if (!this.#counts(this.#job.arrivals.kind === 'open' ? dueMs : nowMs)) return;
    this.#operations += this.#perCall;
    this.#all.add(tookMs);
    let histogram = this.#byKind.get(kind);
    if (histogram === undefined) {
      histogram = new LatencyHistogram();
      this.#byKind.set(kind, histogram);
    }
    histogram.add(tookMs);
  }

  #counts(atMs: number): boolean {
    return atMs >= this.#window.fromMs && atMs < this.#window.untilMs;
  }

  #secondOf(nowMs: number): { latencies: LatencyHistogram; failures: number } | undefined {
    if (!this.#counts(nowMs)) return undefined;
    const index = Math.floor((nowMs - this.#window.fromMs) / 1000);
    while (this.#seconds.length <= index) {
      this.#seconds.push({ latencies: new LatencyHistogram(), failures: 0 });
    }
    return this.#seconds[index];
  }

  #samples(cpuMicros: number): LoadSamples {
    const failures = Object.values(this.#failures).reduce((sum, count) => sum + count, 0);
    const [firstFailure] = Object.keys(this.#failures);
    return {
      operations: this.#operations,
      failures,
      firstFailure,
      p50Ms: this.#all.quantileMs(0.5),
      p90Ms: this.#all.quantileMs(0.9),
      p99Ms: this.#all.quantileMs(0.99),
      p999Ms: this.#all.quantileMs(0.999),
      maxMs: this.#all.maxMs,
      byKind: Object.fromEntries(
        [...this.#byKind].map(([kind, latencies]) => [
          kind,
          {
            operations: latencies.count * this.#perCall,
            p50Ms: latencies.quantileMs(0.5),
            p99Ms: latencies.quantileMs(0.99),
          },
        ]),
      ),
      failuresByCode: this.#failures,
      shed: this.#shed,
      sendLagP99Ms: this.#sendLag.quantileMs(0.99),
      generatorCpuMicros: this.#operations === 0 ? 0 : cpuMicros / this.#operations,
      seconds: this.#seconds.map(
        ({ latencies, failures: failed }): LoadSecond => ({
          operations: latencies.count * this.#perCall,
          failures: failed,
          p99Ms: latencies.quantileMs(0.99),
        }),
      ),
    };
  }
}

/** Calls back at that time; never for one that never comes. */
function at(atMs: number, then: () => void): void {
  if (atMs !== Number.POSITIVE_INFINITY) setTimeout(then, Math.max(0, atMs - epochMs()));
}

/**
 * The load on a cluster in a chaos run, and the judgement of what it saw: the clients and the checkers of the simulator, over
 * sockets.
 */

import { systemEnv } from '../../src/env/system-env.ts';
import { checkRun } from '../checkers/all-checkers.ts';
import type { KeyHistory, MemoryLoss, RunHistory, Violation } from '../checkers/history.ts';
import { type RestingNode, resourcesAtRest } from '../checkers/resources-at-rest.ts';
import { type RealNode, until } from '../support/real-cluster.ts';
import type { SeededRandom } from '../support/seeded-random.ts';
import { WorkloadClient, type WorkloadClientDependencies } from '../workload/client.ts';
import type { ClientTransport } from '../workload/client-transport.ts';
import { finalReads } from '../workload/final-reads.ts';
import { GrpcTransport } from '../workload/grpc-transport.ts';
import { HistoryRecorder, type RecordedKey } from '../workload/history-recorder.ts';
import { conflictPolicyOf } from '../workload/workload-buckets.ts';
import { guardedTransport } from './guarded-transport.ts';
import { Ledger } from './ledger.ts';
import { roundClients } from './round-clients.ts';
import { storedReplicas } from './stored-replicas.ts';

export interface LoadCounts {
  readonly acknowledged: number;
  readonly unknown: number;
  readonly notApplied: number;
  readonly readsDone: number;
  readonly readsFailed: number;
}

/** What contradicts the contract, a sentence each. */
export interface Findings {
  readonly lost: readonly string[];
  readonly untrue: readonly string[];
  readonly other: readonly string[];
}

/** With all that is known of the keys in question. */
export interface Judgement extends Findings {
  readonly evidence: readonly KeyHistory[];
}

const ledgersPerRound = 3;
const connectionSets = 3;
const finalReadsWithinMs = 60_000;
const restWithinMs = 30_000;
const inspectionsAtOnce = 8;
const inspectionAttemptsMax = 3;
const inspectionFailuresMax = 8;

interface Runnable {
  run(): Promise<void>;
  stop(): void;
}

export class ChaosLoad {
  readonly #env = systemEnv();
  readonly #nodes: readonly RealNode[];
  readonly #random: SeededRandom;
  readonly #recorder: HistoryRecorder;
  readonly #memoryLosses: MemoryLoss[] = [];
  /** Answers that no correct server gives, and at which a client gave up. */
  readonly #senseless: string[] = [];
  #transports: GrpcTransport[] = [];
  #clients: readonly Runnable[] = [];
  #running: Promise<unknown> = Promise.resolve();

  constructor(
    nodes: readonly RealNode[],
    options: { readonly clusterId: string; readonly random: SeededRandom },
  ) {
    this.#nodes = nodes;
    this.#random = options.random;
    this.#recorder = new HistoryRecorder({ clock: this.#env.clock, clusterId: options.clusterId });
  }

  /** What has ended so far. Final reads are not counted. */
  get counts(): LoadCounts {
    const counts = { acknowledged: 0, unknown: 0, notApplied: 0, readsDone: 0, readsFailed: 0 };
    for (const { attempts } of this.#recorder.keys()) {
      for (const attempt of attempts) {
        if (attempt.returnedMs === Number.POSITIVE_INFINITY) continue;
        if (attempt.kind === 'read') {
          if (attempt.final) continue;
          if (attempt.outcome.kind === 'done') counts.readsDone++;
          else counts.readsFailed++;
        } else if (attempt.outcome.kind === 'done') counts.acknowledged++;
        else if (attempt.outcome.kind === 'unknown') counts.unknown++;
        else counts.notApplied++;
      }
    }
    return counts;
  }

  /** Starts the clients of a round, after those of the round before have ended. */
  async startRound(round: number): Promise<void> {
    await this.stop();
    // Each with a connection of its own would be a storm of dialling when nodes die, which takes the time of starting them.
    const sets = Array.from({ length: connectionSets }, () => this.#connections());
    const dependencies = (index: number): WorkloadClientDependencies => ({
      env: this.#env,
      recorder: this.#recorder,
      transports: sets[index % connectionSets] as readonly ClientTransport[],
    });
    const ledgers = Array.from({ length: ledgersPerRound }, (_, index) => {
      return new Ledger(
        { name: `r${round}-ledger-${index + 1}`, seed: this.#random.next() },
        dependencies(index),
      );
    });
    const clients = roundClients(round, this.#random).map(
      (plan, index) => new WorkloadClient(plan, dependencies(index)),
    );
    this.#clients = [...ledgers, ...clients];
    this.#running = Promise.all(this.#clients.map((client) => client.run().catch(this.#noteSenseless)));
  }

  /** Ends all clients after what each is at. */
  async stop(): Promise<void> {
    for (const client of this.#clients) client.stop();
    await this.#running;
    for (const transport of this.#transports) transport.close();
    this.#transports = [];
    this.#clients = [];
  }

  /** A machine lost power, and what was not fsynced. */
  lostUnsynced(node: RealNode): void {
    this.#memoryLosses.push({ node: node.id, atMs: this.#nowMs(), lost: 'unsynced' });
  }

  /**
   * Waits until hints are delivered, reads every key at ALL through every node, and has the checkers judge. The load has
   * stopped, and nothing is broken.
   */
  async judge(): Promise<Judgement> {
    const other: string[] = [];
    const healedMs = this.#nowMs();
    const restless = resourcesAtRest(await this.#nodesAtRest());
    if (restless.length > 0) {
      const why = restless.map(({ message }) => message).join('; ');
      other.push(`no rest ${restWithinMs} ms after the load: ${why}`);
    }
    const transports = this.#connections();
    const dependencies = { env: this.#env, recorder: this.#recorder, transports };
    const unread = await finalReads(this.#recorder.keys(), dependencies, { withinMs: finalReadsWithinMs });
    for (const { bucket, key, node } of unread)
      other.push(`${bucket}/${key} is not to be read at ALL through ${node}`);
    const resting = await this.#nodesAtRest();
    const run: RunHistory = {
      keys: await this.#keyHistories(other),
      memoryLosses: this.#memoryLosses,
      healedMs,
      endedMs: this.#nowMs(),
      omniscient: false,
    };
    for (const transport of this.#transports) transport.close();
    this.#transports = [];
    const violations = [...resourcesAtRest(resting), ...checkRun(run)];
    const evidence = run.keys.filter(({ bucket, key }) =>
      violations.some((violation) => violation.bucket === bucket && violation.key === key),
    );
    const findings = sorted(violations);
    const untrue = [...this.#senseless, ...findings.untrue];
    return { ...findings, untrue, other: [...other, ...findings.other], evidence };
  }

  #nowMs(): number {
    return this.#env.clock.monotonicMs();
  }

  #connections(): readonly ClientTransport[] {
    const made = this.#nodes.map(
      ({ id, host, ports }) => new GrpcTransport({ node: id, address: `${host}:${ports.client}` }, this.#env),
    );
    this.#transports.push(...made);
    return made.map((transport) => guardedTransport(transport, this.#noteSenseless));
  }

  readonly #noteSenseless = (error: unknown): void => {
    const atMs = Math.round(this.#nowMs());
    this.#senseless.push(
      `an answer made no sense at ${atMs} ms: ${error instanceof Error ? error.message : error}`,
    );
  };

  /**
   * The nodes when none has anything under way, or as they are after the time. Now and then one is always being compared with
   * another, so a single look may find a call that is no leak.
   */
  async #nodesAtRest(): Promise<readonly RestingNode[]> {
    let seen: readonly RestingNode[] = [];
    const atRest = async (): Promise<boolean> => {
      seen = await this.#restingNodes();
      return resourcesAtRest(seen).length === 0;
    };
    await until(atRest, restWithinMs).catch((error: unknown) => {
      // Nobody was heard: that is no rest.
      if (seen.length === 0) throw error;
    });
    return seen;
  }

  async #restingNodes(): Promise<readonly RestingNode[]> {
    return await Promise.all(
      this.#nodes.map(async ({ id, diagnostics }) => {
        const { gauges } = await diagnostics.getNodeStatus({}, { signal: AbortSignal.timeout(2_000) });
        return { node: id, gauges: withoutTheQuestion(gauges) };
      }),
    );
  }

  /** `wrong` is told of keys whose replicas do not say what they hold; these are left out. */
  async #keyHistories(wrong: string[]): Promise<readonly KeyHistory[]> {
    const keys = this.#recorder.keys();
    const histories: KeyHistory[] = [];
    let failures = 0;
    for (let from = 0; from < keys.length; from += inspectionsAtOnce) {
      const some = keys.slice(from, from + inspectionsAtOnce);
      const found = await Promise.all(some.map((key, index) => this.#keyHistory(key, from + index)));
      for (const one of found) {
        if (typeof one === 'string') {
          wrong.push(one);
          failures++;
        } else histories.push(one);
      }
      // Each takes until its time-out, and more would say no more.
      if (failures >= inspectionFailuresMax) {
        wrong.push(
          `the last ${keys.length - histories.length - failures} keys were not inspected, nor judged`,
        );
        break;
      }
    }
    return histories;
  }

  async #keyHistory({ bucket, key, attempts }: RecordedKey, index: number): Promise<KeyHistory | string> {
    let failure: unknown;
    for (let attempt = 0; attempt < inspectionAttemptsMax; attempt++) {
      const through = this.#nodes[(index + attempt) % this.#nodes.length] as RealNode;
      try {
        const replicas = await storedReplicas(through, { bucket, key });
        const homes = replicas.map(({ node }) => node);
        const conflictPolicy = conflictPolicyOf(bucket);
        return { bucket, key, conflictPolicy, homes, attempts, witnessed: [], replicas };
      } catch (error) {
        failure = error;
      }
    }
    return `${bucket}/${key} cannot be inspected: ${failure instanceof Error ? failure.message : failure}`;
  }
}

/** The request that asks for the gauges is under way itself. */
function withoutTheQuestion(gauges: Readonly<Record<string, number>>): Readonly<Record<string, number>> {
  return gauges['requests_in_flight'] === 1
    ? { ...gauges, requests_in_flight: 0, request_bytes_in_flight: 0 }
    : gauges;
}

/** Which promise a checker is about. All that are not named are about neither. */
const promiseOf: ReadonlyMap<string, 'lost' | 'untrue'> = new Map([
  ['acknowledged-not-lost', 'lost'],
  ['error-reports', 'untrue'],
  ['not-applied-never-read', 'untrue'],
]);

function sorted(violations: readonly Violation[]): Findings {
  const findings = { lost: [] as string[], untrue: [] as string[], other: [] as string[] };
  const told = new Set<string>();
  for (const { checker, bucket, key, message, attempts } of violations) {
    // A write that is gone is missed by every read after it: once is enough to count it.
    const subject = `${checker} ${bucket}/${key} ${attempts[0] ?? message}`;
    if (told.has(subject)) continue;
    told.add(subject);
    findings[promiseOf.get(checker) ?? 'other'].push(`${checker}: ${bucket}/${key}: ${message}`);
  }
  return findings;
}

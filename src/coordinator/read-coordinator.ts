/** The reading half of the coordinator: reads at a level, and the repair of replicas that were found behind. */

import type { Throttle } from '../core/background/throttle.ts';
import { MalformedError } from '../core/binary.ts';
import type { Bucket } from '../core/bucket.ts';
import type { VersionedRecord } from '../core/causality/record.ts';
import { OperationError } from '../core/coordinator/failure.ts';
import type { ReadCore } from '../core/coordinator/read-core.ts';
import type { NodeId } from '../core/identity.ts';
import {
  quorumOf,
  requirementOf,
  restoreAnswersOf,
  type Strength,
} from '../core/quorum/consistency-level.ts';
import type { Env } from '../env/env.ts';
import { findWrite } from './inspection.ts';
import type { ReadOperation, ReadResult, WriteOutcomeResult } from './operation.ts';
import type { PreferenceLists } from './preference-list.ts';
import { type ReadAttempt, ReadRun, type ReadRunDependencies, type ReadRunResult } from './read-run.ts';
import { invalidLevel } from './refusal.ts';
import { RepairBacklog } from './repair-backlog.ts';
import { type ReadAnswer, type ReplicaClient, recordOf } from './replica-client.ts';

export interface CoordinatorObserver {
  readRepair(kind: 'blocking' | 'background', replicas: number): void;
  hedged(): void;
  /** A read or a write met as many siblings as the bucket warns of, or more. */
  manySiblings(bucket: Bucket, recordKey: Uint8Array, siblings: number): void;
}

export interface ReadCoordinatorDependencies {
  readonly self: NodeId;
  readonly env: Env;
  readonly clientOf: (node: NodeId) => ReplicaClient;
  readonly lists: PreferenceLists;
  readonly observe: CoordinatorObserver;
  /** Where repairs that no client waits for take their tokens. */
  readonly repairThrottle: Throttle;
  /** Told of a key whose record is damaged on this node, and of which every other home holds nothing: no repair can come of that. */
  readonly giveUpDamaged: (recordKey: Uint8Array) => void;
}

export interface ReadCoordinatorOptions {
  /** A read asks one more replica after this many times the usual latency; 0: never. */
  readonly hedgeFactor: number;
  readonly hedgeMsMin: number;
  /** Chance that a read below QUORUM is checked against all replicas afterwards, from 0 to 1. */
  readonly repairChance: number;
  /** Background repairs waiting or running; more are dropped. */
  readonly repairsMax: number;
}

/** What a repair found out. */
export interface RepairOutcome {
  /** So many intact replicas were heard that a damaged record need not be waited for: what they hold is all there is. */
  readonly restorable: boolean;
}

const repairMs = 5_000;
/** How long this node's own replica may take: it answers at once. */
const localMs = 1;

export class ReadCoordinator {
  readonly #deps: ReadCoordinatorDependencies;
  readonly #options: ReadCoordinatorOptions;
  readonly #repairs: RepairBacklog;
  readonly #runDeps: ReadRunDependencies;

  constructor(dependencies: ReadCoordinatorDependencies, options: ReadCoordinatorOptions) {
    this.#deps = dependencies;
    this.#options = options;
    const { env, clientOf, observe, repairThrottle } = dependencies;
    this.#runDeps = { env, clientOf, onHedge: () => observe.hedged() };
    this.#repairs = new RepairBacklog(options.repairsMax, ({ bucket, recordKey }, done) => {
      // By the key alone: how many bytes it takes is known only when it is done, and few run at once.
      void repairThrottle
        .take(1, 0)
        .then(() => this.#repairAll(bucket, recordKey, Number.POSITIVE_INFINITY, done));
    });
  }

  /** Background repairs that wait or run now. */
  get repairsPending(): number {
    return this.#repairs.pending;
  }

  async read(operation: ReadOperation): Promise<ReadResult> {
    const { bucket, recordKey, strength } = operation;
    const { lists, env, observe, self } = this.#deps;
    const { homes, layoutVersion } = lists.place(bucket.replication, recordKey);
    const wanted = attemptOf(strength, homes.length);
    if (wanted.required === 1) {
      const here = this.#readHere(operation, homes, layoutVersion);
      if (here !== undefined) return here;
    }
    const nearest = lists.up(homes);
    // Rare path, safe: the order saves time, and any home may answer.
    const candidates = env.rarePath('read-farthest-first') ? nearest.toReversed() : nearest;
    const levels: Strength[] = [strength];
    const attempts = [wanted];
    for (const level of operation.fallback) {
      const weaker: Strength = { kind: 'level', level };
      levels.push(weaker);
      attempts.push(attemptOf(weaker, homes.length));
    }
    // Levels that cannot be met by those that are up are not even tried.
    const first = attempts.findIndex((attempt) => attempt.required <= candidates.length);
    if (first < 0) {
      const required = (attempts.at(-1) as ReadAttempt).required;
      throw new OperationError({ kind: 'not-enough-replicas', required, alive: candidates.length });
    }
    const result = await this.#run(operation, homes.length, candidates, attempts.slice(first));
    if (result.kind !== 'answer') {
      // What it has found out is not forgotten: at ALL, nobody else would ever repair a damaged record.
      if (result.core.behind().length > 0) this.repairLater(bucket, recordKey);
      throw readFailure(result.kind, result.core, candidates.length);
    }

    const { core, record, repairStarted } = result;
    const blocking = (attempts[first + result.attempt] as ReadAttempt).blockingRepair;
    const behind = core.behind();
    if (repairStarted) observe.readRepair('blocking', 1);
    const siblings = record?.versions.length ?? 0;
    if (siblings >= bucket.siblingsWarn) observe.manySiblings(bucket, recordKey, siblings);
    const checkAll =
      (!blocking && env.random.fraction() < this.#options.repairChance) ||
      // Safe: a repair merges what the replicas hold already.
      env.rarePath('repair-needlessly');
    if (behind.length > 0 || checkAll) this.repairLater(bucket, recordKey);
    return {
      record,
      report: {
        achieved: levels[first + result.attempt] as Strength,
        asked: core.asked,
        answered: core.answered,
        agreed: core.agreed,
        repairStarted: repairStarted || behind.length > 0,
        coordinator: self,
        layoutVersion,
      },
    };
  }

  /**
   * A read that one answer satisfies, of a key that this node has a copy of: no run, no promise, no other node. `undefined`
   * where that is not so, and where the copy cannot be read: then others are asked.
   */
  #readHere(
    operation: ReadOperation,
    homes: readonly NodeId[],
    layoutVersion: number,
  ): ReadResult | undefined {
    const { bucket, recordKey, strength, minContext } = operation;
    const { env, observe, self, clientOf } = this.#deps;
    // Rare path, safe: the other way reads the same, from whomever.
    if (minContext !== undefined || !homes.includes(self) || env.rarePath('read-farthest-first'))
      return undefined;
    const copy = readOnce(clientOf(self), recordKey);
    if (copy === undefined) return undefined;
    const { record } = copy;
    const siblings = record?.versions.length ?? 0;
    if (siblings >= bucket.siblingsWarn) observe.manySiblings(bucket, recordKey, siblings);
    const mayDiffer = homes.length > 1 && env.random.fraction() < this.#options.repairChance;
    if (mayDiffer || env.rarePath('repair-needlessly')) this.repairLater(bucket, recordKey);
    return {
      record,
      report: {
        achieved: strength,
        asked: 1,
        answered: 1,
        agreed: 1,
        repairStarted: false,
        coordinator: self,
        layoutVersion,
      },
    };
  }

  async findWrite(operation: ReadOperation, requestId: Uint8Array): Promise<WriteOutcomeResult> {
    const { bucket, recordKey, strength, deadlineMs } = operation;
    const { lists, clientOf, env } = this.#deps;
    const { homes } = lists.place(bucket.replication, recordKey);
    const { required } = attemptOf(strength, homes.length);
    const candidates = lists.up(homes);
    if (candidates.length < required) {
      throw new OperationError({ kind: 'not-enough-replicas', required, alive: candidates.length });
    }
    const timeoutMs = Math.max(1, deadlineMs - env.clock.monotonicMs());
    const found = await findWrite(candidates.map(clientOf), recordKey, requestId, required, timeoutMs);
    if (found.kind === 'unmet') {
      const { answered, failures } = found;
      const timedOut = failures.some((failure) => failure.reason === 'timed-out');
      throw new OperationError({
        kind: timedOut ? 'quorum-timeout' : 'replica-failure',
        outcome: 'not-a-write',
        required,
        alive: candidates.length,
        answered,
        failures,
      });
    }
    return found;
  }

  /** Compares and repairs the key's replicas when there is time. */
  repairLater(bucket: Bucket, recordKey: Uint8Array): void {
    // Safe: a full backlog drops them too, and the next read of the key finds what is left of the difference.
    if (this.#deps.env.rarePath('repair-backlog-full')) return;
    this.#repairs.add({ bucket, recordKey });
  }

  /** Compares and repairs the key's replicas at once, as many as can be reached before the deadline. */
  repairNow(bucket: Bucket, recordKey: Uint8Array, deadlineMs: number): Promise<RepairOutcome> {
    return new Promise((resolve) => this.#repairAll(bucket, recordKey, deadlineMs, resolve));
  }

  #run(
    operation: ReadOperation,
    n: number,
    candidates: readonly NodeId[],
    attempts: readonly ReadAttempt[],
  ): Promise<ReadRunResult> {
    return new Promise((resolve) => {
      const options = {
        recordKey: operation.recordKey,
        bucket: operation.bucket,
        candidates,
        restoreAnswers: restoreAnswersOf(n),
        attempts,
        minContext: operation.minContext,
        deadlineMs: operation.deadlineMs,
        hedgeAfterMs: this.#hedgeAfterMs(candidates, (attempts[0] as ReadAttempt).required),
      };
      new ReadRun(this.#runDeps, options, resolve).start();
    });
  }

  /** Reads the key from all that are up and repairs whoever is behind. Calls `done` whatever becomes of it: the next read tries again. */
  #repairAll(
    bucket: Bucket,
    recordKey: Uint8Array,
    deadlineMs: number,
    done: (outcome: RepairOutcome) => void,
  ): void {
    const { lists, env, observe, self, giveUpDamaged } = this.#deps;
    const { homes } = lists.place(bucket.replication, recordKey);
    const candidates = lists.up(homes);
    const restoreAnswers = restoreAnswersOf(homes.length);
    if (candidates.length < 2) {
      done({ restorable: restoreAnswers === 0 });
      return;
    }
    const attempts: ReadAttempt[] = [];
    for (let required = candidates.length; required >= 1; required--)
      attempts.push({ required, blockingRepair: true });
    const options = {
      recordKey,
      bucket,
      candidates,
      restoreAnswers,
      attempts,
      minContext: undefined,
      deadlineMs: Math.min(deadlineMs, env.clock.monotonicMs() + repairMs),
      hedgeAfterMs: undefined,
    };
    new ReadRun(this.#runDeps, options, (result) => {
      if (result.kind === 'answer' && result.repairStarted) observe.readRepair('background', 1);
      if (result.kind === 'answer' && isLostHere(result, self, homes.length)) giveUpDamaged(recordKey);
      done({ restorable: result.core.answered >= restoreAnswers });
    }).start();
  }

  #hedgeAfterMs(candidates: readonly NodeId[], required: number): number | undefined {
    const { hedgeFactor, hedgeMsMin } = this.#options;
    // Nobody left to ask, or nobody but this node is asked at first.
    if (hedgeFactor === 0 || candidates.length <= required) return undefined;
    // Safe: the answers of more replicas than the level needs only say more.
    if (this.#deps.env.rarePath('hedge-at-once')) return 0;
    const usual = this.#deps.lists.usualMs(candidates.slice(0, required));
    return usual === undefined ? undefined : Math.max(hedgeMsMin, usual * hedgeFactor);
  }
}

/** What a replica that answers before it returns holds. `undefined`: it cannot be read, or what it holds is no record. */
function readOnce(
  replica: ReplicaClient,
  recordKey: Uint8Array,
): { readonly record: VersionedRecord | undefined } | undefined {
  let answer: ReadAnswer | undefined;
  replica.read(recordKey, false, localMs, (given) => {
    answer = given;
  });
  // What the callback assigns is not seen by the compiler.
  const given = answer as ReadAnswer | undefined;
  if (given?.kind !== 'record') return undefined;
  try {
    return { record: recordOf(given) };
  } catch (error) {
    if (!(error instanceof MalformedError)) throw error;
    return undefined;
  }
}

/** Whether all other homes have said that they hold nothing, and what this node holds is damaged. */
function isLostHere(
  { record, core }: Extract<ReadRunResult, { readonly kind: 'answer' }>,
  self: NodeId,
  homes: number,
): boolean {
  if (record !== undefined || core.answered !== homes - 1) return false;
  return core.failures.some(({ node, reason }) => node === self && reason === 'record-damaged');
}

function attemptOf(strength: Strength, n: number): ReadAttempt {
  const requirement = requirementOf(strength, n, 'read');
  if (requirement.kind === 'invalid') throw new OperationError(invalidLevel(requirement.problem));
  return { required: requirement.answers, blockingRepair: requirement.answers >= quorumOf(n) };
}

function readFailure(kind: 'unmet' | 'context-not-reached', core: ReadCore, alive: number): OperationError {
  const { required, answered, failures } = core;
  if (kind === 'context-not-reached') {
    return new OperationError({ kind, required, alive, answered, failures });
  }
  const timedOut = failures.some((failure) => failure.reason === 'timed-out');
  return new OperationError({
    kind: timedOut ? 'quorum-timeout' : 'replica-failure',
    outcome: 'not-a-write',
    required,
    alive,
    answered,
    failures,
  });
}

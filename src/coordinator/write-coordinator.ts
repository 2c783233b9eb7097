/**
 * The writing half of the coordinator: makes the version on this node's replica and carries it to the other homes, passes
 * the operation on when this node is no home of the key, or keeps hints when no home is up and the level allows it.
 */

import type { Bucket } from '../core/bucket.ts';
import type { CausalContext } from '../core/causality/context-token.ts';
import type { WriteIntent } from '../core/causality/coordinated-write.ts';
import type { Dot } from '../core/causality/dot.ts';
import type { VersionedRecord } from '../core/causality/record.ts';
import { OperationError, type ReplicaFailure } from '../core/coordinator/failure.ts';
import type { WriteCore } from '../core/coordinator/write-core.ts';
import type { NodeId, PartitionId } from '../core/identity.ts';
import { type Requirement, requirementOf, type Strength } from '../core/quorum/consistency-level.ts';
import type { Env } from '../env/env.ts';
import type { EngineError } from '../storage/engine.ts';
import type { WriteOperation, WriteReport, WriteResult } from './operation.ts';
import type { Placed, PreferenceLists } from './preference-list.ts';
import type { CoordinatorObserver, ReadCoordinator } from './read-coordinator.ts';
import { failedStorage, invalidLevel, type RefusedWrite, refusedWrite } from './refusal.ts';
import type { ForwardAnswer, ReplicaClient } from './replica-client.ts';
import { WriteRun } from './write-run.ts';

interface MadeVersion {
  readonly kind: 'written';
  readonly dot: Dot;
  readonly context: CausalContext;
  readonly record: VersionedRecord;
  readonly replayed: boolean;
}

interface RefusedVersion {
  readonly kind: 'refused';
  readonly why: RefusedWrite;
  readonly record: VersionedRecord | undefined;
}

interface FailedStorage {
  readonly kind: 'storage-failed';
  readonly begun: boolean;
  readonly error: EngineError;
}

/** `mayBegin` said no: nothing was done. */
interface AbandonedWrite {
  readonly kind: 'abandoned';
}

/** What this node's own replica does for the coordinator. */
export interface CoordinatingReplica {
  coordinate(
    key: { readonly recordKey: Uint8Array; readonly partition: PartitionId; readonly bucket: Bucket },
    intent: WriteIntent,
    options: {
      readonly sync: boolean;
      readonly forgetDamaged: boolean;
      /** Asked right before anything is changed. */
      readonly mayBegin: () => boolean;
    },
  ): Promise<
    | (MadeVersion & { readonly bytes: Uint8Array })
    | RefusedVersion
    | { readonly kind: 'damaged' }
    | AbandonedWrite
    | FailedStorage
  >;
}

/** Durable hints, for writes at ANY when no home replica is up. */
export interface HintedWrites {
  write(
    key: { readonly recordKey: Uint8Array; readonly bucket: Bucket },
    targets: readonly NodeId[],
    intent: WriteIntent,
    mayBegin: () => boolean,
  ): Promise<
    | (MadeVersion & {
        /** Hints stored: one for each target, but for those that found no room. */
        readonly hinted: number;
      })
    | RefusedVersion
    /** The bound on hints is met: nothing was stored. */
    | { readonly kind: 'full' }
    | AbandonedWrite
    | FailedStorage
  >;
}

export interface WriteCoordinatorDependencies {
  readonly self: NodeId;
  readonly env: Env;
  readonly clientOf: (node: NodeId) => ReplicaClient;
  readonly lists: PreferenceLists;
  readonly replica: CoordinatingReplica;
  readonly hints: HintedWrites;
  readonly observe: Pick<CoordinatorObserver, 'manySiblings'>;
  readonly reads: Pick<ReadCoordinator, 'repairNow' | 'repairLater'>;
}

type Required = Extract<Requirement, { readonly kind: 'required' }>;

/** The other homes have at least this long to take a record, also where the caller waits less. */
const deliveryMsMin = 1_000;

/** The caller's patience with this node's own disk, which has no time-out of its own. */
class Patience {
  #begun = false;
  #over = false;
  readonly mayBegin = (): boolean => {
    if (this.#over) return false;
    this.#begun = true;
    return true;
  };

  /** The time is up. True when nothing was begun: then nothing will be. */
  end(): boolean {
    this.#over = true;
    return !this.#begun;
  }
}

export class WriteCoordinator {
  readonly #deps: WriteCoordinatorDependencies;

  constructor(dependencies: WriteCoordinatorDependencies) {
    this.#deps = dependencies;
  }

  async write(operation: WriteOperation): Promise<WriteResult> {
    const { bucket, recordKey, strength } = operation;
    const { lists, self } = this.#deps;
    const placed = lists.place(bucket.replication, recordKey);
    const { homes } = placed;
    const requirement = requirementOf(strength, homes.length, 'write');
    if (requirement.kind === 'invalid') throw new OperationError(invalidLevel(requirement.problem));
    const alive = lists.countUp(homes);
    const hinted = requirement.hintCounts && alive === 0;
    if (!hinted && alive < requirement.answers) {
      throw new OperationError({ kind: 'not-enough-replicas', required: requirement.answers, alive });
    }
    if (hinted) return this.#writeHints(operation, placed);
    if (!homes.includes(self)) return this.#forward(operation, placed, lists.up(homes), requirement);
    return this.#replicate(operation, placed, alive, requirement.answers);
  }

  /** First this node's replica, then all the others. One timer for both. */
  #replicate(
    operation: WriteOperation,
    placed: Placed,
    alive: number,
    required: number,
  ): Promise<WriteResult> {
    const { recordKey, bucket, strength, durability, deadlineMs } = operation;
    const { self, env, clientOf, reads, observe } = this.#deps;
    const sync = durability !== 'buffered';
    return new Promise((resolve, reject) => {
      const patience = new Patience();
      let run: WriteRun | undefined;
      const timer = env.timers.after(this.#remainingMs(deadlineMs), () => {
        if (run === undefined) reject(expired(patience.end()));
        else run.expire();
      });
      const fail = (error: unknown): void => {
        timer.cancel();
        reject(error);
      };
      this.#coordinate(operation, placed, sync, patience.mayBegin)
        .then((written) => {
          const siblings = written.record.versions.length;
          if (siblings >= bucket.siblingsWarn) observe.manySiblings(bucket, recordKey, siblings);
          // Also when the caller has given up by now: the version exists, and all its homes shall have it.
          run = new WriteRun(
            { clientOf, onDamaged: () => reads.repairLater(bucket, recordKey) },
            {
              self,
              homes: placed.homes,
              recordKey,
              bytes: written.bytes,
              required,
              selfSynced: sync,
              syncOthers: durability === 'sync-quorum',
              timeoutMs: Math.max(deliveryMsMin, this.#remainingMs(deadlineMs)),
            },
            ({ kind, core }) => {
              timer.cancel();
              if (kind === 'unmet') {
                reject(writeFailure(core, alive));
                return;
              }
              const { dot, context, replayed } = written;
              const { acked, synced } = core;
              const report = { ...this.#report(strength, placed), acked, synced, replayed };
              resolve({ kind: 'written', dot, context, report });
            },
          );
          run.start();
        })
        .catch(fail);
    });
  }

  async #coordinate(
    operation: WriteOperation,
    placed: Placed,
    sync: boolean,
    mayBegin: () => boolean,
  ): Promise<MadeVersion & { readonly bytes: Uint8Array }> {
    const { bucket, recordKey, intent, deadlineMs } = operation;
    const { replica, reads } = this.#deps;
    const key = { recordKey, partition: placed.partition, bucket };
    let written = await replica.coordinate(key, intent, { sync, forgetDamaged: false, mayBegin });
    const behind = written.kind === 'refused' && written.why === 'context-not-reached';
    if (written.kind === 'damaged' || behind) {
      // Catch up with the peers first. For a damaged record what they hold replaces it: what only this replica held is
      // lost, and its epochs are never continued. With too few peers it stays: they might not hold what it acknowledged.
      const { restorable } = await reads.repairNow(bucket, recordKey, deadlineMs);
      written = await replica.coordinate(key, intent, { sync, forgetDamaged: restorable, mayBegin });
    }
    switch (written.kind) {
      case 'written':
        return written;
      case 'refused':
        throw new OperationError(refusedWrite(written.why, written.record, bucket));
      case 'storage-failed':
        throw new OperationError(failedStorage(written.error, written.begun));
      case 'abandoned':
        throw expired(true);
      case 'damaged':
        throw new OperationError({
          kind: 'storage-failed',
          outcome: 'not-applied',
          problem:
            'the record of this key is damaged on this node, and too few of its other replicas answer to restore it',
        });
    }
  }

  /** To the best home that takes it. Only what certainly did nothing there is tried through another. */
  async #forward(
    operation: WriteOperation,
    placed: Placed,
    alive: readonly NodeId[],
    requirement: Required,
  ): Promise<WriteResult> {
    const { encodeForwarded, deadlineMs } = operation;
    if (encodeForwarded === undefined) {
      throw new OperationError({
        kind: 'invalid',
        reason: 'invalid-request',
        field: 'key',
        problem: 'passed on to a node that is no replica of the key: the nodes disagree about the layout',
      });
    }
    const bytes = encodeForwarded();
    const failures: ReplicaFailure[] = [];
    for (const node of alive) {
      if (this.#deps.env.clock.monotonicMs() >= deadlineMs) throw expired(true);
      // A little less than is left, so that the other node's own verdict arrives before ours.
      const timeoutMs = Math.max(1, this.#remainingMs(deadlineMs) * 0.95);
      const answer = await new Promise<ForwardAnswer>((resolve) =>
        this.#deps.clientOf(node).forward(bytes, timeoutMs, resolve),
      );
      if (answer.kind === 'result') return { kind: 'forwarded', result: answer.bytes };
      failures.push({ node, reason: answer.reason });
      if (!didNothing.has(answer.reason)) {
        throw new OperationError({
          kind: answer.reason === 'timed-out' ? 'quorum-timeout' : 'replica-failure',
          outcome: 'unknown',
          required: requirement.answers,
          alive: alive.length,
          answered: 0,
          failures,
        });
      }
    }
    if (requirement.hintCounts) return this.#writeHints(operation, placed);
    if (failures.some((failure) => failure.reason === 'overloaded')) {
      const problem = 'the replicas of the key have too much to do';
      throw new OperationError({ kind: 'overloaded', retryAfterMs: overloadedMs, problem });
    }
    throw new OperationError({ kind: 'not-enough-replicas', required: requirement.answers, alive: 0 });
  }

  #writeHints(operation: WriteOperation, placed: Placed): Promise<WriteResult> {
    const { bucket, recordKey, intent, strength, deadlineMs } = operation;
    return new Promise((resolve, reject) => {
      const patience = new Patience();
      const timer = this.#deps.env.timers.after(this.#remainingMs(deadlineMs), () =>
        reject(expired(patience.end())),
      );
      this.#deps.hints
        .write({ recordKey, bucket }, placed.homes, intent, patience.mayBegin)
        .finally(() => timer.cancel())
        .then((written) => {
          switch (written.kind) {
            case 'written': {
              const { dot, context, hinted, replayed } = written;
              const report = { ...this.#report(strength, placed), hinted, replayed };
              resolve({ kind: 'written', dot, context, report });
              return;
            }
            case 'refused':
              throw new OperationError(refusedWrite(written.why, written.record, bucket));
            case 'full':
              throw new OperationError({
                kind: 'overloaded',
                retryAfterMs: 1_000,
                problem: 'the hints kept for absent replicas are full',
              });
            case 'abandoned':
              throw expired(true);
            case 'storage-failed':
              throw new OperationError(failedStorage(written.error, written.begun));
          }
        })
        .catch(reject);
    });
  }

  #report(achieved: Strength, placed: Placed): WriteReport {
    return {
      achieved,
      acked: 0,
      hinted: 0,
      synced: 0,
      replayed: false,
      coordinator: this.#deps.self,
      layoutVersion: placed.layoutVersion,
    };
  }

  #remainingMs(deadlineMs: number): number {
    return Math.max(1, deadlineMs - this.#deps.env.clock.monotonicMs());
  }
}

/** A client is told to wait this long when every home refused its write at the door. */
const overloadedMs = 100;

/** What proves that a node did nothing with an operation that it was passed. */
const didNothing: ReadonlySet<string> = new Set<ReplicaFailure['reason']>([
  'not-sent',
  'overloaded',
  'refused',
]);

function expired(nothingBegun: boolean): OperationError {
  return new OperationError({ kind: 'expired', outcome: nothingBegun ? 'not-applied' : 'unknown' });
}

function writeFailure(core: WriteCore, alive: number): OperationError {
  const timedOut = core.failures.some((failure) => failure.reason === 'timed-out');
  return new OperationError({
    kind: timedOut ? 'quorum-timeout' : 'replica-failure',
    // The coordinating replica holds it, whatever the others do.
    outcome: 'unknown',
    required: core.required,
    alive,
    answered: core.acked,
    failures: core.failures,
  });
}

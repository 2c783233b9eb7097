/**
 * The writing half of the coordinator: makes the version on this node's replica and carries it to the other homes, passes
 * the operation on when this node is no home of the key, or keeps hints when no home is up and the write allows it. Every
 * home that misses a write is left a hint.
 */

import type { Bucket } from '../core/bucket.ts';
import type { CausalContext } from '../core/causality/context-token.ts';
import type { WriteIntent } from '../core/causality/coordinated-write.ts';
import type { Dot } from '../core/causality/dot.ts';
import { type VersionedRecord, versionsBeside } from '../core/causality/record.ts';
import { OperationError, type ReplicaFailure } from '../core/coordinator/failure.ts';
import type { WriteCore } from '../core/coordinator/write-core.ts';
import type { NodeId, PartitionId } from '../core/identity.ts';
import { requirementOf, type Strength } from '../core/quorum/consistency-level.ts';
import type { Env } from '../env/env.ts';
import type { EngineError } from '../storage/engine.ts';
import type { WriteOperation, WriteReport, WriteResult } from './operation.ts';
import type { Placed, PreferenceLists } from './preference-list.ts';
import type { CoordinatorObserver, ReadCoordinator } from './read-coordinator.ts';
import { failedStorage, invalidLevel, type RefusedWrite, refusedWrite } from './refusal.ts';
import type { ForwardAnswer, ReplicaClient } from './replica-client.ts';
import { type StandInOutcome, StandInRun } from './stand-in-run.ts';
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

/** Durable hints. */
export interface HintedWrites {
  /** Makes the version here, for writes that may count hints when no home replica is up. */
  write(
    key: { readonly recordKey: Uint8Array; readonly bucket: Bucket },
    targets: readonly NodeId[],
    intent: WriteIntent,
    mayBegin: () => boolean,
  ): Promise<
    | (MadeVersion & {
        readonly bytes: Uint8Array;
        /** Hints stored: one for each target, but for those that found no room. */
        readonly hinted: number;
      })
    | RefusedVersion
    /** The bound on hints is met: nothing was stored. */
    | { readonly kind: 'full' }
    | AbandonedWrite
    | FailedStorage
  >;
  /** Keeps what a home missed, in the background. `sync`: on stable storage; without, it survives the process. */
  missed(
    target: NodeId,
    key: { readonly recordKey: Uint8Array; readonly bucket: Bucket },
    record: Uint8Array,
    sync: boolean,
  ): void;
  /** The newest mark that was heard of a node's store. 0: none. */
  markOf(node: NodeId): number;
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
    const { bucket, recordKey, strength, handoff } = operation;
    const { lists, self } = this.#deps;
    const placed = lists.place(bucket.replication, recordKey);
    const { homes } = placed;
    const requirement = requirementOf(strength, homes.length, 'write');
    if (requirement.kind === 'invalid') throw new OperationError(invalidLevel(requirement.problem));
    const { answers: required, hintCounts } = requirement;
    const homesUp = lists.countUp(homes);
    // Who stands in when homes are away: others, and this node if it is none.
    const fallbacks = handoff === 'sloppy' ? lists.fallbacks(placed, bucket.replication) : [];
    const standsIn = (hintCounts || handoff === 'sloppy') && !homes.includes(self);
    const alive = homesUp + fallbacks.length + (standsIn ? 1 : 0);
    if (alive < required) throw new OperationError({ kind: 'not-enough-replicas', required, alive });
    if (homesUp === 0) return this.#writeHints(operation, placed, fallbacks, required);
    if (!homes.includes(self)) {
      const forwarded = await this.#forward(operation, lists.up(homes), required);
      if (forwarded.kind === 'forwarded') return forwarded;
      if (standsIn && 1 + fallbacks.length >= required)
        return this.#writeHints(operation, placed, fallbacks, required);
      throw notForwarded(forwarded.failures, required);
    }
    return this.#replicate(operation, placed, { alive, required, fallbacks });
  }

  /** First this node's replica, then all the others. One timer for both. */
  #replicate(
    operation: WriteOperation,
    placed: Placed,
    {
      alive,
      required,
      fallbacks,
    }: { readonly alive: number; readonly required: number; readonly fallbacks: readonly NodeId[] },
  ): Promise<WriteResult> {
    const { recordKey, bucket, strength, durability, deadlineMs } = operation;
    const { self, env, clientOf, lists, reads, observe, hints } = this.#deps;
    const sync = durability !== 'buffered';
    const key = { recordKey, bucket };
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
            {
              clientOf,
              onDamaged: () => reads.repairLater(bucket, recordKey),
              onMissed: (node) => hints.missed(node, key, written.bytes, sync),
              markOf: (node) => hints.markOf(node),
            },
            {
              self,
              homes: placed.homes,
              recordKey,
              bytes: written.bytes,
              required,
              selfSynced: sync,
              syncOthers: durability === 'sync-quorum',
              timeoutMs: Math.max(deliveryMsMin, this.#remainingMs(deadlineMs)),
              fallbacks,
              down: fallbacks.length === 0 ? [] : lists.down(placed.homes),
            },
            ({ kind, core }) => {
              timer.cancel();
              if (kind === 'unmet') {
                reject(writeFailure(core, alive));
                return;
              }
              const { dot, context, record, replayed } = written;
              const { acked, synced, hinted } = core;
              const report = { ...this.#report(strength, placed), acked, synced, hinted, replayed };
              resolve({ kind: 'written', dot, context, versionsHeld: versionsBeside(record, dot), report });
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
    alive: readonly NodeId[],
    required: number,
  ): Promise<
    | Extract<WriteResult, { readonly kind: 'forwarded' }>
    /** Nobody did anything with it. */
    | { readonly kind: 'not-forwarded'; readonly failures: readonly ReplicaFailure[] }
  > {
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
          required,
          alive: alive.length,
          answered: 0,
          failures,
        });
      }
    }
    return { kind: 'not-forwarded', failures };
  }

  /** The version is made here, with a hint for every home; where the level asks for more nodes, others keep one as well. */
  #writeHints(
    operation: WriteOperation,
    placed: Placed,
    fallbacks: readonly NodeId[],
    required: number,
  ): Promise<WriteResult> {
    const { bucket, recordKey, intent, strength, deadlineMs } = operation;
    const { env, clientOf, hints } = this.#deps;
    return new Promise((resolve, reject) => {
      const patience = new Patience();
      let run: StandInRun | undefined;
      const timer = env.timers.after(this.#remainingMs(deadlineMs), () => {
        if (run === undefined) reject(expired(patience.end()));
        else run.expire();
      });
      hints
        .write({ recordKey, bucket }, placed.homes, intent, patience.mayBegin)
        .then((written) => {
          switch (written.kind) {
            case 'written': {
              const { dot, context, hinted, replayed, bytes } = written;
              const report = { ...this.#report(strength, placed), hinted, replayed };
              run = new StandInRun(
                { clientOf, markOf: (node) => hints.markOf(node) },
                {
                  targets: placed.homes,
                  fallbacks,
                  required: required - 1,
                  recordKey,
                  bytes,
                  timeoutMs: this.#remainingMs(deadlineMs),
                },
                (outcome) => {
                  timer.cancel();
                  // What hints hold of a key is not what its replicas hold.
                  if (outcome.kind === 'done')
                    resolve({ kind: 'written', dot, context, versionsHeld: 0, report });
                  else reject(standInFailure(outcome, required, 1 + fallbacks.length));
                },
              );
              run.start();
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
        .catch((error: unknown) => {
          timer.cancel();
          reject(error);
        });
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

/** Every home refused a write at the door, or could not be reached. */
function notForwarded(failures: readonly ReplicaFailure[], required: number): OperationError {
  if (failures.some((failure) => failure.reason === 'overloaded')) {
    const problem = 'the replicas of the key have too much to do';
    return new OperationError({ kind: 'overloaded', retryAfterMs: overloadedMs, problem });
  }
  return new OperationError({ kind: 'not-enough-replicas', required, alive: 0 });
}

/** This node's hints will be handed over, whatever became of the others'. */
function standInFailure(
  { failures, answered }: Extract<StandInOutcome, { readonly kind: 'unmet' }>,
  required: number,
  alive: number,
): OperationError {
  const timedOut = failures.some((failure) => failure.reason === 'timed-out');
  return new OperationError({
    kind: timedOut ? 'quorum-timeout' : 'replica-failure',
    outcome: 'unknown',
    required,
    alive,
    answered: 1 + answered,
    failures,
  });
}

function writeFailure(core: WriteCore, alive: number): OperationError {
  const timedOut = core.failures.some((failure) => failure.reason === 'timed-out');
  return new OperationError({
    kind: timedOut ? 'quorum-timeout' : 'replica-failure',
    // The coordinating replica holds it, whatever the others do.
    outcome: 'unknown',
    required: core.required,
    alive,
    answered: core.acked + core.hinted,
    failures: core.failures,
  });
}

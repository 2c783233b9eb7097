/**
 * The coordinator: any node takes any request, places the key, and carries the operation to its N home replicas.
 * Dynamo (DeCandia et al., 2007) section 4.5, with Riak's rule that only a replica of the key makes new versions.
 *
 * Availability is checked here, before anything is sent, and only here: whatever fails later has an unknown outcome.
 */

import type { Bucket } from '../core/bucket.ts';
import type { CausalContext } from '../core/causality/context-token.ts';
import type { WriteIntent } from '../core/causality/coordinated-write.ts';
import type { Dot } from '../core/causality/dot.ts';
import type { VersionedRecord } from '../core/causality/record.ts';
import { OperationError, type ReplicaFailure } from '../core/coordinator/failure.ts';
import type { ReadCore } from '../core/coordinator/read-core.ts';
import type { WriteCore } from '../core/coordinator/write-core.ts';
import type { NodeId, PartitionId } from '../core/identity.ts';
import { quorumOf, requirementOf, type Strength } from '../core/quorum/consistency-level.ts';
import type { Placement } from '../core/ring/placement.ts';
import { type Hash64, partitionOf, tokenOf } from '../core/ring/token.ts';
import type { Env } from '../env/env.ts';
import type { EngineError } from '../storage/engine.ts';
import { failedStorage, invalidLevel, type RefusedWrite, refusedWrite } from './refusal.ts';
import { findWrite, inspectKey } from './inspection.ts';
import type {
  Coordination,
  ReadOperation,
  ReadResult,
  ReplicaView,
  WriteOperation,
  WriteOutcomeResult,
  WriteReport,
  WriteResult,
} from './operation.ts';
import { type ReadAttempt, ReadRun, type ReadRunResult } from './read-run.ts';
import { RepairBacklog } from './repair-backlog.ts';
import type { ReplicaClient } from './replica-client.ts';
import { replicateWrite } from './write-run.ts';

/** What this node's own replica does for the coordinator. */
export interface CoordinatingReplica {
  coordinate(
    key: { readonly recordKey: Uint8Array; readonly partition: PartitionId; readonly bucket: Bucket },
    intent: WriteIntent,
    options: { readonly sync: boolean; readonly forgetDamaged: boolean },
  ): Promise<
    | {
        readonly kind: 'written';
        readonly dot: Dot;
        readonly context: CausalContext;
        readonly record: VersionedRecord;
        readonly bytes: Uint8Array;
        readonly replayed: boolean;
      }
    | {
        readonly kind: 'refused';
        readonly why: RefusedWrite;
        readonly record: VersionedRecord | undefined;
      }
    | { readonly kind: 'damaged' }
    | { readonly kind: 'storage-failed'; readonly begun: boolean; readonly error: EngineError }
  >;
}

/** Durable hints, for writes at ANY when no home replica is up. */
export interface HintedWrites {
  write(
    key: { readonly recordKey: Uint8Array; readonly bucket: Bucket },
    targets: readonly NodeId[],
    intent: WriteIntent,
  ): Promise<
    | {
        readonly kind: 'written';
        readonly dot: Dot;
        readonly context: CausalContext;
        readonly record: VersionedRecord;
        readonly replayed: boolean;
      }
    | { readonly kind: 'refused'; readonly why: RefusedWrite; readonly record: VersionedRecord | undefined }
    /** The bound on hints is met: nothing was stored. */
    | { readonly kind: 'full' }
    | { readonly kind: 'storage-failed'; readonly begun: boolean; readonly error: EngineError }
  >;
}

/** What the coordinator needs to know of its peers. */
export interface PeerHealth {
  isUp(node: NodeId): boolean;
  /** Smoothed round trip in milliseconds; 0 for this node. */
  latencyMs(node: NodeId): number;
  /** What a usual answer stays below (95 %), in milliseconds. `undefined`: not known yet. */
  usualMs(node: NodeId): number | undefined;
}

export interface CoordinatorDependencies {
  readonly self: NodeId;
  readonly env: Env;
  readonly hash64: Hash64;
  /** The placement for buckets of this replication. */
  readonly placementFor: (replication: number) => Placement;
  readonly clientOf: (node: NodeId) => ReplicaClient;
  readonly replica: CoordinatingReplica;
  readonly hints: HintedWrites;
  readonly health: PeerHealth;
  readonly observe: CoordinatorObserver;
}

export interface CoordinatorObserver {
  readRepair(kind: 'blocking' | 'background', replicas: number): void;
  hedged(): void;
}

export interface CoordinatorOptions {
  /** A read asks one more replica after this many times the usual latency; 0: never. */
  readonly hedgeFactor: number;
  readonly hedgeMsMin: number;
  /** Chance that a read below QUORUM is checked against all replicas afterwards, from 0 to 1. */
  readonly repairChance: number;
  /** Background repairs waiting or running; more are dropped. */
  readonly repairsMax: number;
}

interface Placed {
  readonly partition: PartitionId;
  readonly homes: readonly NodeId[];
  readonly layoutVersion: number;
}

const backgroundRepairMs = 5_000;

export class Coordinator implements Coordination {
  readonly #deps: CoordinatorDependencies;
  readonly #options: CoordinatorOptions;
  readonly #repairs: RepairBacklog;

  constructor(dependencies: CoordinatorDependencies, options: CoordinatorOptions) {
    this.#deps = dependencies;
    this.#options = options;
    this.#repairs = new RepairBacklog(options.repairsMax, (key, done) =>
      this.#repairAll(key.bucket, key.recordKey, done),
    );
  }

  async read(operation: ReadOperation): Promise<ReadResult> {
    const { bucket, recordKey, strength } = operation;
    const placed = this.#place(bucket, recordKey);
    const candidates = this.#candidates(placed.homes);
    const levels: Strength[] = [strength];
    for (const level of operation.fallback) levels.push({ kind: 'level', level });
    const attempts = levels.map((level) => this.#attempt(level, placed.homes.length));
    // Levels that cannot be met by those that are up are not even tried.
    const first = attempts.findIndex((attempt) => attempt.required <= candidates.length);
    if (first < 0) {
      const required = (attempts.at(-1) as ReadAttempt).required;
      throw new OperationError({ kind: 'not-enough-replicas', required, alive: candidates.length });
    }
    const result = await this.#run(operation, candidates, attempts.slice(first));
    if (result.kind !== 'answer') throw this.#readFailure(result.kind, result.core, candidates.length);

    const { core, record, repairStarted } = result;
    const blocking = (attempts[first + result.attempt] as ReadAttempt).blockingRepair;
    const behind = core.behind();
    if (repairStarted) this.#deps.observe.readRepair('blocking', 1);
    const checkAll = !blocking && this.#deps.env.random.fraction() < this.#options.repairChance;
    if (behind.length > 0 || checkAll) this.#repairs.add({ bucket, recordKey });
    return {
      record,
      report: {
        achieved: levels[first + result.attempt] as Strength,
        asked: core.asked,
        answered: core.answered,
        agreed: core.agreed,
        repairStarted: repairStarted || behind.length > 0,
        coordinator: this.#deps.self,
        layoutVersion: placed.layoutVersion,
      },
    };
  }

  async write(operation: WriteOperation): Promise<WriteResult> {
    const { bucket, recordKey, strength, durability } = operation;
    const placed = this.#place(bucket, recordKey);
    const { homes } = placed;
    const requirement = requirementOf(strength, homes.length, 'write');
    if (requirement.kind === 'invalid') throw new OperationError(invalidLevel(requirement.problem));
    const alive = homes.filter((node) => this.#deps.health.isUp(node));
    const hinted = requirement.hintCounts && alive.length === 0;
    if (!hinted && alive.length < requirement.answers) {
      throw new OperationError({
        kind: 'not-enough-replicas',
        required: requirement.answers,
        alive: alive.length,
      });
    }
    if (hinted) return this.#writeHints(operation, placed);
    if (!homes.includes(this.#deps.self)) return this.#forward(operation, alive, requirement.answers);

    const sync = durability !== 'buffered';
    const written = await this.#coordinate(operation, placed, sync);
    const outcome = await replicateWrite(this.#deps.clientOf, {
      self: this.#deps.self,
      homes,
      recordKey,
      bytes: written.bytes,
      required: requirement.answers,
      selfSynced: sync,
      syncOthers: durability === 'sync-quorum',
      timeoutMs: this.#remainingMs(operation.deadlineMs),
    });
    if (outcome.kind === 'unmet') throw writeFailure(outcome.core, alive.length);
    return {
      kind: 'written',
      dot: written.dot,
      context: written.context,
      report: {
        ...this.#report(strength, placed),
        acked: outcome.core.acked,
        synced: outcome.core.synced,
        replayed: written.replayed,
      },
    };
  }

  inspect(recordKey: Uint8Array, replication: number, deadlineMs: number): Promise<readonly ReplicaView[]> {
    const homes = this.#placeBy(replication, recordKey).homes;
    return inspectKey(homes.map(this.#deps.clientOf), recordKey, this.#remainingMs(deadlineMs));
  }

  async findWrite(operation: ReadOperation, requestId: Uint8Array): Promise<WriteOutcomeResult> {
    const { bucket, recordKey, strength, deadlineMs } = operation;
    const { homes } = this.#place(bucket, recordKey);
    const { required } = this.#attempt(strength, homes.length);
    const candidates = this.#candidates(homes);
    if (candidates.length < required) {
      throw new OperationError({ kind: 'not-enough-replicas', required, alive: candidates.length });
    }
    const clients = candidates.map(this.#deps.clientOf);
    const found = await findWrite(clients, recordKey, requestId, required, this.#remainingMs(deadlineMs));
    if (found.kind === 'unmet') {
      throw new OperationError({
        kind: 'quorum-timeout',
        outcome: 'not-a-write',
        required,
        alive: candidates.length,
        answered: found.answered,
        failures: found.failures,
      });
    }
    if (found.kind === 'not-seen') return found;
    const record = (await this.read({ ...operation, fallback: [], minContext: undefined })).record;
    return { kind: 'applied', dot: found.dot, record };
  }

  /** Background repairs that wait or run now. */
  get repairsPending(): number {
    return this.#repairs.pending;
  }

  async #coordinate(
    operation: WriteOperation,
    placed: Placed,
    sync: boolean,
  ): Promise<{
    dot: Dot;
    context: CausalContext;
    record: VersionedRecord;
    bytes: Uint8Array;
    replayed: boolean;
  }> {
    const { bucket, recordKey, intent } = operation;
    const key = { recordKey, partition: placed.partition, bucket };
    let written = await this.#deps.replica.coordinate(key, intent, { sync, forgetDamaged: false });
    const behind = written.kind === 'refused' && written.why === 'context-not-reached';
    if (written.kind === 'damaged' || behind) {
      // Catch up with the peers first. For a damaged record what they hold replaces it: what only this replica held is
      // lost, and its epochs are never continued.
      await new Promise<void>((done) => this.#repairAll(bucket, recordKey, done));
      written = await this.#deps.replica.coordinate(key, intent, { sync, forgetDamaged: true });
    }
    switch (written.kind) {
      case 'written':
        return written;
      case 'refused':
        throw new OperationError(refusedWrite(written.why, written.record, bucket));
      case 'storage-failed':
        throw new OperationError(failedStorage(written.error, written.begun));
      case 'damaged':
        throw new Error('assertion failed: a damaged record is forgotten when asked to');
    }
  }

  async #forward(
    operation: WriteOperation,
    alive: readonly NodeId[],
    required: number,
  ): Promise<WriteResult> {
    const { encodeForwarded } = operation;
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
    for (const node of this.#bestFirst(alive)) {
      // A little less than is left, so that the other node's own verdict arrives before ours.
      const timeoutMs = Math.max(1, this.#remainingMs(operation.deadlineMs) * 0.95);
      const answer = await new Promise<Parameters<Parameters<ReplicaClient['forward']>[2]>[0]>((resolve) =>
        this.#deps.clientOf(node).forward(bytes, timeoutMs, resolve),
      );
      if (answer.kind === 'result') return { kind: 'forwarded', result: answer.bytes };
      failures.push({ node, reason: answer.reason });
      // Only what was certainly not sent, or was refused at the door, may be tried through another node.
      if (answer.reason !== 'not-sent' && answer.reason !== 'overloaded') {
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
    throw new OperationError({ kind: 'not-enough-replicas', required, alive: 0 });
  }

  async #writeHints(operation: WriteOperation, placed: Placed): Promise<WriteResult> {
    const { bucket, recordKey, intent, strength } = operation;
    const written = await this.#deps.hints.write({ recordKey, bucket }, placed.homes, intent);
    switch (written.kind) {
      case 'written':
        return {
          kind: 'written',
          dot: written.dot,
          context: written.context,
          report: {
            ...this.#report(strength, placed),
            hinted: placed.homes.length,
            replayed: written.replayed,
          },
        };
      case 'refused':
        throw new OperationError(refusedWrite(written.why, written.record, bucket));
      case 'full':
        throw new OperationError({
          kind: 'overloaded',
          retryAfterMs: 1_000,
          problem: 'the hints kept for absent replicas are full',
        });
      case 'storage-failed':
        throw new OperationError(failedStorage(written.error, written.begun));
    }
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

  #run(
    operation: ReadOperation,
    candidates: readonly NodeId[],
    attempts: readonly ReadAttempt[],
  ): Promise<ReadRunResult> {
    return new Promise((resolve) => {
      const options = {
        recordKey: operation.recordKey,
        bucket: operation.bucket,
        candidates,
        attempts,
        minContext: operation.minContext,
        deadlineMs: operation.deadlineMs,
        hedgeAfterMs: this.#hedgeAfterMs(candidates, (attempts[0] as ReadAttempt).required),
      };
      new ReadRun(this.#deps, options, resolve).start();
    });
  }

  /** Reads the key from all that are up and repairs whoever is behind. Calls `done` whatever becomes of it: the next read tries again. */
  #repairAll(bucket: Bucket, recordKey: Uint8Array, done: () => void): void {
    const candidates = this.#candidates(this.#place(bucket, recordKey).homes);
    if (candidates.length < 2) {
      done();
      return;
    }
    const attempts: ReadAttempt[] = [];
    for (let required = candidates.length; required >= 1; required--)
      attempts.push({ required, blockingRepair: true });
    const options = {
      recordKey,
      bucket,
      candidates,
      attempts,
      minContext: undefined,
      deadlineMs: this.#deps.env.clock.monotonicMs() + backgroundRepairMs,
      hedgeAfterMs: undefined,
    };
    new ReadRun(this.#deps, options, (result) => {
      if (result.kind === 'answer' && result.repairStarted) this.#deps.observe.readRepair('background', 1);
      done();
    }).start();
  }

  #place(bucket: Bucket, recordKey: Uint8Array): Placed {
    return this.#placeBy(bucket.replication, recordKey);
  }

  #placeBy(replication: number, recordKey: Uint8Array): Placed {
    const placement = this.#deps.placementFor(replication);
    const { layout } = placement;
    const partition = partitionOf(tokenOf(this.#deps.hash64, recordKey), layout.partitions);
    return { partition, homes: placement.homes(partition), layoutVersion: layout.version };
  }

  /** Homes that are up, this node first, then the quickest. */
  #candidates(homes: readonly NodeId[]): readonly NodeId[] {
    return this.#bestFirst(homes.filter((node) => this.#deps.health.isUp(node)));
  }

  #bestFirst(nodes: readonly NodeId[]): readonly NodeId[] {
    const { self, health } = this.#deps;
    if (nodes.length < 2) return nodes;
    const cost = (node: NodeId): number => (node === self ? -1 : health.latencyMs(node));
    return [...nodes].sort((a, b) => cost(a) - cost(b));
  }

  #attempt(strength: Strength, n: number): ReadAttempt {
    const requirement = requirementOf(strength, n, 'read');
    if (requirement.kind === 'invalid') throw new OperationError(invalidLevel(requirement.problem));
    return { required: requirement.answers, blockingRepair: requirement.answers >= quorumOf(n) };
  }

  #hedgeAfterMs(candidates: readonly NodeId[], required: number): number | undefined {
    const { hedgeFactor, hedgeMsMin } = this.#options;
    // Nobody left to ask, or nobody but this node is asked at first.
    if (hedgeFactor === 0 || candidates.length <= required) return undefined;
    let usual: number | undefined;
    for (const node of candidates.slice(0, required)) {
      const nodeUsual = this.#deps.health.usualMs(node);
      if (nodeUsual !== undefined && (usual === undefined || nodeUsual > usual)) usual = nodeUsual;
    }
    return usual === undefined ? undefined : Math.max(hedgeMsMin, usual * hedgeFactor);
  }

  #remainingMs(deadlineMs: number): number {
    return Math.max(1, deadlineMs - this.#deps.env.clock.monotonicMs());
  }

  #readFailure(kind: 'unmet' | 'context-not-reached', core: ReadCore, alive: number): OperationError {
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

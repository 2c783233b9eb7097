/**
 * The coordinator: any node takes any request, places the key, and carries the operation to its N home replicas.
 * Dynamo (DeCandia et al., 2007) section 4.5, with Riak's rule that only a replica of the key makes new versions.
 *
 * Availability is checked before anything is sent, and only then: whatever fails later has an unknown outcome.
 */

import type { Throttle } from '../core/background/throttle.ts';
import type { Bucket } from '../core/bucket.ts';
import type { NodeId } from '../core/identity.ts';
import type { Placement } from '../core/ring/placement.ts';
import type { Hash64 } from '../core/ring/token.ts';
import type { Env } from '../env/env.ts';
import { inspectKey } from './inspection.ts';
import type {
  Coordination,
  ReadOperation,
  ReadResult,
  ReplicaView,
  WriteOperation,
  WriteOutcomeResult,
  WriteResult,
} from './operation.ts';
import { type PeerHealth, PreferenceLists } from './preference-list.ts';
import {
  type CoordinatorObserver,
  ReadCoordinator,
  type ReadCoordinatorOptions,
} from './read-coordinator.ts';
import type { ReplicaClient } from './replica-client.ts';
import { type CoordinatingReplica, type HintedWrites, WriteCoordinator } from './write-coordinator.ts';

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
  /** Where repairs that no client waits for take their tokens. */
  readonly repairThrottle: Throttle;
  /** See `ReadCoordinatorDependencies`. */
  readonly giveUpDamaged: (recordKey: Uint8Array) => void;
}

export class Coordinator implements Coordination {
  readonly #deps: CoordinatorDependencies;
  readonly #lists: PreferenceLists;
  readonly #reads: ReadCoordinator;
  readonly #writes: WriteCoordinator;

  constructor(dependencies: CoordinatorDependencies, options: ReadCoordinatorOptions) {
    const { self, env, clientOf, replica, hints, observe, repairThrottle, giveUpDamaged } = dependencies;
    this.#deps = dependencies;
    this.#lists = new PreferenceLists(dependencies);
    this.#reads = new ReadCoordinator(
      { self, env, clientOf, lists: this.#lists, observe, repairThrottle, giveUpDamaged },
      options,
    );
    this.#writes = new WriteCoordinator({
      self,
      env,
      clientOf,
      lists: this.#lists,
      replica,
      hints,
      observe,
      reads: this.#reads,
    });
  }

  read(operation: ReadOperation): Promise<ReadResult> {
    return this.#reads.read(operation);
  }

  write(operation: WriteOperation): Promise<WriteResult> {
    return this.#writes.write(operation);
  }

  findWrite(operation: ReadOperation, requestId: Uint8Array): Promise<WriteOutcomeResult> {
    return this.#reads.findWrite(operation, requestId);
  }

  inspect(recordKey: Uint8Array, replication: number, deadlineMs: number): Promise<readonly ReplicaView[]> {
    const { homes } = this.#lists.place(replication, recordKey);
    const timeoutMs = Math.max(1, deadlineMs - this.#deps.env.clock.monotonicMs());
    return inspectKey(homes.map(this.#deps.clientOf), recordKey, timeoutMs);
  }

  /** Compares and repairs the key's replicas when there is time. */
  repairLater(bucket: Bucket, recordKey: Uint8Array): void {
    this.#reads.repairLater(bucket, recordKey);
  }

  /** Background repairs that wait or run now. */
  get repairsPending(): number {
    return this.#reads.repairsPending;
  }
}

/** Whether a node can serve: asked by load balancers at /readyz, and shown by `kindred status`. */

import type { NodeId, PartitionId } from './core/identity.ts';
import { quorumOf } from './core/quorum/consistency-level.ts';
import type { Placement } from './core/ring/placement.ts';
import type { DataStore } from './storage/data-store.ts';
import { stoppedBecause } from './storage/engine-failure.ts';

export interface ReadinessDependencies {
  readonly store: Pick<DataStore, 'failure'>;
  readonly placement: Placement;
  readonly isUp: (node: NodeId) => boolean;
}

/** Why the node cannot serve now. `undefined`: its disk works, and for every key a quorum of its replicas can be reached. */
export function unreadyReason({ store, placement, isUp }: ReadinessDependencies): string | undefined {
  if (store.failure !== undefined) return `${stoppedBecause(store.failure)}: ${store.failure.message}`;
  const down = new Set<NodeId>();
  for (const { id } of placement.layout.members) if (!isUp(id)) down.add(id);
  if (down.size === 0) return undefined;
  const quorum = quorumOf(placement.replication);
  let lacking = 0;
  for (let partition = 0; partition < placement.layout.partitions; partition++) {
    let up = 0;
    for (const node of placement.homes(partition as PartitionId)) if (!down.has(node)) up++;
    if (up < quorum) lacking++;
  }
  if (lacking === 0) return undefined;
  return `${lacking} of ${placement.layout.partitions} partitions lack a quorum of replicas, because ${[...down].sort().join(', ')} cannot be reached`;
}

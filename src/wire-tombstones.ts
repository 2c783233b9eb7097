/** Tombstones, introduced to the other services: judged, collected, and fenced. Part of the composition root. */

import { type ComparisonLog, openComparisonLog } from './anti-entropy/comparison-log.ts';
import { LostRecords } from './anti-entropy/lost-records.ts';
import { TombstoneCollection } from './anti-entropy/tombstone-collection.ts';
import { TombstoneJudge } from './anti-entropy/tombstone-judge.ts';
import { type Config, canonicalConfiguration } from './config/config.ts';
import type { Throttle } from './core/background/throttle.ts';
import type { Bucket } from './core/bucket.ts';
import type { NodeId } from './core/identity.ts';
import type { Placement } from './core/ring/placement.ts';
import type { Hash64 } from './core/ring/token.ts';
import type { Env } from './env/env.ts';
import { digest64 } from './env/xxhash.ts';
import type { Logger } from './observe/log.ts';
import type { PlacedRecords } from './replica/placed-records.ts';
import type { PlacedKey, Replica } from './replica/replica.ts';
import type { DataStore } from './storage/data-store.ts';
import { EngineError } from './storage/engine.ts';

/** What the parts of other services do for them. */
export interface TombstoneWiring {
  readonly env: Env;
  readonly log: Logger;
  readonly store: DataStore;
  readonly hash64: Hash64;
  readonly buckets: ReadonlyMap<string, Bucket>;
  readonly placementFor: (replication: number) => Placement;
  /** The hybrid clock. */
  readonly hybridMicros: () => number;
  /** Made after the judge that it asks. */
  readonly replica: () => Replica;
  readonly records: () => PlacedRecords;
  readonly throttle: () => Throttle;
}

/** What tombstones are made of, in a node. */
export interface Tombstones {
  readonly log: ComparisonLog;
  readonly judge: TombstoneJudge;
  readonly collection: TombstoneCollection<PlacedKey>;
  /** Running time of the store. */
  readonly runningMs: () => number;
  /**
   * Whether a hint for the key may be older than what was collected, or than this store: `receiverMark` is the newest mark of
   * this node's store that was heard when the hint was kept. 0: none.
   */
  readonly isHintOutdated: (place: PlacedKey, receiverMark: number) => boolean;
  /**
   * Gives up a damaged record of which every other home holds nothing: most likely a deletion that rotted after they had collected it,
   * and then nobody is left who could tell. What a write may replace, a repair may too; until then the key cannot be read at ALL.
   */
  readonly giveUpDamaged: (place: PlacedKey) => void;
}

/** Opens what is stored of them. Rejects with EngineError. */
export async function wireTombstones(wiring: TombstoneWiring, config: Config): Promise<Tombstones> {
  const { env, log, store, hash64, buckets, placementFor, hybridMicros } = wiring;
  const { graceMs } = config.tombstones;
  const runningMs = (): number => store.identity.running.now();
  const onError = (error: unknown): void => {
    // Whoever listens to the store has heard of its failure already, and the node is stopping.
    if (error instanceof EngineError)
      log.debug({ error }, 'tombstones could not be looked after: the store has failed');
    else log.error({ error }, 'tombstones could not be looked after');
  };
  // A bucket that is added again, or a node that becomes a home, was not part of what was compared before.
  await store.comparisons.keepUnder(digest64(new TextEncoder().encode(canonicalConfiguration(config))));
  const comparisons = await openComparisonLog(
    { store: store.comparisons, runningMs, storedMark: () => store.identity.storedMark, onError },
    { graceMs, others: config.members.map(({ id }) => id).filter((id) => id !== config.node) },
  );
  store.identity.running.atLeast(comparisons.latestMs);
  const judge = new TombstoneJudge(
    {
      self: config.node,
      hash64,
      buckets,
      placementFor,
      store: store.tombstones,
      log: comparisons,
      replicaId: store.identity.replicaId,
      runningMs,
      hybridMicros,
      isPending: (recordKey) => wiring.replica().isPending(recordKey),
      onError,
    },
    { partitions: config.cluster.partitions, graceMs },
  );
  const collection = new TombstoneCollection<PlacedKey>(
    {
      env,
      index: store.tombstones,
      judge,
      log: comparisons,
      records: {
        place: (recordKey) => wiring.records().place(recordKey),
        readStored: (place) => wiring.replica().readDisk(place),
        isPending: ({ recordKey }) => wiring.replica().isPending(recordKey),
        remove: (place) => wiring.replica().remove(place, () => true).kind === 'removed',
      },
      runningMs,
      isHome: ({ partition, bucket }) => placementFor(bucket.replication).isHome(partition, config.node),
      throttle: { take: (keys, bytes) => wiring.throttle().take(keys, bytes) },
      onError,
    },
    { graceMs },
  );
  const lostRecords = new LostRecords<PlacedKey>(
    {
      isDamaged: (place) => wiring.replica().isDamaged(place),
      remove: (place) => wiring.replica().removeDamaged(place),
      index: store.tombstones,
      storedMark: () => store.identity.storedMark,
      runningMs,
      onGivenUp: ({ recordKey }) =>
        log.error(
          { recordKey: Buffer.from(recordKey).toString('base64') },
          'a damaged record was given up: no other replica holds anything of its key',
        ),
    },
    graceMs,
  );
  return {
    log: comparisons,
    judge,
    collection,
    runningMs,
    giveUpDamaged: (place) => void lostRecords.lost(place).catch(onError),
    isHintOutdated: ({ partition }, receiverMark) =>
      receiverMark < store.tombstones.collectedMark(partition) ||
      // Kept for the store that this node had before: what it missed since, it must not be sent one by one.
      (receiverMark !== 0 && receiverMark < store.identity.bornMark),
  };
}

/** Nodes that this one shares partitions with: whoever may have relied on what its store held. */
export function sharingNodes(
  config: Config,
  buckets: ReadonlyMap<string, Bucket>,
  placementFor: (replication: number) => Placement,
): ReadonlySet<NodeId> {
  const nodes = new Set<NodeId>();
  for (const replication of new Set([...buckets.values()].map((bucket) => bucket.replication))) {
    const placement = placementFor(replication);
    for (const partition of placement.ownedPartitions(config.node)) {
      for (const home of placement.homes(partition)) if (home !== config.node) nodes.add(home);
    }
  }
  return nodes;
}

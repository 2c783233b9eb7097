/** The part of the composition root that builds anti-entropy: who compares, who answers, and what operators may start. */

import { AntiEntropy, type ComparedPeer, type EndedComparison } from './anti-entropy/anti-entropy.ts';
import { ComparisonCalls } from './anti-entropy/comparison-calls.ts';
import { Operations } from './anti-entropy/operations.ts';
import type { ReplicaTrees } from './anti-entropy/replica-trees.ts';
import type { Config } from './config/config.ts';
import type { SampledStore } from './coordinator/divergence.ts';
import type { Throttle } from './core/background/throttle.ts';
import type { Bucket } from './core/bucket.ts';
import { nodeId, type PartitionId } from './core/identity.ts';
import type { Placement } from './core/ring/placement.ts';
import { readRecordKey } from './core/ring/record-key.ts';
import type { Env } from './env/env.ts';
import type { Logger } from './observe/log.ts';
import type { Peers } from './peers.ts';
import type { PlacedRecords } from './replica/placed-records.ts';
import type { DataStore } from './storage/data-store.ts';
import { EngineError } from './storage/engine.ts';

/** What anti-entropy is made of, in a node. */
export interface AntiEntropyParts {
  readonly antiEntropy: AntiEntropy;
  readonly operations: Operations;
  /** What a measurement of divergence draws from. */
  readonly sampledStore: SampledStore;
}

/** What the parts of other services do for it. */
export interface AntiEntropyWiring {
  readonly env: Env;
  readonly log: Logger;
  readonly store: DataStore;
  readonly peers: Pick<Peers, 'isUp' | 'background' | 'liveness'>;
  readonly trees: ReplicaTrees;
  readonly records: PlacedRecords;
  readonly buckets: ReadonlyMap<string, Bucket>;
  readonly throttle: Throttle;
  readonly placementFor: (replication: number) => Placement;
  readonly isAged: (recordKey: Uint8Array, record: Uint8Array) => boolean;
  readonly repairLater: (bucket: Bucket, recordKey: Uint8Array) => void;
  /** See `AntiEntropyDependencies`. */
  readonly startMs: () => number;
  readonly onEqual: (ended: EndedComparison) => void;
  /** Told of every comparison, however it ended. */
  readonly onCompared?: (compared: ComparedPeer) => void;
}

/** The answering side. It is there before the links to the peers are. */
export function wireComparisonCalls(
  trees: ReplicaTrees,
  store: DataStore,
  onUnexpected: (error: unknown) => void,
): ComparisonCalls {
  const settle = async (): Promise<number> => {
    await store.flush();
    // A state of this store that lacks any of it has a smaller mark: peers that relied on what was compared can tell.
    await store.identity.saveHighWater(store.identity.highWaterMicros + 1);
    return store.identity.storedMark;
  };
  return new ComparisonCalls({ trees, settle, onUnexpected });
}

export function wireAntiEntropy(wiring: AntiEntropyWiring, config: Config): AntiEntropyParts {
  const { env, log, peers, buckets } = wiring;
  const onError = (error: unknown): void => {
    // Whoever listens to the store has heard of its failure already, and the node is stopping.
    if (error instanceof EngineError) log.debug({ error }, 'a comparison ended with the store');
    else log.error({ error }, 'a comparison failed unexpectedly');
  };
  const antiEntropy = new AntiEntropy(
    {
      ...wiring,
      // What is answered as absent is on the disk, and supersedes whatever a peer may still hold.
      records: {
        readStored: (recordKey) => wiring.records.readStored(recordKey),
        merge: (recordKey, record, options) => wiring.records.merge(recordKey, record, options),
      },
      peers: config.members.map(({ id }) => id).filter((id) => id !== config.node),
      isUp: (peer) => peers.isUp(peer),
      linkOf: (peer) => peers.background(peer),
      repairLater: (recordKey) => {
        const bucket = buckets.get(readRecordKey(recordKey)?.bucket ?? '');
        if (bucket !== undefined) wiring.repairLater(bucket, recordKey);
      },
      onCompared: (compared) => {
        logCompared(log, compared);
        wiring.onCompared?.(compared);
      },
      onError,
    },
    config.antiEntropy,
  );
  peers.liveness.onChange(({ node, to }) => {
    if (to === 'up') antiEntropy.peerIsBack(nodeId(node));
  });
  const operations = new Operations(env, onError);
  return { antiEntropy, operations, sampledStore: sampledStoreOf(wiring, config) };
}

function sampledStoreOf(wiring: AntiEntropyWiring, config: Config): SampledStore {
  const { store, buckets, placementFor, isAged } = wiring;
  const owned = ({ replication }: Bucket): readonly PartitionId[] =>
    placementFor(replication).ownedPartitions(config.node);
  return {
    partitions: (bucket) =>
      bucket === undefined ? [...new Set([...buckets.values()].flatMap(owned))] : owned(bucket),
    entries: (partition) => store.records.entries(partition),
    bucketOf: (recordKey, read) => {
      if (read.kind === 'absent' || (read.kind === 'found' && isAged(recordKey, read.record)))
        return undefined;
      return buckets.get(readRecordKey(recordKey)?.bucket ?? '');
    },
  };
}

function logCompared(log: Logger, { peer, replication, outcome, counts, tookMs }: ComparedPeer): void {
  const { keysRepaired, keysLeft, keysDiffering, keysCompared, bytesExchanged } = counts;
  const fields = { peer, replication, ...counts, tookMs: Math.round(tookMs) };
  if (outcome.kind === 'failed') {
    const { why, message } = outcome;
    const text = `comparing with ${peer} came to no end: ${message}`;
    // A peer that is away is told of elsewhere.
    if (why === 'away') log.debug(fields, text);
    else log.warn({ ...fields, why }, text);
  }
  if (keysRepaired > 0) {
    log.info(fields, `repaired ${keysRepaired} keys with ${peer}: ${bytesExchanged} bytes exchanged`);
  } else log.debug(fields, `compared with ${peer}: ${outcome.kind}, ${keysCompared} keys looked at`);
  if (keysLeft > 0) {
    log.warn(fields, `${keysLeft} of ${keysDiffering} keys that differ from ${peer} wait for another repair`);
  }
}

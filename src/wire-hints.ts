/** Hinted hand-off, introduced to the other services: kept here, for others, and handed over. Part of the composition root. */

import type { Config } from './config/config.ts';
import { PeerReplica } from './coordinator/peer-replica.ts';
import type { MergeAnswer, ReplicaClient } from './coordinator/replica-client.ts';
import type { HintedWrites } from './coordinator/write-coordinator.ts';
import type { Throttle } from './core/background/throttle.ts';
import type { Bucket } from './core/bucket.ts';
import { type NodeId, nodeId } from './core/identity.ts';
import type { Placement } from './core/ring/placement.ts';
import { readRecordKey } from './core/ring/record-key.ts';
import { type Hash64, partitionOf, tokenOf } from './core/ring/token.ts';
import type { Env } from './env/env.ts';
import { HintCalls } from './handoff/hint-calls.ts';
import { type DroppedHint, HintKeeper } from './handoff/hint-keeper.ts';
import { type HintDelivery, HintReplay } from './handoff/hint-replay.ts';
import { HintedWriter, type HintedWriterDependencies } from './handoff/hinted-write.ts';
import type { Logger } from './observe/log.ts';
import type { Metrics } from './observe/metrics.ts';
import type { Peers } from './peers.ts';
import type { HintStore } from './storage/hint-store.ts';

/** Hints on their way to the disk that nobody waits for. */
const bytesWaitingMax = 64 * 1024 * 1024;
const replayOptions = { intervalMs: 500, inFlightMax: 32, bytesInFlightMax: 8 * 1024 * 1024 };
/** One hint: a disk may be slow, and a target that says nothing for so long is tried again at the next look. */
const timeoutMs = 5_000;

export interface HintWiringDependencies {
  readonly env: Env;
  readonly log: Logger;
  readonly metrics: Pick<Metrics, 'hintsReplayed' | 'hintsDropped'>;
  readonly hints: HintStore;
  readonly writer: Pick<HintedWriterDependencies, 'identity' | 'clock' | 'wallMicros'>;
  readonly buckets: ReadonlyMap<string, Bucket>;
  readonly hash64: Hash64;
  readonly placementFor: (replication: number) => Placement;
  readonly peers: Pick<Peers, 'isUp' | 'background' | 'storedMarkOf'>;
  /** This node's own replica: for hints of a target that is no home any more, where this node is one. */
  readonly local: ReplicaClient;
  readonly throttle: Throttle;
  readonly repairLater: (bucket: Bucket, recordKey: Uint8Array) => void;
  readonly onUnexpected: (error: unknown) => void;
}

/** What became of the wiring. */
export interface Hints {
  readonly writes: HintedWrites;
  readonly calls: HintCalls;
  readonly replay: HintReplay;
}

export function wireHints(deps: HintWiringDependencies, config: Config): Hints {
  const { env, log, metrics, hints, buckets, peers, onUnexpected } = deps;
  const members = new Set<NodeId>(config.members.map(({ id }) => id));
  const isMember = (node: NodeId): boolean => members.has(node);
  const markOf = (node: NodeId): number => peers.storedMarkOf(node);
  const onDropped = (target: NodeId, why: DroppedHint): void => metrics.hintsDropped(target, why).add();
  const writer = new HintedWriter(
    { ...deps.writer, hints, markOf },
    { recordBytesMax: config.limits.recordBytesMax },
  );
  const keeper = new HintKeeper({ hints, markOf, onDropped, onUnexpected }, { bytesWaitingMax });
  const clients = new Map<NodeId, ReplicaClient>();
  for (const node of members) {
    clients.set(node, node === config.node ? deps.local : new PeerReplica(node, peers.background(node)));
  }
  const bucketOf = (recordKey: Uint8Array): Bucket | undefined =>
    buckets.get(readRecordKey(recordKey)?.bucket ?? '');
  const replay = new HintReplay(
    {
      hints,
      env,
      isMember,
      isUp: (node) => peers.isUp(node),
      homesOf: (recordKey) => {
        const bucket = bucketOf(recordKey);
        if (bucket === undefined) return undefined;
        const placement = deps.placementFor(bucket.replication);
        return placement.homes(partitionOf(tokenOf(deps.hash64, recordKey), placement.layout.partitions));
      },
      markOf,
      deliver: (target, { recordKey, record, receiverMark }) =>
        new Promise((resolve) =>
          (clients.get(target) as ReplicaClient).merge(
            recordKey,
            record,
            { origin: 'hint', sync: true, receiverMark },
            timeoutMs,
            (answer) => resolve(hintDelivery(answer)),
          ),
        ),
      throttle: deps.throttle,
      onReplayed: (target, count) => {
        metrics.hintsReplayed(target).add(count);
        log.info({ peer: target, count }, `handed ${count} hints over to ${target}`);
      },
      onRefused: (recordKey) => {
        const bucket = bucketOf(recordKey);
        if (bucket !== undefined) deps.repairLater(bucket, recordKey);
      },
      onDropped,
      onCountedDropped: (target, count) =>
        log.warn(
          { peer: target, count },
          `${count} hints for ${target} that writes had counted were dropped: if no other node has these writes, they are lost`,
        ),
      onError: (error) => log.error({ error }, 'hints could not be handed over'),
    },
    {
      ...replayOptions,
      bytesPerSecond: config.hints.replayBytesPerSecond,
      ageMsMax: config.hints.ageMsMax,
    },
  );
  const calls = new HintCalls({ self: nodeId(config.node), keeper, buckets, isMember, onUnexpected });
  const writes: HintedWrites = {
    write: (...call) => writer.write(...call),
    missed: (...call) => keeper.missed(...call),
    markOf,
  };
  return { writes, calls, replay };
}

function hintDelivery(answer: MergeAnswer): HintDelivery {
  if (answer.kind === 'merged') return answer.synced ? 'confirmed' : 'refused';
  const { reason } = answer;
  if (reason === 'outdated') return 'outdated';
  return reason === 'refused' || reason === 'record-damaged' ? 'refused' : 'unreachable';
}

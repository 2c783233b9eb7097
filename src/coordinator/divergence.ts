/**
 * How far the replicas differ now, by a sample: keys drawn at random among those that this node holds are asked of all their
 * replicas. Cheap enough to ask at any time, and it repairs nothing, so that asking twice tells whether it gets better.
 */

import type { Bucket } from '../core/bucket.ts';
import { dotText } from '../core/causality/dot.ts';
import { mergeRecords, type VersionedRecord } from '../core/causality/record.ts';
import { covers } from '../core/causality/vector-clock.ts';
import type { NodeId, PartitionId } from '../core/identity.ts';
import type { Env } from '../env/env.ts';
import type { StoredRead } from '../storage/record-store.ts';
import type { Coordination, ReplicaView } from './operation.ts';

/** What keys are drawn from. */
export interface SampledStore {
  /** The partitions that this node is a home of, under the replication of the bucket; of all buckets if there is none. */
  partitions(bucket: Bucket | undefined): readonly PartitionId[];
  /** Everything of a partition in order of keys. Rejects with EngineError. */
  entries(partition: PartitionId): AsyncIterable<readonly [recordKey: Uint8Array, read: StoredRead]>;
  /** The bucket of a record that a sample counts. `undefined`: of none, or replicas may have collected it already. */
  bucketOf(recordKey: Uint8Array, read: StoredRead): Bucket | undefined;
}

/** A key that was drawn. */
export interface SampledKey {
  readonly bucket: Bucket;
  readonly recordKey: Uint8Array;
}

/** What a sample tells. */
export interface Divergence {
  /** Keys compared on all their replicas. */
  readonly sampled: number;
  readonly divergent: number;
  /** Keys of which a replica gave no answer. */
  readonly unknown: number;
  /** Who gave none, in order. Nobody although some are unknown: there was no time left to ask. */
  readonly unansweredBy: readonly NodeId[];
  /** Age of the oldest write that a replica lacked. `undefined`: none. */
  readonly oldestMs: number | undefined;
}

/** Keys taken of one partition at first, so that a sample comes from many of them and still reads few records. */
const keysPerPartition = 16;
/** Records looked at in one partition. */
const recordsPerPartition = 10_000;
const inspectedAtOnce = 16;

/** Draws up to `count` keys: fewer where the node holds fewer, or when `untilMs` (monotonic) comes. Rejects with EngineError. */
export async function drawKeys(
  store: SampledStore,
  env: Env,
  bucket: Bucket | undefined,
  count: number,
  untilMs: number,
): Promise<readonly SampledKey[]> {
  const { random, clock } = env;
  const drawn: SampledKey[] = [];
  /** Further keys of the partitions that were read, for a node that holds few. */
  const spare: SampledKey[] = [];
  for (const partition of shuffled(store.partitions(bucket), env)) {
    if (drawn.length >= count || clock.monotonicMs() >= untilMs) break;
    // Each of the keys seen so far is among the chosen with the same chance (reservoir sampling, Vitter 1985).
    const chosen: SampledKey[] = [];
    const most = Math.min(count, keysPerPartition);
    let records = 0;
    let seen = 0;
    for await (const [recordKey, read] of store.entries(partition)) {
      if (++records > recordsPerPartition || clock.monotonicMs() >= untilMs) break;
      const held = store.bucketOf(recordKey, read);
      if (held === undefined || (bucket !== undefined && held !== bucket)) continue;
      seen++;
      const key = { bucket: held, recordKey };
      const place = chosen.length < most ? chosen.length : Math.floor(random.fraction() * seen);
      const replaced = chosen[place];
      if (place < most) chosen[place] = key;
      const left = place < most ? replaced : key;
      if (left !== undefined && spare.length < count) spare.push(left);
    }
    drawn.push(...chosen);
  }
  return [...drawn, ...shuffled(spare, env)].slice(0, count);
}

/** Asks all replicas of these keys what they hold. Keys that there is no time for count as unknown. */
export async function measureDivergence(
  coordination: Pick<Coordination, 'inspect'>,
  env: Env,
  keys: readonly SampledKey[],
  deadlineMs: number,
): Promise<Divergence> {
  let sampled = 0;
  let divergent = 0;
  let unknown = 0;
  const silent = new Set<NodeId>();
  let oldestMicros: number | undefined;
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < keys.length) {
      const { bucket, recordKey } = keys[next++] as SampledKey;
      if (env.clock.monotonicMs() >= deadlineMs) {
        unknown++;
        continue;
      }
      const views = await coordination.inspect(recordKey, bucket.replication, deadlineMs);
      const compared = compareViews(views, bucket);
      if (compared === 'unknown') {
        unknown++;
        for (const { node, answer } of views) if (answer.kind === 'unreachable') silent.add(node);
        continue;
      }
      sampled++;
      if (!compared.differ) continue;
      divergent++;
      const { lackedSinceMicros: since } = compared;
      if (since !== undefined && (oldestMicros === undefined || since < oldestMicros)) oldestMicros = since;
    }
  };
  await Promise.all(Array.from({ length: Math.min(inspectedAtOnce, keys.length) }, worker));
  const nowMicros = env.clock.wallMicros();
  const oldestMs = oldestMicros === undefined ? undefined : Math.max(0, nowMicros - oldestMicros) / 1_000;
  return { sampled, divergent, unknown, unansweredBy: [...silent].sort(), oldestMs };
}

/** Whether replicas hold different things, and when the oldest write was made that one of them lacks. */
export function compareViews(
  views: readonly ReplicaView[],
  bucket: Pick<Bucket, 'conflictPolicy'>,
): 'unknown' | { readonly differ: boolean; readonly lackedSinceMicros: number | undefined } {
  if (views.some(({ answer }) => answer.kind === 'unreachable')) return 'unknown';
  let merged: VersionedRecord | undefined;
  for (const { answer } of views) {
    if (answer.kind !== 'found') continue;
    merged =
      merged === undefined ? answer.record : mergeRecords(merged, answer.record, bucket.conflictPolicy);
  }
  if (new Set(views.map(nameOf)).size <= 1 && !views.some(({ answer }) => answer.kind === 'damaged')) {
    return { differ: false, lackedSinceMicros: undefined };
  }
  let lackedSinceMicros: number | undefined;
  for (const { answer } of views) {
    for (const { dot, writtenAt } of merged?.versions ?? []) {
      if (answer.kind === 'found' && covers(answer.record.clock, dot)) continue;
      if (lackedSinceMicros === undefined || writtenAt < lackedSinceMicros) lackedSinceMicros = writtenAt;
    }
  }
  return { differ: true, lackedSinceMicros };
}

/** Equal for equal records: a dot names one value, so clock and dots say all. */
function nameOf({ answer }: ReplicaView): string {
  if (answer.kind !== 'found') return answer.kind;
  const { clock, versions } = answer.record;
  return `${clock.map(dotText).join()} ${versions.map(({ dot }) => dotText(dot)).join()}`;
}

function shuffled<Item>(items: readonly Item[], { random }: Env): Item[] {
  const all = [...items];
  for (let i = all.length - 1; i > 0; i--) {
    const j = Math.floor(random.fraction() * (i + 1));
    [all[i], all[j]] = [all[j] as Item, all[i] as Item];
  }
  return all;
}

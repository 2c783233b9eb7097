/** DiagnosticService: what the replicas of a key hold, side by side, and how this node is doing. Changes nothing. */

import { status } from '@grpc/grpc-js';
import { dotText } from '../core/causality/dot.ts';
import { isLive, mergeRecords, type VersionedRecord } from '../core/causality/record.ts';
import type { VectorClock } from '../core/causality/vector-clock.ts';
import { OperationError } from '../core/coordinator/failure.ts';
import type { NodeId } from '../core/identity.ts';
import { partitionOf, tokenOf } from '../core/ring/token.ts';
import type { Env } from '../env/env.ts';
import {
  DiagnosticServiceDefinition,
  type InspectKeyRequest,
  type InspectKeyResponse,
  type MeasureDivergenceRequest,
  type MeasureDivergenceResponse,
  type ReplicaView as WireView,
} from '../gen/kindred/v1/diagnostic.ts';
import type { ItemStatus } from '../gen/kindred/v1/types.ts';
import { durationOfMs, versionMessage } from '../rpc/conversion.ts';
import { checkBucketName, grouped, invalid, type RequestLimits } from '../rpc/limits.ts';
import { type Call, type Service, service } from '../rpc/service.ts';
import { drawKeys, measureDivergence, type SampledStore } from './divergence.ts';
import type { Coordination, ReplicaView } from './operation.ts';
import { namedKey, nodeMessage, nodeStateMessage, type TopologyDependencies } from './topology-service.ts';

/** How a node is doing: figures by name (the unit at the end), and sentences about what somebody should look at. */
export interface NodeSnapshot {
  readonly gauges: Readonly<Record<string, number>>;
  readonly alarms: readonly string[];
}

export interface DiagnosticDependencies {
  readonly self: NodeId;
  readonly env: Env;
  readonly coordination: Coordination;
  readonly topology: TopologyDependencies;
  readonly snapshot: () => NodeSnapshot;
  /** What this node holds, to draw from. */
  readonly sampledStore: SampledStore;
}

/** Keys that one measurement of divergence draws: unless asked, and at most. */
const sampleKeysDefault = 1_000;
const sampleKeysMax = 10_000;

export function diagnosticService(dependencies: DiagnosticDependencies, limits: RequestLimits): Service {
  const { self, env, coordination, topology, snapshot, sampledStore } = dependencies;
  return service(DiagnosticServiceDefinition, {
    async inspectKey(request: InspectKeyRequest, call: Call): Promise<InspectKeyResponse> {
      const { bucket, recordKey } = namedKey(request.key, topology.buckets, limits);
      const views = await coordination.inspect(recordKey, bucket.replication, call.deadlineMs);
      const nowMicros = env.clock.wallMicros();
      const omitData = !request.includeData;
      const placement = topology.placementFor(bucket.replication);
      const partition = partitionOf(tokenOf(topology.hash64, recordKey), placement.layout.partitions);
      let merged: VersionedRecord | undefined;
      for (const { answer } of views) {
        if (answer.kind !== 'found') continue;
        merged =
          merged === undefined ? answer.record : mergeRecords(merged, answer.record, bucket.conflictPolicy);
      }
      return {
        replicas: views.map((view) => ({
          nodeId: view.node,
          home: placement.isHome(partition, view.node),
          state: nodeStateMessage(topology.viewOf(view.node).state),
          ...viewMessage(view.answer, nowMicros, omitData),
        })),
        merged: merged?.versions.map((version) => versionMessage(version, nowMicros, omitData)) ?? [],
        explanation: explain(views, merged, nowMicros),
      };
    },
    async measureDivergence(
      { bucket: name, sampleKeys }: MeasureDivergenceRequest,
      call: Call,
    ): Promise<MeasureDivergenceResponse> {
      if (sampleKeys > sampleKeysMax) {
        throw invalid('sample_keys', `is ${grouped(sampleKeys)}; the limit is ${grouped(sampleKeysMax)}`);
      }
      if (name !== '') checkBucketName(name, 'bucket');
      const bucket = name === '' ? undefined : topology.buckets.get(name);
      if (name !== '' && bucket === undefined) {
        throw new OperationError({ kind: 'bucket-unknown', bucket: name });
      }
      const count = sampleKeys === 0 ? sampleKeysDefault : sampleKeys;
      const nowMs = env.clock.monotonicMs();
      // Half of the time to draw, half to ask.
      const drawUntilMs = nowMs + (call.deadlineMs - nowMs) / 2;
      const keys = await drawKeys(sampledStore, env, bucket, count, drawUntilMs);
      const divergence = await measureDivergence(coordination, env, keys, call.deadlineMs);
      const { sampled, divergent, unknown, unansweredBy, oldestMs } = divergence;
      const oldestDivergence = oldestMs === undefined ? undefined : durationOfMs(oldestMs);
      return { sampled, divergent, unknown, oldestDivergence, unansweredBy: [...unansweredBy] };
    },
    async getNodeStatus() {
      const { gauges, alarms } = snapshot();
      const whole: Record<string, number> = {};
      // The message holds whole numbers.
      for (const [name, value] of Object.entries(gauges)) whole[name] = Math.max(0, Math.round(value));
      return { node: nodeMessage(self, topology, false), gauges: whole, alarms: [...alarms] };
    },
  });
}

function viewMessage(
  answer: ReplicaView['answer'],
  nowMicros: number,
  omitData: boolean,
): Pick<WireView, 'versions' | 'contextText' | 'storedBytes' | 'error' | 'damaged'> {
  const empty = { versions: [], contextText: '', storedBytes: 0, error: undefined, damaged: false };
  switch (answer.kind) {
    case 'found':
      return {
        ...empty,
        versions: answer.record.versions.map((version) => versionMessage(version, nowMicros, omitData)),
        contextText: clockText(answer.record.clock),
        storedBytes: answer.bytes,
      };
    case 'absent':
      return empty;
    case 'damaged':
      return { ...empty, damaged: true };
    case 'unreachable':
      return { ...empty, error: unreachable(answer.why) };
  }
}

function unreachable(why: string): ItemStatus {
  return { code: status.UNAVAILABLE, message: why, detail: undefined };
}

function clockText(clock: VectorClock): string {
  return `{${clock.map(dotText).join(', ')}}`;
}

/** What the views of the replicas mean, in a sentence or two. */
export function explain(
  views: readonly ReplicaView[],
  merged: VersionedRecord | undefined,
  nowMicros: number,
): string {
  const silent = views.filter(({ answer }) => answer.kind === 'unreachable').map(({ node }) => node);
  const damaged = views.filter(({ answer }) => answer.kind === 'damaged').map(({ node }) => node);
  const behind = views
    .filter(({ answer }) => merged !== undefined && isBehind(answer, merged))
    .map(({ node }) => node);
  const sentences = [stateSentence(merged, nowMicros, silent.length === views.length)];
  if (behind.length > 0) {
    sentences.push(
      `${list(behind)} ${behind.length === 1 ? 'has' : 'have'} not seen all of it; a read at QUORUM repairs that.`,
    );
  } else if (merged !== undefined && silent.length + damaged.length === 0) {
    sentences.push(views.length === 1 ? 'It has one replica.' : `All ${views.length} replicas agree.`);
  }
  if (damaged.length > 0) {
    sentences.push(
      `The record on ${list(damaged)} failed its checksum: it is not served, and is replaced from the others at the next read or write.`,
    );
  }
  if (silent.length > 0) sentences.push(`${list(silent)} gave no answer.`);
  return sentences.join(' ');
}

function isBehind(answer: ReplicaView['answer'], merged: VersionedRecord): boolean {
  if (answer.kind === 'absent') return true;
  return answer.kind === 'found' && clockText(answer.record.clock) !== clockText(merged.clock);
}

function stateSentence(merged: VersionedRecord | undefined, nowMicros: number, allSilent: boolean): string {
  if (allSilent) return 'No replica answered, so nothing is known about the key.';
  if (merged === undefined) return 'No replica that answered has ever seen the key.';
  const { versions } = merged;
  const live = versions.filter((version) => isLive(version, nowMicros)).length;
  if (versions.length === 0) return 'The key has a history but holds nothing.';
  if (live === 0) {
    const expired = versions.some((version) => version.value !== undefined);
    return expired ? 'The key has expired.' : 'The key is deleted.';
  }
  if (versions.length === 1) return 'The key holds one version.';
  const deletions = versions.length - live;
  const what = deletions === 0 ? '' : `, ${deletions} of them deleted or expired`;
  return `The key holds ${versions.length} versions that raced${what}: read them, merge, and put the result with the context.`;
}

function list(nodes: readonly string[]): string {
  if (nodes.length < 2) return nodes.join('');
  return `${nodes.slice(0, -1).join(', ')} and ${nodes.at(-1)}`;
}

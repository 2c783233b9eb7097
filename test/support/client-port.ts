/** A real client port over a coordination in memory, with clients, for tests of the services and of the door. */

import type { ChannelOptions } from '@grpc/grpc-js';
import { type Channel, type Client, createChannel, createClientFactory, type Metadata } from 'nice-grpc';
import { bucketService } from '../../src/coordinator/bucket-service.ts';
import { type DiagnosticDependencies, diagnosticService } from '../../src/coordinator/diagnostic-service.ts';
import { type KeyValueService, keyValueService } from '../../src/coordinator/key-value-service.ts';
import type { RequestObserver } from '../../src/coordinator/request-observer.ts';
import { type TopologyDependencies, topologyService } from '../../src/coordinator/topology-service.ts';
import type { Bucket } from '../../src/core/bucket.ts';
import { nodeId } from '../../src/core/identity.ts';
import type { Layout } from '../../src/core/ring/layout.ts';
import { Placement } from '../../src/core/ring/placement.ts';
import type { Env } from '../../src/env/env.ts';
import { systemEnv } from '../../src/env/system-env.ts';
import { loadHash64 } from '../../src/env/xxhash.ts';
import { descriptors } from '../../src/gen/descriptors.ts';
import { BucketServiceDefinition } from '../../src/gen/kindred/v1/bucket.ts';
import { DiagnosticServiceDefinition } from '../../src/gen/kindred/v1/diagnostic.ts';
import { KeyValueServiceDefinition } from '../../src/gen/kindred/v1/kv.ts';
import { OperationServiceDefinition } from '../../src/gen/kindred/v1/operation.ts';
import { TopologyServiceDefinition } from '../../src/gen/kindred/v1/topology.ts';
import type { ErrorDetail } from '../../src/gen/kindred/v1/types.ts';
import { Admission } from '../../src/rpc/admission.ts';
import { ContextTokens } from '../../src/rpc/conversion.ts';
import { defaultRequestLimits } from '../../src/rpc/limits.ts';
import { type ClientServer, type ServerOptions, startServer } from '../../src/rpc/server.ts';
import { detailsTrailer, errorDetailOf } from '../../src/rpc/status.ts';
import { MemoryCoordination } from './memory-coordination.ts';

export const testBucket: Bucket = {
  name: 'default',
  replication: 3,
  readLevel: 'quorum',
  writeLevel: 'quorum',
  durability: 'sync-quorum',
  handoff: 'strict',
  conflictPolicy: 'siblings',
  blindWrite: 'overwrite',
  siblingsWarn: 25,
  siblingsMax: 100,
  ttlMs: undefined,
  valueBytesMax: 1024 * 1024,
};

export interface ClientPortOptions extends Partial<ServerOptions> {
  readonly requestsInFlightMax?: number;
  readonly bytesInFlightMax?: number;
  readonly pipelineOperationsMax?: number;
  readonly buckets?: readonly Bucket[];
}

/** A call to the observer, in one line. */
export type Observed = string;

export interface ClientPort {
  readonly server: ClientServer;
  readonly address: string;
  readonly coordination: MemoryCoordination;
  readonly keyValue: KeyValueService;
  readonly observed: Observed[];
  readonly incidents: unknown[];
  readonly tokens: ContextTokens;
  /** From now on the node sees these nodes as failed, and the others as up. At first: n3. */
  see(failed: readonly string[]): void;
  /** Who waits for changes of that. */
  readonly viewListeners: number;
  stop(): Promise<void>;
}

export async function startClientPort(options: ClientPortOptions = {}): Promise<ClientPort> {
  const env = systemEnv();
  const hash64 = await loadHash64();
  const coordination = new MemoryCoordination(() => env.clock.wallMicros());
  const admission = new Admission(
    { env },
    {
      requestsInFlightMax: options.requestsInFlightMax ?? 4096,
      bytesInFlightMax: options.bytesInFlightMax ?? 256 * 1024 * 1024,
    },
  );
  const buckets = new Map([testBucket, ...(options.buckets ?? [])].map((bucket) => [bucket.name, bucket]));
  const tokens = new ContextTokens('test');
  const observed: Observed[] = [];
  const incidents: unknown[] = [];
  const observe: RequestObserver = {
    answered: (method, bucket, level) => observed.push(`${method} ${bucket} ${level} OK`),
    failed: (method, bucket, level, item) =>
      observed.push(`${method} ${bucket} ${level} ${item.code} ${item.detail?.reason}`),
    refused: (method, code, reason) => observed.push(`${method} refused ${code} ${reason}`),
    siblings: () => {},
    valueBytes: () => {},
    replayed: () => observed.push('replayed'),
  };
  const reportIncident = (error: unknown): string => {
    incidents.push(error);
    return `incident-${incidents.length}`;
  };
  const deadlines = {
    requestMs: options.requestMs ?? 5_000,
    requestMsMax: options.requestMsMax ?? 10_000,
    deadlineMarginMs: options.deadlineMarginMs ?? 20,
  };
  const keyValue = keyValueService(
    { env, coordination, buckets, tokens, layoutVersion: () => 1, observe, reportIncident, admission },
    {
      ...deadlines,
      limits: defaultRequestLimits,
      pipelineOperationsMax: options.pipelineOperationsMax ?? 4096,
    },
  );
  const seen = { failed: new Set(['n3']), listeners: new Set<() => void>() };
  const topology = topologyDependencies(buckets, hash64, env, seen);
  const diagnostic: DiagnosticDependencies = {
    self: nodeId('n1'),
    env,
    coordination,
    topology,
    snapshot: () => ({ gauges: { requests_in_flight: admission.requests }, alarms: ['n3 is failed'] }),
    sampledStore: { partitions: () => [], entries: async function* () {}, bucketOf: () => undefined },
  };
  const server = await startServer(
    {
      env,
      admission,
      services: [
        keyValue.service,
        bucketService(buckets),
        topologyService(topology, defaultRequestLimits),
        diagnosticService(diagnostic, defaultRequestLimits),
      ],
      descriptors,
      reportIncident,
      refused: observe.refused,
    },
    {
      host: '127.0.0.1',
      port: 0,
      messageBytesMax: 5 * 1024 * 1024,
      headerBytesMax: 8192,
      queueMsMax: 1_000,
      streamsPerConnectionMax: 256,
      connectionsMax: 100,
      connectionIdleMs: 300_000,
      connectionAgeMs: 3_600_000,
      http2: 'own',
      ...options,
      ...deadlines,
    },
  );
  return {
    server,
    address: `127.0.0.1:${server.port}`,
    coordination,
    keyValue,
    observed,
    incidents,
    tokens,
    see(failed) {
      seen.failed = new Set(failed);
      for (const listener of seen.listeners) listener();
    },
    get viewListeners() {
      return seen.listeners.size;
    },
    async stop() {
      await server.close();
    },
  };
}

function topologyDependencies(
  buckets: ReadonlyMap<string, Bucket>,
  hash64: Awaited<ReturnType<typeof loadHash64>>,
  env: Env,
  seen: { readonly failed: ReadonlySet<string>; readonly listeners: Set<() => void> },
): TopologyDependencies {
  const layout: Layout = {
    version: 1,
    members: ['n1', 'n2', 'n3', 'n4'].map((id) => ({ id: nodeId(id), zone: `zone-${id}`, weight: 1 })),
    replication: 3,
    partitions: 64,
  };
  const placements = new Map<number, Placement>();
  return {
    clusterId: 'test',
    hash64,
    buckets,
    layout: () => layout,
    placementFor(replication) {
      let placement = placements.get(replication);
      if (placement === undefined) {
        placement = new Placement(layout, replication, hash64);
        placements.set(replication, placement);
      }
      return placement;
    },
    viewOf: (node) => {
      const failed = seen.failed.has(node);
      return {
        state: failed ? 'failed' : 'up',
        reason: failed ? 'both channels are broken (reset), and n2 does not reach it either' : '',
        phi: failed ? 12.5 : 0,
        lastHeartbeatAgoMs: failed ? 4_200 : undefined,
        incarnation: node === 'n2' ? 3 : 0,
        clockAheadMs: node === 'n2' ? -1500 : undefined,
        softwareVersion: '0.1.0',
        upSinceMicros: failed ? undefined : 1_700_000_000_000_000,
      };
    },
    onViewChange(listener) {
      seen.listeners.add(listener);
      return () => seen.listeners.delete(listener);
    },
    timers: env.timers,
    addressesOf: (node) => ({ client: `${node}:7400`, peer: `${node}:7500` }),
  };
}

export interface Clients {
  readonly channel: Channel;
  readonly keyValue: Client<KeyValueServiceDefinition>;
  readonly buckets: Client<BucketServiceDefinition>;
  readonly topology: Client<TopologyServiceDefinition>;
  readonly diagnostic: Client<DiagnosticServiceDefinition>;
  readonly operation: Client<OperationServiceDefinition>;
}

/** Clients of one channel, that is of one connection. */
export function clientsOf(address: string, options: ChannelOptions = {}): Clients {
  const channel = createChannel(address, undefined, {
    'grpc.max_receive_message_length': -1,
    'grpc.max_send_message_length': -1,
    'grpc.use_local_subchannel_pool': 1,
    ...options,
  });
  const factory = createClientFactory();
  return {
    channel,
    keyValue: factory.create(KeyValueServiceDefinition, channel),
    buckets: factory.create(BucketServiceDefinition, channel),
    topology: factory.create(TopologyServiceDefinition, channel),
    diagnostic: factory.create(DiagnosticServiceDefinition, channel),
    operation: factory.create(OperationServiceDefinition, channel),
  };
}

/** What a client learns of a failure. */
export interface ClientFailure {
  readonly code: number;
  readonly details: string;
  readonly detail: ErrorDetail | undefined;
  readonly pushback: string | undefined;
}

/** Makes a call that must fail, and tells how. `call` gets the options to pass on. */
export async function failureOf(
  call: (options: { onTrailer: (trailer: Metadata) => void }) => Promise<unknown>,
): Promise<ClientFailure> {
  let trailer: Metadata | undefined;
  let result: unknown;
  try {
    result = await call({
      onTrailer(received) {
        trailer = received;
      },
    });
  } catch (error) {
    if (!(error instanceof Error) || !('code' in error) || !('details' in error)) throw error;
    return {
      code: Number(error.code),
      details: String(error.details),
      detail: errorDetailOf(trailer?.get(detailsTrailer) as Uint8Array | undefined),
      pushback: trailer?.get('grpc-retry-pushback-ms') as string | undefined,
    };
  }
  throw new Error(`the call should have failed, and was answered ${JSON.stringify(result)}`);
}

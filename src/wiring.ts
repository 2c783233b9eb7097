/**
 * The composition root: builds every part of a node from its configuration and introduces the services to each other.
 * They import none of one another; what each needs of the others it has declared where it uses it.
 */

import type { AntiEntropy } from './anti-entropy/anti-entropy.ts';
import type { Operations } from './anti-entropy/operations.ts';
import { ReplicaTrees } from './anti-entropy/replica-trees.ts';
import { BackgroundWork } from './background-work.ts';
import { type Config, canonicalConfiguration } from './config/config.ts';
import { softwareVersion } from './config/software-version.ts';
import { Coordinator } from './coordinator/coordinator.ts';
import type { SampledStore } from './coordinator/divergence.ts';
import { type KeyValueService, keyValueService } from './coordinator/key-value-service.ts';
import { LocalReplica } from './coordinator/local-replica.ts';
import { PeerReplica } from './coordinator/peer-replica.ts';
import type { ReplicaClient } from './coordinator/replica-client.ts';
import { MetricsObserver, type RequestObserver } from './coordinator/request-observer.ts';
import type { Bucket } from './core/bucket.ts';
import { HybridClock } from './core/hybrid-clock.ts';
import { type NodeId, nodeId } from './core/identity.ts';
import type { Layout } from './core/ring/layout.ts';
import { Placement } from './core/ring/placement.ts';
import { type Hash64, tokenText } from './core/ring/token.ts';
import type { Env } from './env/env.ts';
import type { Network } from './env/network.ts';
import { systemEnv } from './env/system-env.ts';
import { loadHash64, rememberingLast } from './env/xxhash.ts';
import { type Hello, ReplicaError_Kind } from './gen/kindred/peer/v1/peer.ts';
import type { HintReplay } from './handoff/hint-replay.ts';
import type { startHttp } from './observe/http.ts';
import { createLogger, type Logger } from './observe/log.ts';
import { Metrics } from './observe/metrics.ts';
import { SiblingAlarm } from './observe/sibling-alarm.ts';
import { Peers } from './peers.ts';
import { ReplicaCalls } from './replica/peer-calls.ts';
import { nameOf, type RecordChanges } from './replica/pending-records.ts';
import { PlacedRecords } from './replica/placed-records.ts';
import { RecordCache } from './replica/record-cache.ts';
import { type Identity, Replica } from './replica/replica.ts';
import { RequestMemory } from './replica/request-memory.ts';
import { Admission } from './rpc/admission.ts';
import { ContextTokens } from './rpc/conversion.ts';
import type { ReplyBody } from './rpc/frame-size.ts';
import { GrpcNetwork } from './rpc/grpc-network.ts';
import { peerProtocolVersion } from './rpc/hello.ts';
import { type Answer, type PeerCallHandler, replicaError } from './rpc/peer-server.ts';
import type { startServer } from './rpc/server.ts';
import { type DataStore, openDataStore } from './storage/data-store.ts';
import { EngineError, type OpenEngine } from './storage/engine.ts';
import { stoppedBecause } from './storage/engine-failure.ts';
import { openEngine } from './storage/open-engine.ts';
import type { SetAside } from './storage/set-aside.ts';
import { wireAntiEntropy, wireComparisonCalls } from './wire-anti-entropy.ts';
import { wireHints } from './wire-hints.ts';
import { sharingNodes, type Tombstones, wireTombstones } from './wire-tombstones.ts';

/** How a node opens the port for clients: with sockets, or for clients in the same process. */
export type OpenClientPort = typeof startServer;
/** How a node opens the port for metrics and probes. */
export type OpenHttpPort = typeof startHttp;

/** What may be replaced, each with an in-memory twin: by tests, and by the simulator. */
export interface NodeOverrides {
  readonly env?: Env;
  readonly network?: Network;
  readonly openEngine?: OpenEngine;
  /** How a data directory is moved out of the way whose data are outdated. */
  readonly setAside?: SetAside;
  readonly openClientPort?: OpenClientPort;
  readonly openHttpPort?: OpenHttpPort;
  readonly log?: Logger;
  /** Metrics of the process too (memory, CPU, event loop). Only where one node is one process. */
  readonly processMetrics?: boolean;
}

/** Everything a node consists of. */
export interface NodeParts {
  readonly env: Env;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly store: DataStore;
  readonly recordCache: RecordCache;
  readonly clock: HybridClock;
  readonly peers: Peers;
  readonly replay: HintReplay;
  readonly trees: ReplicaTrees;
  readonly antiEntropy: AntiEntropy;
  readonly tombstones: Tombstones;
  readonly operations: Operations;
  readonly sampledStore: SampledStore;
  readonly coordinator: Coordinator;
  readonly layout: Layout;
  readonly hash64: Hash64;
  /** Wall clock when this process wired the node. */
  readonly startedAtMicros: number;
  readonly placementFor: (replication: number) => Placement;
  readonly buckets: ReadonlyMap<string, Bucket>;
  /** How much client work is under way: shared by all that takes some on. */
  readonly admission: Admission;
  /** Holds back what no client waits for, by how busy the node is. */
  readonly background: BackgroundWork;
  readonly keyValue: KeyValueService;
  readonly observe: RequestObserver;
  readonly reportIncident: (error: unknown) => string;
}

const requestMemory = { entriesMax: 100_000, windowMs: 600_000 };
const repairsMax = 10_000;

/** Opens the store and builds the parts; nothing listens yet. Rejects with EngineError or IdentityError. */
export async function wireNode(config: Config, overrides: NodeOverrides): Promise<NodeParts> {
  const env = overrides.env ?? systemEnv();
  const log = overrides.log ?? createLogger(config.log, { node: config.node });
  const metrics = new Metrics({ processMetrics: overrides.processMetrics ?? false });
  const hash64 = await loadHash64();
  const keyHash64 = rememberingLast(hash64);
  const layout = layoutOf(config);
  const placementFor = placements(layout, hash64);
  const buckets = new Map(config.buckets.map((bucket) => [bucket.name, bucket]));
  const store = await openStore(config, overrides, env, metrics, log);

  const clock = new HybridClock(
    () => env.clock.wallMicros(),
    store.identity.highWaterMicros,
    config.clock.aheadMsMax * 1_000,
  );
  const identity = identityOf(store, env);
  const wallMicros = (): number => env.clock.wallMicros();
  const requests = new RequestMemory(() => env.clock.monotonicMs(), requestMemory);
  const tombstones = await wireTombstones(
    {
      env,
      log,
      store,
      hash64,
      buckets,
      placementFor,
      hybridMicros: () => clock.now,
      replica: () => replica,
      records: () => records,
      throttle: () => background.throttle('comparison'),
    },
    config,
  );
  const isAged = (recordKey: Uint8Array, record: Uint8Array): boolean =>
    tombstones.judge.isAged(recordKey, record);
  const trees = new ReplicaTrees(
    {
      env,
      self: config.node,
      hash64,
      buckets,
      placementFor,
      records: store.records,
      store: store.trees,
      changesIn: (partition) => replica.changesIn(partition),
      throttle: { take: (keys, bytes) => background.throttle('rebuild').take(keys, bytes) },
      isAged,
      onRepaired: (partition) =>
        log.warn(
          { partition },
          'a partition that was read again differs from its trees: they were put right',
        ),
      // Also what is left when a run ends in the midst of it. A failed store has told its own listeners.
      onError: (error) => log.debug({ error }, 'trees could not be read or stored'),
    },
    { partitions: layout.partitions, rebuildEveryMs: config.antiEntropy.rebuildIntervalMs },
  );
  const cache = new RecordCache(config.storage.recordCacheBytes, () => env.rarePath('record-cache-misses'));
  // Before anything is written: what is stored of the trees must be known by then.
  await trees.open();
  store.records.onDamaged((recordKey) => {
    // What is told of a record's damage must not go on from what memory has of it: its tree has lost it.
    cache.delete(nameOf(recordKey));
    trees.damaged(recordKey);
  });
  const changes: RecordChanges = {
    changed: (place, before, after, sync) => {
      tombstones.judge.changed(place, before, after);
      trees.changed(place, before, after, sync);
    },
    isWalked: (partition) => trees.isWalked(partition),
  };
  const replica = new Replica(
    { records: store.records, changes, cache, identity, clock, requests, wallMicros },
    { recordBytesMax: config.limits.recordBytesMax },
  );
  const records = new PlacedRecords({
    replica,
    buckets,
    hash64: keyHash64,
    partitions: layout.partitions,
    isCollectable: (place, record) => tombstones.judge.isCollectable(place, record),
    isHintOutdated: tombstones.isHintOutdated,
  });
  const onUnexpected = (error: unknown): void => log.error({ error }, 'a replica call failed unexpectedly');
  const calls = new ReplicaCalls(records, onUnexpected);
  const comparisonCalls = wireComparisonCalls(trees, store, onUnexpected);

  const startedAtMicros = wallMicros();
  // As text it is compared at every greeting, and a cluster greets often: made once.
  const configuration = canonicalConfiguration(config);
  const hello = (): Hello => ({
    protocolVersion: peerProtocolVersion,
    clusterId: config.cluster.id,
    nodeId: config.node,
    replicaId: store.identity.replicaId,
    configuration,
    softwareVersion,
    generation: startedAtMicros,
    openedAtMark: store.identity.openedAtMark,
    formerReplicaId: store.identity.former?.replicaId ?? 0,
    formerMark: store.identity.former?.mark ?? 0,
  });
  // Peers call in only after everything is built, so the handler may name what is made further down.
  const isJudged = (answer: Answer): boolean => {
    if (peers.judged) return true;
    answer(replicaError(ReplicaError_Kind.KIND_OVERLOADED, 'the data of this node are yet to be judged'));
    return false;
  };
  const handler: PeerCallHandler = {
    read: (call, _context, answer) => isJudged(answer) && calls.read(call, answer),
    merge: (call, _context, answer) => isJudged(answer) && calls.merge(call, answer),
    find: (call, _context, answer) => isJudged(answer) && calls.find(call, answer),
    keepHint: (call, _context, answer) => isJudged(answer) && hints.calls.keepHint(call, answer),
    readTree: (call, { node }, answer) =>
      isJudged(answer) && comparisonCalls.readTree(call, nodeId(node), answer),
    listLeaf: (call, { node }, answer) =>
      isJudged(answer) && comparisonCalls.listLeaf(call, nodeId(node), answer),
    endComparison: (call, _context, answer) => {
      // It would store a mark, and before that the node has to know from its peers that its store was not put back.
      if (!isJudged(answer)) return;
      if (peers.hasJoined) comparisonCalls.endComparison(call, answer);
      else answer(replicaError(ReplicaError_Kind.KIND_OVERLOADED, 'the node is starting'));
    },
    forwarded: (call, context, answer) => {
      if (!peers.hasJoined) {
        // It would make a dot. Nothing was done, so another replica is asked.
        answer(replicaError(ReplicaError_Kind.KIND_OVERLOADED, 'the node is starting'));
        return;
      }
      const timeoutMs = context.deadlineMs - env.clock.monotonicMs();
      void keyValue
        .executeOperation(call.operation, timeoutMs)
        .then(
          (value): ReplyBody => ({ $case: 'operationResult', value }),
          // Nothing was done: bytes that are no operation. All else is an answer.
          (error: unknown) => replicaError(ReplicaError_Kind.KIND_INVALID, String(error)),
        )
        .then(answer)
        .catch(onUnexpected);
    },
  };
  const network =
    overrides.network ?? new GrpcNetwork({ env }, { frameBytesMax: config.peers.frameBytesMax });
  const layoutVersion = (): number => layout.version;
  const storedMark = (): number => store.identity.storedMark;
  const onSetBack = (reason: string): void => {
    const message = `${reason}. Start the node again: it takes a new replica id and goes on with what it has`;
    store.identity.retire(new EngineError('set-back', message)).catch(onUnexpected);
  };
  const onOutdated = (reason: string): void => {
    const message = `${reason}. Start the node again: it sets its data directory aside, comes back empty and is rebuilt from its peers`;
    store.identity.outdate(new EngineError('outdated', message)).catch(onUnexpected);
  };
  const peers = new Peers(
    {
      env,
      network,
      log,
      clock,
      hello,
      layoutVersion,
      handler,
      storedMark,
      onSetBack,
      outdated: (peer) => tombstones.log.greeted(nodeId(peer.nodeId), peer),
      onOutdated,
      knownMarks: tombstones.log.knownMarks(),
      judges: store.identity.former === undefined ? new Set() : sharingNodes(config, buckets, placementFor),
      layoutDigest: tokenText(hash64(Buffer.from(configuration))),
      // Rounded: each change goes to every node.
      facts: () => ({
        load: String(powerOfTwo(admission.requests)),
        hints: String(powerOfTwo(store.hints.bytes)),
      }),
    },
    config,
  );

  const clients = new Map<NodeId, ReplicaClient>();
  const local = new LocalReplica(config.node, { records, timers: env.timers, onUnexpected });
  for (const { id } of config.members) {
    clients.set(id, id === config.node ? local : new PeerReplica(id, peers.link(id)));
  }
  const clientOf = (node: NodeId): ReplicaClient => clients.get(node) as ReplicaClient;
  const admission = new Admission({ env }, config.limits);
  const background = new BackgroundWork(
    { env, requestsInFlight: () => admission.requests },
    { ...config.background, requestsInFlightMax: config.limits.requestsInFlightMax },
  );
  const hints = wireHints(
    {
      env,
      log,
      metrics,
      hints: store.hints,
      writer: { identity, clock, wallMicros },
      buckets,
      hash64,
      placementFor,
      peers,
      local,
      throttle: background.throttle('urgent'),
      repairLater: (bucket, recordKey) => coordinator.repairLater(bucket, recordKey),
      onUnexpected,
    },
    config,
  );
  const siblingAlarm = new SiblingAlarm({
    monotonicMs: () => env.clock.monotonicMs(),
    count: (bucket) => metrics.manySiblings(bucket).add(),
    warn: (fields, message) => log.warn(fields, message),
  });
  const coordinator = new Coordinator(
    {
      self: config.node,
      env,
      hash64: keyHash64,
      placementFor,
      clientOf,
      replica,
      hints: hints.writes,
      health: peers,
      observe: {
        readRepair: (_kind, count) => metrics.readRepairs.add(count),
        hedged: () => metrics.hedgedReads.add(),
        manySiblings: ({ name, siblingsMax }, recordKey, siblings) =>
          siblingAlarm.noticed(name, recordKey, siblings, siblingsMax),
      },
      repairThrottle: background.throttle('urgent'),
      giveUpDamaged: (recordKey) => tombstones.giveUpDamaged(records.place(recordKey)),
    },
    {
      hedgeFactor: config.reads.hedgeFactor,
      hedgeMsMin: config.reads.hedgeMsMin,
      repairChance: config.reads.repairChance,
      repairsMax,
    },
  );
  const observe = new MetricsObserver(metrics);
  const reportIncident = (error: unknown): string => {
    const incident = env.random.id53().toString(36);
    log.error({ error, incident }, 'a request failed unexpectedly');
    return incident;
  };
  const keyValue = keyValueService(
    {
      env,
      admission,
      coordination: coordinator,
      buckets,
      tokens: new ContextTokens(config.cluster.id),
      layoutVersion,
      observe,
      reportIncident,
    },
    {
      ...config.timeouts,
      limits: config.limits,
      pipelineOperationsMax: config.limits.pipelineOperationsMax,
    },
  );
  const { antiEntropy, operations, sampledStore } = wireAntiEntropy(
    {
      env,
      log,
      store,
      peers,
      trees,
      records,
      buckets,
      placementFor,
      throttle: background.throttle('comparison'),
      isAged,
      repairLater: (bucket, recordKey) => coordinator.repairLater(bucket, recordKey),
      startMs: () => tombstones.judge.comparisonStart(),
      onEqual: ({ peer, replication, ...ended }) => tombstones.log.told(peer, replication, ended),
      onCompared: ({ peer, outcome, counts }) =>
        metrics.cluster.compared(peer, outcome.kind, counts.keysRepaired, counts.bytesExchanged),
    },
    config,
  );
  return {
    env,
    log,
    metrics,
    store,
    recordCache: cache,
    clock,
    peers,
    replay: hints.replay,
    trees,
    antiEntropy,
    tombstones,
    operations,
    sampledStore,
    coordinator,
    layout,
    hash64,
    startedAtMicros,
    placementFor,
    buckets,
    admission,
    background,
    keyValue,
    observe,
    reportIncident,
  };
}

/** The layout that the configuration describes. Its version is 1: it changes only with the configuration of all nodes. */
function layoutOf(config: Config): Layout {
  return {
    version: 1,
    members: config.members.map(({ id, zone, weight }) => ({ id, zone, weight })),
    replication: config.cluster.replication,
    partitions: config.cluster.partitions,
  };
}

/** The next power of two that is no less; 0 for 0. */
function powerOfTwo(count: number): number {
  return count < 1 ? 0 : 2 ** Math.ceil(Math.log2(count));
}

/** One table for each replication that a bucket asks for, built when first needed. */
function placements(layout: Layout, hash64: Hash64): (replication: number) => Placement {
  const tables = new Map<number, Placement>();
  return (replication) => {
    let table = tables.get(replication);
    if (table === undefined) {
      table = new Placement(layout, replication, hash64);
      tables.set(replication, table);
    }
    return table;
  };
}

async function openStore(
  config: Config,
  overrides: NodeOverrides,
  env: Env,
  metrics: Metrics,
  log: Logger,
): Promise<DataStore> {
  const store = await openDataStore(
    {
      env,
      openEngine: overrides.openEngine ?? openEngine,
      ...(overrides.setAside !== undefined && { setAside: overrides.setAside }),
      onCommit: (batch) => {
        if (batch.sync) metrics.walFsyncSeconds.observe(batch.seconds);
      },
    },
    {
      kind: config.storage.engine,
      path: config.storage.path,
      integrityCheck: config.storage.integrityCheck,
      clusterId: config.cluster.id,
      nodeId: config.node,
      partitionCount: config.cluster.partitions,
      hintBytesMax: config.hints.bytesMax,
    },
  );
  if (store.tailDropped) {
    log.warn(
      'the log ended in a half-written batch, which was dropped: what a power failure leaves of writes that nobody ' +
        'acknowledged. Rotted bits at its very end look the same; then acknowledged writes are missing here, and the ' +
        'other replicas have them',
    );
  }
  if (store.setAsideTo !== undefined) {
    log.warn(
      { setAsideTo: store.setAsideTo, path: config.storage.path },
      `the data of this node were older than deletions that the other replicas have since forgotten: they were set aside in ` +
        `${store.setAsideTo}, and the node begins empty, under a new replica id, to be rebuilt from its peers. Nothing was ` +
        'deleted: remove the directory when nobody needs it any more',
    );
  }
  const { replicaId, formerReplicaId } = store.identity;
  if (formerReplicaId !== undefined) {
    log.warn(
      { replica: replicaId.toString(16), formerReplica: formerReplicaId.toString(16) },
      'the data directory is a copy or an earlier state (restored, moved to another disk, or cloned): the node took a new replica id. What the ' +
        'directory holds is merged with what the other replicas have. Writes that the node acknowledged after the copy was ' +
        'made are missing here until their keys are read at QUORUM or written again',
    );
  }
  store.onFailure((error) => {
    // What arrives while the store closes is refused too, and is no failure of the disk.
    if (error.code === 'closed') return;
    log.fatal({ error }, `${stoppedBecause(error)}, nothing is acknowledged any more: ${error.message}`);
  });
  store.records.onDamaged((recordKey) => {
    metrics.damagedRecords.add();
    log.error(
      { recordKey: Buffer.from(recordKey).toString('base64') },
      'a stored record failed its checksum: it is not served, and is repaired from its other replicas',
    );
  });
  return store;
}

function identityOf(store: DataStore, env: Env): Identity {
  const { identity } = store;
  return {
    replica: identity.replicaId,
    get epochFloor() {
      // Safe: a new epoch may be opened at any time.
      return env.rarePath('epoch-not-continued') ? Number.POSITIVE_INFINITY : identity.epochFloor;
    },
    nextEpoch: () => identity.nextEpoch(),
    get epochsLeft() {
      return identity.epochsLeft;
    },
    ensureEpochs: () => identity.ensureEpochs(),
    markBufferedDots: () => identity.markBufferedDots(),
  };
}

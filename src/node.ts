/**
 * A node: the parts that wiring.ts has introduced to each other, started and stopped in order. Nothing is decided here.
 *
 * Time, chance, disk and network may be passed in: that is the door through which a simulator runs this very class.
 */

import { operationService } from './anti-entropy/operation-service.ts';
import { type Config, ownMember } from './config/config.ts';
import { bucketService } from './coordinator/bucket-service.ts';
import type { Coordinator } from './coordinator/coordinator.ts';
import { diagnosticService, type NodeSnapshot } from './coordinator/diagnostic-service.ts';
import { topologyService } from './coordinator/topology-service.ts';
import type { NodeId } from './core/identity.ts';
import type { Timer } from './env/env.ts';
import { descriptors } from './gen/descriptors.ts';
import { addressesOfNode, readGauges, snapshotOf, viewOfNode } from './node-view.ts';
import { type HttpPort, startHttp } from './observe/http.ts';
import type { Metrics } from './observe/metrics.ts';
import { unreadyReason } from './readiness.ts';
import { type ClientServer, startServer } from './rpc/server.ts';
import type { Service } from './rpc/service.ts';
import type { EngineError } from './storage/engine.ts';
import {
  type NodeOverrides,
  type NodeParts,
  type OpenClientPort,
  type OpenHttpPort,
  wireNode,
} from './wiring.ts';

/** The hybrid clock's mark is stored this far ahead of the wall clock, and this often: a restart begins beyond it. */
const highWaterAheadMicros = 5_000_000;
/** And this far ahead of a hybrid clock that runs before the wall clock: it grows by one for each write then. */
const highWaterStepMicros = 500_000;
const highWaterEveryMs = 1_500;

/** One running node. */
export class Node {
  readonly config: Config;
  /** This node's coordinator, as the client-facing services use it. */
  readonly coordinator: Coordinator;
  readonly metrics: Metrics;
  readonly #parts: NodeParts;
  readonly #failed = Promise.withResolvers<EngineError>();
  #highWater: Timer | undefined;
  #server: ClientServer | undefined;
  #http: HttpPort | undefined;
  #stopped: Promise<void> | undefined;

  /** Use `Node.start`. */
  private constructor(config: Config, parts: NodeParts) {
    this.config = config;
    this.#parts = parts;
    this.coordinator = parts.coordinator;
    this.metrics = parts.metrics;
    parts.store.onFailure((error) => this.#failed.resolve(error));
  }

  /**
   * Opens the store, joins the peers, and then opens the doors. Rejects with EngineError or IdentityError (the data
   * directory), or NetworkError (a port), with what to do; then nothing is left open.
   */
  static async start(config: Config, overrides: NodeOverrides = {}): Promise<Node> {
    const parts = await wireNode(config, overrides);
    const node = new Node(config, parts);
    try {
      await node.#open(overrides.openClientPort ?? startServer, overrides.openHttpPort ?? startHttp);
    } catch (error) {
      await node.stop({ deadlineMs: 0 });
      throw error;
    }
    return node;
  }

  /** Resolves with the error when the disk has failed: nothing is acknowledged any more, and the process should exit. */
  get failed(): Promise<EngineError> {
    return this.#failed.promise;
  }

  /** The ports in use. */
  get addresses(): { readonly client: number; readonly http: number } {
    return { client: this.#server?.port ?? 0, http: this.#http?.port ?? 0 };
  }

  /** Why this node cannot serve now, or `undefined`: its disk works, and a quorum of every key's replicas can be reached. */
  get unreadyReason(): string | undefined {
    if (this.#stopped !== undefined) return 'the node is shutting down';
    const { store, placementFor, peers } = this.#parts;
    const placement = placementFor(this.config.cluster.replication);
    return unreadyReason({ store, placement, isUp: (node) => peers.isUp(node) });
  }

  /** What is under way in this node, and what needs attention: what the diagnostic service shows. */
  get snapshot(): NodeSnapshot {
    return snapshotOf(this.#parts, this.config, this.#server, this.unreadyReason);
  }

  /** Drains: refuses new requests, finishes what is in flight within `deadlineMs`, then closes peers and store. */
  stop(options: { readonly deadlineMs: number }): Promise<void> {
    this.#stopped ??= this.#close(options.deadlineMs);
    return this.#stopped;
  }

  async #open(openClientPort: OpenClientPort, openHttpPort: OpenHttpPort): Promise<void> {
    const { peers, background, replay, trees, antiEntropy, tombstones, clock, store, env, log } = this.#parts;
    await peers.start();
    // Before the mark is stored, too: a start that no peer has judged must not hide from the next one what they know.
    // A store that must not go on, as a peer has just said, waits for nobody.
    const failure = await Promise.race([peers.joined, this.#failed.promise]);
    if (failure !== undefined) throw failure;
    // Whoever might have forgotten more than this store's data know of has accepted them.
    if (peers.hasJoined) await store.identity.forgetFormer();
    background.start();
    replay.start();
    trees.start();
    antiEntropy.start();
    tombstones.collection.start();
    // Ahead of the wall clock, which time follows, or a little ahead of a clock that runs before it: relative to the clock
    // alone the mark would gain on the wall with every restart, because the clock begins at the mark.
    const saveHighWater = (): Promise<void> =>
      store.identity.saveHighWater(
        Math.max(
          env.clock.wallMicros() + highWaterAheadMicros,
          clock.last + highWaterStepMicros,
          // Also where the wall clock has gone back: peers tell by it that the store has moved on (store-witness.ts).
          store.identity.highWaterMicros + 1,
        ),
      );
    await saveHighWater();
    this.#highWater = env.timers.every(highWaterEveryMs, () => {
      // A failure here is the store's, whose listeners stop the node.
      saveHighWater().catch((error: unknown) => log.error({ error }, 'the clock mark could not be stored'));
    });
    const { host, http2 } = this.config.listen;
    const { clientPort, httpPort } = ownMember(this.config);
    const { timeouts, limits } = this.config;
    this.#server = await openClientPort(
      {
        env,
        admission: this.#parts.admission,
        services: this.#services(),
        descriptors,
        reportIncident: this.#parts.reportIncident,
        refused: (method, code, reason) => this.#parts.observe.refused(method, code, reason),
      },
      { ...timeouts, ...limits, host, http2, port: clientPort },
    );
    readGauges(this.metrics, this.#parts, this.#server);
    this.#http = await openHttpPort(
      {
        metrics: this.metrics,
        readiness: () => {
          const reason = this.unreadyReason;
          return reason === undefined ? { kind: 'ready' } : { kind: 'unready', reason };
        },
      },
      { host, port: httpPort },
    );
    log.info(
      {
        ...this.addresses,
        replica: store.identity.replicaId.toString(16),
        engine: this.config.storage.engine,
      },
      `node ${this.config.node} serves clients on ${this.config.listen.host}:${this.addresses.client}`,
    );
  }

  #services(): readonly Service[] {
    const { env, coordinator, buckets, hash64, layout, placementFor, keyValue } = this.#parts;
    const { operations, antiEntropy, sampledStore, background } = this.#parts;
    const { config } = this;
    const topology = {
      clusterId: config.cluster.id,
      hash64,
      buckets,
      layout: () => layout,
      placementFor,
      viewOf: (node: NodeId) => viewOfNode(this.#parts, config, node),
      onViewChange: (listener: () => void) => this.#parts.peers.onViewChange(listener),
      timers: env.timers,
      addressesOf: (node: NodeId) => addressesOfNode(config, node),
    };
    return [
      keyValue.service,
      topologyService(topology, config.limits),
      diagnosticService(
        {
          self: config.node,
          env,
          coordination: coordinator,
          topology,
          snapshot: () => this.snapshot,
          sampledStore,
        },
        config.limits,
      ),
      bucketService(buckets),
      operationService({
        self: config.node,
        env,
        operations,
        repair: { env, antiEntropy, throttle: background.throttle('comparison') },
        buckets,
      }),
    ];
  }

  async #close(deadlineMs: number): Promise<void> {
    const { peers, background, replay, trees, antiEntropy, tombstones, operations, store, log } = this.#parts;
    // First: nobody shall wait for an operation whose end this node will not see.
    const operated = operations.stop();
    if (this.#server !== undefined) {
      const finished = await this.#server.drain(deadlineMs);
      if (!finished)
        log.warn({ deadlineMs }, 'requests were still in flight when the time to drain was over');
      await this.#server.close();
    }
    this.#highWater?.cancel();
    background.stop();
    // Without their peers the hints on the way are given up at once, so this does not wait long.
    const replayed = replay.stop();
    const compared = antiEntropy.stop();
    const collected = tombstones.collection.stop();
    await peers.stop();
    await Promise.all([replayed, compared, collected, operated]);
    await this.#http?.close();
    await trees.stop();
    await store.close();
  }
}

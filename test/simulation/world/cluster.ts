/** All machines of one simulated cluster, the network between them, and the observer over their disks. */

import type { NodeSnapshot } from '../../../src/coordinator/diagnostic-service.ts';
import { nodeId } from '../../../src/core/identity.ts';
import { Placement } from '../../../src/core/ring/placement.ts';
import { recordKeyOf } from '../../../src/core/ring/record-key.ts';
import { partitionOf, tokenOf } from '../../../src/core/ring/token.ts';
import { loadHash64 } from '../../../src/env/xxhash.ts';
import type { KeyHistory } from '../../checkers/history.ts';
import type { RestingNode } from '../../checkers/resources-at-rest.ts';
import type { ClientTransport } from '../../workload/client-transport.ts';
import { conflictPolicyOf } from '../../workload/workload-buckets.ts';
import type { EventOwner } from '../kernel/scheduler.ts';
import { SimulatedClock } from '../kernel/simulated-clock.ts';
import type { SeedPlan } from '../plan/seed-plan.ts';
import { AcknowledgementObserver, type KeyPlace } from './acknowledgement-observer.ts';
import { ClientConnection } from './client-connection.ts';
import { DiskObserver, replicaState } from './disk-observer.ts';
import { FaultInjector } from './fault-injector.ts';
import { SimulatedDisk } from './simulated-disk.ts';
import { SimulatedNetwork } from './simulated-network.ts';
import { SimulatedProcess } from './simulated-process.ts';
import type { World } from './world.ts';

const hash64 = await loadHash64();
const replication = 3;
/** Of plans that do not say. */
const defaultRepair = { comparisonMs: 2_000 };

export class Cluster {
  readonly faults: FaultInjector;
  /** Compares acknowledgements with the disks. */
  readonly acknowledgements: AcknowledgementObserver;
  readonly #world: World;
  readonly #network: SimulatedNetwork;
  readonly #processes = new Map<string, SimulatedProcess>();
  readonly #observer: DiskObserver;
  readonly #placement: Placement;

  constructor(world: World, plan: SeedPlan, onDefect: (node: string, problem: string) => void) {
    this.#world = world;
    this.#network = new SimulatedNetwork(world, plan.network);
    this.#observer = new DiskObserver(world.scheduler, onDefect);
    const disks = new Map<string, SimulatedDisk>();
    for (const id of plan.nodes) {
      const disk = new SimulatedDisk(world, { node: id, weather: plan.disk });
      disks.set(id, disk);
      this.#observer.watch(id, disk);
      const wrong = plan.clocks.find((clock) => clock.node === id);
      const clock = new SimulatedClock(world.scheduler, {
        wallOffsetMicros: wrong?.wallOffsetMicros ?? 0,
        driftPpm: wrong?.driftPpm ?? 0,
      });
      this.#processes.set(
        id,
        new SimulatedProcess(
          { world, network: this.#network, disk, clock, onDefect },
          {
            id,
            members: plan.nodes,
            partitions: plan.partitions,
            repair: plan.repair ?? defaultRepair,
            rarePaths: plan.rarePaths,
          },
        ),
      );
    }
    this.faults = new FaultInjector(world, this.#network, this.#processes);
    this.#placement = placementOf(plan.nodes, plan.partitions);
    this.acknowledgements = new AcknowledgementObserver({
      disks,
      placeOf: (bucket, key) => this.#placeOf(bucket, key),
      memoryLosses: this.faults.memoryLosses,
      nowMs: () => world.scheduler.nowMicros / 1000,
    });
  }

  start(): void {
    for (const process of this.#processes.values()) process.start();
  }

  /** Lives that followed the first ones. */
  get restarts(): number {
    let restarts = 0;
    for (const process of this.#processes.values()) restarts += process.restarts;
    return restarts;
  }

  /** Why some node does not serve, or `undefined`: all do. */
  get unready(): string | undefined {
    for (const { id, node } of this.#processes.values()) {
      const reason = node === undefined ? 'it does not run' : node.unreadyReason;
      if (reason !== undefined) return `${id} is not ready: ${reason}`;
    }
    return undefined;
  }

  /** Bytes of hints that wait on any node. */
  get hintsLeft(): number {
    return this.#sum('hint_bytes');
  }

  /** No node works for a client, none repairs, and none waits for another. */
  get isQuiet(): boolean {
    const busy = ['requests_in_flight', 'repairs_pending', 'peer_calls_in_flight'] as const;
    return busy.every((gauge) => this.#sum(gauge) === 0);
  }

  /** How far off any wall clock was, in milliseconds, since the last `forgetClockErrors`. */
  get clockErrorMsMax(): number {
    // Clocks show whole milliseconds.
    return Math.max(...[...this.#processes.values()].map(({ clock }) => clock.errorMicrosMax / 1000)) + 1;
  }

  forgetClockErrors(): void {
    for (const { clock } of this.#processes.values()) clock.forgetErrors();
  }

  /** All homes of every key hold the same bytes. */
  agree(keys: readonly { readonly bucket: string; readonly key: string }[]): boolean {
    return keys.every(({ bucket, key }) => {
      const { replicas } = this.observed(bucket, key);
      return replicas.every(({ record }) => record !== 'damaged' && record === replicas[0]?.record);
    });
  }

  /** What each node holds of the resources that must come to rest. */
  resting(): readonly RestingNode[] {
    return [...this.#processes.values()].map(({ id, node }) => ({
      node: id,
      gauges: node?.snapshot.gauges ?? {},
    }));
  }

  /** A client's connections, one to each node. */
  connections(client: string, owner: EventOwner): readonly ClientTransport[] {
    const network = this.#network;
    return [...this.#processes.values()].map((process) => {
      const { id } = process;
      return new ClientConnection(
        this.#world,
        {
          node: id,
          port: () => process.port,
          delayTo: (bytes) =>
            this.faults.clientsReach(id, 'requests') ? network.delayMicros(client, id, bytes) : 'blocked',
          delayFrom: (bytes) =>
            this.faults.clientsReach(id, 'answers') ? network.delayMicros(id, client, bytes) : 'blocked',
          lateTo: (micros) => network.lateText(client, id, micros),
          lateFrom: (micros) => network.lateText(id, client, micros),
        },
        { name: client, owner },
      );
    });
  }

  /** All of a key's history that clients do not see. */
  observed(
    bucket: string,
    key: string,
  ): Pick<KeyHistory, 'conflictPolicy' | 'homes' | 'witnessed' | 'replicas'> {
    const { homes, engineKey } = this.#placeOf(bucket, key);
    return {
      conflictPolicy: conflictPolicyOf(bucket),
      homes,
      witnessed: this.#observer.witnessed(bucket, key),
      replicas: homes.map((id) => replicaState(id, engineKey, this.#storedAt(id, engineKey))),
    };
  }

  #placeOf(bucket: string, key: string): KeyPlace {
    const recordKey = recordKeyOf(bucket, Buffer.from(key, 'latin1'));
    const partition = partitionOf(tokenOf(hash64, recordKey), this.#placement.layout.partitions);
    const homes = this.#placement.homes(partition);
    const engineKey = Buffer.concat([Uint8Array.of(1, partition >> 8, partition & 0xff), recordKey]);
    return { homes, engineKey, recordKey };
  }

  #storedAt(node: string, engineKey: Uint8Array): Uint8Array | undefined {
    return (this.#processes.get(node) as SimulatedProcess).disk.entryNow(engineKey);
  }

  #sum(gauge: keyof NodeSnapshot['gauges'] & string): number {
    let sum = 0;
    for (const { node } of this.#processes.values()) sum += node?.snapshot.gauges[gauge] ?? 0;
    return sum;
  }
}

/** Placements are the same in all runs with the same members. */
const placements = new Map<string, Placement>();

function placementOf(nodes: readonly string[], partitions: number): Placement {
  const name = `${partitions} ${nodes.join(' ')}`;
  let placement = placements.get(name);
  if (placement === undefined) {
    const members = nodes.map((id) => ({ id: nodeId(id), zone: id, weight: 1 }));
    placement = new Placement({ version: 1, members, replication, partitions }, replication, hash64);
    placements.set(name, placement);
  }
  return placement;
}

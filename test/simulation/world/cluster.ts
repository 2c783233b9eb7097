/** All machines of one simulated cluster, the network between them, and the observer over their disks. */

import type { NodeSnapshot } from '../../../src/coordinator/diagnostic-service.ts';
import { nodeId } from '../../../src/core/identity.ts';
import { Placement } from '../../../src/core/ring/placement.ts';
import { recordKeyOf } from '../../../src/core/ring/record-key.ts';
import { partitionOf, tokenOf } from '../../../src/core/ring/token.ts';
import { loadHash64 } from '../../../src/env/xxhash.ts';
import { mayBeCollected } from '../../checkers/collected.ts';
import type { KeyHistory, MortalRecord, ReplicaState } from '../../checkers/history.ts';
import type { RestingNode } from '../../checkers/resources-at-rest.ts';
import type { ClientTransport } from '../../workload/client-transport.ts';
import { conflictPolicyOf } from '../../workload/workload-buckets.ts';
import type { EventOwner } from '../kernel/scheduler.ts';
import { epochMicros, SimulatedClock } from '../kernel/simulated-clock.ts';
import type { KeyName, SeedPlan } from '../plan/seed-plan.ts';
import { AcknowledgementObserver, type KeyPlace } from './acknowledgement-observer.ts';
import { ClientConnection } from './client-connection.ts';
import { CollectionObserver, heldLongEnoughMs, hybridAheadMs } from './collection-observer.ts';
import { DiskObserver, deadSinceMicros, replicaState } from './disk-observer.ts';
import { FaultInjector } from './fault-injector.ts';
import { HintObserver } from './hint-observer.ts';
import { SimulatedDisk } from './simulated-disk.ts';
import { SimulatedNetwork } from './simulated-network.ts';
import { SimulatedProcess } from './simulated-process.ts';
import type { World } from './world.ts';

const hash64 = await loadHash64();
const replication = 3;
/** The grace of a configuration that does not say. */
const dayMs = 24 * 3_600_000;
/** Of plans that do not say. */
const defaultRepair = { comparisonMs: 2_000 };
/** Of plans with rot. */
const rebuildMs = 8_000;

/** What one node thinks of another that is not up. */
export interface Judgement {
  readonly by: string;
  readonly node: string;
  readonly state: 'suspect' | 'failed';
  readonly reason: string;
}

/** Counts of all nodes and all their lives. */
export interface RepairWork {
  readonly hintsDelivered: number;
  readonly comparisons: number;
  /** Keys that were listed because hashes above them differed. */
  readonly keysCompared: number;
  readonly keysRepaired: number;
  /** Trees that were found not to be those of the records. */
  readonly treesRepaired: number;
}

export class Cluster {
  readonly faults: FaultInjector;
  /** Compares acknowledgements with the disks. */
  readonly acknowledgements: AcknowledgementObserver;
  /** Judges what replicas remove from their disks. */
  readonly collections: CollectionObserver;
  /** Judges which hints nodes remove; absent where hints may be dropped for their age. */
  readonly hints: HintObserver | undefined;
  readonly #graceMs: number | undefined;
  #clockErrorMsEver = 0;
  readonly #world: World;
  readonly #network: SimulatedNetwork;
  readonly #processes = new Map<string, SimulatedProcess>();
  readonly #observer: DiskObserver;
  readonly #placement: Placement;

  constructor(world: World, plan: SeedPlan, onDefect: (node: string, problem: string) => void) {
    this.#world = world;
    this.#graceMs = plan.repair?.graceMs;
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
          {
            world,
            network: this.#network,
            disk,
            clock,
            onDefect,
            onSetAside: (node) => {
              if (!this.faults.setAside(node))
                onDefect(node, 'set its data directory aside, though its disk has never been put back');
            },
          },
          {
            id,
            members: plan.nodes,
            partitions: plan.partitions,
            repair: plan.repair ?? defaultRepair,
            // Nobody hears of rot until the record is read: by a client, or by whoever reads all.
            rebuildMs: plan.faults.some(({ kind }) => kind === 'bit-flip') ? rebuildMs : undefined,
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
      mayBeCollected: (write, nowMs) => {
        const { dot } = write.outcome;
        const mortal = this.#mortalRecords(write.bucket, write.key);
        return dot !== undefined && mayBeCollected({ mortal }, dot, nowMs);
      },
      nowMs: () => world.scheduler.nowMicros / 1000,
    });
    this.hints =
      this.#graceMs === undefined
        ? new HintObserver({
            disks,
            engineKeyOf: (bucket, key) => this.#placeOf(bucket, key).engineKey,
            memoryLosses: this.faults.memoryLosses,
            nowMs: () => world.scheduler.nowMicros / 1000,
          })
        : undefined;
    this.collections = new CollectionObserver(
      {
        disks,
        homesOf: (bucket, key) => this.#placeOf(bucket, key).homes,
        memoryLosses: this.faults.memoryLosses,
        nowMs: () => world.scheduler.nowMicros / 1000,
        clockErrorMsMax: () => this.#hastyMs,
      },
      { graceMs: this.#graceMs ?? dayMs, microsAtZero: epochMicros },
    );
  }

  startAll(): void {
    for (const process of this.#processes.values()) process.start();
  }

  /** Lives that followed the first ones. */
  get restarts(): number {
    let restarts = 0;
    for (const process of this.#processes.values()) restarts += process.restarts;
    return restarts;
  }

  /** What the nodes have done to keep their replicas equal. */
  get work(): RepairWork {
    const sum = (gauge: string): number => {
      let total = 0;
      for (const process of this.#processes.values()) total += process.counted(gauge);
      return total;
    };
    return {
      hintsDelivered: sum('hints_delivered'),
      comparisons: sum('comparisons'),
      keysCompared: sum('keys_compared'),
      keysRepaired: sum('keys_repaired'),
      treesRepaired: sum('trees_repaired'),
    };
  }

  /** Why some node does not serve, or `undefined`: all do. */
  get unready(): string | undefined {
    for (const { id, node } of this.#processes.values()) {
      const reason = node === undefined ? 'it does not run' : node.unreadyReason;
      if (reason !== undefined) return `${id} is not ready: ${reason}`;
    }
    return undefined;
  }

  /** Whom nodes do not take for up, as they say it themselves. */
  judgements(): readonly Judgement[] {
    const judgements: Judgement[] = [];
    for (const { id, node } of this.#processes.values()) {
      for (const alarm of node?.snapshot.alarms ?? []) {
        const [, accused, state, reason] = /^(n\d) is (suspect|failed): (.*)$/.exec(alarm) ?? [];
        if (accused === undefined || reason === undefined) continue;
        judgements.push({ by: id, node: accused, state: state as Judgement['state'], reason });
      }
    }
    return judgements;
  }

  /** Ends a process or the power of its machine, until `start`. */
  kill(node: string, how: 'process' | 'power'): void {
    this.#process(node).crash(how, 3_600_000_000);
  }

  start(node: string): void {
    this.#process(node).startNow();
  }

  /** Nothing passes between the two while on. */
  separate(a: string, b: string, on: boolean): void {
    this.#network.block(a, b, on);
    this.#network.block(b, a, on);
  }

  #process(node: string): SimulatedProcess {
    return this.#processes.get(node) as SimulatedProcess;
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
    this.#clockErrorMsEver = Math.max(this.#clockErrorMsEver, this.clockErrorMsMax);
    for (const { clock } of this.#processes.values()) clock.forgetErrors();
  }

  /** How far off the most hasty clock was at any time. */
  get #hastyMs(): number {
    return Math.max(this.#clockErrorMsEver, this.clockErrorMsMax);
  }

  /** The first key whose homes do not hold the same, but for tombstones that one may have collected; `undefined`: none. */
  differing(keys: readonly KeyName[]): KeyName | undefined {
    return keys.find(({ bucket, key }) => {
      const { replicas } = this.observed(bucket, key);
      const listed = replicas.map((state) => (this.#isSurelyAged(state) ? undefined : state.record));
      return !listed.every((record) => record !== 'damaged' && record === listed[0]);
    });
  }

  /** Whether some home has collected the key's tombstone and another has not, or may do so at any time. */
  isBeingCollected({ bucket, key }: KeyName): boolean {
    return this.observed(bucket, key).replicas.some(({ isAged }) => isAged === true);
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
  ): Pick<KeyHistory, 'conflictPolicy' | 'homes' | 'witnessed' | 'replicas' | 'mortal'> {
    const { homes, engineKey } = this.#placeOf(bucket, key);
    const mortal = this.#mortalRecords(bucket, key);
    return {
      conflictPolicy: conflictPolicyOf(bucket),
      homes,
      witnessed: this.#observer.witnessed(bucket, key),
      replicas: homes.map((id) => {
        const state = replicaState(id, engineKey, this.#storedAt(id, engineKey));
        return this.#isAged(state) ? { ...state, isAged: true } : state;
      }),
      ...(mortal !== undefined && { mortal }),
    };
  }

  #mortalRecords(bucket: string, key: string): readonly MortalRecord[] | undefined {
    if (this.#graceMs === undefined) return undefined;
    return this.#observer
      .mortal(bucket, key)
      .map(({ dots, clock, deadSinceMicros: since, firstStoredMs }) => ({
        dots,
        clock,
        // Whatever a clock says: not before it has been somewhere for the grace, which replicas measure without it.
        mayGoMs: Math.max(this.#mayGoMs(since), heldLongEnoughMs(firstStoredMs, this.#graceMs ?? dayMs)),
      }));
  }

  /** From then on the most hasty clock takes what is dead since then for old enough. */
  #mayGoMs(sinceMicros: number): number {
    const deadMs = (sinceMicros - epochMicros) / 1_000;
    return deadMs + (this.#graceMs ?? dayMs) - this.#hastyMs - hybridAheadMs;
  }

  /** By some clock, if by a hasty one only. */
  #isAged({ versions }: ReplicaState): boolean {
    if (this.#graceMs === undefined || versions.length === 0) return false;
    const since = deadSinceMicros(versions);
    return since !== undefined && this.#mayGoMs(since) <= this.#nowMs;
  }

  /** By every clock, as clocks have been since they were last looked at. */
  #isSurelyAged({ versions }: ReplicaState): boolean {
    if (this.#graceMs === undefined || versions.length === 0) return false;
    const since = deadSinceMicros(versions);
    if (since === undefined) return false;
    return this.#nowMs - (since - epochMicros) / 1_000 - this.clockErrorMsMax > this.#graceMs;
  }

  get #nowMs(): number {
    return this.#world.scheduler.nowMicros / 1_000;
  }

  #placeOf(bucket: string, key: string): KeyPlace {
    const recordKey = recordKeyOf(bucket, Buffer.from(key, 'latin1'));
    const partition = partitionOf(tokenOf(hash64, recordKey), this.#placement.layout.partitions);
    const homes = this.#placement.homes(partition);
    const engineKey = Buffer.concat([Uint8Array.of(1, partition >> 8, partition & 0xff), recordKey]);
    return { homes, engineKey, recordKey };
  }

  #storedAt(node: string, engineKey: Uint8Array): Uint8Array | undefined {
    return this.#process(node).disk.entryNow(engineKey);
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

/** Does to the world what a plan says, when it says so, and sets everything right at the end of the faults. */

import type { MemoryLoss } from '../../checkers/history.ts';
import { EventOwner } from '../kernel/scheduler.ts';
import type { FaultPlan, SeedPlan } from '../plan/seed-plan.ts';
import type { DiskCopy } from './simulated-disk.ts';
import type { SimulatedNetwork } from './simulated-network.ts';
import type { SimulatedProcess } from './simulated-process.ts';
import { eventKind, type World } from './world.ts';

/** A slow process gets this much time, and then waits for as long as the fault says. */
const slowTurnMicros = 10_000;

/** How long a crash waits for a moment at which it hurts, and how often it looks. */
const aimMicros = 600_000;
const aimStepMicros = 250;

type CrashFault = Extract<FaultPlan, { readonly kind: 'crash' }>;

export class FaultInjector {
  /** What a replica forgot, for the checkers. */
  readonly memoryLosses: MemoryLoss[] = [];
  injected = 0;
  readonly #world: World;
  readonly #network: SimulatedNetwork;
  readonly #processes: ReadonlyMap<string, SimulatedProcess>;
  readonly #owner = new EventOwner('faults', 0);
  readonly #clientBlocks = new Map<string, { requests: number; answers: number }>();
  readonly #linkBlocks = new Map<string, number>();
  /** How strong each active fault of a kind on a target is. */
  readonly #active = new Map<string, number[]>();
  /** Undoes each fault that lasts. */
  readonly #lasting = new Map<number, () => void>();
  readonly #copies = new Map<number, DiskCopy>();
  #healed = false;

  constructor(world: World, network: SimulatedNetwork, processes: ReadonlyMap<string, SimulatedProcess>) {
    this.#world = world;
    this.#network = network;
    this.#processes = processes;
  }

  /** Schedules all faults of the plan, its times counted from `startMicros`. */
  schedule(plan: SeedPlan, startMicros: number): void {
    for (const fault of plan.faults) {
      const atMicros = startMicros + fault.atMs * 1000;
      if (fault.kind === 'restore') {
        const copyAt = Math.max(startMicros, atMicros - fault.ageMs * 1000);
        this.#at(copyAt, () => this.#copies.set(fault.id, this.#process(fault.node).disk.copy()));
      }
      this.#at(atMicros, () => {
        if (this.#healed) return;
        this.#tell(`fault ${fault.id} begins: ${describe(fault)}`);
        this.injected++;
        this.#begin(fault);
      });
    }
  }

  /** Whether messages between clients and the node get through. */
  clientsReach(node: string, direction: 'requests' | 'answers'): boolean {
    return (this.#clientBlocks.get(node)?.[direction] ?? 0) === 0;
  }

  /** Ends all faults: links and disks work, clocks are right, processes run. */
  heal(): void {
    this.#healed = true;
    for (const id of [...this.#lasting.keys()].sort((a, b) => a - b)) this.#end(id);
    this.#network.heal();
    for (const process of this.#processes.values()) {
      process.disk.setFull(false);
      process.disk.forgetFailure();
      process.disk.slow(1);
      process.disk.failReads(0);
      process.clock.repair();
      process.takesRarePaths = false;
      process.startNow();
    }
    this.#tell('all faults are over');
  }

  #begin(fault: FaultPlan): void {
    switch (fault.kind) {
      case 'crash': {
        if (fault.midWrite === true) this.#crashMidWrite(fault, this.#world.scheduler.nowMicros + aimMicros);
        else this.#crash(fault);
        break;
      }
      case 'suspend': {
        const process = this.#process(fault.node);
        process.suspend();
        this.#lasts(fault.id, fault.forMs, () => process.resume());
        break;
      }
      case 'restart':
        this.#process(fault.node).restart(fault.downMs * 1000);
        break;
      case 'partition':
        this.#block(fault, fault.from, fault.to, fault.direction === 'both', fault.forMs);
        break;
      case 'cut':
        this.#network.cut(fault.from, fault.to);
        break;
      case 'half-open':
        this.#network.halfOpen(fault.from, fault.to);
        this.#block(fault, [fault.from], [fault.to], false, fault.forMs);
        break;
      case 'slow-link':
        this.#strongest(
          fault,
          `${fault.from} ${fault.to}`,
          { value: fault.extraMs * 1000, none: 0 },
          (micros) => this.#network.slow(fault.from, fault.to, micros),
        );
        break;
      case 'client-cut': {
        const blocks = this.#clientBlocks.get(fault.node) ?? { requests: 0, answers: 0 };
        this.#clientBlocks.set(fault.node, blocks);
        blocks[fault.direction]++;
        this.#lasts(fault.id, fault.forMs, () => blocks[fault.direction]--);
        break;
      }
      case 'slow-process':
        this.#slowProcess(fault.id, this.#process(fault.node), fault.lagMs * 1000, fault.forMs);
        break;
      case 'slow-disk': {
        const { disk } = this.#process(fault.node);
        this.#strongest(fault, fault.node, { value: fault.factor, none: 1 }, (factor) => disk.slow(factor));
        break;
      }
      case 'disk-error': {
        const process = this.#process(fault.node);
        process.disk.failNextWrite(fault.applied);
        process.staysDown(fault.downMs * 1000);
        break;
      }
      case 'read-error': {
        const { disk } = this.#process(fault.node);
        this.#strongest(fault, fault.node, { value: fault.percent, none: 0 }, (percent) =>
          disk.failReads(percent),
        );
        break;
      }
      case 'disk-full': {
        const { disk } = this.#process(fault.node);
        this.#strongest(fault, fault.node, { value: 1, none: 0 }, (full) => disk.setFull(full > 0));
        break;
      }
      case 'bit-flip': {
        const keys = this.#process(fault.node).disk.flipBits(fault.records);
        if (keys.length > 0) this.#lost(fault.node, 'records', new Set(keys));
        break;
      }
      case 'wipe': {
        const process = this.#process(fault.node);
        process.crash('process', fault.downMs * 1000);
        process.disk.wipe();
        this.#lost(fault.node, 'everything');
        break;
      }
      case 'restore': {
        const process = this.#process(fault.node);
        const copy = this.#copies.get(fault.id);
        if (copy === undefined) break;
        process.crash('process', fault.downMs * 1000);
        process.disk.restore(copy, { keepsMarks: fault.belowFileSystem === true });
        this.#lost(fault.node, 'recent');
        break;
      }
      case 'clock-jump':
        this.#process(fault.node).clock.jump(fault.byMs * 1000);
        break;
      case 'clock-stop': {
        const { clock } = this.#process(fault.node);
        this.#strongest(fault, fault.node, { value: 1, none: 0 }, (still) =>
          still > 0 ? clock.standStill() : clock.goOn(),
        );
        break;
      }
    }
  }

  /**
   * A node has come back empty, because its data were older than deletions that others had forgotten. False: they cannot
   * have been, its disk was never put back.
   */
  setAside(node: string): boolean {
    const wasPutBack = this.memoryLosses.some((loss) => loss.node === node && loss.lost === 'recent');
    this.#lost(node, 'everything');
    return wasPutBack;
  }

  #crash(fault: CrashFault): void {
    this.#process(fault.node).crash(fault.power ? 'power' : 'process', fault.downMs * 1000);
    if (fault.power) this.#lost(fault.node, 'unsynced');
  }

  /** Crashes when the disk has something to lose, or when the time to wait for that is over. */
  #crashMidWrite(fault: CrashFault, untilMicros: number): void {
    if (this.#healed) return;
    const { scheduler } = this.#world;
    const { disk } = this.#process(fault.node);
    const hasPrey = disk.isWriting || (fault.power && disk.unsyncedBatches > 0);
    if (hasPrey || scheduler.nowMicros >= untilMicros) this.#crash(fault);
    else this.#at(scheduler.nowMicros + aimStepMicros, () => this.#crashMidWrite(fault, untilMicros));
  }

  #block(
    fault: FaultPlan,
    from: readonly string[],
    to: readonly string[],
    both: boolean,
    forMs: number,
  ): void {
    const set = (change: 1 | -1): void => {
      for (const a of from) {
        for (const b of to) {
          this.#blockLink(a, b, change);
          if (both) this.#blockLink(b, a, change);
        }
      }
    };
    set(1);
    this.#lasts(fault.id, forMs, () => set(-1));
  }

  /** Partitions overlap: a link is open again when the last of them has ended. */
  #blockLink(from: string, to: string, change: 1 | -1): void {
    const name = `${from} ${to}`;
    const blocks = (this.#linkBlocks.get(name) ?? 0) + change;
    this.#linkBlocks.set(name, blocks);
    this.#network.block(from, to, blocks > 0);
  }

  /** Faults of one kind on one target overlap: the strongest of those that last counts, and after the last of them `none`. */
  #strongest(
    fault: FaultPlan & { readonly forMs: number },
    target: string,
    { value, none }: { readonly value: number; readonly none: number },
    set: (value: number) => void,
  ): void {
    const name = `${fault.kind} ${target}`;
    const active = this.#active.get(name) ?? [];
    this.#active.set(name, active);
    active.push(value);
    set(Math.max(none, ...active));
    this.#lasts(fault.id, fault.forMs, () => {
      active.splice(active.indexOf(value), 1);
      set(Math.max(none, ...active));
    });
  }

  #slowProcess(id: number, process: SimulatedProcess, lagMicros: number, forMs: number): void {
    const { scheduler } = this.#world;
    let over = false;
    let stopped = false;
    const turn = (): void => {
      if (over) return;
      if (stopped) process.resume();
      else process.suspend();
      stopped = !stopped;
      this.#at(scheduler.nowMicros + (stopped ? lagMicros : slowTurnMicros), turn);
    };
    turn();
    this.#lasts(id, forMs, () => {
      over = true;
      if (stopped) process.resume();
    });
  }

  /** `undo` happens after `forMs`, or when all faults end. */
  #lasts(id: number, forMs: number, undo: () => void): void {
    this.#lasting.set(id, undo);
    this.#at(this.#world.scheduler.nowMicros + forMs * 1000, () => this.#end(id));
  }

  #end(id: number): void {
    const undo = this.#lasting.get(id);
    if (undo === undefined) return;
    this.#lasting.delete(id);
    this.#tell(`fault ${id} ends`);
    undo();
  }

  #lost(node: string, lost: MemoryLoss['lost'], keys?: ReadonlySet<string>): void {
    const atMs = this.#world.scheduler.nowMicros / 1000;
    this.memoryLosses.push({ node, atMs, lost, ...(keys !== undefined && { keys }) });
  }

  #process(node: string): SimulatedProcess {
    const process = this.#processes.get(node);
    if (process === undefined) throw new Error(`the plan names ${node}, which is no node of it`);
    return process;
  }

  #at(atMicros: number, run: () => void): void {
    this.#world.scheduler.at(atMicros, this.#owner, eventKind.fault, run);
  }

  #tell(text: string): void {
    const { trace, scheduler } = this.#world;
    trace?.add({ atMicros: scheduler.nowMicros, kind: 'fault', at: '', text });
  }
}

/** `partition both n1,n2 | n3, for 800 ms` */
export function describe(fault: FaultPlan): string {
  const { kind, id: _id, atMs: _atMs, ...rest } = fault;
  const details = Object.entries(rest).map(
    ([name, value]) => `${name} ${Array.isArray(value) ? value.join(',') : String(value)}`,
  );
  return `${kind} ${details.join(', ')}`;
}

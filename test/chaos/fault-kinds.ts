/** The kinds of fault that a chaos run knows. To add one, write it down beside its like and name it here. */

import type { SeededRandom } from '../support/seeded-random.ts';
import type { ChaosCluster } from './chaos-cluster.ts';
import { diskFaults } from './disk-faults.ts';
import type { DiskKind } from './disks.ts';
import { linkFaults } from './link-faults.ts';
import type { Ability } from './machine.ts';
import { networkFaults } from './network-faults.ts';
import { processFaults } from './process-faults.ts';

/** What a fault may do, and has to say. */
export interface FaultWorld {
  readonly cluster: ChaosCluster;
  readonly random: SeededRandom;
  /** How long the fault lasts. */
  readonly faultMs: number;
  /** Resolves after the time, or when the fault is over if that is sooner. */
  sleep(ms: number): Promise<void>;
  /** True from `faultMs` after the begin. */
  over(): boolean;
  /** Tells what is being done, for a person. */
  tell(sentence: string): void;
  /** A promise of the store was broken, in a way that no client can see. */
  wrong(sentence: string): void;
  /** kill -9 of one node while the others are up: how long its keys cannot be written is measured. */
  kill(node: number): Promise<void>;
  /** The node has lost what it had not fsynced. */
  lostUnsynced(node: number): void;
}

export interface FaultKind {
  readonly name: string;
  /** For `--list`. */
  readonly describes: string;
  /** Faults of the disk depend on the engine, and run with both. */
  readonly eachEngine: boolean;
  /** `either`: in namespaces if they can be made. */
  readonly network: 'namespaces' | 'proxies' | 'either';
  readonly disk: DiskKind;
  /** Kills one node at a time, by `world.kill`: then it is measured how long its keys cannot be written. */
  readonly killsOne?: boolean;
  /** Beyond what network and disk need. */
  readonly needs: readonly Ability[];
  /**
   * Breaks something, for about `faultMs`, and returns what ends the fault. The time to full service counts from that call:
   * starting processes again is part of it.
   */
  inject(world: FaultWorld): Promise<() => Promise<void>>;
}

export const FAULT_KINDS: readonly FaultKind[] = [
  ...processFaults,
  ...networkFaults,
  ...linkFaults,
  ...diskFaults,
];

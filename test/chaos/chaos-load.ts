/** The load on a cluster in a chaos run, and the judgement of what it saw. */

import { ConsistencyLevel } from '../../src/gen/kindred/v1/types.ts';
import { CrashWorkload } from '../support/crash-workload.ts';
import type { RealNode } from '../support/real-cluster.ts';

export interface LoadCounts {
  readonly acknowledged: number;
  readonly unknown: number;
  readonly notApplied: number;
  readonly readsDone: number;
  readonly readsFailed: number;
}

/** What contradicts the contract, a sentence each. */
export interface Findings {
  readonly lost: readonly string[];
  readonly untrue: readonly string[];
  readonly other: readonly string[];
}

export class ChaosLoad {
  readonly #nodes: readonly RealNode[];
  readonly #writers: CrashWorkload;

  constructor(nodes: readonly RealNode[]) {
    this.#nodes = nodes;
    this.#writers = new CrashWorkload(nodes, { writers: 16, keysPerWriter: 8, valueBytes: 1000 });
  }

  get counts(): LoadCounts {
    return { ...this.#writers.counts, readsDone: 0, readsFailed: 0 };
  }

  start(): void {
    this.#writers.start();
  }

  async stop(): Promise<void> {
    await this.#writers.stop();
  }

  /** A machine lost power, and what was not fsynced. */
  lostUnsynced(_node: RealNode): void {}

  /** Reads everything at ALL through every node, and judges. The load has stopped, and nothing is broken. */
  async judge(): Promise<Findings> {
    const lost: string[] = [];
    for (const node of this.#nodes) {
      lost.push(...(await this.#writers.check(node, ConsistencyLevel.CONSISTENCY_LEVEL_ALL)));
    }
    return {
      lost: lost.filter((sentence) => sentence.includes('was acknowledged')),
      untrue: this.#writers.untruths,
      other: [],
    };
  }
}

/** The core workloads of YCSB (SoCC 2010, table 2), but E: neither system is asked for ranges here. */

import type { Distribution } from './key-chooser.ts';

export type OperationKind = 'read' | 'update' | 'insert' | 'readModifyWrite';

/** Shares of operations, which add up to 1, and how their keys are chosen. */
export interface Mix {
  readonly shares: Readonly<Partial<Record<OperationKind, number>>>;
  readonly distribution: Distribution;
}

export type YcsbName = 'A' | 'B' | 'C' | 'D' | 'F';

export interface YcsbWorkload extends Mix {
  readonly title: string;
}

export const ycsb: Readonly<Record<YcsbName, YcsbWorkload>> = {
  A: { title: 'update heavy', shares: { read: 0.5, update: 0.5 }, distribution: 'zipfian' },
  B: { title: 'read mostly', shares: { read: 0.95, update: 0.05 }, distribution: 'zipfian' },
  C: { title: 'read only', shares: { read: 1 }, distribution: 'zipfian' },
  D: { title: 'read latest', shares: { read: 0.95, insert: 0.05 }, distribution: 'latest' },
  F: { title: 'read-modify-write', shares: { read: 0.5, readModifyWrite: 0.5 }, distribution: 'zipfian' },
};

/** Draws kinds by their shares. */
export function kindChooser(mix: Mix, random: () => number): () => OperationKind {
  const kinds = Object.entries(mix.shares) as [OperationKind, number][];
  const last = kinds.at(-1)?.[0] ?? 'read';
  if (kinds.length === 1) return () => last;
  return () => {
    let left = random();
    for (const [kind, share] of kinds) {
      left -= share;
      if (left < 0) return kind;
    }
    return last;
  };
}

/**
 * Consistency levels: how many replicas must answer. The table is the contract of `docs/consistency.md`; Cassandra's
 * names, so that nobody has to learn new ones.
 */

export type ConsistencyLevel =
  | 'any'
  | 'one'
  | 'two'
  | 'three'
  | 'quorum'
  | 'all'
  | 'local-one'
  | 'local-quorum'
  | 'each-quorum';

/** What a request asks for: a named level, or an explicit number of replicas from 1 to N. */
export type Strength =
  | { readonly kind: 'level'; readonly level: ConsistencyLevel }
  | { readonly kind: 'replicas'; readonly count: number };

export type Requirement =
  | {
      readonly kind: 'required';
      /** Answers that must have come. */
      readonly answers: number;
      /** True for ANY: a hint stored durably counts as an answer. */
      readonly hintCounts: boolean;
    }
  | { readonly kind: 'invalid'; readonly problem: string };

/** The majority of N replicas: two of them always share one. */
export function quorumOf(n: number): number {
  return Math.floor(n / 2) + 1;
}

/**
 * Intact replicas, of the N - 1 others, that must have spoken before a damaged record may be replaced by what they hold. Of
 * every majority that the damaged replica was part of one is then among them, so nothing that it acknowledged is forgotten.
 */
export function restoreAnswersOf(n: number): number {
  return Math.min(n - 1, n - quorumOf(n) + 1);
}

/** Answers that `strength` needs from N replicas. A level above N is invalid, never silently lowered. */
export function requirementOf(strength: Strength, n: number, operation: 'read' | 'write'): Requirement {
  if (strength.kind === 'replicas') {
    const { count } = strength;
    if (Number.isInteger(count) && count >= 1 && count <= n) return required(count);
    return {
      kind: 'invalid',
      problem: `replicas (${count}) must be from 1 to the bucket's replication (${n})`,
    };
  }
  switch (strength.level) {
    case 'any':
      if (operation === 'write') return { kind: 'required', answers: 1, hintCounts: true };
      return {
        kind: 'invalid',
        problem: 'level ANY is for writes only: a hint cannot be read',
      };
    case 'one':
    case 'local-one':
      return required(1);
    case 'two':
      return atMost(2, n, 'TWO');
    case 'three':
      return atMost(3, n, 'THREE');
    // One data centre for now, so the three mean the same.
    case 'quorum':
    case 'local-quorum':
    case 'each-quorum':
      return required(quorumOf(n));
    case 'all':
      return required(n);
  }
}

function required(answers: number): Requirement {
  return { kind: 'required', answers, hintCounts: false };
}

function atMost(answers: number, n: number, name: string): Requirement {
  if (answers <= n) return required(answers);
  return {
    kind: 'invalid',
    problem: `level ${name} needs ${answers} replicas, the bucket has ${n}`,
  };
}

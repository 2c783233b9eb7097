/**
 * A key with a single writer is a linearizable register: the algorithm of Attiya, Bar-Noy and Dolev ("Sharing Memory Robustly
 * in Message-Passing Systems", 1995) is what QUORUM writes and QUORUM reads that repair before they answer amount to.
 *
 * The promise holds for a key of a bucket that keeps siblings, if one client alone writes it, one logical write after the
 * other, always with the context of what it had seen, at a quorum or more. The writes then have an order of their own, and a read
 * has seen all writes up to some point of it: *the newest write of that order which the read's context covers* is the
 * value of the register. Older ones may stand beside it as siblings: a write of unknown outcome that arrives late, when
 * its writer went on without having seen it. They are no longer the value, whether or not readers still see them. The newest
 * itself must be shown, unless it is a deletion or has a lifetime.
 *
 * A write of unknown outcome may take effect later or never; one that was reported as not applied does not. Attempts of
 * one logical write are one operation, from the first call to the first acknowledgement. Reads below the quorum are left
 * out: nothing orders them.
 *
 * Not checked: keys of which a home lost memory, of whatever kind, because nothing keeps quorums meeting then
 * (`quorum-reads-never-go-back` checks what is left of the promise); keys with a write of unknown outcome whose dot nobody
 * knows, unless it was never seen and so need not have happened; blind writes. Where the search does not
 * end within its bound the verdict is `undecided`: no violation, but counted (`registerCounts`), for nothing was checked.
 */

import { attemptText, violationOf } from './attempt-text.ts';
import { withCollected } from './collected.ts';
import { answersOf, lossesOfHomes, quorumOf } from './copies-left.ts';
import type { KeyHistory, RunHistory, SeenContext, Violation, WriteAttempt } from './history.ts';
import { seenCovers } from './history.ts';
import { type DoneRead, type KnownVersions, knownVersions } from './known-versions.ts';
import { checkLinearizable, type SequentialModel, type TimedOperation } from './linearizability.ts';

const name = 'linearizable-register';

/** The value is the position of the newest write; 0: nothing was written. */
type RegisterOperation = { readonly kind: 'write' | 'read'; readonly position: number };

export const register: SequentialModel<number, RegisterOperation> = {
  init: 0,
  step: (state, { kind, position }) => {
    if (kind === 'write') return position;
    return state === position ? state : undefined;
  },
  equal: (a, b) => a === b,
  hash: (state) => state,
};

export type RegisterJudgement =
  | { readonly kind: 'not-applicable'; readonly why: string }
  | { readonly kind: 'linearizable' }
  | { readonly kind: 'undecided'; readonly steps: number }
  | { readonly kind: 'violated'; readonly violation: Violation };

/** Operations tried for one key before it is left undecided. */
const stepsMax = 200_000;

export function linearizableRegister(key: KeyHistory, run: RunHistory): readonly Violation[] {
  const judgement = judgeRegister(key, run);
  return judgement.kind === 'violated' ? [judgement.violation] : [];
}

/** How many keys of the run were checked as registers, and how many could not be decided. */
export function registerCounts(run: RunHistory): {
  readonly checked: number;
  readonly undecided: number;
  readonly notApplicable: number;
} {
  let checked = 0;
  let undecided = 0;
  let notApplicable = 0;
  for (const key of run.keys) {
    const { kind } = judgeRegister(key, run);
    if (kind === 'not-applicable') notApplicable++;
    else if (kind === 'undecided') undecided++;
    else checked++;
  }
  return { checked, undecided, notApplicable };
}

const judged = new WeakMap<KeyHistory, RegisterJudgement>();

export function judgeRegister(key: KeyHistory, run: RunHistory): RegisterJudgement {
  const before = judged.get(key);
  if (before !== undefined) return before;
  const judgement = judge(key, run);
  judged.set(key, judgement);
  return judgement;
}

/** One logical write in the writer's order. */
interface OrderedWrite {
  readonly attempts: readonly WriteAttempt[];
  readonly position: number;
  readonly callMs: number;
  /** Of the first acknowledgement. */
  readonly returnMs: number;
}

function judge(key: KeyHistory, run: RunHistory): RegisterJudgement {
  if (key.conflictPolicy !== 'siblings') return { kind: 'not-applicable', why: 'the last write wins here' };
  if (lossesOfHomes(key, run).length > 0) return { kind: 'not-applicable', why: 'a home lost memory' };
  const known = knownVersions(key);
  const writes = orderOf(known, quorumOf(key.homes.length), key.homes.length);
  if (typeof writes === 'string') return { kind: 'not-applicable', why: writes };

  const operations: TimedOperation<RegisterOperation>[] = [];
  const behind: { readonly write?: OrderedWrite; readonly read?: DoneRead }[] = [];
  const positionsRead = new Set<number>();
  for (const read of known.doneReads) {
    if (answersOf(read.level, key.homes.length) < quorumOf(key.homes.length)) continue;
    const context = withCollected(key, read.outcome.context, read.returnedMs);
    const position = newestSeen(known, writes, read, context);
    positionsRead.add(position);
    operations.push({ op: { kind: 'read', position }, callMs: read.invokedMs, returnMs: read.returnedMs });
    behind.push({ read });
  }
  if (operations.length === 0) return { kind: 'not-applicable', why: 'nobody reads it at a quorum' };
  for (const write of writes) {
    // Of unknown outcome and never read: that it never took effect explains everything that it could explain.
    if (write.returnMs === Number.POSITIVE_INFINITY && !positionsRead.has(write.position)) continue;
    const { position, callMs, returnMs } = write;
    operations.push({ op: { kind: 'write', position }, callMs, returnMs });
    behind.push({ write });
  }

  const verdict = checkLinearizable(register, operations, { stepsMax });
  switch (verdict.kind) {
    case 'linearizable':
      return verdict;
    case 'undecided':
      return verdict;
    case 'violated': {
      const { read, write } = behind[verdict.blocked] ?? {};
      const attempts = read === undefined ? (write?.attempts ?? []) : [read];
      const position = operations[verdict.blocked]?.op.position ?? 0;
      const newest = writes.find((one) => one.position === position)?.attempts[0];
      const none = position < 0 ? 'covered by its context, but not shown' : 'nothing';
      const value = newest === undefined ? none : attemptText(newest);
      const [blocked] = attempts;
      const what = blocked === undefined ? 'the operations' : attemptText(blocked);
      const message =
        read === undefined
          ? `no order of the operations explains them: ${what} returned, but what was read around it does not fit`
          : `no order of the operations explains ${what}, whose newest write is ${value}`;
      const involved = newest === undefined ? attempts : [...attempts, newest];
      return {
        kind: 'violated',
        violation: violationOf(name, key, involved, blocked?.returnedMs ?? run.endedMs, message),
      };
    }
  }
}

/** The logical writes in the order of their one writer, or why they have none. */
function orderOf(known: KnownVersions, quorum: number, homes: number): readonly OrderedWrite[] | string {
  const ordered: OrderedWrite[] = [];
  let client: string | undefined;
  /** When the writer had heard of all its writes so far. */
  let lastEndMs = 0;
  for (const attempts of known.attemptsOf.values()) {
    let returnMs = Number.POSITIVE_INFINITY;
    let endMs = 0;
    let happened = false;
    for (const attempt of attempts) {
      client ??= attempt.client;
      if (attempt.client !== client) return 'it has several writers';
      // Who never hears gives up at some time: then the write is one of unknown outcome like others.
      if (attempt.returnedMs !== Number.POSITIVE_INFINITY) endMs = Math.max(endMs, attempt.returnedMs);
      if (attempt.outcome.kind === 'not-applied') continue;
      if (attempt.action === 'touch') return 'it is touched';
      if (attempt.causality !== 'context') return 'it is written without a context';
      if (attempt.sloppy === true) return 'stand-ins counted for its writes';
      if (attempt.level === 'any' || answersOf(attempt.level, homes) < quorum)
        return 'it is written below the quorum';
      happened = true;
      if (attempt.outcome.kind === 'done') returnMs = Math.min(returnMs, attempt.returnedMs);
    }
    const callMs = (attempts[0] as WriteAttempt).invokedMs;
    if (lastEndMs > callMs) return 'its writer does not wait for its own writes';
    lastEndMs = Math.max(lastEndMs, endMs);
    if (happened) ordered.push({ attempts, position: ordered.length + 1, callMs, returnMs });
  }
  if (ordered.length === 0) return 'nobody writes it';
  return ordered;
}

/** The newest write that the answer's context covers; 0: none; -1: it is covered, and must be shown, but is not. */
function newestSeen(
  known: KnownVersions,
  writes: readonly OrderedWrite[],
  { outcome }: DoneRead,
  context: SeenContext,
): number {
  for (let i = writes.length - 1; i >= 0; i--) {
    const { attempts, position } = writes[i] as OrderedWrite;
    const versions = known.byWrite.get((attempts[0] as WriteAttempt).write) ?? [];
    if (!versions.some((version) => seenCovers(context, version.dot))) continue;
    // A later write may have superseded it under a dot that nobody knows.
    if (known.unseen.length > 0 || versions.some((version) => version.mayBeHidden)) return position;
    const isShown = versions.some((version) => outcome.versions.some((shown) => shown.dot === version.dot));
    return isShown ? position : -1;
  }
  return 0;
}

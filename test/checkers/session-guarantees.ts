/**
 * Session guarantees (docs/consistency.md, "Sessions"): a read with `min_context` never answers with less than that, at
 * any level and through any node, whatever failed meanwhile. And what makes them work: the answer to a write covers the write
 * itself and what its writer had seen.
 *
 * Nothing excuses a violation, not even a lost disk: a node that does not find what was asked for says
 * CONTEXT_NOT_REACHED.
 *
 * Of single dots of one actor an answer keeps the latest, which is the write itself: its writer has gone on from the earlier one
 * (`contextAfterWrite` in src/core/causality/context-token.ts).
 *
 * Not checked: single dots of the client's own context in the answer to a replayed write, which is built from what the first
 * attempt left.
 */

import { attemptText, violationOf } from './attempt-text.ts';
import { coversParts, partsOf } from './clock-floor.ts';
import type { DotName, KeyHistory, SeenContext, Violation } from './history.ts';
import { seenCovers } from './history.ts';
import { knownVersions } from './known-versions.ts';

const name = 'session-guarantees';

export function sessionGuarantees(key: KeyHistory): readonly Violation[] {
  const violations: Violation[] = [];
  const { doneReads, doneWrites } = knownVersions(key);
  for (const read of doneReads) {
    if (read.minContext === undefined) continue;
    const missing = missingIn(read.outcome.context, read.minContext, true, undefined);
    if (missing === undefined) continue;
    const message = `${attemptText(read)} asked for a state that includes ${missing}, and was answered without it`;
    violations.push(violationOf(name, key, [read], read.returnedMs, message));
  }
  for (const write of doneWrites) {
    const { dot, context, replayed } = write.outcome;
    const own = dot === undefined || seenCovers(context, dot) ? undefined : dot;
    const before =
      write.context === undefined ? undefined : missingIn(context, write.context, !replayed, dot);
    const missing = own ?? before;
    if (missing === undefined) continue;
    const what = missing === own ? 'which is the write itself' : 'which its writer had seen';
    const message = `the answer to ${attemptText(write)} has a context without ${missing}, ${what}`;
    violations.push(violationOf(name, key, [write], write.returnedMs, message));
  }
  return violations;
}

/** A dot of `wanted` that `context` does not cover, but for single dots that `latest` took the place of. */
function missingIn(
  context: SeenContext,
  wanted: SeenContext,
  withDots: boolean,
  latest: DotName | undefined,
): DotName | undefined {
  for (const [replica, epoch, counter] of wanted.clock) {
    const dot = `${replica}/${epoch}/${counter}`;
    if (!coversParts(context.clock, { replica, epoch, counter }) && !context.dots.includes(dot)) return dot;
  }
  if (!withDots) return undefined;
  return wanted.dots.find(
    (dot) => !seenCovers(context, dot) && !(latest !== undefined && isBefore(dot, latest)),
  );
}

/** True for an earlier dot of the same actor. */
function isBefore(dot: DotName, latest: DotName): boolean {
  const a = partsOf(dot);
  const b = partsOf(latest);
  return a.replica === b.replica && a.epoch === b.epoch && a.counter < b.counter;
}

/**
 * Promise 4 (docs/consistency.md): two QUORUM reads, one after the other, never go back; and a read that asks R replicas
 * after W acknowledged a write, R + W > N, knows that write.
 *
 * Every dot that the first read's context covers is covered by the second's, because a read at a quorum or more repairs
 * before it answers, so that as many replicas as its level names hold what it shows. And what the first read
 * knew to be superseded the second does not show. A read below the quorum may be the second of the two where the numbers add
 * up (ONE after ALL), but never the first: it repairs nothing.
 *
 * Relaxed for disks that were lost between the beginning of the first and the end of the second: of the copies that the
 * first stands for only those count that are left (`copies-left.ts`). What a read repaired counts as fsynced only where every
 * write of the key was SYNC_QUORUM: that the bucket is not a buffered one, for which repairs are not fsynced
 * either, is assumed then.
 *
 * A tombstone that may be collected by then need not be known any more (`collected.ts`); what it hid must stay hidden.
 *
 * Not checked: reads of clients that overlap, for which no order is promised; single dots that an answer's context has
 * beyond the write itself; whether what was hidden had expired (clocks of nodes differ).
 */

import { attemptText, violationOf } from './attempt-text.ts';
import { coversParts } from './clock-floor.ts';
import { withCollected } from './collected.ts';
import { answersOf, copiesLeft, lossesOfHomes, quorumOf } from './copies-left.ts';
import type { DotName, KeyHistory, RunHistory, Violation } from './history.ts';
import { type DoneRead, type KnownVersions, knownVersions } from './known-versions.ts';
import { judgeLaterReads, type Source } from './later-reads.ts';

const name = 'quorum-reads-never-go-back';

export function quorumReadsNeverGoBack(key: KeyHistory, run: RunHistory): readonly Violation[] {
  const violations: Violation[] = [];
  const known = knownVersions(key);
  const homes = key.homes.length;
  const allSynced = known.writes.every((write) => write.durability === 'sync-quorum');
  const sources: Source[] = [];
  const repairing: DoneRead[] = [];
  for (const read of known.doneReads) {
    const acked = answersOf(read.level, homes);
    if (acked < quorumOf(homes)) continue;
    repairing.push(read);
    const copies = { acked, synced: allSynced ? acked : 0 };
    sources.push({ attempt: read, copies, clock: read.outcome.context.clock, dots: [] });
  }
  for (const write of known.doneWrites) {
    const { dot, acked, synced, context } = write.outcome;
    // What hints alone hold nobody can read yet.
    if (acked === 0 || dot === undefined) continue;
    sources.push({ attempt: write, copies: { acked, synced }, clock: context.clock, dots: [dot] });
  }
  judgeLaterReads(key, run, sources, (read, floor) => {
    const missing = floor.missingIn(withCollected(key, read.outcome.context, read.returnedMs));
    if (missing === undefined) return;
    const { dot, source } = missing;
    const message = `${attemptText(source)} knew ${dot}, but ${attemptText(read)}, which began later, does not`;
    violations.push(violationOf(name, key, [source, read], read.returnedMs, message));
  });
  shownAgain(key, run, known, repairing, allSynced, violations);
  return violations;
}

/** Versions that a read knew, did not show, and a later read shows. */
function shownAgain(
  key: KeyHistory,
  run: RunHistory,
  known: KnownVersions,
  repairing: readonly DoneRead[],
  allSynced: boolean,
  violations: Violation[],
): void {
  const homes = key.homes.length;
  const losses = lossesOfHomes(key, run);
  const lastShown = new Map<DotName, DoneRead>();
  for (const read of known.doneReads) {
    for (const { dot } of read.outcome.versions) {
      const last = lastShown.get(dot);
      if (last === undefined || last.invokedMs < read.invokedMs) lastShown.set(dot, read);
    }
  }
  for (const [dot, later] of lastShown) {
    const version = known.byDot.get(dot);
    // What may read as nothing is hidden for other reasons, and so are retries behind their twin.
    if (version === undefined || version.mayBeHidden) continue;
    if (version.write !== undefined && (known.attemptsOf.get(version.write)?.length ?? 0) > 1) continue;
    for (const read of repairing) {
      if (read.returnedMs > later.invokedMs) continue;
      if (!coversParts(read.outcome.context.clock, version.parts)) continue;
      if (read.outcome.versions.some((shown) => shown.dot === dot)) continue;
      const acked = answersOf(read.level, homes);
      const copies = { acked, synced: allSynced ? acked : 0 };
      const left = copiesLeft(losses, homes, copies, read.invokedMs, later.returnedMs);
      if (left + answersOf(later.level, homes) <= homes) continue;
      const message = `${attemptText(read)} knew ${dot} and that it was superseded, but ${attemptText(later)}, which began later, shows it`;
      violations.push(violationOf(name, key, [read, later], later.returnedMs, message));
      break;
    }
  }
}

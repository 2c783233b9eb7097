/**
 * Promise 5 (docs/consistency.md): a deleted key stays deleted. What an acknowledged delete had seen is not shown again
 * (`reappearance.ts` says by which reads, and at rest), and a value whose lifetime is over is not read as live.
 *
 * A value that raced the delete survives it, by design: it is none that the delete had seen. A re-create is another dot. So is
 * a retry of a deleted write that the delete had not seen (docs/internals/causality.md, "Request ids").
 *
 * Readers compare a deadline with their node's wall clock, so a lifetime is checked only as exactly as those clocks are known
 * (`RunHistory.wallClocks`): a value must not be live when every node's clock is past its deadline, nor gone when none is.
 */

import { attemptText, violationOf } from './attempt-text.ts';
import type { KeyHistory, RunHistory, Violation } from './history.ts';
import { knownVersions } from './known-versions.ts';
import { reappearances } from './reappearance.ts';

const name = 'deleted-stays-deleted';

export function deletedStaysDeleted(key: KeyHistory, run: RunHistory): readonly Violation[] {
  const violations = [...reappearances(name, key, run, (write) => write.action === 'delete')];
  const { wallClocks } = run;
  if (wallClocks === undefined) return violations;
  const microsAt = (ms: number): number => wallClocks.microsAtZero + ms * 1_000;
  for (const read of knownVersions(key).doneReads) {
    const errorMicros =
      1_000 * (read.invokedMs >= run.healedMs ? wallClocks.errorMsAfterHeal : wallClocks.errorMsMax);
    const earliest = microsAt(read.invokedMs) - errorMicros;
    const latest = microsAt(read.returnedMs) + errorMicros;
    for (const { dot, value, expiresAtMicros } of read.outcome.versions) {
      if (expiresAtMicros === undefined) continue;
      if (value !== undefined && expiresAtMicros < earliest) {
        const overMs = Math.floor((earliest - expiresAtMicros) / 1_000);
        const message = `the lifetime of ${dot} was over for ${overMs} ms or more by every clock, but ${attemptText(read)} shows "${value}"`;
        violations.push(violationOf(name, key, [read], read.returnedMs, message));
      }
      if (value === undefined && expiresAtMicros > latest) {
        const earlyMs = Math.floor((expiresAtMicros - latest) / 1_000);
        const message = `${dot} lives for ${earlyMs} ms more by every clock, but ${attemptText(read)} shows it as gone`;
        violations.push(violationOf(name, key, [read], read.returnedMs, message));
      }
    }
  }
  return violations;
}

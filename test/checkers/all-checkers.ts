/** All checkers of a history, and the one call that applies them. */

import { acknowledgedNotLost } from './acknowledged-not-lost.ts';
import { deletedStaysDeleted } from './deleted-stays-deleted.ts';
import { dotNamesOneValue } from './dot-names-one-value.ts';
import { errorReports } from './error-reports.ts';
import type { Checker, RunHistory, Violation } from './history.ts';
import { linearizableRegister } from './linearizable-register.ts';
import { notAppliedNeverRead } from './not-applied-never-read.ts';
import { quorumReadsNeverGoBack } from './quorum-reads-never-go-back.ts';
import { readValues } from './read-values.ts';
import { replicasConverge } from './replicas-converge.ts';
import { requestCountsOnce } from './request-counts-once.ts';
import { sessionGuarantees } from './session-guarantees.ts';
import { supersededStaysSuperseded } from './superseded-stays-superseded.ts';

/** By the name that their violations carry, in the order of the promises. */
export const checkers: ReadonlyMap<string, Checker> = new Map<string, Checker>([
  ['acknowledged-not-lost', acknowledgedNotLost],
  ['not-applied-never-read', notAppliedNeverRead],
  ['superseded-stays-superseded', supersededStaysSuperseded],
  ['deleted-stays-deleted', deletedStaysDeleted],
  ['quorum-reads-never-go-back', quorumReadsNeverGoBack],
  ['session-guarantees', sessionGuarantees],
  ['replicas-converge', replicasConverge],
  ['dot-names-one-value', dotNamesOneValue],
  ['error-reports', errorReports],
  ['read-values', readValues],
  ['request-counts-once', requestCountsOnce],
  ['linearizable-register', linearizableRegister],
]);

/** Every promise, for every key. The history must be complete: what is known of a key is computed once. */
export function checkRun(run: RunHistory): Violation[] {
  const violations: Violation[] = [];
  for (const key of run.keys) {
    for (const check of checkers.values()) violations.push(...check(key, run));
  }
  return violations;
}

/**
 * Promise 3 (docs/consistency.md): what an acknowledged put or touch superseded does not come back. How it is told, and when,
 * says `reappearance.ts`.
 *
 * What was superseded is a dot. A retry of the same logical write is another dot, and one that raced may show the same
 * value once more: a limit that is known (docs/internals/causality.md, "Request ids"). Deletes are the business of
 * `deleted-stays-deleted`. Not checked: touches whose answer names no dot and that came without a context; writes of unknown
 * outcome, which may or may not have superseded something; what hints alone acknowledged.
 */

import type { KeyHistory, RunHistory, Violation } from './history.ts';
import { reappearances } from './reappearance.ts';

export function supersededStaysSuperseded(key: KeyHistory, run: RunHistory): readonly Violation[] {
  return reappearances('superseded-stays-superseded', key, run, (write) => write.action !== 'delete');
}

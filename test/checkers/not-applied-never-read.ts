/**
 * Promise 2 (docs/consistency.md): a write that was reported as NOT_APPLIED is never read, nor is it ever on a disk.
 *
 * A value names its write, so a value that is read, witnessed or at rest must come from an attempt that was done or of
 * unknown outcome. Another attempt of the same logical write excuses it: retries with one request id are one write, and
 * "this attempt was not applied" says nothing of the one before. What has no value of its own (deletions, touches) is told
 * by its request id. For deletions without an id an observer of the disks counts: each attempt makes at most one version, so
 * there must be no more unexplained deletions than deletes of unknown outcome.
 *
 * Not checked: touches without request id, and without an observer all that has no value.
 */

import { attemptsText, attemptText, violationOf } from './attempt-text.ts';
import type { DotName, KeyHistory, ReadAttempt, RunHistory, Violation, WriteAttempt } from './history.ts';
import { type KnownVersions, knownVersions } from './known-versions.ts';

const name = 'not-applied-never-read';

export function notAppliedNeverRead(key: KeyHistory, run: RunHistory): readonly Violation[] {
  const known = knownVersions(key);
  const refused = known.writes.filter((write) => write.outcome.kind === 'not-applied');
  const violations: Violation[] = [];
  if (refused.length > 0) {
    const byValue = new Map<string, WriteAttempt[]>();
    const byRequest = new Map<string, WriteAttempt[]>();
    for (const write of refused) {
      if (mayHaveHappened(known, write)) continue;
      if (write.value !== undefined) push(byValue, write.value, write);
      if (write.requestId !== undefined) push(byRequest, write.requestId, write);
    }
    const reported = new Set<WriteAttempt>();
    const report = (
      attempts: readonly WriteAttempt[] | undefined,
      where: string,
      atMs: number,
      read?: ReadAttempt,
    ): void => {
      const [first] = attempts ?? [];
      if (attempts === undefined || first === undefined || reported.has(first)) return;
      reported.add(first);
      const message = `${attemptsText(attempts)} ${attempts.length === 1 ? 'was' : 'were'} reported as not applied (${attemptText(first)}), but ${where}`;
      violations.push(
        violationOf(name, key, read === undefined ? attempts : [...attempts, read], atMs, message),
      );
    };
    for (const read of known.doneReads) {
      for (const { value, dot } of read.outcome.versions) {
        if (value !== undefined)
          report(byValue.get(value), `${attemptText(read)} shows it as ${dot}`, read.returnedMs, read);
      }
    }
    for (const { value, requestId, dot, node, atMs } of key.witnessed) {
      const where = `${node} stored it at ${atMs} ms as ${dot}`;
      if (value !== undefined) report(byValue.get(value), where, atMs);
      if (requestId !== undefined) report(byRequest.get(requestId), where, atMs);
    }
    for (const { versions, node } of key.replicas) {
      for (const { value, dot } of versions) {
        if (value !== undefined)
          report(byValue.get(value), `${node} holds it at rest as ${dot}`, run.endedMs);
      }
    }
  }
  if (run.omniscient) countDeletions(key, known, violations);
  return violations;
}

/** True when an attempt of the same write, with the same content, was or may have been applied. */
function mayHaveHappened(known: KnownVersions, refused: WriteAttempt): boolean {
  const attempts = known.attemptsOf.get(refused.write) ?? [];
  return attempts.some((other) => other.outcome.kind !== 'not-applied' && other.value === refused.value);
}

function countDeletions(key: KeyHistory, known: KnownVersions, violations: Violation[]): void {
  const unexplained = new Map<DotName, number>();
  for (const { dot, value, expiresAtMicros, atMs } of key.witnessed) {
    if (value !== undefined || expiresAtMicros !== undefined || unexplained.has(dot)) continue;
    unexplained.set(dot, atMs);
  }
  if (unexplained.size === 0) return;
  let possible = 0;
  for (const { action, outcome } of known.writes) {
    if (action !== 'delete') continue;
    if (outcome.kind === 'done' && outcome.dot !== undefined) unexplained.delete(outcome.dot);
    if (outcome.kind === 'unknown') possible++;
  }
  if (unexplained.size <= possible) return;
  const refused = known.writes.filter((w) => w.action === 'delete' && w.outcome.kind === 'not-applied');
  const atMs = Math.max(...unexplained.values());
  const dots = [...unexplained.keys()].join(', ');
  const message = `the deletions ${dots} were stored, but no delete was answered with their dots and only ${possible} are of unknown outcome: one that was reported as not applied happened (${refused.length === 0 ? 'none was even sent' : attemptsText(refused)})`;
  violations.push(violationOf(name, key, refused, atMs, message));
}

function push<V>(map: Map<string, V[]>, key: string, value: V): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [value]);
  else list.push(value);
}

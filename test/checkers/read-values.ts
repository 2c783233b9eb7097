/**
 * What is read was written: a value in an answer, on a disk or at rest was put under that very key, by an attempt that had
 * begun by then. No key ever shows the value of another (the binding of contexts and records to their key;
 * semantics, "The record"), and no value comes out of nowhere or from the future.
 *
 * Not checked: what has no value; that the attempt was not reported as not applied (`not-applied-never-read`).
 */

import { attemptText, violationOf } from './attempt-text.ts';
import type { KeyHistory, ReadAttempt, RunHistory, Violation, WriteAttempt } from './history.ts';
import { knownVersions } from './known-versions.ts';

const name = 'read-values';

const byRun = new WeakMap<RunHistory, ReadonlyMap<string, WriteAttempt>>();

export function readValues(key: KeyHistory, run: RunHistory): readonly Violation[] {
  const violations: Violation[] = [];
  const writers = writersOf(run);
  const reported = new Set<string>();
  const look = (
    value: string | undefined,
    untilMs: number,
    where: () => string,
    read?: ReadAttempt,
  ): void => {
    if (value === undefined || reported.has(value)) return;
    const writer = writers.get(value);
    const isOwn = writer !== undefined && writer.bucket === key.bucket && writer.key === key.key;
    if (isOwn && writer.invokedMs <= untilMs) return;
    reported.add(value);
    const from =
      writer === undefined
        ? 'nobody ever wrote it'
        : isOwn
          ? `it was written only later, by ${attemptText(writer)}`
          : `it belongs to ${writer.bucket}/${writer.key}, where ${attemptText(writer)} wrote it`;
    const attempts = [read, writer].filter((attempt) => attempt !== undefined);
    violations.push(violationOf(name, key, attempts, untilMs, `${where()} "${value}", but ${from}`));
  };
  for (const read of knownVersions(key).doneReads) {
    for (const { value } of read.outcome.versions)
      look(value, read.returnedMs, () => `${attemptText(read)} shows`, read);
  }
  for (const { value, atMs, node } of key.witnessed) look(value, atMs, () => `${node} stored at ${atMs} ms`);
  for (const { versions, node } of key.replicas) {
    for (const { value } of versions) look(value, run.endedMs, () => `${node} holds at rest`);
  }
  return violations;
}

/** The first attempt that wrote each value, in the whole run. */
function writersOf(run: RunHistory): ReadonlyMap<string, WriteAttempt> {
  let writers = byRun.get(run);
  if (writers !== undefined) return writers;
  const collected = new Map<string, WriteAttempt>();
  for (const { attempts } of run.keys) {
    for (const attempt of attempts) {
      if (attempt.kind !== 'write' || attempt.value === undefined) continue;
      const first = collected.get(attempt.value);
      if (first === undefined || attempt.invokedMs < first.invokedMs) collected.set(attempt.value, attempt);
    }
  }
  writers = collected;
  byRun.set(run, writers);
  return writers;
}

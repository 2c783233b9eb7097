/**
 * A write that is retried with one request id counts once (docs/consistency.md, "Outcomes and retries").
 *
 * What exactly is promised (docs/internals/causality.md, "Request ids"): no answer shows two versions of one request. And at
 * rest no record holds two of them that had seen the same: of those the merge keeps the smallest dot. Retries of a write
 * with a context, and of one that adds a sibling, have always seen the same. Retries of a blind overwrite may have seen
 * different things, and both stay in the record, hidden from readers, until the next write with a context.
 *
 * Not checked, because it is not promised: a retry that arrives after its twin was superseded stays as a sibling
 * of what superseded it. Nor touches without an observer of the disks, because their value is that of another write.
 */

import { attemptsText, attemptText, violationOf } from './attempt-text.ts';
import type {
  ClockEntries,
  DotName,
  KeyHistory,
  ReadAttempt,
  RunHistory,
  SeenVersion,
  Violation,
} from './history.ts';
import { type KnownVersions, knownVersions } from './known-versions.ts';

const name = 'request-counts-once';

export function requestCountsOnce(key: KeyHistory, run: RunHistory): readonly Violation[] {
  const violations: Violation[] = [];
  const known = knownVersions(key);
  const report = (
    write: number,
    dots: readonly DotName[],
    where: string,
    atMs: number,
    read?: ReadAttempt,
  ): void => {
    const attempts = known.attemptsOf.get(write) ?? [];
    const message = `${attemptsText(attempts)} are one request, but ${where} ${dots.join(' and ')}`;
    violations.push(
      violationOf(name, key, read === undefined ? attempts : [...attempts, read], atMs, message),
    );
  };
  for (const read of known.doneReads) {
    for (const [write, twins] of twinsIn(known, read.outcome.versions)) {
      report(write, dotsOf(twins), `${attemptText(read)} shows it twice, as`, read.returnedMs, read);
    }
  }
  const looked = new Set<string>();
  for (const { versions, record, node } of key.replicas) {
    if (record === undefined || looked.has(record)) continue;
    looked.add(record);
    for (const [write, twins] of twinsIn(known, versions)) {
      const clocks = new Map<string, SeenVersion[]>();
      for (const twin of twins) {
        const text = clockText(twin.clock);
        const list = clocks.get(text);
        if (list === undefined) clocks.set(text, [twin]);
        else list.push(twin);
      }
      for (const same of clocks.values()) {
        if (same.length > 1)
          report(write, dotsOf(same), `${node} holds it at rest, with the same clock, as`, run.endedMs);
      }
    }
  }
  return violations;
}

/** Versions of one logical write with a request id, where there are several. */
function twinsIn(
  known: KnownVersions,
  versions: readonly SeenVersion[],
): readonly (readonly [number, readonly SeenVersion[]])[] {
  if (versions.length < 2) return [];
  const byWrite = new Map<number, SeenVersion[]>();
  for (const version of versions) {
    const write = known.byDot.get(version.dot)?.write;
    if (write === undefined || known.attemptsOf.get(write)?.[0]?.requestId === undefined) continue;
    const list = byWrite.get(write);
    if (list === undefined) byWrite.set(write, [version]);
    else list.push(version);
  }
  return [...byWrite].filter(([, twins]) => twins.length > 1);
}

function dotsOf(versions: readonly SeenVersion[]): DotName[] {
  return versions.map((version) => version.dot);
}

function clockText(clock: ClockEntries): string {
  return clock.map((entry) => entry.join('/')).join(' ');
}

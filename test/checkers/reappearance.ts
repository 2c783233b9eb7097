/**
 * What an acknowledged write superseded and is shown nevertheless: the mechanism behind `superseded-stays-superseded` and
 * `deleted-stays-deleted`.
 *
 * A read that began after the acknowledgement, and asked so many replicas that it met one that acknowledged (later-reads.ts),
 * must not show what the write had seen. At rest nothing of it may be left on any home, whatever the level of the write:
 * one surviving copy is enough, because replicas exchange whole records. In buckets where the last write wins the same
 * holds: a write is later than all that it has seen (ADR 4).
 */

import { attemptText, violationOf } from './attempt-text.ts';
import { ClockFloor, partsOf } from './clock-floor.ts';
import { copiesLeft, lossesOfHomes } from './copies-left.ts';
import type { Attempt, KeyHistory, RunHistory, SeenVersion, Violation } from './history.ts';
import { type DoneWrite, knownVersions, supersededBy } from './known-versions.ts';
import { judgeLaterReads, type Source } from './later-reads.ts';

export function reappearances(
  checker: string,
  key: KeyHistory,
  run: RunHistory,
  isChecked: (write: DoneWrite) => boolean,
): readonly Violation[] {
  const violations: Violation[] = [];
  const known = knownVersions(key);
  const sources: Source[] = [];
  for (const write of known.doneWrites) {
    if (!isChecked(write)) continue;
    const seen = supersededBy(write);
    if (seen === undefined || (seen.clock.length === 0 && seen.dots.length === 0)) continue;
    const { acked, synced } = write.outcome;
    sources.push({ attempt: write, copies: { acked, synced }, clock: seen.clock, dots: seen.dots });
  }
  if (sources.length === 0) return violations;

  judgeLaterReads(key, run, sources, (read, floor) => {
    for (const { dot, value } of read.outcome.versions) {
      const write = floor.sourceOf(dot, partsOf(dot));
      if (write === undefined) continue;
      const message = `${attemptText(write)} superseded ${dot}${valueText(value)}, but ${attemptText(read)} shows it again`;
      violations.push(violationOf(checker, key, [write, read], read.returnedMs, message));
    }
  });

  const left = new ClockFloor<Attempt>();
  const losses = lossesOfHomes(key, run);
  for (const { attempt, copies, clock, dots } of sources) {
    if (copiesLeft(losses, key.homes.length, copies, attempt.invokedMs, run.endedMs) === 0) continue;
    left.raise(clock, attempt);
    for (const dot of dots) left.addDot(dot, attempt);
  }
  // Homes that hold the same are looked at once.
  const nodes = new Map<string, { readonly nodes: string[]; readonly versions: readonly SeenVersion[] }>();
  for (const { node, record, versions } of key.replicas) {
    const same = nodes.get(record ?? '');
    if (same === undefined) nodes.set(record ?? '', { nodes: [node], versions });
    else same.nodes.push(node);
  }
  for (const { nodes: holders, versions } of nodes.values()) {
    for (const { dot, value } of versions) {
      const write = left.sourceOf(dot, partsOf(dot));
      if (write === undefined) continue;
      const message = `${attemptText(write)} superseded ${dot}${valueText(value)}, but ${holders.join(', ')} hold it at rest`;
      violations.push(violationOf(checker, key, [write], run.endedMs, message));
    }
  }
  return violations;
}

function valueText(value: string | undefined): string {
  return value === undefined ? '' : ` ("${value}")`;
}

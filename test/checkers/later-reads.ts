/**
 * Real-time order between what was acknowledged and the reads that began later, for promises that rest on quorums meeting:
 * what `copies` homes hold is met by every read that asks R of N homes, if `copies + R > N`.
 *
 * Times are compared with `<=`: a read that begins at the very instant of an answer begins after what was answered was
 * decided. They must therefore not be rounded.
 */

import { ClockFloor } from './clock-floor.ts';
import { answersOf, type Copies, copiesLeft, lossesOfHomes } from './copies-left.ts';
import type { Attempt, ClockEntries, DotName, KeyHistory, RunHistory } from './history.ts';
import { type DoneRead, knownVersions } from './known-versions.ts';

/** Something that later reads have to reckon with. */
export interface Source {
  readonly attempt: Attempt;
  readonly copies: Copies;
  readonly clock: ClockEntries;
  readonly dots: readonly DotName[];
}

interface Group {
  readonly copies: Copies;
  readonly fromMs: number;
  readonly floor: ClockFloor<Attempt>;
}

/**
 * Calls `judge` for each answered read with the join of the sources that it certainly met: once for each group of sources
 * with as many copies and the same losses behind them. Linear in attempts, but for the losses.
 */
export function judgeLaterReads(
  key: KeyHistory,
  run: RunHistory,
  sources: readonly Source[],
  judge: (read: DoneRead, floor: ClockFloor<Attempt>) => void,
): void {
  if (sources.length === 0) return;
  const homes = key.homes.length;
  const losses = lossesOfHomes(key, run);
  const inOrder = [...sources].sort((a, b) => a.attempt.returnedMs - b.attempt.returnedMs);
  const reads = [...knownVersions(key).doneReads].sort((a, b) => a.invokedMs - b.invokedMs);
  const groups = new Map<number, Group>();
  let next = 0;
  for (const read of reads) {
    for (; next < inOrder.length; next++) {
      const { attempt, copies, clock, dots } = inOrder[next] as Source;
      if (attempt.returnedMs > read.invokedMs) break;
      let epoch = 0;
      while (epoch < losses.length && (losses[epoch]?.atMs ?? 0) < attempt.invokedMs) epoch++;
      const name = (epoch * 64 + copies.acked) * 64 + copies.synced;
      let group = groups.get(name);
      if (group === undefined) {
        group = { copies, fromMs: attempt.invokedMs, floor: new ClockFloor() };
        groups.set(name, group);
      }
      group.floor.raise(clock, attempt);
      for (const dot of dots) group.floor.addDot(dot, attempt);
    }
    const answers = answersOf(read.level, homes);
    for (const { copies, fromMs, floor } of groups.values()) {
      if (copiesLeft(losses, homes, copies, fromMs, read.returnedMs) + answers > homes) judge(read, floor);
    }
  }
}

/**
 * How many copies of something acknowledged are still there for certain, after disks were lost. Everything that a promise
 * loses by a `MemoryLoss` is decided here and nowhere else.
 *
 * Each home that lost memory can have had at most one copy, so at least `acked - homes that lost` are left. A copy that was
 * fsynced survives a loss of power, so `synced - homes that lost what was fsynced` is another lower bound, and the better of
 * the two counts. Records that rotted count as lost, but for one case: rot is noticed, and a replica takes nothing
 * less for a damaged record than the merge of so many others that every quorum is among them (`restoreAnswersOf` in
 * src/core/quorum). So what a quorum of two or more acknowledged comes back, if nothing else was lost.
 */

import type { HistoryLevel, KeyHistory, MemoryLoss, RunHistory } from './history.ts';

/** On how many distinct homes something was when it was acknowledged, and how many of these had fsynced. */
export interface Copies {
  readonly acked: number;
  readonly synced: number;
}

/** The majority of n replicas. */
export function quorumOf(n: number): number {
  return Math.floor(n / 2) + 1;
}

/** Replicas that the level needs of n. ANY counts as one: what a hint promises is another matter. */
export function answersOf(level: HistoryLevel, n: number): number {
  switch (level) {
    case 'any':
    case 'one':
      return 1;
    case 'two':
      return 2;
    case 'three':
      return 3;
    case 'quorum':
      return quorumOf(n);
    case 'all':
      return n;
  }
}

/** The losses of this key on its homes, in order of time. */
export function lossesOfHomes(
  key: Pick<KeyHistory, 'bucket' | 'key' | 'homes'>,
  run: Pick<RunHistory, 'memoryLosses'>,
): readonly MemoryLoss[] {
  if (run.memoryLosses.length === 0) return run.memoryLosses;
  const name = `${key.bucket}/${key.key}`;
  return run.memoryLosses
    .filter((loss) => key.homes.includes(loss.node) && (loss.keys?.has(name) ?? true))
    .sort((a, b) => a.atMs - b.atMs);
}

/** Homes that hold for certain, at `untilMs`, what `copies` of them acknowledged after `fromMs`. 0: nothing is promised. */
export function copiesLeft(
  losses: readonly MemoryLoss[],
  homes: number,
  copies: Copies,
  fromMs: number,
  untilMs: number,
): number {
  if (losses.length === 0) return Math.max(copies.acked, copies.synced);
  const lost = new Set<string>();
  const lostSynced = new Set<string>();
  let onlyRot = true;
  for (const { node, atMs, lost: what } of losses) {
    if (atMs < fromMs || atMs > untilMs) continue;
    lost.add(node);
    if (what !== 'unsynced') lostSynced.add(node);
    if (what !== 'records') onlyRot = false;
  }
  if (onlyRot && homes >= 2 && copies.acked >= quorumOf(homes)) return copies.acked;
  return Math.max(0, copies.acked - lost.size, copies.synced - lostSynced.size);
}

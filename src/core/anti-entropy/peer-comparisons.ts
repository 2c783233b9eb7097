/**
 * The comparisons with one other home that ended well, as far as tombstones have to know of them. A comparison tells that
 * what was here when it began is at the peer when it ended, on stable storage. It ripens:
 *
 *   ended     confirms at once what arrived before it began
 *   ripe      a grace later: all messages from before it ended have come or died, and so have honest hints
 *   relied on once the fence around the peer's store is durable (store-fence.ts): what arrived before it began is collectable
 *   settled   an eighth of the grace later: it may be deleted
 *
 * Of all comparisons only some are kept, at least a sixteenth of the grace apart, so that the list is bounded whatever the
 * interval of comparisons is. All times are running time of this store.
 *
 * What a comparison told is true only as long as the peer's store is no earlier state of itself. `stillHolds` is asked with
 * every greeting, and what does not hold any more is forgotten, but for what is relied on: there the fence refuses the greeting.
 */

/** One process over one data store, as its greeting names it. */
export interface StoreProcess {
  readonly replicaId: number;
  /** Of the process: when it started. */
  readonly generation: number;
  /** The time mark that the store held when the process opened it. */
  readonly openedAtMark: number;
}

/** A comparison that ended well. */
export interface EndedComparison {
  /** Before the first hash was read; nothing that counts was still on its way to the disk then. */
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  /** Who answered, from the first question to the end. */
  readonly process: StoreProcess;
  /** The mark that the peer's store held on stable storage at the end, stored after all that was compared. */
  readonly peerMark: number;
}

/** A comparison that ripens. */
export interface RipeningComparison extends EndedComparison {
  /** The mark of this node's own store half a grace after the end, and when it was noted: hints kept before it are refused. 0: not yet. */
  readonly ownMark: number;
  readonly ownMarkAtMs: number;
}

/** A comparison that collection relies on. */
export interface ReliedComparison extends RipeningComparison {
  readonly reliedAtMs: number;
}

/** What is kept of the comparisons with one peer, for one replication. Stored as it is. */
export interface PeerComparisons {
  /** Oldest first. */
  readonly ripening: readonly RipeningComparison[];
  /** Oldest first; the last is what is collectable by, the last that is settled what is deletable by. */
  readonly relied: readonly ReliedComparison[];
}

export const noComparisons: PeerComparisons = { ripening: [], relied: [] };

/** Kept comparisons are so far apart, as a part of the grace. */
const spacingPart = 1 / 16;
/** Relied on for so long, as a part of the grace, before anything is deleted. */
const settlePart = 1 / 8;
/** Bound on either list: more than fit into grace and a half at that distance. */
export const comparisonsKeptMax = 64;

/** With a comparison that has just ended. The same object: it was too close to the one before, and adds nothing. */
export function withEnded(kept: PeerComparisons, ended: EndedComparison, graceMs: number): PeerComparisons {
  const last = kept.ripening.at(-1) ?? kept.relied.at(-1);
  if (last !== undefined && ended.startedAtMs - last.startedAtMs < graceMs * spacingPart) return kept;
  if (kept.ripening.length >= comparisonsKeptMax) return kept;
  const ripening = { ...ended, ownMark: 0, ownMarkAtMs: 0 };
  return { ripening: [...kept.ripening, ripening], relied: kept.relied };
}

/** Notes this store's mark at comparisons that are half ripe. The same object: there were none. */
export function withOwnMark(
  kept: PeerComparisons,
  ownMark: number,
  nowMs: number,
  graceMs: number,
): PeerComparisons {
  const isDue = (each: RipeningComparison): boolean =>
    each.ownMark === 0 && nowMs >= each.endedAtMs + graceMs / 2;
  if (ownMark === 0 || !kept.ripening.some(isDue)) return kept;
  const ripening = kept.ripening.map((each) =>
    isDue(each) ? { ...each, ownMark, ownMarkAtMs: nowMs } : each,
  );
  return { ripening, relied: kept.relied };
}

/** The newest comparison that is ripe, or `undefined`. */
export function ripeComparison(
  kept: PeerComparisons,
  nowMs: number,
  graceMs: number,
): RipeningComparison | undefined {
  // Half a grace since the mark was noted, too: where it was noted late, hints of the time in between are honest.
  return kept.ripening.findLast(
    (each) =>
      each.ownMark > 0 && nowMs >= each.endedAtMs + graceMs && nowMs >= each.ownMarkAtMs + graceMs / 2,
  );
}

/** Relies on a ripe comparison, whose fence must be durable by then. */
export function relyOn(
  kept: PeerComparisons,
  ripe: RipeningComparison,
  nowMs: number,
  graceMs: number,
): PeerComparisons {
  const settled = kept.relied.findLastIndex((each) => isSettledBy(each, nowMs, graceMs));
  return {
    ripening: kept.ripening.filter((each) => each.startedAtMs > ripe.startedAtMs),
    // Before the newest that is settled there is nothing left to know.
    relied: [...kept.relied.slice(Math.max(0, settled)), { ...ripe, reliedAtMs: nowMs }].slice(
      -comparisonsKeptMax,
    ),
  };
}

/** Everything that arrived before it is collectable as far as this peer is concerned. */
export function collectableBefore(kept: PeerComparisons): number | undefined {
  return kept.relied.at(-1)?.startedAtMs;
}

/** The newest relied on comparison that has settled: what arrived before it began may be deleted. */
export function settledComparison(
  kept: PeerComparisons,
  nowMs: number,
  graceMs: number,
): ReliedComparison | undefined {
  return kept.relied.findLast((each) => isSettledBy(each, nowMs, graceMs));
}

/** A store that greets: its process, and whose data it holds besides its own. */
export interface GreetingStore extends StoreProcess {
  readonly formerReplicaId: number;
  readonly formerMark: number;
}

/** Whether the store that greets holds all that it held when a comparison with it ended. */
export function stillHolds(
  ended: Pick<EndedComparison, 'process' | 'peerMark'>,
  store: GreetingStore,
): boolean {
  const { process, peerMark } = ended;
  if (isSameProcess(process, store)) return true;
  if (store.replicaId === process.replicaId) return store.openedAtMark >= peerMark;
  return store.formerReplicaId === process.replicaId && store.formerMark >= peerMark;
}

/** Whether two greetings came from one process. A process has its store to itself, so the store has not changed behind it. */
export function isSameProcess(one: StoreProcess, other: StoreProcess): boolean {
  return (
    one.replicaId === other.replicaId &&
    one.generation === other.generation &&
    one.openedAtMark === other.openedAtMark
  );
}

/** What is left of the comparisons once the peer greets with `store`. The same object: all. */
export function stillValid(kept: PeerComparisons, store: GreetingStore): PeerComparisons {
  const ripening = kept.ripening.filter((each) => stillHolds(each, store));
  return ripening.length === kept.ripening.length ? kept : { ripening, relied: kept.relied };
}

function isSettledBy(each: ReliedComparison, nowMs: number, graceMs: number): boolean {
  return nowMs >= each.reliedAtMs + graceMs * settlePart;
}

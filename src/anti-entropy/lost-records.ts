/**
 * Damaged records of which every other home holds nothing: mostly deletions that rotted after the others had collected them. Nobody can
 * repair them, so they are given up (ADR 24).
 */

import { mapKeyOf } from '../core/bytes.ts';
import type { PartitionId } from '../core/identity.ts';
import type { TombstoneStore } from '../storage/tombstone-store.ts';

/** Where a record belongs: all that is asked of it here. */
export interface LostPlace {
  readonly recordKey: Uint8Array;
  readonly partition: PartitionId;
}

export interface LostRecordsDependencies<Place extends LostPlace> {
  /** Whether what is on the disk is damaged, and nothing is on its way to replace it. Throws EngineError. */
  readonly isDamaged: (place: Place) => boolean;
  /** Takes it away if it still is. Throws EngineError. */
  readonly remove: (place: Place) => boolean;
  readonly index: Pick<TombstoneStore, 'raiseCollectedMark'>;
  /** The newest mark that this store holds on stable storage. */
  readonly storedMark: () => number;
  /** Running time of the store. */
  readonly runningMs: () => number;
  readonly onGivenUp: (place: Place) => void;
}

/** Keys that may be given up soon; more wait for their turn. */
const keysMax = 1_000;

export class LostRecords<Place extends LostPlace> {
  readonly #deps: LostRecordsDependencies<Place>;
  readonly #graceMs: number;
  /** When each was found lost first, and the mark of this store at that time. */
  readonly #found = new Map<string, { readonly atMs: number; readonly mark: number }>();

  /** `graceMs`: of tombstones. */
  constructor(dependencies: LostRecordsDependencies<Place>, graceMs: number) {
    this.#deps = dependencies;
    this.#graceMs = graceMs;
  }

  /**
   * Told of a key whose record is damaged here, and of which all other homes have said that they hold nothing. Gives it up once it was
   * found so twice, half a grace apart. What is refused afterwards are the hints that were kept before the first time, as at a
   * collection: one that is newer may be the only copy of a write at ANY. Rejects with EngineError.
   */
  async lost(place: Place): Promise<void> {
    const { isDamaged, remove, index, storedMark, runningMs, onGivenUp } = this.#deps;
    const name = mapKeyOf(place.recordKey);
    if (!isDamaged(place)) {
      this.#found.delete(name);
      return;
    }
    const first = this.#found.get(name);
    if (first === undefined) {
      if (this.#found.size < keysMax) this.#found.set(name, { atMs: runningMs(), mark: storedMark() });
      return;
    }
    if (runningMs() - first.atMs < this.#graceMs / 2) return;
    this.#found.delete(name);
    await index.raiseCollectedMark(place.partition, first.mark);
    if (remove(place)) onGivenUp(place);
  }
}

/**
 * What a simulated disk holds: the entries that a process reads back, and how to undo the batches that no sync has
 * covered yet. A power failure undoes some of them; the death of a process none.
 */

import { mapKeyOf } from '../../../src/core/bytes.ts';
import type { EngineOperation } from '../../../src/storage/engine.ts';

/** One stored entry. Replaced, never changed, so that iterations and copies may hold on to it. */
export interface DiskEntry {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

/** All that is on a disk at one moment, for a restore. */
export interface DiskCopy {
  readonly entries: ReadonlyMap<string, DiskEntry>;
  readonly marks: readonly string[];
}

/** What a batch replaced, in the order of its operations. */
interface UnsyncedBatch {
  readonly atMicros: number;
  readonly replaced: { readonly mapKey: string; readonly before: DiskEntry | undefined }[];
}

/** An operating system writes back by itself what has been dirty for so long. */
const writebackMicros = 30_000_000;

export class DiskState {
  /** Marks of the directory (src/storage/directory-mark.ts). Their making and removal is synced. */
  marks: string[] = [];
  #entries = new Map<string, DiskEntry>();
  #unsynced: UnsyncedBatch[] = [];
  /** Map keys in order; their order is that of the bytes. `undefined` when a key came or went since. */
  #sorted: string[] | undefined;
  #bytes = 0;

  /** Bytes of all keys and values. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Batches that a power failure may take. */
  get unsyncedBatches(): number {
    return this.#unsynced.length;
  }

  get(key: Uint8Array): DiskEntry | undefined {
    return this.#entries.get(mapKeyOf(key));
  }

  /** What a power failure now would leave under the key, if it took every batch that it can. */
  durable(key: Uint8Array): DiskEntry | undefined {
    const mapKey = mapKeyOf(key);
    for (const { replaced } of this.#unsynced) {
      for (const change of replaced) if (change.mapKey === mapKey) return change.before;
    }
    return this.#entries.get(mapKey);
  }

  /** Entries from `from` up to, without, `to`, ascending. */
  range(from: Uint8Array, to: Uint8Array, limit: number = Number.POSITIVE_INFINITY): DiskEntry[] {
    this.#sorted ??= [...this.#entries.keys()].sort();
    const sorted = this.#sorted;
    const end = mapKeyOf(to);
    const found: DiskEntry[] = [];
    for (let i = positionOf(sorted, mapKeyOf(from)); i < sorted.length && found.length < limit; i++) {
      const mapKey = sorted[i] as string;
      if (mapKey >= end) break;
      found.push(this.#entries.get(mapKey) as DiskEntry);
    }
    return found;
  }

  /** Applies a batch; it is not synced. Keys and values are kept as they are given. */
  apply(operations: readonly EngineOperation[], nowMicros: number): void {
    const replaced: UnsyncedBatch['replaced'] = [];
    for (const operation of operations) {
      const mapKey = mapKeyOf(operation.key);
      const before = this.#entries.get(mapKey);
      replaced.push({ mapKey, before });
      this.#set(mapKey, before, operation.kind === 'put' ? operation : undefined);
    }
    this.writeBack(nowMicros);
    this.#unsynced.push({ atMicros: nowMicros, replaced });
  }

  /** What the operating system has written back by itself by now survives a power failure. */
  writeBack(nowMicros: number): void {
    const isDirty = (batch: UnsyncedBatch): boolean => batch.atMicros > nowMicros - writebackMicros;
    const [first] = this.#unsynced;
    if (first === undefined || isDirty(first)) return;
    const dirty = this.#unsynced.findIndex(isDirty);
    this.#unsynced.splice(0, dirty < 0 ? this.#unsynced.length : dirty);
  }

  /** Everything applied so far survives a power failure. */
  sync(): void {
    if (this.#unsynced.length > 0) this.#unsynced = [];
  }

  /** Undoes all unsynced batches but the first `kept`; those count as synced from now on. */
  loseUnsynced(kept: number): void {
    const lost = this.#unsynced.splice(kept);
    for (let i = lost.length - 1; i >= 0; i--) {
      const { replaced } = lost[i] as UnsyncedBatch;
      for (let j = replaced.length - 1; j >= 0; j--) {
        const { mapKey, before } = replaced[j] as UnsyncedBatch['replaced'][number];
        this.#set(mapKey, this.#entries.get(mapKey), before);
      }
    }
    this.sync();
  }

  /** Puts other bytes under an existing key, past all batches: rot, not a write. */
  replaceValue(entry: DiskEntry, value: Uint8Array): void {
    this.#entries.set(mapKeyOf(entry.key), { key: entry.key, value });
  }

  copy(): DiskCopy {
    return { entries: new Map(this.#entries), marks: [...this.marks] };
  }

  /**
   * Holds what `copy` holds, synced; nothing without one. Copies of marks are other marks, because no copy of files has their
   * inode; a snapshot of the volume beneath them has (`keepsMarks`).
   */
  reset(copy: DiskCopy = { entries: new Map(), marks: [] }, keepsMarks = false): void {
    this.#entries = new Map(copy.entries);
    this.marks = copy.marks.map((mark) => (keepsMarks ? mark : `copy of ${mark}`));
    this.#unsynced = [];
    this.#sorted = undefined;
    this.#bytes = 0;
    for (const { key, value } of copy.entries.values()) this.#bytes += key.length + value.length;
  }

  #set(mapKey: string, before: DiskEntry | undefined, after: DiskEntry | undefined): void {
    if (before !== undefined) this.#bytes -= before.key.length + before.value.length;
    if (after === undefined) {
      if (before !== undefined && this.#entries.delete(mapKey)) this.#sorted = undefined;
      return;
    }
    if (before === undefined) this.#sorted = undefined;
    this.#entries.set(mapKey, { key: after.key, value: after.value });
    this.#bytes += after.key.length + after.value.length;
  }
}

/** Index of the first element that is not below `wanted`. */
function positionOf(sorted: readonly string[], wanted: string): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle] as string) < wanted) low = middle + 1;
    else high = middle;
  }
  return low;
}

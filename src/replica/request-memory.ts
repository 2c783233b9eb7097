/**
 * What this replica remembers of request ids beyond the records themselves: a write that has been superseded is gone from
 * its record, but a late retry of it must still count once. Bounded, in memory; what is forgotten falls back on the id
 * inside the version.
 */

import { compareDots, type Dot } from '../core/causality/dot.ts';
import { nameOf as keyName } from './pending-records.ts';

export interface RememberedWrite {
  readonly dot: Dot;
  /** Length and CRC-32 of the encoded value (or of nothing, for a deletion): a retry must have the same. */
  readonly fingerprint: string;
  /** Its hybrid time: a later write with the context of its replay must come after it. */
  readonly writtenAt: number;
}

export interface RequestMemoryOptions {
  /** Writes remembered; the oldest go first. */
  readonly entriesMax: number;
  /** Milliseconds a write is remembered. */
  readonly windowMs: number;
}

interface Entry extends RememberedWrite {
  readonly atMs: number;
}

export class RequestMemory {
  readonly #monotonicMs: () => number;
  readonly #options: RequestMemoryOptions;
  // Insertion order is age: the first entries are the oldest.
  readonly #entries = new Map<string, Entry>();

  constructor(monotonicMs: () => number, options: RequestMemoryOptions) {
    this.#monotonicMs = monotonicMs;
    this.#options = options;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Keeps the smallest dot of a request id, as the merge of records does. */
  remember(recordKey: Uint8Array, requestId: Uint8Array, write: RememberedWrite): void {
    const name = nameOf(recordKey, requestId);
    const known = this.#entries.get(name);
    if (known !== undefined) {
      if (compareDots(write.dot, known.dot) < 0) this.#entries.set(name, { ...write, atMs: known.atMs });
      return;
    }
    this.#entries.set(name, { ...write, atMs: this.#monotonicMs() });
    this.#expire();
  }

  find(recordKey: Uint8Array, requestId: Uint8Array): RememberedWrite | undefined {
    const entry = this.#entries.get(nameOf(recordKey, requestId));
    if (entry === undefined || this.#monotonicMs() - entry.atMs > this.#options.windowMs) return undefined;
    return entry;
  }

  #expire(): void {
    const oldestMs = this.#monotonicMs() - this.#options.windowMs;
    for (const [name, entry] of this.#entries) {
      if (this.#entries.size <= this.#options.entriesMax && entry.atMs >= oldestMs) return;
      this.#entries.delete(name);
    }
  }
}

function nameOf(recordKey: Uint8Array, requestId: Uint8Array): string {
  return keyName(requestId) + keyName(recordKey);
}

/** Keeps a trace, and picks from it what somebody wants to read. */

import { concerns, type Trace, type TraceEntry, type TraceKind } from '../kernel/trace.ts';

/** What is asked for. A field that is absent asks for nothing. */
export interface TraceFilter {
  readonly only?: readonly TraceKind[];
  /** `bucket/key`. */
  readonly key?: string;
  /** A node or a client, at either end. */
  readonly node?: string;
  readonly fromMs?: number;
  readonly toMs?: number;
}

/** A trace that remembers everything. */
export class TraceMemory implements Trace {
  readonly entries: TraceEntry[] = [];

  add(entry: TraceEntry): void {
    this.entries.push(entry);
  }
}

/** Told in any case, unless the kinds are chosen: without them nothing else can be understood. */
const always: readonly TraceKind[] = ['fault', 'check'];

/** True where the filter lets the entry through. */
export function passes(entry: TraceEntry, filter: TraceFilter): boolean {
  const { only, key, node, fromMs, toMs } = filter;
  if (fromMs !== undefined && entry.atMicros < fromMs * 1000) return false;
  if (toMs !== undefined && entry.atMicros > toMs * 1000) return false;
  if (only !== undefined && !only.includes(entry.kind)) return false;
  if (only === undefined && always.includes(entry.kind)) return true;
  // Of a key's story, what concerns no key at all is told when its kind was asked for.
  const isKeyless = entry.key === undefined && entry.keys === undefined;
  if (key !== undefined && !concerns(entry, key) && !(isKeyless && only !== undefined)) return false;
  return node === undefined || entry.at === node || entry.peer === node;
}

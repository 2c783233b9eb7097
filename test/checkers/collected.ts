/**
 * What collected tombstones excuse. A replica that dropped a dead record knows nothing of the key any more, and a reader of it
 * learns nothing: the promises about contexts and superseded writes count as if it still told what the record had covered.
 * What must never happen, collected or not, is that a value comes back; that is looked at without any excuse.
 *
 * Whether a record *may* go is the business of `world/collection-observer.ts`, which sees the disks.
 */

import { coversParts, partsOf } from './clock-floor.ts';
import type { ClockEntries, DotName, KeyHistory, SeenContext } from './history.ts';

/** The context with all that was covered by records which may be gone by then. */
export function withCollected(key: KeyHistory, context: SeenContext, atMs: number): SeenContext {
  const gone = key.mortal?.filter(({ mayGoMs }) => mayGoMs <= atMs) ?? [];
  if (gone.length === 0) return context;
  const counters = new Map<string, readonly [number, number, number]>();
  const raise = (clock: ClockEntries): void => {
    for (const entry of clock) {
      const actor = `${entry[0]}/${entry[1]}`;
      if ((counters.get(actor)?.[2] ?? 0) < entry[2]) counters.set(actor, entry);
    }
  };
  raise(context.clock);
  const dots = new Set(context.dots);
  for (const record of gone) {
    raise(record.clock);
    for (const dot of record.dots) dots.add(dot);
  }
  const clock = [...counters.values()];
  return { clock, dots: [...dots].filter((dot) => !coversParts(clock, partsOf(dot))) };
}

/** Versions of records which may be gone by then. */
export function collectedDots(key: KeyHistory, atMs: number): readonly DotName[] {
  const gone = key.mortal?.filter(({ mayGoMs }) => mayGoMs <= atMs) ?? [];
  return [...new Set(gone.flatMap(({ dots }) => dots))];
}

/** True when a record that may be gone by then had covered the dot. */
export function mayBeCollected(key: Pick<KeyHistory, 'mortal'>, dot: DotName, atMs: number): boolean {
  const parts = partsOf(dot);
  return (
    key.mortal?.some(
      ({ mayGoMs, clock, dots }) => mayGoMs <= atMs && (dots.includes(dot) || coversParts(clock, parts)),
    ) ?? false
  );
}

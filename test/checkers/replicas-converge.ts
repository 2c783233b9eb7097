/**
 * Invariant 4 of the design: replicas end byte-identical. At rest all homes of a key hold the same bytes, none of them
 * damaged, and the final reads of a key agree.
 *
 * A tombstone so old that replicas leave it out when they compare what they hold is as good as nothing: one home may have
 * collected it, and another not yet.
 *
 * Final reads that began after one at ALL must show the same versions, because all homes were equal by then. What is left open is
 * a write of unknown outcome that arrives late: a version that no finished write made may appear, and what it
 * superseded be gone; and a value whose lifetime ended may be gone.
 *
 * Not checked: that repair falls silent, which is `resources-at-rest`; how long convergence took. Where nobody could look at
 * the disks only the reads are compared.
 */

import { attemptText, violationOf } from './attempt-text.ts';
import type { DotName, KeyHistory, RunHistory, Violation } from './history.ts';
import { type DoneRead, type KnownVersions, knownVersions } from './known-versions.ts';

const name = 'replicas-converge';

export function replicasConverge(key: KeyHistory, run: RunHistory): readonly Violation[] {
  const violations: Violation[] = [];
  const holders = new Map<string, string[]>();
  for (const { node, record, isAged } of key.replicas) {
    const text = record === undefined || isAged === true ? 'nothing' : record;
    const nodes = holders.get(text);
    if (nodes === undefined) holders.set(text, [node]);
    else nodes.push(node);
  }
  const damaged = holders.get('damaged');
  if (damaged !== undefined) {
    const message = `the record is still damaged on ${damaged.join(', ')} at rest: nothing repaired it`;
    violations.push(violationOf(name, key, [], run.endedMs, message));
    holders.delete('damaged');
  }
  if (holders.size > 1) {
    const parts = [...holders].map(
      ([record, nodes]) => `${nodes.join(', ')}: ${describe(key, nodes[0] as string, record)}`,
    );
    const message = `the homes differ at rest: ${parts.join('; ')}`;
    violations.push(violationOf(name, key, [], run.endedMs, message));
  }
  const known = knownVersions(key);
  let reference: DoneRead | undefined;
  for (const read of known.doneReads) {
    if (!read.final) continue;
    if (reference !== undefined && read.invokedMs >= reference.returnedMs) {
      const difference = differenceOf(known, reference, read);
      if (difference !== undefined) {
        const message = `${attemptText(reference)} and ${attemptText(read)} do not agree: ${difference}`;
        violations.push(violationOf(name, key, [reference, read], read.returnedMs, message));
      }
    }
    if (read.level === 'all' && (reference === undefined || read.invokedMs >= reference.returnedMs))
      reference = read;
  }
  return violations;
}

function describe(key: KeyHistory, node: string, record: string): string {
  const state = key.replicas.find((replica) => replica.node === node);
  const dots = state?.versions.map((version) => version.dot).join(' ') ?? '';
  return record === 'nothing' ? 'nothing' : `${record.length / 2} bytes with the versions {${dots}}`;
}

function differenceOf(known: KnownVersions, first: DoneRead, second: DoneRead): string | undefined {
  const before = new Set(first.outcome.versions.map((version) => version.dot));
  const after = new Set(second.outcome.versions.map((version) => version.dot));
  const done = new Set(known.doneWrites.map((write) => write.outcome.dot));
  let arrived = false;
  for (const dot of after) {
    if (before.has(dot)) continue;
    arrived = true;
    if (done.has(dot) && !mayHide(known, dot)) return `${dot} is shown only by the second`;
  }
  // Absent before and after a deletion that nobody sees.
  if (arrived || (after.size === 0 && known.unseen.length > 0)) return undefined;
  for (const dot of before)
    if (!after.has(dot) && !mayHide(known, dot)) return `${dot} is shown only by the first`;
  return undefined;
}

function mayHide(known: KnownVersions, dot: DotName): boolean {
  return known.byDot.get(dot)?.mayBeHidden ?? false;
}

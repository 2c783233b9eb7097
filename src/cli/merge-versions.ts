/** Choices among siblings that need no person: pure, so that they can be tested. */

import { compareDots } from '../core/causality/dot.ts';
import { replicaId } from '../core/identity.ts';
import type { Version } from '../gen/kindred/v1/types.ts';
import { dataOf } from './answer-text.ts';

/** `latest`: written last by the clocks; `largest`: most bytes; `union`: every line of any of them once. */
export type Pick = 'latest' | 'largest' | 'union';

/**
 * The value written last, ties by dot, so that everybody picks the same; a deletion only where there is nothing else. The
 * same rule as that of reads that pick the latest. `versions` must not be empty.
 */
export function latestOf(versions: readonly Version[]): Version {
  return greatest(valuesElseAll(versions), (a, b) => compareWritten(a, b) || compareByDot(a, b));
}

/** The value with the most bytes, ties by time, then dot; a deletion only where there is nothing else. */
export function largestOf(versions: readonly Version[]): Version {
  return greatest(
    valuesElseAll(versions),
    (a, b) =>
      (dataOf(a)?.length ?? 0) - (dataOf(b)?.length ?? 0) || compareWritten(a, b) || compareByDot(a, b),
  );
}

/**
 * Every line that occurs in any of `texts`, once, in the order of first sight. Ends in a line end when one of them does.
 */
export function unionOfLines(texts: readonly string[]): string {
  const lines = new Set<string>();
  for (const text of texts) {
    for (const line of text.replace(/\n$/, '').split('\n')) if (text !== '') lines.add(line);
  }
  const end = texts.some((text) => text.endsWith('\n')) ? '\n' : '';
  return `${[...lines].join('\n')}${lines.size === 0 ? '' : end}`;
}

/** Oldest first, by the clocks, ties by dot. */
export function oldestFirst(versions: readonly Version[]): Version[] {
  return [...versions].sort((a, b) => compareWritten(a, b) || compareByDot(a, b));
}

/** What a person edits: each version between markers that name it, as in a merge of source code. */
export function conflictDocument(texts: readonly string[], names: readonly string[]): string {
  const parts = texts.map(
    (text, index) => `${MARKER_START} [${index + 1}] ${names[index] ?? ''}\n${withEnd(text)}`,
  );
  return `${parts.join('')}${MARKER_END}\n`;
}

/**
 * Whether markers are left in what was edited, whole or damaged: then nobody has decided yet. What stands in one of the
 * `originals` is no marker, unless it looks exactly like ours.
 */
export function hasConflictMarkers(text: string, originals: readonly string[]): boolean {
  const known = new Set(originals.flatMap(linesOf));
  return linesOf(text).some((line) => {
    if (!line.startsWith(MARKER_START) && !line.startsWith(MARKER_END)) return false;
    return line === MARKER_END || line.startsWith(`${MARKER_START} [`) || !known.has(line);
  });
}

function linesOf(text: string): string[] {
  return text.split('\n').map((line) => line.trimEnd());
}

function valuesElseAll(versions: readonly Version[]): readonly Version[] {
  const values = versions.filter((version) => dataOf(version) !== undefined);
  return values.length > 0 ? values : versions;
}

const MARKER_START = '<<<<<<<';
const MARKER_END = '>>>>>>>';

function withEnd(text: string): string {
  return text === '' || text.endsWith('\n') ? text : `${text}\n`;
}

function greatest(versions: readonly Version[], compare: (a: Version, b: Version) => number): Version {
  const [first, ...others] = versions;
  if (first === undefined) throw new Error('assertion failed: no versions to choose from');
  return others.reduce((best, version) => (compare(version, best) > 0 ? version : best), first);
}

function compareWritten(a: Version, b: Version): number {
  const [left, right] = [a.writtenAt, b.writtenAt];
  return (left?.seconds ?? 0) - (right?.seconds ?? 0) || (left?.nanos ?? 0) - (right?.nanos ?? 0);
}

function compareByDot(a: Version, b: Version): number {
  const [left, right] = [a.dot, b.dot];
  if (left === undefined || right === undefined)
    return Number(left !== undefined) - Number(right !== undefined);
  return compareDots(
    { ...left, replica: replicaId(left.replica) },
    { ...right, replica: replicaId(right.replica) },
  );
}

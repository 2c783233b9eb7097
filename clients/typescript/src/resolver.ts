/** Resolvers: what becomes of versions that raced. */

import { Value, type ValueLike } from './value.ts';
import { compareWritten, type Version } from './version.ts';

/**
 * Makes one value of versions that raced, or `undefined` when the key is to be absent. It gets at least one version, and
 * deletions as well as values. Several clients may resolve the same versions, in another order or in parts, so it should be
 * commutative, associative and idempotent: `checkResolver` of `@kindred/client/testing` finds out.
 */
export type Resolver = (versions: readonly Version[]) => ValueLike | undefined;

/** Keeps the version that was written last, be it a deletion; what raced with it is lost. Ties go to the greater dot. */
export const lastWriter: Resolver = (versions) => {
  const last = versions.reduce((a, b) => (compareWritten(a, b) < 0 ? b : a));
  return last.kind === 'value' ? last.value : undefined;
};

/**
 * The union of JSON arrays, as a sorted array without repetitions; deletions count as empty. Items are the same if their
 * JSON is. An item that one writer has taken out comes back if another, who had not seen that, kept it.
 */
export const jsonSetUnion: Resolver = (versions) => {
  const items = new Map<string, unknown>();
  for (const version of versions) {
    if (version.kind === 'deleted') continue;
    for (const item of version.value.json<readonly unknown[]>()) items.set(JSON.stringify(item), item);
  }
  const sorted = [...items].sort(([a], [b]) => (a < b ? -1 : 1));
  return Value.json(sorted.map(([, item]) => item));
};

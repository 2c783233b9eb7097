/**
 * What differs between two listings of keys and digests that come in pages, in ascending order of keys: a merge join. It
 * says whose next page it needs, and holds one page of each side at most.
 *
 * Law (test/property/comparison.test.ts): it names exactly the keys that one side lacks, or whose digests differ or are
 * missing (a damaged record equals nothing, not even another damaged one), each once, in ascending order.
 */

import { assert } from '../assert.ts';
import { compareBytes } from '../bytes.ts';

/** One key of a listing. */
export interface ListedKey {
  readonly key: Uint8Array;
  /** The digest of its record. Empty: the record is damaged. */
  readonly digest: Uint8Array;
}

/** A part of a listing: what lies behind the page before it. */
export interface ListingPage {
  readonly entries: readonly ListedKey[];
  /** Whether there is more behind the last entry. Then there is at least one entry. */
  readonly more: boolean;
}

/** Whose listing. */
export type ListingSide = 'own' | 'theirs';

/** What to do next. */
export type ListingStep =
  /** Get the next page of this side, behind this key (from the first one where there is none), and give it. */
  | { readonly kind: 'page'; readonly side: ListingSide; readonly after: Uint8Array | undefined }
  /** These keys differ. */
  | { readonly kind: 'differ'; readonly keys: readonly Uint8Array[] }
  | { readonly kind: 'done' };

interface Side {
  entries: readonly ListedKey[];
  position: number;
  more: boolean;
  last: Uint8Array | undefined;
}

/** The join of two listings. */
export class ListingDifference {
  readonly #sides: Readonly<Record<ListingSide, Side>> = { own: unread(), theirs: unread() };
  #compared = 0;

  /** Keys that were looked at so far, those that both have counted once. */
  get compared(): number {
    return this.#compared;
  }

  /** The next step. Call it again after `give`, or after a `differ` was taken note of. */
  next(): ListingStep {
    const differing = this.#join();
    if (differing.length > 0) return { kind: 'differ', keys: differing };
    for (const side of ['own', 'theirs'] as const) {
      const { entries, position, more, last } = this.#sides[side];
      if (position === entries.length && more) return { kind: 'page', side, after: last };
    }
    return { kind: 'done' };
  }

  /** The page that was asked for. False: it is no such page (not ascending, or says "more" and has nothing), and the join is over. */
  give(side: ListingSide, page: ListingPage): boolean {
    const state = this.#sides[side];
    assert(state.position === state.entries.length && state.more, 'a page is given when it was asked for');
    if (page.more && page.entries.length === 0) return false;
    let last = state.last;
    for (const { key } of page.entries) {
      if (last !== undefined && compareBytes(last, key) >= 0) return false;
      last = key;
    }
    state.entries = page.entries;
    state.position = 0;
    state.more = page.more;
    state.last = last;
    return true;
  }

  /** Goes on until a side needs its next page. */
  #join(): Uint8Array[] {
    const { own, theirs } = this.#sides;
    const differing: Uint8Array[] = [];
    for (;;) {
      const ours = own.entries[own.position];
      const other = theirs.entries[theirs.position];
      // A side without a next entry says something only when it has no next page either.
      if ((ours === undefined && own.more) || (other === undefined && theirs.more)) return differing;
      if (ours === undefined && other === undefined) return differing;
      this.#compared++;
      const order = ours === undefined ? 1 : other === undefined ? -1 : compareBytes(ours.key, other.key);
      if (order <= 0) own.position++;
      if (order >= 0) theirs.position++;
      if (order === 0 && sameDigest((ours as ListedKey).digest, (other as ListedKey).digest)) continue;
      differing.push(((order <= 0 ? ours : other) as ListedKey).key);
    }
  }
}

function unread(): Side {
  return { entries: [], position: 0, more: true, last: undefined };
}

/** A damaged record has no digest, and equals nothing. */
function sameDigest(a: Uint8Array, b: Uint8Array): boolean {
  return a.length > 0 && a.length === b.length && compareBytes(a, b) === 0;
}

/** Walks and joins over random replicas, against a dumb twin that looks at every key. */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Comparison, parentsMax, type TreeShape } from '../../src/core/anti-entropy/comparison.ts';
import {
  type ListedKey,
  ListingDifference,
  type ListingPage,
  type ListingSide,
} from '../../src/core/anti-entropy/listing-difference.ts';
import { type TreeLevel, treeHashBytes } from '../../src/core/anti-entropy/merkle-tree.ts';
import { compareBytes } from '../../src/core/bytes.ts';
import { digest64 } from '../../src/env/xxhash.ts';

/** Leaf hashes of every partition, and the hashes above them: each of its children's bytes. */
class Twin {
  readonly leaves: number[][];
  readonly #shape: TreeShape;

  constructor(shape: TreeShape, leaves: number[][]) {
    this.#shape = shape;
    this.leaves = leaves;
  }

  hashes(level: TreeLevel, parents: readonly number[]): Uint8Array {
    const { partitions, groupSize } = this.#shape;
    const groups = Math.ceil(partitions / groupSize);
    switch (level) {
      case 0:
        return digest64(this.hashes(1, []));
      case 1:
        return join(range(0, groups).map((group) => digest64(this.hashes(2, [group]))));
      case 2:
        return join(
          parents.flatMap((group) =>
            range(group * groupSize, Math.min(partitions, (group + 1) * groupSize)).map((partition) =>
              digest64(this.hashes(3, [partition])),
            ),
          ),
        );
      case 3:
        return join(parents.flatMap((partition) => this.leaves[partition]!.map(hashOf)));
    }
  }
}

function hashOf(leaf: number): Uint8Array {
  const hash = new Uint8Array(treeHashBytes);
  hash[leaf % treeHashBytes] = leaf;
  return hash;
}

function join(parts: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat(parts);
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, index) => from + index);
}

/** What a walk names, as `partition/leaf`, and how much it asked. */
function walk(shape: TreeShape, own: Twin, theirs: Twin) {
  const comparison = new Comparison(shape);
  const named: string[] = [];
  let questions = 0;
  let progress = 0;
  for (;;) {
    const step = comparison.next();
    if (step.kind === 'done') break;
    if (step.kind === 'differ') {
      named.push(...step.leaves.map((leaf) => `${step.partition}/${leaf}`));
      continue;
    }
    questions++;
    expect(step.parents.length).toBeLessThanOrEqual(parentsMax);
    expect(step.parents).toEqual([...step.parents].sort((a, b) => a - b));
    expect(
      comparison.told(own.hashes(step.level, step.parents), theirs.hashes(step.level, step.parents)),
    ).toBe(true);
    expect(comparison.progress).toBeGreaterThanOrEqual(progress);
    progress = comparison.progress;
  }
  expect(comparison.progress).toBe(1);
  return { named, questions };
}

const shapes = fc.record({
  partitions: fc.integer({ min: 1, max: 300 }),
  groupSize: fc.integer({ min: 1, max: 64 }),
  leaves: fc.integer({ min: 1, max: 8 }),
});

test('a walk names exactly the leaves that differ, each once and in order', () => {
  fc.assert(
    fc.property(
      shapes,
      fc.array(fc.tuple(fc.nat(), fc.nat(), fc.integer({ min: 1, max: 9 })), { maxLength: 60 }),
      (shape, changes) => {
        const blank = (): number[][] =>
          range(0, shape.partitions).map(() => new Array<number>(shape.leaves).fill(0));
        const own = new Twin(shape, blank());
        const theirs = new Twin(shape, blank());
        for (const [at, leaf, value] of changes) {
          const side = value % 2 === 0 ? own : theirs;
          side.leaves[at % shape.partitions]![leaf % shape.leaves] = value;
        }
        const expected = range(0, shape.partitions).flatMap((partition) =>
          range(0, shape.leaves)
            .filter((leaf) => own.leaves[partition]![leaf] !== theirs.leaves[partition]![leaf])
            .map((leaf) => `${partition}/${leaf}`),
        );
        const { named, questions } = walk(shape, own, theirs);
        // Depth first: what the first 64 groups hold comes before the rest, so the order is that of partitions.
        expect(named).toEqual(expected);
        if (expected.length === 0) expect(questions).toBe(1);
        else {
          const groups = Math.ceil(shape.partitions / shape.groupSize);
          const most =
            2 +
            Math.ceil(groups / parentsMax) +
            Math.ceil(shape.partitions / parentsMax) +
            groups / parentsMax;
          expect(questions).toBeLessThanOrEqual(most + 1);
        }
      },
    ),
    { numRuns: 300 },
  );
});

test('an answer of the wrong length ends the walk', () => {
  const shape = { partitions: 10, groupSize: 4, leaves: 2 };
  for (const wrong of [0, 7, 9, 16]) {
    const comparison = new Comparison(shape);
    comparison.next();
    expect(comparison.told(new Uint8Array(8), new Uint8Array(wrong))).toBe(false);
  }
  const comparison = new Comparison(shape);
  comparison.next();
  comparison.told(new Uint8Array(8), new Uint8Array(8).fill(1));
  comparison.next();
  // Three groups: the last one of two partitions.
  expect(comparison.told(new Uint8Array(24), new Uint8Array(32))).toBe(false);
});

/** A listing in pages of `size`. */
function pageOf(all: readonly ListedKey[], after: Uint8Array | undefined, size: number): ListingPage {
  const rest = after === undefined ? all : all.filter(({ key }) => compareBytes(key, after) > 0);
  return { entries: rest.slice(0, size), more: rest.length > size };
}

const listing = fc
  .dictionary(fc.stringMatching(/^[a-d]{0,3}$/), fc.integer({ min: 0, max: 3 }), { maxKeys: 40 })
  .map((digests) =>
    Object.entries(digests)
      .map(([key, digest]) => ({
        key: Buffer.from(key),
        // 0 is a damaged record.
        digest: digest === 0 ? new Uint8Array() : Uint8Array.of(digest),
      }))
      .sort((a, b) => compareBytes(a.key, b.key)),
  );

test('a join of listings names exactly the keys that differ, whatever the pages', () => {
  fc.assert(
    fc.property(
      listing,
      listing,
      fc.integer({ min: 1, max: 9 }),
      fc.integer({ min: 1, max: 9 }),
      (own, theirs, ownPage, theirPage) => {
        const twin = new Map<string, [number, number]>();
        const digestOf = ({ digest }: ListedKey): number => digest[0] ?? Number.NaN;
        for (const entry of own) twin.set(String(entry.key), [digestOf(entry), -1]);
        for (const entry of theirs) {
          const name = String(entry.key);
          twin.set(name, [twin.get(name)?.[0] ?? -1, digestOf(entry)]);
        }
        const expected = [...twin].filter(([, [a, b]]) => a !== b).map(([name]) => name);

        const difference = new ListingDifference();
        const named: string[] = [];
        for (let step = difference.next(); step.kind !== 'done'; step = difference.next()) {
          if (step.kind === 'differ') named.push(...step.keys.map(String));
          else {
            const page: Record<ListingSide, ListingPage> = {
              own: pageOf(own, step.after, ownPage),
              theirs: pageOf(theirs, step.after, theirPage),
            };
            expect(difference.give(step.side, page[step.side])).toBe(true);
          }
        }
        expect(named).toEqual(expected.sort());
        expect(difference.compared).toBe(twin.size);
      },
    ),
    { numRuns: 500 },
  );
});

test('a page that does not ascend, repeats a key, or promises more and holds nothing ends the join', () => {
  const entry = (name: string): ListedKey => ({ key: Buffer.from(name), digest: Uint8Array.of(1) });
  const bad: ListingPage[] = [
    { entries: [], more: true },
    { entries: [entry('b'), entry('a')], more: false },
    { entries: [entry('a'), entry('a')], more: false },
  ];
  for (const page of bad) {
    const difference = new ListingDifference();
    expect(difference.next()).toEqual({ kind: 'page', side: 'own', after: undefined });
    expect(difference.give('own', page)).toBe(false);
  }
  const difference = new ListingDifference();
  difference.next();
  difference.give('own', { entries: [entry('b')], more: true });
  difference.next();
  difference.give('theirs', { entries: [entry('c')], more: false });
  expect(difference.next()).toEqual({ kind: 'differ', keys: [Buffer.from('b')] });
  expect(difference.next()).toEqual({ kind: 'page', side: 'own', after: Buffer.from('b') });
  // It goes back behind where it was asked to go on.
  expect(difference.give('own', { entries: [entry('b')], more: false })).toBe(false);
});

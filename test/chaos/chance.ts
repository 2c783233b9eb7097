/** Choices of a chaos run. */

import type { SeededRandom } from '../support/seeded-random.ts';

/** So many different ones of the items, in random order. */
export function pickSome<Item>(items: readonly Item[], count: number, random: SeededRandom): readonly Item[] {
  const left = [...items];
  const picked: Item[] = [];
  while (picked.length < count && left.length > 0) {
    picked.push(...left.splice(random.below(left.length), 1));
  }
  return picked;
}

/** Two groups that together are all items, neither empty; the first is the smaller. */
export function split<Item>(
  items: readonly Item[],
  random: SeededRandom,
): readonly [readonly Item[], readonly Item[]] {
  const few = pickSome(items, random.between(1, items.length >> 1), random);
  return [few, items.filter((item) => !few.includes(item))];
}

/**
 * Which key comes next: uniform, zipfian or latest, as YCSB chooses them (Cooper et al., "Benchmarking Cloud Serving Systems
 * with YCSB", SoCC 2010; the zipfian generator is that of Gray et al., "Quickly Generating Billion-Record Synthetic
 * Databases", SIGMOD 1994, section 3.2).
 */

export type Distribution = 'uniform' | 'zipfian' | 'latest';

/** Draws numbers of keys. */
export interface KeyChooser {
  next(): number;
  /** A key was added: the next ones are chosen from one more. */
  added(): void;
}

/** YCSB's constant: a hundredth of a million keys takes about two thirds of all operations. */
const theta = 0.99;
/** Multiplier of a permutation of the keys: prime, so that hot keys lie apart from each other. */
const scatter = 2_654_435_761;

/** Chooses from the keys 0 to `keys - 1`. `random` gives numbers from 0 to below 1. */
export function keyChooser(distribution: Distribution, keys: number, random: () => number): KeyChooser {
  let count = keys;
  const added = (): void => {
    count++;
  };
  switch (distribution) {
    case 'uniform':
      return { next: () => Math.floor(random() * count), added };
    case 'zipfian': {
      // Keys that are added are not hot: the ranks of the others stay.
      const rank = zipfian(keys, random);
      return { next: () => scattered(rank(), keys), added };
    }
    case 'latest': {
      const age = zipfian(keys, random);
      return { next: () => count - 1 - age(), added };
    }
  }
}

/** Ranks from 0, the most frequent, to `count - 1`. */
export function zipfian(count: number, random: () => number): () => number {
  const zetaN = zeta(count);
  const alpha = 1 / (1 - theta);
  const eta = (1 - (2 / count) ** (1 - theta)) / (1 - zeta(Math.min(2, count)) / zetaN);
  return () => {
    const u = random();
    const uz = u * zetaN;
    if (uz < 1) return 0;
    if (count === 1) return 0;
    if (uz < 1 + 0.5 ** theta) return 1;
    return Math.min(count - 1, Math.floor(count * (eta * u - eta + 1) ** alpha));
  };
}

const zetaTermsMax = 100_000;

/** The sum of 1 / i^theta for i from 1 to `count`; beyond many terms by the Euler-Maclaurin formula, exact to ten digits. */
function zeta(count: number): number {
  const terms = Math.min(count, zetaTermsMax);
  let sum = 0;
  for (let i = 1; i <= terms; i++) sum += 1 / i ** theta;
  if (count > terms) {
    const integral = (count ** (1 - theta) - terms ** (1 - theta)) / (1 - theta);
    sum += integral + (1 / count ** theta - 1 / terms ** theta) / 2;
  }
  return sum;
}

/** A permutation of 0 to `count - 1`: `scatter` is a prime larger than any count, so it shares no factor with it. */
export function scattered(rank: number, count: number): number {
  // In two halves: the product of both numbers may exceed 2^53.
  const high = Math.floor(scatter / 65_536);
  const low = scatter % 65_536;
  return (((((rank * high) % count) * 65_536) % count) + ((rank * low) % count)) % count;
}

/** A small generator of chance that can be repeated: mulberry32. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

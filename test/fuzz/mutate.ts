/** Damage to bytes, of the kinds that protobuf decoders meet: flips, cuts, repeats, and varints that lie. */

import type { SeededRandom } from '../support/seeded-random.ts';
import { bytesOf } from './valid-requests.ts';

/** One to four changes to `message`. */
export function mutate(message: Uint8Array, random: SeededRandom): Uint8Array {
  let bytes = message;
  for (let change = random.between(1, 4); change > 0; change--) bytes = mutateOnce(bytes, random);
  return bytes;
}

const interesting: readonly (readonly number[])[] = [
  [0xff, 0xff, 0xff, 0xff, 0x0f], // 2^32 - 1
  [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01], // 2^64 - 1
  [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f], // 2^53 - 1
  [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10], // 2^53
  [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80], // endless
  [0x80, 0x80, 0x80, 0x80, 0x08], // 2^31
  [0x00],
  [0x0b], // start of a group
  [0x0c], // end of a group
  [0xed, 0xa0, 0x80], // half a surrogate pair
  [0xc0, 0x80],
  [0xfe],
];

function mutateOnce(bytes: Uint8Array, random: SeededRandom): Uint8Array {
  const at = random.below(bytes.length + 1);
  switch (random.below(8)) {
    case 0: {
      if (bytes.length === 0) return bytesOf(random, 3);
      const flipped = new Uint8Array(bytes);
      const bit = random.below(bytes.length * 8);
      flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7));
      return flipped;
    }
    case 1: {
      if (bytes.length === 0) return bytes;
      const set = new Uint8Array(bytes);
      set[random.below(bytes.length)] = random.below(256);
      return set;
    }
    case 2:
      return bytes.subarray(0, at);
    case 3:
      return bytes.subarray(at);
    case 4:
      return Buffer.concat([
        bytes.subarray(0, at),
        bytesOf(random, random.between(1, 9)),
        bytes.subarray(at),
      ]);
    case 5: {
      const value = Uint8Array.from(random.pick(interesting));
      return Buffer.concat([bytes.subarray(0, at), value, bytes.subarray(at + random.below(3))]);
    }
    case 6: {
      const end = Math.min(bytes.length, at + random.between(1, 30));
      const piece = bytes.subarray(at, end);
      return Buffer.concat([
        bytes.subarray(0, end),
        ...Array(random.between(1, 5)).fill(piece),
        bytes.subarray(end),
      ]);
    }
    default:
      return bytesOf(random, random.below(60));
  }
}

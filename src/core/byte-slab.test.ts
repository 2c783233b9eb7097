import { expect, test } from 'vitest';
import { allocateBytes } from './byte-slab.ts';

test('arrays are zero, of their size, and share no byte', () => {
  const arrays: Uint8Array[] = [];
  for (let round = 0; round < 200; round++) {
    for (const size of [0, 1, 7, 8, 9, 100, 4095, 4096, 4097, 70_000]) {
      const bytes = allocateBytes(size);
      expect(bytes.length).toBe(size);
      expect(bytes.every((byte) => byte === 0)).toBe(true);
      bytes.fill((arrays.length % 255) + 1);
      arrays.push(bytes);
    }
  }
  for (const [index, bytes] of arrays.entries()) {
    expect(bytes.every((byte) => byte === (index % 255) + 1)).toBe(true);
  }
});

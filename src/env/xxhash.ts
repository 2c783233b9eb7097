/**
 * xxh64 for the ring and for comparing records, from WebAssembly. The only file where a bigint appears: the module's
 * boundary is one, and it is cut into halves here.
 */

import xxhash from 'xxhash-wasm';
import type { Hash64, Token } from '../core/ring/token.ts';

// Loaded with this file, so that nothing here can be called too early. It compiles 4 KB, once.
const { h64Raw } = await xxhash();
const halves = new DataView(new ArrayBuffer(8));

function hash64(bytes: Uint8Array): Token {
  halves.setBigUint64(0, h64Raw(bytes));
  return { high: halves.getUint32(0), low: halves.getUint32(4) };
}

/** The `Hash64` that core's ring takes: xxh64, seed 0. */
export function loadHash64(): Promise<Hash64> {
  return Promise.resolve(hash64);
}

/**
 * xxh64 (seed 0) of `bytes` as eight bytes, most significant first, in an array of its own. Replicas compare records by
 * it. It finds accidents and differences, not forgeries.
 */
export function digest64(bytes: Uint8Array): Uint8Array {
  const digest = new Uint8Array(8);
  halves.setBigUint64(0, h64Raw(bytes));
  for (let i = 0; i < 8; i++) digest[i] = halves.getUint8(i);
  return digest;
}

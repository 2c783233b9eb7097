/**
 * xxh64 for the ring and for comparing records, from WebAssembly. The only file where a bigint appears: the module's
 * boundary is one, and it is cut into halves here.
 */

import xxhash from 'xxhash-wasm';
import type { Hash64, Token } from '../core/ring/token.ts';

// Loaded with this file, so that nothing here can be called too early. It compiles 4 KB, once.
const { h64Raw } = await xxhash();
const halves = new DataView(new ArrayBuffer(8));
const halvesBytes = new Uint8Array(halves.buffer);

function hash64(bytes: Uint8Array): Token {
  halves.setBigUint64(0, h64Raw(bytes));
  return { high: halves.getUint32(0), low: halves.getUint32(4) };
}

/** The `Hash64` that core's ring takes: xxh64, seed 0. */
export function loadHash64(): Promise<Hash64> {
  return Promise.resolve(hash64);
}

/**
 * Remembers the last answer. An operation places its key several times (the coordinator, and this node's own replica), each time
 * with the very same array. Only for arrays that nobody changes: record keys.
 */
export function rememberingLast(hash: Hash64): Hash64 {
  let last: Uint8Array | undefined;
  let token: Token = { high: 0, low: 0 };
  return (bytes) => {
    if (bytes !== last) {
      token = hash(bytes);
      last = bytes;
    }
    return token;
  };
}

/**
 * xxh64 (seed 0) of `bytes` as eight bytes, most significant first, in an array of its own. Replicas compare records by
 * it. It finds accidents and differences, not forgeries.
 */
export function digest64(bytes: Uint8Array): Uint8Array {
  halves.setBigUint64(0, h64Raw(bytes));
  return halvesBytes.slice();
}

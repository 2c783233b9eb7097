/**
 * Small byte arrays, cut from larger ones. An array of its own costs memory outside of the collector's heap, and with it more
 * than its bytes: one to make, one to track and one to free, for each of the dozen arrays of an operation.
 */

/** Large enough that making one is rare, small enough that one small array which is kept holds little else. */
const slabBytes = 64 * 1024;
/** Larger arrays are their own: they would fill a slab with few. */
const sliceBytesMax = 4 * 1024;
/** Slices begin where a number of eight bytes may. */
const alignment = 8;

let slab = new ArrayBuffer(slabBytes);
let at = 0;

/**
 * `size` zero bytes that nobody else uses. Their `buffer` is shared with others: honour `byteOffset`, and copy what is kept
 * for long, because it keeps the whole slab.
 */
export function allocateBytes(size: number): Uint8Array {
  if (size > sliceBytesMax) return new Uint8Array(size);
  if (at + size > slabBytes) {
    slab = new ArrayBuffer(slabBytes);
    at = 0;
  }
  const bytes = new Uint8Array(slab, at, size);
  at += Math.ceil(size / alignment) * alignment;
  return bytes;
}

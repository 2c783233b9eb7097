/**
 * How every value is stored: the payload, then 4 bytes of CRC-32 (big-endian) over the engine key and the payload. LevelDB
 * does not check its blocks when it reads, LMDB has no checksums at all; and because the key is in the sum, an intact value
 * that a damaged index shows under another key is found out as well. This layout may not change: stored data depends on it.
 */

/** CRC-32 (IEEE) of `bytes`, continuing from `start`. `crc32` of node:zlib fits. */
export type Crc32 = (bytes: Uint8Array, start?: number) => number;

const crcLength = 4;

/** The value to store for `payload` under `engineKey`. */
export function sealValue(crc32: Crc32, engineKey: Uint8Array, payload: Uint8Array): Uint8Array {
  const at = payload.length;
  // From Node's pool, and not zeroed first: every byte is written below.
  const { buffer, byteOffset } = Buffer.allocUnsafe(at + crcLength);
  const value = new Uint8Array(buffer, byteOffset, at + crcLength);
  const sum = crc32(payload, crc32(engineKey));
  value.set(payload);
  value[at] = sum >>> 24;
  value[at + 1] = sum >>> 16;
  value[at + 2] = sum >>> 8;
  value[at + 3] = sum;
  return value;
}

/** The payload of a stored value (a view of it), or `undefined` when it is not what was stored under `engineKey`. */
export function openValue(crc32: Crc32, engineKey: Uint8Array, value: Uint8Array): Uint8Array | undefined {
  const payloadLength = value.length - crcLength;
  if (payloadLength < 0) return undefined;
  const payload = value.subarray(0, payloadLength);
  const stored = new DataView(value.buffer, value.byteOffset, value.byteLength).getUint32(payloadLength);
  return crc32(payload, crc32(engineKey)) === stored ? payload : undefined;
}

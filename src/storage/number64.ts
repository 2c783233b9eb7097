/** Integers below 2^53 as they are stored: eight bytes, big-endian, so that they sort. */

/** The eight bytes of an integer from 0 to 2^53 - 1. */
export function number64(value: number): Uint8Array {
  const bytes = new Uint8Array(8);
  writeNumber64(new DataView(bytes.buffer), 0, value);
  return bytes;
}

/** Writes the same eight bytes into a view, where there are many. */
export function writeNumber64(view: DataView, at: number, value: number): void {
  view.setUint32(at, Math.floor(value / 0x1_0000_0000));
  view.setUint32(at + 4, value % 0x1_0000_0000);
}

/** The integer in eight bytes, or `undefined` where they are none. */
export function readNumber64(bytes: Uint8Array): number | undefined {
  if (bytes.length !== 8) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, 8);
  const value = view.getUint32(0) * 0x1_0000_0000 + view.getUint32(4);
  return Number.isSafeInteger(value) ? value : undefined;
}

/** Snappy's block format, reading only: LevelDB compresses its index blocks with it, and the table check reads those. */

const lengthMax = 64 * 2 ** 20;

/** The decompressed bytes, or `undefined` when `input` is not one well-formed Snappy block. */
export function snappyDecode(input: Uint8Array): Uint8Array | undefined {
  let at = 0;
  let length = 0;
  for (let shift = 0; ; shift += 7) {
    const byte = input[at++];
    if (byte === undefined || shift > 28) return undefined;
    length += (byte & 127) * 2 ** shift;
    if (byte < 128) break;
  }
  if (length > lengthMax) return undefined;

  const output = new Uint8Array(length);
  let filled = 0;
  while (at < input.length) {
    const tag = input[at++] as number;
    const kind = tag & 3;
    if (kind === 0) {
      let size = tag >> 2;
      if (size >= 60) {
        const width = size - 59;
        size = littleEndian(input, at, width);
        at += width;
      }
      size++;
      if (at + size > input.length || filled + size > length) return undefined;
      output.set(input.subarray(at, at + size), filled);
      at += size;
      filled += size;
      continue;
    }
    const width = kind === 3 ? 4 : kind;
    const size = kind === 1 ? ((tag >> 2) & 7) + 4 : (tag >> 2) + 1;
    const offset = littleEndian(input, at, width) + (kind === 1 ? (tag >> 5) * 256 : 0);
    at += width;
    if (at > input.length || offset === 0 || offset > filled || filled + size > length) return undefined;
    // Byte by byte: the copy may overlap what it writes, and then repeats it.
    for (let i = 0; i < size; i++, filled++) output[filled] = output[filled - offset] as number;
  }
  return filled === length ? output : undefined;
}

function littleEndian(bytes: Uint8Array, at: number, width: number): number {
  let value = 0;
  for (let i = width - 1; i >= 0; i--) value = value * 256 + (bytes[at + i] ?? 0);
  return value;
}

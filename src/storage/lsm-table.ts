/**
 * Checks one LevelDB table file: that its blocks follow one another from the first byte to the footer, and that each has the
 * checksum it was written with. LevelDB stores these sums and, as classic-level opens it, never looks at them.
 * Format: leveldb doc/table_format.md.
 */

import { maskedCrc32c } from './lsm-log.ts';
import { snappyDecode } from './snappy-decode.ts';

interface BlockHandle {
  readonly offset: number;
  readonly length: number;
}

const footerLength = 48;
const magic = [0x57, 0xfb, 0x80, 0x8b, 0x24, 0x75, 0x47, 0xdb];
/** One byte of compression, four of checksum. */
const trailerLength = 5;

/** What is wrong with the table, or `undefined`. */
export function tableDamage(bytes: Uint8Array): string | undefined {
  if (bytes.length < footerLength) return 'too short for a footer';
  const footer = bytes.subarray(bytes.length - footerLength);
  if (magic.some((byte, index) => footer[footerLength - 8 + index] !== byte)) return 'no footer at its end';
  const reader = new Reader(footer);
  const metaIndex = reader.handle();
  const index = reader.handle();
  if (metaIndex === undefined || index === undefined) return 'unreadable footer';

  const metaHandles = handlesIn(bytes, metaIndex);
  const dataHandles = handlesIn(bytes, index);
  if (metaHandles === undefined || dataHandles === undefined) return 'damaged index block';
  let next = 0;
  for (const handle of [...dataHandles, ...metaHandles, metaIndex, index]) {
    if (handle.offset !== next) return `a gap at byte ${next}`;
    if (!isIntact(bytes, handle)) return `damaged block at byte ${handle.offset}`;
    next = handle.offset + handle.length + trailerLength;
  }
  return next === bytes.length - footerLength ? undefined : `a gap at byte ${next}`;
}

function isIntact(bytes: Uint8Array, { offset, length }: BlockHandle): boolean {
  const end = offset + length;
  if (end + trailerLength > bytes.length - footerLength) return false;
  const stored = new DataView(bytes.buffer, bytes.byteOffset + end + 1, 4).getUint32(0, true);
  return maskedCrc32c(bytes, offset, end + 1) === stored;
}

/** The block handles that an index block's entries point to, or `undefined` when it is damaged. */
function handlesIn(bytes: Uint8Array, handle: BlockHandle): BlockHandle[] | undefined {
  if (!isIntact(bytes, handle)) return undefined;
  const stored = bytes.subarray(handle.offset, handle.offset + handle.length);
  const block = bytes[handle.offset + handle.length] === 1 ? snappyDecode(stored) : stored;
  if (block === undefined || block.length < 4) return undefined;
  const restarts = new DataView(block.buffer, block.byteOffset + block.length - 4, 4).getUint32(0, true);
  const entriesEnd = block.length - 4 - restarts * 4;
  if (entriesEnd < 0) return undefined;
  const reader = new Reader(block.subarray(0, entriesEnd));
  const handles: BlockHandle[] = [];
  while (!reader.atEnd) {
    const shared = reader.varint();
    const unshared = reader.varint();
    const valueLength = reader.varint();
    if (shared === undefined || unshared === undefined || valueLength === undefined) return undefined;
    reader.skip(unshared);
    const found = reader.handle();
    if (found === undefined) return undefined;
    handles.push(found);
  }
  return handles;
}

class Reader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get atEnd(): boolean {
    return this.#at >= this.#bytes.length;
  }

  skip(length: number): void {
    this.#at += length;
  }

  handle(): BlockHandle | undefined {
    const offset = this.varint();
    const length = this.varint();
    return offset === undefined || length === undefined ? undefined : { offset, length };
  }

  varint(): number | undefined {
    let value = 0;
    for (let factor = 1; factor < 2 ** 49; factor *= 128) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined) return undefined;
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
    return undefined;
  }
}

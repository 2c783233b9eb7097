/** Decodes header blocks (RFC 7541, sections 5 and 6). */

import { ConnectionError, errorCodes } from './frame.ts';
import { HeaderField } from './header-field.ts';
import { decodeHuffman } from './hpack-huffman.ts';
import { DynamicTable, staticTable, tableBytesMax } from './hpack-table.ts';

/** A list of fields counts at most this, each with 32 bytes more than its own: SETTINGS_MAX_HEADER_LIST_SIZE. */
export const listBytesMax: number = 64 * 1024;
/** A list has at most so many fields. */
const fieldsMax = 128;

export class HpackDecoder {
  readonly #table = new DynamicTable();
  /** Grows with every change of the dynamic table: equal blocks mean the same only between two changes. */
  generation = 0;
  #bytes: Buffer = Buffer.allocUnsafe(0);
  #at = 0;
  #end = 0;

  /**
   * The fields of one whole block, or `undefined` when they are more than the bounds allow: such a block has been decoded all the
   * same, because the dynamic table must stay the client's. Throws ConnectionError where the bytes are no block.
   */
  decode(bytes: Buffer, start: number, end: number): HeaderField[] | undefined {
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end;
    const fields: HeaderField[] = [];
    let listBytes = 0;
    let count = 0;
    while (this.#at < end) {
      const first = bytes[this.#at] as number;
      if ((first & 0xe0) === 0x20) {
        // 4.2: a change of size comes before the fields.
        if (count > 0) throw compressionError('a table size within a block');
        this.#resize();
        continue;
      }
      const field = first >= 0x80 ? this.#indexed() : this.#literal(first);
      listBytes += field.size;
      count++;
      // References to one long field may be many in a few bytes: nothing is collected beyond the bounds.
      if (listBytes <= listBytesMax && count <= fieldsMax) fields.push(field);
    }
    return listBytes <= listBytesMax && count <= fieldsMax ? fields : undefined;
  }

  /** 6.3 */
  #resize(): void {
    const bytesMax = this.#integer(0x1f);
    if (bytesMax > tableBytesMax) throw compressionError('a table larger than was allowed');
    this.#table.resize(bytesMax);
    this.generation++;
  }

  /** 6.1 */
  #indexed(): HeaderField {
    return this.#fieldAt(this.#integer(0x7f));
  }

  /** 6.2: added to the table or not. That it may never be indexed is for those who pass it on. */
  #literal(first: number): HeaderField {
    const isAdded = first >= 0x40;
    const index = this.#integer(isAdded ? 0x3f : 0x0f);
    const name = index === 0 ? this.#text() : this.#fieldAt(index).name;
    const field = new HeaderField(name, this.#text());
    if (isAdded) {
      this.#table.add(field);
      this.generation++;
    }
    return field;
  }

  #fieldAt(index: number): HeaderField {
    const field =
      index <= staticTable.length ? staticTable[index - 1] : this.#table.at(index - staticTable.length - 1);
    if (field === undefined) throw compressionError('an index without a field');
    return field;
  }

  /** 5.1. Nothing that is used here needs more than 28 bits. */
  #integer(prefix: number): number {
    let value = this.#byte() & prefix;
    if (value < prefix) return value;
    for (let shift = 0; shift <= 21; shift += 7) {
      const byte = this.#byte();
      value += (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    throw compressionError('an integer is too large');
  }

  /** 5.2 */
  #text(): string {
    if (this.#at >= this.#end) throw compressionError('a block ends early');
    const isHuffman = (this.#bytes[this.#at] as number) >= 0x80;
    const length = this.#integer(0x7f);
    const start = this.#at;
    const end = start + length;
    if (end > this.#end) throw compressionError('a string is longer than its block');
    this.#at = end;
    if (!isHuffman) return this.#bytes.toString('latin1', start, end);
    const most = Math.ceil((length * 8) / 5);
    if (most > scratch.length) scratch = Buffer.allocUnsafe(most);
    const decoded = decodeHuffman(this.#bytes, start, end, scratch);
    if (decoded < 0) throw compressionError('a string is no Huffman code');
    return scratch.toString('latin1', 0, decoded);
  }

  #byte(): number {
    if (this.#at >= this.#end) throw compressionError('a block ends early');
    return this.#bytes[this.#at++] as number;
  }
}

/** For one string at a time, of whatever connection. */
let scratch = Buffer.allocUnsafe(4096);

function compressionError(message: string): ConnectionError {
  return new ConnectionError(errorCodes.compression, message);
}

/**
 * Encodes header blocks (RFC 7541). What every good answer says is put into the client's dynamic table once and is a byte a
 * field from then on; everything else is written out, and leaves the table alone.
 */

import { staticTable, tableBytesMax } from './hpack-table.ts';

/** Name and value. */
export type Field = readonly [name: string, value: string];

/** Fields that are sent again and again. Few and short: all lists of a server must fit into the smallest table that is used. */
export class RepeatedFields {
  readonly fields: readonly Field[];

  constructor(fields: readonly Field[]) {
    this.fields = fields;
  }
}

/** A block as `encodeFields` made it, or fields that are encoded when it is their turn. */
export type HeaderBlock = Buffer | RepeatedFields;

/** A new size of 0 (6.3). */
const emptyTable = Buffer.from([0x20]);

/** Blocks must be sent in the order in which they were encoded. */
export class HpackEncoder {
  /** What is in the client's dynamic table, oldest first. Only repeated fields are, so nothing is ever evicted. */
  #indexed: string[] = [];
  #mayIndex = true;
  #encoded = new Map<RepeatedFields, Buffer>();
  /** Must be the begin of the next block. */
  #resize: Buffer | undefined;

  /** The client's SETTINGS_HEADER_TABLE_SIZE. */
  limitTable(bytes: number): void {
    if (bytes >= tableBytesMax) return;
    // 4.2: a table that must shrink is shrunk at the begin of the next block. To nothing, and it is never used again.
    this.#resize = emptyTable;
    this.#mayIndex = false;
    this.#indexed = [];
    this.#encoded.clear();
  }

  encode(block: HeaderBlock): Buffer {
    const encoded = block instanceof RepeatedFields ? this.#repeated(block) : block;
    if (this.#resize === undefined) return encoded;
    const resized = Buffer.concat([this.#resize, encoded]);
    this.#resize = undefined;
    return resized;
  }

  #repeated(block: RepeatedFields): Buffer {
    const known = this.#encoded.get(block);
    if (known !== undefined) return known;
    const before = this.#indexed.length;
    const parts = block.fields.map((field) => this.#field(field));
    const encoded = Buffer.concat(parts);
    // New fields move all the others: what was encoded before means something else now, and so does this block itself.
    if (this.#indexed.length > before) this.#encoded.clear();
    else this.#encoded.set(block, encoded);
    return encoded;
  }

  #field(field: Field): Buffer {
    const text = keyOf(field);
    if (!this.#mayIndex || staticIndexes.has(text)) return encodeField(field);
    const place = this.#indexed.indexOf(text);
    if (place >= 0) {
      const writer = new BlockWriter();
      writer.integer(0x80, 0x7f, staticTable.length + this.#indexed.length - place);
      return writer.finish();
    }
    this.#indexed.push(text);
    return encodeField(field, 0x40, 0x3f);
  }
}

/** A block that changes no table. */
export function encodeFields(fields: readonly Field[]): Buffer {
  return Buffer.concat(fields.map((field) => encodeField(field)));
}

const staticIndexes = new Map<string, number>();
const staticNames = new Map<string, number>();
staticTable.forEach(({ name, value }, place) => {
  if (value !== '') staticIndexes.set(keyOf([name, value]), place + 1);
  if (!staticNames.has(name)) staticNames.set(name, place + 1);
});

function keyOf([name, value]: Field): string {
  return `${name}=${value}`;
}

/** 6.1 for what is in the static table, 6.2 for the rest: without indexing, where nothing else is asked for. */
function encodeField(field: Field, pattern = 0x00, prefix = 0x0f): Buffer {
  const [name, value] = field;
  const writer = new BlockWriter();
  const whole = staticIndexes.get(keyOf(field));
  if (whole !== undefined) writer.integer(0x80, 0x7f, whole);
  else {
    const nameIndex = staticNames.get(name) ?? 0;
    writer.integer(pattern, prefix, nameIndex);
    if (nameIndex === 0) writer.text(name);
    writer.text(value);
  }
  return writer.finish();
}

class BlockWriter {
  readonly #parts: Buffer[] = [];

  /** 5.1 */
  integer(pattern: number, prefix: number, value: number): void {
    const bytes: number[] = [];
    if (value < prefix) bytes.push(pattern | value);
    else {
      bytes.push(pattern | prefix);
      let rest = value - prefix;
      for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
      bytes.push(rest);
    }
    this.#parts.push(Buffer.from(bytes));
  }

  /** 5.2, without Huffman: what is sent often is sent by its index. */
  text(text: string): void {
    this.integer(0x00, 0x7f, text.length);
    this.#parts.push(Buffer.from(text, 'latin1'));
  }

  finish(): Buffer {
    return Buffer.concat(this.#parts);
  }
}

/**
 * As much of HPACK (RFC 7541) as a load generator needs. Requests: the few fields of a gRPC call, each sent once and named by
 * its index afterwards, as real clients do. Answers: `grpc-status` in a header block, found by its bytes. That is enough
 * because the connection announces a dynamic table of 0 bytes, so that every answer spells the field out.
 */

/** The header fields of one method, in order. */
export type HeaderFields = readonly (readonly [name: string, value: string])[];

/** Fields of the static table that are sent as one byte. */
const wholeStatic = new Map([
  [':method POST', 3],
  [':scheme http', 6],
]);
/** Names of the static table. */
const nameStatic = new Map([
  [':authority', 1],
  [':path', 4],
  ['content-type', 31],
]);
const staticEntries = 61;

/** The encoder of one connection. */
export class HeaderEncoder {
  readonly #insertedAt = new Map<string, number>();
  readonly #blocks = new Map<HeaderFields, { readonly inserted: number; readonly block: Buffer }>();

  /** The block of `fields`, and from the second time on a few bytes. All must be sent, in the order of the calls. */
  block(fields: HeaderFields): Buffer {
    const known = this.#blocks.get(fields);
    // Every insertion moves the indexes of all fields.
    if (known?.inserted === this.#insertedAt.size) return known.block;
    const before = this.#insertedAt.size;
    const block = Buffer.concat(fields.map(([name, value]) => this.#field(name, value)));
    if (this.#insertedAt.size === before) this.#blocks.set(fields, { inserted: before, block });
    return block;
  }

  #field(name: string, value: string): Buffer {
    const field = `${name} ${value}`;
    const whole = wholeStatic.get(field);
    if (whole !== undefined) return Buffer.from([0x80 | whole]);
    const insertedAt = this.#insertedAt.get(field);
    // The newest entry has the lowest index.
    if (insertedAt !== undefined) {
      return Buffer.from([0x80 | (staticEntries + this.#insertedAt.size - insertedAt)]);
    }
    this.#insertedAt.set(field, this.#insertedAt.size);
    const index = nameStatic.get(name);
    return Buffer.concat([
      Buffer.from([0x40 | (index ?? 0)]),
      ...(index === undefined ? [literal(name)] : []),
      literal(value),
    ]);
  }
}

/** A string without Huffman code, at most 126 bytes. */
function literal(text: string): Buffer {
  const bytes = Buffer.from(text, 'latin1');
  if (bytes.length > 126) throw new Error(`a header of ${bytes.length} bytes: at most 126 are supported`);
  return Buffer.concat([Buffer.from([bytes.length]), bytes]);
}

/** The codes of the letters that are needed. */
const huffmanBits: Readonly<Record<string, string>> = {
  '-': '010110',
  '0': '00000',
  '1': '00001',
  '2': '00010',
  '3': '011001',
  '4': '011010',
  '5': '011011',
  '6': '011100',
  '7': '011101',
  '8': '011110',
  '9': '011111',
  a: '00011',
  c: '00100',
  g: '100110',
  p: '101011',
  r: '101100',
  s: '01000',
  t: '01001',
  u: '101101',
};

const statusName = Buffer.from('grpc-status', 'latin1');
/** `grpc-status` in the Huffman code of RFC 7541, appendix B: that is how most servers send it. */
const statusNameHuffman = huffman('grpc-status');

/** The gRPC status code in the block of a trailer, or `undefined` when it holds none. */
export function grpcStatus(block: Buffer): number | undefined {
  for (const name of [statusNameHuffman, statusName]) {
    const at = block.indexOf(name);
    if (at === -1) continue;
    const length = block[at + name.length] as number;
    const value = block.subarray(at + name.length + 1, at + name.length + 1 + (length & 0x7f));
    const code = (length & 0x80) === 0 ? Number(value.toString('latin1')) : codeOfHuffman(value);
    if (code !== undefined && Number.isInteger(code)) return code;
  }
  return undefined;
}

const statusCodes = Array.from({ length: 17 }, (_, code) => ({ code, bytes: huffman(String(code)) }));

function codeOfHuffman(value: Buffer): number | undefined {
  return statusCodes.find(({ bytes }) => bytes.equals(value))?.code;
}

function huffman(text: string): Buffer {
  let bits = [...text].map((letter) => huffmanBits[letter]).join('');
  // Padded with the beginning of the end mark: ones.
  bits = bits.padEnd(Math.ceil(bits.length / 8) * 8, '1');
  return Buffer.from(bits.match(/.{8}/g)?.map((byte) => Number.parseInt(byte, 2)) ?? []);
}

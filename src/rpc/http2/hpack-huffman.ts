/** The Huffman code of header strings (RFC 7541, 5.2 and appendix B), decoded four bits at a time. */

/**
 * Length in bits of each symbol's code, by symbol; the last is EOS. The code is canonical, so the lengths are all of it: codes
 * of one length follow each other in the order of their symbols. Fixed by the RFC.
 */
const codeBits: readonly number[] = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28,
  28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7,
  8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19,
  13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13,
  28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21,
  22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23,
  22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
  19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25,
  25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30,
];

/** Node of the code's tree and four bits: the next node, the symbol that ended (plus one) in bits 9 and up; -1 where EOS would. */
const steps = new Int32Array(256 * 16);
/** Nodes where a string may end: what was read since the last symbol is the begin of EOS, and at most seven bits. */
const mayEnd = new Uint8Array(256);

build();

/** Decodes into `out`, which must have room for 8 symbols in 5 bytes. Returns their number, or -1 where the bytes are no code. */
export function decodeHuffman(bytes: Uint8Array, start: number, end: number, out: Uint8Array): number {
  let node = 0;
  let length = 0;
  for (let at = start; at < end; at++) {
    const byte = bytes[at] as number;
    const high = steps[(node << 4) | (byte >> 4)] as number;
    if (high < 0) return -1;
    if (high > 0x1ff) out[length++] = (high >> 9) - 1;
    const low = steps[((high & 0x1ff) << 4) | (byte & 15)] as number;
    if (low < 0) return -1;
    if (low > 0x1ff) out[length++] = (low >> 9) - 1;
    node = low & 0x1ff;
  }
  return mayEnd[node] === 1 ? length : -1;
}

function build(): void {
  const symbols = codeBits.map((bits, symbol) => ({ bits, symbol }));
  symbols.sort((a, b) => a.bits - b.bits || a.symbol - b.symbol);
  // children[2 * node + bit]: a node, or -1 - symbol; 0, the root, where nothing is yet.
  const children: number[] = [0, 0];
  let code = 0;
  let codeLength = 0;
  for (const { bits, symbol } of symbols) {
    code <<= bits - codeLength;
    codeLength = bits;
    let node = 0;
    for (let bit = bits - 1; bit >= 0; bit--) {
      const edge = 2 * node + ((code >>> bit) & 1);
      if (bit === 0) children[edge] = -1 - symbol;
      else if (children[edge] === 0) {
        node = children.length / 2;
        children[edge] = node;
        children.push(0, 0);
      } else node = children[edge] as number;
    }
    code++;
  }
  const endOfString = codeBits.length - 1;
  for (let node = 0; node < 256; node++) {
    for (let nibble = 0; nibble < 16; nibble++) {
      let at = node;
      let emitted = 0;
      for (let bit = 3; bit >= 0 && emitted >= 0; bit--) {
        const next = children[2 * at + ((nibble >> bit) & 1)] as number;
        if (next >= 0) at = next;
        else {
          const symbol = -1 - next;
          emitted = symbol === endOfString ? -1 : symbol + 1;
          at = 0;
        }
      }
      steps[(node << 4) | nibble] = emitted < 0 ? -1 : (emitted << 9) | at;
    }
  }
  for (let node = 0, depth = 0; depth < 8; depth++) {
    mayEnd[node] = 1;
    node = children[2 * node + 1] as number;
  }
}

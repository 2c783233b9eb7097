/** CRC-32C (Castagnoli), which LevelDB's files carry and node:zlib does not have. Slicing by eight (Kounavis, Berry 2005). */

const tables = makeTables();

/** The CRC-32C of `bytes[from..to)` as an unsigned integer. */
export function crc32c(bytes: Uint8Array, from: number, to: number): number {
  const [t0, t1, t2, t3, t4, t5, t6, t7] = tables;
  let crc = -1;
  let at = from;
  for (const last = to - 7; at < last; at += 8) {
    const low =
      crc ^
      ((bytes[at] as number) |
        ((bytes[at + 1] as number) << 8) |
        ((bytes[at + 2] as number) << 16) |
        ((bytes[at + 3] as number) << 24));
    crc =
      (t7[low & 255] as number) ^
      (t6[(low >>> 8) & 255] as number) ^
      (t5[(low >>> 16) & 255] as number) ^
      (t4[low >>> 24] as number) ^
      (t3[bytes[at + 4] as number] as number) ^
      (t2[bytes[at + 5] as number] as number) ^
      (t1[bytes[at + 6] as number] as number) ^
      (t0[bytes[at + 7] as number] as number);
  }
  for (; at < to; at++) crc = (t0[(crc ^ (bytes[at] as number)) & 255] as number) ^ (crc >>> 8);
  return ~crc >>> 0;
}

type Table = Int32Array;

function makeTables(): [Table, Table, Table, Table, Table, Table, Table, Table] {
  const all = Array.from({ length: 8 }, () => new Int32Array(256));
  const first = all[0] as Table;
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
    first[byte] = crc;
  }
  for (let slice = 1; slice < 8; slice++) {
    const before = all[slice - 1] as Table;
    for (let byte = 0; byte < 256; byte++) {
      const crc = before[byte] as number;
      (all[slice] as Table)[byte] = (first[crc & 255] as number) ^ (crc >>> 8);
    }
  }
  return all as [Table, Table, Table, Table, Table, Table, Table, Table];
}

/** Reads a LevelDB manifest: the list of edits that says which tables and logs make up the store. Format: db/version_edit.cc. */

/** The tables of the last version, by number with their size in bytes, and the oldest log that is still needed. */
export interface LiveFiles {
  readonly tables: ReadonlyMap<number, number>;
  readonly logNumber: number;
}

/** Plays all edits of a manifest. `undefined` when one of them does not parse. */
export function liveFilesIn(edits: readonly Uint8Array[]): LiveFiles | undefined {
  const tables = new Map<number, number>();
  let logNumber = 0;
  for (const edit of edits) {
    let at = 0;
    const varint = (): number => {
      let value = 0;
      for (let factor = 1; ; factor *= 128) {
        const byte = edit[at++] ?? 0;
        value += (byte & 127) * factor;
        if (byte < 128 || factor > 2 ** 56) return value;
      }
    };
    const skipBytes = (): void => {
      const length = varint();
      at += length;
    };
    // Deletions come first within an edit although they are numbered before the additions: sets, as LevelDB plays them.
    while (at < edit.length) {
      const tag = varint();
      switch (tag) {
        case 1: // comparator
          skipBytes();
          break;
        case 2:
          logNumber = varint();
          break;
        case 3: // next file number
        case 4: // last sequence
        case 9: // previous log number, no longer used
          varint();
          break;
        case 5: // compaction pointer: level, key
          varint();
          skipBytes();
          break;
        case 6: // deleted file: level, number
          varint();
          tables.delete(varint());
          break;
        case 7: {
          // new file: level, number, size, smallest key, largest key
          varint();
          const number = varint();
          tables.set(number, varint());
          skipBytes();
          skipBytes();
          break;
        }
        default:
          return undefined;
      }
    }
    if (at !== edit.length) return undefined;
  }
  return { tables, logNumber };
}

/** How much disk a store takes. */

import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** Sum of the sizes of the files directly in `folder`. Files that vanish meanwhile (compaction) count nothing. */
export async function directorySizeBytes(folder: string): Promise<number> {
  let bytes = 0;
  for (const name of await readdir(folder)) {
    const file = await stat(join(folder, name)).catch(() => undefined);
    if (file?.isFile()) bytes += file.size;
  }
  return bytes;
}

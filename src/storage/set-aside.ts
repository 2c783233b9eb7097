/**
 * Moves a data directory out of the way without deleting anything: what is in it may not be served any more, and a person may
 * still want to look at it.
 */

import { mkdir, open, readdir, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { engineError } from './engine-failure.ts';

/** Moves the directory `path` to `<path>.outdated-<stamp>` and returns where it is. Rejects with EngineError. */
export type SetAside = (path: string, stamp: string) => Promise<string>;

/** On the file system. Where the directory is a mount point and cannot be renamed, its contents go to a folder in it. */
export const setDirectoryAside: SetAside = async (path, stamp) => {
  const aside = `${path.replace(/\/+$/, '')}.outdated-${stamp}`;
  try {
    try {
      await rename(path, aside);
      await syncDirectory(dirname(aside));
      return aside;
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? '';
      if (!['EBUSY', 'EXDEV', 'EACCES', 'EPERM'].includes(code)) throw error;
    }
    const inside = join(path, `outdated-${stamp}`);
    await mkdir(inside);
    for (const name of await readdir(path)) {
      if (!name.startsWith('outdated-')) await rename(join(path, name), join(inside, name));
    }
    await syncDirectory(path);
    return inside;
  } catch (cause) {
    throw engineError(cause, 'setting aside', path);
  }
};

async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, 'r');
  await handle.sync().finally(() => handle.close());
}

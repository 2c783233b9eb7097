/**
 * How a store knows that its directory is the one it was left in, and not a copy of it: by a small file of which the file
 * system keeps two things that no program can copy, the inode number and the time of birth.
 *
 * Every opening makes a new mark and removes the earlier ones, so that an older copy which is laid over the directory
 * brings a name that is gone, too. The device number is no part of it: it may change with a reboot or a remount. Moving a
 * directory within a file system keeps the marks; moving it to another disk is a copy, which costs nothing but a new
 * replica id. What cannot be told: a copy below the file system (a snapshot of the volume or of the machine), and a copy
 * that was made while the store was open and is laid over it before the next opening.
 */

import { type FileHandle, mkdir, open, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { DirectoryMark } from './engine.ts';
import { engineError } from './engine-failure.ts';

const folderName = 'mark';
const advice =
  'This file tells the node whether its data directory is a copy of another one.\n' +
  'Leave it where it is: without it the node takes a new replica id.\n';

/** The mark of the data directory `path`, which must exist. Throws EngineError. */
export async function readDirectoryMark(path: string): Promise<DirectoryMark> {
  const folder = join(path, folderName);
  try {
    await mkdir(folder, { recursive: true });
    // A name that is no number is not ours.
    const names = (await readdir(folder)).filter((name) => /^[0-9]{1,15}$/.test(name));
    const found = await Promise.all(
      names.map(async (name) => nameOf(name, await stat(join(folder, name), { bigint: true }))),
    );
    return {
      found,
      async make() {
        const name = String(Math.max(0, ...names.map(Number)) + 1);
        try {
          return await makeMark(path, folder, name);
        } catch (cause) {
          throw engineError(cause, 'marking', path);
        }
      },
      async settle() {
        // What is left behind by a failure here is removed at the next opening.
        for (const name of names) await rm(join(folder, name), { force: true });
      },
    };
  } catch (cause) {
    throw engineError(cause, 'marking', path);
  }
}

/** Nothing is written to the file after it was named: on some file systems the time of birth is the time of the last change. */
async function makeMark(path: string, folder: string, name: string): Promise<string> {
  const file = await open(join(folder, name), 'wx');
  let made: string;
  try {
    await file.writeFile(advice);
    await file.sync();
    made = nameOf(name, await file.stat({ bigint: true }));
  } finally {
    await file.close();
  }
  for (const directory of [folder, path]) {
    const handle: FileHandle = await open(directory, 'r');
    await handle.sync().finally(() => handle.close());
  }
  return made;
}

function nameOf(name: string, file: { readonly ino: bigint; readonly birthtimeNs: bigint }): string {
  return `${name}:${file.ino}:${file.birthtimeNs}`;
}

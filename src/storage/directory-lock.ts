/**
 * One process per data directory. The lock is a POSIX record lock, which the kernel drops however the holder dies, so a
 * kill -9 leaves nothing to clean up and no process id has to be guessed. Node cannot take such a lock itself and LevelDB
 * takes one on everything it opens; an empty LevelDB beside the data therefore is the lock, for both engines alike.
 */

import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ClassicLevel } from 'classic-level';
import { EngineError } from './engine.ts';
import { engineError } from './engine-failure.ts';

export interface DirectoryLock {
  release(): Promise<void>;
}

/** Takes the lock of `path`, or throws EngineError `locked` naming the path and, if it is known, the holder's process id. */
export async function lockDirectory(path: string): Promise<DirectoryLock> {
  const folder = join(path, 'lock');
  const holderFile = join(path, 'lock-holder');
  try {
    await makeDirectory(path);
    const lock = await takeLock(folder);
    // Only for the message below: whether the lock is held is never decided by this file.
    await writeFile(holderFile, `${process.pid}\n`);
    return {
      async release() {
        await rm(holderFile, { force: true });
        await lock.close();
      },
    };
  } catch (cause) {
    const error = engineError(cause, 'locking', path);
    if (error.code !== 'locked') throw error;
    const pid = (await readFile(holderFile, 'utf8').catch(() => '')).trim();
    const holder = /^\d+$/.test(pid) ? `process ${pid}` : 'another process';
    throw new EngineError(
      'locked',
      `the data directory ${path} is in use by ${holder}. Stop it, or give this node a data directory of its own`,
      { cause },
    );
  }
}

async function makeDirectory(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true });
  } catch (error) {
    // On a read-only file system Node's recursive form says "no such file"; the plain one says why.
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    await mkdir(path);
  }
}

async function takeLock(folder: string): Promise<ClassicLevel> {
  try {
    return await openLevel(folder);
  } catch (error) {
    if (engineError(error, '', '').code === 'locked') throw error;
    // It holds no data, so whatever is wrong with it, a new one is as good. destroy() takes the same lock while it deletes.
    await ClassicLevel.destroy(folder);
    return openLevel(folder);
  }
}

async function openLevel(folder: string): Promise<ClassicLevel> {
  const level = new ClassicLevel(folder);
  await level.open();
  return level;
}

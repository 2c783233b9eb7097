/**
 * The LSM engine: LevelDB through classic-level (O'Neil et al. 1996; https://github.com/google/leveldb). The default:
 * writes are one append, so group commit gives the most per fsync, and reads of recent data do not touch the disk.
 */

import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { ClassicLevel } from 'classic-level';
import { type DirectoryLock, lockDirectory } from './directory-lock.ts';
import { readDirectoryMark } from './directory-mark.ts';
import { directorySizeBytes } from './directory-size.ts';
import type { DirectoryMark, EngineOperation, EngineOptions, KeyRange, StorageEngine } from './engine.ts';
import { engineError, FailStop } from './engine-failure.ts';
import { checkLsmFiles } from './lsm-check.ts';

/** A larger log means fewer and larger tables; it also bounds what a start replays (16 MiB: about 100 ms). */
const writeBufferBytes = 16 * 2 ** 20;
/** Uncompressed blocks kept in memory. The operating system's page cache stands behind it. */
const cacheBytes = 64 * 2 ** 20;
/** The default of 2 MiB makes thousands of files of a store of some GiB, and open files are limited. */
const tableFileBytes = 8 * 2 ** 20;

const binary = { keyEncoding: 'view', valueEncoding: 'view' } as const;

/** Opens the LevelDB in `path`/lsm, after checking its files. Throws EngineError. */
export async function openLsmEngine(
  options: Pick<EngineOptions, 'path' | 'integrityCheck'>,
): Promise<StorageEngine> {
  const { path } = options;
  const lock = await lockDirectory(path);
  try {
    const folder = join(path, 'lsm');
    const { tailDropped } = await checkLsmFiles(folder, { tables: options.integrityCheck !== 'quick' });
    // LevelDB's own text log: it is renamed at every open, and may grow for ever in between.
    await rm(join(folder, 'LOG.old'), { force: true });
    const level = new ClassicLevel<Uint8Array, Uint8Array>(folder, {
      ...binary,
      writeBufferSize: writeBufferBytes,
      cacheSize: cacheBytes,
      maxFileSize: tableFileBytes,
    });
    const mark = await readDirectoryMark(path);
    await level.open();
    return new LsmEngine(level, lock, path, { mark, tailDropped });
  } catch (cause) {
    await lock.release();
    throw engineError(cause, 'opening the store in', path);
  }
}

class LsmEngine implements StorageEngine {
  readonly kind = 'lsm';
  readonly mark: DirectoryMark;
  readonly tailDropped: boolean;
  readonly #level: ClassicLevel<Uint8Array, Uint8Array>;
  readonly #lock: DirectoryLock;
  readonly #path: string;
  readonly #state: FailStop;

  constructor(
    level: ClassicLevel<Uint8Array, Uint8Array>,
    lock: DirectoryLock,
    path: string,
    found: { readonly mark: DirectoryMark; readonly tailDropped: boolean },
  ) {
    this.#level = level;
    this.#lock = lock;
    this.#path = path;
    this.#state = new FailStop(path);
    this.mark = found.mark;
    this.tailDropped = found.tailDropped;
  }

  get(key: Uint8Array): Uint8Array | undefined {
    this.#state.check();
    try {
      return this.#level.getSync(key);
    } catch (cause) {
      throw engineError(cause, 'reading from', this.#path);
    }
  }

  async write(operations: readonly EngineOperation[], options: { readonly sync: boolean }): Promise<void> {
    this.#state.check();
    try {
      await this.#level.batch(operations.map(toBatchOperation), { sync: options.sync });
    } catch (cause) {
      // LevelDB itself would go on after a failed append, behind a torn entry that recovery stops at: never write again.
      throw this.#state.fail(cause, 'writing to');
    }
  }

  async *entries(range: KeyRange): AsyncIterable<readonly [Uint8Array, Uint8Array]> {
    this.#state.check();
    const iterator = this.#level.iterator({ gte: range.from, lt: range.to, limit: range.limit ?? -1 });
    try {
      for (;;) {
        const entry = await iterator.next();
        this.#state.check();
        if (entry === undefined) return;
        yield entry;
      }
    } catch (cause) {
      this.#state.check();
      throw engineError(cause, 'reading from', this.#path);
    } finally {
      await iterator.close();
    }
  }

  async sizeBytes(): Promise<number> {
    this.#state.check();
    return directorySizeBytes(join(this.#path, 'lsm'));
  }

  /**
   * Has LevelDB write its memtables as tables, which it syncs. A synced write is not enough: the log file before the current
   * one is closed without a sync, and unsynced writes in it may be lost with the power long after they were made.
   */
  async flush(): Promise<void> {
    this.#state.check();
    try {
      // No key is compacted; every compaction, however small, begins with the memtables.
      await this.#level.compactRange(Uint8Array.of(0xff), Uint8Array.of(0xff));
    } catch (cause) {
      throw this.#state.fail(cause, 'flushing');
    }
  }

  async close(): Promise<void> {
    if (!this.#state.close()) return;
    try {
      await this.#level.close();
    } catch (cause) {
      throw engineError(cause, 'closing', this.#path);
    } finally {
      await this.#lock.release();
    }
  }
}

function toBatchOperation(
  operation: EngineOperation,
): { type: 'put'; key: Uint8Array; value: Uint8Array } | { type: 'del'; key: Uint8Array } {
  return operation.kind === 'put'
    ? { type: 'put', key: operation.key, value: operation.value }
    : { type: 'del', key: operation.key };
}

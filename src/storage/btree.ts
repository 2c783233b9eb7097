/**
 * The B-tree engine: LMDB through lmdb-js (copy-on-write, memory-mapped; http://www.lmdb.tech/doc). For reads: a get is a
 * walk through mapped pages, without a system call.
 *
 * `overlappingSync` is off, against the library's default: with it a commit is visible before it is on disk, a flush that
 * fails leaves `flushed` pending for ever, and recovery trusts that the machine's boot id proves what reached the disk.
 * Without it LMDB is the textbook one: pages, fdatasync, then the meta page through a descriptor opened with O_DSYNC. A
 * commit that resolves is on disk, so every write here is a synced one, and group commit makes up for it.
 */

import { mkdir, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { open, type RootDatabase } from 'lmdb';
import { assert } from '../core/assert.ts';
import { checkBtreeFile } from './btree-check.ts';
import { type DirectoryLock, lockDirectory } from './directory-lock.ts';
import { readDirectoryMark } from './directory-mark.ts';
import { directorySizeBytes } from './directory-size.ts';
import type { DirectoryMark, EngineOperation, EngineOptions, KeyRange, StorageEngine } from './engine.ts';
import { engineError, FailStop } from './engine-failure.ts';

/** Address space, not memory nor disk: the file grows as needed, and a fixed map never moves under a reader. */
const mapBytes = 2 ** 40;
/** LMDB's bound with 4-KiB pages. Ours are at most 3 + 64 + 1 + 1,024 bytes. */
const keyLengthMax = 1978;

/** Opens the LMDB in `path`/btree, after checking its tree. Throws EngineError. */
export async function openBtreeEngine(
  options: Pick<EngineOptions, 'path' | 'integrityCheck'>,
): Promise<StorageEngine> {
  const { path } = options;
  const lock = await lockDirectory(path);
  try {
    const folder = join(path, 'btree');
    await mkdir(folder, { recursive: true });
    await checkBtreeFile(join(folder, 'data.mdb'), { pages: options.integrityCheck !== 'quick' });
    const mark = await readDirectoryMark(path);
    const lmdb = open<Buffer, Uint8Array>({
      path: folder,
      noSubdir: false,
      encoding: 'binary',
      keyEncoding: 'binary',
      overlappingSync: false,
      // With it the library makes a promise of its own per turn, and a failed commit rejects that with nobody listening.
      eventTurnBatching: false,
      mapSize: mapBytes,
    });
    return new BtreeEngine(lmdb, lock, path, mark);
  } catch (cause) {
    await lock.release();
    throw engineError(cause, 'opening the store in', path);
  }
}

class BtreeEngine implements StorageEngine {
  readonly kind = 'btree';
  readonly mark: DirectoryMark;
  /** A commit is whole or not there: the meta page turns over only after the pages are on disk. */
  readonly tailDropped = false;
  readonly #lmdb: RootDatabase<Buffer, Uint8Array>;
  readonly #lock: DirectoryLock;
  readonly #path: string;
  readonly #state: FailStop;
  readonly #writing = new Set<Promise<unknown>>();
  readonly #iterating = new Set<Iterator<unknown>>();

  constructor(
    lmdb: RootDatabase<Buffer, Uint8Array>,
    lock: DirectoryLock,
    path: string,
    mark: DirectoryMark,
  ) {
    this.mark = mark;
    this.#lmdb = lmdb;
    this.#lock = lock;
    this.#path = path;
    this.#state = new FailStop(path);
  }

  get(key: Uint8Array): Uint8Array | undefined {
    this.#state.check();
    try {
      return this.#lmdb.getBinary(key);
    } catch (cause) {
      throw engineError(cause, 'reading from', this.#path);
    }
  }

  async write(operations: readonly EngineOperation[]): Promise<void> {
    this.#state.check();
    for (const { key } of operations)
      assert(key.length > 0 && key.length <= keyLengthMax, 'key length of a B-tree entry');
    const commit = this.#commit(operations);
    this.#writing.add(commit);
    try {
      await commit;
    } catch (cause) {
      throw await this.#state.failWith(this.#reasonOf(cause, operations), 'writing to');
    } finally {
      this.#writing.delete(commit);
    }
  }

  async *entries(range: KeyRange): AsyncIterable<readonly [Uint8Array, Uint8Array]> {
    this.#state.check();
    const iterator = this.#lmdb
      .getRange({
        start: range.from,
        end: range.to,
        snapshot: true,
        ...(range.limit === undefined ? {} : { limit: range.limit }),
      })
      [Symbol.iterator]();
    this.#iterating.add(iterator);
    try {
      for (;;) {
        const next = iterator.next();
        if (next.done === true) return;
        yield [next.value.key, next.value.value];
        this.#state.check();
      }
    } catch (cause) {
      this.#state.check();
      throw engineError(cause, 'reading from', this.#path);
    } finally {
      // Ends the read transaction: an open one keeps every page from being reused.
      if (this.#iterating.delete(iterator)) iterator.return?.();
    }
  }

  async sizeBytes(): Promise<number> {
    this.#state.check();
    return directorySizeBytes(join(this.#path, 'btree'));
  }

  /** Every write of this engine is synced, so to wait for those under way is enough. */
  async flush(): Promise<void> {
    this.#state.check();
    await Promise.allSettled(this.#writing);
    this.#state.check();
  }

  async close(): Promise<void> {
    if (!this.#state.close()) return;
    try {
      await Promise.allSettled(this.#writing);
      // A cursor that outlives its environment reads unmapped memory.
      for (const iterator of this.#iterating) iterator.return?.();
      this.#iterating.clear();
      await this.#lmdb.close();
    } catch (cause) {
      throw engineError(cause, 'closing', this.#path);
    } finally {
      await this.#lock.release();
    }
  }

  /** LMDB calls a write that the disk cut short an input-output error; whether the disk is full has to be looked up. */
  async #reasonOf(cause: unknown, operations: readonly EngineOperation[]): Promise<unknown> {
    const reason = await causeOfCommitError(cause);
    const error = engineError(reason, 'writing to', this.#path);
    if (error.code !== 'io-error') return error;
    const { bavail, bsize } = await statfs(this.#path).catch(() => ({
      bavail: Number.POSITIVE_INFINITY,
      bsize: 1,
    }));
    const wanted = operations.reduce(
      (bytes, one) => bytes + one.key.length + (one.kind === 'put' ? one.value.length : 0),
      2 ** 20,
    );
    return bavail * bsize < wanted ? engineError(reason, 'writing to', this.#path, 'disk-full') : error;
  }

  async #commit(operations: readonly EngineOperation[]): Promise<void> {
    await this.#lmdb.batch(() => {
      for (const operation of operations) {
        if (operation.kind === 'put') void this.#lmdb.put(operation.key, asBuffer(operation.value));
        else void this.#lmdb.remove(operation.key);
      }
    });
  }
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** lmdb-js rejects with "Commit failed (see commitError for details)"; the reason is a promise that rejects with it. */
async function causeOfCommitError(error: unknown): Promise<unknown> {
  const { commitError } = error as { commitError?: Promise<unknown> };
  if (commitError === undefined) return error;
  return commitError.then(
    () => error,
    (reason: unknown) => reason,
  );
}

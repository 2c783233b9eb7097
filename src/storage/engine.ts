/**
 * Ordered bytes on disk: what an engine must do, and no more. Everything that makes it a store of records (checksums,
 * group commit, identity) stands above, once for all engines. `test/acceptance/engine-suite.ts` is the contract; the
 * LSM, the B-tree and the memory engine all pass it.
 */

export type EngineKind = 'lsm' | 'btree' | 'memory';

export type EngineOperation =
  | { readonly kind: 'put'; readonly key: Uint8Array; readonly value: Uint8Array }
  | { readonly kind: 'delete'; readonly key: Uint8Array };

export interface KeyRange {
  /** First key, inclusive. */
  readonly from: Uint8Array;
  /** First key that is not part of the range. */
  readonly to: Uint8Array;
  readonly limit?: number;
}

/** Tells a directory from its copies. See directory-mark.ts for how, and for what it cannot tell. */
export interface DirectoryMark {
  /** The marks that the directory had when it was opened. A copy has none that its store knows. */
  readonly found: readonly string[];
  /** Makes a new mark, durably, and returns it for the store to remember. Called once. Rejects with EngineError. */
  make(): Promise<string>;
  /** Removes the marks that were found. Only once the new one is stored. */
  settle(): Promise<void>;
}

export interface StorageEngine {
  readonly kind: EngineKind;
  /** Absent where there is no directory that could be copied. */
  readonly mark?: DirectoryMark;
  /**
   * True when the log ended in a half-written batch that was dropped at opening. That is what a power failure leaves of
   * writes that nobody acknowledged; it is also what rotted bits at the very end look like, and then acknowledged writes
   * are missing. Whoever counts on the store's memory must assume the second (see identity-store: a new epoch floor).
   */
  readonly tailDropped: boolean;
  /** The value as it was last written by this process, or `undefined`. Synchronous. The bytes belong to the caller. Throws EngineError. */
  get(key: Uint8Array): Uint8Array | undefined;
  /**
   * Applies all operations or none, in order. With `sync`, resolves only after they are on stable storage (fsync);
   * without, once they survive the death of this process. Two writes that overlap in time may be applied in either
   * order. The bytes must not change until it resolves. Rejects with EngineError; then it is not known whether they were
   * applied, and the engine accepts nothing more, reads neither.
   */
  write(operations: readonly EngineOperation[], options: { readonly sync: boolean }): Promise<void>;
  /** Keys and values in ascending order of bytes, as of one moment: that of the first `next()`. The bytes belong to the caller. */
  entries(range: KeyRange): AsyncIterable<readonly [Uint8Array, Uint8Array]>;
  /** Rough number of bytes on disk (or in memory). */
  sizeBytes(): Promise<number>;
  /** Resolves when everything written so far is on stable storage, synced or not. Rejects with EngineError. */
  flush(): Promise<void>;
  close(): Promise<void>;
}

export interface EngineOptions {
  readonly kind: EngineKind;
  /** The store's directory, made if it does not exist. The memory engine ignores it. */
  readonly path: string;
  /**
   * What is read before the store is served. `full` (the default) reads and checks every file, about 300 MB a second:
   * damage then shows as a refusal to start. `quick` checks only the logs, for stores so large that a start would take
   * too long: damage elsewhere then shows as missing or damaged records, and with the B-tree it may end the process.
   */
  readonly integrityCheck?: 'full' | 'quick';
}

/** Opens (or creates) the engine's files under `path`, and locks them against any other process. Throws EngineError. */
export type OpenEngine = (options: EngineOptions) => Promise<StorageEngine>;

/** What went wrong with the disk, in a form that a person can act on. */
export type EngineErrorCode =
  | 'locked' // another process has the store open
  | 'disk-full'
  | 'io-error' // read, write or fsync failed
  | 'damaged' // the engine's own files do not parse
  | 'other-engine' // the directory holds the files of another kind of engine
  | 'set-back' // it was put back to an earlier state below the file system, as the peers can prove
  | 'outdated' // the peers have collected deletions that it has never heard of
  | 'closed';

export class EngineError extends Error {
  override readonly name = 'EngineError';
  readonly code: EngineErrorCode;
  constructor(code: EngineErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

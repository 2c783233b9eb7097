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

export interface StorageEngine {
  readonly kind: EngineKind;
  /** The value as it was last written by this process, or `undefined`. Synchronous. The bytes belong to the caller. Throws EngineError. */
  get(key: Uint8Array): Uint8Array | undefined;
  /**
   * Applies all operations or none, in order. With `sync`, resolves only after they are on stable storage (fsync);
   * without, once they survive the death of this process. Rejects with EngineError; then it is not known whether they
   * were applied, and the engine accepts nothing more.
   */
  write(operations: readonly EngineOperation[], options: { readonly sync: boolean }): Promise<void>;
  /** Keys and values in ascending order of bytes, as of one moment. */
  entries(range: KeyRange): AsyncIterable<readonly [Uint8Array, Uint8Array]>;
  /** Rough number of bytes on disk (or in memory). */
  sizeBytes(): Promise<number>;
  close(): Promise<void>;
}

/** Opens (or creates) the engine's files under `path`, and locks them against any other process. */
export type OpenEngine = (options: { readonly kind: EngineKind; readonly path: string }) => Promise<StorageEngine>;

/** What went wrong with the disk, in a form that a person can act on. */
export type EngineErrorCode =
  | 'locked' // another process has the store open
  | 'disk-full'
  | 'io-error' // read, write or fsync failed
  | 'damaged' // the engine's own files do not parse
  | 'closed';

export class EngineError extends Error {
  override readonly name = 'EngineError';
  readonly code: EngineErrorCode;
  constructor(code: EngineErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** Everything in one data directory: opened in order, failed together, closed in order. */

import { crc32 } from 'node:zlib';
import type { NodeId } from '../core/identity.ts';
import type { Env } from '../env/env.ts';
import { ComparisonStore } from './comparison-store.ts';
import type { EngineError, EngineKind, OpenEngine, StorageEngine } from './engine.ts';
import { type CommittedBatch, GroupCommit } from './group-commit.ts';
import { type HintStore, openHintStore } from './hint-store.ts';
import { IdentityError, type IdentityStore, openIdentityStore } from './identity-store.ts';
import { RecordStore } from './record-store.ts';
import { type SetAside, setDirectoryAside } from './set-aside.ts';
import { openTombstoneStore, type TombstoneStore } from './tombstone-store.ts';
import { TreeStore } from './tree-store.ts';

export interface DataStoreDependencies {
  readonly env: Env;
  readonly openEngine: OpenEngine;
  /** Told of every batch written: what the disk costs. */
  readonly onCommit: (batch: CommittedBatch) => void;
  /** Moves an outdated data directory out of the way. Default: on the file system. */
  readonly setAside?: SetAside;
}

export interface DataStoreOptions {
  readonly kind: EngineKind;
  readonly path: string;
  readonly integrityCheck: 'full' | 'quick';
  readonly clusterId: string;
  readonly nodeId: NodeId;
  readonly partitionCount: number;
  readonly hintBytesMax: number;
}

export interface DataStore {
  readonly identity: IdentityStore;
  readonly records: RecordStore;
  readonly hints: HintStore;
  readonly trees: TreeStore;
  readonly tombstones: TombstoneStore;
  readonly comparisons: ComparisonStore;
  /** Where the data directory of before was moved at opening, because it was outdated: the store is new and empty. */
  readonly setAsideTo: string | undefined;
  /** The log ended in a half-written batch that was dropped at opening. See `StorageEngine.tailDropped`. */
  readonly tailDropped: boolean;
  /** The first failed write, after which nothing is stored or acknowledged any more. */
  readonly failure: EngineError | undefined;
  onFailure(listener: (error: EngineError) => void): void;
  /** Brings all that was queued before this call to stable storage, synced or not. Rejects with EngineError. */
  flush(): Promise<void>;
  sizeBytes(): Promise<number>;
  /** Writes what is queued, refuses what comes later, says that the run ended cleanly, and releases the directory. */
  close(): Promise<void>;
}

/** Throws EngineError (locked, damaged, full) or IdentityError (another node's data), with what to do. */
export async function openDataStore(
  dependencies: DataStoreDependencies,
  options: DataStoreOptions,
): Promise<DataStore> {
  try {
    return await openOnce(dependencies, options, undefined);
  } catch (error) {
    if (!(error instanceof IdentityError) || error.code !== 'outdated') throw error;
  }
  const stamp = new Date(dependencies.env.clock.wallMicros() / 1_000).toISOString().replace(/[:.]/g, '-');
  const setAsideTo = await (dependencies.setAside ?? setDirectoryAside)(options.path, stamp);
  return await openOnce(dependencies, options, setAsideTo);
}

async function openOnce(
  dependencies: DataStoreDependencies,
  options: DataStoreOptions,
  setAsideTo: string | undefined,
): Promise<DataStore> {
  const { env } = dependencies;
  const engine = await dependencies.openEngine({
    kind: options.kind,
    path: options.path,
    integrityCheck: options.integrityCheck,
  });
  try {
    return await openStores(dependencies, options, engine, env, setAsideTo);
  } catch (error) {
    await engine.close();
    throw error;
  }
}

async function openStores(
  dependencies: DataStoreDependencies,
  options: DataStoreOptions,
  engine: StorageEngine,
  env: Env,
  setAsideTo: string | undefined,
): Promise<DataStore> {
  // One queue for all: what is written in one tick shares one fsync.
  const commit = new GroupCommit({ engine, env, observe: dependencies.onCommit });
  const shared = { engine, crc32, env, commit };
  const identity = await openIdentityStore(shared, options);
  const records = new RecordStore(shared);
  const hints = await openHintStore(shared, { bytesMax: options.hintBytesMax });
  const tombstones = await openTombstoneStore(shared);
  return {
    identity,
    records,
    hints,
    trees: new TreeStore(shared),
    tombstones,
    comparisons: new ComparisonStore(shared),
    setAsideTo,
    tailDropped: engine.tailDropped,
    get failure() {
      return commit.failure;
    },
    onFailure: (listener) => commit.onFailure(listener),
    flush: () => commit.flush(),
    sizeBytes: () => engine.sizeBytes(),
    async close() {
      // "Ended clean" says that no dot which left the process can be missing at the next start.
      await identity.endCleanly();
      await engine.close();
    },
  };
}

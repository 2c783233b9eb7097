/** Which engine stands behind a data directory. */

import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { openBtreeEngine } from './btree.ts';
import { EngineError, type EngineKind, type OpenEngine, type StorageEngine } from './engine.ts';
import { openLsmEngine } from './lsm.ts';
import { openMemoryEngine } from './memory.ts';

export const openEngine: OpenEngine = async (options): Promise<StorageEngine> => {
  if (options.kind === 'memory') return openMemoryEngine();
  // An empty store of the other kind beside the data would make the node forget all it has acknowledged.
  const other: EngineKind = options.kind === 'lsm' ? 'btree' : 'lsm';
  if (await exists(join(options.path, other))) {
    throw new EngineError(
      'other-engine',
      `the data directory ${options.path} was made by the ${other} engine, and this node is configured for ${options.kind}. ` +
        `Configure ${other}, or give the node an empty data directory: it returns as a new replica`,
    );
  }
  return options.kind === 'lsm' ? openLsmEngine(options) : openBtreeEngine(options);
};

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

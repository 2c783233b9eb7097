import { expect, test } from 'vitest';
import { nodeId } from './core/identity.ts';
import { Placement } from './core/ring/placement.ts';
import { loadHash64 } from './env/xxhash.ts';
import { unreadyReason } from './readiness.ts';
import { EngineError } from './storage/engine.ts';

const members = ['n1', 'n2', 'n3'].map((id) => ({ id: nodeId(id), zone: '', weight: 1 }));
const hash64 = await loadHash64();
const placement = new Placement({ version: 1, members, replication: 3, partitions: 16 }, 3, hash64);

function reason(failure: EngineError | undefined, ...down: readonly string[]): string | undefined {
  return unreadyReason({ store: { failure }, placement, isUp: (node) => !down.includes(node) });
}

test('readyz blames the disk for a store that was set back: the reason is what happened', () => {
  expect(reason(new EngineError('set-back', 'the data store of n1 opened 4 s behind'))).toBe(
    'this store may not go on: the data store of n1 opened 4 s behind',
  );
  expect(reason(new EngineError('io-error', 'fsync failed'))).toBe('the disk failed: fsync failed');
  expect(reason(new EngineError('closed', 'it is'))).toBe('the store is closed: it is');
});

test('a node is ready while every key has a quorum of its replicas', () => {
  expect(reason(undefined)).toBeUndefined();
  expect(reason(undefined, 'n2')).toBeUndefined();
  expect(reason(undefined, 'n3', 'n2')).toBe(
    '16 of 16 partitions lack a quorum of replicas, because n2, n3 cannot be reached',
  );
});

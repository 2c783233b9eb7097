import { afterEach, expect, test, vi } from 'vitest';
import { type NodeId, nodeId } from '../core/identity.ts';
import type { MergeAnswer, ReplicaClient } from './replica-client.ts';
import { WriteRun, type WriteRunResult } from './write-run.ts';

const homes = ['a', 'b', 'c'].map(nodeId);

afterEach(() => {
  vi.unstubAllGlobals();
});

/** A write that all homes but this one answer as told, and how many sets and maps it made. */
function run(answer: MergeAnswer): {
  readonly made: number;
  readonly missed: readonly NodeId[];
  readonly result: WriteRunResult;
} {
  let made = 0;
  const { Set: PlainSet, Map: PlainMap } = globalThis;
  vi.stubGlobal(
    'Set',
    class<T> extends PlainSet<T> {
      constructor(values?: Iterable<T>) {
        super(values);
        made++;
      }
    },
  );
  vi.stubGlobal(
    'Map',
    class<K, V> extends PlainMap<K, V> {
      constructor(entries?: Iterable<readonly [K, V]>) {
        super(entries);
        made++;
      }
    },
  );
  const missed: NodeId[] = [];
  const results: WriteRunResult[] = [];
  const client: Pick<ReplicaClient, 'merge'> = {
    merge: (_key, _record, _how, _timeoutMs, done) => done(answer),
  };
  new WriteRun(
    {
      clientOf: () => client as ReplicaClient,
      onDamaged: () => undefined,
      onMissed: (node) => missed.push(node),
      markOf: () => 0,
    },
    {
      self: nodeId('a'),
      homes,
      recordKey: new Uint8Array(1),
      bytes: new Uint8Array(1),
      required: 3,
      selfSynced: true,
      syncOthers: true,
      timeoutMs: 1_000,
      fallbacks: [],
      down: [],
    },
    (result) => results.push(result),
  ).start();
  vi.unstubAllGlobals();
  expect(results.length).toBe(1);
  return { made, missed, result: results[0] as WriteRunResult };
}

test('a strict write that all homes answer makes no sets, maps or lists', () => {
  const merged = { kind: 'merged', changed: true, synced: true } as const;
  const [first, second] = [run(merged), run(merged)];
  expect([first.made, first.missed, first.result.kind, first.result.core.acked]).toEqual([0, [], 'done', 3]);
  // The one empty list that all of them share.
  expect(first.result.core.failures).toBe(second.result.core.failures);
  expect(first.result.core.standIns()).toBe(second.result.core.failures);
});

test('a home that fails is told once, and what that needs is made then', () => {
  const { made, missed, result } = run({ kind: 'failed', reason: 'lost' });
  expect([made > 0, missed, result.kind]).toEqual([true, [nodeId('b'), nodeId('c')], 'unmet']);
});

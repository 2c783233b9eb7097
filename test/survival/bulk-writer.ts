/** Many keys, written as fast as a cluster takes them or at a rate, each until it is acknowledged. */

import { type ConsistencyLevel, Durability } from '../../src/gen/kindred/v1/types.ts';
import { pause } from '../chaos/program.ts';
import type { RealNode } from '../support/real-cluster.ts';

export interface BulkWrite {
  /** The nodes that take the batches, in turn. */
  readonly through: readonly RealNode[];
  readonly keys: Iterable<Buffer>;
  readonly makeValue: (key: Buffer) => Buffer;
  readonly level: ConsistencyLevel;
  /** Not forced to disk before it is acknowledged: much faster. Default false. */
  readonly buffered?: boolean;
  /** Keys a second. Default: as fast as they are taken. */
  readonly perSecond?: number;
  readonly batch?: number;
  readonly batchesAtOnce?: number;
  /** Hears now and then how many have been acknowledged. */
  readonly onProgress?: (written: number) => void;
}

const attemptsMax = 50;
const attemptMs = 10_000;
const retryPauseMs = 100;

/** Writes them all, and returns how many. Throws when a key is refused again and again. */
export async function bulkWrite(options: BulkWrite): Promise<number> {
  const { through, batch = 500, batchesAtOnce = 8, perSecond, onProgress } = options;
  const batches = inBatches(options.keys, batch);
  const startedMs = performance.now();
  let begun = 0;
  let written = 0;
  const work = async (worker: number): Promise<void> => {
    for (let turn = worker; ; turn++) {
      const next = batches.next();
      if (next.done) return;
      const number = begun++;
      if (perSecond !== undefined) {
        await pause(Math.max(0, startedMs + (number * batch * 1000) / perSecond - performance.now()));
      }
      await writeAll(next.value, options, turn);
      written += next.value.length;
      onProgress?.(written);
    }
  };
  await Promise.all(
    Array.from({ length: Math.min(batchesAtOnce, 4 * through.length) }, (_, index) => work(index)),
  );
  return written;
}

async function writeAll(keys: readonly Buffer[], options: BulkWrite, turn: number): Promise<void> {
  let left = keys;
  let why = '';
  for (let attempt = 0; attempt < attemptsMax; attempt++) {
    const node = options.through[(turn + attempt) % options.through.length] as RealNode;
    const failed = await writeOnce(node, left, options).catch((error: unknown) => {
      why = error instanceof Error ? error.message : String(error);
      return left.map(() => why);
    });
    why = failed.find((reason) => reason !== undefined) ?? why;
    left = left.filter((_, index) => failed[index] !== undefined);
    if (left.length === 0) return;
    await pause(retryPauseMs);
  }
  throw new Error(`${left.length} keys were not written in ${attemptsMax} attempts: ${why}`);
}

/** For each key why it failed, or `undefined`. */
async function writeOnce(
  node: RealNode,
  keys: readonly Buffer[],
  { makeValue, level, buffered = false }: BulkWrite,
): Promise<readonly (string | undefined)[]> {
  const mutations = keys.map((key) => {
    const value = { data: makeValue(key), contentType: '', metadata: {} };
    return { op: { $case: 'put', value: { key: { bucket: '', key }, value } } as const };
  });
  const strength = { $case: 'consistency', value: level } as const;
  const failed: (string | undefined)[] = keys.map(() => 'no answer');
  const answers = node.keyValue.batchWrite(
    { mutations, options: { strength, ...(buffered && { durability: Durability.DURABILITY_BUFFERED }) } },
    { signal: AbortSignal.timeout(attemptMs) },
  );
  for await (const { index, status } of answers) failed[index] = status?.message;
  return failed;
}

function* inBatches(keys: Iterable<Buffer>, size: number): Generator<readonly Buffer[], undefined> {
  let batch: Buffer[] = [];
  for (const key of keys) {
    batch.push(key);
    if (batch.length < size) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
  return undefined;
}

/** Full service: every node takes writes and reads at QUORUM, for every key. */

import { ConsistencyLevel } from '../../src/gen/kindred/v1/types.ts';
import type { RealNode } from '../support/real-cluster.ts';
import { pause } from './program.ts';

/** Spread over the ring: with five nodes and three copies there are ten sets of replicas, and each holds some. */
const probes = Array.from({ length: 100 }, (_, index) => Buffer.from(`probe/${index}`));
const attemptMs = 1_000;
const betweenMs = 50;

export type ServiceSeen =
  | { readonly kind: 'full'; readonly afterMs: number }
  | { readonly kind: 'not-full'; readonly reason: string };

/** Waits until a whole sweep through every node has succeeded, and tells how long that took. */
export async function fullService(nodes: readonly RealNode[], withinMs: number): Promise<ServiceSeen> {
  const fromMs = performance.now();
  const deadlineMs = fromMs + withinMs;
  const seen = await Promise.all(
    nodes.map(async (node): Promise<ServiceSeen> => {
      for (;;) {
        const missing = await missingService(node);
        const nowMs = performance.now();
        if (missing === undefined) return { kind: 'full', afterMs: nowMs - fromMs };
        if (nowMs > deadlineMs) return { kind: 'not-full', reason: `${node.id}: ${missing}` };
        await pause(betweenMs);
      }
    }),
  );
  const lacking = seen.find(({ kind }) => kind === 'not-full');
  return lacking ?? { kind: 'full', afterMs: performance.now() - fromMs };
}

/** What the node did not do, or `undefined`. */
async function missingService(node: RealNode): Promise<string | undefined> {
  const strength = {
    $case: 'consistency',
    value: ConsistencyLevel.CONSISTENCY_LEVEL_QUORUM,
  } as const;
  const options = { strength };
  const ids = probes.map((key) => ({ bucket: '', key }));
  const value = { data: Buffer.from('probe'), contentType: '', metadata: {} };
  const mutations = ids.map((key) => ({ op: { $case: 'put', value: { key, value } } as const }));
  try {
    const write = node.keyValue.batchWrite(
      { mutations, options },
      { signal: AbortSignal.timeout(attemptMs) },
    );
    const read = node.keyValue.batchGet({ keys: ids, options }, { signal: AbortSignal.timeout(attemptMs) });
    const [written, got] = await Promise.all([failures(write), failures(read)]);
    if (written !== undefined) return `puts fail: ${written}`;
    if (got !== undefined) return `gets fail: ${got}`;
    return;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

async function failures(
  items: AsyncIterable<{ readonly status?: { readonly message: string } | undefined }>,
): Promise<string | undefined> {
  let count = 0;
  let failed: string | undefined;
  for await (const { status } of items) {
    count++;
    if (status !== undefined) failed ??= status.message;
  }
  return failed ?? (count === probes.length ? undefined : `${count} of ${probes.length} were answered`);
}

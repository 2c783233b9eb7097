/** Whole nodes that take the rare paths often: every promise holds, and the paths are really there. */

import { expect, test } from 'vitest';
import type { RarePath } from '../../src/env/rare-path.ts';
import { systemEnv } from '../../src/env/system-env.ts';
import type { GetRequest, Operation } from '../../src/gen/kindred/v1/kv.ts';
import { ConsistencyLevel, Durability, Handoff } from '../../src/gen/kindred/v1/types.ts';
import type { Clients } from '../support/client-port.ts';
import { startLocalNodes } from '../support/local-nodes.ts';
import { SeededRandom } from '../support/seeded-random.ts';

const keys = 40;
const rounds = 4;

/** What serves clients. Where hints are handed over `handoff.test.ts` has them. */
const expected: readonly RarePath[] = [
  'admission-refuses',
  'epoch-lease-of-one',
  'epoch-not-continued',
  'group-commit-cut-short',
  'hedge-at-once',
  'peer-flush-late',
  'peer-frame-cut-short',
  'peer-replies-cut-short',
  'pipeline-of-one',
  'read-digest-differs',
  'read-farthest-first',
  'read-no-digests',
  'record-cache-misses',
  'repair-backlog-full',
  'repair-needlessly',
  'replica-overloaded',
];

const atAll = { strength: { $case: 'consistency' as const, value: ConsistencyLevel.CONSISTENCY_LEVEL_ALL } };

/** Refusals are one of the rare paths: whoever is refused comes again. */
async function again<T>(attempt: (times: number) => Promise<T>): Promise<T> {
  for (let times = 0; ; times++) {
    try {
      return await attempt(times);
    } catch (error) {
      if (times >= 100) throw error;
    }
  }
}

/** One put, by a pipeline of its own. Rejects when it was not acknowledged. */
async function put(to: Clients, operation: Operation): Promise<void> {
  let acknowledged = false;
  async function* requests(): AsyncGenerator<{ operations: Operation[] }> {
    // A second operation, so that the first is in flight when it comes.
    const second: Operation = { id: 2, op: { $case: 'get', value: getOf(operation) }, timeout: undefined };
    yield { operations: [operation, second] };
  }
  for await (const { results } of to.keyValue.pipeline(requests())) {
    for (const { id, status } of results) if (id === 1) acknowledged = status === undefined;
  }
  if (!acknowledged) throw new Error('not acknowledged');
}

function getOf({ op }: Operation): GetRequest {
  return { key: op?.$case === 'put' ? op.value.key : undefined, options: undefined };
}

test('writes count once and are read back, whatever rare paths are taken', async () => {
  const random = new SeededRandom(7);
  const taken = new Set<RarePath>();
  let often = true;
  const rarePath = (path: RarePath): boolean => {
    if (!often || !random.percent(20)) return false;
    taken.add(path);
    return true;
  };
  const cluster = await startLocalNodes(3, {}, { ...systemEnv(), rarePath });
  try {
    const clients = cluster.nodes.map((node) => node.clients);
    const pick = (turn: number): Clients => clients[turn % clients.length] as Clients;
    await Promise.all(
      Array.from({ length: keys }, async (_, index) => {
        const key = { bucket: '', key: Buffer.from(`k${index}`) };
        let context: Uint8Array = new Uint8Array();
        for (let round = 1; round <= rounds; round++) {
          const operation: Operation = {
            id: 1,
            op: {
              $case: 'put',
              value: {
                key,
                value: { data: Buffer.from(`round ${round}`), contentType: '', metadata: {} },
                causality: round === 1 ? undefined : { $case: 'context', value: context },
                expiry: undefined,
                options: {
                  strength: undefined,
                  handoff: Handoff.HANDOFF_UNSPECIFIED,
                  durability: Durability.DURABILITY_UNSPECIFIED,
                  requestId: Buffer.alloc(16, index * rounds + round),
                },
              },
            },
            timeout: undefined,
          };
          await again((times) => put(pick(index + round + times), operation));
          // At ALL: a refused attempt may have left its version on one replica, and a context that did not cover it would
          // leave it beside the next value (docs/consistency.md, on retries through another node).
          const got = await again((times) => pick(index + times).keyValue.get({ key, options: atAll }));
          const values = got.versions.map(({ body }) =>
            body?.$case === 'value' ? Buffer.from(body.value.data).toString() : 'deleted',
          );
          expect(values).toEqual([`round ${round}`]);
          context = got.context;
        }
      }),
    );
    // Those of background work (hints for refused writes, comparisons, trees) come only where the run is long enough.
    expect(expected.filter((path) => !taken.has(path))).toEqual([]);
  } finally {
    often = false;
    await cluster.stop();
  }
}, 60_000);

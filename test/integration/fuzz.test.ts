/** The wire fuzzer in the size that fits the tests. `npm run fuzz` is the large one. */

import { expect, test } from 'vitest';
import { runFuzz } from '../fuzz/wire-fuzz.ts';
import { RealCluster, type RealNode } from '../support/real-cluster.ts';

test('3,000 malformed calls and connections: defined answers, a living process, and proper calls still work', async () => {
  await using cluster = await RealCluster.start({ nodes: 1, engine: 'memory' });
  const node = cluster.nodes[0] as RealNode;
  const result = await runFuzz({ port: node.ports.client, exited: node.exited }, { cases: 3_000, seed: 1 });
  expect(result.problems).toEqual([]);
  expect(result.cases).toBe(3_000);
  expect(node.log).not.toContain('unexpectedly');
  // It reached the server's own checks, and not only the parser.
  for (const outcome of ['grpc 0', 'grpc 3', 'grpc 8', 'grpc 12', 'http 415', 'raw closed']) {
    expect(result.outcomes.get(outcome), outcome).toBeGreaterThan(0);
  }
});
